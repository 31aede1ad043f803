"""The compiled kernel of one long row, shared by several threads; see `kernels_numba` for the way it goes."""

from __future__ import annotations

from typing import Any

from seqsci.engine.intrinsics import claim, load, narrow, publish, published, store, widen
from seqsci.engine.kernels_numba import CHUNK, GROWTH, TILE, _fill, _flush, _jit, _run_tile
from seqsci.engine.vectors import advance, summarise


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
def split(
    kind: Any, first: Any, pf: int, pu: int, pz: int, pc: int, ft: int, ut: int, ct: int, n: int, lag: int, shared: int, carries: Any,
    F: Any, U: Any, state: Any, product: Any, start: Any, places: Any,
) -> None:  # fmt: skip
    """Claim blocks of a row until none is left; ``shared`` is the address of the counter, the flags of the carries follow it.

    The carry after the last block is the last state.
    """
    blocks, size = max(1, (n - 1 + 8 * CHUNK - 1) // (8 * CHUNK)), kind.itemsize
    while True:
        k = claim(shared)
        if k >= blocks:
            return
        lo = 1 + k * 8 * CHUNK
        hi = min(n, lo + 8 * CHUNK)
        length = (hi - lo + 7) // 8
        state[:], product[:] = 0, 1
        done, table = False, places.ctypes.data
        if hi - lo == 8 * CHUNK and ut == ct:
            for q in range(8):
                t = lo + q * CHUNK
                places[0, q] = pf + (t - lag) * ft * size
                places[1, q] = pu + t * ut * size
                places[2, q] = pc + t * ct * size
            done = summarise(kind, table, table + 64, CHUNK // 8, state.ctypes.data, product.ctypes.data, ft, ut)
        if not done:
            for i in range(0, length, TILE):
                _fill_tile(kind, pf, pu, ft, ut, lo, hi, length, i, lag, F, U)
                _summarise_tile(F, U, state, product, min(TILE, length - i))
        if k == 0:
            x = widen(load(kind, pu, 0))
            if lag == 0:
                x += widen(load(kind, pf, 0)) * widen(load(first, pz, 0))
            store(kind, pc, 0, narrow(kind, x))
        else:
            while published(shared + 8 * k) == 0:
                pass
            x = carries[k]
        for q in range(8):
            start[q] = x
            if abs(product[q]) <= GROWTH and abs(state[q]) <= 1e300:
                x = product[q] * x + state[q]
            else:
                for t in range(lo + q * length, min(hi, lo + (q + 1) * length)):
                    x = widen(load(kind, pf, (t - lag) * ft)) * x + widen(load(kind, pu, t * ut))
        carries[k + 1] = x
        if k + 1 < blocks:
            publish(shared + 8 * (k + 1), 1)
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
