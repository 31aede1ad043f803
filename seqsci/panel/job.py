"""What the threads of a panel run: the compiled fits of some units, and a row a unit."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import seqsci
from seqsci.errors import DeviceError, MissingExtraError, SeqsciError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.prior_rule import held_out, verdict
from seqsci.estimation.search import FORCED, WORKING_SCALE, in_unit, rescale
from seqsci.estimation.standard_errors import Posterior
from seqsci.model import Model
from seqsci.panel.batch import Batch, Solved, Task
from seqsci.panel.units import Units

if TYPE_CHECKING:
    from seqsci.panel.card import Card

Array = np.ndarray
Rows = list[tuple[int, dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Job:
    """What every thread shares: the model, what its compiled fits need, its data.

    ``lenient``: short and constant units are sound, because others or a prior carry what they cannot.
    ``held_out``: a prior is kept where the fit is worse on rows held out. ``card``: where fits are made, None for the CPU.
    """

    model: Model
    task: Task
    units: Units
    estimator: MaximumLikelihood
    factor: float
    memo: dict[tuple[str, float], float]
    lenient: bool = False
    held_out: bool = True
    card: Card | None = None

    @classmethod
    def of(cls, model: Model, units: Units, estimator: MaximumLikelihood, card: Card | None = None) -> Job:
        """The job of a model on units."""
        factor = WORKING_SCALE.get(units.measure or "", 1.0)
        model = in_unit(model, units.measure or "")
        working = model if factor == 1.0 else rescale(model, factor)
        warm = estimator.warm or model.active_prior is not None
        task = Task.of(working, estimator.starts, estimator.far, estimator.evaluations, FORCED + int(warm))
        return cls(model, task, units, estimator, factor, {}, card=card)

    @functools.cached_property
    def gaps(self) -> bool:
        """Whether any unit has missing steps."""
        return bool(np.isnan(self.units.outcome).any())

    def signature(self) -> str:
        """What the stored rows depend on beside the data."""
        program = hashlib.sha256(self.task.model.kernel(gaps=True).source.encode()).hexdigest()
        return f"{seqsci.__version__} {program} {self.model!r} {self.estimator!r} {self.units.measure}"

    def compile(self) -> None:
        """Load the compiled functions once, before threads ask for them."""
        if self.card is not None:
            for gaps in {self.gaps, False}:
                self.card.compile(self.task, self.task.model.kernel(gaps))
            return
        for gaps in {self.gaps, False}:
            self.task.compile(gaps)

    def surely(self, positions: list[int]) -> Rows:
        """`run`, where a fault of one unit (in a mechanism of the user's, say) becomes its row and leaves the others."""
        try:
            return self.run(positions)
        except (DeviceError, MissingExtraError):  # of no unit in particular
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the row, and the others must not be lost
            if len(positions) == 1:
                return [(positions[0], failure(f"{type(error).__name__}: {error}"))]
        size = 1 if self.card is None else len(positions) // 2  # a card takes many units at a time: halves are searched
        parts = [positions[i : i + size] for i in range(0, len(positions), size)]
        return [row for part in parts for row in self.surely(part)]

    def run(self, positions: list[int]) -> Rows:
        """Fit some units; every one yields a row."""
        found: Rows = []
        for gaps, some in self.sound(positions, found):
            found += self._fit(some, gaps)
        return found

    def sound(self, positions: list[int], failed: Rows) -> list[tuple[bool, list[int]]]:
        """The units that can be fitted, those with gaps by themselves; rows of the others are added to ``failed``."""
        good: tuple[list[int], list[int]] = ([], [])
        for i in positions:
            if reason := self.units.reasons.get(i) or self.unfit(self.units.rows(i)):
                failed.append((i, failure(reason)))
            else:
                good[int(self.gaps and np.isnan(self.units.outcome[self.units.rows(i)]).any())].append(i)
        return [(gaps, some) for gaps, some in zip((False, True), good, strict=True) if some]

    def unfit(self, rows: slice) -> str:
        """Why a stretch of rows cannot be fitted, or nothing."""
        seen = self._seen(rows)
        if reason := self._too_little(seen):
            return reason
        for name, values in self.units.known.items():
            if not np.isfinite(values[rows]).all():
                return f"{name} is known before the outcome but has gaps"
        try:
            self.model.mechanism.check({self.model.mechanism.outcomes[0].name: seen}, self.units.measure or "")
        except SeqsciError as error:
            return str(error).splitlines()[0]
        return ""

    def too_little(self, rows: slice) -> str:
        """Why a stretch of rows does not identify the model, or nothing."""
        return self._too_little(self._seen(rows))

    def _seen(self, rows: slice) -> Array:
        y = self.units.outcome[rows]
        if not self.gaps:
            return y
        missing = np.isnan(y)
        return y[~missing] if missing.any() else y

    def _too_little(self, seen: Array) -> str:
        if not len(seen):
            return "no observed value"
        low, high = float(np.minimum.reduce(seen)), float(np.maximum.reduce(seen))
        if not math.isfinite(high - low):
            return f"{int(np.isinf(seen).sum())} infinite value(s)"
        if self.model.active_prior is None and not self.lenient:
            if len(seen) < self.estimator.min_rows:
                return f"{len(seen)} observed values, fewer than {self.estimator.min_rows}"
            if low == high:
                return f"constant: {low:g} in all {len(seen)} rows"
        return ""

    def batch(self, positions: list[int]) -> Batch:
        """The whole rows of some units."""
        batch = Batch.of(self.task.model, self.units, [self.units.rows(i) for i in positions], self.factor)
        return batch if self.card is None else replace(batch, card=self.card)

    def _fit(self, positions: list[int], gaps: bool) -> Rows:
        clock = time.perf_counter()
        batch = self.batch(positions)
        points = self.points(batch)
        solved, kept = self.solve(batch, points, gaps)
        seconds = (time.perf_counter() - clock) / len(batch)
        return self.rows(positions, batch, solved, self.deviations(solved), kept, seconds)

    def solve(self, batch: Batch, points: Array, gaps: bool, errors: bool = True) -> tuple[Solved, list[str]]:
        """Fits from starting points; under a prior, with the rule of kept priors and why one was kept."""
        kept = self._kept(batch, points, gaps) if self.model.active_prior is not None and self.held_out else [""] * len(batch)
        solved = batch.solve(self.task, points, gaps, errors)
        if any(kept):
            solved = self._replaced(batch, solved, np.array([bool(k) for k in kept]), gaps)
        return solved, kept

    def rows(self, positions: list[int], batch: Batch, solved: Solved, deviations: Array, kept: list[str], seconds: float) -> Rows:
        """A row a unit; ``deviations`` (u, k): standard errors on the raw scale."""
        task = self.task
        unscale = np.array([self.factor**-p.dimension for p in task.model.kernel_parameters])
        values, errors = solved.natural * unscale, deviations * (solved.slope * unscale)[:, task.free]
        scored = batch.scored
        likelihood = -(solved.nll - self.penalties(solved.raw)) + scored * np.log(self.factor)
        rows = []
        for j, (i, good) in enumerate(zip(positions, solved.good.tolist(), strict=True)):
            row: dict[str, Any] = {"rows": int(scored[j]), "evaluations": int(solved.evaluations[j]), "seconds": seconds}
            if not good:
                row |= failure("the density collapses onto repeated values" if solved.collapsed[j] else "did not converge")
            else:
                row |= {"status": "ok", "reason": "", "converged": True, "log_likelihood": float(likelihood[j])}
                row["at_bound"] = ", ".join(task.names[m] for m in task.free if solved.pinned[j, m])
                for m, f in enumerate(task.free):
                    row[task.names[f]] = float(values[j, f])
                    row[f"se_{task.names[f]}"] = float(errors[j, m])
                if self.model.active_prior is not None and self.held_out:
                    row["prior_kept"] = kept[j]
            rows.append((i, row))
        return rows

    def penalties(self, raw: Array) -> Array:
        """Minus the log prior of raw points (u, n), up to its constant."""
        task = self.task
        if not len(task.centre):
            return np.zeros(len(raw))
        moved = np.where(np.diag(task.precision) > 0, raw - task.centre, 0.0)
        return np.asarray(0.5 * np.einsum("ui,ij,uj->u", moved, task.precision, moved))

    def points(self, batch: Batch) -> Array:
        """Starting points (u, points, n) on the raw scale, as `Search.points` has them; short lists repeat their first point."""
        points = [self._points(y) for y in batch.outcomes()]
        longest = max(len(p) for p in points)
        return np.array([[*p, *[p[0]] * (longest - len(p))] for p in points])

    def _points(self, y: Array) -> list[list[float]]:
        model, names = self.task.model, self.task.names
        base, fixed, outcome = model.value, model.fixed, model.mechanism.outcomes[0].name
        most = self.task.starts if self.task.starts <= self.task.forced else None
        held = [base[n] if n in fixed else None for n in names]
        unique = {tuple(base[n] for n in names): None} if self.task.forced > FORCED else {}
        for g in itertools.islice(model.mechanism.starting_values({outcome: y}), most):
            unique[tuple([g.get(n, base[n]) if h is None else h for n, h in zip(names, held, strict=True)])] = None
        return [list(map(self._raw, model.kernel_parameters, values)) for values in itertools.islice(unique, most)]

    def _raw(self, parameter: Any, value: float) -> float:
        found = self.memo.get((parameter.name, value))
        if found is None:
            if len(self.memo) > 1000:
                self.memo.clear()
            found = self.memo[parameter.name, value] = float(parameter.constraint.inverse(value))
        return found

    def _kept(self, batch: Batch, points: Array, gaps: bool) -> list[str]:
        """Why the prior is kept, by unit, or nothing: the rule of `seqsci.estimation.prior_rule`."""
        train, test = held_out(batch.data, batch.offsets)
        trial, check = batch.weighing(train), batch.weighing(test)
        fitted = trial.solve(self.task, points, gaps, errors=False)
        plain, _ = self._at_prior(trial, points[:, 0], gaps)
        ours, theirs = check.evaluate(self.task, fitted.raw, gaps)[0], check.evaluate(self.task, plain, gaps)[0]
        held = np.add.reduceat((test > 0).astype(int), batch.offsets[:-1])
        known = zip(fitted.good, ours, theirs, held, strict=True)
        return [verdict(a, b, int(n)) if good or not n else "the training rows alone could not be fitted" for good, a, b, n in known]

    def _at_prior(self, batch: Batch, start: Array, gaps: bool) -> tuple[Array, Solved | None]:
        """The prior's centre, with the parameters that it does not name climbed from a start (u, n); and that climb, if any."""
        held = np.diag(self.task.precision) > 0
        point = np.ascontiguousarray(np.where(held, self.task.centre, start))
        rest = np.array([i for i in self.task.free if not held[i]], np.int64)
        if not len(rest):
            return point, None
        solved = batch.solve(self.task, np.ascontiguousarray(point[:, None, :]), gaps, True, rest)
        return solved.raw, solved

    def _replaced(self, batch: Batch, solved: Solved, kept: Array, gaps: bool) -> Solved:
        """Results with those units put back to the prior; their information is the prior's own precision."""
        raw, rest = self._at_prior(batch, np.repeat(self.start[None], len(batch), 0), gaps)
        raw = np.where(kept[:, None], raw, solved.raw)
        nll, natural, _ = batch.evaluate(self.task, raw, gaps)
        slope = np.exp(
            np.column_stack([p.constraint.log_jacobian(r) for p, r in zip(self.task.model.kernel_parameters, raw.T, strict=True)])
        )
        hessian = np.repeat(self.task.precision[np.ix_(self.task.free, self.task.free)][None], len(batch), 0)
        if rest is not None and kept.any():
            place = np.flatnonzero(np.diag(self.task.precision)[self.task.free] == 0)
            hessian[np.ix_(np.arange(len(batch)), place, place)] = rest.hessian

        def chosen(ours: Array, theirs: Array) -> Array:
            return np.asarray(np.where(kept.reshape(-1, *[1] * (ours.ndim - 1)), ours, theirs))

        return Solved(
            raw, chosen(nll + self.penalties(raw), solved.nll), solved.converged | kept, solved.collapsed & ~kept, solved.evaluations,
            solved.pinned & ~kept[:, None], solved.outer, chosen(hessian, solved.hessian),
            chosen(natural, solved.natural), chosen(slope, solved.slope),
        )  # fmt: skip

    @property
    def start(self) -> Array:
        """The model's own values on the raw scale."""
        return np.array([self._raw(p, self.task.model.value[p.name]) for p in self.task.model.kernel_parameters])

    def deviations(self, solved: Solved) -> Array:
        """Standard errors on the raw scale (units, free); NaN where pinned or not identified, the estimator's covariance elsewhere."""
        pinned = solved.pinned[:, self.task.free]
        covariance = Posterior() if self.model.active_prior is not None else self.estimator.covariance
        found = np.full(pinned.shape, np.nan)
        for pattern in np.unique(pinned, axis=0):
            chosen = np.flatnonzero((pinned == pattern).all(axis=1))
            place = np.flatnonzero(~pattern)
            if not len(place):
                continue
            meat, bread = (m[np.ix_(chosen, place, place)] for m in (solved.outer, solved.hessian))
            variances = covariance.variances(meat, bread)
            found[np.ix_(chosen, place)] = np.sqrt(np.where(variances >= 0, variances, np.nan))
        return found


def failure(reason: str) -> dict[str, Any]:
    """What a row says of a unit that could not be fitted."""
    return {"status": "failed", "reason": reason, "converged": False}
