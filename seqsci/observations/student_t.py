"""Student's t, standardised to unit variance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval
from seqsci.equations.vocabulary import Expression, log, log1p, loggamma, sqrt
from seqsci.observations.base import Arrays, Observation
from seqsci.parameter import Parameter

DEGREES_OF_FREEDOM = Parameter(
    "degrees_of_freedom", Interval(2.05, 500.0), 8.0, "1", r"\nu", "weight of the tails: small = heavy, above 50 practically normal"
)


@dataclass(frozen=True)
class StudentT(Observation):
    r"""Student's t scaled to standard deviation ``scale`` (Bollerslev 1987, DOI 10.2307/1925546).

    ``log Gamma((nu+1)/2) - log Gamma(nu/2) - log(pi (nu-2)) / 2 - log scale - (nu+1)/2 log(1 + z^2 / (nu-2))``, z = (y - location) / scale.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | degrees_of_freedom | nu | [2.05, 500] | weight of the tails |
    """

    arguments = ("location", "scale")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (DEGREES_OF_FREEDOM,)

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        nu, scale = given["degrees_of_freedom"], given["scale"]
        z = (y - given["location"]) / scale
        constant = loggamma((nu + 1) / 2) - loggamma(nu / 2) - log(math.pi * (nu - 2)) / 2
        return constant - log(scale) - (nu + 1) / 2 * log1p(z**2 / (nu - 2))

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        nu = given["degrees_of_freedom"]
        return given["location"] + given["scale"] * noise * sqrt((nu - 2) / nu)

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.standard_t(shape["degrees_of_freedom"], size)

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import stdtr

        nu = np.asarray(given["degrees_of_freedom"], float)
        return np.asarray(stdtr(nu, (y - given["location"]) / given["scale"] * np.sqrt(nu / (nu - 2))))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import stdtrit

        nu = np.asarray(given["degrees_of_freedom"], float)
        return np.asarray(given["location"] + given["scale"] * stdtrit(nu, probability) * np.sqrt((nu - 2) / nu))

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["location"], float)

    def variance(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["scale"], float) ** 2
