"""Student's t with a location, a scale and degrees of freedom that are all read from the state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.equations.vocabulary import Expression, expm1, log, log1p, loggamma, sqrt, where
from seqsci.observations.base import Arrays, Observation, flat_cdf, flat_quantile
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class LocationScaleT(Observation):
    r"""Student's t whose degrees of freedom are an argument: the predictive law of a normal with a remembered, uncertain variance.

    ``log Gamma((nu+1)/2) - log Gamma(nu/2) - log(pi nu) / 2 - log scale - (nu+1)/2 log(1 + z^2 / nu)``, z = (y - location) / scale.
    The scale is not a standard deviation, so nu may be below 2. While ``diffuse_variance > 0`` nothing is known of the location yet and
    the log density is that of `DiffuseGaussian`, a constant of the parameters.

    Kernels simulate from normal noise z by Wallace's ``t = sign(z) sqrt(nu expm1((z (8 nu + 3) / (8 nu + 1))^2 / nu))``; its
    probabilities are off by less than 0.004 at nu = 1.4, 0.0008 at nu = 3 and 0.0002 at nu = 8 (by test). ``sample`` is exact.

    | argument | symbol | unit | set | reading |
    |---|---|---|---|---|
    | location | m | that of y | real | centre of the forecast |
    | scale | s | that of y | > 0 | scale of the forecast |
    | degrees_of_freedom | nu | 1 | > 0 | how much evidence there is on the scale |
    | diffuse_variance | | | >= 0 | above 0 before the first outcome |

    Source: Wallace (1959), Annals of Mathematical Statistics 30, 1121-1130, DOI 10.1214/aoms/1177706096.

    >>> given = {"location": 0.0, "scale": 2.0, "degrees_of_freedom": 5.0, "diffuse_variance": 0.0}
    >>> LocationScaleT().quantile(np.array([0.5, 0.975]), given).round(3)
    array([0.   , 5.141])
    """

    arguments = ("location", "scale", "degrees_of_freedom", "diffuse_variance")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        nu, scale, infinite = given["degrees_of_freedom"], given["scale"], given["diffuse_variance"]
        still = infinite > 1e-9
        z = (y - given["location"]) / scale
        constant = loggamma((nu + 1) / 2) - loggamma(nu / 2) - log(math.pi * nu) / 2
        known = constant - log(scale) - (nu + 1) / 2 * log1p(z**2 / nu)
        return where(still, -0.5 * (math.log(2 * math.pi) + log(where(still, infinite, 1.0))), known)

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        nu = given["degrees_of_freedom"]
        size = sqrt(nu * expm1((noise * (8 * nu + 3) / (8 * nu + 1)) ** 2 / nu))
        return given["location"] + given["scale"] * where(noise < 0, -size, size)

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.standard_normal(size)

    def sample(self, given: Arrays, generator: np.random.Generator) -> np.ndarray:
        """One outcome per broadcast element of the arguments, exactly distributed."""
        location, scale, nu, _ = np.broadcast_arrays(*(np.asarray(given[n], float) for n in self.arguments))
        return np.asarray(location + scale * generator.standard_t(nu))

    def _diffuse(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["diffuse_variance"]) > 1e-9

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import stdtr

        nu = np.asarray(given["degrees_of_freedom"], float)
        return np.asarray(np.where(self._diffuse(given), flat_cdf(y), stdtr(nu, (y - given["location"]) / given["scale"])))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import stdtrit

        nu = np.asarray(given["degrees_of_freedom"], float)
        found = given["location"] + given["scale"] * stdtrit(nu, probability)
        return np.asarray(np.where(self._diffuse(given), flat_quantile(probability), found))

    def mean(self, given: Arrays) -> np.ndarray:
        """The location (for nu <= 1 the median: a mean does not exist)."""
        return np.asarray(given["location"], float)

    def variance(self, given: Arrays) -> np.ndarray:
        """``scale^2 nu / (nu - 2)``; infinite for nu <= 2 and before the first outcome."""
        nu = np.asarray(given["degrees_of_freedom"], float)
        proper = (nu > 2) & ~self._diffuse(given)
        return np.asarray(np.where(proper, np.asarray(given["scale"], float) ** 2 * nu / np.where(nu > 2, nu - 2, 1.0), np.inf))
