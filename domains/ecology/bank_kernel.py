"""Compiled passes of the bank of two-channel cells: training likelihoods, and forecasts that are scored on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")
NODES = 1025
"""Nodes of a table of the Student distribution function, even in ``z / (sqrt(v) + |z|)``; odd, so that the bend at 0 is one of them."""
LEAST = 1e-7
"""Cells whose posterior is below this share of the largest are left out of a mixture's scores."""
STEP, REACH, END = 0.25, 8.0, 1e-9
"""Trapezoid rule of ``int F (1 - F)`` in ``asinh`` of the standardised outcome, from the centre to where a term is this share of all."""


@_jit
def _constant(nu: float) -> float:
    return math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * nu)


@_jit
def tabulate(cdf: Array, nu: float) -> Array:
    """Distribution function at the nodes and its derivative by the place between -1 and 1, (2, nodes); ``cdf`` (nodes,) is exact there."""
    table = np.empty((2, cdf.size))
    scale, root = math.exp(_constant(nu)), math.sqrt(nu)
    for i in range(cdf.size):
        table[0, i] = cdf[i]
        left = 1.0 - abs(2.0 * i / (cdf.size - 1) - 1.0)
        z = root * (1.0 - left) / max(left, 1e-300)
        table[1, i] = scale * (1.0 + z * z / nu) ** (-0.5 * (nu + 1)) * root / (left * left) if left > 0.0 else 0.0
    return table


@_jit
def look_up(table: Array, z: float, root: float) -> float:
    """The distribution function at z by cubic Hermite interpolation; ``root`` is ``sqrt(v)``."""
    last = table.shape[1] - 1
    place = 0.5 * (z / (root + abs(z)) + 1.0) * last
    i = min(max(int(place), 0), last - 1)
    t, width = place - i, 2.0 / last
    a, b = table[0, i], table[0, i + 1]
    c, d = table[1, i] * width, table[1, i + 1] * width
    value: float = a + t * (c + t * (3 * (b - a) - 2 * c - d + t * (2 * (a - b) + c + d)))
    return value


@_jit
def _unsure(x: float, weight: Array, mean: Array, scale: Array, root: Array, group: npt.NDArray[np.int64], tables: Array) -> float:
    """``F (1 - F)`` of a mixture at x."""
    total = 0.0
    for c in range(weight.size):
        total += weight[c] * look_up(tables[group[c]], (x - mean[c]) / scale[c], root[c])
    return total * (1.0 - total)


@_jit
def mixture_scores(
    y: float, weight: Array, mean: Array, scale: Array, nu: Array, group: npt.NDArray[np.int64], tables: Array
) -> tuple[float, float, float]:
    """Mean, CRPS and P(X <= y) of a mixture of Student distributions (degrees of freedom > 1); ``tables`` are those of each group.

    ``CRPS = E|X - y| - int F (1 - F)``: the first in closed form, the second by the trapezoid rule.
    """
    centre, away, pit = 0.0, 0.0, 0.0
    root = np.sqrt(nu)
    for c in range(weight.size):
        centre += weight[c] * mean[c]
        z = (y - mean[c]) / scale[c]
        below = look_up(tables[group[c]], z, root[c])
        density = math.exp(_constant(nu[c]) - 0.5 * (nu[c] + 1) * math.log1p(z * z / nu[c]))
        away += weight[c] * scale[c] * (z * (2 * below - 1) + 2 * density * (nu[c] + z * z) / (nu[c] - 1))
        pit += weight[c] * below
    width = 0.0
    for c in range(weight.size):
        width += weight[c] * (scale[c] * scale[c] + (mean[c] - centre) ** 2)
    width = math.sqrt(width)
    spread = _unsure(centre, weight, mean, scale, root, group, tables)
    for side in (-1.0, 1.0):
        u = STEP
        while u <= REACH + 1e-9:
            x = centre + side * width * math.sinh(u)
            term = _unsure(x, weight, mean, scale, root, group, tables) * math.cosh(u)
            spread += term
            if term < END * spread:
                break
            u += STEP
    return centre, away - spread * width * STEP, pit


@_jit
def _log_mixture(y: float, weight: Array, mean: Array, scale: Array, nu: Array) -> float:
    top, logs = -np.inf, np.empty(weight.size)
    for c in range(weight.size):
        z = (y - mean[c]) / scale[c]
        logs[c] = math.log(weight[c] / scale[c]) + _constant(nu[c]) - 0.5 * (nu[c] + 1) * math.log1p(z * z / nu[c])
        top = max(top, logs[c])
    return top + math.log(np.exp(logs - top).sum())


@_jit
def _fill_constants(constant: Array, freedom: Array, n: Array) -> None:
    """Logarithm of the Student density's constant, times the square root of its freedom; cells that share both follow one another."""
    for c in range(n.size):
        if c == 0 or n[c] != n[c - 1] or freedom[c] != freedom[c - 1]:
            constant[c] = _constant(freedom[c] + n[c]) + 0.5 * math.log(freedom[c] + n[c])
        else:
            constant[c] = constant[c - 1]


@_jit
def _advance(S: Array, phi: Array, drift: Array, c: int) -> None:
    """One year of cell c: S holds x, k, slope and their covariances xx, xk, kk, xb, kb, bb, (9, cells)."""
    p, q = phi[c], 1.0 - phi[c]
    xx, xk, kk, xb, kb, bb = S[3, c], S[4, c], S[5, c], S[6, c], S[7, c], S[8, c]
    S[0, c] = p * S[0, c] + q * S[1, c]
    S[1, c] += S[2, c]
    S[3, c] = p * p * xx + 2 * p * q * xk + q * q * kk + 1.0
    S[4, c] = p * (xk + xb) + q * (kk + kb)
    S[5, c] = kk + 2 * kb + bb + drift[c]
    S[6, c] = p * xb + q * kb
    S[7, c] = kb + bb


