"""Rolling-origin backtests over the series of a panel: every predictor forecasts the same rows; a refused series is a row with a reason."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.evaluate.backtest import Path, Protocol
from seqsci.evaluate.panel_paths import of_model, one_by_one
from seqsci.evaluate.panel_rows import Start, panel_of, starts_of
from seqsci.model import Model
from seqsci.panel.rolling import Forecasts
from seqsci.predictor import ModelPredictor, Predictor

if TYPE_CHECKING:
    import pandas as pd

    from seqsci.panel.units import Units

Array = np.ndarray
EVERY = "every predictor"
"""Name in the failures of what concerns a series whoever forecasts it."""


@dataclass(frozen=True)
class PanelProtocol:
    """How a backtest of a panel was run.

    Attributes:
        refit: rows of a series between refits; window: rows of the training window, None for an expanding one.
        start: from where each series is forecast, in words.
        label: "development" (looked at while the model was made) or "confirmation" (not looked at before).
        missing: rows in the test windows without an outcome; unscored: rows with one that some predictor could not forecast.
    """

    refit: int
    window: int | None
    start: str
    label: str
    missing: int
    unscored: int


@dataclass(frozen=True, eq=False)
class PanelBacktest:
    """Forecasts of every predictor on the same rows of many series.

    Attributes:
        series: names of the series with scored rows; code: (rows,) position of each row's series in it, not decreasing.
        index: (rows,) dates, or row numbers within the series where the frame has none; y: (rows,) outcomes.
        paths: by predictor name, ours first; arrays over the rows.
        failures: a row for each series that a predictor could not forecast: predictor, name of the series, reason.
        protocol: how it was run.
        centers: (series,) mean outcome of each series' first training window.
        factor: multiplies the outcome to give percent (100 for decimal data); returns: whether the outcome is a return.
        skipped: predictors that could forecast no series at all, with a reason.
        by: what names a series.
    """

    series: tuple[Any, ...]
    code: Array
    index: Array
    y: Array
    paths: Mapping[str, Path]
    failures: pd.DataFrame
    protocol: PanelProtocol
    centers: Array
    factor: float
    returns: bool
    skipped: Mapping[str, str]
    by: str = "unique_id"

    @property
    def center(self) -> Array:
        """(rows,) mean outcome of the first training window of each row's series."""
        return np.asarray(self.centers[self.code])

    def table(self) -> pd.DataFrame:
        """A long frame: a row a forecast, with mean, variance, log density and flags of each predictor in the outcome's unit."""
        import pandas as pd

        columns: dict[str, Any] = {self.by: np.array(self.series, object)[self.code], "ds": self.index, "y": self.y}
        for name, path in self.paths.items():
            columns |= {f"{name} mean": path.mean, f"{name} variance": path.variance, f"{name} log_density": path.log_density}
            columns |= {f"{name} below {100 * level:g} %": flags for level, flags in path.below.items()}
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        lines = [f"{len(self.y):,} one-step-ahead forecasts of {len(self.series):,} series by {', '.join(self.paths)}"]
        lines += [f"{name}: {count:,} series not forecast" for name, count in self.failures["predictor"].value_counts().items()]
        return "\n".join([*lines, *(f"left out: {name}: {reason}" for name, reason in self.skipped.items())])


def backtest_panel(
    model: Model | Predictor,
    frame: Any,
    refit: int = 60,
    window: int | None = None,
    first: Start = None,
    baselines: Sequence[Model | Predictor] = (),
    by: str = "unique_id",
    unit: str | None = None,
    estimator: MaximumLikelihood | None = None,
    threads: int | None = None,
    levels: tuple[float, ...] = (0.01, 0.05),
    label: str = "development",
    progress: Callable[[str], None] | None = None,
) -> PanelBacktest:
    """Run a model and its baselines over every series of a frame, refitted on the same rows, scored on the same rows.

    A forecast of row t uses parameters fitted at the last refit, on the ``window`` rows before it, and rows before t.

    Args:
        model: what the claim is about: a `Model`, or any `Predictor`.
        frame: long (``by``, ds, y, known columns) or wide (dates x names); NaN inside a series is a missing step, at its ends none.
        refit: rows between refits; each refit starts from the last one's estimates too.
        window: rows of the training window; None for all rows before the refit.
        first: first row to forecast, a row number within each series or a date; default ``window``, without one 70 % of each series' rows.
        baselines: what it is compared with: models and predictors.
        by: column that names the series.
        unit: of the outcome; read from ``frame.attrs["unit"]`` where absent.
        estimator: of the models; default as in `seqsci.fit_panel`. A `ModelPredictor` brings its own.
        threads: of the compiled fits of models; default one a core.
        levels: of the lower quantiles whose exceedances are counted.
        label: "development" or "confirmation" data.
        progress: called with each predictor's name before it runs.

    Predictors that are no models run through joblib under the user's settings: ``with joblib.parallel_config(n_jobs=4)``, or
    ``backend="dask"``; without one, in this process. Raises `DataError` for what concerns the whole frame, and where the first predictor
    can forecast nothing. A series that one predictor refuses is scored for none; another predictor that refuses all is left out.
    """
    Protocol(1, 2, refit, window, label)  # refuses a wrong one
    predictors = tuple(ModelPredictor(p, estimator or _default()) if isinstance(p, Model) else p for p in (model, *baselines))
    names = [p.name for p in predictors]
    if len(set(names)) < len(names):
        raise DataError(explain("two predictors have the same name", names, "distinct names", "rename one: model.named('...')"))
    units, outcome = panel_of(predictors, frame, by, unit)
    starts, words = starts_of(units, first, window)
    dead = _unusable(units, starts)
    found: dict[str, Forecasts] = {}
    for predictor in predictors:
        if progress is not None:
            progress(predictor.name)
        found[predictor.name] = _forecast(predictor, units, starts, refit, window, outcome, levels, threads)
    return _assembled(units, starts, found, dead, PanelProtocol(refit, window, words, label, 0, 0), by)


