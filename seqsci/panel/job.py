"""What the threads of a panel run: packing, the compiled fits, and a row a series."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.errors import SeqsciError
from seqsci.estimation.curvature import gauss_newton_information
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.search import FORCED, WORKING_SCALE, rescale
from seqsci.kernel import Packed
from seqsci.model import Model
from seqsci.panel.units import Units

Array = np.ndarray
Rows = list[tuple[int, dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Job:
    """What every thread shares: the working model, its kernel, its data."""

    model: Model
    working: Model
    units: Units
    estimator: MaximumLikelihood
    factor: float
    memo: dict[tuple[str, float], float]

    @classmethod
    def of(cls, model: Model, units: Units, estimator: MaximumLikelihood) -> Job:
        """The job of a model on units."""
        factor = WORKING_SCALE.get(units.measure or "", 1.0)
        return cls(model, model if factor == 1.0 else rescale(model, factor), units, estimator, factor, {})

    def signature(self) -> str:
        """What the stored rows depend on beside the data."""
        return f"{self.model!r} {self.estimator!r} {self.units.measure}"

    def compile(self) -> None:
        """Load the compiled functions once, before threads ask for them."""
        for gaps in {bool(np.isnan(self.units.outcome).any()), False}:
            _ = self.working.kernel(gaps).objective_function
        import seqsci.estimation.fused_panel  # noqa: F401

    def run(self, positions: list[int]) -> Rows:
        """Fit some units; every one yields a row."""
        good: list[int] = []
        found: Rows = []
        for i in positions:
            reason = self.units.reasons.get(i) or self._unfit(i)
            if reason:
                found.append((i, {"status": "failed", "reason": reason, "converged": False}))
            else:
                good.append(i)
        complete = [i for i in good if not np.isnan(self.units.outcome[self.units.rows(i)]).any()]
        whole = set(complete)
        for gaps, some in ((False, complete), (True, [i for i in good if i not in whole])):
            if some:
                found += self._fit(some, gaps)
        return found

    def _unfit(self, i: int) -> str:
        """Why a unit cannot be fitted, or nothing."""
        y = self.units.outcome[self.units.rows(i)]
        missing = np.isnan(y)
        seen = y[~missing] if missing.any() else y
        if not len(seen):
            return "no observed value"
        low, high = float(seen.min()), float(seen.max())
        if not np.isfinite(high - low):
            return f"{int(np.isinf(seen).sum())} infinite value(s)"
        if len(seen) < self.estimator.min_rows:
            return f"{len(seen)} observed values, fewer than {self.estimator.min_rows}"
        if low == high:
            return f"constant: {low:g} in all {len(seen)} rows"
        for name, values in self.units.known.items():
            if not np.isfinite(values[self.units.rows(i)]).all():
                return f"{name} is known before the outcome but has gaps"
        try:
            self.model.mechanism.check({self.model.mechanism.outcomes[0].name: seen}, self.units.measure or "")
        except SeqsciError as error:
            return str(error).splitlines()[0]
        return ""

    def _fit(self, positions: list[int], gaps: bool) -> Rows:
        from seqsci.estimation.fused_panel import solve_many

        clock = time.perf_counter()
        kernel = self.working.kernel(gaps)
        parameters = self.working.kernel_parameters
        names = [p.name for p in parameters]
        free = np.array([i for i, n in enumerate(names) if n not in self.working.fixed], np.int64)
        packed, offsets, places, points = self._packed(positions, names)
        bounds = np.array([p.constraint.bounds for p in parameters]).reshape(-1, 2)
        ends = [np.isfinite(bounds[:, side]).astype(np.uint8) for side in (0, 1)]
        rough = np.array([names[i] in kernel.program.rough_parameters for i in free], np.uint8)
        newton = bool(rough.all())
        u, n, k = len(positions), len(names), len(free)
        count, spread = _sizes(packed.X[:, -1], packed.observed, offsets)
        raw, report, nll = np.zeros((u, n)), np.zeros((u, 3)), np.zeros(u)
        natural, slope = np.zeros((u, n)), np.zeros((u, n))
        pinned, outer, hessian = np.zeros((u, n), np.uint8), np.zeros((u, k, k)), np.zeros((u, k, k))
        compiled: Callable[..., None] = solve_many
        compiled(
            kernel.objective_function, points, FORCED + int(self.estimator.warm), self.estimator.starts, self.estimator.far, free, *ends,
            count, spread, rough, newton,
            offsets, places, *packed.arguments, self.estimator.evaluations, raw, pinned, report, nll, outer, hessian, natural, slope,
        )  # fmt: skip
        if newton:
            for j in map(int, np.flatnonzero((report[:, 1] == 1) & (report[:, 2] == 0))):
                one = _part(packed, offsets[j : j + 2], places[j : j + 2])
                full = gauss_newton_information(kernel, natural[j], one)
                hessian[j] = full[np.ix_(free, free)] * np.outer(slope[j, free], slope[j, free])
        deviations = self._deviations(outer, hessian, pinned[:, free].astype(bool)) * slope[:, free]
        unscale = np.array([self.factor ** -parameters[i].dimension for i in range(n)])
        seconds = (time.perf_counter() - clock) / u
        rows = []
        for j, i in enumerate(positions):
            row: dict[str, Any] = {"rows": int(count[j]), "evaluations": int(report[j, 0]), "seconds": seconds}
            if not report[j, 1] or report[j, 2] or not np.isfinite(nll[j]):
                reason = "the density collapses onto repeated values" if report[j, 2] else "did not converge"
                row |= {"status": "failed", "reason": reason, "converged": False}
            else:
                row |= {"status": "ok", "reason": "", "converged": True, "log_likelihood": float(-nll[j] + count[j] * np.log(self.factor))}
                row["at_bound"] = ", ".join(names[m] for m in free if pinned[j, m])
                for m, f in enumerate(free):
                    row[names[f]] = float(natural[j, f] * unscale[f])
                    row[f"se_{names[f]}"] = float(deviations[j, m] * unscale[f])
            rows.append((i, row))
        return rows

    def _packed(self, positions: list[int], names: list[str]) -> tuple[Packed, Array, Array, Array]:
        """Packed data of some units, their offsets and places, and their starting points (units, points, parameters)."""
        mechanism, units = self.working.mechanism, self.units
        outcome = mechanism.outcomes[0].name
        cuts = [units.rows(i) for i in positions]
        offsets = np.cumsum([0, *(c.stop - c.start for c in cuts)]).astype(np.int64)
        y = np.concatenate([units.outcome[c] for c in cuts]) * self.factor
        reset = np.concatenate([units.reset[c] for c in cuts])
        reset[offsets[:-1]] = True
        known = {n: np.concatenate([v[c] for c in cuts]) for n, v in units.known.items()}
        X = np.ascontiguousarray(np.column_stack([*known.values(), y]))
        firsts = np.flatnonzero(reset)
        places = np.searchsorted(firsts, offsets).astype(np.int64)
        observed = ~np.isnan(y)
        Q, points = np.zeros((len(firsts), len(mechanism.presamples))), []
        ends = [*firsts[1:].tolist(), len(y)]
        if mechanism.presamples:
            for q, (a, b) in enumerate(zip(firsts, ends, strict=True)):
                seen = observed[a:b]
                presample = mechanism.presample({outcome: y[a:b][seen]}, {n: v[a:b][seen] for n, v in known.items()})
                Q[q] = [presample[p.name] for p in mechanism.presamples]
        for a, b in itertools.pairwise(offsets):
            points.append(self._points(y[a:b][observed[a:b]], names, outcome))
        longest = max(len(p) for p in points)
        stacked = np.array([[*p, *[p[0]] * (longest - len(p))] for p in points])
        S0 = np.zeros((len(firsts), len(mechanism.states)))
        flags = (observed.astype(np.uint8), np.ones(len(y)), reset.astype(np.uint8))
        return Packed(X, *flags, Q, S0, 0), offsets, places, stacked

    def _points(self, y: Array, names: list[str], outcome: str) -> list[list[float]]:
        """Distinct starting points on the raw scale, as `Search.points` has them; the inverse of a value is looked up where it recurs."""
        base, fixed = self.working.value, self.working.fixed
        most = self.estimator.starts if self.estimator.starts <= FORCED + self.estimator.warm else None
        grid = itertools.islice(self.working.mechanism.starting_values({outcome: y}), most)
        tables = [base] if self.estimator.warm else []
        tables += [{**base, **{n: v for n, v in g.items() if n not in fixed}} for g in grid]
        unique = list({tuple(t[n] for n in names): None for t in tables})[:most]
        return [[self._raw(p, v) for p, v in zip(self.working.kernel_parameters, values, strict=True)] for values in unique]

    def _raw(self, parameter: Any, value: float) -> float:
        key = (parameter.name, value)
        if key not in self.memo:
            if len(self.memo) > 1000:
                self.memo.clear()
            self.memo[key] = float(parameter.constraint.inverse(value))
        return self.memo[key]

    def _deviations(self, outer: Array, hessian: Array, pinned: Array) -> Array:
        """Standard errors on the raw scale (units, free); NaN where pinned or not identified, the estimator's covariance elsewhere."""
        found = np.full(pinned.shape, np.nan)
        for pattern in np.unique(pinned, axis=0):
            chosen = np.flatnonzero((pinned == pattern).all(axis=1))
            place = np.flatnonzero(~pattern)
            if not len(place):
                continue
            meat, bread = (m[np.ix_(chosen, place, place)] for m in (outer, hessian))
            variances = self.estimator.covariance.variances(meat, bread)
            found[np.ix_(chosen, place)] = np.sqrt(np.where(variances >= 0, variances, np.nan))
        return found


def _sizes(y: Array, observed: Array, offsets: Array) -> tuple[Array, Array]:
    """Number of observed values and log standard deviation of each fit."""
    seen = observed.astype(bool)
    value = np.where(seen, y, 0.0)
    count = np.add.reduceat(seen.astype(float), offsets[:-1])
    mean = np.add.reduceat(value, offsets[:-1]) / count
    away = np.where(seen, y - np.repeat(mean, np.diff(offsets)), 0.0)
    return count, 0.5 * np.log(np.add.reduceat(away**2, offsets[:-1]) / count)


def _part(packed: Packed, rows: Array, places: Array) -> Packed:
    """The data of one fit."""
    cut, mine = slice(int(rows[0]), int(rows[1])), slice(int(places[0]), int(places[1]))
    flags = (packed.observed[cut], packed.weight[cut], packed.reset[cut])
    return Packed(packed.X[cut], *flags, packed.Q[mine], packed.S0[mine], packed.given)
