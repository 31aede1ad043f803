"""Scalar functions of the vocabulary for generated kernels, stable far out; compiled once and cached on disk."""

from __future__ import annotations

import math

import numba

from seqsci.equations.quadrature import JACOBIANS, NODES

__all__ = ["JACOBIANS", "NODES", "digamma", "loggamma", "select", "sigmoid", "sign", "softplus", "trigamma"]

_jit = numba.njit("float64(float64)", cache=True, nogil=True, error_model="numpy")


@_jit
def sigmoid(x: float) -> float:
    """``1 / (1 + e^-x)`` without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


@_jit
def softplus(x: float) -> float:
    """``log(1 + e^x)`` without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@numba.njit("float64(boolean, float64, float64)", cache=True, nogil=True, error_model="numpy")
def select(condition: bool, a: float, b: float) -> float:
    """``a if condition else b`` of two numbers that are there already: a hundred branches in one function take minutes to compile."""
    return a if condition else b


@_jit
def sign(x: float) -> float:
    """-1, 0 or 1."""
    if x > 0.0:
        return 1.0
    return -1.0 if x < 0.0 else 0.0


@_jit
def loggamma(x: float) -> float:
    """Stirling's series after shifting x above 10; relative error below 1e-14 for x > 0."""
    shift = 0.0
    while x < 10.0:
        shift -= math.log(x)
        x += 1.0
    f = 1.0 / (x * x)
    series = f * (1 / 1260 - f * (1 / 1680 - f * (1 / 1188 - f * 691 / 360360)))
    return shift + (x - 0.5) * math.log(x) - x + 0.9189385332046727 + (1 / 12 - f / 360 + f * series) / x


@_jit
def digamma(x: float) -> float:
    """Asymptotic series after shifting x above 10."""
    shift = 0.0
    while x < 10.0:
        shift -= 1.0 / x
        x += 1.0
    f = 1.0 / (x * x)
    series = 1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f * (1 / 132 - f * 691 / 32760))))
    return shift + math.log(x) - 0.5 / x - f * series


@_jit
def trigamma(x: float) -> float:
    """Asymptotic series after shifting x above 10."""
    shift = 0.0
    while x < 10.0:
        shift += 1.0 / (x * x)
        x += 1.0
    f = 1.0 / (x * x)
    series = 1 / 6 - f * (1 / 30 - f * (1 / 42 - f * (1 / 30 - f * (5 / 66 - f * 691 / 2730))))
    return shift + 1.0 / x + 0.5 * f + f * series / x
