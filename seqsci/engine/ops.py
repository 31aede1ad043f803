"""The scan and its adjoint as operators of torch, twice: neither way of writing one has every derivative.

In eager mode `torch.autograd.Function`s with jvp and vmap: torch.func, forward mode and derivatives of any order. While torch.compile or
torch.export traces, custom operators with a registered backward: opaque to the compiler. A custom operator's forward-mode derivative
would be a silent zero in torch 2.13, so forward mode is refused while a compiler traces.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor
from torch.autograd import forward_ad

from seqsci.engine import formulas, gradients, launch
from seqsci.engine.memory import empty
from seqsci.engine.reference import loop
from seqsci.errors import EquationError, explain

_unpack: Any = forward_ad.unpack_dual


def _scan_now(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    if backend != "torch" and launch.fits(u):
        return launch.compiled(f, u, c0, offsets, reverse, 0)
    return loop(f, u, c0, offsets, reverse, 0)


def _adjoint_now(
    f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    if c.numel() == 0:
        return (
            torch.zeros_like(f, memory_format=torch.contiguous_format),
            empty(g),
            torch.zeros_like(c0, memory_format=torch.contiguous_format),
        )
    if backend != "torch" and launch.fits(g):
        df, adjoint = gradients.adjoint(f, c, c0, g, offsets, reverse)
    else:
        adjoint = loop(f.conj(), g, c0, offsets, not reverse, 1)
        df = formulas.gate_gradient(f, adjoint, c, c0, offsets, reverse).contiguous()
    first = formulas.at_starts(f, offsets, reverse) if f.shape[1] > 1 else f
    return df, adjoint, (first.conj() * formulas.at_starts(adjoint, offsets, reverse)).contiguous()


@torch.library.custom_op("seqsci::linear_scan", mutates_args=())
def _scan_op(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    return _scan_now(f, u, c0, offsets, reverse, backend)


@_scan_op.register_fake
def _scan_fake(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    return empty(u)


@torch.library.custom_op("seqsci::linear_scan_adjoint", mutates_args=())
def _adjoint_op(
    f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    return _adjoint_now(f, c, c0, g, offsets, reverse, backend)


@_adjoint_op.register_fake
def _adjoint_fake(
    f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    return f.new_empty(f.shape), empty(g), c0.new_empty(c0.shape)


def _traced(*tensors: Tensor) -> bool:
    """Whether something looks on below autograd (fake tensors, make_fx, batched cotangents): it has to see an operator, not an address."""
    plain = all(type(x) in (Tensor, torch.nn.Parameter) and not is_legacy_batchedtensor(x) for x in tensors)
    return not plain or torch._C._len_torch_dispatch_stack() > 0


def _adjoint_backward(scan: Any, saved: tuple[Any, ...], rest: tuple[Any, ...], a: Tensor, b: Tensor, e: Tensor) -> tuple[Any, ...]:
    """Gradients of f, c, c0, g from those of df, l and dc0: m = scan(f, b + a p, e), since the adjoint is linear in g."""
    f, c, c0, adjoint, offsets = saved
    reverse, backend = rest
    drive = b + a * formulas.before(c, c0, offsets, reverse)
    m = scan(f, drive, e, offsets, reverse, backend)
    df = formulas.gate_gradient(f, adjoint, m, e, offsets, reverse)
    dc, dc0 = formulas.back_to_states(a.conj() * adjoint, c0, offsets, reverse)
    return df, dc, dc0, m, None, None, None


def _spread(tensor: Tensor, axis: int | None, size: int, batch: int) -> Tensor:
    moved = tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
    return moved.expand(size, batch, *moved.shape[2:]).reshape(size * batch, *moved.shape[2:])


def _no_packed_batch(axis: int | None) -> None:
    if axis is not None:
        fix = "map over tensors, with the same bounds for all"
        raise EquationError(explain("vmap over the bounds of packed sequences", "batched cu_seqlens", "one cu_seqlens", fix))


def _map_scan(apply: Any, info: Any, axes: tuple[Any, ...], f: Tensor, u: Tensor, c0: Tensor, offsets: Any, *rest: Any) -> tuple[Any, int]:
    _no_packed_batch(axes[3])
    n, batch = info.batch_size, (u if axes[1] is None else u.movedim(axes[1], 0)[0]).shape[0]
    gate = f if axes[0] is None and f.shape[0] == 1 else _spread(f, axes[0], n, batch)
    out = apply(gate, _spread(u, axes[1], n, batch), _spread(c0, axes[2], n, batch), offsets, *rest)
    return out.unflatten(0, (n, batch)), 0


def _map_adjoint(
    apply: Any, info: Any, axes: tuple[Any, ...], f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Any, *rest: Any
) -> tuple[Any, Any]:
    _no_packed_batch(axes[4])
    n, batch = info.batch_size, (g if axes[3] is None else g.movedim(axes[3], 0)[0]).shape[0]
    shared = (f if axes[0] is None else f.movedim(axes[0], 0)[0]).shape[0] == 1
    folded = (_spread(x, axis, n, batch) for x, axis in zip((f, c, c0, g), axes, strict=False))
    df, adjoint, dc0 = (x.unflatten(0, (n, batch)) for x in apply(*folded, offsets, *rest))
    return (df.sum(1, keepdim=True) if shared else df, adjoint, dc0), (0, 0, 0)


def _primals(saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """Saved tensors without this level's tangents. (Torch turns forward mode off inside a jvp, and would lose those of outer levels.)"""
    return tuple(None if x is None else _unpack(x).primal for x in saved)


