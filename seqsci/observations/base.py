"""What an observation density is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from seqsci.equations.vocabulary import Expression
from seqsci.parameter import Parameter

Arrays = Mapping[str, np.ndarray | float]


class Observation(ABC):
    """Abstract base: the density of an outcome ``y`` given arguments read from the state and own shape parameters.

    ``arguments`` must come from the mechanism's ``read``; ``parameters`` are the observation's own unless ``read`` supplies them.
    ``log_density`` and ``outcome`` are equations in the vocabulary; ``cdf``, ``quantile`` and ``noise`` work on arrays.
    All mappings are keyed by the names of arguments and parameters and broadcast against y.
    """

    arguments: ClassVar[tuple[str, ...]]
    mass: ClassVar[bool] = False
    """Whether outcomes have probabilities: a mass, unlike a density, cannot collapse onto values that are repeated."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """Own shape parameters."""

    @abstractmethod
    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        """Log density (or log mass) of y."""

    def information(self, given: Mapping[str, Expression]) -> dict[tuple[str, str], Expression]:
        """Expected curvature of minus the log density by pairs of arguments, an equation; without it the observed curvature is used.

        It is never negative, so the Gauss-Newton information of a kinked model is not either, however weakly a parameter is held.
        """
        return {}

    @abstractmethod
    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        """The outcome made from one draw of `noise`; an equation, so that the simulator is generated from it."""

    @abstractmethod
    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        """Draws that `outcome` turns into outcomes; only own shape parameters may enter."""

    @abstractmethod
    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        """P(outcome <= y)."""

    @abstractmethod
    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        """The smallest y with cdf(y) >= probability."""

    @abstractmethod
    def mean(self, given: Arrays) -> np.ndarray:
        """Expected outcome."""

    @abstractmethod
    def variance(self, given: Arrays) -> np.ndarray:
        """Variance of the outcome."""

    def sample(self, given: Arrays, generator: np.random.Generator) -> np.ndarray:
        """One outcome per broadcast element of the arguments."""
        shape = np.broadcast_shapes(*(np.shape(v) for v in given.values()))
        draws = self.noise(shape, {p.name: float(np.asarray(given[p.name]).reshape(-1)[0]) for p in self.parameters}, generator)
        return np.asarray(self.outcome(draws, given))


def flat_cdf(y: np.ndarray | float) -> np.ndarray:
    """P(outcome <= y) of a normal whose variance grows without end, the forecast before a diffuse start: 1/2 at every finite y.

    >>> flat_cdf(np.array([-np.inf, -5.0, 5.0, np.inf]))
    array([0. , 0.5, 0.5, 1. ])
    """
    x = np.asarray(y, float)
    return np.select([x == -np.inf, x == np.inf, np.isnan(x)], [0.0, 1.0, np.nan], 0.5)


def flat_quantile(probability: np.ndarray | float) -> np.ndarray:
    """The smallest y with `flat_cdf` of at least a probability: minus infinity up to 1/2, infinity above, so every interval is the line.

    >>> flat_quantile(np.array([0.025, 0.5, 0.975]))
    array([-inf, -inf,  inf])
    """
    return np.where(np.asarray(probability) > 0.5, np.inf, -np.inf)
