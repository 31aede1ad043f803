"""One fit in compiled code: choose starting points, climb, pin at bounds, difference the score. A single fit and a panel run this."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

from seqsci.estimation.optimise import DATA, OBJECTIVE, PRIOR, evaluate, maximise, solve_positive

_f, _v, _m, _b, _i = types.float64, types.float64[::1], types.float64[:, ::1], types.uint8[::1], types.int64
_n = types.int64[::1]

BOUND_COST = 1e-3
"""A parameter is pinned to a bound where that costs fewer nats than this."""
NEAR_BOUND, HOPELESS = 3.0, 10.0
"""Raw distance from which a bound is tried, and nats above which it is not climbed from there."""
COLLAPSE, VANISHED = 0.5, -24.0
"""Mean log density plus log standard deviation above which a density has collapsed onto repeated values (a normal sample has -1.4), and
the raw value below which a positive parameter has run to zero."""
SMOOTH_TOLERANCE, KINKED_TOLERANCE = 1e-7, 1e-6
"""Nats at which a climb ends: on kinks steps are many and small, and a millionth of a nat is a thousandth of a standard error."""
KINK_STEP, SMOOTH_STEP = 0.5, 1e-6
"""Steps of the differenced score in outer-product standard errors, for parameters that move a kink and for those that do not."""


@njit(types.boolean(_v, _f, _n, _b, _b, _f, _f), cache=True, nogil=True, error_model="numpy")
def collapsed(raw, nll, free, floor, ceiling, count, log_spread):  # type: ignore[no-untyped-def]
    """Whether the density has collapsed onto repeated values: see COLLAPSE. Never where log_spread is -inf: no value is repeated."""
    if log_spread == -math.inf:
        return False
    for m in range(len(free)):
        i = free[m]
        if floor[i] == 1 and ceiling[i] == 0 and raw[i] < VANISHED and raw[i] > -math.inf:
            return True
    return -nll / count > COLLAPSE - log_spread


@njit(_f(OBJECTIVE, *PRIOR, _m, _i, _i, _f, _n, _b, _b, _f, _f, *DATA, _i, _f, _v, _b, _v), cache=True, nogil=True, error_model="numpy")
def solve(  # type: ignore[no-untyped-def]
    objective, centre, precision, points, forced, starts, far, free, floor, ceiling, count, log_spread,
    X, observed, weight, reset, Q, S0, given, limit, tolerance, raw, pinned, report,
):  # fmt: skip
    """Climb from the ``starts`` best of the points (the first ``forced`` always), keep the best, pin what sits at a bound.

    far: a point after the first is not climbed where it starts more than that many nats below the best found so far.
    floor, ceiling: per parameter, whether its set has a finite bound there. Fills raw and pinned; report: evaluations, converged,
    collapsed. Returns the negative log-likelihood.
    """
    s, n = points.shape
    g, nothing, rows = np.zeros(n), np.zeros((0, 0)), np.zeros((0, n))
    natural, slope, trial, told = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(3)
    order = np.arange(s)
    report[0] = 0.0
    value = np.full(s, -math.inf)
    if s > starts or far < math.inf:
        for j in range(1 if s <= starts else forced, s):
            value[j] = evaluate(
                objective, centre, precision, points[j], X, observed, weight, reset, Q, S0, given, g, nothing, rows, natural, slope
            )
            if not math.isfinite(value[j]):
                value[j] = math.inf
            report[0] += 1
        if s > starts:
            order = np.argsort(value, kind="mergesort")
    best, best_bad, converged = math.inf, True, 0.0
    for m in range(min(s, max(starts, 1))):
        if value[order[m]] - best > far:
            continue
        for i in range(n):
            trial[i] = points[order[m], i]
        nll = maximise(objective, centre, precision, trial, free, X, observed, weight, reset, Q, S0, given, limit, tolerance, told)
        report[0] += told[0]
        if not math.isfinite(nll):
            continue
        bad = told[2] == 0.0 or collapsed(trial, nll, free, floor, ceiling, count, log_spread)
        if (best_bad and not bad) or (best_bad == bad and nll < best):
            best, best_bad, converged = nll, bad, told[2]
            for i in range(n):
                raw[i] = trial[i]
    report[1] = converged
    report[2] = 1.0 if math.isfinite(best) and collapsed(raw, best, free, floor, ceiling, count, log_spread) else 0.0
    if not math.isfinite(best) or report[2] == 1.0:
        return best
    rest = np.zeros(len(free), np.int64)
    for m in range(len(free)):
        i = free[m]
        if abs(raw[i]) < NEAR_BOUND or (raw[i] < 0 and floor[i] == 0) or (raw[i] > 0 and ceiling[i] == 0):
            continue
        for j in range(n):
            trial[j] = raw[j]
        trial[i] = -math.inf if raw[i] < 0 else math.inf
        nll = evaluate(objective, centre, precision, trial, X, observed, weight, reset, Q, S0, given, g, nothing, rows, natural, slope)
        report[0] += 1
        if not nll - best <= HOPELESS:
            continue
        k = 0
        for j in range(len(free)):
            if j != m and pinned[free[j]] == 0:
                rest[k] = free[j]
                k += 1
        nll = maximise(
            objective, centre, precision, trial, rest[:k].copy(), X, observed, weight, reset, Q, S0, given, limit, tolerance, told
        )
        report[0] += told[0]
        if nll - best < BOUND_COST and not collapsed(trial, nll, free, floor, ceiling, count, log_spread):
            best = nll
            pinned[i] = 1
            for j in range(n):
                raw[j] = trial[j]
    return best


INFORMATION = types.FunctionType(types.void(_v, *DATA, _m))
"""Type of a model's compiled Gauss-Newton information in natural parameters."""


