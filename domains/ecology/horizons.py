"""Forecasts of counts one to many years ahead: intervals that hold what is not known of the parameters, and quasi-extinction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.ecology.bank import FittedPopulationBank
from seqsci.domains.ecology.horizon_paths import Paths, future_columns, row_years, simulate_paths
from seqsci.domains.ecology.reading.frame import regular
from seqsci.errors import DataError, ParameterError, explain
from seqsci.estimation.parameter_draws import draw_parameters
from seqsci.estimation.result import Fit

Array = npt.NDArray[np.float64]
COLUMNS = (
    "series_id", "year", "step", "mean_log", "sd_log", "median", "low50", "high50", "low80", "high80", "low95", "high95",
    "below", "quasi_extinction", "threshold",
)  # fmt: skip
PROBABILITIES = (0.5, 0.25, 0.75, 0.1, 0.9, 0.025, 0.975)
SHARE, RECENT = 0.1, 10
"""The default threshold: a tenth of the median of the last ten observed counts."""


def forecast_counts(
    fit: Fit,
    horizon: int = 10,
    threshold: float | None = None,
    draws: int = 4000,
    seed: int = 0,
    known: pd.DataFrame | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Forecast the years after the last row of every series; a row a series and step.

    Parameters are drawn by `seqsci.estimation.parameter_draws.draw_parameters`; from each draw every series is filtered again, its last
    state is drawn too, and one path is simulated. So the intervals hold noise, state and parameters; fixed parameters are
    taken as known, and so is the model. Variances pinned at zero are drawn as well. The bands are of the count that a survey would find.

    | column | unit | reading |
    |---|---|---|
    | mean_log, sd_log | log count | moments of the log count (of a whole count below 1: that of 1/2) |
    | median, low50 ... high95 | count | quantiles; low80 and high80 hold 80 % |
    | below | 1 | probability that the population is at or below the threshold in that year |
    | quasi_extinction | 1 | probability that it has been, in that year or one before it |
    | threshold | count | by default a tenth of the median of the last ten observed counts of the series |

    ``below`` and ``quasi_extinction`` are of the population without its survey error where the model has one (`DriftingCapacity`), at
    the year's survey effort; else of the count. The year of step 1 follows the last row, which may be a missing year; where the rows
    have no labels, they are numbered from 1.

    Args:
        fit: of any model in `seqsci.domains.ecology.models.MODELS`, one series or many.
        known: where the model reads known columns (a covariate of K, trend columns, catch, effort), their future values: ``year``, the
            columns, and ``series_id`` where they differ between series.
        names: of the series, in the order of the fit; default ``series``, or 1, 2, ... of many.

    Raises `DataError` for a covariate without a value in a forecast year (it is named with the year), for parameters that the data do
    not hold at all, and for series without an outcome. ``attrs`` of the frame: ``effective_draws`` and ``covariance``.

    >>> from seqsci import fit
    >>> from seqsci.domains.ecology.models import gompertz
    >>> found = forecast_counts(fit(gompertz(), gompertz().simulate(60, seed=1)), horizon=2, draws=500)
    >>> found["step"].tolist(), bool((found["low95"] < found["median"]).all())
    ([1, 2], True)
    """
    if fit.outcome not in ("log_count", "count"):
        raise ParameterError(explain("not a model of counts", fit.model.name, "an outcome log_count or count", "use fit.predict"))
    if horizon < 1 or draws < 100:
        got = f"horizon {horizon!r}, draws {draws!r}"
        raise DataError(explain("there is nothing to forecast", got, "a horizon of 1 or more years, 100 draws or more", "raise them"))
    labels, last = _series(fit, names)
    years = np.array([[y + h for h in range(1, horizon + 1)] for y in last])
    future = future_columns([k.name for k in fit.model.mechanism.known], labels, years, known)
    parameters = draw_parameters(fit, draws, seed)
    paths = simulate_paths(fit, labels, parameters.values, horizon, seed + 1, future)
    ends = itertools.pairwise([*fit.sequences.starts, len(fit.sequences)])
    y = fit.sequences.outcome[fit.outcome]
    whole = fit.outcome == "count"
    rows = []
    for u, (a, b) in enumerate(ends):
        seen = y[a:b][np.asarray(fit.sequences.observed[a:b], bool)]
        at = _threshold(threshold, seen if whole else np.exp(seen))
        rows.append(_table(labels[u], years[u], paths[u], at, whole))
    found = pd.concat(rows, ignore_index=True)
    found.attrs = {"effective_draws": parameters.effective, "covariance": "positive definite" if parameters.sound else "not usable"}
    return found


