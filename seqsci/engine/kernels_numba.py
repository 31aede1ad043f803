"""Compiled kernels of the scan, by memory layout; every state is carried in double precision.

All take the same description of (B, T, D) memory: an address a tensor and strides in elements (negative to go back in time), ``offsets``
of the S sequences along T in the order of travel, and ``lag`` (0: the gate of this step; 1: of the step before, the first step has none).
The initial states have a kind of their own, ``initial``: a stream carries them in double precision. ``pe`` is the address of (B S, D) last
states in double precision, in the order of travel; nobody asks for them where it is 0.

`lanes` walks time and is vectorised over contiguous lanes. `chains` walks eight rows at once through tiles in the first cache, because
one row is limited by the latency of a multiply and an add. `split_numba.split` cuts one long row into blocks of eight chunks: product and
end of each chunk, carry from the block before, then a replay while the block is in cache. Blocks are claimed in order and composed in
order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb

from seqsci.engine.intrinsics import load, narrow, store, widen
from seqsci.engine.vectors import advance

TILE = 128
CHUNK = 16 * TILE
SHORT = 64
"""Steps of a row that are run one after the other: fewer do not repay a tile."""
GROWTH = 1e6
"""Above this product of gates a chunk's carry is replayed, not composed: an inf or a cancellation would not be what the loop gives."""

_jit: Callable[[Any], Any] = nb.njit(nogil=True, cache=True, error_model="numpy")


@_jit
def step(
    kind: Any, pf: int, of: int, shared: bool, pu: int, ou: int, pc: int, oc: int, m: int, down: bool, memory: int, carry: Any
) -> None:  # fmt: skip
    """``c[d] = f[d] c[d] + u[d]`` for m lanes. Where time goes down in memory lanes do too: processors foresee one direction."""
    if shared:
        g = widen(load(kind, pf, of))
        if down:
            for d in range(m - 1, -1, -1):
                x = g * load(carry, memory, d) + widen(load(kind, pu, ou + d))
                store(carry, memory, d, x)
                store(kind, pc, oc + d, narrow(kind, x))
        else:
            for d in range(m):
                x = g * load(carry, memory, d) + widen(load(kind, pu, ou + d))
                store(carry, memory, d, x)
                store(kind, pc, oc + d, narrow(kind, x))
    elif down:
        for d in range(m - 1, -1, -1):
            x = widen(load(kind, pf, of + d)) * load(carry, memory, d) + widen(load(kind, pu, ou + d))
            store(carry, memory, d, x)
            store(kind, pc, oc + d, narrow(kind, x))
    else:
        for d in range(m):
            x = widen(load(kind, pf, of + d)) * load(carry, memory, d) + widen(load(kind, pu, ou + d))
            store(carry, memory, d, x)
            store(kind, pc, oc + d, narrow(kind, x))


@_jit
def lanes(
    kind: Any, initial: Any, pf: int, pu: int, pz: int, pc: int, pe: int, fs: Any, us: Any, zs: Any, cs: Any, offsets: Any, D: int,
    block: int, lo: int, hi: int, lag: int, carry: Any,
) -> None:  # fmt: skip
    """Vectorised over D; u and c contiguous along it, f contiguous or constant."""
    S, columns, memory = len(offsets) - 1, (D + block - 1) // block, carry.ctypes.data
    ft, ut, ct = fs[1], us[1], cs[1]
    for w in range(lo, hi):
        r, d0 = w // columns, w % columns * block
        b, s = r // S, r % S
        n, m = offsets[s + 1] - offsets[s], min(block, D - d0)
        of = b * fs[0] + (offsets[s] - lag) * ft + d0 * fs[2]
        ou = b * us[0] + offsets[s] * ut + d0
        oc = b * cs[0] + offsets[s] * ct + d0
        oz = b * zs[0] + s * zs[1] + d0 * zs[2]
        for t in range(n):
            if t > 0:
                step(kind, pf, of, fs[2] == 0, pu, ou, pc, oc, m, ct < 0, memory, carry)
            else:
                for d in range(m):
                    x = widen(load(kind, pu, ou + d))
                    if lag == 0:
                        x += widen(load(kind, pf, of + d * fs[2])) * widen(load(initial, pz, oz + d * zs[2]))
                    store(carry, memory, d, x)
                    store(kind, pc, oc + d, narrow(kind, x))
            of, ou, oc = of + ft, ou + ut, oc + ct
        if pe != 0 and n > 0:
            for d in range(m):
                store(carry, pe, r * D + d0 + d, load(carry, memory, d))


@_jit
def _fill(kind: Any, address: int, at: int, stride: int, count: int, row: Any, base: int) -> None:
    memory = row.ctypes.data
    if stride == 1:
        for j in range(count):
            store(row, memory, base + j, widen(load(kind, address, at + j)))
    elif stride == -1:
        for j in range(count):
            store(row, memory, base + j, widen(load(kind, address, at - j)))
    elif stride == 0:
        x = widen(load(kind, address, at))
        for j in range(count):
            store(row, memory, base + j, x)
    else:
        for j in range(count):
            store(row, memory, base + j, widen(load(kind, address, at + j * stride)))


