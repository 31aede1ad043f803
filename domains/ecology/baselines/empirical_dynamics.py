"""Empirical dynamic modelling: simplex projection and S-map of log counts, with a Gaussian predictive from the leave-one-out error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.protocol import SeriesForecaster
from seqsci.domains.ecology.backtest.student import StudentForecast
from seqsci.domains.ecology.baselines.empirical_dynamics_kernel import projected
from seqsci.domains.ecology.baselines.naive import SMALLEST_SCALE

Array = npt.NDArray[np.float64]
THETAS = (0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How local an S-map may be; 0 is a linear autoregression."""


@dataclass(frozen=True)
class Simplex(SeriesForecaster):
    """Simplex projection: the weighted mean of what followed the E + 1 most similar stretches of E years. One year ahead only.

    Missing years are closed up, E is chosen up to ``dimensions`` by leave-one-out error at every origin. The method has no forecast
    distribution of its own: the Gaussian with the leave-one-out RMSE as sd is ours.
    Source: Sugihara & May (1990), Nature 344, 734-741, DOI 10.1038/344734a0.
    """

    dimensions: int = 3

    @property
    def name(self) -> str:
        return "simplex projection"

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        return closed_up(y, first, horizon, self.dimensions, ())


@dataclass(frozen=True)
class SMap(SeriesForecaster):
    """S-map: a linear regression on E lags, weighted towards similar stretches. One year ahead only; otherwise as `Simplex`.

    Source: Sugihara (1994), Philosophical Transactions A 348, 477-495, DOI 10.1098/rsta.1994.0106.
    """

    dimensions: int = 3
    thetas: tuple[float, ...] = THETAS

    @property
    def name(self) -> str:
        return "S-map"

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        return closed_up(y, first, horizon, self.dimensions, self.thetas)


def closed_up(y: Array, first: int, horizon: int, dimensions: int, thetas: tuple[float, ...]) -> StudentForecast:
    """One-step forecasts of the series without its gaps; a missing year repeats the forecast made after the last count before it."""
    seen = np.isfinite(y)
    known = np.r_[0, np.cumsum(seen)][first:-1]
    values = y[seen]
    made, error = projected(np.r_[values, 0.0] - values[0], int(known[0]), dimensions, np.array(thetas, float))
    place = known - known[0]
    mean, scale, freedom = (np.full((len(known), horizon), v) for v in (np.nan, np.nan, np.inf))
    mean[:, 0], scale[:, 0] = values[0] + made[place], np.maximum(error[place], SMALLEST_SCALE)
    return StudentForecast(mean, scale, freedom)
