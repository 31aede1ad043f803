"""Density dependence by least squares on observed pairs of years: Gompertz, AR(2), Gompertz with a trend, Ricker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.protocol import SeriesForecaster
from seqsci.domains.ecology.backtest.student import StudentForecast
from seqsci.domains.ecology.baselines.naive import SMALLEST_SCALE, last_observed

Array = npt.NDArray[np.float64]


class Regression(SeriesForecaster, ABC):
    """Least squares of ``y_t`` on what is known a year before; Student predictive ``t_{n - p}``.

    A gap is bridged by the regression's own forecasts: after g years without a count, h ahead, it is iterated g - 1 + h times. The
    variance is that of the accumulated errors, with the error of the coefficients at the last step; error in the counts is ignored.
    With fewer than three pairs more than coefficients the forecast is the last value with the spread of all (no row of the panels).
    """

    @abstractmethod
    def regressors(self, lags: Array, year: Array) -> Array:
        """Columns of the design, (rows, p), from the values one and two years before (rows, 2) and the row number (rows,)."""

    @abstractmethod
    def memory(self, coefficients: Array) -> tuple[float, float]:
        """Derivative of y_t by the values one and two years before, by which errors accumulate."""

    @property
    def closes_gaps(self) -> bool:
        """Whether missing years are left out of the series, as if the years beside them followed one another."""
        return False

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        if not self.closes_gaps:
            return self._refitted(y, first, horizon)
        seen = np.isfinite(y)
        known = np.r_[0, np.cumsum(seen)][first:-1]
        found = self._refitted(np.r_[y[seen], np.nan], int(known[0]), horizon)
        place = known - known[0]
        return StudentForecast(found.mean[place], found.scale[place], found.freedom[place])

    def _refitted(self, y: Array, first: int, horizon: int) -> StudentForecast:
        rows = np.arange(len(y))
        lagged = np.column_stack([np.r_[np.nan, y[:-1]], np.r_[np.nan, np.nan, y[:-2]]])
        design = self.regressors(lagged, rows.astype(float))
        usable = np.isfinite(y) & np.isfinite(design).all(1)
        gap = last_observed(y)[1]
        mean, scale, freedom = (np.full((len(y) - first, horizon), np.nan) for _ in range(3))
        for row, t in enumerate(range(first, len(y))):
            some = np.flatnonzero(usable[:t])
            X = design[some]
            freed = len(some) - X.shape[1]
            if freed < 3:  # a gappy start: as if nothing were known but the last value and the spread of all values
                seen = y[:t][np.isfinite(y[:t])]
                mean[row], scale[row], freedom[row] = y[t - gap[t]], max(float(seen.std(ddof=1)), SMALLEST_SCALE), len(seen) - 1
                continue
            coefficients: Array = np.asarray(np.linalg.lstsq(X, y[some], rcond=None)[0], float)
            variance = float(np.square(y[some] - X @ coefficients).sum()) / freed
            inverse = np.linalg.pinv(X.T @ X)
            path = y[:t].copy()
            for hole in np.flatnonzero(np.isnan(path)).tolist():  # missing years, by the fit of this origin
                path[hole] = self._step(path, hole, coefficients)[0]
            one, two = self.memory(coefficients)
            psi = [1.0]
            for h in range(horizon):
                s = t + h
                value, at = self._step(path, s, coefficients)
                path = np.r_[path, value]
                steps = h + int(gap[t])
                while len(psi) < steps:
                    psi.append(one * psi[-1] + two * (psi[-2] if len(psi) > 1 else 0.0))
                mean[row, h] = value
                scale[row, h] = np.sqrt(variance * (np.square(psi[:steps]).sum() + float(at @ inverse @ at)))
            freedom[row] = freed
        return StudentForecast(mean, np.maximum(scale, SMALLEST_SCALE), freedom)

    def _step(self, path: Array, t: int, coefficients: Array) -> tuple[float, Array]:
        one = path[t - 1]
        two = path[t - 2] if t > 1 else one
        at = self.regressors(np.array([[one, two]]), np.array([float(t)]))[0]
        return float(at @ coefficients), at


@dataclass(frozen=True)
class Gompertz(Regression):
    """Gompertz density dependence, an AR(1) of log counts: ``y_t = a + phi y_{t-1} + e``."""

    @property
    def name(self) -> str:
        return "Gompertz AR(1)"

    def regressors(self, lags: Array, year: Array) -> Array:
        return np.column_stack([np.ones(len(year)), lags[:, 0]])

    def memory(self, coefficients: Array) -> tuple[float, float]:
        return float(coefficients[1]), 0.0


@dataclass(frozen=True)
class SecondOrder(Regression):
    """Delayed density dependence, an AR(2) of log counts: ``y_t = a + b y_{t-1} + c y_{t-2} + e``.

    Gaps are closed up: three observed years in a row are rare in gappy series, and fits to them alone forecast worse.
    """

    @property
    def name(self) -> str:
        return "AR(2)"

    @property
    def closes_gaps(self) -> bool:
        return True

    def regressors(self, lags: Array, year: Array) -> Array:
        return np.column_stack([np.ones(len(year)), lags])

    def memory(self, coefficients: Array) -> tuple[float, float]:
        return float(coefficients[1]), float(coefficients[2])


@dataclass(frozen=True)
class GompertzTrend(Regression):
    """Gompertz with a linear trend: ``y_t = a + phi y_{t-1} + c t + e``."""

    @property
    def name(self) -> str:
        return "Gompertz + linear year"

    def regressors(self, lags: Array, year: Array) -> Array:
        return np.column_stack([np.ones(len(year)), lags[:, 0], year])

    def memory(self, coefficients: Array) -> tuple[float, float]:
        return float(coefficients[1]), 0.0


@dataclass(frozen=True)
class Ricker(SeriesForecaster):
    """Ricker density dependence: ``y_t - y_{t-1} = a + b exp(y_{t-1}) + e``, one year ahead only (more years need simulation).

    The change is regressed on the count in units of the largest training count that the origin knows; the fit does not depend on them.
    """

    @property
    def name(self) -> str:
        return "Ricker"

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        change = np.r_[np.nan, np.diff(y)]
        value, gap = last_observed(y)
        mean, scale, freedom = (np.full((len(y) - first, horizon), np.nan) for _ in range(3))
        for row, t in enumerate(range(first, len(y))):
            some = np.flatnonzero(np.isfinite(change[:t]))
            unit = float(np.nanmax(y[:t]))
            X = np.column_stack([np.ones(len(some)), np.exp(y[some - 1] - unit)])
            freed = max(len(some) - 2, 1)
            coefficients = np.linalg.lstsq(X, change[some], rcond=None)[0]
            variance = float(np.square(change[some] - X @ coefficients).sum()) / freed
            at = np.array([1.0, np.exp(value[t] - unit)])
            reach = float(gap[t]) + float(at @ np.linalg.pinv(X.T @ X) @ at)
            mean[row, 0], scale[row, 0], freedom[row, 0] = value[t] + float(at @ coefficients), np.sqrt(variance * reach), max(freed, 2)
        return StudentForecast(mean, np.maximum(scale, SMALLEST_SCALE), freedom)