@njit(types.void(_v, *DATA, _m), cache=True, nogil=True, error_model="numpy")
def no_information(natural, X, observed, weight, reset, Q, S0, given, info):  # type: ignore[no-untyped-def]
    """Stands where an information is not asked for."""


@njit(
    types.void(OBJECTIVE, INFORMATION, types.boolean, *PRIOR, _v, _n, _b, *DATA, _m, _m, _v, _v),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def curvature(  # type: ignore[no-untyped-def]
    objective, information, newton, centre, precision, raw, free, rough,
    X, observed, weight, reset, Q, S0, given, outer, hessian, here, slope_here,
):  # fmt: skip
    """Sum of outer products, and information with the prior's share, of the free parameters on the raw scale.

    newton: the information is `information`; else differences of the exact score. here, slope_here: filled with the natural
    values and their derivatives by raw. The step is SMOOTH_STEP outer-product standard errors (of each parameter by itself), or KINK_STEP
    of the joint ones where ``rough``.
    """
    n, k = len(raw), len(free)
    g, full, nothing, rows = np.zeros(n), np.zeros((n, n)), np.zeros((0, 0)), np.zeros((0, n))
    natural, slope, trial = np.zeros(n), np.zeros(n), np.zeros(n)
    objective(raw, X, observed, weight, reset, Q, S0, given, g, full, rows, here, slope_here)
    for a in range(k):
        for b in range(k):
            outer[a, b] = full[free[a], free[b]]
    if newton:
        information(here, X, observed, weight, reset, Q, S0, given, full)
        for a in range(k):
            for b in range(k):
                hessian[a, b] = full[free[a], free[b]] * slope_here[free[a]] * slope_here[free[b]]
    else:
        unit, column = np.zeros(k), np.zeros(k)
        up, base = np.zeros(n), g.copy()
        for a in range(k):
            d = outer[a, a]
            step = SMOOTH_STEP / math.sqrt(d) if d > 0 else 1e-6
            for i in range(n):
                trial[i] = raw[i]
            if rough[a] == 0:  # a small step from the score that is there already: its error is a share of the step
                trial[free[a]] = raw[free[a]] + step
                objective(trial, X, observed, weight, reset, Q, S0, given, up, nothing, rows, natural, slope)
                for b in range(k):
                    hessian[b, a] = (up[free[b]] - base[free[b]]) / step
                continue
            for b in range(k):
                unit[b] = 1.0 if a == b else 0.0
            own = column[a] if solve_positive(outer, unit, column) else 0.0
            step = KINK_STEP * math.sqrt(own) if own > 0 else KINK_STEP * step / SMOOTH_STEP
            trial[free[a]] = raw[free[a]] + step
            objective(trial, X, observed, weight, reset, Q, S0, given, up, nothing, rows, natural, slope)
            trial[free[a]] = raw[free[a]] - step
            objective(trial, X, observed, weight, reset, Q, S0, given, g, nothing, rows, natural, slope)
            for b in range(k):
                hessian[b, a] = (up[free[b]] - g[free[b]]) / (2 * step)
        for a in range(k):
            for b in range(a):
                hessian[a, b] = hessian[b, a] = 0.5 * (hessian[a, b] + hessian[b, a])
    if len(centre) > 0:
        for a in range(k):
            for b in range(k):
                hessian[a, b] += precision[free[a], free[b]]
