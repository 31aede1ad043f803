"""From tensors to the Triton kernels: views in the order of travel, and what programs of few lanes pass to each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton.language as tl
from torch import Tensor

from seqsci.engine.launch import plain
from seqsci.engine.memory import empty
from seqsci.engine.triton_kernel import tiles
from seqsci.engine.triton_lookback import chained
from seqsci.engine.triton_plan import MOST, Plan, plan, processors
from seqsci.errors import DataError, explain

WIDE = {torch.float64: torch.float64, torch.complex128: torch.float64}
"""The precision of the state, where it is not single."""

Place = tuple[Tensor, tuple[int, int, int]]
"""A tensor of real numbers whose first element is the first in the order of travel, and strides over (B, T, D)."""


def _place(x: Tensor, back: bool) -> Place:
    """Strides in real numbers; 0 along an axis of size 1."""
    real = torch.view_as_real(x) if x.is_complex() else x
    b, t, d = (n if size != 1 else 0 for n, size in zip(real.stride(), x.shape, strict=False))
    return (real[:, -1:], (b, -t, d)) if back else (real, (b, t, d))


def marks(offsets: Tensor | None, steps: int, reverse: bool) -> Tensor | None:
    """(T,) the number of the sequence, from 1, at the step where a scan in this direction starts it, else 0; empty ones have none."""
    if offsets is None:
        return None
    first = (offsets[1:] - 1 if reverse else offsets[:-1]).clamp(0, steps - 1)
    number = torch.arange(1, offsets.shape[0], dtype=torch.int32, device=offsets.device)
    number = torch.where(offsets[1:] > offsets[:-1], number, 0)
    return torch.zeros(steps, dtype=torch.int32, device=offsets.device).scatter_reduce_(0, first, number, "amax")


@dataclass(frozen=True)
class Pass:
    """What the passes of one scan share."""

    f: Place
    u: Place
    z: Place
    shape: tuple[int, int, int]
    mark: Tensor | None
    back: bool
    real: torch.dtype
    complex: bool
    lag: int
    varies: int
    conj: bool
    plan: Plan

    def run(self, out: Place, states: Place | None = None, gate: tuple[Place, int] | None = None) -> None:
        """Write states to ``out`` and, of the adjoint with the scan's states, the gate's gradient."""
        (batch, steps, width), cut, device = self.shape, self.plan, out[0].device
        columns = -(-width // cut.BD)
        programs = batch * columns * cut.chunks
        if programs > MOST:
            got = f"{programs:,} for {self.shape} in {self.u[0].dtype}"
            fix = "cut the batch, or lanes, in parts"
            raise DataError(explain("the scan needs more programs than a launch has", got, f"{MOST:,} at most", fix))
        (g, g_strides), mode = gate or (out, 0)
        back = states or out
        strides = (*self.f[1], *self.u[1], *self.z[1], *out[1], *back[1], *g_strides, -1 if self.back else 1, 1)
        several, groups = cut.chunks > 1, -(-cut.chunks // cut.group)
        named = -(-batch * columns // 4) * 4  # all of them aligned alike, whatever the shape
        flags = (torch.zeros if several else torch.empty)(
            4 + named + batch * columns * (cut.chunks + groups) if several else 8, dtype=torch.int32, device=device
        )
        ticket, grown, tags = flags[:4], flags[4:], flags[4 + named :] if several else flags
        mark = ticket if self.mark is None else self.mark[-1:] if self.back else self.mark
        tensors = (self.f[0], self.u[0], self.z[0], out[0], back[0], g, mark)
        known = {
            "REAL": tl.float64 if self.real == torch.float64 else tl.float32, "BD": cut.BD, "LAG": self.lag,
            "VARIES": self.varies, "CONJ": self.conj, "COMPLEX": self.complex, "PACKED": self.mark is not None,
            "INITIAL": self.lag == 0, "GATE": mode, "num_stages": 1, "enable_fp_fusion": True,
        }  # fmt: skip
        sizes = (batch, steps, width, cut.chunks)
        if several:
            numbers = batch * width * (2 if self.complex else 1) * (2 * cut.chunks + groups)
            parts = torch.empty(numbers, dtype=self.real, device=device)
            chained[(programs,)](
                *tensors, parts, tags, grown, ticket, *sizes, cut.group, *strides,
                BT=cut.BT, ROWS=cut.rows, APART=cut.apart, num_warps=cut.warps, **known,
            )  # fmt: skip
        tiles[(batch * columns,)](
            *tensors, grown, *sizes, *strides,
            BT=cut.walk, STAGES=cut.stages, APART=cut.apart if mode == 0 else 0, AGAIN=several, num_warps=cut.warps, **known,
        )  # fmt: skip


def _swapped(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Rows of one lane as lanes of one row."""
    return tuple(x.transpose(0, 2) for x in tensors)


