"""What is assumed about counting: no error, an unknown one shared by the sites, or a known one for every year."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def geometric(low: float, factor: float, count: int) -> tuple[float, ...]:
    """``count`` values from ``low`` on, each ``factor`` times the one before."""
    return tuple(low * factor**i for i in range(count))


class ObservationError(ABC):
    """Abstract base: how the variance of counting enters the likelihood."""

    @property
    @abstractmethod
    def ratios(self) -> tuple[float, ...]:
        """Coarse grid of the variance ratio that all sites share (observation over process)."""

    @property
    def column(self) -> str | None:
        """Column of the frame that holds standard deviations, where there is one."""
        return None

    @property
    def process_variances(self) -> tuple[float, ...]:
        """Grid of the process variance of a site where it cannot be maximised in closed form; empty where it can."""
        return ()


@dataclass(frozen=True)
class NoObservationError(ObservationError):
    """Counts are exact: y = x."""

    @property
    def ratios(self) -> tuple[float, ...]:
        return (0.0,)


@dataclass(frozen=True)
class EstimatedObservationError(ObservationError):
    """y_t = x_t + N(0, rho s^2) with one unknown ratio rho for all sites; ``ratios`` is the global grid, refined where it matters."""

    grid: tuple[float, ...] = (0.0, *geometric(1 / 32, 2.0, 13))

    @property
    def ratios(self) -> tuple[float, ...]:
        return self.grid


@dataclass(frozen=True)
class GivenObservationError(ObservationError):
    """y_t = x_t + N(0, v_t), v_t the square of a column of standard deviations in log units, one a year (a survey's standard errors).

    Each site has a process variance of its own, maximised over a grid (standard deviations 0.008 to 2.6) with parabolas between its points.
    """

    name: str = "observation_sd"

    @property
    def ratios(self) -> tuple[float, ...]:
        return (1.0,)

    @property
    def column(self) -> str | None:
        return self.name

    @property
    def process_variances(self) -> tuple[float, ...]:
        return geometric(6.4e-5, 1.6, 25)


UNKNOWN = EstimatedObservationError()
"""The default: one unknown ratio, shared by the sites."""
