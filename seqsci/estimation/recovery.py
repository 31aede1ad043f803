"""Simulate, fit, count: bias, error, coverage and calibration of a model's estimates and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from seqsci.errors import ParameterError, SeqsciError, did_you_mean, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.profile import REACH
from seqsci.estimation.replicates import on_threads, simulated
from seqsci.estimation.result import Fit
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
Truths = Callable[[np.random.Generator], Mapping[str, float]]
"""Draws the values of a replicate on their natural scale; parameters it leaves out keep the model's value."""
REJECTED = 0.01
DRAWS, BINS = 99, 10
"""Draws among which a truth is ranked (ranks 0 to DRAWS), and bins of the test that ranks are uniform."""


@dataclass(frozen=True)
class PriorDraws:
    """Truths from independent normals on the raw scale: ``raw = raw of the model's value + sd * standard normal``.

    Attributes:
        center: a model; its values are the centers.
        sd: raw-scale standard deviations by parameter; a parameter without one keeps its value.

    Raises `ParameterError` for a name that the model does not have, and for a centre on a bound, where the raw scale is infinite.
    """

    center: Model
    sd: Mapping[str, float]

    def __post_init__(self) -> None:
        table = {p.name: p for p in self.center.parameters}
        for name in self.sd:
            if name not in table:
                raise ParameterError(
                    explain(f"no parameter {name!r}{did_you_mean(name, table)}", name, ", ".join(table), "correct the name")
                )
            if self.center.value[name] in table[name].constraint.bounds:
                got = f"{name} = {self.center.value[name]:g}"
                raise ParameterError(explain("a centre lies on its bound", got, "a value inside", "model.start_at(...) a value inside"))

    def __call__(self, rng: np.random.Generator) -> dict[str, float]:
        """Natural values of one replicate."""
        table = {p.name: p.constraint for p in self.center.parameters}
        steps = {n: sd * rng.standard_normal() for n, sd in self.sd.items()}
        return {n: float(table[n].forward(table[n].inverse(self.center.value[n]) + s)) for n, s in steps.items()}


@dataclass(frozen=True)
class Recovered:
    """How one parameter came back.

    Attributes:
        truth: the value simulated from; the mean of the truths where they were drawn.
        bias, rmse: of the estimate, in the parameter's unit.
        error_ratio: mean standard error over the standard deviation of the errors.
        coverage: share of the reported 95 % intervals that hold the truth (Wald on the raw scale; profile likelihood near or on a bound).
        likelihood_coverage: share of replicates in which ``2 (log L - log L(parameter = truth)) <= 3.841``, the coverage of the
            likelihood interval; NaN where it was not computed.
        replicates, pinned: replicates that were fitted, and those in which the parameter sat at a bound.
        p_value, adjusted: exact binomial test of the coverage against .95, and after Holm's adjustment over the parameters.
        ranks, excluded: rank of the truth among `DRAWS` draws in each replicate that gives one, and the number of those that give none.
        rank_p_value, rank_adjusted: chi-square test that the ranks are uniform (`BINS` bins), and after Holm's adjustment.
    """

    name: str
    truth: float
    bias: float
    rmse: float
    error_ratio: float
    coverage: float
    likelihood_coverage: float
    replicates: int
    pinned: int
    p_value: float
    adjusted: float
    ranks: tuple[int, ...] = ()
    excluded: int = 0
    rank_p_value: float = math.nan
    rank_adjusted: float = math.nan

    @property
    def rejected(self) -> bool:
        """Whether the coverage is not compatible with 95 % at level .01."""
        return self.adjusted < REJECTED

    @property
    def ranks_rejected(self) -> bool:
        """Whether the ranks are not compatible with a uniform distribution at level .01."""
        return self.rank_adjusted < REJECTED