def _prepare(f: Tensor, u: Tensor, z: Tensor, offsets: Tensor | None, reverse: bool, back: bool, lag: int) -> Pass:
    """``reverse``: the scan's direction, which bounds are marked for; ``back``: that of this pass."""
    shape = (u.shape[0], u.shape[1], u.shape[2])
    conj = f.is_conj() != (lag == 1 and f.is_complex())
    f = f.conj() if f.is_conj() else f
    f, u, z = plain(f), plain(u), plain(z)
    count = processors(u.device.index if u.is_cuda else None)
    cut = plan(shape, (u.stride(0), u.stride(1), u.stride(2)), u.element_size(), count, offsets is not None)
    real = WIDE.get(u.dtype, torch.float32)
    mark = marks(offsets, shape[1], reverse)
    varies = int(f.shape[1] > 1) * (2 if f.shape[2] == 1 < shape[2] else 1)
    places = _place(f, back), _place(u, back), _place(z, False)
    return Pass(*places, shape, mark, back, real, u.is_complex(), lag, varies, conj, cut)


def scan(f: Tensor, u: Tensor, c0: Tensor, offsets: Tensor | None, reverse: bool) -> Tensor:
    """States (B, T, D) of the scan; the arguments are those of the operator."""
    result = empty(u)
    if result.numel() == 0:
        return result
    out = result
    if u.shape[2] == 1 < u.shape[0]:
        f, u, c0, out = _swapped(f, u, c0, out)
    with torch.cuda.device_of(u):  # type: ignore[no-untyped-call]
        _prepare(f, u, c0, offsets, reverse, reverse, 0).run(_place(out, reverse))
    return result


def adjoint(f: Tensor, c: Tensor, c0: Tensor, g: Tensor, offsets: Tensor | None, reverse: bool) -> tuple[Tensor, Tensor]:
    """(df, l), df in the shape of f; the arguments are those of the operator."""
    result, kind, shape = empty(g), f.dtype, tuple(f.shape)
    swap = g.shape[2] == 1 < g.shape[0]
    out = result
    if swap:
        f, c, c0, g, out = _swapped(f, c, c0, g, out)
    back = not reverse
    with torch.cuda.device_of(g):  # type: ignore[no-untyped-call]
        work = _prepare(f, g, c0, offsets, reverse, back, 1)
        (batch, steps, width), cut = work.shape, work.plan
        states, target = _place(plain(c), back), _place(out, back)
        if f.shape[1] == 1:
            sums = torch.empty(batch, cut.chunks, width, dtype=torch.complex128 if work.complex else torch.float64, device=g.device)
            work.run(target, states, (_place(sums, False), 2))
            df = sums.sum(1, keepdim=True)
        elif f.shape[2] == 1 < width:
            kept = torch.empty(batch, steps, -(-width // cut.BD), dtype=_wide(work), device=g.device)
            work.run(target, states, (_place(kept, back), 3))
            df = kept.sum(2, keepdim=True, dtype=torch.complex128 if work.complex else torch.float64)
        else:
            whole = tuple(f.shape) == work.shape
            df = torch.empty(shape, dtype=kind, device=g.device) if whole else torch.empty(work.shape, dtype=_wide(work), device=g.device)
            df = df.transpose(0, 2) if swap and whole else df
            work.run(target, states, (_place(df, back), 1))
            if whole:
                return df.transpose(0, 2) if swap else df, result
        axes = [axis for axis in (0, 2) if f.shape[axis] == 1 < df.shape[axis]]
        df = df.sum(axes, keepdim=True, dtype=torch.complex128 if work.complex else torch.float64) if axes else df
    return (df.transpose(0, 2) if swap else df).to(kind).contiguous(), result


def _wide(work: Pass) -> torch.dtype:
    if not work.complex:
        return work.real
    return torch.complex128 if work.real == torch.float64 else torch.complex64
