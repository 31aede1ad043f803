"""Compiled kernels of the gate's gradient, ``df_t = l_t bar p_t``: in one pass with the adjoint, or summed over what a gate is shared by.

Memory is described as in `kernels_numba`, in the adjoint's order of travel: the state p before a step lies one step further on, the initial
state after the last. Sums are in double precision, in an order that does not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

from seqsci.engine.intrinsics import conjugate, load, narrow, store, widen
from seqsci.engine.kernels_numba import _jit, step

SPAN = 1 << 16
"""Steps of a row that are summed by themselves."""


@_jit
def _products(kind: Any, pc: int, oc: int, pd: int, od: int, m: int, down: bool, memory: int, carry: Any) -> None:
    if down:
        for d in range(m - 1, -1, -1):
            store(kind, pd, od + d, narrow(kind, load(carry, memory, d) * conjugate(widen(load(kind, pc, oc + d)))))
    else:
        for d in range(m):
            store(kind, pd, od + d, narrow(kind, load(carry, memory, d) * conjugate(widen(load(kind, pc, oc + d)))))


@_jit
def _add_products(kind: Any, pc: int, oc: int, m: int, down: bool, memory: int, summed: int, carry: Any) -> None:
    if down:
        for d in range(m - 1, -1, -1):
            x = load(carry, memory, d) * conjugate(widen(load(kind, pc, oc + d)))
            store(carry, summed, d, load(carry, summed, d) + x)
    else:
        for d in range(m):
            x = load(carry, memory, d) * conjugate(widen(load(kind, pc, oc + d)))
            store(carry, summed, d, load(carry, summed, d) + x)


@_jit
def lanes_adjoint(
    kind: Any, pf: int, pg: int, pz: int, pl: int, pc: int, pd: int, fs: Any, gs: Any, zs: Any, ls: Any, cs: Any, ds: Any, offsets: Any,
    D: int, block: int, lo: int, hi: int, carry: Any, total: Any, sums: Any, full: bool,
) -> None:  # fmt: skip
    """The adjoint l, and df or its sums over time (a row of ``sums`` a sequence); all but f and c0 are contiguous along D."""
    down, S, columns, memory, summed = ls[1] < 0, len(offsets) - 1, (D + block - 1) // block, carry.ctypes.data, total.ctypes.data
    for w in range(lo, hi):
        r, d0 = w // columns, w % columns * block
        b, s = r // S, r % S
        n, m = offsets[s + 1] - offsets[s], min(block, D - d0)
        of = b * fs[0] + (offsets[s] - 1) * fs[1] + d0 * fs[2]
        og = b * gs[0] + offsets[s] * gs[1] + d0
        ol = b * ls[0] + offsets[s] * ls[1] + d0
        oc = b * cs[0] + offsets[s] * cs[1] + d0
        od = b * ds[0] + offsets[s] * ds[1] + d0
        oz = b * zs[0] + s * zs[1] + d0 * zs[2]
        total[:m] = 0
        for t in range(n):
            oc += cs[1]
            if t > 0:
                step(kind, pf, of, fs[2] == 0, pg, og, pl, ol, m, down, memory, carry)
            else:
                for d in range(m):
                    x = widen(load(kind, pg, og + d))
                    store(carry, memory, d, x)
                    store(kind, pl, ol + d, narrow(kind, x))
            if t == n - 1:
                for d in range(m):
                    x = load(carry, memory, d) * conjugate(widen(load(kind, pz, oz + d * zs[2])))
                    if full:
                        store(kind, pd, od + d, narrow(kind, x))
                    else:
                        total[d] += x
            elif full:
                _products(kind, pc, oc, pd, od, m, down, memory, carry)
            else:
                _add_products(kind, pc, oc, m, down, memory, summed, carry)
            of, og, ol, od = of + fs[1], og + gs[1], ol + ls[1], od + ds[1]
        if not full:
            sums[r, d0 : d0 + m] = total[:m]


@_jit
def last_products(
    kind: Any, pl: int, pz: int, pd: int, lt: int, ld: int, zs: int, zd: int, dt: int, dd: int, offsets: Any, D: int, lo: int, hi: int
) -> None:  # fmt: skip
    """``df`` of a gate that is not shared, at the last steps of the packed sequences lo to hi, where p is the initial state."""
    for s in range(lo, hi):
        t = offsets[s + 1] - 1
        if t >= offsets[s]:
            for d in range(D):
                x = widen(load(kind, pl, t * lt + d * ld)) * conjugate(widen(load(kind, pz, s * zs + d * zd)))
                store(kind, pd, t * dt + d * dd, narrow(kind, x))


@_jit
def time_sums(
    kind: Any, pl: int, pc: int, pz: int, ls: Any, cs: Any, zs: Any, offsets: Any, D: int, lo: int, hi: int, spans: int, sums: Any
) -> None:  # fmt: skip
    """Sums of df over spans of a row of time, for the pieces lo to hi of rows times spans: ``sums[row, span]``, which starts from zero."""
    S, row, span = len(offsets) - 1, lo // spans, lo % spans
    r, d = row // D, row % D
    b, s = r // S, r % S
    for _ in range(lo, hi):
        start, n = span * SPAN, offsets[s + 1] - offsets[s]
        end = min(n - 1, start + SPAN)  # the last step is multiplied by the initial state
        ol = b * ls[0] + offsets[s] * ls[1] + d * ls[2]
        oc = b * cs[0] + (offsets[s] + 1) * cs[1] + d * cs[2]
        whole = start + max(0, end - start) // 4 * 4
        p = q = x = y = sums[row, span]
        for t in range(start, whole, 4):
            a, c = ol + t * ls[1], oc + t * cs[1]
            p += widen(load(kind, pl, a)) * conjugate(widen(load(kind, pc, c)))
            q += widen(load(kind, pl, a + ls[1])) * conjugate(widen(load(kind, pc, c + cs[1])))
            x += widen(load(kind, pl, a + 2 * ls[1])) * conjugate(widen(load(kind, pc, c + 2 * cs[1])))
            y += widen(load(kind, pl, a + 3 * ls[1])) * conjugate(widen(load(kind, pc, c + 3 * cs[1])))
        for t in range(whole, end):
            p += widen(load(kind, pl, ol + t * ls[1])) * conjugate(widen(load(kind, pc, oc + t * cs[1])))
        if start <= n - 1 < start + SPAN:
            z = widen(load(kind, pz, b * zs[0] + s * zs[1] + d * zs[2]))
            p += widen(load(kind, pl, ol + (n - 1) * ls[1])) * conjugate(z)
        sums[row, span] = (p + q) + (x + y)
        span += 1
        if span == spans:
            span, row, d = 0, row + 1, d + 1
            if d == D:
                d, s = 0, s + 1
                if s == S:
                    s, b = 0, b + 1


@_jit
def step_sums(
    kind: Any, pl: int, pc: int, pz: int, ls: Any, cs: Any, zs: Any, offsets: Any, B: int, D: int, lo: int, hi: int, sums: Any
) -> None:  # fmt: skip
    """Sums of df over sequences or lanes, for steps lo to hi: ``sums`` has shape (B|1, T, D|1) and starts from zero."""
    rows, lanes, zero = sums.shape[0] > 1, sums.shape[2] > 1, 0 * sums[0, 0, 0]
    for s in range(len(offsets) - 1):
        for b in range(B):
            for t in range(max(lo, offsets[s]), min(hi, offsets[s + 1])):
                ol, pp, op, step = b * ls[0] + t * ls[1], pc, b * cs[0] + (t + 1) * cs[1], cs[2]
                if t == offsets[s + 1] - 1:
                    pp, op, step = pz, b * zs[0] + s * zs[1], zs[2]
                to = b if rows else 0
                if lanes:
                    for d in range(D):
                        sums[to, t, d] += widen(load(kind, pl, ol + d * ls[2])) * conjugate(widen(load(kind, pp, op + d * step)))
                else:
                    p = q = x = y = zero
                    for d in range(0, D // 4 * 4, 4):
                        i, k = ol + d * ls[2], op + d * step
                        p += widen(load(kind, pl, i)) * conjugate(widen(load(kind, pp, k)))
                        q += widen(load(kind, pl, i + ls[2])) * conjugate(widen(load(kind, pp, k + step)))
                        x += widen(load(kind, pl, i + 2 * ls[2])) * conjugate(widen(load(kind, pp, k + 2 * step)))
                        y += widen(load(kind, pl, i + 3 * ls[2])) * conjugate(widen(load(kind, pp, k + 3 * step)))
                    for d in range(D // 4 * 4, D):
                        p += widen(load(kind, pl, ol + d * ls[2])) * conjugate(widen(load(kind, pp, op + d * step)))
                    sums[to, t, 0] += (p + q) + (x + y)
