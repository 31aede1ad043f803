"""Counts that scatter more than Poisson's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval
from seqsci.equations.count_quantiles import negative_binomial_quantile
from seqsci.equations.vocabulary import Expression, log, log1p, loggamma, where
from seqsci.observations.base import Arrays, Observation, flat_cdf, flat_quantile
from seqsci.parameter import Parameter

DISPERSION = Parameter(
    "dispersion", Interval(1e-4, 100.0), 0.2, "1", r"\alpha", "squared coefficient of variation of the rate behind a count; 0 = Poisson"
)


@dataclass(frozen=True)
class NegativeBinomial(Observation):
    r"""A count with a mean and the variance ``mean + dispersion mean^2``.

    With r = 1 / dispersion: ``log Gamma(y + r) - log Gamma(r) - log Gamma(y + 1) - r log(1 + mean / r) + y log(mean / (mean + r))``.
    While ``diffuse_variance > 0`` nothing is known of the logarithm of the mean yet: the log mass is 0, the cdf 1/2, intervals [0, inf].

    | argument or parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | mean | mu | count | > 0 | expected count |
    | dispersion | alpha | 1 | [0.0001, 100] | squared coefficient of variation of the rate behind a count; 0 = Poisson |
    | diffuse_variance | | | >= 0 | above 0 before the first count |

    Source: Hilbe (2011), Negative Binomial Regression (NB2), DOI 10.1017/CBO9780511973420.

    >>> float(NegativeBinomial().variance({"mean": 10.0, "dispersion": 0.2}))
    30.0
    """

    arguments = ("mean", "diffuse_variance")
    mass = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (DISPERSION,)

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        mean, r = given["mean"], 1 / given["dispersion"]
        mass = loggamma(y + r) - loggamma(r) - loggamma(y + 1) - r * log1p(mean / r) + y * (log(mean) - log(mean + r))
        return where(given["diffuse_variance"] > 1e-9, 0.0, mass)

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        return negative_binomial_quantile(noise, given["mean"], given["dispersion"])

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(size=size)

    def _of_scipy(self, given: Arrays) -> tuple[np.ndarray, np.ndarray]:
        r = 1 / np.asarray(given["dispersion"], float)
        return r, r / (r + np.asarray(given["mean"], float))

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import betainc

        r, share = self._of_scipy(given)
        whole = np.floor(np.asarray(y, float))
        found = np.where(whole < 0, 0.0, betainc(r, np.maximum(whole, 0.0) + 1, share))
        return np.asarray(np.where(self._diffuse(given), np.where(whole < 0, 0.0, flat_cdf(y)), found))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        found = negative_binomial_quantile(np.asarray(probability), np.asarray(given["mean"]), np.asarray(given["dispersion"]))
        return np.asarray(np.where(self._diffuse(given), np.maximum(flat_quantile(probability), 0.0), found))

    def _diffuse(self, given: Arrays) -> np.ndarray:
        return np.asarray(given.get("diffuse_variance", 0.0)) > 1e-9

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(given["mean"], float)

    def variance(self, given: Arrays) -> np.ndarray:
        mean = np.asarray(given["mean"], float)
        return np.asarray(np.where(self._diffuse(given), np.inf, mean + np.asarray(given["dispersion"], float) * mean**2))
