"""What the Triton kernels do with a tile, BT steps by BD lanes: read it as maps, apply them to a state, write states and gradients.

Rows are in the order of travel. Memory is described as for the compiled CPU kernels: pointers at the first step in the order of travel,
strides in numbers (negative to go back in time, 0 where an axis is shared); complex numbers are two numbers side by side.
"""

from __future__ import annotations

import triton
import triton.language as tl

GROWTH = tl.constexpr(1e6)
"""Above this product of gates lanes are not composed but walked step by step: an inf or a cancellation would not be what the loop gives."""


@triton.jit
def maps(
    F, U, Z, M, ft, fd, ut, ud, zs, zd, mt, t0, hi, steps, d, inside, shared, shared_i, REAL: tl.constexpr, BT: tl.constexpr,
    BD: tl.constexpr, LAG: tl.constexpr, VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr,
    INITIAL: tl.constexpr,
):  # fmt: skip
    """Steps from t0 as maps ``c -> p c + e``; r marks those that start a sequence, ``ends`` those before which the adjoint's ends."""
    number = tl.arange(0, BT)
    row = number.to(tl.int64)
    t = t0 + row
    there = number < tl.minimum(hi - t0, BT).to(tl.int32)
    lanes = inside[None, :] & there[:, None]
    gated = there
    if LAG == 1:
        gated = there & ((number > 0) | (t0 > 0))  # elsewhere the map keeps the state: before the adjoint's first step it is 0
    if VARIES:
        F += (t0 - LAG) * ft
        place = row[:, None] * ft + d[None, :] * fd
        f = tl.load(F + place, mask=gated[:, None] & inside[None, :], other=1.0).to(REAL)
        fi = f
        if COMPLEX:
            fi = tl.load(F + place + 1, mask=gated[:, None] & inside[None, :], other=0.0).to(REAL)
    else:
        f = tl.where(gated[:, None], shared[None, :], tl.full([BT, BD], 1.0, REAL))
        fi = tl.where(gated[:, None], shared_i[None, :], tl.zeros([BT, BD], REAL))
    if COMPLEX and CONJ:
        fi = -fi
    U += t0 * ut
    place = row[:, None] * ut + d[None, :] * ud
    e = tl.load(U + place, mask=lanes, other=0.0).to(REAL)
    ei = e
    if COMPLEX:
        ei = tl.load(U + place + 1, mask=lanes, other=0.0).to(REAL)
    r = tl.zeros([BT, BD], tl.int32)
    ends = number == tl.minimum(steps - 1 - t0, BT).to(tl.int32)
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
            z = tl.load(Z + place, mask=known, other=0.0).to(REAL)
            if COMPLEX:
                zi = tl.load(Z + place + 1, mask=known, other=0.0).to(REAL)
                e = tl.where(first[:, None], f * z - fi * zi + e, e)
                ei = tl.where(first[:, None], f * zi + fi * z + ei, ei)
            else:
                e = tl.where(first[:, None], f * z + e, e)
        f = tl.where(first[:, None], tl.zeros([BT, BD], REAL), f)
        fi = tl.where(first[:, None], tl.zeros([BT, BD], REAL), fi)
        r = tl.where(first[:, None], tl.full([BT, BD], 1, tl.int32), r)
    return f, fi, e, ei, r, ends, sequence


@triton.jit
def magnitude(p, q, COMPLEX: tl.constexpr):
    """|p|, or |p| + |q|."""
    size = tl.abs(p)
    if COMPLEX:
        size += tl.abs(q)
    return size


@triton.jit
def applied(p, q, e, ei, r, c, ci, COMPLEX: tl.constexpr, PACKED: tl.constexpr):
    """States where maps are applied to the state c before them, except those after the start of a sequence."""
    x = p * c + e
    xi = x
    if COMPLEX:
        x = p * c - q * ci + e
        xi = p * ci + q * c + ei
    if PACKED:
        x = tl.where(r > 0, e, x)
        xi = tl.where(r > 0, ei, xi)
    return x, xi


@triton.jit
def written(
    C, X, G, Z, ct, cd, xt, xd, gt, gd, zs, zd, x, xi, t0, hi, ends, sequence, steps, d, inside, start, start_i, BT: tl.constexpr,
    BD: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr, GATE: tl.constexpr,
):  # fmt: skip
    """Write states to C and, from the scan's states X, the gate's gradient to G (GATE 1), over lanes (3), or return its sum in time (2)."""
    real = x.dtype
    number = tl.arange(0, BT)
    row = number.to(tl.int64)
    there = number < tl.minimum(hi - t0, BT).to(tl.int32)
    lanes = inside[None, :] & there[:, None]
    C += t0 * ct
    place = row[:, None] * ct + d[None, :] * cd
    tl.store(C + place, x.to(C.dtype.element_ty), mask=lanes)
    if COMPLEX:
        tl.store(C + place + 1, xi.to(C.dtype.element_ty), mask=lanes)
    total, total_i = tl.zeros([BD], tl.float64), tl.zeros([BD], tl.float64)
    if GATE > 0:
        X += (t0 + 1) * xt
        place = row[:, None] * xt + d[None, :] * xd
        known = lanes & (number < tl.minimum(steps - 1 - t0, BT).to(tl.int32))[:, None]
        z = tl.broadcast_to(start[None, :], [BT, BD])
        zi = tl.broadcast_to(start_i[None, :], [BT, BD])
        if PACKED:
            at = sequence[:, None] * zs + d[None, :] * zd
            known = known & (ends == 0)[:, None]
            z = tl.load(Z + at, mask=lanes & ends[:, None], other=0.0).to(real)
            if COMPLEX:
                zi = tl.load(Z + at + 1, mask=lanes & ends[:, None], other=0.0).to(real)
        z = tl.where(known, tl.load(X + place, mask=known, other=0.0).to(real), z)
        df = x * z
        dfi = df
        if COMPLEX:
            zi = tl.where(known, tl.load(X + place + 1, mask=known, other=0.0).to(real), zi)
            df = x * z + xi * zi
            dfi = xi * z - x * zi
        if GATE > 1:
            df = tl.where(lanes, df, tl.zeros([BT, BD], real))
            dfi = tl.where(lanes, dfi, tl.zeros([BT, BD], real))
        if GATE == 1:
            G += t0 * gt
            place = row[:, None] * gt + d[None, :] * gd
            tl.store(G + place, df.to(G.dtype.element_ty), mask=lanes)
            if COMPLEX:
                tl.store(G + place + 1, dfi.to(G.dtype.element_ty), mask=lanes)
        elif GATE == 2:
            total = tl.sum(df, 0).to(tl.float64)
            total_i = tl.sum(dfi, 0).to(tl.float64)
        else:
            tl.store(G + (t0 + row) * gt, tl.sum(df, 1).to(G.dtype.element_ty), mask=there)
            if COMPLEX:
                tl.store(G + (t0 + row) * gt + 1, tl.sum(dfi, 1).to(G.dtype.element_ty), mask=there)
    return total, total_i
