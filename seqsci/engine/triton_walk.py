"""The loop of the Triton kernels: all of time of one tile of lanes, in the order of travel, BT steps after BT steps.

A tile of maps is composed along time and then applied to the carry, which stays in registers. With BT = 1 this is the plain loop.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seqsci.engine.triton_pairs import last, prefixes
from seqsci.engine.triton_tile import GROWTH, applied, magnitude, maps, written


@triton.jit
def walk(
    F, U, Z, C, X, G, M, ft, fd, ut, ud, zs, zd, ct, cd, xt, xd, gt, gd, mt, hi, steps, width, column, d, inside, shared, shared_i,
    start, start_i, c, ci, BT: tl.constexpr, BD: tl.constexpr, STAGES: tl.constexpr, LAG: tl.constexpr,
    VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr, INITIAL: tl.constexpr, GATE: tl.constexpr,
):  # fmt: skip
    """Steps 0 to hi of lanes d, from the state c; returns whether to walk again, and the gate's gradient of GATE 2.

    Where gates grow, or a state is infinite, which 0 times would not be were it not for a product that underflows.
    """
    real = c.dtype
    grown = tl.zeros([BT, BD], real)  # the largest gate or product; NaN is passed over: it gives what the loop gives
    reach = tl.zeros([BT, BD], real)  # the largest state
    total, total_i = tl.zeros([BD], tl.float64), tl.zeros([BD], tl.float64)
    for t0 in tl.range(hi * 0, hi, BT, num_stages=STAGES):
        f, fi, e, ei, r, ends, sequence = maps(
            F, U, Z, M, ft, fd, ut, ud, zs, zd, mt, t0, hi, steps, width, column, d, inside, shared, shared_i,
            real, BT, BD, LAG, VARIES, CONJ, COMPLEX, PACKED, INITIAL,
        )  # fmt: skip
        grown = tl.maximum(grown, magnitude(f, fi, COMPLEX))
        p, q, e, ei, r = prefixes(f, fi, e, ei, r, COMPLEX, PACKED)
        x, xi = applied(p, q, e, ei, r, c[None, :], ci[None, :], COMPLEX, PACKED)
        grown = tl.maximum(grown, magnitude(p, q, COMPLEX))
        reach = tl.maximum(reach, magnitude(x, xi, COMPLEX))
        sums, sums_i = written(
            C, X, G, Z, ct, cd, xt, xd, gt, gd, zs, zd, x, xi, t0, hi, ends, sequence, steps, width, column, d, inside, start, start_i,
            BT, BD, COMPLEX, PACKED, GATE,
        )  # fmt: skip
        total += sums
        total_i += sums_i
        c = last(x, BT)
        if COMPLEX:
            ci = last(xi, BT)
    return (tl.max(tl.max(grown, 0), 0) > GROWTH) | (tl.max(tl.max(reach, 0), 0) == float("inf")), total, total_i
