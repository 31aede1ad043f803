"""Many fits in one compiled call, without the interpreter in between."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

from seqsci.estimation.fused import INFORMATION, curvature, solve
from seqsci.estimation.optimise import DATA, OBJECTIVE, PRIOR

_v, _m, _b, _i, _n = types.float64[::1], types.float64[:, ::1], types.uint8[::1], types.int64, types.int64[::1]


@njit(
    types.void(
        OBJECTIVE, INFORMATION, *PRIOR, types.float64[:, :, ::1], _i, _i, types.float64, _n, _b, _b, _v, _v, _b, types.boolean,
        types.boolean, _n, _n, *DATA, _i, types.float64,
        _m, types.uint8[:, ::1], _m, _v, types.float64[:, :, ::1], types.float64[:, :, ::1], _m, _m,
    ),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def solve_many(  # type: ignore[no-untyped-def]
    objective, information, centre, precision, points, forced, starts, far, free, floor, ceiling, count, log_spread, rough, newton, errors,
    offsets, places, X, observed, weight, reset, Q, S0, given, limit, tolerance, raw, pinned, report, nll, outer, hessian, natural, slope,
):  # fmt: skip
    """`solve` and `curvature` for fit after fit: rows offsets[u]..offsets[u + 1] of the data, places[u]..places[u + 1] of Q and S0.

    ``errors``: whether the curvature is wanted. Rows and columns of pinned parameters stay zero in ``outer`` and ``hessian``.
    """
    k = len(free)
    for u in range(len(offsets) - 1):
        a, b = offsets[u], offsets[u + 1]
        x, o, w, r = X[a:b], observed[a:b], weight[a:b], reset[a:b]
        q, s0 = Q[places[u] : places[u + 1]], S0[places[u] : places[u + 1]]
        nll[u] = solve(
            objective, centre, precision, points[u], forced, starts, far, free, floor, ceiling, count[u], log_spread[u],
            x, o, w, r, q, s0, given, limit, tolerance, raw[u], pinned[u], report[u],
        )  # fmt: skip
        if not errors or report[u, 1] == 0.0 or report[u, 2] == 1.0 or not math.isfinite(nll[u]):
            continue
        place, moving, kinks, m = np.zeros(k, np.int64), np.zeros(k, np.int64), np.zeros(k, np.uint8), 0
        for i in range(k):
            if pinned[u, free[i]] == 0:
                place[m], moving[m], kinks[m] = i, free[i], rough[i]
                m += 1
        small, bent = np.zeros((m, m)), np.zeros((m, m))
        curvature(
            objective, information, newton, centre, precision, raw[u], moving[:m].copy(), kinks[:m].copy(),
            x, o, w, r, q, s0, given, small, bent, natural[u], slope[u],
        )  # fmt: skip
        for i in range(m):
            for j in range(m):
                outer[u, place[i], place[j]] = small[i, j]
                hessian[u, place[i], place[j]] = bent[i, j]


@njit(types.void(OBJECTIVE, _m, _n, _n, *DATA, _v, _m, _m), cache=True, nogil=True, error_model="numpy")
def evaluate_many(objective, raw, offsets, places, X, observed, weight, reset, Q, S0, given, nll, natural, score):  # type: ignore[no-untyped-def]
    """Negative log-likelihood of fit after fit at given raw points, natural values there, and gradients by raw."""
    n = raw.shape[1]
    nothing, rows, slope = np.zeros((0, 0)), np.zeros((0, n)), np.zeros(n)
    for u in range(len(offsets) - 1):
        a, b = offsets[u], offsets[u + 1]
        q, s0 = Q[places[u] : places[u + 1]], S0[places[u] : places[u + 1]]
        nll[u] = objective(raw[u], X[a:b], observed[a:b], weight[a:b], reset[a:b], q, s0, given, score[u], nothing, rows, natural[u], slope)
