"""Formulas of the derivatives, shared by the eager and the compiled path. Notation: a bar is the conjugate, p_t the state before step t.

    scan       c_t = f_t c_{t-1} + u_t
    adjoint    l_t = g_t + bar f_{t+1} l_{t+1},   df_t = l_t bar p_t (summed to the shape of f),   dc0 = bar f_first l_first

Each is differentiated with the other and products, so derivatives of every order exist.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_starts(x: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """(B, S, .) elements of the first step of every sequence in the order of travel; 0 for an empty sequence."""
    if offsets is None:
        return x[:, -1:] if reverse else x[:, :1]
    index = (offsets[1:] - 1 if reverse else offsets[:-1]).clamp(0, max(x.shape[1] - 1, 0))
    filled = (offsets[1:] > offsets[:-1])[:, None]
    return torch.where(filled, x.index_select(1, index), torch.zeros((), dtype=x.dtype, device=x.device))


def at_ends(c: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """(B, S, D) state after the last step of every sequence; of an empty one, its initial state."""
    if c.shape[1] == 0:
        return c0.clone()
    if offsets is None:
        return (c[:, :1] if reverse else c[:, -1:]).clone()
    index = (offsets[:-1] if reverse else offsets[1:] - 1).clamp(0, c.shape[1] - 1)
    return torch.where((offsets[1:] > offsets[:-1])[:, None], c.index_select(1, index), c0)


def before(c: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """(B, T, D) state before each step: c shifted by one, c0 at the start of a sequence."""
    steps = c.shape[1]
    if steps == 0:
        return c
    if offsets is None:
        return torch.cat((c[:, 1:], c0), 1) if reverse else torch.cat((c0, c[:, :-1]), 1)
    time = torch.arange(steps, device=c.device)
    sequence = torch.searchsorted(offsets[1:].contiguous(), time, right=True)
    first = (offsets[1:] - 1 if reverse else offsets[:-1])[sequence] == time
    return torch.where(first[:, None], c0.index_select(1, sequence), torch.roll(c, -1 if reverse else 1, 1))


def sum_to(x: Tensor, like: Tensor) -> Tensor:
    """Sum over the axes along which ``like`` is broadcast."""
    axes = [i for i, (n, m) in enumerate(zip(x.shape, like.shape, strict=True)) if m == 1 and n != 1]
    return x.sum(axes, keepdim=True) if axes else x


def gate_gradient(f: Tensor, adjoint: Tensor, c: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """``l_t bar p_t`` summed to the shape of f."""
    return sum_to(adjoint * before(c, c0, offsets, reverse).conj(), f)


def shift_drive(adjoint: Tensor, f_dot: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """``bar f'_{t+1} l_{t+1}``, 0 at the end of a sequence: what a tangent of f adds to g."""
    product = f_dot.conj() * adjoint
    zero = torch.zeros((), dtype=adjoint.dtype, device=adjoint.device).expand(adjoint.shape[0], 1, adjoint.shape[2])
    if offsets is None:
        return before(product, zero, None, not reverse)
    return before(product, zero.expand(-1, offsets.shape[0] - 1, -1), offsets, not reverse)


def back_to_states(x: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
    """Transpose of `before`: gradients of p_t as those of c and of c0."""
    zero = torch.zeros((), dtype=x.dtype, device=x.device).expand(c0.shape)
    return before(x, zero, offsets, not reverse), at_starts(x, offsets, reverse)
