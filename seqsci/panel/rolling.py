"""Rolling refits of a model over every series of a panel, compiled and warm-started, with one-step-ahead forecasts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.forecast import Distribution
from seqsci.kernel import Packed
from seqsci.model import Model
from seqsci.panel import pool
from seqsci.panel.batch import Batch, Task
from seqsci.panel.job import Job
from seqsci.panel.stretches import Stretches
from seqsci.panel.units import Units

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Forecasts:
    """One-step-ahead forecasts of one predictor over a panel.

    Attributes:
        rows: (rows,) positions in the packed rows of the units, increasing.
        mean, variance, log_density: (rows,) of each row's predictive distribution, in the unit of the outcome.
        below: by level, (rows,) whether the outcome fell below that quantile.
        failures: position of the unit and the reason, of each unit without forecasts.
        seconds: wall time; refits: how many fits were made.
    """

    rows: Array
    mean: Array
    variance: Array
    log_density: Array
    below: Mapping[float, Array]
    failures: Sequence[tuple[int, str]]
    seconds: float
    refits: int = 0


def roll(
    model: Model,
    units: Units,
    first: Array,
    refit: int,
    window: int | None,
    estimator: MaximumLikelihood,
    levels: tuple[float, ...],
    threads: int | None = None,
) -> Forecasts:
    """Forecast every observed row from ``first`` on: row t by parameters of the last refit and the rows before t.

    Refits are made at rows first, first + refit, ..., on the ``window`` rows before (all where None); after the first they start from the
    last estimates as well, as `seqsci.predictor.ModelPredictor` does: the forecasts are the same. first: (units,) row number in each unit.
    A unit that cannot be fitted at some refit has no forecasts, and a reason.
    """
    clock = time.perf_counter()
    cold = Job.of(model, units, replace(estimator, warm=False))
    cold.compile()
    run = _Run(cold, first, refit, window, levels)
    parts: list[_Part] = []
    finished = pool.each(run.chunk, [i for i in range(len(units)) if i not in units.reasons], threads, parts.append)
    if not finished:
        raise KeyboardInterrupt
    failures = sorted([*units.reasons.items(), *(f for p in parts for f in p.failures)])
    empty = _Part(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), {level: np.zeros(0, bool) for level in levels})
    every = [empty, *parts]
    rows = np.concatenate([p.rows for p in every])
    order = np.argsort(rows, kind="stable")
    below = {level: np.concatenate([p.below[level] for p in every])[order] for level in levels}
    mean, variance, density = (np.concatenate([getattr(p, n) for p in every])[order] for n in ("mean", "variance", "log_density"))
    refits = sum(p.refits for p in parts)
    return Forecasts(rows[order], mean, variance, density, below, failures, time.perf_counter() - clock, refits)


@dataclass(frozen=True, eq=False)
class _Part:
    rows: Array
    mean: Array
    variance: Array
    log_density: Array
    below: Mapping[float, Array]
    failures: list[tuple[int, str]] = field(default_factory=list)
    refits: int = 0


@dataclass(frozen=True, eq=False)
class _Run:
    """What the threads share."""

    cold: Job
    first: Array
    refit: int
    window: int | None
    levels: tuple[float, ...]

    def chunk(self, positions: list[int]) -> _Part:
        """All refits and forecasts of some units."""
        units, job = self.cold.units, self.cold
        length = {i: units.rows(i).stop - units.rows(i).start for i in positions}
        failures: dict[int, str] = {}
        last: dict[int, Array] = {}
        rows: list[Array] = []
        reads: list[Array] = []
        natural: list[Array] = []
        owner: list[Array] = []
        refits, k = 0, 0
        alive = [i for i in positions if 0 < self.first[i] < length[i]]
        while alive:
            for gaps, some in self._split(alive, k, failures):
                batch = Batch.of(job.task.model, units, self._cuts(some, k), job.factor)
                task, points = self._task(batch, [last.get(i) for i in some])
                solved, _ = replace(job, task=task).solve(batch, points, gaps, errors=False)
                values = batch.evaluate(task, solved.raw, gaps)[1]
                refits += len(some)
                for j, i in enumerate(some):
                    if not solved.good[j]:
                        reason = "the density collapses onto repeated values" if solved.collapsed[j] else "did not converge"
                        failures[i] = f"the refit at row {self._origin(i, k)}: {reason}"
                        continue
                    last[i] = solved.raw[j]
                    cut, seen = self._ahead(batch, j, i, k, values[j])
                    rows.append(cut)
                    reads.append(seen)
                    natural.append(np.repeat(values[j][None], len(cut), 0))
                    owner.append(np.full(len(cut), i))
            k += 1
            alive = [i for i in alive if i not in failures and self._origin(i, k) < length[i]]
        return self._part(rows, reads, natural, owner, failures, refits)

    def _origin(self, i: int, k: int) -> int:
        return int(self.first[i]) + k * self.refit

    def _training(self, i: int, k: int) -> slice:
        start, origin = self.cold.units.rows(i).start, self._origin(i, k)
        return slice(start + (0 if self.window is None else max(0, origin - self.window)), start + origin)

    def _split(self, alive: list[int], k: int, failures: dict[int, str]) -> list[tuple[bool, list[int]]]:
        """Units whose training rows can be fitted, those with gaps by themselves."""
        cuts = self._cuts(alive, k)
        reasons = self.cold.too_little(cuts) if k else self.cold.unfit(cuts)
        gaps = cuts.hold(self.cold.units.missing).tolist()
        failures |= {alive[j]: f"the refit at row {self._origin(alive[j], k)}: {reason}" for j, reason in reasons.items()}
        groups = [(side, [i for i, g in zip(alive, gaps, strict=True) if g == side and i not in failures]) for side in (False, True)]
        return [(side, some) for side, some in groups if some]

    def _cuts(self, positions: list[int], k: int) -> Stretches:
        found = [self._training(i, k) for i in positions]
        return Stretches(np.array([c.start for c in found]), np.array([c.stop for c in found]))

    def _task(self, batch: Batch, last: list[Array | None]) -> tuple[Task, Array]:
        """Starting points: the model's grid; after the first refit the last estimates come before it."""
        job = self.cold
        grid = job.points(batch)
        if all(p is None for p in last):
            return job.task, grid
        task = replace(job.task, forced=job.task.forced + 1)
        points = np.concatenate([np.array([g[0] if p is None else p for g, p in zip(grid, last, strict=True)])[:, None], grid], axis=1)
        most = task.starts if task.starts <= task.forced else points.shape[1]
        return task, np.ascontiguousarray(points[:, :most])

    def _ahead(self, batch: Batch, j: int, i: int, k: int, values: Array) -> tuple[Array, Array]:
        """Packed row numbers until the next refit, and what is read before each."""
        units, job = self.cold.units, self.cold
        train = self._training(i, k)
        stop = min(train.stop + self.refit, units.rows(i).stop)
        y = units.outcome[train.start : stop] * job.factor
        observed = ~np.isnan(y)
        reset = units.reset[train.start : stop].astype(np.uint8)
        reset[0] = 1
        known = (v[train.start : stop] for v in units.known.values())
        X = np.ascontiguousarray(np.column_stack([*known, y, *(v[train.start : stop] for v in units.more.values())]))
        q = slice(int(batch.places[j]), int(batch.places[j]) + 1)
        data = Packed(X, observed.astype(np.uint8), np.ones(len(y)), reset, batch.data.Q[q], batch.data.S0[q], 0)
        found = job.task.model.kernel(not observed.all()).states(np.ascontiguousarray(values), data).reads
        return np.arange(train.stop, stop), found[train.stop - train.start :]

    def _part(
        self, rows: list[Array], reads: list[Array], natural: list[Array], owner: list[Array], failures: dict[int, str], refits: int
    ) -> _Part:
        """Distributions of all rows at once, scored where they are observed."""
        job = self.cold
        if not rows:
            none = np.zeros(0)
            return _Part(
                np.zeros(0, np.int64), none, none, none, {v: np.zeros(0, bool) for v in self.levels}, list(failures.items()), refits
            )
        at, seen, value = np.concatenate(rows), np.concatenate(reads), np.concatenate(natural)
        kept = ~np.isin(np.concatenate(owner), list(failures)) & ~np.isnan(job.units.outcome[at])
        at, seen, value = at[kept], seen[kept], value[kept]
        model = job.task.model
        given: dict[str, Array | float] = {n: seen[:, m] for m, n in enumerate(model.kernel().program.read_names)}
        for name, fixed in model.shape_values.items():
            given[name] = value[:, job.task.names.index(name)] if name in job.task.names else fixed
        density = Distribution(model.observation, given)
        y = job.units.outcome[at] * job.factor
        below = {level: np.asarray(y < density.quantile(level)) for level in self.levels}
        mean, variance = (np.broadcast_to(v, at.shape) for v in (density.mean / job.factor, density.variance / job.factor**2))
        logs = np.broadcast_to(density.log_density(y) + np.log(job.factor), at.shape)
        bad = ~(np.isfinite(mean) & np.isfinite(variance) & (variance > 0) & np.isfinite(logs))
        if bad.any():
            code = np.concatenate(owner)[kept]
            for i in np.unique(code[bad]).tolist():
                failures[i] = f"the forecast of row {int(at[bad & (code == i)][0] - job.units.rows(i).start)} is not finite"
            fine = ~np.isin(code, list(failures))
            at, mean, variance, logs = at[fine], mean[fine], variance[fine], logs[fine]
            below = {level: flags[fine] for level, flags in below.items()}
        return _Part(at, mean, variance, logs, below, list(failures.items()), refits)
