"""What carrying capacity may do: the competing models of drift, each a set of regressors and a grid of variance ratios."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from seqsci.domains.ecology.inference.observation_error import geometric
from seqsci.errors import DataError, explain

Array = np.ndarray


class Drift(ABC):
    """Abstract base: a model of log K. Its regressors belong to each site, its variance ratios are shared.

    x_t = phi x_{t-1} + (1 - phi) k_{t-1} + N(0, s^2), y_t = x_t + error; regressors do not depend on phi (but for
    a covariate's), so the restricted likelihoods of different phi are densities of the same contrasts and can be compared.
    """

    @property
    @abstractmethod
    def label(self) -> str:
        """Short name in tables."""

    @abstractmethod
    def regressors(self, years: int) -> Array:
        """Columns (years, p) whose coefficients are swept out."""

    @property
    def level_ratios(self) -> tuple[float, ...]:
        """Grid of var(step of K) / var(process)."""
        return (0.0,)

    @property
    def slope_ratios(self) -> tuple[float, ...]:
        """Grid of var(step of the slope of K) / var(process)."""
        return (0.0,)

    @property
    def covariate(self) -> str | None:
        """Column of the frame that drives K, where there is one."""
        return None


@dataclass(frozen=True)
class ConstantCapacity(Drift):
    """K does not move: the Gompertz state space of Dennis et al. (2006), doi:10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2, by REML."""

    @property
    def label(self) -> str:
        return "constant K"

    def regressors(self, years: int) -> Array:
        return np.ones((years, 1))


@dataclass(frozen=True)
class RandomWalkCapacity(Drift):
    """k_t = k_{t-1} + N(0, lam s^2); as in every equation here the density follows K a year late (`models.lagged_capacity`)."""

    grid: tuple[float, ...] = (0.0, *geometric(1 / 256, 2.0, 13))

    @property
    def label(self) -> str:
        return "random-walk K, lagged"

    @property
    def level_ratios(self) -> tuple[float, ...]:
        return self.grid

    def regressors(self, years: int) -> Array:
        return np.ones((years, 1))


@dataclass(frozen=True)
class SmoothCapacity(Drift):
    """k_t = k_{t-1} + m_{t-1}, m_t = m_{t-1} + N(0, tau s^2); the first level and slope of each site are swept out."""

    grid: tuple[float, ...] = (0.0, *geometric(1e-5, 2.5, 13))

    @property
    def label(self) -> str:
        return "smooth K"

    @property
    def slope_ratios(self) -> tuple[float, ...]:
        return self.grid

    def regressors(self, years: int) -> Array:
        return np.column_stack([np.ones(years), np.arange(years, dtype=float)])


@dataclass(frozen=True)
class FlexibleTrend(Drift):
    """The mean of y is ``terms`` functions with coefficients of each site's own: a level and cos(pi j (t - 1/2) / T), j = 1..terms - 1.

    t counts the years from a site's first count to its last, T; two terms are about a straight line, six bend two and a half times.
    """

    terms: int = 6

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise DataError(explain("a flexible trend has no terms", self.terms, "terms >= 1", "use ConstantCapacity()"))

    @property
    def label(self) -> str:
        return f"{self.terms} trend terms"

    def regressors(self, years: int) -> Array:
        t = (np.arange(years) + 0.5) / years
        return np.asarray(np.cos(math.pi * np.outer(t, np.arange(self.terms))))


@dataclass(frozen=True)
class CapacityCovariate(Drift):
    """k_t = a + b z_t with a column z of the frame (log units); a and b are each site's own.

    Both are swept out. b's regressor is z filtered by phi; its restricted likelihood is normalised by the regressor's own length, so that
    different phi can be compared. Noise in z shrinks b and pushes phi up: a covariate is not a remedy unless it is close to K.
    """

    column: str = "log_capacity"

    @property
    def label(self) -> str:
        return f"K from {self.column}"

    @property
    def covariate(self) -> str | None:
        return self.column

    def regressors(self, years: int) -> Array:
        return np.ones((years, 1))
