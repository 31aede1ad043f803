"""Hansen's skewed Student t, standardised to zero mean and unit variance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval
from seqsci.equations.vocabulary import Expression, exp, log, log1p, loggamma, sqrt, where
from seqsci.observations.base import Arrays, Observation
from seqsci.observations.student_t import DEGREES_OF_FREEDOM
from seqsci.parameter import Parameter

SKEWNESS = Parameter("skewness", Interval(-0.99, 0.99), 0.0, "1", r"\lambda", "asymmetry: negative = the longer tail is that of losses")


def _constants(nu: Expression, skew: Expression) -> tuple[Expression, Expression, Expression]:
    """Hansen's a, b and log c."""
    log_c = loggamma((nu + 1) / 2) - loggamma(nu / 2) - log(math.pi * (nu - 2)) / 2
    a = 4 * skew * exp(log_c) * (nu - 2) / (nu - 1)
    return a, sqrt(1 + 3 * skew**2 - a**2), log_c


@dataclass(frozen=True)
class SkewT(Observation):
    r"""Hansen's skewed t (1994, DOI 10.2307/2527081): ``b c (1 + ((b z + a) / (1 -+ lambda))^2 / (nu - 2))^(-(nu+1)/2) / scale``.

    The lower sign holds for z < -a/b. With ``skewness = 0`` it is `StudentT`.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | degrees_of_freedom | nu | [2.05, 500] | weight of the tails |
    | skewness | lambda | [-0.99, 0.99] | negative: the longer tail is that of losses |
    """

    arguments = ("location", "scale")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (DEGREES_OF_FREEDOM, SKEWNESS)

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        nu, skew, scale = given["degrees_of_freedom"], given["skewness"], given["scale"]
        a, b, log_c = _constants(nu, skew)
        x = b * (y - given["location"]) / scale + a
        side = where(x < 0, 1 - skew, 1 + skew)
        return log(b) + log_c - log(scale) - (nu + 1) / 2 * log1p((x / side) ** 2 / (nu - 2))

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        """``noise`` is a uniform pushed through the standard quantile function, so it is already standardised."""
        return given["location"] + given["scale"] * noise

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return self.quantile(generator.uniform(size=size), {"location": 0.0, "scale": 1.0, **shape})

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import stdtr

        nu, skew = np.asarray(given["degrees_of_freedom"], float), np.asarray(given["skewness"], float)
        a, b, _ = _constants(nu, skew)
        x = b * (y - given["location"]) / given["scale"] + a
        inflate = np.sqrt(nu / (nu - 2))
        below = (1 - skew) * stdtr(nu, inflate * x / (1 - skew))
        above = (1 + skew) * stdtr(nu, inflate * x / (1 + skew)) - skew
        return np.asarray(np.where(x < 0, below, above))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import stdtrit

        nu, skew = np.asarray(given["degrees_of_freedom"], float), np.asarray(given["skewness"], float)
        a, b, _ = _constants(nu, skew)
        p = np.asarray(probability, float)
        shrink = np.sqrt((nu - 2) / nu)
        below = (1 - skew) * shrink * stdtrit(nu, np.minimum(p / (1 - skew), 0.5))
        above = (1 + skew) * shrink * stdtrit(nu, np.maximum((p + skew) / (1 + skew), 0.5))
        z = (np.where(p < (1 - skew) / 2, below, above) - a) / b
        return np.asarray(given["location"] + given["scale"] * z)

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["location"], float)

    def variance(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["scale"], float) ** 2
