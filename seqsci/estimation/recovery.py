"""Simulate, fit, count: bias, error and coverage of a model's estimates and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from seqsci.errors import SeqsciError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
REJECTED = 0.01


@dataclass(frozen=True)
class Recovered:
    """How one parameter came back.

    Attributes:
        bias, rmse: of the estimate, in the parameter's unit.
        error_ratio: mean standard error over the standard deviation of the estimates.
        coverage: share of the reported 95 % intervals that hold the truth (Wald on the raw scale; profile likelihood near or on a bound).
        likelihood_coverage: share of replicates in which ``2 (log L - log L(parameter = truth)) <= 3.841``, the coverage of the
            likelihood interval; NaN where it was not computed.
        replicates, pinned: replicates that were fitted, and those in which the parameter sat at a bound.
        p_value, adjusted: exact binomial test of the coverage against .95, and after Holm's adjustment over the parameters.
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

    @property
    def rejected(self) -> bool:
        """Whether the coverage is not compatible with 95 % at level .01."""
        return self.adjusted < REJECTED


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
        columns = f"{'parameter':<20}{'truth':>9}{'bias':>10}{'rmse':>9}{'se/sd':>7}{'cover':>8}{'LR cover':>9}{'pinned':>7}{'Holm p':>8}"
        rows = [
            f"{p.name:<20}{p.truth:>9.4g}{p.bias:>+10.4f}{p.rmse:>9.4f}{p.error_ratio:>7.2f}{p.coverage:>8.1%}"
            f"{p.likelihood_coverage:>9.1%}{p.pinned:>7}{p.adjusted:>8.3f}{'  REJECTED' if p.rejected else ''}"
            for p in self.parameters
        ]
        return "\n".join([head, columns, "-" * len(columns), *rows])


def holm(p_values: Array) -> Array:
    """Holm's step-down adjustment (1979), so that the family of tests keeps its level."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate((len(p_values) - np.arange(len(p_values))) * p_values[order])
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def recovery(
    model: Model,
    rows: int,
    replicates: int,
    seed: int = 0,
    estimator: MaximumLikelihood | None = None,
    burn: int = 500,
    likelihood_intervals: bool = False,
) -> Recovery:
    """Simulate from the model at its values, fit each series from the default starting points, and compare with the truth.

    Args:
        model: its values are the truth, its fixed parameters stay fixed.
        rows, replicates: length and number of series; ``burn`` steps before each are thrown away.
        seed: of the first replicate; replicate i has seed + i.
        likelihood_intervals: also fit with each parameter fixed at its truth, for the coverage of likelihood-ratio intervals.

    A replicate that cannot be fitted becomes an entry of ``failures``.
    """
    estimator = estimator or MaximumLikelihood()
    name = model.mechanism.outcomes[0].name
    fits: list[tuple[Fit, dict[str, bool]]] = []
    failures: list[tuple[int, str]] = []
    for i in range(replicates):
        values = model.simulate(rows + burn, seed + i).outcome[name][burn:]
        data = Sequences({name: values}, measure={name: "percent"})
        try:
            fit = estimator.fit(model, data)
            fits.append((fit, _likelihood_covers(model, data, fit, estimator) if likelihood_intervals else {}))
        except SeqsciError as error:
            failures.append((seed + i, str(error).splitlines()[0]))
    rows_of = [_recovered(model, n, fits) for n in model.free_names] if fits else []
    adjusted = holm(np.array([r.p_value for r in rows_of]))
    table = tuple(Recovered(**{**vars(r), "adjusted": float(a)}) for r, a in zip(rows_of, adjusted, strict=True))
    return Recovery(model.name, rows, seed, table, tuple(failures))


def _likelihood_covers(model: Model, data: Sequences, fit: Fit, estimator: MaximumLikelihood) -> dict[str, bool]:
    covers = {}
    warm = replace(estimator, starts=1, warm=True, profile_bounds=False)
    for name in model.free_names:
        start = model.start_at(**{n: v for n, v in fit.value.items() if n in model.free_names and n != name})
        held = warm.fit(start.fix(**{name: model.value[name]}), data)
        covers[name] = bool(2 * (fit.log_likelihood - held.log_likelihood) <= 3.841459)
    return covers


def _recovered(model: Model, name: str, fits: list[tuple[Fit, dict[str, bool]]]) -> Recovered:
    from scipy.stats import binomtest

    truth = model.value[name]
    estimates = np.array([f.value[name] for f, _ in fits])
    open_fits = [f for f, _ in fits if name in f.free_names]
    errors = np.array([f.standard_error(name) for f in open_fits])
    inside = [low <= truth <= high for low, high in (f.interval(name) for f, _ in fits)]
    hits = int(np.sum(inside))
    spread = float(estimates.std())
    likelihood = [c[name] for _, c in fits if name in c]
    return Recovered(
        name=name,
        truth=truth,
        bias=float(estimates.mean() - truth),
        rmse=float(np.sqrt(np.mean((estimates - truth) ** 2))),
        error_ratio=float(np.nanmean(errors) / spread) if spread > 0 and len(errors) else math.nan,
        coverage=hits / len(fits),
        likelihood_coverage=float(np.mean(likelihood)) if likelihood else math.nan,
        replicates=len(fits),
        pinned=len(fits) - len(open_fits),
        p_value=float(binomtest(hits, len(fits), 0.95).pvalue),
        adjusted=math.nan,
    )
