"""Maximum likelihood in compiled code: damped Fisher scoring, then BFGS with a weak Wolfe search that copes with kinks.

One compiled optimiser serves every model: the objective is passed as a function pointer of fixed signature, so a panel of fits
and a single fit run the same code.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

_f, _v, _m, _b, _i = types.float64, types.float64[::1], types.float64[:, ::1], types.uint8[::1], types.int64
DATA = (_m, _b, _v, _b, _m, _m, _i)
"""Types of X, observed, weight, reset, Q, S0, given."""
OBJECTIVE = types.FunctionType(_f(_v, *DATA, _v, _m, _m, _v, _v))
PRIOR = (_v, _m)
"""Types of a Gaussian prior on the raw scale: centre (n,) and precision (n, n), both empty where there is none."""

_ACCEPT, _STEEP, _MAX_RAW_STEP, _NEAR_BOUND, _FAR = 1e-4, 0.9, 1.5, 4.0, 25.0


@njit(types.boolean(_m, _v, _v), cache=True, nogil=True, error_model="numpy")
def solve_positive(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> bool:
    """Solve a x = b by Cholesky; False where a is not positive definite."""
    k = len(b)
    c = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            s = a[i, j]
            for m in range(j):
                s -= c[i, m] * c[j, m]
            if i == j:
                if not s > 0.0:
                    return False
                c[i, i] = math.sqrt(s)
            else:
                c[i, j] = s / c[j, j]
    for i in range(k):
        s = b[i]
        for m in range(i):
            s -= c[i, m] * x[m]
        x[i] = s / c[i, i]
    for i in range(k - 1, -1, -1):
        s = x[i]
        for m in range(i + 1, k):
            s -= c[m, i] * x[m]
        x[i] = s / c[i, i]
    return True


@njit(types.void(_v, _v), cache=True, nogil=True, error_model="numpy")
def _copy(source: np.ndarray, target: np.ndarray) -> None:
    """target[:] = source; a loop compiles many times faster than a slice."""
    for i in range(len(source)):
        target[i] = source[i]


@njit(types.void(_v, types.int64[::1], _v, _f, _v), cache=True, nogil=True, error_model="numpy")
def _move(raw: np.ndarray, free: np.ndarray, step: np.ndarray, length: float, out: np.ndarray) -> None:
    """Out = raw + length * step on the free entries, kept within a range where the constraints are still resolved."""
    _copy(raw, out)
    for i in range(len(free)):
        out[free[i]] = (
            min(max(raw[free[i]] + length * step[i], -_FAR), _FAR) if abs(raw[free[i]]) <= _FAR else raw[free[i]] + length * step[i]
        )


@njit(_f(*PRIOR, _v, _v, _m), cache=True, nogil=True, error_model="numpy")
def penalty(centre: np.ndarray, precision: np.ndarray, raw: np.ndarray, g: np.ndarray, info: np.ndarray) -> float:
    """``(raw - centre)' precision (raw - centre) / 2``; its derivatives are added to g and, where info is not empty, to info."""
    total = 0.0
    for i in range(len(centre)):
        s = 0.0
        for j in range(len(centre)):
            if precision[i, j] != 0.0:
                s += precision[i, j] * (raw[j] - centre[j])
                if info.shape[0] > 0:
                    info[i, j] += precision[i, j]
        if s != 0.0:
            total += 0.5 * s * (raw[i] - centre[i])
            g[i] += s
    return total


@njit(_f(OBJECTIVE, *PRIOR, _v, *DATA, _v, _m, _m, _v, _v), cache=True, nogil=True, error_model="numpy")
def evaluate(objective, centre, precision, raw, X, observed, weight, reset, Q, S0, given, g, info, rows, natural, slope):  # type: ignore[no-untyped-def]
    """The objective, with the prior's share in value, gradient and information."""
    value = objective(raw, X, observed, weight, reset, Q, S0, given, g, info, rows, natural, slope)
    return value + penalty(centre, precision, raw, g, info) if len(centre) > 0 else value


