"""The loop of the Triton kernels: a span of time of one tile of lanes, in the order of travel, in steps of BT rows.

Rows are maps ``c -> p c + e``; a tile of them is composed along time and then applied to the carry, which stays in registers. With BT = 1
this is the plain loop. Memory is described as for the compiled CPU kernels: pointers at the first step in the order of travel, strides in
numbers (negative to go back in time, 0 where an axis is shared); complex numbers are two numbers side by side.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seqsci.engine.triton_pairs import last, prefixes

GROWTH = tl.constexpr(1e6)
"""Above this product of gates a tile is not composed but walked step by step: an inf or a cancellation would not be what the loop gives."""


@triton.jit
def walk(
    F, U, Z, C, X, G, M, ft, fd, ut, ud, zs, zd, ct, cd,
    xt, xd, gt, gd, mt, lo, hi, steps, d, inside, shared, shared_i,
    start, start_i, c, ci, BT: tl.constexpr, BD: tl.constexpr, STAGES: tl.constexpr, LAG: tl.constexpr,
    VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr, INITIAL: tl.constexpr, SUMMARY: tl.constexpr,
    GATE: tl.constexpr,
):  # fmt: skip
    """Steps lo to hi of lanes d, from the state c: writes states to C.

    SUMMARY writes nothing. GATE: the gate's gradient from the states X of the scan, 0 not at all, 1 to G, 2 summed over time, 3 over the
    lanes of the tile, to G. Returns the product of gates, the last state, whether a sequence started, what must be walked again, and sums.
    """
    row = tl.arange(0, BT).to(tl.int64)
    real = c.dtype
    product, product_i = tl.full([BD], 1.0, real), tl.zeros([BD], real)
    started = tl.zeros([BD], tl.int32)
    grown = tl.zeros([BT, BD], tl.int32)
    total, total_i = tl.zeros([BD], tl.float64), tl.zeros([BD], tl.float64)
    for t0 in tl.range(lo, hi, BT, num_stages=STAGES):
        t = t0 + row
        there = t < hi
        lanes = inside[None, :] & there[:, None]
        gated = there & (t >= LAG)
        if VARIES:
            place = (t[:, None] - LAG) * ft + d[None, :] * fd
            f = tl.load(F + place, mask=gated[:, None] & inside[None, :], other=0.0).to(real)
            fi = f
            if COMPLEX:
                fi = tl.load(F + place + 1, mask=gated[:, None] & inside[None, :], other=0.0).to(real)
        else:
            f = tl.where(gated[:, None], shared[None, :], tl.zeros([BT, BD], real))
            fi = tl.where(gated[:, None], shared_i[None, :], tl.zeros([BT, BD], real))
        f = tl.where(there[:, None], f, tl.full([BT, BD], 1.0, real))  # a step beyond the end keeps the state
        place = t[:, None] * ut + d[None, :] * ud
        e = tl.load(U + place, mask=lanes, other=0.0).to(real)
        ei = e
        if COMPLEX:
            if CONJ:
                fi = -fi
            fi = tl.where(there[:, None], fi, tl.zeros([BT, BD], real))
            ei = tl.load(U + place + 1, mask=lanes, other=0.0).to(real)
        r = tl.zeros([BT, BD], tl.int32)
        ends = t == steps - 1
        sequence = tl.zeros([BT], tl.int64)
        if PACKED:
            mark = tl.load(M + t * mt, mask=there, other=0)
            sequence = mark.to(tl.int64) - 1
            ends = mark > 0
            first = ends
            if LAG == 1:  # the adjoint starts after the step at which the scan did
                first = (tl.load(M + (t - 1) * mt, mask=there & (t > 0), other=0) > 0) | (t == 0)
            first = first & there
            if INITIAL:
                place = sequence[:, None] * zs + d[None, :] * zd
                known = first[:, None] & inside[None, :]
                z = tl.load(Z + place, mask=known, other=0.0).to(real)
                if COMPLEX:
                    zi = tl.load(Z + place + 1, mask=known, other=0.0).to(real)
                    e = tl.where(first[:, None], f * z - fi * zi + e, e)
                    ei = tl.where(first[:, None], f * zi + fi * z + ei, ei)
                else:
                    e = tl.where(first[:, None], f * z + e, e)
            f = tl.where(first[:, None], tl.zeros([BT, BD], real), f)
            fi = tl.where(first[:, None], tl.zeros([BT, BD], real), fi)
            r = tl.where(first[:, None], tl.full([BT, BD], 1, tl.int32), r)
        p, q, e, ei, r = prefixes(f, fi, e, ei, r, COMPLEX, PACKED)
        size = tl.abs(p)
        x = p * c[None, :] + e
        xi = x
        if COMPLEX:
            size += tl.abs(q)
            x = p * c[None, :] - q * ci[None, :] + e
            xi = p * ci[None, :] + q * c[None, :] + ei
        if PACKED:
            x = tl.where(r > 0, e, x)
            xi = tl.where(r > 0, ei, xi)
        grown = tl.where(size <= GROWTH, grown, tl.full([BT, BD], 1, tl.int32))
        if SUMMARY:
            by, by_i = last(p, BT), last(q, BT)
            if COMPLEX:
                product, product_i = product * by - product_i * by_i, product * by_i + product_i * by
            else:
                product = product * by
            if PACKED:
                started = started | last(r, BT)
        else:
            place = t[:, None] * ct + d[None, :] * cd
            tl.store(C + place, x.to(C.dtype.element_ty), mask=lanes)
            if COMPLEX:
                tl.store(C + place + 1, xi.to(C.dtype.element_ty), mask=lanes)
        if GATE > 0:
            place = (t[:, None] + 1) * xt + d[None, :] * xd
            known = lanes & ((ends == 0) & (t < steps - 1))[:, None]
            z = tl.broadcast_to(start[None, :], [BT, BD])
            zi = tl.broadcast_to(start_i[None, :], [BT, BD])
            at = sequence[:, None] * zs + d[None, :] * zd
            if PACKED:
                z = tl.load(Z + at, mask=lanes & ends[:, None], other=0.0).to(real)
            before = tl.where(ends[:, None], z, tl.load(X + place, mask=known, other=0.0).to(real))
            df = x * before
            dfi = df
            if COMPLEX:
                if PACKED:
                    zi = tl.load(Z + at + 1, mask=lanes & ends[:, None], other=0.0).to(real)
                before_i = tl.where(ends[:, None], zi, tl.load(X + place + 1, mask=known, other=0.0).to(real))
                df = x * before + xi * before_i
                dfi = xi * before - x * before_i
            df = tl.where(lanes, df, tl.zeros([BT, BD], real))
            dfi = tl.where(lanes, dfi, tl.zeros([BT, BD], real))
            if GATE == 1:
                place = t[:, None] * gt + d[None, :] * gd
                tl.store(G + place, df.to(G.dtype.element_ty), mask=lanes)
                if COMPLEX:
                    tl.store(G + place + 1, dfi.to(G.dtype.element_ty), mask=lanes)
            elif GATE == 2:
                total += tl.sum(df, 0).to(tl.float64)
                total_i += tl.sum(dfi, 0).to(tl.float64)
            else:
                tl.store(G + t * gt, tl.sum(df, 1).to(G.dtype.element_ty), mask=there)
                if COMPLEX:
                    tl.store(G + t * gt + 1, tl.sum(dfi, 1).to(G.dtype.element_ty), mask=there)
        c = last(x, BT)
        if COMPLEX:
            ci = last(xi, BT)
    return product, product_i, c, ci, started, grown, total, total_i
