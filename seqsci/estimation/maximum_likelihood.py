"""Maximum likelihood for one model on one set of sequences."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqsci.errors import ConvergenceError, DataError, explain
from seqsci.estimation.result import Fit, Provenance
from seqsci.estimation.standard_errors import Covariance, Sandwich, ScoreFunction
from seqsci.kernel import Kernel, Packed
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
WORKING_SCALE = {"decimal": 100.0}
"""Factor by which an outcome is multiplied during estimation, by its stated unit; estimates are reported in the stated unit."""
BOUND_COST = 1e-3
"""A parameter is pinned to a bound where that costs fewer nats than this."""

COLLAPSE = 0.5
"""Mean log density plus log standard deviation above which a density has collapsed onto repeated values (a normal sample has -1.4)."""


@dataclass(frozen=True)
class MaximumLikelihood:
    """Maximise the log-likelihood over the model's free parameters on their raw scale.

    Attributes:
        starts: number of starting points that are climbed: 1 takes the first of the model's grid, more take the best of it;
            with `warm` the model's own values come first.
        covariance: how standard errors are made; the default is robust to a wrong density.
        warm: climb from the model's own values as well (rolling refits).
        evaluations: most evaluations of the likelihood per start.
        min_rows: fewest observed rows that are accepted.

    Raises `DataError` for data that cannot identify the model and `ConvergenceError`, with numbered advice, where no start converges.
    """

    starts: int = 3
    covariance: Covariance = field(default_factory=Sandwich)
    warm: bool = False
    evaluations: int = 1000
    min_rows: int = 50

    def fit(self, model: Model, sequences: Sequences) -> Fit:
        """Return the frozen `Fit`; the model is not changed."""
        clock = time.perf_counter()
        outcome = model.mechanism.outcomes[0].name
        self._check(model, sequences, outcome)
        factor = WORKING_SCALE.get(sequences.measure.get(outcome, ""), 1.0)
        scaled = sequences if factor == 1.0 else sequences.scaled(outcome, factor)
        working = model if factor == 1.0 else rescale(model, factor)
        search = _Search(working, scaled, self.evaluations)
        raw, nll, converged = search.best(self.starts, self.warm)
        if converged and search.collapsed(raw, nll):
            raise ConvergenceError(_collapse(working, sequences.column(outcome)))
        raw, nll, pinned = search.pin(raw, nll)
        if not converged:
            raise ConvergenceError(_advice(working, search, raw))
        free = np.array([i for i in search.free if i not in pinned], dtype=np.int64)
        covariance = np.zeros((0, 0))
        if len(free):
            covariance = self.covariance.estimate(search.score_at(raw, free), raw[free], search.rough(free))
        values = search.natural(raw)
        fitted = rescale(model.start_at(**{n: v for n, v in values.items() if n not in model.fixed}), 1.0, from_values=values)
        names = tuple(search.names[i] for i in free)
        stretch = np.ones(len(free))
        if factor != 1.0:
            fitted, stretch = _in_user_unit(fitted, search, raw, free, 1.0 / factor)
        rows = int(np.sum(search.data.weight[search.data.observed.astype(bool)] > 0))
        presamples = model.presamples(sequences)
        provenance = Provenance.of(
            self.covariance.name, search.evaluations, time.perf_counter() - clock, data_hash(sequences), search.kernel.program.kinked
        )
        return Fit(
            model=fitted,
            free_names=names,
            covariance_raw=covariance * np.outer(stretch, stretch),
            at_bound=tuple(search.names[i] for i in sorted(pinned)),
            log_likelihood=-nll + rows * np.log(factor),
            rows=rows,
            sequences=sequences,
            presamples=presamples,
            provenance=provenance,
        )

    def _check(self, model: Model, sequences: Sequences, outcome: str) -> None:
        values = sequences.column(outcome)[np.asarray(sequences.observed, bool)]
        if len(values) < self.min_rows:
            raise DataError(
                explain(
                    f"too few observed values of {outcome}",
                    len(values),
                    f"at least {self.min_rows}",
                    "use a longer series, or lower min_rows",
                )
            )
        if np.ptp(values) == 0:
            raise DataError(
                explain(
                    f"{outcome} is constant",
                    f"{values[0]:g} in all {len(values)} rows",
                    "values that vary",
                    "check the column that was read",
                )
            )


class _Search:
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
        self._natural, self._slope, self._empty = np.zeros(k), np.zeros(k), np.zeros((0, 0))
        values = self.data.X[self.data.observed.astype(bool), self.kernel.program.n_known]
        self._count, self._log_spread = len(values), float(np.log(values.std()))

    def nll(self, raw: Array, full: bool = False) -> float:
        """Negative log-likelihood at a raw point; leaves the gradient and, where full, the outer products behind."""
        self.evaluations += 1
        outer = self._outer if full else self._empty
        value = self.kernel.objective_function(raw, *self.data.arguments, self._gradient, outer, self._rows, self._natural, self._slope)
        return float(value) if np.isfinite(value) else np.inf

    def climb(self, raw: Array, free: Array) -> tuple[Array, float, bool]:
        from seqsci.estimation.optimise import maximise

        raw, report = raw.copy(), np.zeros(3)
        compiled: Any = maximise
        value = compiled(self.kernel.objective_function, raw, free, *self.data.arguments, self.limit, report)
        self.evaluations += int(report[0])
        return raw, float(value), bool(report[2]) and bool(np.isfinite(value))

    def points(self, warm: bool) -> list[Array]:
        """Distinct starting points on the raw scale."""
        seen = np.asarray(self.sequences.observed, bool)
        grid = self.model.mechanism.starting_values({n: v[seen] for n, v in self.sequences.outcome.items()})
        tables = ([self.model.value] if warm else []) + [
            {**self.model.value, **{n: v for n, v in g.items() if n not in self.model.fixed}} for g in grid
        ]
        unique = {tuple(t[n] for n in self.names): None for t in tables}
        return [np.array([p.constraint.inverse(v) for p, v in zip(self.parameters, u, strict=True)]) for u in unique]

    def best(self, starts: int, warm: bool) -> tuple[Array, float, bool]:
        """Climb from the most promising points; the likelihood decides."""
        points = self.points(warm)
        if starts <= 1:
            points = points[:1]
        elif len(points) > starts:
            first = points[:1] if warm else []
            rest = sorted(points[len(first) :], key=self.nll)
            points = (first + rest)[:starts]
        climbed = [self.climb(p, self.free) for p in points]
        return min(climbed, key=lambda c: (not c[2] or self.collapsed(c[0], c[1]), c[1]) if np.isfinite(c[1]) else (True, np.inf))

    def collapsed(self, raw: Array, nll: float) -> bool:
        """Whether the density has collapsed onto repeated values.

        Its sign: a mean log density far above that of the data's own spread, or a positive parameter that has run to zero.
        """
        vanished = any(
            raw[i] < -24.0
            and np.isfinite(raw[i])
            and np.isinf(self.parameters[i].constraint.bounds[1])
            and np.isfinite(self.parameters[i].constraint.bounds[0])
            for i in self.free
        )
        return vanished or bool(-nll / self._count > COLLAPSE - self._log_spread)

    def pin(self, raw: Array, nll: float) -> tuple[Array, float, set[int]]:
        """Move parameters that sit at a bound onto it, and climb again with the others."""
        pinned: set[int] = set()
        for i in self.free:
            low, high = self.parameters[i].constraint.bounds
            for bound, end in ((low, -np.inf), (high, np.inf)):
                if not np.isfinite(bound) or np.sign(raw[i]) != np.sign(end) or abs(raw[i]) < 3.0:
                    continue
                trial = raw.copy()
                trial[i] = end
                rest = np.array([j for j in self.free if j not in pinned and j != i], dtype=np.int64)
                if self.nll(trial) - nll > 10.0:
                    continue
                trial, value, _ = self.climb(trial, rest)
                if value - nll < BOUND_COST and not self.collapsed(trial, value):
                    raw, nll = trial, value
                    pinned.add(int(i))
        return raw, nll, pinned

    def natural(self, raw: Array) -> dict[str, float]:
        """Natural values at a raw point."""
        self.nll(raw)
        return dict(zip(self.names, (float(v) for v in self._natural), strict=True))

    def rough(self, free: Array) -> Array:
        """Which of the free parameters move a kink (bools)."""
        return np.array([self.names[i] in self.kernel.program.rough_parameters for i in free], bool)

    def score_at(self, raw: Array, free: Array) -> ScoreFunction:
        """The score as a function of the entries ``free`` of raw."""

        def score(theta: Array, full: bool) -> tuple[Array, Array]:
            point = raw.copy()
            point[free] = theta
            self.nll(point, full)
            return self._gradient[free], self._outer[np.ix_(free, free)] if full else self._empty

        return score


def rescale(model: Model, factor: float, from_values: dict[str, float] | None = None) -> Model:
    """The model with every dimensional parameter converted to an outcome multiplied by ``factor``."""
    table = {**model.value, **(from_values or {})}
    values = {p.name: table[p.name] * factor**p.dimension for p in model.parameters}
    return Model(model.mechanism, model.observation, tuple(values.items()), model.fixed, model.name)


def _in_user_unit(fitted: Model, search: _Search, raw: Array, free: Array, factor: float) -> tuple[Model, Array]:
    """Values and the stretch of raw standard errors after a change of the outcome's unit."""
    search.nll(raw)
    before = search._slope[free].copy()
    converted = rescale(fitted, factor)
    stretch = np.ones(len(free))
    for m, i in enumerate(free):
        p = search.parameters[i]
        if p.dimension:
            after = np.exp(p.constraint.log_jacobian(p.constraint.inverse(converted.value[p.name])))
            stretch[m] = before[m] * factor**p.dimension / after
    return converted, stretch


