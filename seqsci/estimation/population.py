"""A normal population behind many units, from what each unit's likelihood says: centre and covariance by marginal likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
NARROWEST, WIDEST = math.log(1e-3), math.log(5.0)
"""Bounds of the log standard deviations on the raw scale: below a thousandth units are equal, and 5 is a factor of 22,000 in
the odds of units that lie two standard deviations apart."""

REACH = 6.0
"""Raw distance from where it starts within which a centre is sought."""
SEPARATE = 1e-6
"""Share by which correlations are drawn to zero, so that a perfect one can still be inverted."""


@dataclass(frozen=True, eq=False)
class Normal:
    """Centre (k,) and covariance (k, k) of a population, its log-likelihood up to a constant, and whether the search converged."""

    centre: Array
    covariance: Array
    log_likelihood: float
    converged: bool


def normal_population(information: Array, pull: Array, centre: Array, covariance: Array, correlated: bool = True) -> Normal:
    r"""Penalised maximum likelihood of ``theta_g ~ N(m, S)`` where unit g's log-likelihood is ``-theta' H_g theta / 2 + eta_g' theta``.

    With ``theta = m + L z``, ``S = L L'``, ``M_g = I + L' H_g L`` and ``r_g = L' (eta_g - H_g m)``, the units integrated out:
    ``sum_g (eta_g' m - m' H_g m / 2 + r_g' M_g^-1 r_g / 2 - log|M_g| / 2)``. Climbed in m and L; the gradient is that of the EM step
    (Fisher's identity): with ``z_g = M_g^-1 r_g`` and ``e_g = eta_g - H_g (m + L z_g)``, ``dm = sum e_g``,
    ``dL = sum (e_g z_g' - H_g L M_g^-1)``.

    The penalty ``log|S| / 2`` keeps S off its edge: without it a few short units often have the most likely population at correlations of
    one, or at no spread at all. It moves a standard deviation by at most about one standard error.

    Args:
        information: (g, k, k) H_g, positive semi-definite; zero where a unit says nothing. pull: (g, k) eta_g = H_g times its estimate.
        centre, covariance: where to start; the centre is sought within `REACH` of it.
        correlated: whether S has covariances, or a diagonal only.

    Source: Laird and Ware (1982), DOI 10.2307/2529876; Lindstrom and Bates (1990), DOI 10.2307/2532087; the penalty: Chung, Gelman,
    Rabe-Hesketh, Liu and Dorie (2015), DOI 10.3102/1076998615570945.

    >>> own = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> found = normal_population(np.full((4, 1, 1), 100.0), 100.0 * own, np.zeros(1), np.eye(1))
    >>> found.centre.round(3), found.covariance.round(3)
    (array([2.5]), array([[1.66]]))
    """
    from scipy.optimize import minimize

    k, units = len(centre), len(information)
    if not k or not units:
        return Normal(centre, covariance, 0.0, True)
    below = np.tril_indices(k, -1)

    def lost(point: Array) -> tuple[float, Array]:
        lower, m = _lower(point, k), point[:k]
        spread = information @ lower
        inverse = np.linalg.inv(np.eye(k) + lower.T @ spread)
        level = pull - information @ m
        r = level @ lower
        z = np.einsum("gij,gj->gi", inverse, r)
        value = ((pull + level) @ m).sum() + (r * z).sum() + np.linalg.slogdet(inverse)[1].sum() + 2 * point[k : 2 * k].sum()
        e = level - np.einsum("gij,gj->gi", spread, z)
        by_lower = e.T @ z - np.einsum("gij,gjk->ik", spread, inverse)
        slope = np.r_[e.sum(0), np.diag(by_lower) * np.diag(lower) + 1.0, by_lower[below] * float(correlated)]
        return -0.5 * float(value) / units, -slope / units

    lower = np.linalg.cholesky(covariance if correlated else np.diag(np.diag(covariance)))
    start = np.r_[centre, np.clip(np.log(np.diag(lower)), NARROWEST, WIDEST), lower[below]]
    bounds = (
        [(c - REACH, c + REACH) for c in centre] + [(NARROWEST, WIDEST)] * k + [(-50.0, 50.0) if correlated else (0.0, 0.0)] * len(below[0])
    )
    found = minimize(lost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-8})
    lower = _lower(found.x, k)
    covariance = lower @ lower.T
    covariance = covariance * (1 - SEPARATE) + SEPARATE * np.diag(np.diag(covariance))
    return Normal(found.x[:k].copy(), covariance, -float(found.fun) * units, bool(found.success))


def _lower(point: Array, k: int) -> Array:
    lower = np.diag(np.exp(point[k : 2 * k]))
    lower[np.tril_indices(k, -1)] = point[2 * k :]
    return lower
