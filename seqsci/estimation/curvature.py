"""Information of a model whose kinks move with its states: curvature of the density, first derivatives of the states."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from seqsci.equations.symbolic import Program
from seqsci.equations.vocabulary import loggamma, sigmoid, softplus
from seqsci.kernel import Kernel, Packed

Array = np.ndarray
STEP = 1e-6


def _modules() -> list[Any]:
    from scipy.special import polygamma, psi

    table: dict[str, Callable[..., Any]] = {
        "Sigmoid": sigmoid,
        "Softplus": softplus,
        "Absolute": np.abs,
        "Sign": np.sign,
        "LogGamma": loggamma,
        "Digamma": psi,
        "Trigamma": lambda x: polygamma(1, x),
        "Log1p": np.log1p,
        "Expm1": np.expm1,
        "Where": np.where,
    }
    return [table, "numpy"]


@functools.lru_cache(maxsize=64)
def _density_curvature(program: Program) -> dict[tuple[int, int], Callable[..., Array]]:
    """Second derivatives of the log density by states and parameters, those that are not zero."""
    live = (*program.states, *program.parameters)
    found = {}
    for i, a in enumerate(live):
        first = sp.diff(program.log_density, a)
        for j, b in enumerate(live[: i + 1]):
            second = sp.diff(first, b)
            if second != 0:
                found[i, j] = sp.lambdify([*live, *program.inputs], second, modules=_modules())
    return found


def gauss_newton_information(kernel: Kernel, parameters: Array, data: Packed) -> Array:
    r"""``sum_t w_t J_t' (-d^2 log p_t) J_t`` in natural parameters (k, k), J_t = d (states before t, parameters) / d parameters.

    The Hessian of the likelihood without the terms that hold second derivatives of the states: their mean is zero where the density
    is right, and they are what does not exist where an update has kinks. Source: the Gauss-Newton form of the information, e.g.
    Fiorentini, Calzolari and Panattoni (1996), DOI 10.1002/(SICI)1099-1255(199607)11:4<399::AID-JAE401>3.0.CO;2-R.
    """
    n, k = kernel.n, kernel.k
    states = kernel.states(parameters, data).states
    seen = data.observed.astype(bool) & (data.weight != 0)
    slopes = np.empty((n, int(seen.sum()), k))
    for j in range(k):
        step = np.zeros(k)
        step[j] = STEP * max(abs(parameters[j]), 1e-3)
        slopes[:, :, j] = ((kernel.states(parameters + step, data).states - states)[seen] / step[j]).T
    arguments = [*states[seen].T, *parameters, *data.X[seen].T]
    weight = data.weight[seen]
    result = np.zeros((k, k))
    for (i, j), function in _density_curvature(kernel.program).items():  # j <= i; indices below n are states, the others parameters
        curvature = np.broadcast_to(function(*arguments), weight.shape) * weight
        part = np.zeros((k, k))
        if i < n:
            part = slopes[i].T @ (curvature[:, None] * slopes[j])
        elif j < n:
            part[i - n] = curvature @ slopes[j]
        else:
            part[i - n, j - n] = curvature.sum()
        result -= part if i == j else part + part.T
    return result
