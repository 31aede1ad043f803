"""The recurrence as a torch loop: the oracle of every kernel, and what runs where there is none (another device, no numba).

c_t = f_t c_{t-1} + u_t          (lag 0: the scan)
c_t = f_{t-1} c_{t-1} + u_t      (lag 1: its adjoint, with c_0 = u_0)
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from seqsci.engine.memory import empty

_WIDE = {torch.complex64: torch.complex128, torch.complex128: torch.complex128}


def loop(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, lag: int) -> Tensor:
    """Run over (B, T, D), one torch call a step, with a state of double precision.

    Args:
        f: (B|1, T|1, D|1) gates.
        u: (B, T, D) inputs.
        c0: (B, S, D) state before each of the S sequences.
        offsets: (S + 1,) bounds of the sequences along T, or None for a single one.
        reverse: go from the last step to the first.
        lag: 0, or 1 for the gate of the step before; the first step then has no gate.
    """
    wide = _WIDE.get(u.dtype, torch.float64) if u.device.type != "mps" else u.dtype
    out = empty(u)
    steps = u.shape[1]
    bounds = [0, steps] if offsets is None else [int(o) for o in offsets]
    for s, (start, end) in enumerate(pairwise(bounds)):
        state = c0[:, s].to(wide)
        order = range(end - 1, start - 1, -1) if reverse else range(start, end)
        before = None
        for t in order:
            at = t if lag == 0 else before
            drive = u[:, t].to(wide)
            state = drive if at is None else f[:, at if f.shape[1] > 1 else 0].to(wide) * state + drive
            out[:, t] = state.to(u.dtype)
            before = t
    return out
