"""Compiled simplex projection and S-map of one series, refitted at every origin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")
LEAST_WEIGHT = 1e-6
RIDGE = 1e-2
"""Share of the largest diagonal element that is added before a system is solved; less forecast worse on the GPDD panel."""


@_jit
def simplex(z: Array, last: int, target: int, left_out: int, dimension: int) -> float:
    """Simplex projection of z[target] from the dimension values before it: weights ``exp(-d / d_1)`` of the nearest neighbours.

    The library are the vectors whose own target is before ``last``, without the one of ``left_out`` (-1: none is left out).
    """
    many = dimension + 1
    near, value = np.full(many, np.inf), np.zeros(many)
    for t in range(dimension, last):
        if t == left_out:
            continue
        d = 0.0
        for j in range(1, dimension + 1):
            d += (z[t - j] - z[target - j]) ** 2
        d = math.sqrt(d)
        if d < near[many - 1]:
            i = many - 1
            while i > 0 and near[i - 1] > d:
                near[i], value[i] = near[i - 1], value[i - 1]
                i -= 1
            near[i], value[i] = d, z[t]
    total, mean = 0.0, 0.0
    for i in range(many):
        if near[i] < np.inf:
            if near[0] > 0.0:
                w = max(math.exp(-near[i] / near[0]), LEAST_WEIGHT)
            else:
                w = 1.0 if near[i] == 0.0 else LEAST_WEIGHT
            total += w
            mean += w * value[i]
    return mean / total


@_jit
def smap(z: Array, last: int, target: int, left_out: int, dimension: int, theta: float, ridge: float = RIDGE) -> float:
    """S-map of z[target]: a linear regression with weights ``exp(-theta d / mean d)`` of the library's vectors; pyEDM's at ``ridge`` 0."""
    size = dimension + 1
    distance, total, count = np.zeros(last), 0.0, 0
    for t in range(dimension, last):
        if t == left_out:
            continue
        d = 0.0
        for j in range(1, dimension + 1):
            d += (z[t - j] - z[target - j]) ** 2
        distance[t] = math.sqrt(d)
        total += distance[t]
        count += 1
    scale = total / count if total > 0.0 else 1.0
    A, b, v = np.zeros((size, size)), np.zeros(size), np.ones(size)
    for t in range(dimension, last):
        if t == left_out:
            continue
        w = math.exp(-2.0 * theta * distance[t] / scale)
        for j in range(1, size):
            v[j] = z[t - j]
        for i in range(size):
            b[i] += w * v[i] * z[t]
            for j in range(i + 1):
                A[i, j] += w * v[i] * v[j]
    largest = 0.0
    for i in range(size):
        largest = max(largest, A[i, i])
        for j in range(i):
            A[j, i] = A[i, j]
    for i in range(size):
        A[i, i] += ridge * largest + 1e-300
    for i in range(size):
        for r in range(i + 1, size):
            f = A[r, i] / A[i, i]
            for j in range(i, size):
                A[r, j] -= f * A[i, j]
            b[r] -= f * b[i]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            b[i] -= A[i, j] * b[j]
        b[i] /= A[i, i]
    made: float = b[0]
    for j in range(1, size):
        made += b[j] * z[target - j]
    return made


@_jit
def projected(z: Array, first: int, dimensions: int, thetas: Array) -> tuple[Array, Array]:
    """Forecasts of z[first], z[first + 1], ..., and their leave-one-out RMSE, each from what came before it; no thetas: simplex.

    The number of lags (1..dimensions) and theta are those with the least leave-one-out error before the origin; all are judged on
    the same targets.
    """
    simplex_only = thetas.size == 0
    choices = max(thetas.size, 1)
    mean, error = np.empty(z.size - first), np.empty(z.size - first)
    for t in range(first, z.size):
        best, lags, theta = np.inf, 1, 0.0
        for dimension in range(1, dimensions + 1):
            for c in range(choices):
                total = 0.0
                for s in range(dimensions, t):
                    if simplex_only:
                        made = simplex(z, t, s, s, dimension)
                    else:
                        made = smap(z, t, s, s, dimension, thetas[c])
                    total += (made - z[s]) ** 2
                    if total >= best:
                        break
                if total < best:
                    best, lags = total, dimension
                    if not simplex_only:
                        theta = thetas[c]
        mean[t - first] = simplex(z, t, t, -1, lags) if simplex_only else smap(z, t, t, -1, lags, theta)
        error[t - first] = math.sqrt(best / (t - dimensions))
    return mean, error
