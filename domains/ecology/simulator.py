"""Populations under density dependence whose carrying capacity drifts: six histories of K, two growth laws, all sites at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.errors import DataError, explain

Array = np.ndarray
FOURFOLD = math.log(4.0)
"""Log of the ratio that a loss of 75 % is: 1.386."""


class CapacityHistory(ABC):
    """Abstract base: how log carrying capacity moves over a study, relative to its first year."""

    @abstractmethod
    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Log K (*shape, years), zero in the first year."""


@dataclass(frozen=True)
class ConstantHistory(CapacityHistory):
    """K does not move."""

    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.zeros((*shape, years))


@dataclass(frozen=True)
class ExponentialHistory(CapacityHistory):
    """K changes by a constant share a year; ``change`` is the share gained over the study (-0.75: three quarters are lost)."""

    change: float = -0.75

    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.broadcast_to(math.log1p(self.change) * _elapsed(years), (*shape, years)).copy()


@dataclass(frozen=True)
class LinearHistory(CapacityHistory):
    """K changes by a constant number a year; ``change`` is the share gained over the study."""

    change: float = -0.75

    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.broadcast_to(np.log1p(self.change * _elapsed(years)), (*shape, years)).copy()


@dataclass(frozen=True)
class SineHistory(CapacityHistory):
    """Log K goes through one whole sine: up, down below the start, and back. ``amplitude`` in log units; trough to peak is twice that."""

    amplitude: float = FOURFOLD / 2

    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.broadcast_to(self.amplitude * np.sin(2 * math.pi * _elapsed(years)), (*shape, years)).copy()


@dataclass(frozen=True)
class ArchHistory(CapacityHistory):
    """Log K rises and comes back once: half a sine. ``height`` in log units (1.386: K is fourfold in the middle of the study)."""

    height: float = FOURFOLD

    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return np.broadcast_to(self.height * np.sin(math.pi * _elapsed(years)), (*shape, years)).copy()


@dataclass(frozen=True)
class RandomWalkHistory(CapacityHistory):
    """Log K takes an independent normal step a year at each site; ``step_sd`` in log units."""

    step_sd: float = 0.08

    def log_capacity(self, years: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        steps = rng.normal(0.0, self.step_sd, (*shape, years))
        steps[..., 0] = 0.0
        return np.asarray(np.cumsum(steps, axis=-1))


HISTORIES: dict[str, CapacityHistory] = {
    "const": ConstantHistory(),
    "exp": ExponentialHistory(),
    "linear": LinearHistory(),
    "hump": SineHistory(),
    "hump2": ArchHistory(),
    "rw": RandomWalkHistory(),
}
"""The six histories of the confounding study. The two humps: one whole sine and one half, each with a fourfold range."""


class Growth(ABC):
    """Abstract base: expected log density next year."""

    @abstractmethod
    def next_log_density(self, log_density: Array, log_capacity: Array, dependence: float) -> Array:
        """Expected log density (any shape) a year later; ``dependence`` is the share of a small deviation from K that is left."""


@dataclass(frozen=True)
class GompertzGrowth(Growth):
    """x' = k + phi (x - k)."""

    def next_log_density(self, log_density: Array, log_capacity: Array, dependence: float) -> Array:
        return np.asarray(log_capacity + dependence * (log_density - log_capacity))


@dataclass(frozen=True)
class RickerGrowth(Growth):
    """x' = x + (1 - phi) (1 - exp(x - k)): the same slope at K, steeper above it."""

    def next_log_density(self, log_density: Array, log_capacity: Array, dependence: float) -> Array:
        return np.asarray(log_density + (1 - dependence) * (1 - np.exp(log_density - log_capacity)))


@dataclass(frozen=True)
class Population:
    """A drifting population: log density x, log capacity k, log count y.

    x_1 ~ N(k_1, s^2 / (1 - phi^2)); x_t = growth(x_{t-1}, k_{t-1}) + N(0, s^2); y_t = x_t + N(0, r^2).

    Args:
        dependence: phi in (-1, 1), share of a deviation from K that is left after a year.
        process_sd, observation_sd: s and r, in log units.
        level: log K of the first year.

    Raises `DataError` where a value is outside its set. Source: Dennis et al. 2006, doi:10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2.

    >>> paths, capacity = Population().draw(ConstantHistory(), years=5, sites=2, replicates=3)
    >>> paths.shape, capacity.shape
    ((3, 2, 5), (3, 2, 5))
    """

    dependence: float = 0.5
    process_sd: float = 0.2
    observation_sd: float = 0.2
    growth: Growth = GompertzGrowth()
    level: float = 5.0

    def __post_init__(self) -> None:
        if not (-1 < self.dependence < 1 and self.process_sd > 0 and self.observation_sd >= 0 and math.isfinite(self.level)):
            got = f"dependence {self.dependence}, process_sd {self.process_sd}, observation_sd {self.observation_sd}, level {self.level}"
            expected = "-1 < dependence < 1, process_sd > 0, observation_sd >= 0, a finite level"
            raise DataError(explain("this population cannot be simulated", got, expected, "change the value"))

    def draw(self, history: CapacityHistory, years: int = 40, sites: int = 20, replicates: int = 1, seed: int = 0) -> tuple[Array, Array]:
        """Log counts and log capacities (replicates, sites, years); the same seed gives the same bits."""
        if min(years, sites, replicates) < 1:
            got = f"years {years}, sites {sites}, replicates {replicates}"
            raise DataError(explain("nothing to simulate", got, "at least one of each", "raise the number"))
        rng = np.random.default_rng(seed)
        capacity = self.level + history.log_capacity(years, (replicates, sites), rng)
        x = np.empty_like(capacity)
        x[..., 0] = capacity[..., 0] + rng.normal(0, self.process_sd / math.sqrt(1 - self.dependence**2), x.shape[:-1])
        for t in range(1, years):
            expected = self.growth.next_log_density(x[..., t - 1], capacity[..., t - 1], self.dependence)
            x[..., t] = expected + rng.normal(0, self.process_sd, x.shape[:-1])
        return x + rng.normal(0, self.observation_sd, x.shape), capacity

    def frame(
        self, history: CapacityHistory, years: int = 40, sites: int = 20, seed: int = 0, first_year: int = 1980, missing: float = 0.0
    ) -> pd.DataFrame:
        """A long frame: series_id, year, count, log_capacity; a share ``missing`` of the counts is NaN.

        >>> Population().frame(HISTORIES["exp"], years=3, sites=1).columns.tolist()
        ['series_id', 'year', 'count', 'log_capacity']
        """
        paths, capacity = self.draw(history, years, sites, 1, seed)
        counts = np.exp(paths[0])
        counts[np.random.default_rng((seed, 1)).random(counts.shape) < missing] = np.nan
        names = np.repeat([f"site_{i + 1:02d}" for i in range(sites)], years)
        calendar = np.tile(np.arange(first_year, first_year + years), sites)
        return pd.DataFrame({"series_id": names, "year": calendar, "count": counts.ravel(), "log_capacity": capacity[0].ravel()})


def _elapsed(years: int) -> Array:
    """Share of the study that has passed, 0 to 1."""
    return np.linspace(0.0, 1.0, years) if years > 1 else np.zeros(1)
