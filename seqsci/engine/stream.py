"""The scan of sequences larger than memory: chunk after chunk, with a carry in double precision that can be saved and taken up again."""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from seqsci.engine import accelerator, launch
from seqsci.engine.api import broadcast_shape, check, linear_scan, number, result_type, unexpanded
from seqsci.errors import ArtefactError, DataError, MissingExtraError, ParameterError, explain

CHUNK = 1 << 22
"""Steps of a chunk, if its state is a single number."""


@dataclass(frozen=True, eq=False)
class Carry:
    """What a stream remembers between two chunks.

    Attributes:
        state: the state after the last step taken, in the shape of u without its axis of time; float64 or complex128.
        position: how many steps were taken.
    """

    state: Tensor
    position: int

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file, whole or not at all; raises `ArtefactError` where that cannot be done."""
        target = Path(path)
        state = self.state.detach().resolve_conj().resolve_neg()
        state = torch.view_as_real(state) if state.is_complex() else state
        temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        about = {"format": "seqsci carry 1", "position": str(self.position), "complex": str(int(self.state.is_complex()))}
        try:
            from safetensors.torch import save
        except ImportError as error:
            raise MissingExtraError("safetensors", "fit", "Writing a carry") from error
        try:
            temporary.write_bytes(save({"state": state.contiguous()}, about))
            os.replace(temporary, target)
        except OSError as error:
            raise ArtefactError(
                explain(f"cannot write {target}", error.strerror, "a folder that can be written", "choose another")
            ) from error
        return target

    @staticmethod
    def load(path: str | Path) -> Carry:
        """Read what `save` wrote; raises `ArtefactError` for a missing, damaged or foreign file."""
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError as error:
            raise MissingExtraError("safetensors", "fit", "Reading a carry") from error
        try:
            with safe_open(str(path), "pt") as file:
                about, state = file.metadata() or {}, file.get_tensor("state")
            if about.get("format") != "seqsci carry 1":
                raise ArtefactError(explain(f"{path} is not a carry", about.get("format"), "seqsci carry 1", "pass what Carry.save wrote"))
            return Carry(torch.view_as_complex(state) if about["complex"] == "1" else state, int(about["position"]))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            got = f"{type(error).__name__}: {error}"[:200]
            raise ArtefactError(
                explain(f"{path} cannot be read", got, "a file that Carry.save wrote", "start anew, or take a backup")
            ) from error


def scan_chunks(
    f: Any,
    u: Any,
    carry: Carry | Tensor | None = None,
    *,
    dim: int = 0,
    chunk: int | None = None,
    reverse: bool = False,
    out: Any = None,
    backend: Literal["auto", "numba", "torch"] = "auto",
) -> Iterator[tuple[Tensor, Carry]]:
    """Run ``c_t = f_t c_{t-1} + u_t`` over arrays larger than memory, one chunk of time after the other.

    Args:
        f: what is kept; a number, or an array that broadcasts with u. Only the rows of a chunk are read.
        u: what is added: a `numpy.memmap`, an array, a tensor, or anything with ``shape`` and slices (HDF5, Zarr). Pages of a memory map
            are handed back after use.
        carry: where to go on, of an earlier call or of `Carry.load`; or the (...) state before the first step; 0 if left out.
        dim: the axis of time of u (0: a track is long and has no batch).
        chunk: steps a chunk; by default 4 million numbers.
        reverse: go from the last step to the first, in chunks from the end.
        out: array in the shape of u, e.g. a `numpy.memmap` opened with "r+" or "w+", that takes the states; its pages are handed back too.
        backend: as in `linear_scan`.

    Yields:
        states of a chunk, in the shape of u's chunk, and the carry after it. Joined, the chunks are the states of one `linear_scan`: the
        carry is not rounded to the dtype of u. No derivatives: the stream does not keep what they need.

    Raises:
        DataError: shapes that do not fit, a carry beyond the end, inputs that require a gradient, an out that cannot hold the states.
        ParameterError: chunk < 1.

    >>> u = np.ones(10_000, np.float32)
    >>> for states, carry in scan_chunks(0.5, u, chunk=4_000):
    ...     print(carry.position, float(carry.state))
    4000 2.0
    8000 2.0
    10000 2.0
    """
    shape = tuple(int(n) for n in u.shape)
    if not shape or not -len(shape) <= dim < len(shape):
        got = f"dim={dim} of {shape}"
        raise DataError(explain("there is no such axis of time", got, "an axis of u", "pass dim=0 for a single sequence (T,)"))
    axis = dim % len(shape)
    steps, rest = shape[axis], shape[:axis] + shape[axis + 1 :]
    gate_shape = tuple(int(n) for n in getattr(f, "shape", ()))
    padded = (1,) * (len(shape) - len(gate_shape)) + gate_shape
    if len(padded) > len(shape) or any(n not in (1, m) for n, m in zip(padded, shape, strict=True)):
        got = f"f {gate_shape}, u {shape}"
        raise DataError(explain("shapes do not broadcast", got, "every axis of f is 1 or as long as that of u", "give f the axes of u"))
    if out is not None and tuple(out.shape) != shape:
        raise DataError(explain("out does not fit", tuple(out.shape), shape, "make it in the shape of u"))
    length = chunk if chunk is not None else max(1, CHUNK // max(1, int(np.prod(rest))))
    if length < 1:
        raise ParameterError(explain("chunk must be positive", chunk, ">= 1", "leave it out"))
    start = carry if isinstance(carry, Carry) else Carry(torch.zeros(rest, dtype=torch.float64) if carry is None else carry, 0)
    if not 0 <= start.position <= steps:
        raise DataError(explain("the carry lies beyond the end", start.position, f"0 ... {steps}", "pass the carry of this sequence"))
    slices = _slices(start.position, steps, length, reverse)
    varies = bool(gate_shape) and padded[axis] != 1

    def pieces() -> Iterator[tuple[Any, Any]]:
        for lo, hi in slices:
            at = (slice(None),) * axis + (slice(lo, hi),)
            yield (f[at[len(shape) - len(gate_shape) :]] if varies else f), u[at]

    return _written(scan_pieces(pieces(), start, dim=axis, reverse=reverse, backend=backend), (f, u, out), out, slices, axis)


def scan_pieces(
    pieces: Iterable[tuple[Any, Any]],
    carry: Carry | Tensor | None = None,
    *,
    dim: int = 0,
    reverse: bool = False,
    backend: Literal["auto", "numba", "torch"] = "auto",
) -> Iterator[tuple[Tensor, Carry]]:
    """Run the scan over an iterable of pieces ``(f, u)`` in the order of travel, such as chunks from a reader of files.

    Args:
        pieces: each as in `linear_scan`; with ``reverse`` the first one is the last in time.
        carry, dim, reverse, backend: as in `scan_chunks`.

    Yields and raises as `scan_chunks`; no piece, no carry.
    """
    position = carry.position if isinstance(carry, Carry) else 0
    state = carry.state if isinstance(carry, Carry) else None if carry is None else torch.as_tensor(carry)
    for f, u in pieces:
        gate, drive = _tensor(f), _tensor(u)
        if drive is None:
            raise DataError(explain("a piece without inputs", type(u).__name__, "(f, u), u an array", "pass u as an array"))
        gate = number(f, drive) if gate is None else gate
        if torch.is_grad_enabled() and (gate.requires_grad or drive.requires_grad or (state is not None and state.requires_grad)):
            fix = "detach them, or call linear_scan(..., return_final=True) chunk by chunk"
            raise DataError(explain("a stream carries no gradient", "inputs that require one", "inputs without", fix))
        with torch.no_grad():
            states, state = _advance(gate, drive, state, dim, reverse, backend)
        position += drive.shape[dim]
        yield states, Carry(state, position)


def _advance(f: Tensor, u: Tensor, state: Tensor | None, dim: int, reverse: bool, backend: Literal["auto", "numba", "torch"]) -> Any:
    """States of a piece, and the last one in double precision: rounded states, unrounded carry."""
    state = None if state is None else state.to(u.device)  # a carry that was saved is small
    check(f, u, state, None, backend)
    shape, dtype = broadcast_shape("f", f, "u", u), result_type(f, u)
    dtype = torch.promote_types(dtype, torch.complex64) if state is not None and state.is_complex() else dtype
    wide = torch.complex128 if dtype.is_complex else torch.float64
    axis = dim % len(shape)
    outer, steps, inner = shape[:axis], shape[axis], shape[axis + 1 :]
    start = torch.zeros(outer + inner, dtype=wide, device=u.device) if state is None else state.to(wide)
    if start.shape != outer + inner:
        fix = "pass one state a sequence"
        raise DataError(explain("the carry does not fit", tuple(start.shape), outer + inner, fix))
    gate, drive = f.to(dtype), u.to(dtype).expand(shape)
    if backend == "torch" or not launch.fits(drive) or (backend == "auto" and accelerator.takes(drive)) or steps == 0:
        states, end = linear_scan(gate.to(wide), drive.to(wide), start, dim=axis, reverse=reverse, return_final=True, backend=backend)
        return states.to(dtype), end
    batch, width = math.prod(outer), math.prod(inner)
    end = torch.empty(batch, 1, width, dtype=wide)
    flat = unexpanded(gate, shape, axis)
    states = launch.compiled(flat, drive.reshape(batch, steps, width), start.reshape(batch, 1, width), None, reverse, 0, end.numpy())
    return states.reshape(shape), end.reshape(outer + inner)


def _slices(position: int, steps: int, length: int, reverse: bool) -> list[tuple[int, int]]:
    """Bounds of the chunks that are left, in the order of travel."""
    cuts = [(lo, min(steps, lo + length)) for lo in range(position, steps, length)]
    return [(steps - hi, steps - lo) for lo, hi in cuts] if reverse else cuts


def _tensor(x: Any) -> Tensor | None:
    """A tensor over the memory of what was read, which is never written."""
    if isinstance(x, Tensor):
        return x
    if np.ndim(x) == 0:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        array = np.asarray(x)
        if not array.dtype.isnative or any(stride < 0 for stride in array.strides):  # torch has no such tensors
            array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        return torch.from_numpy(array)


def _written(
    chunks: Iterator[tuple[Tensor, Carry]], sources: tuple[Any, ...], out: Any, slices: list[tuple[int, int]], axis: int
) -> Iterator[tuple[Tensor, Carry]]:
    for (lo, hi), (states, carry) in zip(slices, chunks, strict=True):
        if out is not None:
            _check_out(out, states)
            at = (slice(None),) * axis + (slice(lo, hi),)
            out[at] = states if isinstance(out, Tensor) else (states.float() if states.dtype == torch.bfloat16 else states).cpu().numpy()
        for source in sources:
            _release(source)
        yield states, carry


def _check_out(out: Any, states: Tensor) -> None:
    """Raise `DataError` where out cannot hold the states: integers, no imaginary part, memory that must not be written."""
    holds = out.dtype.is_complex if isinstance(out, Tensor) else np.dtype(out.dtype).kind == "c"
    floats = out.is_floating_point() if isinstance(out, Tensor) else np.dtype(out.dtype).kind == "f"
    if not (holds or (floats and not states.is_complex())):
        expected = "a complex dtype" if states.is_complex() else "a floating dtype"
        raise DataError(explain("out cannot hold the states", out.dtype, expected, "make out in that dtype"))
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise DataError(explain("out is read-only", "an array that cannot be written", "a writable one", 'open it with mode "r+"'))
    if isinstance(out, Tensor) and out.requires_grad:
        raise DataError(explain("out requires a gradient", "requires_grad", "a plain tensor", "pass out.detach()"))


def _release(source: Any) -> None:
    """Hand the pages of a memory map back; what was written to them stays in the file."""
    held = getattr(source, "_mmap", None)
    if isinstance(held, mmap.mmap) and hasattr(held, "madvise") and getattr(source, "mode", "c") != "c":
        with contextlib.suppress(OSError, ValueError):  # advice that a platform does not take
            held.madvise(mmap.MADV_DONTNEED)