@dataclass(frozen=True)
class Recovery:
    """Result of a recovery study; ``failures`` holds the seed and the reason of replicates that could not be fitted."""

    model: str
    rows: int
    seed: int
    parameters: tuple[Recovered, ...]
    failures: tuple[tuple[int, str], ...]

    def __str__(self) -> str:
        fitted = self.parameters[0].replicates if self.parameters else 0
        head = f"{self.model}: {fitted} series of {self.rows} steps, {len(self.failures)} failures"
        columns = (
            f"{'parameter':<20}{'truth':>9}{'bias':>10}{'rmse':>9}{'se/sd':>7}{'cover':>8}{'LR cover':>9}{'pinned':>7}{'Holm p':>8}"
            f"{'SBC p':>8}{'no rank':>8}"
        )
        rows = [
            f"{p.name:<20}{p.truth:>9.4g}{p.bias:>+10.4f}{p.rmse:>9.4f}{p.error_ratio:>7.2f}{p.coverage:>8.1%}"
            f"{p.likelihood_coverage:>9.1%}{p.pinned:>7}{p.adjusted:>8.3f}{p.rank_adjusted:>8.3f}{p.excluded:>8}{_verdict(p)}"
            for p in self.parameters
        ]
        return "\n".join([head, columns, "-" * len(columns), *rows])


def _verdict(p: Recovered) -> str:
    found = [text for text, holds in (("coverage", p.rejected), ("ranks", p.ranks_rejected)) if holds]
    return f"  REJECTED: {', '.join(found)}" if found else ""


