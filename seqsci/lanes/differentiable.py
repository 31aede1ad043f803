"""A forward pass of Triton kernels that autograd goes through, with the exact adjoint as its derivative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqsci.errors import EquationError, explain
from seqsci.lanes.device import memory_told
from seqsci.lanes.launch import LaneKernel
from seqsci.lanes.layout import Lanes

FIX = "smaller batches, or shorter windows: data.splits.Windows(rows=..., batch=...)"


class _Pass(torch.autograd.Function):
    """States, reads, log density, last states and gates, (B, T, ...), of a batch of sequences."""

    @staticmethod
    def forward(ctx: Any, kernel: LaneKernel, x: Tensor, p: Tensor, q: Tensor, s0: Tensor, seen: Tensor, given: bool) -> tuple[Tensor, ...]:
        lanes = Lanes.batch(x, seen, q, s0, given)
        with memory_told(f"{x.shape[0]:,} sequences of {x.shape[1]:,} steps", FIX):
            found = kernel.states(p.detach(), lanes)
        ctx.save_for_backward(x, p, q, s0)
        ctx.kernel, ctx.lanes, ctx.p, ctx.states = kernel, lanes, p.detach(), found.states
        gates = found.gates.permute(2, 1, 0)
        ctx.mark_non_differentiable(gates)
        return found.states.permute(2, 1, 0), found.reads.permute(2, 1, 0), found.density.t(), found.last.t(), gates

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_Adjoint.apply(ctx, *ctx.saved_tensors, *cotangents), None, None  # type: ignore[no-untyped-call]


class _Adjoint(torch.autograd.Function):
    """The adjoint of a pass; it depends on the pass's inputs, so its own derivative is refused, not taken for zero."""

    @staticmethod
    def forward(ctx: Any, first: Any, x: Tensor, p: Tensor, q: Tensor, s0: Tensor, *cotangents: Tensor) -> tuple[Tensor, ...]:
        ds, dr, dl, de, _ = (c.detach().to(torch.float64) for c in cotangents)
        planes = (ds.permute(2, 1, 0), dr.permute(2, 1, 0), dl.t(), de.t())
        with memory_told(f"the gradients of {x.shape[0]:,} sequences of {x.shape[1]:,} steps", FIX):
            dx, dp, dq, ds0 = first.kernel.adjoint(first.p, first.lanes, first.states, planes)
        return dx.permute(2, 1, 0), dp.sum(0), dq.t(), ds0.t()

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        fix = "Cell(model, backend='torch')"
        raise EquationError(explain("a compiled pass has no second derivative", "a derivative of its gradient", "first derivatives", fix))


def passed(kernel: LaneKernel, x: Tensor, p: Tensor, q: Tensor, s0: Tensor, seen: Tensor, given: bool) -> tuple[Tensor, ...]:
    """States (B, T, n), reads (B, T, r), log density (B, T), last states (B, n) and gates of sequences x (B, T, inputs).

    p (k,) natural parameters, q (B, presamples), s0 (B, n) first states where ``given``, seen (B, T) observed steps. Differentiable once
    by x, p, q and s0; a second derivative raises `EquationError`.
    """
    return _Pass.apply(kernel, x, p, q, s0, seen, given)  # type: ignore[no-any-return, no-untyped-call]