def bank_horizons(
    bank: FittedPopulationBank,
    frame: pd.DataFrame,
    horizon: int = 10,
    threshold: float | None = None,
    draws: int = 20_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Forecast every series of a frame by a bank, without a refit; columns as `forecast_counts`.

    Moments and quantiles are those of the mixture; ``below`` and ``quasi_extinction`` come from simulated paths of the population. Every
    cell keeps its posterior weight, which is how parameters are uncertain here. A zero counts as half the smallest positive count of
    its series, all of which is training data.

    Args:
        frame: the one frame, ``series_id, year, count``; draws: paths a series.

    Raises `DataError` as `regular` does, and for a series without a positive count.
    """
    tables = []
    for name, rows in regular(frame).groupby("series_id", sort=True):
        count = rows["count"].to_numpy(float)
        if not (count > 0).any():
            raise DataError(explain(f"series {name!r} has no positive count", f"{len(count)} years", "one at least", "leave it out"))
        y = np.log(np.where(count == 0, count[count > 0].min() / 2, count))
        series = bank.for_series(y)
        mixture = series.predict(horizon)
        at = _threshold(threshold, count[np.isfinite(count)])
        density, _ = series.paths(horizon, draws, seed)
        nu = mixture.freedom[:, None]
        each = np.where(nu > 2, mixture.scales**2 * nu / np.where(nu > 2, nu - 2, 1.0), np.inf)
        spread = np.sqrt(mixture.weights @ (each + (mixture.means - mixture.mean) ** 2))
        quantiles = np.exp([mixture.quantile(p) for p in PROBABILITIES])
        years = int(rows["year"].iloc[-1]) + np.arange(1, horizon + 1, dtype=np.int64)
        tables.append(_rows(str(name), years, mixture.mean, spread, quantiles, density <= np.log(at), at))
    return pd.concat(tables, ignore_index=True)


def _threshold(asked: float | None, counts: Array) -> float:
    at = SHARE * float(np.median(counts[-RECENT:])) if asked is None else float(asked)
    if asked is None and at == 0.0:
        at = SHARE * float(counts.mean())
    if not 0.0 < at < np.inf:
        raise ParameterError(explain("the threshold is no abundance", at, "> 0, in the unit of the counts", "pass another"))
    return at


def _table(name: str, years: npt.NDArray[np.int64], paths: Paths, threshold: float, whole: bool) -> pd.DataFrame:
    """The rows of one series from its paths (draws, horizon)."""
    log_count = np.log(np.maximum(paths.outcome, 0.5)) if whole else paths.outcome
    if whole:
        quantiles = np.quantile(paths.outcome, PROBABILITIES, axis=0, method="inverted_cdf")
    else:
        quantiles = np.exp(np.quantile(paths.outcome, PROBABILITIES, axis=0))
    fallen = paths.density <= (threshold if whole else np.log(threshold))
    return _rows(name, years, log_count.mean(0), log_count.std(0), quantiles, fallen, threshold)


def _rows(
    name: str, years: npt.NDArray[np.int64], mean: Array, sd: Array, quantiles: Array, fallen: npt.NDArray[np.bool_], at: float
) -> pd.DataFrame:
    ever = np.maximum.accumulate(fallen, axis=1).mean(0)
    columns = (name, years, np.arange(1, len(years) + 1), mean, sd, *quantiles, fallen.mean(0), ever, at)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _series(fit: Fit, names: Sequence[str] | None) -> tuple[list[str], list[int]]:
    """Names of the series and the years of their last rows."""
    ends = [*fit.sequences.starts[1:], len(fit.sequences)]
    units = len(ends)
    labels = [str(n) for n in names] if names is not None else ["series"] if units == 1 else [str(i + 1) for i in range(units)]
    if len(labels) != units or len(set(labels)) != units:
        raise DataError(explain("names do not fit the series", f"{len(labels)} names", f"{units} different ones", "name each series once"))
    years = row_years(fit)
    return labels, [int(years[b - 1]) for b in ends]