def holm(p_values: Array) -> Array:
    """Holm's step-down adjustment (1979), so that the family of tests keeps its level."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate((len(p_values) - np.arange(len(p_values))) * p_values[order])
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


@dataclass(frozen=True)
class _Parameter:
    """One parameter in one replicate; ``below`` is the share of its confidence distribution that lies below the truth."""

    truth: float
    estimate: float
    error: float
    inside: bool
    open: bool
    below: float
    likelihood_inside: bool | None


Replicate = dict[str, _Parameter]


def recovery(
    model: Model,
    rows: int,
    replicates: int,
    seed: int = 0,
    estimator: MaximumLikelihood | None = None,
    burn: int | None = None,
    likelihood_intervals: bool = False,
    known: Mapping[str, Array] | None = None,
    truths: Truths | None = None,
    threads: int | None = None,
) -> Recovery:
    """Simulate from the model at its values, fit each series from the default starting points, and compare with the truth.

    Ranks (simulation-based calibration; Talts et al. 2018, arXiv 1804.06788): the rank of the truth among `DRAWS` draws of the normal with
    the estimate and its covariance on the raw scale, or of the confidence distribution ``Phi(signed root)`` where the interval comes from a
    profile. They are uniform where intervals of EVERY level cover as often as they say: an arch means intervals too wide, a
    valley too narrow, a slope a bias. With truths drawn from a prior that the estimator knows this is the calibration of its posterior;
    with one fixed truth, or an estimator without a prior, it is that of the confidence distribution at the truths.

    Args:
        model: its values are the truth, its fixed parameters stay fixed.
        rows, replicates: length and number of series; ``burn`` steps before each are thrown away (`seqsci.estimation.replicates`).
        seed: of the first replicate; replicate i has seed + i.
        likelihood_intervals: also fit with each parameter fixed at its truth, for the coverage of likelihood-ratio intervals.
        known: known columns (rows,) of the model, the same in every replicate.
        truths: draws the truth of each replicate, e.g. `PriorDraws`; without it the truth is the model's values.
        threads: default one a core; the result does not depend on it.

    A replicate that cannot be fitted becomes an entry of ``failures``. A parameter has no rank where it is pinned to a bound, or not
    identified, and no profile reaches the truth; it is counted as ``excluded``.
    """
    estimator = estimator or MaximumLikelihood()

    def replicate(i: int) -> Replicate | str:
        truth = model if truths is None else model.start_at(**truths(np.random.default_rng((seed + i, 1))))
        data = simulated(truth, rows, seed + i, burn=burn, known=known)
        try:
            fit = estimator.fit(model, data)
            return _compared(truth, fit, _likelihood_covers(truth, data, fit, estimator) if likelihood_intervals else {})
        except SeqsciError as error:
            return str(error).splitlines()[0]

    found = on_threads(replicate, replicates, threads)
    fitted = [r for r in found if not isinstance(r, str)]
    failures = tuple((seed + i, r) for i, r in enumerate(found) if isinstance(r, str))
    table = [_recovered(n, [r[n] for r in fitted], np.random.default_rng((seed, j, 2))) for j, n in enumerate(model.free_names) if fitted]
    adjusted = holm(np.array([r.p_value for r in table]))
    ranked = holm(np.array([1.0 if math.isnan(r.rank_p_value) else r.rank_p_value for r in table]))
    done = (replace(r, adjusted=float(a), rank_adjusted=float(b)) for r, a, b in zip(table, adjusted, ranked, strict=True))
    return Recovery(model.name, rows, seed, tuple(done), failures)


def _likelihood_covers(truth: Model, data: Sequences, fit: Fit, estimator: MaximumLikelihood) -> dict[str, bool]:
    covers = {}
    warm = replace(estimator, starts=1, warm=True, profile_bounds=False)
    for name in truth.free_names:
        start = truth.start_at(**{n: v for n, v in fit.value.items() if n in truth.free_names and n != name})
        held = warm.fit(start.fix(**{name: truth.value[name]}), data)
        covers[name] = bool(2 * (fit.log_likelihood - held.log_likelihood) <= 3.841459)
    return covers


def _compared(truth: Model, fit: Fit, likelihood: Mapping[str, bool]) -> Replicate:
    """Estimates, intervals and confidence distributions of a fit against the values that were simulated from."""
    rows, found = {e.name: e for e in fit.estimates()}, {}
    for name in truth.free_names:
        value, row, free = truth.value[name], rows[name], name in fit.free_names
        below = _below(fit, name, value)
        inside = row.low <= value <= row.high
        found[name] = _Parameter(value, row.value, row.standard_error if free else math.nan, inside, free, below, likelihood.get(name))
    return found


def _below(fit: Fit, name: str, truth: float) -> float:
    """Share of the confidence distribution of a parameter that lies below a value; NaN where there is no such distribution."""
    profile = fit.profiles.get(name)
    if profile is not None:
        reached = profile.values[0] <= truth or profile.roots[0] <= -REACH, truth <= profile.values[-1] or profile.roots[-1] >= REACH
        return NormalDist().cdf(float(np.interp(truth, profile.values, profile.roots))) if all(reached) else math.nan
    if name not in fit.free_names:
        return math.nan
    i = fit.free_names.index(name)
    variance = float(fit.covariance_raw[i, i])
    if not (math.isfinite(variance) and variance > 0):
        return math.nan
    constraint = next(p.constraint for p in fit.model.parameters if p.name == name)
    return NormalDist().cdf((constraint.inverse(truth) - constraint.inverse(fit.value[name])) / math.sqrt(variance))


def _recovered(name: str, found: list[_Parameter], rng: np.random.Generator) -> Recovered:
    from scipy.stats import binomtest, chisquare

    off = np.array([f.estimate - f.truth for f in found])
    errors = np.array([f.error for f in found if f.open])
    hits, spread = sum(f.inside for f in found), float(off.std())
    likelihood = [f.likelihood_inside for f in found if f.likelihood_inside is not None]
    below = np.array([f.below for f in found if not math.isnan(f.below)])
    ranks = rng.binomial(DRAWS, below)  # how many of the draws lie below the truth
    counts = np.bincount(ranks * BINS // (DRAWS + 1), minlength=BINS)
    return Recovered(
        name=name,
        truth=float(np.mean([f.truth for f in found])),
        bias=float(off.mean()),
        rmse=float(np.sqrt(np.mean(off**2))),
        error_ratio=float(np.nanmean(errors) / spread) if spread > 0 and np.isfinite(errors).any() else math.nan,
        coverage=hits / len(found),
        likelihood_coverage=float(np.mean(likelihood)) if likelihood else math.nan,
        replicates=len(found),
        pinned=sum(not f.open for f in found),
        p_value=float(binomtest(hits, len(found), 0.95).pvalue),
        adjusted=math.nan,
        ranks=tuple(map(int, ranks)),
        excluded=len(found) - len(below),
        rank_p_value=float(chisquare(counts).pvalue) if len(below) else math.nan,
    )
