"""Filtered and smoothed states of linear Gaussian models: what was known each year, and what is known in hindsight."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.estimation.kalman import Step, kalman_filter
from seqsci.estimation.result import Fit
from seqsci.linear_gaussian import DIFFUSE_TOLERANCE, LinearGaussian
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class SmoothedStates:
    """States of every row with their standard deviations; parameters are taken as known.

    Attributes:
        names: the components, then ``signal``: the outcome without its observation error.
        filtered, filtered_sd: (rows, components + 1) given the outcomes up to the row; an sd is inf while the start is still diffuse.
        smoothed, smoothed_sd: the same given all outcomes of the unit.
        index, unit: labels of the rows, as in the sequences.
    """

    names: tuple[str, ...]
    filtered: Array
    filtered_sd: Array
    smoothed: Array
    smoothed_sd: Array
    index: Array | None
    unit: Array

    def columns(self) -> dict[str, Array]:
        """Every table column by name, four a state: ``filtered_X``, ``filtered_X_sd``, ``smoothed_X``, ``smoothed_X_sd``."""
        tables = {"filtered": self.filtered, "smoothed": self.smoothed}
        errors = {"filtered": self.filtered_sd, "smoothed": self.smoothed_sd}
        found = {}
        for i, name in enumerate(self.names):
            for kind, table in tables.items():
                found[f"{kind}_{name}"], found[f"{kind}_{name}_sd"] = table[:, i], errors[kind][:, i]
        return found

    def state(self, name: str) -> tuple[Array, Array]:
        """Smoothed mean and standard deviation of one state (rows,); raises `DataError` for a name that there is not."""
        if name not in self.names:
            raise DataError(explain(f"no state {name!r}", name, ", ".join(self.names), "use one of these names"))
        i = self.names.index(name)
        return self.smoothed[:, i], self.smoothed_sd[:, i]


def smooth(fit: Fit) -> SmoothedStates:
    """Filtered and smoothed states along the rows of a fit; see `smoothed_states`."""
    return smoothed_states(fit.model, fit.sequences)


def smoothed_states(model: Model, sequences: Sequences) -> SmoothedStates:
    """Filtered and smoothed states of a `LinearGaussian` model at its values: a fixed-interval smoother with an exact diffuse start.

    Backwards within each unit, with L = T - K Z split by powers of the infinite variance, r and N likewise:

        a_t|n = a_t + P_* r_0 + P_inf r_1
        V_t = P_* - P_* N_0 P_* - P_inf N_1 P_* - P_* N_1 P_inf - P_inf N_2 P_inf

    Raises `EquationError` for another kind of model, `DataError` where a unit has too few outcomes to end its diffuse start.

    Source: Durbin and Koopman (2012), 5.3, DOI 10.1093/acprof:oso/9780199641178.001.0001.

    >>> from seqsci.cells.drifting_capacity import DriftingCapacity
    >>> from seqsci.observations.gaussian import DiffuseGaussian
    >>> found = smoothed_states(Model(DriftingCapacity(), DiffuseGaussian()), Sequences({"log_count": [1.0, np.nan, 2.0]}))
    >>> found.names, found.state("signal")[0].round(3)
    (('deviation', 'log_capacity', 'signal'), array([1.155, 1.5  , 1.845]))
    """
    steps = kalman_filter(model, sequences)
    names = tuple(model.mechanism.components) if isinstance(model.mechanism, LinearGaussian) else ()
    ends = [*sequences.starts, len(sequences)]
    smoothed: list[tuple[Array, Array]] = []
    for a, b in itertools.pairwise(ends):
        _require_proper(steps[a:b], names, sequences, a)
        smoothed += _backwards(steps[a:b])
    wide = np.array([_with_signal(s, np.zeros(len(names)), s.filtered_diffuse)[1] for s in steps])
    ahead = [_with_signal(s, s.filtered, s.filtered_variance) for s in steps]
    behind = [_with_signal(s, *pair) for s, pair in zip(steps, smoothed, strict=True)]
    infinite = wide > np.sqrt(DIFFUSE_TOLERANCE)
    filtered_sd = np.where(infinite, np.inf, np.array([sd for _, sd in ahead]))
    filtered, hindsight, sd = (np.array(v) for v in ([m for m, _ in ahead], [m for m, _ in behind], [s for _, s in behind]))
    return SmoothedStates((*names, "signal"), filtered, filtered_sd, hindsight, sd, sequences.index, np.asarray(sequences.unit))


def _require_proper(steps: Sequence[Step], names: Sequence[str], sequences: Sequences, row: int) -> None:
    left = np.diag(steps[-1].filtered_diffuse) > DIFFUSE_TOLERANCE
    if left.any():
        which = ", ".join(n for n, f in zip(names, left, strict=True) if f)
        got = f"{sum(s.density != 0 for s in steps)} observed rows; {which} still diffuse"
        what = f"unit {np.asarray(sequences.unit)[row]} has too few outcomes for its states"
        raise DataError(explain(what, got, "an outcome for every diffuse component", "leave the unit out, or use fewer components"))


def _with_signal(step: Step, mean: Array, variance: Array) -> tuple[Array, Array]:
    """Means and standard deviations of the components and of the signal."""
    z = step.space.design
    spread = np.append(np.diag(variance), z @ variance @ z)
    return np.append(mean, step.space.offset + z @ mean), np.sqrt(np.maximum(spread, 0.0))


def _backwards(steps: Sequence[Step]) -> list[tuple[Array, Array]]:
    """Smoothed mean (m,) and variance (m, m) of each step of one unit."""
    m = len(steps[0].mean)
    r0, r1 = np.zeros(m), np.zeros(m)
    n0, n1, n2 = np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m))
    found: list[tuple[Array, Array]] = []
    for s in reversed(steps):
        t, z = s.space.transition, s.space.design
        l0, l1 = t, np.zeros((m, m))
        first, second = np.zeros(m), np.zeros(m)
        e0, e1, e2 = 0.0, 0.0, 0.0
        if s.wide > DIFFUSE_TOLERANCE:
            far, cross = t @ s.diffuse @ z, t @ s.variance @ z
            l0 = t - np.outer(far / s.wide, z)
            l1 = -np.outer(cross / s.wide - far * s.spread / s.wide**2, z)
            second, e1, e2 = z * s.surprise / s.wide, 1 / s.wide, -s.spread / s.wide**2
        elif s.wide == 0.0:
            l0 = t - np.outer(t @ s.variance @ z / s.spread, z)
            first, e0 = z * s.surprise / s.spread, 1 / s.spread
        r1 = second + l0.T @ r1 + l1.T @ r0
        r0 = first + l0.T @ r0
        zz, mixed = np.outer(z, z), l1.T @ n1 @ l0
        n2 = e2 * zz + l0.T @ n2 @ l0 + mixed + mixed.T + l1.T @ n0 @ l1
        mixed = l1.T @ n0 @ l0
        n1 = e1 * zz + l0.T @ n1 @ l0 + mixed + mixed.T
        n0 = e0 * zz + l0.T @ n0 @ l0
        p, wide = s.variance, s.diffuse
        mixed = wide @ n1 @ p
        found.append((s.mean + p @ r0 + wide @ r1, p - p @ n0 @ p - mixed - mixed.T - wide @ n2 @ wide))
    return found[::-1]
