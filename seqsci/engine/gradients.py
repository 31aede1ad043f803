"""The adjoint and the gate's gradient, ``df_t = l_t bar p_t`` summed to the shape of the gate, for the layouts that memory can have.

A gate that is shared (a number, per channel, per step, per row) has its gradient summed in compiled code, in double precision; no tensor of
B x T x D is written for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqsci.engine import launch, pool
from seqsci.engine.launch import KINDS, WIDE, View
from seqsci.engine.memory import allocate


def adjoint(f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
    """(df, l) by compiled kernels; the arguments are those of the operator."""
    f, c, c0, g = launch.plain(f.conj()), launch.plain(c), launch.plain(c0), launch.plain(g)
    dense = g.contiguous() if g.shape[2] >= WIDE and g.stride(2) == 0 else g
    if _lane_major(f, c, dense):
        out = allocate(g)  # laid out as the operator's fake says, also where g is expanded
        if out.stride(2) == 1:
            return _lanes(f, c, c0, dense, offsets, reverse, out), out
    states = launch.compiled(f, g, c0, offsets, not reverse, 1)
    if f.shape == c.shape:
        return _full(states, c, c0, offsets, reverse), states
    return _summed(f, states, c, c0, offsets, reverse), states


def _lane_major(f: Tensor, c: Tensor, g: Tensor) -> bool:
    """Whether one pass computes both: lanes are contiguous, and a gate is not shared at all, or constant in time."""
    _, steps, width = g.shape
    if g.numel() == 0 or width < WIDE or not g.stride(2) == c.stride(2) == 1 or f.shape[2] not in (1, width):
        return False
    return (f.shape == g.shape and f.stride(2) == 1) or (f.shape[1] == 1 < steps and (f.shape[2] == 1 or f.stride(2) in (0, 1)))


def _lanes(f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, out: Tensor) -> Tensor:
    """Writes the adjoint to ``out``; returns df."""
    from seqsci.engine.adjoint_numba import lanes_adjoint

    batch, steps, width = g.shape
    full = f.shape == g.shape
    df = allocate(g, torch.contiguous_format) if full else g  # not written where it is summed
    back = not reverse
    bounds = launch.bounds_of(offsets, steps, back)
    sequences = batch * (len(bounds) - 1)
    views = (*(View(x, back, steps) for x in (f, g)), View(c0, back, len(bounds) - 1), *(View(x, back, steps) for x in (out, c, df)))
    kind, wide = KINDS[g.dtype]
    sums: Any = np.empty((1, 1) if full else (sequences, width), wide)
    block, total, count = launch.blocks_of_lanes(g.numel(), sequences, width)
    places = (*(v.address for v in views), *(v.strides for v in views))

    def work(part: int) -> None:
        lo, hi = pool.share(total, part, count)
        lanes_adjoint(kind, *places, bounds, width, block, lo, hi, np.empty(block, wide), np.empty(block, wide), sums, full)

    pool.run(work, count)
    return df if full else _reduced(sums.reshape(batch, -1, width), f)


def _full(states: Tensor, c: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """The gradient of a gate that is not shared, written in place: no shifted copy of the states."""
    df = allocate(c, torch.contiguous_format)
    first, later, before = (slice(-1, None), slice(None, -1), c[:, 1:]) if reverse else (slice(1), slice(1, None), c[:, :-1])
    torch.mul(states[:, later], before.conj(), out=df[:, later])
    if offsets is None:
        torch.mul(states[:, first], c0.conj(), out=df[:, first])
    else:
        _over_bounds(states, c0, df, offsets, reverse)
    return df


def _over_bounds(states: Tensor, c0: Tensor, df: Tensor, offsets: Tensor, reverse: bool) -> None:
    """Write df at the first step of every packed sequence, where the product with the step before ran over a bound."""
    from seqsci.engine.adjoint_numba import last_products

    _, steps, width = df.shape
    bounds = launch.bounds_of(offsets, steps, not reverse)
    views = (View(states, not reverse, steps), View(c0, not reverse, len(bounds) - 1), View(df, not reverse, steps))
    strides = (n for v in views for n in v.strides[1:])
    last_products(KINDS[df.dtype][0], *(v.address for v in views), *strides, bounds, width, 0, len(bounds) - 1)


def _reduced(sums: Any, f: Tensor) -> Tensor:
    """Partial sums (B, S, D) in double precision, as the gradient of a gate that does not vary in time."""
    sums = sums.sum(1, keepdims=True)
    axes = tuple(axis for axis in (0, 2) if f.shape[axis] == 1)
    return torch.from_numpy(np.ascontiguousarray(sums.sum(axes, keepdims=True) if axes else sums)).to(f.dtype)


def _summed(f: Tensor, states: Tensor, c: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    from seqsci.engine.adjoint_numba import SPAN, step_sums, time_sums

    batch, steps, width = c.shape
    back = not reverse
    bounds = launch.bounds_of(offsets, steps, back)
    views = (View(states, back, steps), View(c, back, steps), View(c0, back, len(bounds) - 1))
    kind, wide = KINDS[c.dtype]
    places = (*(v.address for v in views), *(v.strides for v in views))
    if f.shape[1] == 1:
        rows, spans = batch * (len(bounds) - 1) * width, math.ceil(np.diff(bounds).max() / SPAN)
        count = min(pool.threads(c.numel()), rows * spans)
        sums: Any = np.zeros((rows, spans), wide)

        def work(part: int) -> None:
            lo, hi = pool.share(rows * spans, part, count)
            time_sums(kind, *places, bounds, width, lo, hi, spans, sums)

        pool.run(work, count)
        return _reduced((sums.sum(1) if spans > 1 else sums).reshape(batch, -1, width), f)
    total: Any = np.zeros((f.shape[0], steps, f.shape[2]), wide)
    count = min(pool.threads(c.numel()), steps)

    def step(part: int) -> None:
        lo, hi = pool.share(steps, part, count)
        step_sums(kind, *places, bounds, batch, width, lo, hi, total)

    pool.run(step, count)
    return torch.from_numpy(total[:, ::-1].copy() if back else total).to(f.dtype)