@_jit
def _flush(kind: Any, address: int, at: int, stride: int, count: int, row: Any, base: int) -> None:
    memory = row.ctypes.data
    if stride == 1:
        for j in range(count):
            store(kind, address, at + j, narrow(kind, load(row, memory, base + j)))
    elif stride == -1:
        for j in range(count):
            store(kind, address, at - j, narrow(kind, load(row, memory, base + j)))
    else:
        for j in range(count):
            store(kind, address, at + j * stride, narrow(kind, load(row, memory, base + j)))


@_jit
def _run_tile(F: Any, U: Any, carry: Any, count: int) -> None:
    """Eight independent chains, so that one's latency hides behind the others; states replace U."""
    a, b, c, d, e, f, g, h = carry[0], carry[1], carry[2], carry[3], carry[4], carry[5], carry[6], carry[7]
    for j in range(count):
        a = F[j] * a + U[j]
        b = F[TILE + j] * b + U[TILE + j]
        c = F[2 * TILE + j] * c + U[2 * TILE + j]
        d = F[3 * TILE + j] * d + U[3 * TILE + j]
        e = F[4 * TILE + j] * e + U[4 * TILE + j]
        f = F[5 * TILE + j] * f + U[5 * TILE + j]
        g = F[6 * TILE + j] * g + U[6 * TILE + j]
        h = F[7 * TILE + j] * h + U[7 * TILE + j]
        U[j], U[TILE + j], U[2 * TILE + j], U[3 * TILE + j] = a, b, c, d
        U[4 * TILE + j], U[5 * TILE + j], U[6 * TILE + j], U[7 * TILE + j] = e, f, g, h
    carry[0], carry[1], carry[2], carry[3], carry[4], carry[5], carry[6], carry[7] = a, b, c, d, e, f, g, h


@_jit
def chains(
    kind: Any, initial: Any, pf: int, pu: int, pz: int, pc: int, pe: int, fs: Any, us: Any, zs: Any, cs: Any, offsets: Any, D: int, lo: int,
    hi: int, lag: int, F: Any, U: Any, carry: Any, at: Any, places: Any,
) -> None:  # fmt: skip
    """Rows lo to hi in groups of eight, any strides; where time is contiguous, through registers, else and at long ends through tiles."""
    S, size, ft, ut, ct = len(offsets) - 1, kind.itemsize, fs[1], us[1], cs[1]
    r, d = lo // D, lo % D
    b, s = r // S, r % S
    for group in range(lo, hi, 8):
        m, longest, shortest = min(8, hi - group), 0, offsets[S]
        for q in range(m):
            first = offsets[s]
            n = offsets[s + 1] - first
            of = b * fs[0] + (first - lag) * ft + d * fs[2]
            ou = b * us[0] + first * ut + d * us[2]
            oc = b * cs[0] + first * ct + d * cs[2]
            at[q, 0], at[q, 1], at[q, 2], at[q, 3] = of, ou, oc, n
            longest, shortest = max(longest, n), min(shortest, n)
            if n > 0:
                x = widen(load(kind, pu, ou))
                if lag == 0:
                    x += widen(load(kind, pf, of)) * widen(load(initial, pz, b * zs[0] + s * zs[1] + d * zs[2]))
                carry[q] = x
                store(kind, pc, oc, narrow(kind, x))
            d += 1
            if d == D:
                d, s = 0, s + 1
                if s == S:
                    s, b = 0, b + 1
        start = 1
        if shortest > 8 and ut == ct:
            for q in range(8):  # where there are fewer, the last row is computed again
                p = min(q, m - 1)
                places[0, q] = pf + (at[p, 0] + ft) * size
                places[1, q] = pu + (at[p, 1] + ut) * size
                places[2, q] = pc + (at[p, 2] + ct) * size
                carry[q] = carry[p]
            table, blocks = places.ctypes.data, (shortest - 1) // 8
            if advance(kind, table, table + 64, table + 128, blocks, carry.ctypes.data, ft, ut):
                start = 1 + 8 * blocks
        rest = 0
        for q in range(m):
            rest += max(0, at[q, 3] - start)
        if longest - start <= SHORT or rest <= 3 * (longest - start):  # a tile takes as long for one row as for eight
            for q in range(m):
                x, of, ou, oc = carry[q], at[q, 0] + start * ft, at[q, 1] + start * ut, at[q, 2] + start * ct
                for _ in range(start, at[q, 3]):
                    x = widen(load(kind, pf, of)) * x + widen(load(kind, pu, ou))
                    store(kind, pc, oc, narrow(kind, x))
                    of, ou, oc = of + ft, ou + ut, oc + ct
                carry[q] = x
            start = longest
        if pe != 0:
            for q in range(m):
                if at[q, 3] > 0:
                    store(carry, pe, group + q, carry[q])
        for i in range(start, longest, TILE):
            for q in range(m):
                count = min(TILE, at[q, 3] - i)
                if count > 0:
                    _fill(kind, pf, at[q, 0] + i * ft, ft, count, F, q * TILE)
                    _fill(kind, pu, at[q, 1] + i * ut, ut, count, U, q * TILE)
            _run_tile(F, U, carry, min(TILE, longest - i))
            for q in range(m):
                count = min(TILE, at[q, 3] - i)
                if count > 0:
                    _flush(kind, pc, at[q, 2] + i * ct, ct, count, U, q * TILE)
                    if pe != 0:
                        store(carry, pe, group + q, U[q * TILE + count - 1])
