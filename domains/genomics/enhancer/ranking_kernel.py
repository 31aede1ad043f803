"""Compiled losses over all pairs of a regulated row and another one, with their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")


@_jit
def smooth_average_precision(score: Array, positive: Rows, regulated: npt.NDArray[np.bool_], temperature: float) -> tuple[float, Array]:
    """Mean smoothed precision at the positives, and its gradient by the scores (n,)."""
    n, total = score.size, 0.0
    gradient, slope = np.zeros(n), np.empty(n)
    for i in positive:
        above, hits = 1.0, 1.0
        for j in range(n):
            if j == i:
                slope[j] = 0.0
                continue
            s = 1.0 / (1.0 + math.exp((score[i] - score[j]) / temperature))
            slope[j] = s * (1.0 - s) / temperature
            above += s
            if regulated[j]:
                hits += s
        total += hits / above
        for j in range(n):
            if slope[j] > 0.0:
                d = slope[j] * ((1.0 if regulated[j] else 0.0) - hits / above) / above
                gradient[j] += d
                gradient[i] -= d
    return total / positive.size, gradient / positive.size


@_jit
def pairwise(score: Array, positive: Rows, negative: Rows, temperature: float) -> tuple[float, Array]:
    """Mean smooth hinge ``T log(1 + exp((negative - positive) / T))`` over all pairs, and its gradient by the scores (n,)."""
    gradient, total = np.zeros(score.size), 0.0
    for i in positive:
        for j in negative:
            z = (score[j] - score[i]) / temperature
            e = math.exp(-abs(z))
            total += temperature * (max(z, 0.0) + math.log1p(e))
            s = (1.0 if z >= 0 else e) / (1.0 + e)
            gradient[j] += s
            gradient[i] -= s
    count = positive.size * negative.size
    return total / count, gradient / count
