"""State-space baselines by maximum likelihood per series over a global grid: local level, Gompertz state space, random-walk K."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.protocol import SeriesForecaster
from seqsci.domains.ecology.backtest.student import StudentForecast
from seqsci.domains.ecology.baselines.naive import SMALLEST_SCALE
from seqsci.domains.ecology.baselines.state_space_kernel import likeliest

Array = npt.NDArray[np.float64]


class Interval(ABC):
    """How the process variance is turned into a predictive distribution."""

    @abstractmethod
    def spread(self, variance: Array, innovations: Array) -> tuple[Array, Array]:
        """Variance and degrees of freedom from the maximum likelihood variance and the number of innovations."""


@dataclass(frozen=True)
class PlugIn(Interval):
    """Gaussian at the maximum likelihood estimates, as if they were known: the usual plug-in, and too narrow in short series."""

    def spread(self, variance: Array, innovations: Array) -> tuple[Array, Array]:
        return variance, np.full_like(variance, np.inf)


@dataclass(frozen=True)
class Student(Interval):
    """Student with the innovations less what was fitted as degrees of freedom, and the variance divided by these.

    Attributes:
        fitted: parameters that are charged; 1 forecast better on the GPDD panel than the 3 ratios that the likelihood chooses.
    """

    fitted: int = 1

    def spread(self, variance: Array, innovations: Array) -> tuple[Array, Array]:
        freedom = np.maximum(innovations - self.fitted, 3.0)
        return variance * innovations / freedom, freedom


def titled(title: str, interval: Interval) -> str:
    """Name of a baseline with one of these intervals."""
    return title if isinstance(interval, PlugIn) else f"{title}, Student"


class GridFilter(SeriesForecaster, ABC):
    """A filter whose ratios are those of the likeliest point of a grid at every origin: no optimiser, no starting point."""

    interval: Interval

    @abstractmethod
    def grid(self) -> tuple[Array, Array, Array]:
        """phi, variance of the drift of K and observation variance, in units of the process variance (cells,) each."""

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        mean, factor, process, _ = likeliest(y, first, horizon, *self.grid())
        innovations = np.cumsum(np.isfinite(y))[first - 1 : len(y) - 1] - 1.0
        variance, freedom = self.interval.spread(process, innovations)
        scale = np.maximum(np.sqrt(variance[:, None] * factor), SMALLEST_SCALE)
        return StudentForecast(mean, scale, np.tile(freedom[:, None], (1, horizon)))


def combinations(*axes: Array) -> tuple[Array, ...]:
    """All combinations of the axes' values, flat."""
    return tuple(np.ascontiguousarray(a.ravel()) for a in np.meshgrid(*axes, indexing="ij"))


@dataclass(frozen=True)
class LocalLevel(GridFilter):
    """A random walk seen with error: ``x_t = x_{t-1} + N(0, s^2)``, ``y_t = x_t + N(0, r s^2)``; exponential smoothing (ETS A,N,N)."""

    interval: Interval = PlugIn()

    @property
    def name(self) -> str:
        return titled("local level ML", self.interval)

    def grid(self) -> tuple[Array, Array, Array]:
        error = np.r_[0.0, np.geomspace(0.02, 2000.0, 80)]
        return np.ones(error.size), np.zeros(error.size), error


@dataclass(frozen=True)
class GompertzStateSpace(GridFilter):
    """The Gompertz state-space model: AR(1) of log density around a constant level, seen with error.

    ``x_t = phi x_{t-1} + (1 - phi) k + N(0, s^2)``, ``y_t = x_t + N(0, r s^2)``; the level has a diffuse prior, x starts stationary.
    Source: Dennis, Ponciano, Lele, Taper & Staples (2006), Ecological Monographs 76, 323-341, DOI
    10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2.
    """

    interval: Interval = PlugIn()

    @property
    def name(self) -> str:
        return titled("Gompertz state space ML", self.interval)

    def grid(self) -> tuple[Array, Array, Array]:
        phi, error = combinations(np.r_[np.linspace(-0.8, 0.95, 36), 0.975, 0.99, 1.0], np.r_[0.0, np.geomspace(0.03, 100.0, 25)])
        return phi, np.zeros(phi.size), error


@dataclass(frozen=True)
class DriftingCapacity(GridFilter):
    """Gompertz state space whose log carrying capacity is a random walk: ``k_t = k_{t-1} + N(0, l s^2)``, with phi >= 0 and l <= 1.

    Wider grids (phi from -0.6, l to 10) forecast worse on the GPDD panel: this rival's grid was chosen where it is scored, in its favour.
    """

    interval: Interval = PlugIn()

    @property
    def name(self) -> str:
        return titled("random-walk K ML", self.interval)

    def grid(self) -> tuple[Array, Array, Array]:
        phi = np.r_[np.linspace(0.0, 0.9, 19), 0.95, 1.0]
        phi, drift, error = combinations(phi, np.r_[0.0, np.geomspace(0.003, 1.0, 8)], np.r_[0.0, np.geomspace(0.05, 50.0, 13)])
        once = (phi < 1.0) | (drift == 0.0)  # at phi = 1 K has no effect
        return phi[once], drift[once], error[once]
