"""The public scan: validation, broadcasting, layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from seqsci.engine import formulas, launch
from seqsci.engine.bounds import check_form, check_values
from seqsci.engine.ops import scan
from seqsci.errors import DataError, EquationError, MissingExtraError, ParameterError, explain

Backend = Literal["auto", "numba", "torch"]


def linear_scan(
    f: Tensor | complex,
    u: Tensor,
    c0: Tensor | None = None,
    *,
    dim: int = 1,
    reverse: bool = False,
    cu_seqlens: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    return_final: bool = False,
    dtype: torch.dtype | None = None,
    backend: Backend = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Run the linear recurrence of a memory: ``c_t = f_t c_{t-1} + u_t``.

    Args:
        f: what is kept of the state; a number or any shape that broadcasts with ``u``, not expanded. |f| > 1 is allowed.
        u: what is added; time lies along ``dim``, (B, T, D) by default. Any floating or complex dtype.
        c0: state before the first step, in the shape of ``u`` without ``dim``; 0 if left out. Packed: in the shape of ``u`` with S for T.
        dim: the axis of time.
        reverse: go from the last step to the first; c0 is then the state after the end.
        cu_seqlens: (S + 1,) integer bounds 0 ... T of sequences packed along ``dim``, none of which runs into the next;
            axes before ``dim`` have size 1.
        mask: False where a step is missing: it keeps the state (f := 1, u := 0). In the shape of ``u``, or without its last axis, where
            that is not the axis of time.
        return_final: also return the state after the last step, in the shape of c0.
        dtype: of c; f, u and c0 are converted to it first. By default the type of f and u together: bfloat16 inputs give c in bfloat16,
            and in float32 by ``dtype=torch.float32``.
        backend: "numba" compiled kernels of the CPU, "torch" a loop over time, "auto" the first for CPU tensors where numba is there, and
            Triton kernels for CUDA tensors where Triton and a card that it compiles for are there; else the loop.

    Returns:
        c, in the shape of f and u together, with its memory laid out as u's; or ``(c, final)``. Derivatives of every order are exact, with
        respect to f, u and c0, in reverse and forward mode and under vmap. On the CPU the state is carried in double precision and rounded
        once a step; on CUDA float32 and bfloat16 are carried in single precision.

    Raises:
        DataError: shapes that do not broadcast, integers, a dtype that cannot hold c, several devices, bounds that decrease or miss T.
        ParameterError: an unknown back end. MissingExtraError: backend="numba" without numba.
        DeviceMemoryError: a card that is full; also a torch.OutOfMemoryError. It says how to go on in chunks.
        EquationError: forward mode inside torch.compile, vmap over cu_seqlens, backend="numba" off the CPU.

    >>> linear_scan(0.5, torch.tensor([1.0, 0.0, 0.0]), dim=0)
    tensor([1.0000, 0.5000, 0.2500])
    """
    gate, c0 = number(f, u), None if c0 is None else number(c0, u)
    check(gate, u, c0, mask, backend)
    shape = broadcast_shape("f", gate, "u", u)
    if not -len(shape) <= dim < len(shape):
        raise DataError(
            explain("there is no such axis of time", f"dim={dim}", f"an axis of {shape}", "pass dim=0 for a single sequence (T,)")
        )
    axis, own = dim % len(shape), result_type(gate, u)
    outer, steps, inner = shape[:axis], shape[axis], shape[axis + 1 :]
    own = torch.promote_types(own, c0.dtype) if c0 is not None and c0.is_complex() else own
    if dtype is not None and (not (dtype.is_floating_point or dtype.is_complex) or (own.is_complex and not dtype.is_complex)):
        raise DataError(explain("c cannot have this dtype", dtype, "complex" if own.is_complex else "floating", "leave dtype out"))
    dtype = own if dtype is None else dtype
    run = torch.float32 if dtype == torch.float16 else dtype
    gate, u = gate.to(run), u.to(run)
    if mask is not None:
        reduced = mask.ndim == len(shape) - 1 and axis < len(shape) - 1
        missing = mask.unsqueeze(-1) if reduced else mask
        if not (reduced or mask.ndim == len(shape)) or not _broadcasts(missing.shape, shape):
            fits = f"{shape}, or {shape[:-1]}" if axis < len(shape) - 1 else f"{shape}"
            raise DataError(explain("mask does not fit", tuple(mask.shape), fits, "pass a mask in the shape of u"))
        gate = torch.where(missing, gate, torch.ones((), dtype=run, device=u.device))
        u = torch.where(missing, u, torch.zeros((), dtype=run, device=u.device))
    batch, width = math.prod(outer), math.prod(inner)
    offsets: Tensor | None = None
    if cu_seqlens is not None:
        offsets = cu_seqlens if isinstance(cu_seqlens, Tensor) else torch.as_tensor(cu_seqlens)
        check_form(offsets, batch)
        if not torch.compiler.is_compiling() and not _transformed():  # else values cannot be read here, but where the kernel runs
            check_values(offsets, steps)
        offsets = offsets.to(device=u.device, dtype=torch.int64)
    sequences = 1 if offsets is None else offsets.shape[0] - 1
    start_shape = outer + inner if offsets is None else (*outer, sequences, *inner)
    drive = _shaped(u, shape, (batch, steps, width))
    flat = unexpanded(gate, shape, axis)
    if c0 is None:
        start = torch.zeros((), dtype=run, device=u.device).expand(batch, sequences, width)
    elif not _broadcasts(c0.shape, start_shape):
        raise DataError(explain("c0 does not fit", tuple(c0.shape), start_shape, "pass one state a sequence"))
    else:
        start = _shaped(c0.to(run), start_shape, (batch, sequences, width))
    c = scan(flat, drive, start, offsets, reverse, backend)
    states = _shaped(c, shape, shape).to(dtype)
    if not return_final:
        return states
    return states, formulas.at_ends(c, start, offsets, reverse).reshape(start_shape).to(dtype)


