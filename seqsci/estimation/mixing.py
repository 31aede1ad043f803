"""Weights of a mixture whose components are given: their maximum likelihood, found by EM and Newton steps, with a certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqsci.errors import ConvergenceError, DataError, ParameterError, explain

Array = np.ndarray
EM_STEPS = 5
"""EM steps before each Newton step."""
ROUNDING = 1e-15
"""Share of the objective by which rounding may seem to lower it."""


@dataclass(frozen=True, eq=False)
class Mixing:
    """Estimated weights of a mixture.

    Attributes:
        weights: (components,), they add up to one.
        log_likelihood: ``sum_i log sum_k w_k exp(l_ik)``, pseudo-units not counted [nats].
        gap: no weights have an objective that is higher by more than this [nats]: the certificate of the global maximum.
        trace: the objective (log-likelihood and log prior) at the start and after each step; it never falls by more than rounding.
    """

    weights: Array
    log_likelihood: float
    gap: float
    trace: tuple[float, ...]


def estimate_weights(log_likelihoods: Array, pseudo_count: float = 0.0, tolerance: float = 1e-6, most: int = 1000) -> Mixing:
    """Return the weights that maximise the likelihood of a mixture of given components.

    Formula: maximise ``sum_i log sum_k w_k L_ik + a sum_k log w_k``; EM sets ``w_k <- (sum_i r_ik + a) / (n + a K)`` with the posterior
    ``r_ik = w_k L_ik / sum_j w_j L_ij``. The objective is concave, so with ``D_k = sum_i L_ik / sum_j w_j L_ij + a / w_k`` no weights
    are better by more than ``max_k D_k - (n + a K)`` nats: at the maximum that is zero, and below ``tolerance`` the search ends. After
    every few EM steps one Newton step is tried (least squares under ``w >= 0``, halved until the objective rises), because EM alone
    takes thousands of steps to empty the components that the data do not want.

    Args:
        log_likelihoods: (units, components) [nats]; -inf where a component cannot have made a unit.
        pseudo_count: a >= 0, units added to every component (a Dirichlet prior with parameters 1 + a); 0 is maximum likelihood.
        tolerance: largest gap [nats].
        most: most Newton steps.

    Raises: DataError for NaN, +inf, or a unit that no component can have made; ParameterError for a negative pseudo-count;
        ConvergenceError where the gap is not reached.
    Source: Laird (1978), J. American Statistical Association 73, 805-811, DOI 10.1080/01621459.1978.10480103; Lindsay (1983), Annals of
    Statistics 11, 86-94, DOI 10.1214/aos/1176346059 (the certificate); Wang (2007), J. Royal Statistical Society B 69, 185-198, DOI
    10.1111/j.1467-9868.2007.00583.x (the Newton step).

    >>> estimate_weights(np.log([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])).weights.round(3)
    array([0.847, 0.153])
    """
    table = checked(log_likelihoods)
    if not (np.isfinite(pseudo_count) and pseudo_count >= 0 and tolerance > 0):
        got = f"pseudo_count = {pseudo_count}, tolerance = {tolerance}"
        raise ParameterError(explain("the settings of the weights are not usable", got, "pseudo_count >= 0, tolerance > 0", "correct them"))
    k = table.shape[1]
    top = table.max(1)
    likelihood, times = np.exp(table - top[:, None]), np.ones(len(table))
    if pseudo_count > 0:  # a prior is data: a units of each component, known to be its own
        likelihood, times = np.vstack([likelihood, np.eye(k)]), np.r_[times, np.full(k, float(pseudo_count))]
    total = float(times.sum())

    def objective(w: Array) -> float:
        with np.errstate(divide="ignore"):
            return float(times @ np.log(likelihood @ w) + top.sum())

    weights = np.full(k, 1.0 / k)
    trace, gap = [objective(weights)], np.inf
    for _ in range(most):
        for _ in range(EM_STEPS):
            slope = _slope(likelihood, times, weights)
            gap = float(slope.max() - total)
            if gap <= tolerance:
                return Mixing(weights, float(log_mixture(table, weights).sum()), max(gap, 0.0), tuple(trace))
            weights = _better(objective, trace, weights, weights * slope / total)
        direction = _newton_target(likelihood, times, weights, total, pseudo_count == 0) - weights
        weights = _better(objective, trace, weights, *(weights + 0.5**h * direction for h in range(25)))
    advice = "drop grid points that nearly repeat each other, or allow a larger tolerance"
    got = f"a gap of {gap:.3g} nats after {most} rounds"
    raise ConvergenceError(explain("the weights of the bank did not converge", got, f"a gap of at most {tolerance:g} nats", advice))


def checked(log_likelihoods: Array) -> Array:
    """The table (units, components), where it can be used."""
    table = np.asarray(log_likelihoods, float)
    if table.ndim != 2 or not table.size:
        raise DataError(explain("no likelihoods to weigh", f"shape {table.shape}", "(units, components), one or more of each", "add data"))
    bad, never = np.isnan(table) | np.isposinf(table), np.isneginf(table).all(1)
    if bad.any():
        got = f"{int(bad.any(0).sum())} of {table.shape[1]} components, the first number {int(np.argmax(bad.any(0)))}"
        raise DataError(explain("a log-likelihood is not a number", got, "numbers, or -inf", "take these points off the grid"))
    if never.any():
        got = f"{int(never.sum())} of {len(table)} units, the first number {int(np.argmax(never))}"
        raise DataError(explain("no component can have made a unit", got, "a finite log-likelihood each", "widen the grid, check the data"))
    return table


def log_mixture(log_likelihoods: Array, weights: Array) -> Array:
    """``log sum_k w_k exp(l_ik)`` of each unit (units,), in logarithms."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.logaddexp.reduce(log_likelihoods + np.log(weights), axis=1))


def _slope(likelihood: Array, times: Array, weights: Array) -> Array:
    return np.asarray((times / (likelihood @ weights)) @ likelihood)


def _better(objective: Callable[[Array], float], trace: list[float], weights: Array, *candidates: Array) -> Array:
    """The first candidate that does not lower the objective, up to rounding, else the weights themselves; the objective is recorded."""
    for candidate in candidates:
        new = candidate / candidate.sum()
        value = objective(new)
        if value >= trace[-1] - ROUNDING * abs(trace[-1]):
            trace.append(value)
            return np.asarray(new)
    return weights


def _newton_target(likelihood: Array, times: Array, weights: Array, total: float, sparse: bool) -> Array:
    """The weights that maximise the second-order expansion of the objective, under ``w >= 0`` and ``sum w = 1``.

    With ``S_ik = L_ik / (L w)_i`` the expansion is ``-|S v - 2|^2 / 2``; the sum is kept by a row of ones (Dax 1990, J. Optimization
    Theory and Applications 64, 429-432).
    Where ``sparse``, only components that carry weight or want more are looked at.
    """
    from scipy.optimize import nnls

    ratio = likelihood / (likelihood @ weights)[:, None]
    wanted = times @ ratio >= total
    chosen = np.flatnonzero(wanted | (weights > 1e-3 / len(weights))) if sparse else np.arange(len(weights))
    system = np.sqrt(times / total)[:, None] * (ratio[:, chosen] - 2.0)
    if len(system) > len(chosen):
        system = np.linalg.qr(system, mode="r")
    target = np.zeros(len(weights))
    try:
        found = nnls(np.vstack([system, np.ones(len(chosen))]), np.r_[np.zeros(len(system)), 1.0])[0]
    except RuntimeError:  # its limit of steps: EM goes on alone, and the certificate decides
        return weights
    target[chosen] = found / found.sum()
    return target
