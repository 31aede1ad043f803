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


@dataclass(frozen=True)
class Plan:
    """How (B, T, D) is cut: BT steps by BD lanes a tile, and chunks of ``length`` steps.

    ``apart``: a thread a lane, which costs no exchange between threads; numbers of two bytes could then not be loaded ahead of use.
    """

    BT: int
    BD: int
    warps: int
    stages: int
    chunks: int
    length: int
    apart: bool


@functools.cache
def processors(device: int | None) -> int:
    """Multiprocessors of a card; the interpreter pretends to have few."""
    return 4 if device is None else torch.cuda.get_device_properties(device).multi_processor_count


def plan(shape: tuple[int, int, int], strides: tuple[int, int, int], size: int, count: int, whole: bool = False) -> Plan:
    """Cut (B, T, D) of numbers of ``size`` bytes for ``count`` multiprocessors; ``whole``: in one chunk."""
    batch, steps, width = shape
    by_time = steps > 1 and (width == 1 or abs(strides[1]) < abs(strides[2]))
    tile = max(1, (2 if by_time and not INTERPRET else 1) * TILE_BYTES // size)
    if by_time:
        BT = min(_power(steps), tile)
        BD = min(_power(width), tile // BT)
        programs = batch * -(-width // BD)
    else:
        BD = min(_power(width), max(1, LANE_BYTES // size))
        programs = batch * -(-width // BD)
        if programs < 4 * count and BD * size > LANE_BYTES // 2 and BD > 1:  # a warp for each of the four schedulers
            BD, programs = BD // 2, batch * -(-width // (BD // 2))
        BT = min(_power(steps), tile // BD)
    chunks, length = 1, steps
    if not whole and 2 * programs < 3 * count and steps >= 8 * BT:
        least = 4 * BT
        length = -(-steps * programs // (8 * count) // least) * least
        chunks = -(-steps // length)
    return Plan(BT, BD, 4 if BT * BD >= 512 and by_time else 1, 3 if by_time else 6, chunks, length, not by_time and size >= 4)


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length() if n > 1 else 1
