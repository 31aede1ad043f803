"""Random walk, random walk with drift, and historical mean of log counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.protocol import SeriesForecaster
from seqsci.domains.ecology.backtest.student import StudentForecast

Array = npt.NDArray[np.float64]
SMALLEST_SCALE = 0.01
"""Scale of a forecast at least [log count], 1 %: a past of equal counts does not promise the same count for ever."""


def last_observed(y: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """By row, the last value observed before it, and how many rows ago that was (the first row has none).

    >>> value, gap = last_observed(np.array([1.0, np.nan, 3.0, 4.0]))
    >>> value[1:].tolist(), gap[1:].tolist()
    ([1.0, 1.0, 3.0], [1, 2, 1])
    """
    rows = np.arange(len(y))
    latest = np.maximum.accumulate(np.where(np.isfinite(y), rows, 0))
    before = np.r_[0, latest[:-1]]
    return y[before], rows - before


@dataclass(frozen=True)
class RandomWalk(SeriesForecaster):
    """The last count, give or take the changes seen so far: ``y_t = y_{t-1} + e``, errors with a Student predictive.

    The variance of a change is the mean square of those from one year to the next; after a gap of g years, h ahead, it is g - 1 + h times
    that. Degrees of freedom: the number of changes.
    """

    @property
    def name(self) -> str:
        return "random walk"

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        change = np.diff(y)
        seen = np.isfinite(change)
        n = np.cumsum(seen)[first - 2 : len(y) - 2]
        square = np.cumsum(np.where(seen, change, 0.0) ** 2)[first - 2 : len(y) - 2] / np.maximum(n, 1)
        value, gap = (v[first:, None] for v in last_observed(y))
        steps = gap + np.arange(horizon)
        scale = np.maximum(np.sqrt(square)[:, None] * np.sqrt(steps), SMALLEST_SCALE)
        return StudentForecast(np.tile(value, (1, horizon)), scale, np.tile(np.maximum(n, 1.0)[:, None] + 1e-9, (1, horizon)))


@dataclass(frozen=True)
class RandomWalkDrift(SeriesForecaster):
    """A random walk with drift: ``y_t = y_{t-1} + c + e``; c is the mean change so far, and its error is part of the forecast's."""

    @property
    def name(self) -> str:
        return "random walk with drift"

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        change = np.diff(y)
        value, gap = last_observed(y)
        mean, scale, freedom = (np.empty((len(y) - first, horizon)) for _ in range(3))
        for row, t in enumerate(range(first, len(y))):
            seen = change[: t - 1][np.isfinite(change[: t - 1])]
            steps = gap[t] + np.arange(horizon)
            mean[row] = value[t] + steps * seen.mean()
            scale[row] = seen.std(ddof=1) * np.sqrt(steps + steps**2 / len(seen))
            freedom[row] = len(seen) - 1
        return StudentForecast(mean, np.maximum(scale, SMALLEST_SCALE), freedom)


@dataclass(frozen=True)
class HistoricalMean(SeriesForecaster):
    """The mean of all log counts so far, at every horizon, with the Student predictive of independent values."""

    @property
    def name(self) -> str:
        return "historical mean"

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        mean, scale, freedom = (np.empty((len(y) - first, horizon)) for _ in range(3))
        for row, t in enumerate(range(first, len(y))):
            seen = y[:t][np.isfinite(y[:t])]
            mean[row], freedom[row] = seen.mean(), len(seen) - 1
            scale[row] = seen.std(ddof=1) * np.sqrt(1.0 + 1.0 / len(seen))
        return StudentForecast(mean, np.maximum(scale, SMALLEST_SCALE), freedom)