def elapsed_decay(elapsed: Tensor, rate: Tensor | float) -> Tensor:
    """What is kept over irregular gaps: ``f = exp(-rate * elapsed)``.

    Args:
        elapsed: time since the step before, >= 0, in any unit.
        rate: of decay, >= 0, per unit of elapsed; ln 2 / half-life.

    Raises:
        DataError: time that runs backwards or is no number, a negative rate.

    >>> elapsed_decay(torch.tensor([0.0, 10.0]), math.log(2) / 10)
    tensor([1.0000, 0.5000])
    """
    if not torch.compiler.is_compiling() and not _transformed():
        if not bool((elapsed >= 0).all()):
            raise DataError(explain("time runs backwards", f"elapsed {float(elapsed.min())}", "elapsed >= 0", "sort the rows by time"))
        if not bool((torch.as_tensor(rate) >= 0).all()):
            fix = "pass ln 2 / half-life"
            raise DataError(explain("a rate of decay is negative", float(torch.as_tensor(rate).min()), "rate >= 0", fix))
    return torch.exp(-rate * elapsed)


def number(x: Tensor | complex, u: Any) -> Tensor:
    """A tensor as it is; a number in double precision, because a gate near 1 loses its half-life in single precision.

    Like everywhere in torch, a number (and a CPU tensor without axes) goes along with any device.
    """
    if not isinstance(u, Tensor):
        raise DataError(explain("u is not a tensor", type(u).__name__, "a torch.Tensor", "torch.from_numpy(u), or scan_chunks for arrays"))
    if isinstance(x, Tensor):
        return x.to(u.device) if x.ndim == 0 and x.device.type == "cpu" and u.device.type != "cpu" else x
    value: Any = x  # a float is a complex number to a type checker
    dtype = torch.complex128 if isinstance(value, complex) else torch.float64
    if u.device.type == "cuda" and isinstance(value, int | float | complex):
        return torch.full((), value, dtype=dtype, device=u.device)  # no copy from the host, for which it would wait
    return torch.as_tensor(value, dtype=dtype, device=u.device)


