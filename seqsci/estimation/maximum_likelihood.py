"""Maximum likelihood for one model on one set of sequences."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np

from seqsci.errors import ConvergenceError, DataError, explain
from seqsci.estimation.prior_rule import at_prior, kept_covariance, why_kept
from seqsci.estimation.provenance import Provenance
from seqsci.estimation.result import Fit
from seqsci.estimation.search import WORKING_SCALE, Search, in_unit, rescale
from seqsci.estimation.standard_errors import Covariance, Posterior, Sandwich
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray


@dataclass(frozen=True)
class MaximumLikelihood:
    """Maximise the log-likelihood over the model's free parameters on their raw scale.

    Attributes:
        starts: number of starting points that are climbed: the first two of the model's grid (they lie in different basins), then the
            best of the rest; with `warm` the model's own values come first.
        far: a starting point after the first is climbed only where it is within that many nats of the best found so far.
        covariance: how standard errors are made; the default is robust to a wrong density.
        warm: climb from the model's own values as well (rolling refits).
        evaluations: most evaluations of the likelihood per start.
        profile_bounds: trace the profile likelihood of parameters on a bound or within four standard errors of one, and of
            those that move a kink in proportion to a state.
        min_rows: fewest observed rows that are accepted.

    A model with a prior is fitted to its posterior mode, with the posterior's curvature as errors; where that fit is worse than the prior
    on rows held out, the prior is kept (`Fit.prior_kept` says why).

    Raises `DataError` for data that cannot identify the model and `ConvergenceError`, with numbered advice, where no start converges.
    """

    starts: int = 4
    covariance: Covariance = field(default_factory=Sandwich)
    warm: bool = False
    evaluations: int = 1000
    min_rows: int = 50
    profile_bounds: bool = True
    far: float = math.inf

    def fit(self, model: Model, sequences: Sequences) -> Fit:
        """Return the frozen `Fit`; the model is not changed."""
        clock = time.perf_counter()
        outcome = model.mechanism.outcomes[0].name
        model = in_unit(model, sequences.measure.get(outcome, ""))
        self._check(model, sequences, outcome)
        factor = WORKING_SCALE.get(sequences.measure.get(outcome, ""), 1.0)
        scaled = sequences if factor == 1.0 else sequences.scaled(outcome, factor)
        working = model if factor == 1.0 else rescale(model, factor)
        search = Search(working, scaled, self.evaluations)
        prior = model.active_prior
        kept = "" if prior is None else why_kept(search, self.starts, self.far)
        if kept:
            raw, pinned = at_prior(search, search.start)[0], frozenset[int]()
            nll = search.nll(raw)
        else:
            found = search.solve(self.starts, self.warm or prior is not None, self.far)
            raw, pinned, nll = found.raw, found.pinned, found.nll - search.penalty(found.raw)
            if found.converged and found.collapsed:
                raise ConvergenceError(_collapse(working, sequences.column(outcome)))
            if not found.converged:
                raise ConvergenceError(_advice(working, search, raw))
        free = np.array([i for i in search.free if i not in pinned], dtype=np.int64)
        maker: Covariance = self.covariance if prior is None else Posterior()
        covariance, group = np.zeros((0, 0)), sequences.group[search.scored]
        if kept:
            covariance = kept_covariance(search, raw, free)
        elif len(free):
            outer, information = search.curvature(raw, free)
            outer = maker.meat(outer, lambda: search.row_scores(raw, free), group)
            covariance = maker.estimate(outer, lambda: information)
        values = search.natural(raw)
        fitted = rescale(model.start_at(**{n: v for n, v in values.items() if n not in model.fixed}), 1.0, from_values=values)
        names = tuple(search.names[i] for i in free)
        stretch = np.ones(len(free))
        if factor != 1.0:
            fitted, stretch = _in_user_unit(fitted, search, raw, free, 1.0 / factor)
        rows = int(np.sum(search.data.weight[search.data.observed.astype(bool)] > 0))
        presamples = search.data.Q if factor == 1.0 else model.presamples(sequences)
        seconds, name = time.perf_counter() - clock, maker.described(group)
        provenance = Provenance.of(name, search.evaluations, seconds, search.kernel.program.kinked)
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
            profile_bounds=self.profile_bounds and prior is None,
            prior_kept=kept,
        )

    def _check(self, model: Model, sequences: Sequences, outcome: str) -> None:
        values = sequences.column(outcome)[np.asarray(sequences.observed, bool)]
        known_otherwise = model.active_prior is not None and len(values) > 0  # the prior carries what the rows cannot
        if not known_otherwise:
            self._check_rows(values, outcome)
        model.mechanism.check({outcome: values}, sequences.measure.get(outcome, ""))

    def _check_rows(self, values: Array, outcome: str) -> None:
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


def _in_user_unit(fitted: Model, search: Search, raw: Array, free: Array, factor: float) -> tuple[Model, Array]:
    """Values and the stretch of raw standard errors after a change of the outcome's unit."""
    search.nll(raw)
    before = search.slope[free].copy()
    converted = rescale(fitted, factor)
    stretch = np.ones(len(free))
    for m, i in enumerate(free):
        p = search.parameters[i]
        if p.dimension:
            after = np.exp(p.constraint.log_jacobian(p.constraint.inverse(converted.value[p.name])))
            stretch[m] = before[m] * factor**p.dimension / after
    return converted, stretch


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


def _advice(model: Model, search: Search, raw: Array) -> str:
    values = ", ".join(f"{n} = {v:.4g}" for n, v in search.natural(raw).items())
    return (
        f"{model.name} did not converge from any of its starting points (last point: {values}).\n"
        "  1. look at the data: a level shift, a unit mix-up or a run of zeros shows up here first\n"
        "  2. fix a parameter that the data do not identify, e.g. model.fix(shift=0.0)\n"
        "  3. try more starting points: MaximumLikelihood(starts=8), or your own with model.start_at(...) and warm=True\n"
        "  4. allow more work: MaximumLikelihood(evaluations=5000)"
    )
