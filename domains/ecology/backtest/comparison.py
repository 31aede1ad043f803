"""Scores per series and paired differences to a reference, on the same rows for all forecasters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.cluster_bootstrap import cluster_bootstrap
from seqsci.domains.ecology.backtest.protocol import Forecasts, targets
from seqsci.domains.ecology.reading.panel import CountPanel
from seqsci.errors import DataError, did_you_mean, explain
from seqsci.evaluate.joint_bootstrap import Estimate

Array = npt.NDArray[np.float64]
LOWEST = 1e-6
"""Errors of a series count as this at least before a logarithm is taken [log count]; equal counts in all test years reach it."""


@dataclass(frozen=True, eq=False)
class SeriesScores:
    """Means over each series' scored rows, (series,).

    Attributes:
        mase: mean absolute error in mean absolute changes of the training window; NaN where these are zero.
        rmse, crps: [log count], lower is better; log_score: [nats], higher is better; covered: share within the 90 % interval.
    """

    mase: Array
    rmse: Array
    crps: Array
    log_score: Array
    covered: Array


@dataclass(frozen=True)
class Line:
    """One row of the table: means over series, and geometric means of the ratio to the random walk."""

    name: str
    mase: float
    rmse_ratio: float
    crps_ratio: float
    log_score: float
    coverage: float
    seconds: float


@dataclass(frozen=True)
class PairedDifference:
    """Ours minus a rival, means over series with cluster bootstrap intervals: log ratios of RMSE and CRPS, difference of log scores."""

    rival: str
    log_rmse: Estimate
    log_crps: Estimate
    log_score: Estimate


@dataclass(frozen=True)
class BestRivals:
    """Who is best by each score: geometric means over series of RMSE and CRPS, mean log score; named as in `PairedDifference`."""

    log_rmse: str
    log_crps: str
    log_score: str


@dataclass(frozen=True, eq=False)
class CountComparison:
    """Scores of all forecasters at one horizon.

    Attributes:
        scores: by forecaster; clusters: (series,) labels; rows: scored forecasts; left_out: series without an outcome at this horizon.
        label: "development": the windows were looked at while the models were made.
    """

    scores: Mapping[str, SeriesScores]
    seconds: Mapping[str, float]
    clusters: Array
    rows: int
    left_out: int
    horizon: int
    label: str

    def _of(self, name: str) -> SeriesScores:
        if name not in self.scores:
            hint = did_you_mean(name, self.scores)
            raise DataError(explain(f"no forecaster {name!r}{hint}", list(self.scores), "one that was run", "name one of these"))
        return self.scores[name]

    def line(self, name: str, base: str = "random walk") -> Line:
        """Levels of one forecaster: context, not a claim."""
        own, walk = self._of(name), self._of(base)
        rmse, crps = (float(np.exp(np.mean(log_ratio(getattr(own, k), getattr(walk, k))))) for k in ("rmse", "crps"))
        mase = float(np.nanmean(own.mase)) if np.isfinite(own.mase).any() else np.nan
        return Line(name, mase, rmse, crps, float(own.log_score.mean()), float(own.covered.mean()), self.seconds[name])

    def difference(self, ours: str, rival: str, resamples: int = 4000, seed: int = 0) -> PairedDifference:
        """Ours minus a rival; negative log ratios and positive log scores favour ours."""
        a, b = self._of(ours), self._of(rival)
        columns = (log_ratio(a.rmse, b.rmse), log_ratio(a.crps, b.crps), a.log_score - b.log_score)
        return PairedDifference(rival, *(cluster_bootstrap(c, self.clusters, resamples, seed) for c in columns))

    def best(self, names: Sequence[str]) -> BestRivals:
        """Who of these is best, score by score, on these rows."""
        rmse = min(names, key=lambda n: float(log_error(self._of(n).rmse).mean()))
        crps = min(names, key=lambda n: float(log_error(self._of(n).crps).mean()))
        return BestRivals(rmse, crps, max(names, key=lambda n: float(self._of(n).log_score.mean())))

    def difference_to_best(self, ours: str, names: Sequence[str], resamples: int = 4000, seed: int = 0) -> PairedDifference:
        """Ours minus whoever of these is best by each score; the rival is named by all three."""
        best = self.best(names)
        rmse, crps, score = (self.difference(ours, n, resamples, seed) for n in (best.log_rmse, best.log_crps, best.log_score))
        rival = f"{best.log_rmse} (RMSE), {best.log_crps} (CRPS), {best.log_score} (log score)"
        return PairedDifference(rival, rmse.log_rmse, crps.log_crps, score.log_score)

    def text(self, ours: str) -> str:
        """Table of levels and of differences of ours to all others."""
        many = len(np.unique(self.clusters))
        head = (
            f"{self.rows:,} forecasts of {len(self.clusters)} series in {many} clusters, {self.horizon} year(s) ahead ({self.label} data)"
        )
        lines = [head + (f"; {self.left_out} series without an outcome there" if self.left_out else "")]
        lines.append(f"{'model':<32}{'MASE':>7}{'gmRMSE':>8}{'gmCRPS':>8}{'log score':>10}{'cov90':>7}{'seconds':>9}")
        for name in self.scores:
            v = self.line(name)
            lines.append(
                f"{name:<32}{v.mase:>7.3f}{v.rmse_ratio:>8.3f}{v.crps_ratio:>8.3f}{v.log_score:>10.3f}{v.coverage:>7.3f}{v.seconds:>9.1f}"
            )
        lines.append(f"{ours} minus:".ljust(32) + f"{'log RMSE':>24}{'log CRPS':>24}{'log score':>24}")
        for name in self.scores:
            if name != ours:
                d = self.difference(ours, name)
                cells = (f"{e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}]" for e in (d.log_rmse, d.log_crps, d.log_score))
                lines.append(f"{name:<32}" + "".join(f"{c:>24}" for c in cells))
        return "\n".join(lines)


def log_error(error: Array) -> Array:
    """``log(error)``, errors below `LOWEST` counted as that."""
    return np.asarray(np.log(np.maximum(error, LOWEST)))


def log_ratio(ours: Array, theirs: Array) -> Array:
    """``log(ours / theirs)``, errors below `LOWEST` counted as that."""
    return np.asarray(np.log(np.maximum(ours, LOWEST) / np.maximum(theirs, LOWEST)))


def compare(
    found: Mapping[str, Forecasts], panel: CountPanel, horizon: int = 1, label: str = "development", level: float = 0.9
) -> CountComparison:
    """Score forecasts of one horizon, each series by the mean of its rows.

    Args:
        found: of `seqsci.domains.ecology.backtest.protocol.run`; those without any forecast at this horizon are left out.
        horizon: years ahead, 1 the next; label: what the windows are; level: of the central interval whose coverage is counted.

    Raises: DataError where no outcome is left at this horizon.
    """
    y, series = targets(panel, horizon)[:, horizon - 1], panel.test_series
    seen = np.isfinite(y)
    if not seen.any():
        raise DataError(explain("no outcome to score", f"horizon {horizon}", "observed test years", "shorten the horizon"))
    count = np.bincount(series[seen], minlength=len(panel))
    kept = count > 0
    change = np.array([_mean_change(panel.values(i)[: panel.first[i]]) for i in range(len(panel))])[kept]

    def by_series(values: Array) -> Array:
        return np.asarray(np.bincount(series[seen], values[seen], len(panel))[kept] / count[kept])

    tail, scores = (1.0 - level) / 2.0, {}
    for name, made in found.items():
        if made.mean.shape[1] < horizon or not np.isfinite(made.mean[seen, horizon - 1]).all():
            continue
        error, pit = made.mean[:, horizon - 1] - y, made.pit[:, horizon - 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            mase = np.where(change > 0, by_series(np.abs(error)) / change, np.nan)
        inside = ((pit >= tail) & (pit <= 1.0 - tail)).astype(float)
        rmse, crps = np.sqrt(by_series(error**2)), by_series(made.crps[:, horizon - 1])
        scores[name] = SeriesScores(mase, rmse, crps, by_series(made.log_density[:, horizon - 1]), by_series(inside))
    clusters = np.asarray(panel.cluster)[kept]
    seconds = {name: found[name].seconds for name in scores}
    return CountComparison(scores, seconds, clusters, int(seen.sum()), int((~kept).sum()), horizon, label)


def _mean_change(y: Array) -> float:
    change = np.abs(np.diff(y))
    return float(change[np.isfinite(change)].mean()) if np.isfinite(change).any() else 0.0
