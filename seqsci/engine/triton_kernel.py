"""The Triton kernel of the scan and of its adjoint where lanes are many: a program a tile of lanes, which walks all of time.

A column of lanes in which gates multiply to more than `triton_tile.GROWTH` within a tile is walked again, step by step. Of columns
that were scanned tile by tile (`triton_lookback`) it walks those that GROWN names.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seqsci.engine.triton_tile import lanes_of, opened
from seqsci.engine.triton_walk import walk


@triton.jit(do_not_specialize=["one"])
def tiles(
    F, U, Z, C, X, G, M, GROWN, batch, steps, width, chunks,
    fb, ft, fd, ub, ut, ud, zb, zs, zd, cb, ct, cd, xb, xt, xd, gb, gt, gd, mt, one, REAL: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
    STAGES: tl.constexpr, LAG: tl.constexpr, VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr,
    INITIAL: tl.constexpr, AGAIN: tl.constexpr, GATE: tl.constexpr, APART: tl.constexpr,
):  # fmt: skip
    """Arguments as for `walk`; GROWN (B, columns) where AGAIN, whose sums of GATE 2 lie in ``chunks`` parts; one is 1."""
    program = tl.program_id(0).to(tl.int64)
    columns = tl.cdiv(width + program * 0, BD)  # in 64 bits
    column = program % columns
    b = program // columns
    d, inside = lanes_of(column, one, width, BD, APART)
    hi = steps + program * 0
    wide: tl.constexpr = 2 if COMPLEX else 1
    F, U, Z, C, X, G, f, fi, z, zi = opened(
        F, U, Z, C, X, G, fb, ub, zb, cb, xb, gb, fd, zd, gd, b, column, d, inside, REAL, BD, VARIES, COMPLEX, PACKED, INITIAL, GATE
    )
    c, ci = tl.zeros([BD], REAL), tl.zeros([BD], REAL)
    if INITIAL and not PACKED:
        c, ci = z, zi
    if AGAIN:
        named = tl.load(GROWN + b * columns + column) > 0
        hi = tl.where(named, hi, 0)
    again, total, total_i = walk(
        F, U, Z, C, X, G, M, ft, fd, ut, ud, zs, zd, ct, cd, xt, xd, gt, gd, mt, hi, steps, width, column, d, inside, f, fi, z, zi, c, ci,
        BT, BD, STAGES, LAG, VARIES, CONJ, COMPLEX, PACKED, INITIAL, GATE,
    )  # fmt: skip
    if again:
        tl.debug_barrier()  # what is written again was written by other threads
        _, total, total_i = walk(
            F, U, Z, C, X, G, M, ft, fd, ut, ud, zs, zd, ct, cd, xt, xd, gt, gd, mt, hi, steps, width, column, d, inside,
            f, fi, z, zi, c, ci, 1, BD, 1, LAG, VARIES, CONJ, COMPLEX, PACKED, INITIAL, GATE,
        )  # fmt: skip
    if GATE == 2:
        told = inside
        if AGAIN:
            told = inside & named
            for k in range(1, chunks):
                at = (k * (width + b * 0) + d) * wide
                tl.store(G + at, tl.zeros([BD], tl.float64), mask=told)
                if COMPLEX:
                    tl.store(G + at + 1, tl.zeros([BD], tl.float64), mask=told)
        tl.store(G + d * wide, total, mask=told)
        if COMPLEX:
            tl.store(G + d * wide + 1, total_i, mask=told)
