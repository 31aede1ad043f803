"""The passes of the gated layer: composed of torch operations, which have every derivative, and fused into compiled kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor
from torch.autograd import forward_ad
from torch.nn import functional

from seqsci.engine import linear_scan


@dataclass(frozen=True)
class Form:
    """Which gates there are, and how many columns of the matrix product belong to each.

    Attributes:
        width: of the state.
        rank: of the gate projections; 0 where they are dense.
        tied: the write gate is 1 - forget.
        bounded: the candidate passes through tanh.
        read: there is a read gate.
    """

    width: int
    rank: int
    tied: bool
    bounded: bool
    read: bool

    @property
    def gates(self) -> int:
        """How many gates are projected."""
        return 1 + (not self.tied) + self.read

    @property
    def columns(self) -> int:
        """Of the matrix product with the input: the candidate, then a code or the pre-activation of each gate."""
        return self.width + self.gates * (self.rank or self.width)


@dataclass(frozen=True)
class Openings:
    """Gates and candidate of one pass, (..., width); ``read`` is None without a read gate."""

    forget: Tensor
    write: Tensor
    candidate: Tensor
    read: Tensor | None
    logit: Tensor


def openings(form: Form, x: Tensor, weight: Tensor, mix: Tensor | None, bias: Tensor) -> tuple[Openings, torch.dtype]:
    """Gates in float32 or wider from the projections in the dtype that autocast gives them, and that dtype."""
    product = functional.linear(x, weight)
    size = form.rank or form.width
    parts = torch.split(product, [form.width] + [size] * form.gates, -1)
    logits = parts[1:] if mix is None else [functional.linear(code, m) for code, m in zip(parts[1:], mix.unbind(0), strict=True)]
    wide = torch.promote_types(product.dtype, torch.float32)
    candidate, *gates = (a.to(wide) + b.to(wide) for a, b in zip((parts[0], *logits), bias.unbind(0), strict=True))
    write = torch.sigmoid(-gates[0] if form.tied else gates[1])
    read = torch.sigmoid(gates[-1]) if form.read else None
    z = torch.tanh(candidate) if form.bounded else candidate
    return Openings(torch.sigmoid(gates[0]), write, z, read, gates[0]), product.dtype


def readout(form: Form, gates: Openings, c: Tensor) -> Tensor:
    """``h = o phi(c)``: phi is tanh where a free write gate lets the state grow, else the identity."""
    h = c if form.tied else torch.tanh(c)
    return h if gates.read is None else gates.read * h


def composed(
    form: Form,
    x: Tensor,
    weight: Tensor,
    mix: Tensor | None,
    bias: Tensor,
    c0: Tensor,
    mask: Tensor | None = None,
    bounds: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, width) and last states in the dtype of c0 or wider, by torch operations and the linear scan."""
    gates, dtype = openings(form, x, weight, mix, bias)
    wide = torch.promote_types(gates.forget.dtype, c0.dtype)
    start = c0 if bounds is None else c0.unsqueeze(0)
    drive = gates.write * gates.candidate
    c, last = linear_scan(gates.forget, drive, start, mask=mask, cu_seqlens=bounds, return_final=True, dtype=wide)
    return readout(form, gates, c.to(gates.forget.dtype)).to(dtype), last if bounds is None else last.squeeze(0)


def fusable(*tensors: Tensor | None, states: tuple[Tensor, ...] = ()) -> bool:
    """Whether compiled kernels take these tensors: float32 on the CPU, in eager mode, no transform that has to see operations.

    ``states`` may be float64 as well.
    """
    if torch.compiler.is_compiling():
        return False
    from seqsci.engine import launch

    return (
        launch.available()
        and all(
            type(t) in (Tensor, torch.nn.Parameter) and t.device.type == "cpu" and not is_legacy_batchedtensor(t)
            for t in (*tensors, *states)
            if t is not None
        )
        and all(t.dtype == torch.float32 for t in tensors if t is not None)
        and all(t.dtype in (torch.float32, torch.float64) for t in states)
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and forward_ad._current_level < 0
        and not torch.is_autocast_enabled("cpu")
    )


