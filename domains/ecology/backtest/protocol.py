"""How annual counts are forecast: from every year of the test window, on the years of the series before it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.student import StudentForecast
from seqsci.domains.ecology.reading.panel import CountPanel
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
THREADS = 2
"""Series are forecast on so many threads; the numbers do not depend on it."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Scored forecasts of a panel, (test rows, horizons): entry [r, h - 1] uses rows before test row r and is about row r + h - 1.

    NaN where the outcome is missing or lies past the end of its series, and where the forecaster has no forecast at that horizon.

    Attributes:
        mean: [log count]; log_density [nats]; crps [log count]; pit: P(outcome <= observed), uniform where forecasts are right.
        seconds: wall time.
    """

    name: str
    mean: Array
    log_density: Array
    crps: Array
    pit: Array
    seconds: float = 0.0


class CountForecaster(ABC):
    """Anything that forecasts the test windows of a panel."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Distinct name, for tables."""

    @abstractmethod
    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """Forecast 1..horizon years ahead from before every test row; of its series an origin uses the years before it, and nothing else.

        What is learned from other series comes from training windows, which may reach later calendar years.
        """


class SeriesForecaster(CountForecaster, ABC):
    """A forecaster that learns from the series' own past only; its forecasts are Student or Gaussian."""

    @abstractmethod
    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        """Forecasts from before the rows first, ..., len(y) - 1 of one series; refitted at each.

        Args:
            y: (years,) log counts, NaN = missing, the first one observed.
            first: rows before it are never forecast.

        Shapes: -> (len(y) - first, horizon).
        """

    def ahead(self, y: Array, horizon: int = 1) -> StudentForecast:
        """Forecast past the end of one series (horizon,).

        Raises: DataError where fewer than 8 log counts are observed, or any is infinite.
        """
        past = np.asarray(y, float)
        past = past[int(np.argmax(np.isfinite(past))) :]
        if np.isinf(past).any() or np.isfinite(past).sum() < 8:
            got = f"{int(np.isfinite(past).sum())} finite and {int(np.isinf(past).sum())} infinite values"
            fix = "pass log counts; count_panel(...) says what a zero becomes"
            raise DataError(explain(f"{self.name} cannot forecast this series", got, "8 or more finite log counts, NaN = missing", fix))
        found = self.at_origins(np.r_[past, np.nan], len(past), horizon)
        return StudentForecast(found.mean[0], found.scale[0], found.freedom[0])

    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """Forecast series after series, on threads."""
        from concurrent.futures import ThreadPoolExecutor

        clock = time.perf_counter()

        def one(i: int) -> StudentForecast:
            return self.at_origins(panel.values(i), int(panel.first[i]), horizon)

        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(one, range(len(panel))))
        whole = StudentForecast(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("mean", "scale", "freedom")))
        return scored(self.name, whole, targets(panel, horizon), time.perf_counter() - clock)


def scored(name: str, forecast: StudentForecast, y: Array, seconds: float = 0.0) -> Forecasts:
    """The forecasts with their scores at outcomes of the same shape; NaN outcomes have none."""
    mean = np.where(np.isnan(y), np.nan, forecast.mean)
    return Forecasts(name, mean, forecast.log_density(y), forecast.crps(y), forecast.cdf(y), seconds)


def targets(panel: CountPanel, horizon: int) -> Array:
    """Outcomes of the forecasts (test rows, horizon); NaN past the end of a series."""
    rows, end = panel.test_rows, panel.offsets[1:][panel.test_series]
    place = rows[:, None] + np.arange(horizon)
    inside = place < end[:, None]
    return np.where(inside, panel.log_count[np.where(inside, place, 0)], np.nan)


def run(
    forecasters: list[CountForecaster], panel: CountPanel, horizon: int = 1, progress: Callable[[str], None] | None = None
) -> dict[str, Forecasts]:
    """Run all forecasters on the same rows, by name.

    Raises: DataError for two of one name, and for a forecaster that leaves out a one-step forecast that another one makes.
    """
    names = [f.name for f in forecasters]
    if len(set(names)) < len(names):
        raise DataError(explain("two forecasters have the same name", names, "distinct names", "drop or rename one"))
    seen = np.isfinite(targets(panel, 1)[:, 0])
    found = {}
    for forecaster in forecasters:
        made = forecaster.forecast(panel, horizon)
        if (lost := int((seen & ~np.isfinite(made.log_density[:, 0])).sum())) > 0:
            fix = "leave this forecaster out of the table"
            raise DataError(explain(f"{made.name} has no forecast of some rows", f"{lost} of {int(seen.sum())}", "all rows", fix))
        if progress is not None:
            progress(f"{made.name}: {made.seconds:.1f} s")
        found[made.name] = made
    return found
