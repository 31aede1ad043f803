"""What the threads of a panel run: the compiled fits of some units, and a row a unit."""

from __future__ import annotations

import functools
import hashlib
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import seqsci
from seqsci.errors import DeviceError, MissingExtraError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.prior_rule import held_out, verdict
from seqsci.estimation.search import FORCED, WORKING_SCALE, in_unit, rescale
from seqsci.estimation.standard_errors import Posterior
from seqsci.model import Model
from seqsci.panel import guesses
from seqsci.panel.batch import Batch, Solved, Task
from seqsci.panel.rows import Rows, column, patterns
from seqsci.panel.stretches import Stretches
from seqsci.panel.units import Units

if TYPE_CHECKING:
    from seqsci.panel.card import Card

Array = np.ndarray


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
    def broken(self) -> dict[str, Array]:
        """By known column, the numbers of the rows where it has no finite value."""
        return {name: np.flatnonzero(~np.isfinite(values)) for name, values in self.units.known.items()}

    @property
    def gaps(self) -> bool:
        """Whether any unit has missing steps."""
        return bool(len(self.units.missing))

    def signature(self) -> str:
        """What the stored rows depend on beside the data."""
        program = hashlib.sha256(self.task.model.kernel(self.gaps).source.encode()).hexdigest()
        return f"{seqsci.__version__} {program} {self.model!r} {self.estimator!r} {self.units.measure}"

    def compile(self) -> None:
        """Load the compiled functions once, before threads ask for them."""
        if self.card is None:
            for gaps in {self.gaps, False}:
                self.task.compile(gaps)
            return
        held_out = self.model.active_prior is not None and self.held_out
        missing, several, weighted = self.units.kinds
        for side in np.unique(missing).tolist():
            kernel, some = self.task.model.kernel(side), missing == side
            for many, weights in itertools.product(set(several[some].tolist()), {*weighted[some].tolist(), *([True] if held_out else [])}):
                self.card.compile(self.task, kernel, weights, many)

    def surely(self, positions: list[int]) -> list[Rows]:
        """`run`, where a fault of one unit (in a mechanism of the user's, say) becomes its row and leaves the others."""
        try:
            return self.run(positions)
        except (DeviceError, MissingExtraError):  # of no unit in particular
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the row, and the others must not be lost
            if len(positions) == 1:
                return Rows.failed({positions[0]: f"{type(error).__name__}: {error}"})
        size = 1 if self.card is None else len(positions) // 2  # a card takes many units at a time: halves are searched
        parts = [positions[i : i + size] for i in range(0, len(positions), size)]
        return [rows for part in parts for rows in self.surely(part)]

    def run(self, positions: list[int]) -> list[Rows]:
        """Fit some units; every one is in the rows."""
        groups, failed = self.sound(positions)
        return [*Rows.failed(failed), *(rows for gaps, some in groups for rows in self._fit(some, gaps))]

    def sound(self, positions: list[int]) -> tuple[list[tuple[bool, list[int]]], dict[int, str]]:
        """The units that can be fitted, those with gaps by themselves; by position, what is wrong with the others."""
        own = self.units.reasons
        failed = {i: own[i] for i in positions if own.get(i)}
        places = np.array([i for i in positions if i not in failed] if failed else positions, np.int64)
        cuts, good = self.units.stretches(places), np.ones(len(places), bool)
        for j, reason in self.unfit(cuts).items() if len(places) else ():
            failed[int(places[j])], good[j] = reason, False
        gaps = cuts.hold(self.units.missing)
        groups = [(bool(side), places[good & (gaps == side)].tolist()) for side in (False, True)]
        return [(side, some) for side, some in groups if some], failed

    def unfit(self, cuts: Stretches) -> dict[int, str]:
        """By place, why stretches of rows cannot be fitted."""
        return guesses.unfit(self.model.mechanism, self.units, cuts, self.broken, self._least)

    def too_little(self, cuts: Stretches) -> dict[int, str]:
        """By place, why stretches of rows do not identify the model."""
        return {j: reason for _, _, told in guesses.lacking_of(self.units, cuts, self._least) for j, reason in told.items()}

    @property
    def _least(self) -> int | None:
        """Fewest values of a unit, None where any do."""
        return None if self.model.active_prior is not None or self.lenient else self.estimator.min_rows

    def batch(self, positions: list[int]) -> Batch:
        """The whole rows of some units."""
        return Batch.of(self.task.model, self.units, self.units.stretches(np.array(positions, np.int64)), self.factor, self.card)

    def _fit(self, positions: list[int], gaps: bool) -> list[Rows]:
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

    def rows(self, positions: list[int], batch: Batch, solved: Solved, deviations: Array, kept: list[str], seconds: float) -> list[Rows]:
        """The rows of the fits; ``deviations`` (u, k): standard errors on the raw scale."""
        task = self.task
        unscale = np.array([self.factor**-p.dimension for p in task.model.kernel_parameters])
        values, errors = solved.natural * unscale, deviations * (solved.slope * unscale)[:, task.free]
        scored, good, places = batch.scored, solved.good, np.array(positions, np.int64)
        likelihood = -(solved.nll - self.penalties(solved.raw)) + scored * np.log(self.factor)
        plain = {"rows": scored.astype(np.int64), "evaluations": solved.evaluations.astype(np.int64)}
        found: dict[str, Array] = {**plain, "log_likelihood": likelihood, "at_bound": self._bounds(solved.pinned)}
        for m, f in enumerate(task.free):
            found |= {task.names[f]: values[:, f], f"se_{task.names[f]}": errors[:, m]}
        if self.model.active_prior is not None and self.held_out:
            found["prior_kept"] = column(kept)
        told = {"seconds": seconds, "status": "ok", "reason": "", "converged": True}
        rows = [Rows(places[good], {**{n: v[good] for n, v in found.items()}, **told})] if good.any() else []
        for bad, reason in (
            (~good & solved.collapsed, "the density collapses onto repeated values"),
            (~good & ~solved.collapsed, "did not converge"),
        ):
            if bad.any():
                failed = {"seconds": seconds, "status": "failed", "reason": reason, "converged": False}
                rows.append(Rows(places[bad], {**{n: v[bad] for n, v in plain.items()}, **failed}))
        return rows

    def _bounds(self, pinned: Array) -> Array:
        """Names of the free parameters at a bound, a text a unit."""
        kinds, which = patterns(pinned[:, self.task.free])
        texts = [", ".join(self.task.names[f] for f, side in zip(self.task.free, p, strict=True) if side) for p in kinds]
        return np.asarray(np.array(texts, object)[which])

    def penalties(self, raw: Array) -> Array:
        """Minus the log prior of raw points (u, n), up to its constant."""
        task = self.task
        if not len(task.centre):
            return np.zeros(len(raw))
        moved = np.where(np.diag(task.precision) > 0, raw - task.centre, 0.0)
        return np.asarray(0.5 * np.einsum("ui,ij,uj->u", moved, task.precision, moved))

    def points(self, batch: Batch) -> Array:
        """Starting points (u, points, n) on the raw scale, as `Search.points` has them; short lists repeat their first point."""
        task, model = self.task, self.task.model
        own = {n: (n in model.fixed, model.value[n]) for n in task.names}
        most = task.starts if task.starts <= task.forced else None
        first = [{n: model.value[n] for n in task.names}] if task.forced > FORCED else []
        y, outcome = np.ascontiguousarray(batch.data.X[:, batch.column]), model.mechanism.outcomes[0].name
        parts: list[tuple[Array, Array]] = []
        for stack in Stretches.between(batch.offsets).stacks(np.flatnonzero(batch.data.observed == 0)):
            for some, points in guesses.points(model.mechanism, {outcome: stack.of(y)}, first, own, most):
                parts.append((stack.which[some], points))
        found = np.empty((len(batch), max(p.shape[1] for _, p in parts), len(own)))
        for which, points in parts:
            found[which] = points[:, :1]
            found[which, : points.shape[1]] = points
        for i, parameter in enumerate(model.kernel_parameters):
            natural, done = found[:, :, i].copy(), found[:, :, i]
            for j in range(natural.shape[1]):
                value = natural[:, j]
                if j and (value == natural[:, 0]).all():
                    done[:, j] = done[:, 0]
                elif (value == value[0]).all():
                    done[:, j] = self._raw(parameter, float(value[0]))
                else:
                    done[:, j] = parameter.constraint.inverses(value)
        return found

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
        kinds, which = patterns(pinned)
        for number, pattern in enumerate(kinds):
            chosen = np.flatnonzero(which == number)
            place = np.flatnonzero(~pattern)
            if not len(place):
                continue
            meat, bread = (m[np.ix_(chosen, place, place)] for m in (solved.outer, solved.hessian))
            variances = covariance.variances(meat, bread)
            found[np.ix_(chosen, place)] = np.sqrt(np.where(variances >= 0, variances, np.nan))
        return found