def _default() -> MaximumLikelihood:
    from seqsci.panel.fitting import ROLLING

    return ROLLING


def _forecast(
    predictor: Predictor, units: Units, starts: Array, refit: int, window: int | None, outcome: str, levels: tuple[float, ...],
    threads: int | None,
) -> Forecasts:  # fmt: skip
    if not isinstance(predictor, ModelPredictor):
        return one_by_one(predictor, units, starts, refit, window, outcome, levels)
    model = predictor.model
    mine = replace(units, known={k.name: units.known[k.name] for k in model.mechanism.known})
    return of_model(model, mine, starts, refit, window, predictor.estimator, levels, threads)


def _unusable(units: Units, starts: Array) -> dict[int, str]:
    """Why a unit is forecast by nobody, by position."""
    reasons = dict(units.reasons)
    for i, start in enumerate(starts):
        if i in reasons:
            continue
        y = units.outcome[units.rows(i)]
        if not len(y):
            reasons[i] = "no observed value"
        elif start < 1:
            reasons[i] = "no row before the first one to forecast"
        elif np.isnan(y[start:]).all():
            reasons[i] = f"too short: {len(y)} rows, none observed from row {start} on"
    return reasons


def _assembled(
    units: Units, starts: Array, found: Mapping[str, Forecasts], dead: Mapping[int, str], protocol: PanelProtocol, by: str
) -> PanelBacktest:
    """Keep the rows that every predictor has forecast."""
    import pandas as pd

    code = np.repeat(np.arange(len(units)), np.diff(units.offsets))
    dead_units = np.isin(np.arange(len(units)), list(dead))
    wanted = (np.arange(len(code)) - units.offsets[code] >= starts[code]) & ~dead_units[code]
    seen = wanted & ~np.isnan(units.outcome)
    ours = next(iter(found))
    table = [(EVERY, i, reason) for i, reason in sorted(dead.items())]
    table += [(name, i, reason) for name, f in found.items() for i, reason in f.failures if i not in dead]
    skipped = {n: next((reason for name, _, reason in table if name == n), table[0][2] if table else "no rows") for n in found}
    skipped = {n: reason for n, reason in skipped.items() if not len(found[n].rows)}
    if ours in skipped:
        got = f"{len(units)} series, the first: {skipped[ours]}"
        raise DataError(explain(f"{ours} can forecast no series", got, "at least one", "check the unit, the window and the first row"))
    scored = seen.copy()
    for name in found.keys() - skipped.keys():
        has = np.zeros(len(code), bool)
        has[found[name].rows] = True
        scored &= has
    if not scored.any():
        counts = {n: len(f.rows) for n, f in found.items()}
        raise DataError(explain("no row was forecast by all predictors", f"rows forecast: {counts}", "common rows", "leave one out"))
    rows = np.flatnonzero(scored)
    kept, position = np.unique(code[rows], return_inverse=True)
    facts = replace(protocol, missing=int((wanted & ~seen).sum()), unscored=int((seen & ~scored).sum()))
    paths = {n: _path(n, f, rows) for n, f in found.items() if n not in skipped}
    index = units.index[rows] if units.index is not None else rows - units.offsets[code[rows]]
    failures = pd.DataFrame([(n, units.ids[i], r) for n, i, r in table if n not in skipped], columns=["predictor", by, "reason"])
    factor, returns = 100.0 if units.measure == "decimal" else 1.0, units.measure in ("decimal", "percent")
    center = functools.partial(_center, units, starts, protocol.window)
    return PanelBacktest(
        tuple(units.ids[i] for i in kept), position, index, units.outcome[rows], paths, failures, facts,
        np.array([center(i) for i in kept]), factor, returns, skipped, by,
    )  # fmt: skip


def _center(units: Units, starts: Array, window: int | None, i: int) -> float:
    """Mean outcome of the first training window."""
    stop = int(starts[i])
    return float(np.nanmean(units.outcome[units.rows(i)][0 if window is None else max(0, stop - window) : stop]))


def _path(name: str, found: Forecasts, rows: Array) -> Path:
    at = np.searchsorted(found.rows, rows)
    below = {level: flags[at] for level, flags in found.below.items()}
    return Path(name, found.mean[at], found.variance[at], found.log_density[at], below, found.seconds)