def data_hash(sequences: Sequences) -> str:
    """Short hash of everything that a likelihood sees."""
    digest = hashlib.sha256()
    for name, values in sorted({**sequences.known, **sequences.outcome}.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    for flags in (sequences.observed, sequences.weight, sequences.reset):
        digest.update(np.ascontiguousarray(flags).tobytes())
    return digest.hexdigest()[:16]


def _collapse(model: Model, values: Array) -> str:
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return (
        f"{model.name}: the likelihood has no maximum, the density collapses onto repeated values.\n"
        f"  got:      {counts.max() / counts.sum():.0%} of the rows are exactly {distinct[counts.argmax()]:g}\n"
        "  expected: an outcome with few exact repetitions\n"
        "  1. drop the part of the data that moves in ticks or is not traded\n"
        "  2. use longer steps (weekly returns)\n"
        "  3. fix what lets the state vanish, e.g. model.fix(intercept=...)"
    )


def _advice(model: Model, search: _Search, raw: Array) -> str:
    values = ", ".join(f"{n} = {v:.4g}" for n, v in search.natural(raw).items())
    return (
        f"{model.name} did not converge from any of its starting points (last point: {values}).\n"
        "  1. look at the data: a level shift, a unit mix-up or a run of zeros shows up here first\n"
        "  2. fix a parameter that the data do not identify, e.g. model.fix(shift=0.0)\n"
        "  3. try more starting points: MaximumLikelihood(starts=8), or your own with model.start_at(...) and warm=True\n"
        "  4. allow more work: MaximumLikelihood(evaluations=5000)"
    )
