"""From tensors to compiled kernels: addresses and strides, the choice by layout, and the shares of threads."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqsci.engine import pool
from seqsci.engine.memory import allocate

KINDS = {
    torch.float64: (np.empty(0, np.float64), np.float64),
    torch.float32: (np.empty(0, np.float32), np.float64),
    torch.bfloat16: (np.empty(0, np.uint16), np.float64),
    torch.complex64: (np.empty(0, np.complex64), np.complex128),
    torch.complex128: (np.empty(0, np.complex128), np.complex128),
}
"""By dtype: how a kernel reads memory, and the precision of its state."""

WIDE = 16
"""Lanes side by side in memory from which time is walked once for all of them."""

FEW = 4
"""Lanes side by side from which four at a time are faster than tiles."""

_NUMBA = importlib.util.find_spec("numba") is not None


def available() -> bool:
    """Whether numba is installed."""
    return _NUMBA


def fits(u: Tensor) -> bool:
    """Whether compiled kernels take this tensor."""
    return _NUMBA and u.dtype in KINDS and u.is_cpu


class View:
    """Address of the first element in the order of travel, and strides in elements; a broadcast axis has stride 0."""

    def __init__(self, tensor: Tensor, reverse: bool, steps: int) -> None:
        (n, m, k), (b, t, d) = tensor.shape, tensor.stride()
        b, t, d = b if n != 1 else 0, t if m != 1 else 0, d if k != 1 else 0
        self.address = tensor.data_ptr()
        if reverse and t:
            self.address += (steps - 1) * t * tensor.element_size()
            t = -t
        self.strides = (b, t, d)


def plain(x: Tensor) -> Tensor:
    """The numbers as they are in memory: no conjugate or negative that is still to be taken."""
    return x.resolve_conj().resolve_neg() if x.is_conj() or x.is_neg() else x


def bounds_of(offsets: Tensor | None, steps: int, reverse: bool) -> Any:
    """Bounds of the sequences in the order of travel."""
    bounds = np.array((0, steps), np.int64) if offsets is None else offsets.numpy().astype(np.int64)
    return np.ascontiguousarray(steps - bounds[::-1]) if reverse and offsets is not None else bounds


def compiled(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, lag: int, ends: np.ndarray | None = None) -> Tensor:
    """What `reference.loop` computes, by compiled kernels; same arguments.

    ``ends`` (B, S, D) in double precision takes the last state of every sequence that has a step, in the order of travel.
    """
    f, u, c0 = plain(f), plain(u), plain(c0)
    batch, steps, width = u.shape
    out = allocate(u)
    if width >= WIDE and u.stride(2) == 0:  # an expanded cotangent, such as that of a sum
        u = u.contiguous()
    elements = batch * steps * width
    if elements == 0:
        return out
    bounds = bounds_of(offsets, steps, reverse)
    views = (View(f, reverse, steps), View(u, reverse, steps), View(c0, reverse, len(bounds) - 1), View(out, reverse, steps))
    (kind, wide), end = KINDS[u.dtype], 0 if ends is None else ends.ctypes.data
    kinds = (kind, KINDS[c0.dtype][0])
    rows = batch * (len(bounds) - 1) * width
    if width >= WIDE and views[1].strides[2] == views[3].strides[2] == 1 and views[0].strides[2] in (0, 1):
        _lanes(kinds, wide, views, end, bounds, batch, width, lag, elements)
    elif rows <= 4 and steps >= 2 * pool.SERIAL // rows and (rows == 1 or abs(views[1].strides[1]) == 1 == abs(views[3].strides[1])):
        _split(kinds, wide, views, ends, bounds, batch, width, lag)
    elif FEW <= width < WIDE and views[1].strides[2] == views[3].strides[2] == 1:
        _few(kinds, wide, views, end, bounds, rows, width, lag, elements)
    else:
        _chains(kinds, wide, views, end, bounds, rows, width, lag, elements)
    return out


Kinds = tuple[Any, Any]


def _arguments(kinds: Kinds, views: tuple[View, ...], end: int) -> tuple[Any, ...]:
    return (*kinds, *(v.address for v in views), end, *(v.strides for v in views))


def blocks_of_lanes(elements: int, sequences: int, width: int) -> tuple[int, int, int]:
    """Lanes of a block, blocks in all, and threads; lanes are cut only where there are too few sequences."""
    count = pool.threads(elements)
    cuts = 1 if sequences >= 2 * count else count
    block = min(2048, max(WIDE, -(-width // cuts // WIDE) * WIDE if cuts > 1 else width))
    total = sequences * -(-width // block)
    return block, total, min(count, total)


def _lanes(
    kinds: Kinds, wide: Any, views: tuple[View, ...], end: int, bounds: Any, batch: int, width: int, lag: int, elements: int
) -> None:
    from seqsci.engine.kernels_numba import lanes

    block, total, count = blocks_of_lanes(elements, batch * (len(bounds) - 1), width)

    def work(part: int) -> None:
        lo, hi = pool.share(total, part, count)
        lanes(*_arguments(kinds, views, end), bounds, width, block, lo, hi, lag, np.empty(block, wide))

    pool.run(work, count)


def _few(kinds: Kinds, wide: Any, views: tuple[View, ...], end: int, bounds: Any, rows: int, width: int, lag: int, elements: int) -> None:
    from seqsci.engine.few_numba import few

    count = min(pool.threads(elements), -(-rows // FEW))

    def work(part: int) -> None:
        lo, hi = pool.share(rows, part, count, grain=FEW)
        few(*_arguments(kinds, views, end), bounds, width, lo, hi, lag, np.empty(0, wide))

    pool.run(work, count)


def _scratch(wide: Any) -> tuple[Any, Any]:
    from seqsci.engine.kernels_numba import TILE

    return np.zeros(8 * TILE, wide), np.zeros(8 * TILE, wide)


def _chains(
    kinds: Kinds, wide: Any, views: tuple[View, ...], end: int, bounds: Any, rows: int, width: int, lag: int, elements: int
) -> None:
    from seqsci.engine.kernels_numba import chains

    count = min(pool.threads(elements), -(-rows // 8))

    def work(part: int) -> None:
        lo, hi = pool.share(rows, part, count, grain=8)
        scratch = (*_scratch(wide), np.zeros(8, wide), np.empty((8, 4), np.int64), np.empty((3, 8), np.int64))
        chains(*_arguments(kinds, views, end), bounds, width, lo, hi, lag, *scratch)

    pool.run(work, count)


def _split(kinds: Kinds, wide: Any, views: tuple[View, ...], ends: Any, bounds: Any, batch: int, width: int, lag: int) -> None:
    from seqsci.engine.kernels_numba import CHUNK
    from seqsci.engine.split_numba import split

    size, start_size = (k.dtype.itemsize for k in kinds)
    for b in range(batch):
        for s, start in enumerate(bounds[:-1]):
            n = int(bounds[s + 1] - start)
            blocks = max(1, -(-(n - 1) // (8 * CHUNK)))
            for d in range(width):
                places = (start, start, s, start)
                firsts = [
                    int(v.address + (start_size if v is views[2] else size) * (b * v.strides[0] + p * v.strides[1] + d * v.strides[2]))
                    for v, p in zip(views, places, strict=True)
                ]
                if n == 0:
                    continue
                shared, carries = np.zeros(blocks + 2, np.int64), np.zeros(blocks + 1, wide)
                times = (views[0].strides[1], views[1].strides[1], views[3].strides[1])

                def work(
                    part: int, firsts: Any = firsts, times: Any = times, n: int = n, shared: Any = shared, carries: Any = carries
                ) -> None:
                    scratch = (*_scratch(wide), np.zeros((6, 8), wide), np.empty((6, 8), np.int64))
                    split(*kinds, *firsts, *times, n, lag, shared.ctypes.data, carries, *scratch)

                pool.run(work, min(pool.threads(n), blocks))
                if ends is not None:
                    ends[b, s, d] = carries[blocks]
