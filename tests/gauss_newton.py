"""The Gauss-Newton information by differences of the states: the oracle of the compiled one."""

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
def _density_curvature(program: Program) -> tuple[list[tuple[int, int]], Callable[..., list[Array]]]:
    """Second derivatives of the log density by states and parameters, those that are not zero: their places, and one function of all."""
    live = (*program.states, *program.parameters)
    outcome, found = program.inputs[program.n_known], {}
    chance = dict(zip(program.read_names, program.reads, strict=True)).get("probability") if program.information else None
    for i, a in enumerate(live):
        first = sp.diff(program.log_density, a)
        for j, b in enumerate(live[: i + 1]):
            second = sp.diff(first, b)
            if chance is not None:  # the mean over the two outcomes, where the observation states an expected curvature
                second = chance * second.xreplace({outcome: sp.Integer(1)}) + (1 - chance) * second.xreplace({outcome: sp.Integer(0)})
            if second != 0:
                found[i, j] = second
    function = sp.lambdify([*live, *program.inputs], list(found.values()), modules=_modules(), cse=True)
    return list(found), function


def gauss_newton_information(kernel: Kernel, parameters: Array, data: Packed) -> Array:
    r"""``sum_t w_t J_t' (-d^2 log p_t) J_t`` in natural parameters (k, k), J_t = d (states before t, parameters) / d parameters.

    The Hessian of the likelihood without the terms that hold second derivatives of the states: their mean is zero where the density
    is right, and they are what does not exist where an update has kinks. Source: the Gauss-Newton form of the information, e.g.
    Fiorentini, Calzolari and Panattoni (1996), DOI 10.1002/(SICI)1099-1255(199607)11:4<399::AID-JAE401>3.0.CO;2-R.
    """
    n, k = kernel.n, kernel.k
    states = kernel.states(parameters, data).states
    seen = data.observed.astype(bool) & (data.weight != 0)
    rows = slice(None) if seen.all() else seen
    slopes = np.empty((n, k, int(seen.sum())))
    for j in range(k):
        step = np.zeros(k)
        step[j] = STEP * max(abs(parameters[j]), 1e-3)
        np.divide((kernel.states(parameters + step, data).states - states)[rows].T, step[j], out=slopes[:, j])
    arguments = [*states[rows].T, *parameters, *data.X[rows].T]
    weight = data.weight[rows]
    result = np.zeros((k, k))
    places, function = _density_curvature(kernel.program)
    for (i, j), value in zip(places, function(*arguments), strict=True):  # j <= i; those below n are states, the others parameters
        curvature = np.broadcast_to(value, weight.shape) * weight
        part = np.zeros((k, k))
        if i < n:
            part = (slopes[i] * curvature) @ slopes[j].T
        elif j < n:
            part[i - n] = slopes[j] @ curvature
        else:
            part[i - n, j - n] = curvature.sum()
        result -= part if i == j else part + part.T
    return result
