"""The compiled kernel of a few lanes side by side in memory: four at a time, states in registers.

Memory is described as in `kernels_numba`. Every row is computed in the order of the loop. Nothing is called from within: a call that passes
an array counts references, which costs more than a short row.
"""

from __future__ import annotations

from typing import Any

from seqsci.engine.intrinsics import load, narrow, store, widen
from seqsci.engine.kernels_numba import _jit


@_jit
def few(
    kind: Any, initial: Any, pf: int, pu: int, pz: int, pc: int, pe: int, fs: Any, us: Any, zs: Any, cs: Any, offsets: Any, D: int, lo: int,
    hi: int, lag: int, wide: Any,
) -> None:  # fmt: skip
    """Rows lo to hi; u and c contiguous along D; ``wide`` is an empty array in the precision of the states."""
    S, ft, ut, ct, fd, zd = len(offsets) - 1, fs[1], us[1], cs[1], fs[2], zs[2]
    r, d = lo // D, lo % D
    b, s, row = r // S, r % S, lo
    while row < hi:
        first = offsets[s]
        n = offsets[s + 1] - first
        of = b * fs[0] + (first - lag) * ft + d * fd
        ou = b * us[0] + first * ut + d
        oc = b * cs[0] + first * ct + d
        oz = b * zs[0] + s * zs[1] + d * zd
        m = 4 if d + 4 <= D and row + 4 <= hi else 1
        if n == 0:
            pass
        elif m == 1:
            x = widen(load(kind, pu, ou))
            if lag == 0:
                x += widen(load(kind, pf, of)) * widen(load(initial, pz, oz))
            store(kind, pc, oc, narrow(kind, x))
            for _ in range(1, n):
                of, ou, oc = of + ft, ou + ut, oc + ct
                x = widen(load(kind, pf, of)) * x + widen(load(kind, pu, ou))
                store(kind, pc, oc, narrow(kind, x))
            if pe != 0:
                store(wide, pe, row, x)
        else:
            p, q = widen(load(kind, pu, ou)), widen(load(kind, pu, ou + 1))
            y, z = widen(load(kind, pu, ou + 2)), widen(load(kind, pu, ou + 3))
            if lag == 0:
                p += widen(load(kind, pf, of)) * widen(load(initial, pz, oz))
                q += widen(load(kind, pf, of + fd)) * widen(load(initial, pz, oz + zd))
                y += widen(load(kind, pf, of + 2 * fd)) * widen(load(initial, pz, oz + 2 * zd))
                z += widen(load(kind, pf, of + 3 * fd)) * widen(load(initial, pz, oz + 3 * zd))
            store(kind, pc, oc, narrow(kind, p))
            store(kind, pc, oc + 1, narrow(kind, q))
            store(kind, pc, oc + 2, narrow(kind, y))
            store(kind, pc, oc + 3, narrow(kind, z))
            for _ in range(1, n):
                of, ou, oc = of + ft, ou + ut, oc + ct
                p = widen(load(kind, pf, of)) * p + widen(load(kind, pu, ou))
                q = widen(load(kind, pf, of + fd)) * q + widen(load(kind, pu, ou + 1))
                y = widen(load(kind, pf, of + 2 * fd)) * y + widen(load(kind, pu, ou + 2))
                z = widen(load(kind, pf, of + 3 * fd)) * z + widen(load(kind, pu, ou + 3))
                store(kind, pc, oc, narrow(kind, p))
                store(kind, pc, oc + 1, narrow(kind, q))
                store(kind, pc, oc + 2, narrow(kind, y))
                store(kind, pc, oc + 3, narrow(kind, z))
            if pe != 0:
                store(wide, pe, row, p)
                store(wide, pe, row + 1, q)
                store(wide, pe, row + 2, y)
                store(wide, pe, row + 3, z)
        row += m
        d += m
        if d == D:
            d, s = 0, s + 1
            if s == S:
                s, b = 0, b + 1
