"""The compiled kernel of one long row, shared by several threads; see `kernels_numba` for the way it goes."""

from __future__ import annotations

from typing import Any

from seqsci.engine.intrinsics import claim, load, narrow, publish, published, store, widen
from seqsci.engine.kernels_numba import CHUNK, GROWTH, TILE, _fill, _flush, _jit, _run_tile
from seqsci.engine.vectors import advance, summarise

PATIENCE = 10_000
"""Looks at a flag, a few microseconds: about as long as it takes to compute what is waited for."""


@_jit
def _summarise_tile(F: Any, U: Any, end: Any, product: Any, count: int) -> None:
    """Product of the gates and end from zero of eight chunks."""
    for half in range(0, 8, 4):
        o = half * TILE
        a, b, c, d = end[half], end[half + 1], end[half + 2], end[half + 3]
        p, q, r, s = product[half], product[half + 1], product[half + 2], product[half + 3]
        for j in range(o, o + count):
            f, g, h, k = F[j], F[TILE + j], F[2 * TILE + j], F[3 * TILE + j]
            a, b, c, d = f * a + U[j], g * b + U[TILE + j], h * c + U[2 * TILE + j], k * d + U[3 * TILE + j]
            p, q, r, s = p * f, q * g, r * h, s * k
        end[half], end[half + 1], end[half + 2], end[half + 3] = a, b, c, d
        product[half], product[half + 1], product[half + 2], product[half + 3] = p, q, r, s


@_jit
def _fill_tile(
    kind: Any, pf: int, pu: int, ft: int, ut: int, lo: int, hi: int, length: int, i: int, lag: int, F: Any, U: Any
) -> None:  # fmt: skip
    for q in range(8):
        start = lo + q * length + i
        count = max(0, min(TILE, min(hi, lo + (q + 1) * length) - start))
        _fill(kind, pf, (start - lag) * ft, ft, count, F, q * TILE)
        _fill(kind, pu, start * ut, ut, count, U, q * TILE)
        for j in range(count, min(TILE, length - i)):
            F[q * TILE + j] = 1
            U[q * TILE + j] = 0


@_jit
def _summarise_block(
    kind: Any, pf: int, pu: int, pc: int, ft: int, ut: int, ct: int, n: int, lag: int, k: int, F: Any, U: Any, state: Any, product: Any,
    places: Any,
) -> bool:  # fmt: skip
    """Ends from zero and products of the eight chunks of block k; whether through registers, for which ``places`` holds the addresses."""
    lo, size, table = 1 + k * 8 * CHUNK, kind.itemsize, places.ctypes.data
    hi = min(n, lo + 8 * CHUNK)
    state[:], product[:] = 0, 1
    if hi - lo == 8 * CHUNK and ut == ct:
        for q in range(8):
            first = lo + q * CHUNK
            places[0, q], places[1, q], places[2, q] = (
                pf + (first - lag) * ft * size,
                pu + first * ut * size,
                pc + first * ct * size,
            )
        if summarise(kind, table, table + 64, CHUNK // 8, state.ctypes.data, product.ctypes.data, ft, ut):
            return True
    length = (hi - lo + 7) // 8
    for i in range(0, length, TILE):
        _fill_tile(kind, pf, pu, ft, ut, lo, hi, length, i, lag, F, U)
        _summarise_tile(F, U, state, product, min(TILE, length - i))
    return False


@_jit
def _compose(
    kind: Any, pf: int, pu: int, ft: int, ut: int, n: int, lag: int, k: int, state: Any, product: Any, start: Any, shared: int, carries: Any
) -> None:  # fmt: skip
    """From the carry into block k the states before its chunks and the carry out of it, which is published."""
    lo = 1 + k * 8 * CHUNK
    hi = min(n, lo + 8 * CHUNK)
    length, x = (hi - lo + 7) // 8, carries[k]
    for q in range(8):
        start[q] = x
        if abs(product[q]) <= GROWTH and abs(state[q]) <= 1e300:
            x = product[q] * x + state[q]
        else:
            for t in range(lo + q * length, min(hi, lo + (q + 1) * length)):
                x = widen(load(kind, pf, (t - lag) * ft)) * x + widen(load(kind, pu, t * ut))
    if published(shared + 8 * (k + 1)) == 0:
        carries[k + 1] = x
        publish(shared + 8 * (k + 1), 1)


@_jit
def split(
    kind: Any, initial: Any, pf: int, pu: int, pz: int, pc: int, ft: int, ut: int, ct: int, n: int, lag: int, shared: int, carries: Any,
    F: Any, U: Any, scratch: Any, places: Any,
) -> None:  # fmt: skip
    """Claim blocks of a row until none is left; ``shared`` is the address of the counter, the flags of the carries follow it.

    The carry after the last block is the last state. A thread that waits too long for the carry of a block that another one has (and was
    put off the processor with) computes it as well.
    """
    blocks, table = max(1, (n - 1 + 8 * CHUNK - 1) // (8 * CHUNK)), places.ctypes.data
    state, product, start = scratch[0], scratch[1], scratch[2]
    x = widen(load(kind, pu, 0))
    if lag == 0:
        x += widen(load(kind, pf, 0)) * widen(load(initial, pz, 0))
    while True:
        k = claim(shared)
        if k >= blocks:
            return
        lo = 1 + k * 8 * CHUNK
        hi = min(n, lo + 8 * CHUNK)
        length = (hi - lo + 7) // 8
        done = _summarise_block(kind, pf, pu, pc, ft, ut, ct, n, lag, k, F, U, state, product, places)
        if k == 0:
            store(kind, pc, 0, narrow(kind, x))
        waited = 0
        while k > 0 and published(shared + 8 * k) == 0:
            waited += 1
            if waited > PATIENCE:
                late = k - 1
                while late > 0 and published(shared + 8 * late) == 0:
                    late -= 1
                if late == 0:
                    carries[0] = x
                _summarise_block(kind, pf, pu, pc, ft, ut, ct, n, lag, late, F, U, scratch[3], scratch[4], places[3:])
                _compose(kind, pf, pu, ft, ut, n, lag, late, scratch[3], scratch[4], scratch[5], shared, carries)
        if k == 0:
            carries[0] = x
        _compose(kind, pf, pu, ft, ut, n, lag, k, state, product, start, shared, carries)
        if done:
            advance(kind, table, table + 64, table + 128, CHUNK // 8, start.ctypes.data, ft, ut)
            continue
        for i in range(0, length, TILE):
            _fill_tile(kind, pf, pu, ft, ut, lo, hi, length, i, lag, F, U)
            _run_tile(F, U, start, min(TILE, length - i))
            for q in range(8):
                at = lo + q * length + i
                count = max(0, min(TILE, min(hi, lo + (q + 1) * length) - at))
                _flush(kind, pc, at * ct, ct, count, U, q * TILE)