class Fused(torch.autograd.Function):
    """(x, weight, mix, bias, c0) -> (h, last) in compiled kernels; derivatives of its gradient are those of `composed`.

    The kernels carry the state in double, from c0 to the last state, whichever dtype those have.
    """

    @staticmethod
    def forward(ctx: Any, form: Form, x: Tensor, weight: Tensor, mix: Tensor | None, bias: Tensor, c0: Tensor) -> tuple[Tensor, Tensor]:
        batch, steps, _ = x.shape
        flat = x.reshape(batch * steps, -1)
        product = flat @ weight.t()
        logits = _logits(form, product, mix)
        c = torch.empty((batch, steps, form.width))
        h = c if form.tied and not form.read else torch.empty_like(c)
        last = torch.empty_like(c0, dtype=torch.float64, memory_format=torch.contiguous_format)
        _run(form, "forward", (batch, steps), product, logits, bias, (c0.double().contiguous(), c, h, last))
        ctx.save_for_backward(x, weight, mix, bias, c0, product, logits, c)
        ctx.form = form
        return h, last.to(c0.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor, g_last: Tensor) -> tuple[Tensor | None, ...]:
        form = ctx.form
        x, weight, mix, bias, c0, product, logits, c = ctx.saved_tensors
        if torch.is_grad_enabled() or not fusable(g, states=(g_last,)):
            return None, *_composed_gradients(form, (x, weight, mix, bias, c0), (g, g_last), ctx.needs_input_grad[1:])
        batch, steps, _ = x.shape
        flat = x.reshape(batch * steps, -1)
        d_product = torch.empty_like(product)
        d_logits = torch.empty_like(logits) if form.rank else d_product
        dc0 = torch.empty_like(c0, dtype=torch.float64, memory_format=torch.contiguous_format)
        tensors = (c0.float().contiguous(), c, g.contiguous(), g_last.double().contiguous(), dc0)
        _run(form, "backward", (batch, steps), product, logits, bias, tensors, (d_product, d_logits))
        d_mix = None
        if mix is not None:
            d_mix = torch.empty_like(mix)
            for j in range(form.gates):
                code = slice(form.width + j * form.rank, form.width + (j + 1) * form.rank)
                own = d_logits[:, j * form.width : (j + 1) * form.width]
                torch.mm(own.t(), product[:, code], out=d_mix[j])
                d_product[:, code] = own @ mix[j]
        sums = torch.cat((d_product[:, : form.width].sum(0), d_logits.sum(0))) if form.rank else d_product.sum(0)
        dx = (d_product @ weight).view_as(x) if ctx.needs_input_grad[1] else None
        return None, dx, d_product.t() @ flat, d_mix, sums.view_as(bias), dc0.to(c0.dtype)


def _logits(form: Form, product: Tensor, mix: Tensor | None) -> Tensor:
    if mix is None:
        return product
    logits = product.new_empty((product.shape[0], form.gates * form.width))
    for j in range(form.gates):
        code = product[:, form.width + j * form.rank : form.width + (j + 1) * form.rank]
        torch.mm(code, mix[j].t(), out=logits[:, j * form.width : (j + 1) * form.width])
    return logits


def _composed_gradients(form: Form, inputs: Any, cotangents: tuple[Tensor, Tensor], needs: tuple[bool, ...]) -> Any:
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        outputs = composed(form, *inputs)
        wanted = [t for t, n in zip(inputs, needs, strict=True) if n]
        found = iter(torch.autograd.grad(outputs, wanted, cotangents, create_graph=again, allow_unused=True))
    return tuple(next(found) if n else None for n in needs)


def _places(form: Form, product: Tensor, logits: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Addresses and steps of candidate, forget, write and read; absent gates have the place of the forget gate, unread."""
    size, start = 4 * form.width, product.data_ptr()
    base = logits.data_ptr() if form.rank else start + size
    forget, write = base, base if form.tied else base + size
    read = base + (form.gates - 1) * size
    step = logits.stride(0)
    return (start, forget, write, read), (product.stride(0), step, step, step)


def _run(
    form: Form,
    name: str,
    shape: tuple[int, int],
    product: Tensor,
    logits: Tensor,
    bias: Tensor,
    tensors: tuple[Tensor, ...],
    gradients: tuple[Tensor, Tensor] | None = None,
) -> None:
    import numpy as np

    from seqsci.cells import layer_kernels
    from seqsci.engine import pool

    batch, steps = shape
    held = bias.contiguous()
    total = batch * -(-form.width // layer_kernels.BLOCK)
    count = min(pool.threads(batch * steps * form.width), total)
    flags = (int(form.bounded), int(form.tied), int(form.read))
    targets = _places(form, *gradients) if gradients else ()
    addresses = [t.data_ptr() for t in tensors]
    own = addresses if gradients is None else [*addresses[:4], *targets, addresses[4]]
    kernel = getattr(layer_kernels, name)

    def work(part: int) -> None:
        lo, hi = pool.share(total, part, count)
        rows, carry = np.empty(7 * layer_kernels.BLOCK, np.float32), np.empty(layer_kernels.BLOCK)
        kernel(*_places(form, product, logits), held.data_ptr(), *own, steps, form.width, lo, hi, flags, rows, carry)

    pool.run(work, count)
