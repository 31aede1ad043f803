"""Compiled filters of a grid of two-channel cells: every cell runs through the series once, and each origin takes the likeliest so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")


@_jit
def likeliest(y: Array, first: int, horizon: int, phi: Array, drift: Array, error: Array) -> tuple[Array, Array, Array, Array]:
    """Maximum likelihood over the grid at every origin, and the forecasts of the maximum.

    ``x_t = phi x_{t-1} + (1 - phi) k_{t-1} + N(0, 1)``, ``k_t = k_{t-1} + N(0, drift)``, ``y_t = x_t + N(0, error)``, variances in units
    of the process variance s^2, which is profiled out: ``-2 log L = n log(sum e^2/F / n) + sum log F``; exact diffuse start of the level.

    Shapes: y (years,), phi, drift, error (cells,) -> mean and variance factor F (origins, horizon), s^2 and the cell (origins,).
    """
    cells, years = phi.size, y.size
    origins = years - first
    mean, factor = np.full((origins, horizon), np.nan), np.full((origins, horizon), np.nan)
    process, chosen = np.empty(origins), np.empty(origins)
    start = np.where(np.abs(phi) < 1.0, 1.0 / (1.0 - np.minimum(phi * phi, 0.999999)), 0.0)
    x, k = np.full(cells, y[0]), np.full(cells, y[0])
    xx, xk, kk = error.copy(), error.copy(), error + start
    squares, logs = np.zeros(cells), np.zeros(cells)
    n = 0
    for t in range(1, years):
        for c in range(cells):
            p, q = phi[c], 1.0 - phi[c]
            x[c] = p * x[c] + q * k[c]
            v, w = p * xx[c] + q * xk[c], p * xk[c] + q * kk[c]
            xx[c] = p * v + q * w + 1.0
            xk[c] = w
            kk[c] += drift[c]
        if t >= first:
            best, at = np.inf, 0
            for c in range(cells):
                value = n * np.log(squares[c]) + logs[c]
                if value < best:
                    best, at = value, c
            row = t - first
            chosen[row], process[row] = at, squares[at] / n
            p, q, m, l = phi[at], 1.0 - phi[at], x[at], k[at]
            a, b, d = xx[at], xk[at], kk[at]
            for h in range(horizon):
                mean[row, h], factor[row, h] = m, a + error[at]
                m = p * m + q * l
                v, w = p * a + q * b, p * b + q * d
                a, b, d = p * v + q * w + 1.0, w, d + drift[at]
        if np.isnan(y[t]):
            continue
        n += 1
        for c in range(cells):
            f = xx[c] + error[c]
            e = y[t] - x[c]
            gx, gk = xx[c] / f, xk[c] / f
            x[c] += gx * e
            k[c] += gk * e
            kk[c] -= gk * xk[c]
            xk[c] -= gx * xk[c]
            xx[c] -= gx * xx[c]
            squares[c] += e * e / f
            logs[c] += np.log(f)
    return mean, factor, process, chosen
