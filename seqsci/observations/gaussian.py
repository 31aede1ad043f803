"""The normal density."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.equations.vocabulary import Expression, log, where
from seqsci.observations.base import Arrays, Observation, flat_cdf, flat_quantile
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class Gaussian(Observation):
    """Normal density with a location and a standard deviation: ``-(log 2 pi + 2 log scale + ((y - location) / scale)^2) / 2``.

    | argument | unit | set | reading |
    |---|---|---|---|
    | location | that of y | real | expected outcome |
    | scale | that of y | > 0 | standard deviation |
    """

    arguments = ("location", "scale")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        z = (y - given["location"]) / given["scale"]
        return -0.5 * math.log(2 * math.pi) - log(given["scale"]) - z**2 / 2

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        return given["location"] + given["scale"] * noise

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.standard_normal(size)

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import ndtr

        return np.asarray(ndtr((y - given["location"]) / given["scale"]))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import ndtri

        return np.asarray(given["location"] + given["scale"] * ndtri(probability))

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["location"], float)

    def variance(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["scale"], float) ** 2


@dataclass(frozen=True)
class DiffuseGaussian(Observation):
    """Normal density whose variance may still have an infinite part.

    While ``diffuse_variance > 0`` the log density is ``-(log 2 pi + log diffuse_variance) / 2``, the contribution of an exact
    diffuse start; afterwards it is `Gaussian`. Until then nothing is forecast: the cdf is 1/2, every central interval is the whole line,
    the variance is infinite, and ``mean`` is a placeholder.

    Source: Durbin and Koopman (2012), section 7.2.2, DOI 10.1093/acprof:oso/9780199641178.001.0001.
    """

    arguments = ("location", "scale", "diffuse_variance")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        infinite = given["diffuse_variance"]
        still = infinite > 1e-9
        return where(still, -0.5 * (math.log(2 * math.pi) + log(where(still, infinite, 1.0))), Gaussian().log_density(y, given))

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        return Gaussian().outcome(noise, given)

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return Gaussian().noise(size, shape, generator)

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        return np.where(np.asarray(given["diffuse_variance"]) > 1e-9, flat_cdf(y), Gaussian().cdf(y, given))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        return np.where(np.asarray(given["diffuse_variance"]) > 1e-9, flat_quantile(probability), Gaussian().quantile(probability, given))

    def mean(self, given: Arrays) -> np.ndarray:
        return Gaussian().mean(given)

    def variance(self, given: Arrays) -> np.ndarray:
        return np.where(np.asarray(given["diffuse_variance"]) > 1e-9, np.inf, Gaussian().variance(given))
