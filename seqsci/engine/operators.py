"""The scan and its adjoint as registered operators: what torch.compile and torch.export see, opaque, with a gradient and a vmap.

They are written out because `torch.library.custom_op` has an autograd kernel of its own, which drops the tangents of forward mode: a silent
zero in torch 2.13. Here a tangent is refused.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from seqsci.engine import accelerator, formulas, gradients, launch
from seqsci.engine.bounds import check_values
from seqsci.engine.memory import empty
from seqsci.engine.reference import loop
from seqsci.errors import EquationError, explain

_unpack: Any = forward_ad.unpack_dual


@accelerator.explained
def scan_now(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    """C from canonical tensors, by compiled kernels where they are asked for and take them, else by the loop."""
    if offsets is not None:
        check_values(offsets, u.shape[1])
    if backend == "auto" and accelerator.takes(u):
        from seqsci.engine import triton_launch

        return triton_launch.scan(f, u, c0, offsets, reverse)
    if backend != "torch" and launch.fits(u):
        return launch.compiled(f, u, c0, offsets, reverse, 0)
    return loop(f, u, c0, offsets, reverse, 0)


@accelerator.explained
def adjoint_now(
    f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    """(df, l, dc0) of the scan whose states are c, at the cotangent g."""
    if offsets is not None:
        check_values(offsets, g.shape[1])
    if c.numel() == 0:
        return (
            torch.zeros_like(f, memory_format=torch.contiguous_format),
            empty(g),
            torch.zeros_like(c0, memory_format=torch.contiguous_format),
        )
    if backend == "auto" and accelerator.takes(g):
        from seqsci.engine import triton_launch

        df, adjoint = triton_launch.adjoint(f, c, c0, g, offsets, reverse)
    elif backend != "torch" and launch.fits(g):
        df, adjoint = gradients.adjoint(f, c, c0, g, offsets, reverse)
    else:
        adjoint = loop(f.conj(), g, c0, offsets, not reverse, 1)
        df = formulas.gate_gradient(f, adjoint, c, c0, offsets, reverse).contiguous()
    first = formulas.at_starts(f, offsets, reverse) if f.shape[1] > 1 else f
    return df, adjoint, (first.conj() * formulas.at_starts(adjoint, offsets, reverse)).contiguous()


def _scan_fake(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool, backend: str) -> Tensor:
    return empty(u)


def _adjoint_fake(
    f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    return f.new_empty(f.shape), empty(g), c0.new_empty(c0.shape)


def adjoint_backward(scan: Any, saved: tuple[Any, ...], rest: tuple[Any, ...], a: Tensor, b: Tensor, e: Tensor) -> tuple[Any, ...]:
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


def fold_scan(apply: Any, info: Any, axes: tuple[Any, ...], f: Tensor, u: Tensor, c0: Tensor, offsets: Any, *rest: Any) -> tuple[Any, int]:
    """Vmap of a scan: the mapped axis joins the batch."""
    _no_packed_batch(axes[3])
    n, batch = info.batch_size, (u if axes[1] is None else u.movedim(axes[1], 0)[0]).shape[0]
    gate = f if axes[0] is None and f.shape[0] == 1 else _spread(f, axes[0], n, batch)
    out = apply(gate, _spread(u, axes[1], n, batch), _spread(c0, axes[2], n, batch), offsets, *rest)
    return out.unflatten(0, (n, batch)), 0


def fold_adjoint(
    apply: Any, info: Any, axes: tuple[Any, ...], f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Any, *rest: Any
) -> tuple[Any, Any]:
    """Vmap of an adjoint; the gradient of a gate that a batch shares is summed over that batch alone."""
    _no_packed_batch(axes[4])
    n, batch = info.batch_size, (g if axes[3] is None else g.movedim(axes[3], 0)[0]).shape[0]
    shared = (f if axes[0] is None else f.movedim(axes[0], 0)[0]).shape[0] == 1
    folded = (_spread(x, axis, n, batch) for x, axis in zip((f, c, c0, g), axes, strict=False))
    df, adjoint, dc0 = (x.unflatten(0, (n, batch)) for x in apply(*folded, offsets, *rest))
    return (df.sum(1, keepdim=True) if shared else df, adjoint, dc0), (0, 0, 0)


class Reverse(torch.autograd.Function):
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


def _below_autograd(operator: Any, args: tuple[Any, ...]) -> Any:
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*args)


def _refuse_forward_mode(args: tuple[Any, ...]) -> None:
    """A tangent that reached a registered operator would be dropped, a silent zero: torch asks operators for no forward-mode formula."""
    if forward_ad._current_level >= 0 and any(isinstance(x, Tensor) and _unpack(x).tangent is not None for x in args):
        fix = "differentiate a call of linear_scan in eager mode, not the operator or a program exported from it"
        raise EquationError(explain("an operator has no forward-mode derivative", "a tangent", "reverse mode", fix))


class _ScanOperator(torch.autograd.Function):
    """The gradient of the registered scan."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        out: Tensor = _below_autograd(torch.ops.seqsci.linear_scan, args)
        Reverse.setup_context(ctx, args, out)
        return out

    backward = Reverse.backward


class _AdjointOperator(torch.autograd.Function):
    """The gradient of the registered adjoint."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, ...]:
        out: tuple[Tensor, ...] = _below_autograd(torch.ops.seqsci.linear_scan_adjoint, args)
        f, c, c0, _, offsets, *ctx.rest = args
        ctx.save_for_backward(f, c, c0, out[1], offsets)
        return out

    @staticmethod
    def backward(ctx: Any, a: Tensor, b: Tensor, e: Tensor) -> tuple[Any, ...]:
        return adjoint_backward(torch.ops.seqsci.linear_scan, ctx.saved_tensors, tuple(ctx.rest), a, b, e)


_LIBRARY: Any = torch.library.Library("seqsci", "FRAGMENT")  # type: ignore[no-untyped-call]


def _register(name: str, schema: str, kernel: Any, fake: Any, fold: Any, function: Any) -> None:
    """Define an operator with its kernel, the shapes of fake tensors, folding under vmap and the function that has its gradient."""
    opaque: Any = torch.compiler.disable(kernel)  # type: ignore[no-untyped-call]
    _LIBRARY.define(f"{name}{schema}", tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, opaque, "CompositeExplicitAutograd")
    operator = getattr(torch.ops.seqsci, name)

    def autograd(*args: Any) -> Any:
        _refuse_forward_mode(args)
        if torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in args):
            return function.apply(*args)
        return _below_autograd(operator, args)

    def vmap(info: Any, axes: tuple[Any, ...], *args: Any) -> tuple[Any, Any]:
        return fold(operator, info, axes, *args)  # type: ignore[no-any-return]

    _LIBRARY.impl(name, autograd, "Autograd")
    torch.library.register_fake(f"seqsci::{name}", fake, lib=_LIBRARY)
    torch.library.register_vmap(f"seqsci::{name}", vmap, lib=_LIBRARY)


_REST = "Tensor? offsets, bool reverse, str backend"
_register("linear_scan", f"(Tensor f, Tensor u, Tensor c0, {_REST}) -> Tensor", scan_now, _scan_fake, fold_scan, _ScanOperator)
_register(
    "linear_scan_adjoint",
    f"(Tensor f, Tensor c, Tensor c0, Tensor g, {_REST}) -> (Tensor, Tensor, Tensor)",
    adjoint_now,
    _adjoint_fake,
    fold_adjoint,
    _AdjointOperator,
)