def result_type(f: Tensor, u: Tensor) -> torch.dtype:
    """`torch.result_type`, which Dynamo does not trace: a gate without axes does not widen the result."""
    if f.ndim or u.ndim == 0 or (f.is_complex() and not u.is_complex()):
        narrow = f.ndim == 0 and u.ndim and u.dtype != torch.float64
        return torch.promote_types(torch.complex64 if narrow else f.dtype, u.dtype)
    return u.dtype


def _transformed() -> bool:
    """Whether values cannot be read: a transform of torch.func, or fake tensors."""
    return torch._C._functorch.peek_interpreter_stack() is not None or torch._C._len_torch_dispatch_stack() > 0


def _broadcasts(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    tail = shape[len(shape) - len(small) :]
    return len(small) <= len(shape) and all(a in (1, b) for a, b in zip(small, tail, strict=True))


def broadcast_shape(name: str, a: Tensor, other: str, b: Tensor) -> tuple[int, ...]:
    """The shape of two tensors together; raises `DataError` naming both."""
    axes = max(a.ndim, b.ndim)
    sizes = [((1,) * (axes - x.ndim) + tuple(x.shape)) for x in (a, b)]
    if any(n != m and 1 not in (n, m) for n, m in zip(*sizes, strict=True)):
        got = f"{name} {tuple(a.shape)}, {other} {tuple(b.shape)}"
        raise DataError(explain("shapes do not broadcast", got, "sizes equal or 1", "give a gate per channel the shape (D,)"))
    return tuple(m if n == 1 else n for n, m in zip(*sizes, strict=True))


def check(f: Tensor, u: Tensor, c0: Tensor | None, mask: Tensor | None, backend: str) -> None:
    """Raise the error of inputs that no scan takes: integers, several devices, a back end that is not there."""
    if backend not in ("auto", "numba", "torch"):
        raise ParameterError(explain("unknown backend", backend, "auto, numba or torch", "pass one of them"))
    named = {"f": f, "u": u, "c0": c0}
    for name, x in named.items():
        if x is not None and not (x.is_floating_point() or x.is_complex()) and not (name == "f" and x.ndim == 0):
            raise DataError(explain(f"{name} has an integer dtype", x.dtype, "a floating or complex dtype", f"pass {name}.float()"))
    devices = {name: str(x.device) for name, x in (named | {"mask": mask}).items() if x is not None}
    if len(set(devices.values())) > 1:
        raise DataError(explain("tensors on several devices", devices, "one device", "move them with .to(device)"))
    if mask is not None and mask.dtype != torch.bool:
        raise DataError(explain("mask is not boolean", mask.dtype, "torch.bool, False where a step is missing", "pass mask.bool()"))
    if backend == "numba" and not launch.available():
        raise MissingExtraError("numba", "fit", "A compiled scan")
    if backend == "numba" and u.device.type != "cpu":
        raise EquationError(explain("compiled kernels run on the CPU", u.device, "cpu", "pass backend='auto'"))


def _shaped(x: Tensor, shape: tuple[int, ...], flat: tuple[int, ...]) -> Tensor:
    """``x`` broadcast to ``shape`` and then reshaped; itself where nothing changes, since a view costs a microsecond."""
    return x if x.shape == flat else x.reshape(flat) if x.numel() == math.prod(flat) else x.expand(shape).reshape(flat)


def unexpanded(f: Tensor, shape: tuple[int, ...], axis: int) -> Tensor:
    """Gates as (B|1, T|1, D|1): an axis group along which it is broadcast keeps size 1."""
    if f.ndim == len(shape) == 3 and axis == 1:
        return f
    sizes = (1,) * (len(shape) - f.ndim) + tuple(f.shape)
    groups = []
    for full, own in (
        (shape[:axis], sizes[:axis]),
        (shape[axis : axis + 1], sizes[axis : axis + 1]),
        (shape[axis + 1 :], sizes[axis + 1 :]),
    ):
        groups.append(own if all(n == 1 for n in own) else full)
    return f.reshape(sizes).expand(*groups[0], *groups[1], *groups[2]).reshape(*(math.prod(g) for g in groups))
