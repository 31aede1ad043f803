"""The forecast of the last time from the earlier ones, and what every forecaster of it is."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.genomics.methylation.features import neighbour_features, overall_fraction, own_features
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, explain

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ForecastTask:
    """Sites whose reads at the last time are to be forecast from those at the earlier times, their own and their neighbours'.

    Every forecaster gets the same features; the counts at the last time enter through training rows alone.

    Raises: DataError for fewer than two times, or sites without a read at the last time.
    """

    series: SiteSeries

    def __post_init__(self) -> None:
        if len(self.series.times) < 2 or (self.series.coverage[:, -1] <= 0).any():
            got = f"{len(self.series.times)} times, {int((self.series.coverage[:, -1] <= 0).sum())} sites without a last read"
            raise DataError(explain("nothing to forecast", got, "two times or more, reads at the last", "drop sites that cannot be scored"))

    @functools.cached_property
    def past(self) -> SiteSeries:
        """All times but the last."""
        return self.series.until(len(self.series.times) - 1)

    @functools.cached_property
    def overall(self) -> Array:
        """(times - 1,) overall fractions of the past."""
        return overall_fraction(self.past)

    @functools.cached_property
    def own(self) -> Array:
        """(sites, columns) features of a site's own past."""
        return own_features(self.past, self.overall)[0]

    @functools.cached_property
    def neighbours(self) -> Array:
        """(sites, columns) features of the neighbours' past."""
        return neighbour_features(self.past, self.overall)[0]

    @property
    def methylated(self) -> Array:
        """(sites,) methylated reads at the last time."""
        return np.asarray(self.series.methylated[:, -1])

    @property
    def coverage(self) -> Array:
        """(sites,) reads at the last time."""
        return np.asarray(self.series.coverage[:, -1])

    @property
    def time(self) -> float:
        """The last time."""
        return float(self.series.times[-1])


class FractionForecaster(ABC):
    """Abstract base: learns from the training sites and forecasts the fraction of every site."""

    name: str

    @abstractmethod
    def forecast(self, task: ForecastTask, train: Mask) -> Array:
        """(sites,) expected fractions in (0, 1); the last counts of sites outside ``train`` never enter."""


def inside(p: Array) -> Array:
    """Forecasts away from 0 and 1, so that a read that is wrong has a finite loss."""
    return np.asarray(np.clip(p, 1e-4, 1 - 1e-4))


def cross_forecast(forecaster: FractionForecaster, task: ForecastTask, fold: npt.NDArray[np.int64]) -> Array:
    """(sites,) forecasts of each fold by a forecaster that was trained on the others."""
    found = np.empty(len(task.series))
    for part in np.unique(fold):
        found[fold == part] = forecaster.forecast(task, fold != part)[fold == part]
    return found