@njit(_f(OBJECTIVE, *PRIOR, _v, types.int64[::1], *DATA, _i, _f, _v), cache=True, nogil=True, error_model="numpy")
def maximise(objective, centre, precision, raw, free, X, observed, weight, reset, Q, S0, given, limit, tolerance, report):  # type: ignore[no-untyped-def]
    """Minimise the negative log-likelihood (less the log prior) over ``raw[free]`` in place; returns it.

    tolerance: two steps in a row that gain fewer nats end the climb. report: evaluations, last decrease, converged.
    """
    n, k = len(raw), len(free)
    g_full, h_full, rows, nothing = np.zeros(n), np.zeros((n, n)), np.zeros((0, n)), np.zeros((0, 0))
    natural, slope, trial = np.zeros(n), np.zeros(n), np.zeros(n)
    g, g_new, step, y = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros(k)
    a, inverse, column, unit = np.zeros((k, k)), np.zeros((k, k)), np.zeros(k), np.zeros(k)
    best = evaluate(objective, centre, precision, raw, X, observed, weight, reset, Q, S0, given, g_full, h_full, rows, natural, slope)
    evaluations, damping, small, decrease = 1, 1e-3, 0, math.inf
    report[2] = 0.0
    if not math.isfinite(best) or k == 0:
        report[0], report[1] = evaluations, 0.0
        report[2] = 1.0 if k == 0 else 0.0
        return best
    info = np.zeros((k, k))
    for i in range(k):
        g[i] = g_full[free[i]]
        for j in range(k):
            info[i, j] = h_full[free[i], free[j]]
    while evaluations < limit and damping < 1e8:  # damped Fisher scoring: far from the optimum, or at a good one
        for i in range(k):
            column[i] = -g[i]
            for j in range(k):
                a[i, j] = info[i, j]
            a[i, i] += damping * info[i, i] + 1e-9
        if not solve_positive(a, column, step):
            damping = damping * 10 + 1e-6
            continue
        longest = 0.0
        for i in range(k):  # one that runs to its bound must not hold up the others
            if raw[free[i]] * step[i] > 0.0 and abs(raw[free[i]]) > _NEAR_BOUND:
                step[i] = min(max(step[i], -_MAX_RAW_STEP), _MAX_RAW_STEP)
            longest = max(longest, abs(step[i]))
        _move(raw, free, step, min(1.0, _MAX_RAW_STEP / longest) if longest > 0 else 1.0, trial)
        value = evaluate(
            objective, centre, precision, trial, X, observed, weight, reset, Q, S0, given, g_full, h_full, rows, natural, slope
        )
        evaluations += 1
        if value < best:
            decrease = best - value
            _copy(trial, raw)
            best = value
            for i in range(k):
                g[i] = g_full[free[i]]
                for j in range(k):
                    info[i, j] = h_full[free[i], free[j]]
            damping = max(damping * 0.2, 1e-9)
            if decrease < 0.05:
                break
        else:
            damping = damping * 8 + 1e-6
            if damping > 1e2:
                break
    for i in range(k):
        for j in range(k):
            a[i, j] = info[i, j]
        a[i, i] = a[i, i] * (1 + 1e-6) + 1e-8
    for i in range(k):
        for j in range(k):
            unit[j] = 1.0 if i == j else 0.0
        if solve_positive(a, unit, column):
            for j in range(k):
                inverse[j, i] = column[j]
        else:
            inverse[i, i] = 1.0 / max(a[i, i], 1e-8)
    while evaluations < limit:  # BFGS: superlinear where smooth, robust at kinks
        slope_0 = 0.0
        longest = 0.0
        for i in range(k):
            s = 0.0
            for j in range(k):
                s -= inverse[i, j] * g[j]
            step[i] = s
            slope_0 += s * g[i]
            longest = max(longest, abs(s))
        if not slope_0 < 0.0 or slope_0 > -0.01 * tolerance:
            report[2] = 1.0
            break
        low, high, length = 0.0, math.inf, min(1.0, _MAX_RAW_STEP / longest)
        found = False
        for _ in range(30):
            _move(raw, free, step, length, trial)
            value = evaluate(
                objective, centre, precision, trial, X, observed, weight, reset, Q, S0, given, g_full, nothing, rows, natural, slope
            )
            evaluations += 1
            slope_1 = 0.0
            for i in range(k):
                g_new[i] = g_full[free[i]]
                slope_1 += g_new[i] * step[i]
            if not value <= best + _ACCEPT * length * slope_0:
                high = length
            elif slope_1 < _STEEP * slope_0:
                low = length
            else:
                found = True
                break
            length = 0.5 * (low + high) if math.isfinite(high) else 2.0 * low
            if high - low < 1e-6 * max(low, 1e-3) or evaluations >= limit:
                break
        if not value < best:
            report[2] = 1.0  # no descent along an exact gradient: a kink, or rounding
            break
        decrease = best - value
        sy = 0.0
        for i in range(k):
            y[i] = g_new[i] - g[i]
            step[i] = trial[free[i]] - raw[free[i]]
            sy += step[i] * y[i]
        _copy(trial, raw)
        best = value
        _copy(g_new, g)
        if found and sy > 1e-12:
            yhy = 0.0
            for i in range(k):
                s = 0.0
                for j in range(k):
                    s += inverse[i, j] * y[j]
                column[i] = s
                yhy += s * y[i]
            for i in range(k):
                for j in range(k):
                    inverse[i, j] += (1.0 + yhy / sy) * step[i] * step[j] / sy - (column[i] * step[j] + step[i] * column[j]) / sy
        small = small + 1 if decrease < tolerance else 0
        if small >= 2:
            report[2] = 1.0
            break
    report[0], report[1] = evaluations, decrease
    return best
