"""The restricted likelihood of drifting populations over a grid of points, in compiled code: one filter serves all series of a pattern."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types

_m, _v, _b, _i = types.float64[:, ::1], types.float64[::1], types.uint8[::1], types.int64


@njit(types.void(_m, _m, _i, _m, _b, _v, types.boolean, _m, _m), cache=True, nogil=True, error_model="numpy")
def tabulate(points, columns, fixed, drivers, observed, base, profiled, out, variances):  # type: ignore[no-untyped-def]
    """Fill ``out`` (points, series) with log-likelihoods of log counts, and the process variances; all series have the same observed years.

    State (x, k, m), in units of the process variance: x_t = phi x_{t-1} + (1 - phi) k_{t-1} + N(0, 1), k_t = k_{t-1} + m_{t-1} + N(0, lam),
    m_t = m_{t-1} + N(0, tau); y_t = x_t + N(0, rho base_t); x_1 ~ N(0, 1 / (1 - phi^2)), k_1 = m_1 = 0. The regressors carry the rest.

    points: rows phi, lam, tau, rho. columns (years, fixed + series): orthonormal regressors first (restricted likelihood), then the series;
    values of unobserved years are ignored. drivers (years, 0 or 1): a covariate z of log K, whose regressor is
    w_t = phi w_{t-1} + (1 - phi) z_{t-1}, w_1 = z_1. It depends on phi, so its share of the restricted likelihood, -log(w' V^-1 w) / 2,
    is normalised by + log(w' w) / 2, w beside the other regressors; without that the likelihood grows without end as phi -> 1 and w
    shrinks.
    profiled: the process variance is maximised over, a series at a time; else it is 1 / rho, so that ``base`` is in absolute units.
    """
    years, width = columns.shape
    q = drivers.shape[1]
    series, k = width - fixed, fixed + q
    all_columns = width + q
    a0, a1, a2, e = np.zeros(all_columns), np.zeros(all_columns), np.zeros(all_columns), np.zeros(all_columns)
    driven, beside = np.zeros(q), np.zeros(fixed + 1)
    xx, xy, yy = np.zeros((k, k)), np.zeros((k, series)), np.zeros(series)
    seen = 0
    for t in range(years):
        seen += observed[t]
    nu = seen - fixed - q
    for g in range(points.shape[0]):
        phi, lam, tau, rho = points[g, 0], points[g, 1], points[g, 2], points[g, 3]
        slow, slope = lam > 0 or tau > 0, tau > 0
        psi = 1 - phi
        p00, p01, p02, p11, p12, p22 = 1 / (1 - phi * phi), 0.0, 0.0, 0.0, 0.0, 0.0
        a0[:], a1[:], a2[:] = 0.0, 0.0, 0.0
        xx[:], xy[:], yy[:] = 0.0, 0.0, 0.0
        beside[:] = 0.0
        for j in range(q):
            driven[j] = drivers[0, j]
        determinant = 0.0
        for t in range(years):
            if observed[t] == 1:
                f = p00 + rho * base[t]
                determinant += math.log(f)
                k0, k1, k2, w = p00 / f, p01 / f, p02 / f, 1 / math.sqrt(f)
                for c in range(fixed):
                    e[c] = columns[t, c] - a0[c]
                for j in range(q):
                    e[fixed + j] = driven[j] - a0[fixed + j]
                    beside[fixed] += driven[j] * driven[j]
                    for c in range(fixed):
                        beside[c] += columns[t, c] * driven[j]
                for c in range(series):
                    e[k + c] = columns[t, fixed + c] - a0[k + c]
                for c in range(all_columns):
                    a0[c] += k0 * e[c]
                    e[c] *= w
                if slow:
                    for c in range(all_columns):
                        a1[c] += k1 / w * e[c]
                    if slope:
                        for c in range(all_columns):
                            a2[c] += k2 / w * e[c]
                for i in range(k):
                    here = e[i]
                    for j in range(i + 1):
                        xx[i, j] += here * e[j]
                    for c in range(series):
                        xy[i, c] += here * e[k + c]
                for c in range(series):
                    yy[c] += e[k + c] * e[k + c]
                p11, p12, p22 = p11 - k1 * p01, p12 - k1 * p02, p22 - k2 * p02
                p00, p01, p02 = p00 - k0 * p00, p01 - k0 * p01, p02 - k0 * p02
            if slow:
                n00 = phi * phi * p00 + 2 * phi * psi * p01 + psi * psi * p11 + 1
                n01 = phi * (p01 + p02) + psi * (p11 + p12)
                n02 = phi * p02 + psi * p12
                n11, n12 = p11 + 2 * p12 + p22 + lam, p12 + p22
                p00, p01, p02, p11, p12, p22 = n00, n01, n02, n11, n12, p22 + tau
                for c in range(all_columns):
                    a0[c] = phi * a0[c] + psi * a1[c]
                    a1[c] += a2[c]
            else:
                p00 = phi * phi * p00 + 1
                for c in range(all_columns):
                    a0[c] *= phi
            for j in range(q):
                driven[j] = phi * driven[j] + psi * drivers[t, j]
        for i in range(k):  # Cholesky of the regressors' information, in place, and the series on its way
            for j in range(i):
                value = xx[i, j]
                for h in range(j):
                    value -= xx[i, h] * xx[j, h]
                xx[i, j] = value / xx[j, j]
            value = xx[i, i]
            for h in range(i):
                value -= xx[i, h] * xx[i, h]
            xx[i, i] = math.sqrt(value) if value > 0 else math.nan
            determinant += 2 * math.log(xx[i, i])
            for c in range(series):
                value = xy[i, c]
                for h in range(i):
                    value -= xx[i, h] * xy[h, c]
                xy[i, c] = value / xx[i, i]
                yy[c] -= xy[i, c] * xy[i, c]
        if q > 0:
            for c in range(fixed):
                beside[fixed] -= beside[c] * beside[c]
            determinant -= math.log(beside[fixed])
        for c in range(series):
            variance = yy[c] / nu if profiled else 1 / rho
            variances[g, c] = variance
            out[g, c] = -0.5 * (nu * math.log(2 * math.pi * variance) + yy[c] / variance + determinant)
