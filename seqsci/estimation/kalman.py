"""The exact diffuse Kalman filter on numbers: what the fixed-interval smoother walks back over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqsci.errors import EquationError, explain
from seqsci.linear_gaussian import DIFFUSE_TOLERANCE, LinearGaussian
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Space:
    """Matrices of one step as arrays: T (m, m), Q (m, m), Z (m,), H, c (m,), d."""

    transition: Array
    noise: Array
    design: Array
    error: float
    moved: Array
    offset: float


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the filter: what was predicted, and what the outcome said.

    Attributes:
        space: the step's matrices.
        mean, variance, diffuse: prediction of the components (m,), its proper and its infinite variance (m, m).
        surprise, spread, wide: v, F and F_inf; NaN where the outcome is missing.
        density: log density of the outcome, 0 where it is missing.
        filtered, filtered_variance, filtered_diffuse: the same as the prediction, after the outcome.
    """

    space: Space
    mean: Array
    variance: Array
    diffuse: Array
    surprise: float
    spread: float
    wide: float
    density: float
    filtered: Array
    filtered_variance: Array
    filtered_diffuse: Array


def spaces(model: Model, sequences: Sequences) -> Iterator[tuple[Space, Array, Array]]:
    """The matrices of every row, with the mean and variance that a unit starts from.

    Raises `EquationError` where the model is not a `LinearGaussian` one.
    """
    mechanism = model.mechanism
    if not isinstance(mechanism, LinearGaussian):
        fix = "use fit.path for its filtered states"
        raise EquationError(explain("only linear Gaussian models have smoothed states", type(mechanism).__name__, "a LinearGaussian", fix))
    known = {k.name: sequences.column(k.name) for k in mechanism.known}
    m, last = len(mechanism.components), None
    for t in range(len(sequences)):
        if last is None or known:
            found = mechanism.state_space({**model.value, **{n: float(v[t]) for n, v in known.items()}})
            moved = np.array(found.state_input, float) if len(found.state_input) else np.zeros(m)
            arrays = (np.array(found.transition, float), np.array(found.state_variance, float), np.array(found.design, float))
            space = Space(*arrays, float(found.observation_variance), moved, float(found.observation_input))
            last = space, np.array(found.mean, float), np.array(found.variance, float)
        yield last


def kalman_filter(model: Model, sequences: Sequences) -> list[Step]:
    """Filter sequences at the model's values: the equations of `LinearGaussian` on arrays, without compiling anything.

    The densities and predictions are those of ``model.filter``; this one serves models with many components, whose kernels would be too
    large, and smoothing. It takes about 0.1 ms a row.

    >>> from seqsci.cells.drifting_capacity import DriftingCapacity
    >>> from seqsci.observations.gaussian import DiffuseGaussian
    >>> steps = kalman_filter(Model(DriftingCapacity(), DiffuseGaussian()), Sequences({"log_count": [1.0, 2.0]}))
    >>> steps[0].wide, float(steps[1].mean.sum())
    (1.0, 1.0)
    """
    outcome = sequences.column(model.mechanism.outcomes[0].name)
    seen, reset = np.asarray(sequences.observed, bool), np.asarray(sequences.reset, bool)
    diffuse = model.mechanism.diffuse if isinstance(model.mechanism, LinearGaussian) else ()
    steps: list[Step] = []
    for t, (space, mean, variance) in enumerate(spaces(model, sequences)):
        if reset[t]:
            a, p = mean, variance
            wide = np.diag([float(d) for d in diffuse]) if len(diffuse) else np.zeros_like(variance)
        step = _observe(space, a, p, wide, float(outcome[t]) if seen[t] else math.nan)
        steps.append(step)
        move = space.transition
        a = space.moved + move @ step.filtered
        p = move @ step.filtered_variance @ move.T + space.noise
        wide = move @ step.filtered_diffuse @ move.T
    return steps


def _observe(space: Space, a: Array, p: Array, wide: Array, y: float) -> Step:
    """One step, the outcome included."""
    z = space.design
    if math.isnan(y):
        return Step(space, a, p, wide, math.nan, math.nan, math.nan, 0.0, a, p, wide)
    v, f, f_wide = y - space.offset - float(z @ a), float(z @ p @ z) + space.error, float(z @ wide @ z)
    cross, far = p @ z, wide @ z
    if f_wide > DIFFUSE_TOLERANCE:
        after = p - (np.outer(cross, far) + np.outer(far, cross)) / f_wide + np.outer(far, far) * f / f_wide**2
        rest = wide - np.outer(far, far) / f_wide
        density = -0.5 * (math.log(2 * math.pi) + math.log(f_wide))
        return Step(space, a, p, wide, v, f, f_wide, density, a + far * v / f_wide, after, rest)
    density = -0.5 * (math.log(2 * math.pi) + math.log(f) + v * v / f)
    return Step(space, a, p, wide, v, f, 0.0, density, a + cross * v / f, p - np.outer(cross, cross) / f, wide)
