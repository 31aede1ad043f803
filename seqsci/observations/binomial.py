"""A number of successes among a known number of draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.equations.count_quantiles import beta_binomial_quantile
from seqsci.equations.vocabulary import Expression, log, log1p, loggamma, where
from seqsci.observations.base import Arrays, Observation
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class Binomial(Observation):
    r"""A count y of ``coverage`` draws, each a success with a probability: methylated reads among all reads of a site.

    ``log Gamma(n + 1) - log Gamma(y + 1) - log Gamma(n - y + 1) + y log p + (n - y) log(1 - p)``, with 0 log 0 = 0. A row without draws
    (n = 0, y = 0) has the log mass 0.

    | argument | symbol | unit | set | reading |
    |---|---|---|---|---|
    | probability | p | 1 | [0, 1] | expected share of successes |
    | coverage | n | draws | whole, >= 0 | number of draws, known before the outcome |

    Source: Johnson, Kemp and Kotz (2005), Univariate Discrete Distributions, DOI 10.1002/0471715816.

    >>> float(Binomial().variance({"probability": 0.2, "coverage": 10}))
    1.6
    """

    arguments = ("probability", "coverage")
    mass = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        p, n = given["probability"], given["coverage"]
        ways = loggamma(n + 1.0) - loggamma(y + 1.0) - loggamma(n - y + 1.0)
        return ways + y * log(where(y > 0, p, 1.0)) + (n - y) * log1p(-where(y < n, p, 0.0))

    def information(self, given: Mapping[str, Expression]) -> dict[tuple[str, str], Expression]:
        p = given["probability"]
        return {("probability", "probability"): given["coverage"] / (p * (1 - p))}

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        return beta_binomial_quantile(noise, given["coverage"], given["probability"], 0.0)

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(size=size)

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        from scipy.special import betainc

        n = np.asarray(given["coverage"], float)
        whole = np.floor(np.asarray(y, float))
        at = np.clip(whole, 0.0, np.maximum(n - 1, 0.0))
        inside = betainc(np.maximum(n - at, 1.0), at + 1, 1 - np.asarray(given["probability"], float))
        return np.asarray(np.where(whole < 0, 0.0, np.where(whole >= n, 1.0, inside)))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        return np.asarray(beta_binomial_quantile(np.asarray(probability), given["coverage"], given["probability"], 0.0))

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(np.asarray(given["coverage"], float) * np.asarray(given["probability"], float))

    def variance(self, given: Arrays) -> np.ndarray:
        return np.asarray(self.mean(given) * (1 - np.asarray(given["probability"], float)))