@_jit
def _begin(y: float, phi: Array, error: Array, trend: Array) -> Array:
    """After the first count, with a flat prior on the level: x = y - error of observation, k = x - its stationary deviation."""
    S = np.zeros((9, phi.size))
    for c in range(phi.size):
        S[0, c], S[1, c], S[3, c], S[4, c], S[8, c] = y, y, error[c], error[c], trend[c]
        S[5, c] = error[c] + (1.0 / (1.0 - phi[c] * phi[c]) if abs(phi[c]) < 1.0 else 0.0)
    return S


@_jit
def _absorb(S: Array, e: float, f: float, c: int) -> None:
    """Kalman update of cell c by an innovation e of variance f."""
    xx, xk, xb = S[3, c], S[4, c], S[6, c]
    gx, gk, gb = xx / f, xk / f, xb / f
    S[0, c] += gx * e
    S[1, c] += gk * e
    S[2, c] += gb * e
    S[3, c] -= gx * xx
    S[4, c] -= gx * xk
    S[5, c] -= gk * xk
    S[6, c] -= gx * xb
    S[7, c] -= gk * xb
    S[8, c] -= gb * xb


@_jit
def filtered(y: Array, cells: Array) -> tuple[Array, Array, Array, Array]:
    """Run all cells through a series: states (9, cells), and R, n and log-likelihood (cells,) after its last row.

    ``cells`` (7, cells): phi, drift, error, trend, forget delta, floor 2 b, freedom 2 a. ``R <- delta R + e^2/F, n <- delta n + 1``.
    """
    phi, drift, error, trend, forget, floor, freedom = cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]
    S = _begin(y[0], phi, error, trend)
    size = phi.size
    R, likelihood, n, constant = np.zeros(size), np.zeros(size), np.zeros(size), np.empty(size)
    for t in range(1, y.size):
        for c in range(size):
            _advance(S, phi, drift, c)
        if np.isnan(y[t]):
            continue
        _fill_constants(constant, freedom, n)
        for c in range(size):
            f = S[3, c] + error[c]
            e = y[t] - S[0, c]
            mass = f * (floor[c] + R[c])
            likelihood[c] += constant[c] - 0.5 * math.log(mass) - 0.5 * (freedom[c] + n[c] + 1.0) * math.log1p(e * e / mass)
            R[c] = forget[c] * R[c] + e * e / f
            n[c] = forget[c] * n[c] + 1.0
            _absorb(S, e, f, c)
    return S, R, n, likelihood


@_jit
def forecast_series(
    y: Array,
    first: int,
    horizon: int,
    cells: Array,
    prior: Array,
    group: npt.NDArray[np.int64],
    tables: Array,
) -> Array:
    """Scored forecasts of one series from before every row first, ...: (origins, horizon, 4) of mean, log score, CRPS and P(X <= y).

    Shapes: cells (7, cells): phi, drift, error, trend, forget, floor, freedom; prior (cells,) log weights; group (cells,) of those that
    share freedom and forget; tables (counts, groups, 2, nodes) by the number of innovations.
    """
    phi, drift, error, trend, forget, floor, freedom = cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]
    size, years = phi.size, y.size
    S = _begin(y[0], phi, error, trend)
    R, n, posterior = np.zeros(size), np.zeros(size), prior.copy()
    count = 0
    constant = np.empty(size)
    found = np.full((years - first, horizon, 4), np.nan)
    for t in range(1, years):
        for c in range(size):
            _advance(S, phi, drift, c)
        if t >= first:
            top = posterior.max()
            active = np.flatnonzero(posterior > top + math.log(LEAST))
            weight = np.exp(posterior[active] - top)
            weight /= weight.sum()
            A = S[:, active].copy()
            p, d = phi[active], drift[active]
            mean, scale, nu = np.empty(active.size), np.empty(active.size), np.empty(active.size)
            for h in range(min(horizon, years - t)):
                if h > 0:
                    for c in range(active.size):
                        _advance(A, p, d, c)
                if np.isnan(y[t + h]):
                    continue
                for c in range(active.size):
                    cell = active[c]
                    nu[c] = freedom[cell] + n[cell]
                    mean[c] = A[0, c]
                    scale[c] = math.sqrt((A[3, c] + error[cell]) * (floor[cell] + R[cell]) / nu[c])
                found[t - first, h, 1] = _log_mixture(y[t + h], weight, mean, scale, nu)
                m, crps, pit = mixture_scores(y[t + h], weight, mean, scale, nu, group[active], tables[count])
                found[t - first, h, 0], found[t - first, h, 2], found[t - first, h, 3] = m, crps, pit
        if np.isnan(y[t]):
            continue
        count += 1
        _fill_constants(constant, freedom, n)
        for c in range(size):
            f = S[3, c] + error[c]
            e = y[t] - S[0, c]
            mass = f * (floor[c] + R[c])
            posterior[c] += constant[c] - 0.5 * math.log(mass) - 0.5 * (freedom[c] + n[c] + 1.0) * math.log1p(e * e / mass)
            R[c] = forget[c] * R[c] + e * e / f
            n[c] = forget[c] * n[c] + 1.0
            _absorb(S, e, f, c)
    return found
