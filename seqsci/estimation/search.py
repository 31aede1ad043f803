"""The optimisation behind one fit: starting points, climbs, bounds, information, profiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqsci.errors import ParameterError, explain
from seqsci.estimation.profile import Profile, trace, trace_grid
from seqsci.frames import SCALES
from seqsci.kernel import Kernel, Packed
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
WORKING_SCALE = {"decimal": 100.0}
"""Factor by which an outcome is multiplied during estimation, by its stated unit; estimates are reported in the stated unit."""
FORCED = 2
"""Starting points of a mechanism that are always climbed, as many as are asked for: its best guess, and one in another basin."""
MODES = 2
"""Starting points of a mechanism with several modes that its profiles also follow."""
NEAR = 4.0
"""A parameter within this many standard errors of a bound gets its interval from the profile likelihood: Wald's is skew there."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Where an optimisation ended: raw values, negative log-likelihood, whether it converged or the density collapsed, what was pinned."""

    raw: Array
    nll: float
    converged: bool
    collapsed: bool
    pinned: frozenset[int]


class Search:
    """The optimisation of one fit: starting points, climbs, bounds."""

    def __init__(self, model: Model, sequences: Sequences, evaluations: int) -> None:
        self.model, self.limit, self.evaluations = model, evaluations, 0
        self.data: Packed = model.pack(sequences)
        self.kernel: Kernel = model.kernel(not self.data.observed.all())
        self.sequences = sequences
        self.parameters = model.kernel_parameters
        self.names = [p.name for p in self.parameters]
        self.free = np.array([i for i, n in enumerate(self.names) if n not in model.fixed], dtype=np.int64)
        k = len(self.names)
        self._gradient, self._outer, self._rows = np.zeros(k), np.zeros((k, k)), np.zeros((0, k))
        self._last = (b"", False, np.inf)
        self._natural, self.slope, self._empty = np.zeros(k), np.zeros(k), np.zeros((0, 0))
        prior = model.active_prior
        names = [self.names[i] for i in self.free]
        nothing: tuple[Array, Array] = (np.zeros(0), np.zeros((0, 0)))
        self.centre, self.precision = nothing if prior is None else prior.on(self.names, names)
        values = self.data.X[self.data.observed.astype(bool), self.kernel.program.n_known]
        self._count, self._log_spread = len(values), -math.inf if model.observation.mass else log_spread(values)
        self._spread = float(values.std()) if len(values) else 1.0

    def nll(self, raw: Array, full: bool = False) -> float:
        """Negative log-likelihood at a raw point; leaves the gradient and, where full, the outer products behind."""
        key = raw.tobytes()
        if key == self._last[0] and (self._last[1] or not full):
            return self._last[2]
        self.evaluations += 1
        outer = self._outer if full else self._empty
        value = self.kernel.objective_function(raw, *self.data.arguments, self._gradient, outer, self._rows, self._natural, self.slope)
        self._last = (key, full, float(value) if np.isfinite(value) else np.inf)
        return self._last[2]

    def climb(self, raw: Array, free: Array) -> tuple[Array, float, bool]:
        from seqsci.estimation.optimise import maximise

        raw, report = raw.copy(), np.zeros(3)
        compiled: Any = maximise
        value = compiled(
            self.kernel.objective_function, self.centre, self.precision, raw, free, *self.data.arguments, self.limit, self.tolerance, report
        )
        self.evaluations += int(report[0])
        return raw, float(value), bool(report[2]) and bool(np.isfinite(value))

    @property
    def tolerance(self) -> float:
        """Nats at which a climb ends."""
        from seqsci.estimation.fused import KINKED_TOLERANCE, SMOOTH_TOLERANCE

        return KINKED_TOLERANCE if self.kernel.program.kinked else SMOOTH_TOLERANCE

    @property
    def start(self) -> Array:
        """The model's own values on the raw scale."""
        return np.array([p.constraint.inverse(self.model.value[p.name]) for p in self.parameters])

    def points(self, warm: bool, most: int | None = None) -> list[Array]:
        """The first (or all) distinct starting points on the raw scale."""
        seen = np.asarray(self.sequences.observed, bool)
        grid = self.model.mechanism.starting_values({n: v[seen] for n, v in self.sequences.outcome.items()})
        base, fixed = self.model.value, self.model.fixed
        tables = [base] if warm else []
        tables += [{**base, **{n: v for n, v in g.items() if n not in fixed}} for g in itertools.islice(grid, most)]
        unique = list({tuple(t[n] for n in self.names): None for t in tables})[:most]
        return [np.array([p.constraint.inverse(v) for p, v in zip(self.parameters, u, strict=True)]) for u in unique]

    def solve(self, starts: int, warm: bool, far: float = np.inf) -> Solution:
        """Climb from the most promising points (the model's own values first, where ``warm``), pin what sits at a bound."""
        objective = self.kernel.objective_function  # first: it says what to install where numba is absent
        from seqsci.estimation.fused import solve

        points = np.array(self.points(warm, starts if starts <= FORCED + warm else None))
        raw, pinned, report = np.zeros(len(self.names)), np.zeros(len(self.names), np.uint8), np.zeros(3)
        compiled: Any = solve
        nll = compiled(
            objective, self.centre, self.precision, points, FORCED + int(warm), starts, far,
            self.free, *self.ends, self._count, self._log_spread, *self.data.arguments, self.limit, self.tolerance, raw, pinned, report,
        )  # fmt: skip
        self.evaluations += int(report[0])
        at_bound = frozenset(int(i) for i in np.flatnonzero(pinned))
        return Solution(raw, float(nll), bool(report[1]) and bool(np.isfinite(nll)), bool(report[2]), at_bound)

    @property
    def ends(self) -> tuple[Array, Array]:
        """Whether the sets of the parameters are bounded below and above."""
        bounds = np.array([p.constraint.bounds for p in self.parameters]).reshape(-1, 2)
        return np.isfinite(bounds[:, 0]).astype(np.uint8), np.isfinite(bounds[:, 1]).astype(np.uint8)

    def profiles(self, raw: Array, free: Array, deviations: Array) -> dict[str, Profile]:
        """Profiles of parameters on a bound or near one, of those that move a kink in proportion to a state, or of all (several modes).

        ``free`` are the parameters that were estimated, ``deviations`` their standard errors on the natural scale.
        """
        nll = self.nll(raw)
        estimates = self._natural.copy()
        errors = dict(zip(free, deviations, strict=True))
        several = self.model.mechanism.several_modes
        found = {}
        for i in self.free:
            constraint = self.parameters[i].constraint
            low, high = constraint.bounds
            error = float(errors[i]) if i in errors and np.isfinite(errors[i]) else 0.01 * (high - low)
            inside = i in errors and low < estimates[i] - NEAR * error and estimates[i] + NEAR * error < high
            scaled = self.names[i] in self.kernel.program.kink_scalers
            if not several and not scaled and (inside or not np.isfinite(high - low)):
                continue
            refit = self._refit(i, raw, free)
            if several and np.isfinite(high - low):
                found[self.names[i]] = trace_grid(refit, float(estimates[i]), nll, constraint)
                continue
            error = error if np.isfinite(error) and error > 0 else 0.1 * self._spread
            found[self.names[i]] = trace(refit, float(estimates[i]), nll, min(error, 0.25 * (high - low)), constraint)
        return found

    def _refit(self, i: int, raw: Array, free: Array) -> Callable[[float], float]:
        """The smallest negative log-likelihood with parameter i held at a value, found from where that at the nearest value ended.

        Where there may be several modes the other parameters also start inside their sets, so that one that was pinned at its bound
        can leave it, at the mechanism's own starting values.
        """
        rest = np.array([j for j in free if j != i], dtype=np.int64)
        inverse = self.parameters[i].constraint.inverse
        self.nll(raw)
        here = float(self._natural[i])
        climbs = [([(here, raw.copy())], rest)]
        if self.model.mechanism.several_modes:
            everything = np.array([j for j in self.free if j != i], dtype=np.int64)
            climbs += [([(here, p)], everything) for p in self.points(False, MODES)]

        def refit(value: float) -> float:
            smallest = np.inf
            for ended, moving in climbs:
                point = min(ended, key=lambda e: abs(e[0] - value))[1].copy()
                point[i] = inverse(value)
                point, nll, _ = self.climb(point, moving)
                ended.append((value, point))
                smallest = min(smallest, nll)
            return smallest

        return refit

    def natural(self, raw: Array) -> dict[str, float]:
        """Natural values at a raw point."""
        self.nll(raw)
        return dict(zip(self.names, (float(v) for v in self._natural), strict=True))

    def row_scores(self, raw: Array, free: Array) -> Array:
        """Scores (scored rows, free) on the raw scale, of the negative log-likelihood."""
        self.nll(raw)
        rows = self.kernel.row_scores(list(raw), self.data)[self.scored]
        return np.asarray(rows[:, free] * self.slope[free])

    @property
    def scored(self) -> Array:
        """Which rows enter the likelihood (booleans)."""
        return np.asarray((self.data.observed == 1) & (self.data.weight != 0))

    def curvature(self, raw: Array, free: Array) -> tuple[Array, Array]:
        """Outer products and information of the free parameters on the raw scale, the information by the rule for kinks.

        Differences of the exact score; where all parameters move kinks (through a state), the Gauss-Newton form. With the prior's share.
        """
        from seqsci.estimation.fused import curvature, no_information

        rough = np.array([self.names[i] in self.kernel.program.rough_parameters for i in free], np.uint8)
        newton = bool(rough.all())
        compiled: Any = curvature
        outer, hessian = np.zeros((len(free), len(free))), np.zeros((len(free), len(free)))
        compiled(
            self.kernel.objective_function, self.kernel.information_function if newton else no_information, newton,
            self.centre, self.precision, raw, free, rough, *self.data.arguments, outer, hessian, self._natural, self.slope,
        )  # fmt: skip
        self.evaluations += 1 + (0 if newton else 2 * len(free))
        self._last = (b"", False, np.inf)  # the natural values are those of this point now
        return outer, hessian

    def penalty(self, raw: Array) -> float:
        """Minus the log prior at a raw point, up to its constant; 0 without a prior."""
        moved = np.where(np.diag(self.precision) > 0, raw - self.centre, 0.0) if len(self.centre) else np.zeros(0)
        return float(0.5 * moved @ self.precision @ moved)


