"""The scan and its adjoint in torch, twice: neither way of writing one has every derivative.

In eager mode `torch.autograd.Function`s with jvp and vmap: torch.func, forward mode and derivatives of any order. While torch.compile or
torch.export traces, the operators of `operators`: no forward mode, which is refused while a compiler traces, by the operators themselves,
and so by programs exported from them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor
from torch.autograd import forward_ad

from seqsci.engine import formulas
from seqsci.engine.operators import Reverse, adjoint_backward, adjoint_now, fold_adjoint, fold_scan, scan_now
from seqsci.errors import EquationError, explain

_unpack: Any = forward_ad.unpack_dual


def _traced(*tensors: Tensor) -> bool:
    """Whether something looks on below autograd (fake tensors, make_fx, batched cotangents): it has to see an operator, not an address."""
    plain = all(type(x) in (Tensor, torch.nn.Parameter) and not is_legacy_batchedtensor(x) for x in tensors)
    return not plain or torch._C._len_torch_dispatch_stack() > 0


def _primals(saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """Saved tensors without this level's tangents. (Torch turns forward mode off inside a jvp, and would lose those of outer levels.)"""
    return tuple(None if x is None else _unpack(x).primal for x in saved)


class _Scan(torch.autograd.Function):
    """The scan with every derivative, for eager mode."""

    @staticmethod
    def forward(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
        run = torch.ops.seqsci.linear_scan if _traced(f, u, c0) else scan_now
        return run(f, u, c0, offsets, reverse, backend)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        f, _, c0, offsets, *ctx.rest = inputs
        ctx.save_for_backward(f, output, c0, offsets)
        ctx.save_for_forward(f, output, c0, offsets)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
        f, c, c0, offsets = ctx.saved_tensors
        return *_Adjoint.apply(f, c, c0, g, offsets, *ctx.rest), None, None, None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, f_dot: Tensor | None, u_dot: Tensor | None, c0_dot: Tensor | None, *_: Any) -> Tensor:
        with forward_ad._set_fwd_grad_enabled(True):
            f, c, c0, offsets = _primals(ctx.saved_tensors)
            drive = torch.zeros_like(c) if u_dot is None else u_dot
            if f_dot is not None:
                drive = drive + f_dot * formulas.before(c, c0, offsets, ctx.rest[0])
            start = torch.zeros_like(c0) if c0_dot is None else c0_dot
            return _Scan.apply(f, drive, start, offsets, *ctx.rest)  # type: ignore[no-any-return, no-untyped-call]

    @staticmethod
    def vmap(info: Any, axes: tuple[Any, ...], *args: Any) -> tuple[Any, int]:
        return fold_scan(_Scan.apply, info, axes, *args)


class _Plain(torch.autograd.Function):
    """`_Scan` where no transform of torch.func is active: torch then skips a costly binding of arguments."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        out = _Scan.forward(*args)
        _Scan.setup_context(ctx, args, out)
        return out

    backward = _Scan.backward
    jvp = _Scan.jvp


class _Adjoint(torch.autograd.Function):
    """(f, c, c0, g) -> (df, l, dc0), with every derivative, for eager mode."""

    @staticmethod
    def forward(f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> tuple[Tensor, ...]:
        run = torch.ops.seqsci.linear_scan_adjoint if _traced(f, c, c0, g) else adjoint_now
        return run(f, c, c0, g, offsets, reverse, backend)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        f, c, c0, _, offsets, *ctx.rest = inputs
        ctx.save_for_backward(f, c, c0, output[1], offsets)
        ctx.save_for_forward(f, c, c0, output[1], offsets)

    @staticmethod
    def backward(ctx: Any, a: Tensor, b: Tensor, e: Tensor) -> tuple[Any, ...]:
        return adjoint_backward(_Scan.apply, ctx.saved_tensors, ctx.rest, a, b, e)

    @staticmethod
    def jvp(
        ctx: Any, f_dot: Tensor | None, c_dot: Tensor | None, c0_dot: Tensor | None, g_dot: Tensor | None, *_: Any
    ) -> tuple[Tensor, ...]:
        with forward_ad._set_fwd_grad_enabled(True):
            f, c, c0, adjoint, offsets = _primals(ctx.saved_tensors)
            reverse = ctx.rest[0]
            drive = torch.zeros_like(adjoint) if g_dot is None else g_dot
            if f_dot is not None:
                drive = drive + formulas.shift_drive(adjoint, f_dot, offsets, reverse)
            df, l_dot, dc0 = _Adjoint.apply(f, c, c0, drive, offsets, *ctx.rest)  # type: ignore[no-untyped-call]
            if c_dot is not None or c0_dot is not None:
                states = torch.zeros_like(c) if c_dot is None else c_dot
                starts = torch.zeros_like(c0) if c0_dot is None else c0_dot
                df = df + formulas.gate_gradient(f, adjoint, states, starts, offsets, reverse)
            if f_dot is not None and c.shape[1]:
                first = formulas.at_starts(f_dot, offsets, reverse) if f_dot.shape[1] > 1 else f_dot
                dc0 = dc0 + first.conj() * formulas.at_starts(adjoint, offsets, reverse)
            return df, l_dot, dc0

    @staticmethod
    def vmap(info: Any, axes: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        return fold_adjoint(_Adjoint.apply, info, axes, *args)


def scan(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    """States (B, T, D) from canonical tensors, with the derivatives that the caller's mode can take."""
    if not torch.compiler.is_compiling():
        if torch._C._functorch.peek_interpreter_stack() is not None:
            return _Scan.apply(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return, no-untyped-call]
        wanted = torch.is_grad_enabled() and (f.requires_grad or u.requires_grad or c0.requires_grad)
        if wanted or forward_ad._current_level >= 0 or _traced(f, u, c0):
            return _Plain.apply(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return, no-untyped-call]
        return scan_now(f, u, c0, offsets, reverse, backend)
    if forward_ad._current_level >= 0:
        fix = "call torch.func.jvp outside torch.compile, or compile the function and differentiate it in eager mode"
        raise EquationError(explain("a compiled scan has no forward-mode derivative", "jvp inside torch.compile", "reverse mode", fix))
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return Reverse.apply(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return, no-untyped-call]
    return torch.ops.seqsci.linear_scan(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return]
