"""How (B, T, D) is cut into tiles and chunks of time, by layout, size of a number and number of multiprocessors."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from seqsci.engine.accelerator import INTERPRET

TILE_BYTES = 256 if INTERPRET else 2048
"""Memory of a tile of lanes that lie side by side; tiles of rows contiguous in time are twice as large, and have four warps."""

LANE_BYTES = 32 if INTERPRET else 128
"""Neighbouring lanes of a program: a line of the cache; half of it where there would be too few programs."""

KEPT_BYTES = 128 if INTERPRET else 8192
"""Memory of the states of a tile that a program keeps in registers while it waits; twice as much where lanes are contiguous in time."""

WARPS = {2: 64, 4: 3}
"""Warps that a multiprocessor wants before time is left in one piece, by bytes of a number; 2 where they are wider."""

MOST = 2**31 - 1
"""Programs of a launch."""

GROUP = 8 if INTERPRET else 512
"""Tiles of all lanes together that wait for one another's maps before a state is handed on, which takes a card a microsecond."""


@dataclass(frozen=True)
class Plan:
    """How (B, T, D) is cut: BT steps by BD lanes a tile.

    With one chunk a program walks all of time. With several each tile is one, ``group`` of them hand a state on, whose maps are read
    ``rows`` at a time; ``walk`` is BT of a column that is walked after all. ``apart``: a thread has that many lanes to itself, which costs
    no exchange between threads; 0: it shares them.
    """

    BT: int
    BD: int
    warps: int
    stages: int
    chunks: int
    group: int
    rows: int
    apart: int
    walk: int


@functools.cache
def processors(device: int | None) -> int:
    """Multiprocessors of a card; the interpreter pretends to have few."""
    return 4 if device is None else torch.cuda.get_device_properties(device).multi_processor_count


Shape = tuple[int, int, int]


@functools.lru_cache(maxsize=4096)
def plan(shape: Shape, strides: tuple[int, int, int], size: int, count: int, packed: bool = False) -> Plan:
    """Cut (B, T, D) of numbers of ``size`` bytes for ``count`` multiprocessors."""
    whole, tiled = walked(shape, strides, size, count), looked_back(shape, strides, size, packed)
    few = shape[0] * -(-shape[2] // whole.BD) * whole.warps < WARPS.get(size, 2) * count
    return tiled if few and tiled.chunks >= 4 and shape[0] * -(-shape[2] // tiled.BD) * tiled.chunks <= MOST else whole


def _by_time(shape: Shape, strides: tuple[int, int, int]) -> bool:
    return shape[1] > 1 and (shape[2] == 1 or abs(strides[1]) < abs(strides[2]))


def walked(shape: Shape, strides: tuple[int, int, int], size: int, count: int) -> Plan:
    """The cut in which a program walks all of time."""
    batch, steps, width = shape
    by_time = _by_time(shape, strides)
    tile = max(1, (2 if by_time and not INTERPRET else 1) * TILE_BYTES // size)
    if by_time:
        BT = min(_power(steps), tile)
        BD = min(_power(width), tile // BT)
    else:
        BD = min(_power(width), max(1, LANE_BYTES // size))
        if batch * -(-width // BD) < 4 * count and BD * size > LANE_BYTES // 2 and BD > 1:  # a warp for each of the four schedulers
            BD //= 2
        BT = min(_power(steps), tile // BD)
    apart = 0 if by_time or (size < 4 and BD < 64) else max(1, 4 // size)
    return Plan(BT, BD, 4 if BT * BD >= 512 and by_time else 1, 3 if by_time else 6, 1, 1, 1, apart, BT)


def looked_back(shape: Shape, strides: tuple[int, int, int], size: int, packed: bool) -> Plan:
    """The cut in which a program takes one tile and waits for what comes before it."""
    batch, steps, width = shape
    by_time = _by_time(shape, strides)
    tile = (2 if by_time and not INTERPRET else 1) * KEPT_BYTES // max(size, 4) // (2 if packed else 1)
    if by_time:
        BT = min(_power(steps), tile)
        BD = min(_power(width), tile // BT)
        rows = group = max(2, (8 if INTERPRET else 256) // BD)
    else:
        BD = min(_power(width), (2 if INTERPRET else 32) * (4 // size if size < 4 else 1))
        BT = min(_power(steps), max(1, tile // BD // (1 if BD >= 32 else 2)))  # threads that share lanes need registers to exchange
        rows = 2 if INTERPRET else 8
        group = min(max(_power(GROUP // (batch * -(-width // BD))), rows), 16 * rows)
    apart = 0 if by_time or BD < 32 else BD // 32
    walk = min(BT, max(1, (2 if by_time and not INTERPRET else 1) * TILE_BYTES // size // BD))
    return Plan(BT, BD, 4 if by_time and BT * BD >= 512 else 1, 3 if by_time else 6, -(-steps // BT), group, rows, apart, walk)


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length() if n > 1 else 1
