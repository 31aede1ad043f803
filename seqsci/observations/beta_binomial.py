"""A number of successes whose probability differs from draw to draw of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval
from seqsci.equations.count_quantiles import beta_binomial_quantile
from seqsci.equations.vocabulary import Expression, loggamma, where
from seqsci.observations.base import Arrays, Observation
from seqsci.parameter import Parameter

OVERDISPERSION = Parameter(
    "overdispersion", Interval(1e-4, 0.99), 0.05, "1", r"\rho", "correlation of two draws of one count; 0 = binomial, 1 = all alike"
)

CHUNK = 1_000_000
"""Masses of a cdf that are held at a time."""


@dataclass(frozen=True)
class BetaBinomial(Observation):
    r"""A count y of ``coverage`` draws whose share of successes is itself drawn from a beta distribution.

    With ``a = p (1 - rho) / rho`` and ``b = (1 - p)(1 - rho) / rho``: ``log C(n, y) + log B(y + a, n - y + b) - log B(a, b)``; the variance
    is ``n p (1 - p) (1 + (n - 1) rho)``. At p = 0 the count is 0, at p = 1 it is n.

    | argument or parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | probability | p | 1 | [0, 1] | expected share of successes |
    | coverage | n | draws | whole, >= 0 | number of draws, known before the outcome |
    | overdispersion | rho | 1 | [0.0001, 0.99] | correlation of two draws of one count; 0 = binomial, 1 = all alike |

    Source: Skellam (1948), J. Royal Statistical Society B 10, 257-261, DOI 10.1111/j.2517-6161.1948.tb00014.x.

    >>> float(BetaBinomial().variance({"probability": 0.5, "coverage": 11, "overdispersion": 0.1}))
    5.5
    """

    arguments = ("probability", "coverage")
    mass = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (OVERDISPERSION,)

    def log_density(self, y: Expression, given: Mapping[str, Expression]) -> Expression:
        p, n, rho = given["probability"], given["coverage"], given["overdispersion"]
        size = (1 - rho) / rho
        a, b = where(y > 0, p, 0.5) * size, (1 - where(y < n, p, 0.5)) * size  # a term without draws is 0, whatever its share
        ways = loggamma(n + 1.0) - loggamma(y + 1.0) - loggamma(n - y + 1.0)
        on = where(y > 0, loggamma(y + a) - loggamma(a), 0.0)
        off = where(y < n, loggamma(n - y + b) - loggamma(b), 0.0)
        return ways + on + off - loggamma(n + size) + loggamma(size)

    def outcome(self, noise: Expression, given: Mapping[str, Expression]) -> Expression:
        return beta_binomial_quantile(noise, given["coverage"], given["probability"], given["overdispersion"])

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(size=size)

    def cdf(self, y: np.ndarray, given: Arrays) -> np.ndarray:
        wanted = np.broadcast_arrays(np.asarray(y, float), *(np.asarray(given[k], float) for k in (*self.arguments, "overdispersion")))
        at, p, n, rho = (v.ravel() for v in wanted)
        top = np.minimum(np.floor(at), n)
        found = np.where(at >= n, 1.0, 0.0)
        rows = np.flatnonzero((top >= 0) & (at < n))
        masses = np.floor(top[rows]).astype(np.int64) + 1
        edges = np.searchsorted(np.cumsum(masses), np.arange(CHUNK, masses.sum() + CHUNK, CHUNK)) + 1  # of about CHUNK masses each
        for cut in np.split(np.arange(len(rows)), np.unique(edges[edges < len(rows)])):
            if len(cut):
                found[rows[cut]] = self._sums(masses[cut], p[rows[cut]], n[rows[cut]], rho[rows[cut]])
        return found.reshape(wanted[0].shape)

    def _sums(self, masses: np.ndarray, p: np.ndarray, n: np.ndarray, rho: np.ndarray) -> np.ndarray:
        """(rows,) sum of the first so many masses of each row, all rows in one array end to end."""
        first = np.cumsum(masses) - masses
        each = np.repeat(np.arange(len(masses)), masses)
        counts = (np.arange(int(masses.sum())) - first[each]).astype(float)
        density = self.log_density(counts, {"probability": p[each], "coverage": n[each], "overdispersion": rho[each]})
        return np.asarray(np.minimum(np.add.reduceat(np.exp(density), first), 1.0))

    def quantile(self, probability: np.ndarray, given: Arrays) -> np.ndarray:
        return np.asarray(beta_binomial_quantile(np.asarray(probability), given["coverage"], given["probability"], given["overdispersion"]))

    def mean(self, given: Arrays) -> np.ndarray:
        return np.asarray(np.asarray(given["coverage"], float) * np.asarray(given["probability"], float))

    def variance(self, given: Arrays) -> np.ndarray:
        n, p, rho = (np.asarray(given[k], float) for k in ("coverage", "probability", "overdispersion"))
        return np.asarray(n * p * (1 - p) * (1 + (n - 1) * rho))
