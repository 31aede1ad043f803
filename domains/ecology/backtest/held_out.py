"""The held-out comparison of a run: our model beside the bank and the baselines, one year ahead from every year of the test window."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.cluster_bootstrap import cluster_bootstrap
from seqsci.domains.ecology.backtest.comparison import CountComparison, compare, log_ratio
from seqsci.domains.ecology.backtest.held_out_text import text
from seqsci.domains.ecology.backtest.protocol import CountForecaster, Forecasts, run, targets
from seqsci.domains.ecology.backtest.year_test import FEWEST_YEARS, TOO_FEW, compare_years
from seqsci.domains.ecology.reading.panel import CountPanel
from seqsci.domains.ecology.reading.reason import one_line
from seqsci.errors import DataError, SeqsciError, explain
from seqsci.evaluate.comparison import BETTER, UNDECIDED, WORSE, Difference

Array = npt.NDArray[np.float64]
Z95 = 1.959964


@dataclass(frozen=True)
class CountScoreRow:
    """Scores of one model, means over series of the means over their test years: context, not a claim.

    mase: mean absolute error in mean absolute changes of the training window; rmse, crps: [log count]; log_score: [nats], higher is
    better; coverage_90: share of counts within 90 % intervals; seconds: wall time.
    """

    model: str
    mase: float
    rmse: float
    crps: float
    log_score: float
    coverage_90: float
    seconds: float


@dataclass(frozen=True, eq=False)
class HeldOutCounts:
    """A comparison of forecasts of counts as a run keeps it.

    Attributes:
        scores: a row a model, ours first; differences: ours minus each other one, negative where ours is better.
        heading: what was compared on which rows; ours: name of our model; single: of one series, so that rows are years, not series.
    """

    scores: tuple[CountScoreRow, ...]
    differences: tuple[Difference, ...]
    heading: tuple[str, ...]
    ours: str
    single: bool

    def __str__(self) -> str:
        return text(self.heading, self.scores, self.differences, self.ours, self.single)


@dataclass(frozen=True)
class Terms:
    """What a comparison states beside its numbers: label of the window, models looked at before, what else a reader must know."""

    label: str = "development"
    tried_before: int = 0
    notes: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def held_out(
    ours: CountForecaster,
    others: Sequence[CountForecaster],
    panel: CountPanel,
    terms: Terms,
    progress: Callable[[str], None] | None = None,
) -> HeldOutCounts:
    """Run all forecasters on the test windows of a panel and compare ours with each of the others.

    One that cannot forecast every row is left out with its reason, ours too. Of several series a difference is a mean over series, its
    interval a bootstrap that draws clusters; of one series it is a mean over years with `compare_years`, and below 20 forecast years
    nothing is decided.

    Raises: DataError where nothing can be compared.
    """
    found, skipped = dict[str, Forecasts](), dict(terms.left_out)
    for forecaster in (ours, *others):
        if progress is not None:
            progress(forecaster.name)
        try:
            found |= run([forecaster], panel)
        except SeqsciError as error:
            skipped[forecaster.name] = one_line(error)
    if not found:
        got = "; ".join(f"{n}: {r}" for n, r in skipped.items())
        raise DataError(explain("nothing can be compared", got, "one forecaster that runs", "choose other baselines"))
    table = compare(found, panel, label=terms.label)
    single = len(panel) == 1
    clusters = table.clusters if len(np.unique(table.clusters)) > 1 else np.arange(len(table.clusters))
    made: list[Difference] = []
    if ours.name in found:
        rivals = [n for n in found if n != ours.name]
        by_rival = _over_years(found, panel, ours.name) if single else _over_series(table, clusters, ours.name)
        made = [d for score in ("MSE" if single else "log RMSE", "CRPS" if single else "log CRPS", "NLL") for d in by_rival(score, rivals)]
    tried = 1 + len(others) + len(terms.left_out) + terms.tried_before
    heading = _heading(panel, table, terms, skipped, tried, len(np.unique(clusters)))
    return HeldOutCounts(tuple(_row(table, n) for n in found), tuple(made), heading, ours.name, single)


def _row(table: CountComparison, name: str) -> CountScoreRow:
    s = table.scores[name]
    mase = float(np.nanmean(s.mase)) if np.isfinite(s.mase).any() else math.nan
    rmse, crps, log_score, covered = (float(v.mean()) for v in (s.rmse, s.crps, s.log_score, s.covered))
    return CountScoreRow(name, mase, rmse, crps, log_score, covered, table.seconds[name])


def _over_years(found: Mapping[str, Forecasts], panel: CountPanel, ours: str) -> Callable[[str, list[str]], list[Difference]]:
    """Differences of one series: losses of years, dependent in time."""
    y = targets(panel, 1)[:, 0]
    seen = np.isfinite(y)

    def losses(name: str, score: str) -> Array:
        f = found[name]
        table = {"MSE": (f.mean[:, 0] - y) ** 2, "CRPS": f.crps[:, 0], "NLL": -f.log_density[:, 0]}
        return np.asarray(table[score][seen])

    def differences(score: str, rivals: list[str]) -> list[Difference]:
        result = []
        for name in rivals if seen.sum() >= 2 else []:
            e = compare_years(losses(ours, score) - losses(name, score))
            few = TOO_FEW if seen.sum() < FEWEST_YEARS else None
            result.append(Difference(score, name, e.mean, e.low, e.high, e.p_value, few))
        return result

    return differences


def _over_series(table: CountComparison, clusters: npt.NDArray[np.generic], ours: str) -> Callable[[str, list[str]], list[Difference]]:
    """Differences of many series: a number a series, dependent within clusters; decided by the interval."""
    a = table.scores[ours]

    def differences(score: str, rivals: list[str]) -> list[Difference]:
        result = []
        for name in rivals if len(clusters) > 1 else []:
            b = table.scores[name]
            of = {"log RMSE": log_ratio(a.rmse, b.rmse), "log CRPS": log_ratio(a.crps, b.crps), "NLL": b.log_score - a.log_score}
            e = cluster_bootstrap(of[score], clusters)
            error = (e.high - e.low) / (2 * Z95)
            p = math.erfc(abs(e.value) / error / math.sqrt(2)) if error > 0 else float(e.value == 0)
            decided = BETTER if e.high < 0 else WORSE if e.low > 0 else UNDECIDED
            result.append(Difference(score, name, e.value, e.low, e.high, p, decided))
        return result

    return differences


def _heading(
    panel: CountPanel, table: CountComparison, terms: Terms, skipped: Mapping[str, str], tried: int, clusters: int
) -> tuple[str, ...]:
    year = panel.year[panel.test_rows]
    many = f"{len(table.clusters)} series" + (f" in {clusters} clusters" if clusters < len(table.clusters) else "")
    first = f"Held-out comparison on the last 30 % of years ({terms.label} data): {table.rows:,} one-year-ahead forecasts"
    few = len(table.clusters) > 1 and clusters < 10
    short = len(panel) == 1 and table.rows < FEWEST_YEARS
    return (
        f"{first} of {many if len(panel) > 1 else panel.series[0]}, {year.min()} to {year.max()}",
        f"every forecast is made from the years before it; {tried} models were tried on this window",
        *terms.notes,
        *panel.zero_notes,
        *([f"{table.left_out} series have no count in their test window"] if table.left_out else []),
        *([f"intervals draw {clusters} clusters: with so few they are too short"] if few else []),
        *([f"{TOO_FEW} who is better: {table.rows} forecast years, {FEWEST_YEARS} are needed"] if short else []),
        *(f"not forecast: {n}: {reason}" for n, reason in list(panel.refused.items())[:5]),
        *([f"not forecast: {len(panel.refused) - 5} more series"] if len(panel.refused) > 5 else []),
        *(f"not compared: {name}: {reason}" for name, reason in skipped.items()),
    )