def log_spread(values: Array) -> float:
    """Log standard deviation of a series in which values are repeated in a row, else -inf: then no density collapses onto them."""
    repeated = np.count_nonzero(values[1:] == values[:-1]) > 1
    spread = float(values.std()) if repeated else 0.0
    return math.log(spread) if spread > 0 else -math.inf


def rescale(model: Model, factor: float, from_values: dict[str, float] | None = None) -> Model:
    """The model with every dimensional parameter converted to an outcome multiplied by ``factor``."""
    table = {**model.value, **(from_values or {})}
    values = {p.name: table[p.name] * factor**p.dimension for p in model.parameters}
    prior = None if model.prior is None else model.prior.rescaled(model.parameters, factor)
    return replace(model, values=tuple(values.items()), prior=prior)


def in_unit(model: Model, measure: str) -> Model:
    """The model with its prior in the unit of the data; raises `ParameterError` where it is in one that cannot be converted."""
    prior = model.prior
    if prior is None or not prior.unit or prior.unit == measure:
        return model
    if prior.unit not in SCALES or measure not in SCALES:
        got = f"the prior in {prior.unit!r}, the data in {measure or 'no stated unit'!r}"
        raise ParameterError(explain("the prior is in another unit than the data", got, prior.unit, "state the unit, or convert the data"))
    return model.with_prior(replace(prior.rescaled(model.parameters, SCALES[measure] / SCALES[prior.unit]), unit=measure))


def trace_profiles(fitted: Model, sequences: Sequences, free_names: tuple[str, ...], deviations: Array) -> dict[str, Profile]:
    """Profiles of a fitted model's parameters where a Wald interval would be wrong, in the unit of the data.

    ``deviations`` are the standard errors of ``free_names`` on the natural scale.
    """
    outcome = fitted.mechanism.outcomes[0].name
    factor = WORKING_SCALE.get(sequences.measure.get(outcome, ""), 1.0)
    working, scaled = rescale(fitted, factor), sequences.scaled(outcome, factor)
    search = Search(working, scaled, 1000)
    scale = {p.name: factor**p.dimension for p in search.parameters}
    raw = np.array([p.constraint.inverse(working.value[p.name]) for p in search.parameters])
    free = np.array([search.names.index(n) for n in free_names], dtype=np.int64)
    errors = deviations * np.array([scale[n] for n in free_names])
    traced = search.profiles(raw, free, errors)
    return {n: Profile(tuple(v / scale[n] for v in p.values), p.roots) for n, p in traced.items()}
