"""The chi-bar-square law: what is left of a chi-square where parameters may move to one side of a bound only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray
DRAWS, SEED = 20_000, 0
"""Gaussian draws behind the weights of four and more bounded parameters: a weight's standard error is at most 0.0036."""


def projection(z: Array, covariance: Array) -> Array:
    """The point x >= 0 that is nearest to z (q,) in the metric of the inverse covariance: ``min (z - x)' V^-1 (z - x)``."""
    from scipy.optimize import nnls

    half = np.linalg.inv(np.linalg.cholesky(covariance))  # half' half = V^-1
    return np.asarray(nnls(half, half @ z)[0])


def weights(covariance: Array) -> Array:
    r"""Weights w_0 .. w_q of the mixture of chi-squares with 0 .. q degrees of freedom.

    ``w_j`` is the probability that the projection of N(0, V) onto the orthant x >= 0, in the metric V^-1, has j positive entries. Closed
    forms up to q = 3, by the correlations r_ij and the partial ones; beyond, the share among projected Gaussian draws (seeded).

        q = 2:  w_2 = 1/4 + asin(r) / 2 pi,  w_1 = 1/2
        q = 3:  w_3 = 1/8 + (asin r_12 + asin r_13 + asin r_23) / 4 pi,  w_2 = (3 pi - sum acos r_ij.k) / 4 pi,  w_1 = 1/2 - w_3

    Args:
        covariance: V (q, q), positive definite: of the restricted parameters' estimates, all of them counted inwards from their bounds.

    Source: Silvapulle and Sen (2005), Constrained Statistical Inference, section 3.5, DOI 10.1002/9781118165614.

    >>> weights(np.eye(2))
    array([0.25, 0.5 , 0.25])
    """
    q = len(covariance)
    scale = np.sqrt(np.diag(covariance))
    r = covariance / np.outer(scale, scale)
    if q == 1:
        return np.array([0.5, 0.5])
    if q == 2:
        both = 0.25 + math.asin(r[0, 1]) / (2 * math.pi)
        return np.array([0.5 - both, 0.5, both])
    if q == 3:
        pairs = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
        partial = [(r[i, j] - r[i, k] * r[j, k]) / math.sqrt((1 - r[i, k] ** 2) * (1 - r[j, k] ** 2)) for i, j, k in pairs]
        three = 0.125 + sum(math.asin(r[i, j]) for i, j, _ in pairs) / (4 * math.pi)
        two = (3 * math.pi - sum(math.acos(p) for p in partial)) / (4 * math.pi)
        return np.array([0.5 - two, 0.5 - three, two, three])
    return simulated_weights(r)


def simulated_weights(covariance: Array, draws: int = DRAWS, seed: int = SEED) -> Array:
    """The same weights as shares among projected Gaussian draws, for any q."""
    from scipy.optimize import nnls

    root = np.linalg.cholesky(covariance)
    half = np.linalg.inv(root)
    count = np.zeros(len(covariance) + 1)
    for z in np.random.default_rng(seed).standard_normal((draws, len(covariance))):  # half @ (root @ z) = z
        count[int((nnls(half, z)[0] > 0).sum())] += 1
    return np.asarray(count / draws)


def tail(statistic: float, mixture: Sequence[float]) -> float:
    """P(mixture >= statistic) for weights of chi-squares with 0, 1, 2 ... degrees of freedom.

    >>> round(tail(2.7055, (0.5, 0.5)), 4)
    0.05
    """
    from scipy.special import chdtrc

    found = mixture[0] if statistic <= 0 else 0.0
    return float(found + sum(w * float(chdtrc(j, max(statistic, 0.0))) for j, w in enumerate(mixture) if j))
