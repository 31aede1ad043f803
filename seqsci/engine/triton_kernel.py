"""The Triton kernel of the scan and of its adjoint: a program a tile of lanes and chunk of time.

With one chunk a program walks all of time. With several there are three passes over the same kernel: a SUMMARY of every chunk (the product
of its gates, its end from a state of 0), a scan of the summaries, and a replay from the states that this gives. A column of lanes in which
gates multiply to more than `triton_walk.GROWTH` is walked step by step by the program of its first chunk.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seqsci.engine.triton_walk import GROWTH, walk


@triton.jit(do_not_specialize=["one"])
def tiles(
    F, U, Z, C, X, G, M, CARRY, PRODUCT, STARTED, GROWN,
    batch, steps, width, chunks, length,
    fb, ft, fd, ub, ut, ud, zb, zs, zd, cb, ct, cd,
    xb, xt, xd, gb, gt, gd, mt, one, REAL: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
    STAGES: tl.constexpr, LAG: tl.constexpr, VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr,
    INITIAL: tl.constexpr, SUMMARY: tl.constexpr, CHUNKED: tl.constexpr, GATE: tl.constexpr, APART: tl.constexpr,
):  # fmt: skip
    """Arguments as for `walk`; CARRY, PRODUCT (B, K, D) and STARTED (K) of the chunks, GROWN (B, columns); one is 1."""
    program = tl.program_id(0).to(tl.int64)
    columns = tl.cdiv(width + program * 0, BD)  # in 64 bits
    column = program % columns
    b = program // columns % batch
    k = program // columns // batch
    lane = tl.arange(0, BD).to(tl.int64)
    if APART:  # neighbours that the compiler does not know of: each thread keeps its lane's time in its own registers
        lane = lane * one
    d = column * BD + lane
    inside = d < width
    lo = k * length
    hi = tl.minimum(lo + length, steps)
    wide: tl.constexpr = 2 if COMPLEX else 1
    spot = ((b * chunks + k) * width + d) * wide
    F += b * fb
    U += b * ub
    Z += b * zb
    C += b * cb
    X += b * xb
    G += b * gb
    if GATE == 3:
        G += column * gd
    c, ci = tl.zeros([BD], REAL), tl.zeros([BD], REAL)
    f, fi, z, zi = c, c, c, c
    if not VARIES:
        f = tl.load(F + d * fd, mask=inside, other=0.0).to(REAL)
        if COMPLEX:
            fi = tl.load(F + d * fd + 1, mask=inside, other=0.0).to(REAL)
    if GATE > 0 and not PACKED:  # the state before the last step of the adjoint's travel
        z = tl.load(Z + d * zd, mask=inside, other=0.0).to(REAL)
        if COMPLEX:
            zi = tl.load(Z + d * zd + 1, mask=inside, other=0.0).to(REAL)
    flag = k * 0
    if not SUMMARY:
        if INITIAL and not PACKED:
            c = tl.load(Z + d * zd, mask=inside & ((k + d * 0) == 0), other=0.0).to(REAL)
            if COMPLEX:
                ci = tl.load(Z + d * zd + 1, mask=inside & ((k + d * 0) == 0), other=0.0).to(REAL)
        if CHUNKED:
            behind = spot - width * wide
            c += tl.load(CARRY + behind, mask=inside & ((k + d * 0) > 0), other=0.0)
            if COMPLEX:
                ci += tl.load(CARRY + behind + 1, mask=inside & ((k + d * 0) > 0), other=0.0)
            flag += tl.load(GROWN + b * columns + column)
            hi = tl.where(flag > 0, lo, hi)
    product, product_i, end, end_i, started, grown, total, total_i = walk(
        F, U, Z, C, X, G, M, ft, fd, ut, ud, zs, zd, ct, cd, xt, xd, gt, gd, mt, lo, hi, steps, d, inside, f, fi, z, zi, c, ci,
        BT, BD, STAGES, LAG, VARIES, CONJ, COMPLEX, PACKED, INITIAL, SUMMARY, GATE,
    )  # fmt: skip
    flag += tl.max(tl.max(grown, 1), 0)
    if SUMMARY:
        tl.store(PRODUCT + spot, product, mask=inside)
        tl.store(CARRY + spot, end, mask=inside)
        if COMPLEX:
            tl.store(PRODUCT + spot + 1, product_i, mask=inside)
            tl.store(CARRY + spot + 1, end_i, mask=inside)
        if PACKED:
            tl.store(STARTED + k, tl.max(started, 0))
        composable = tl.abs(product) + tl.abs(product_i) <= GROWTH
        flag += tl.max(tl.where(composable, tl.zeros([BD], tl.int32), tl.full([BD], 1, tl.int32)), 0)
        if flag > 0:  # any chunk of the column may say so
            tl.store(GROWN + b * columns + column, 1)
    else:
        if flag > 0:
            tl.debug_barrier()  # what is written again was written by other threads
            if k == 0:
                hi = lo + steps
            _, _, _, _, _, _, total, total_i = walk(
                F, U, Z, C, X, G, M, ft, fd, ut, ud, zs, zd, ct, cd, xt, xd, gt, gd, mt, lo, hi, steps, d, inside, f, fi, z, zi, c, ci,
                1, BD, 1, LAG, VARIES, CONJ, COMPLEX, PACKED, INITIAL, SUMMARY, GATE,
            )  # fmt: skip
        if GATE == 2:
            tl.store(G + (k * width + d) * wide, total, mask=inside)
            if COMPLEX:
                tl.store(G + (k * width + d) * wide + 1, total_i, mask=inside)
