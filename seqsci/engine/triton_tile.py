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
def lanes_of(column, one, width, BD: tl.constexpr, APART: tl.constexpr):
    """Lanes of a column, and whether they are there.

    A thread is to keep the time of its lanes (APART of them) in its own registers. The compiler gives a thread what lies side by side, and
    neighbouring threads the axis of which it knows more: so lanes are neighbours that it does not know of (one is 1), but for two.
    """
    lane = tl.arange(0, BD).to(tl.int64)
    if APART > 0:
        lane = lane * one
    d = column * BD + lane
    if APART == 1:
        d = tl.max_contiguous(d, 2)
    if APART == 2:
        d = tl.max_contiguous(tl.multiple_of(d, 2), 2)
    return d, d < width


@triton.jit
def opened(F, U, Z, C, X, G, fb, ub, zb, cb, xb, gb, fd, zd, gd, b, column, d, inside, REAL: tl.constexpr, BD: tl.constexpr,
           VARIES: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr, INITIAL: tl.constexpr, GATE: tl.constexpr):  # fmt: skip
    """Pointers at row b of the batch; a gate that is constant in time; the first state, or that before the last step of the adjoint."""
    if GATE == 3:
        G += column * gd
    f, z = tl.zeros([BD], REAL), tl.zeros([BD], REAL)
    fi, zi = f, z
    if VARIES == 0:
        f = tl.load(F + b * fb + d * fd, mask=inside, other=0.0).to(REAL)
        if COMPLEX:
            fi = tl.load(F + b * fb + d * fd + 1, mask=inside, other=0.0).to(REAL)
    if not PACKED and (GATE > 0 or INITIAL):
        z = tl.load(Z + b * zb + d * zd, mask=inside, other=0.0).to(REAL)
        if COMPLEX:
            zi = tl.load(Z + b * zb + d * zd + 1, mask=inside, other=0.0).to(REAL)
    return F + b * fb, U + b * ub, Z + b * zb, C + b * cb, X + b * xb, G + b * gb, f, fi, z, zi


@triton.jit
def pairs(column, width, row, by_time, by_lane, there, BD: tl.constexpr):
    """Places of the two numbers of complex ones, which lie side by side, and which are there: (BT, 2 BD)."""
    k = tl.arange(0, 2 * BD)
    lane = column * BD + k // 2
    side = tl.max_contiguous(tl.multiple_of(lane * by_lane + k % 2, 2), 2)
    return row[:, None] * by_time + side[None, :], there[:, None] & (lane < width)[None, :]


@triton.jit
def read(P, column, width, row, by_time, by_lane, d, known, there, REAL: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
         COMPLEX: tl.constexpr, OTHER: tl.constexpr):  # fmt: skip
    """Numbers (BT, BD) where known, OTHER elsewhere; of complex ones both parts, else the same twice."""
    if COMPLEX:
        place, known_pairs = pairs(column, width, row, by_time, by_lane, there, BD)
        x, xi = tl.split(tl.reshape(tl.load(P + place, mask=known_pairs, other=0.0).to(REAL), [BT, BD, 2]))
        if OTHER != 0:
            x = tl.where(known, x, tl.full([BT, BD], OTHER, REAL))
        return x, xi
    x = tl.load(P + (row[:, None] * by_time + d[None, :] * by_lane), mask=known, other=OTHER).to(REAL)
    return x, x


@triton.jit
def write(P, column, width, row, by_time, by_lane, d, known, there, x, xi, BD: tl.constexpr, COMPLEX: tl.constexpr):
    """Write numbers (BT, BD) where they are known."""
    if COMPLEX:
        place, known_pairs = pairs(column, width, row, by_time, by_lane, there, BD)
        tl.store(P + place, tl.interleave(x, xi).to(P.dtype.element_ty), mask=known_pairs)
    else:
        tl.store(P + (row[:, None] * by_time + d[None, :] * by_lane), x.to(P.dtype.element_ty), mask=known)