class _Reverse(torch.autograd.Function):
    """The scan without forward mode, which Dynamo does not trace; the rest derives from the formulas above."""

    @staticmethod
    def forward(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
        return torch.ops.seqsci.linear_scan(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        f, _, c0, offsets, *ctx.rest = inputs
        ctx.save_for_backward(f, output, c0, offsets)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
        f, c, c0, offsets = ctx.saved_tensors
        df, du, dc0 = torch.ops.seqsci.linear_scan_adjoint(f, c, c0, g, offsets, *ctx.rest)
        return df, du, dc0, None, None, None


class _Scan(torch.autograd.Function):
    """The scan with every derivative, for eager mode."""

    @staticmethod
    def forward(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
        run = torch.ops.seqsci.linear_scan if _traced(f, u, c0) else _scan_now
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
        return _map_scan(_Scan.apply, info, axes, *args)


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
        run = torch.ops.seqsci.linear_scan_adjoint if _traced(f, c, c0, g) else _adjoint_now
        return run(f, c, c0, g, offsets, reverse, backend)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        f, c, c0, _, offsets, *ctx.rest = inputs
        ctx.save_for_backward(f, c, c0, output[1], offsets)
        ctx.save_for_forward(f, c, c0, output[1], offsets)

    @staticmethod
    def backward(ctx: Any, a: Tensor, b: Tensor, e: Tensor) -> tuple[Any, ...]:
        return _adjoint_backward(_Scan.apply, ctx.saved_tensors, ctx.rest, a, b, e)

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
        return _map_adjoint(_Adjoint.apply, info, axes, *args)


def _save_scan(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _Reverse.setup_context(ctx, inputs, output)


def _scan_backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
    return _Reverse.backward(ctx, g)


def _save_adjoint(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    f, c, c0, _, offsets, *ctx.rest = inputs
    ctx.save_for_backward(f, c, c0, output[1], offsets)


def _adjoint_op_backward(ctx: Any, a: Tensor, b: Tensor, e: Tensor) -> tuple[Any, ...]:
    return _adjoint_backward(torch.ops.seqsci.linear_scan, ctx.saved_tensors, tuple(ctx.rest), a, b, e)


_scan_op.register_autograd(_scan_backward, setup_context=_save_scan)
_adjoint_op.register_autograd(_adjoint_op_backward, setup_context=_save_adjoint)


def _scan_vmap(info: Any, axes: tuple[Any, ...], *args: Any) -> tuple[Any, int]:
    return _map_scan(torch.ops.seqsci.linear_scan, info, axes, *args)


def _adjoint_vmap(info: Any, axes: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
    return _map_adjoint(torch.ops.seqsci.linear_scan_adjoint, info, axes, *args)


_scan_op.register_vmap(_scan_vmap)
_adjoint_op.register_vmap(_adjoint_vmap)


def scan(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    """States (B, T, D) from canonical tensors, with the derivatives that the caller's mode can take."""
    if not torch.compiler.is_compiling():
        if torch._C._functorch.peek_interpreter_stack() is not None:
            return _Scan.apply(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return, no-untyped-call]
        wanted = torch.is_grad_enabled() and (f.requires_grad or u.requires_grad or c0.requires_grad)
        if wanted or forward_ad._current_level >= 0 or _traced(f, u, c0):
            return _Plain.apply(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return, no-untyped-call]
        return _scan_now(f, u, c0, offsets, reverse, backend)
    if forward_ad._current_level >= 0:
        fix = "call torch.func.jvp outside torch.compile, or compile the function and differentiate it in eager mode"
        raise EquationError(explain("a compiled scan has no forward-mode derivative", "jvp inside torch.compile", "reverse mode", fix))
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return _Reverse.apply(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return, no-untyped-call]
    return torch.ops.seqsci.linear_scan(f, u, c0, offsets, reverse, backend)  # type: ignore[no-any-return]