@triton.jit
def maps(
    F, U, Z, M, ft, fd, ut, ud, zs, zd, mt, t0, hi, steps, width, column, d, inside, shared, shared_i, REAL: tl.constexpr, BT: tl.constexpr,
    BD: tl.constexpr, LAG: tl.constexpr, VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr,
    INITIAL: tl.constexpr,
):  # fmt: skip
    """Steps from t0 as maps ``c -> p c + e``; r marks those that start a sequence, ``ends`` those before which the adjoint's ends.

    VARIES: the gate is one a lane (0), one a step and lane (1), one a step (2).
    """
    number = tl.arange(0, BT)
    row = number.to(tl.int64)
    t = t0 + row
    there = number < tl.minimum(hi - t0, BT).to(tl.int32)
    lanes = inside[None, :] & there[:, None]
    gated = there
    if LAG == 1:
        gated = there & ((number > 0) | (t0 > 0))  # elsewhere the map keeps the state: before the adjoint's first step it is 0
    known = gated[:, None] & inside[None, :]
    if VARIES == 2:
        f = tl.load(F + (t - LAG) * ft, mask=gated, other=1.0).to(REAL)
        fi = f
        if COMPLEX:
            fi = tl.load(F + (t - LAG) * ft + 1, mask=gated, other=0.0).to(REAL)
        f, fi = tl.broadcast_to(f[:, None], [BT, BD]), tl.broadcast_to(fi[:, None], [BT, BD])
    elif VARIES == 1:
        f, fi = read(F + (t0 - LAG) * ft, column, width, row, ft, fd, d, known, gated, REAL, BT, BD, COMPLEX, 1.0)
    else:
        f = tl.where(gated[:, None], shared[None, :], tl.full([BT, BD], 1.0, REAL))
        fi = tl.where(gated[:, None], shared_i[None, :], tl.zeros([BT, BD], REAL))
    if COMPLEX and CONJ:
        fi = -fi
    e, ei = read(U + t0 * ut, column, width, row, ut, ud, d, lanes, there, REAL, BT, BD, COMPLEX, 0.0)
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
            z, zi = read(Z, column, width, sequence, zs, zd, d, first[:, None] & inside[None, :], first, REAL, BT, BD, COMPLEX, 0.0)
            if COMPLEX:
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
    C, X, G, Z, ct, cd, xt, xd, gt, gd, zs, zd, x, xi, t0, hi, ends, sequence, steps, width, column, d, inside, start, start_i,
    BT: tl.constexpr, BD: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr, GATE: tl.constexpr,
):  # fmt: skip
    """Write states to C and, from the scan's states X, the gate's gradient to G (GATE 1), over lanes (3), or return its sum in time (2)."""
    real = x.dtype
    number = tl.arange(0, BT)
    row = number.to(tl.int64)
    there = number < tl.minimum(hi - t0, BT).to(tl.int32)
    lanes = inside[None, :] & there[:, None]
    write(C + t0 * ct, column, width, row, ct, cd, d, lanes, there, x, xi, BD, COMPLEX)
    total, total_i = tl.zeros([BD], tl.float64), tl.zeros([BD], tl.float64)
    if GATE > 0:
        follows = number < tl.minimum(steps - 1 - t0, BT).to(tl.int32)
        z = tl.broadcast_to(start[None, :], [BT, BD])
        zi = tl.broadcast_to(start_i[None, :], [BT, BD])
        if PACKED:
            follows = follows & (ends == 0)
            begins = there & ends
            z, zi = read(Z, column, width, sequence, zs, zd, d, begins[:, None] & inside[None, :], begins, real, BT, BD, COMPLEX, 0.0)
        known = follows[:, None] & inside[None, :]
        y, yi = read(X + (t0 + 1) * xt, column, width, row, xt, xd, d, known, follows, real, BT, BD, COMPLEX, 0.0)
        z, zi = tl.where(known, y, z), tl.where(known, yi, zi)
        df = x * z
        dfi = df
        if COMPLEX:
            df = x * z + xi * zi
            dfi = xi * z - x * zi
        if GATE > 1:
            df = tl.where(lanes, df, tl.zeros([BT, BD], real))
            dfi = tl.where(lanes, dfi, tl.zeros([BT, BD], real))
        if GATE == 1:
            write(G + t0 * gt, column, width, row, gt, gd, d, lanes, there, df, dfi, BD, COMPLEX)
        elif GATE == 2:
            total = tl.sum(df, 0).to(tl.float64)
            total_i = tl.sum(dfi, 0).to(tl.float64)
        else:
            tl.store(G + (t0 + row) * gt, tl.sum(df, 1).to(G.dtype.element_ty), mask=there)
            if COMPLEX:
                tl.store(G + (t0 + row) * gt + 1, tl.sum(dfi, 1).to(G.dtype.element_ty), mask=there)
    return total, total_i
