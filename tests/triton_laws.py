"""Laws of the Triton scan, run by test_engine_triton.py: through the interpreter on CPU tensors, and on a card where there is one.

The sizes are small in the interpreter, whose tiles are small as well, so that several tiles and chunks are met.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqsci.engine import accelerator, linear_scan, scan_chunks
from seqsci.engine.reference import loop

if accelerator.INTERPRET:
    from tests.triton_interpreter import quicken

    quicken()
# NumPy's, in the interpreter: what overflows is inf by design
pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value|All-NaN):RuntimeWarning")
DEVICE = "cpu" if accelerator.INTERPRET else "cuda"
CARD = DEVICE == "cuda"
TOLERANCE = {torch.float64: 1e-12, torch.complex128: 1e-12, torch.float32: 1e-6, torch.complex64: 1e-6, torch.bfloat16: 8e-3}
LAYOUTS = {
    "lanes side by side": lambda x: x.contiguous(),
    "time side by side": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "batch side by side": lambda x: x.permute(1, 2, 0).contiguous().permute(2, 0, 1),
    "every other step": lambda x: torch.stack((x, x), 2).flatten(1, 2)[:, ::2],
    "one lane for all": lambda x: x[..., :1].expand(x.shape),
    "conjugate": lambda x: x.conj().resolve_conj().conj(),
}


def error(got: Tensor, expected: Tensor) -> float:
    """Norm-wise, in double precision."""
    wide = torch.complex128 if expected.is_complex() else torch.float64
    a, b = got.detach().cpu().to(wide), expected.detach().cpu().to(wide)
    assert a.shape == b.shape
    return float((a - b).norm() / b.norm().clamp_min(1e-300)) if b.numel() else 0.0


def both(f: Tensor, u: Tensor, c0: Tensor, g: Tensor, **options: object) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """States, final states and the gradients of f, u and c0: by the kernels, and by the loop in double precision on the CPU."""
    results = []
    wide = torch.complex128 if u.is_complex() else torch.float64
    bounds = options.pop("cu_seqlens", None)
    for kernels in (True, False):
        leaves = [x.detach() if kernels else x.detach().cpu().to(wide) for x in (f, u, c0)]
        leaves = [x.requires_grad_(True) for x in leaves]
        packed = bounds if kernels or bounds is None else bounds.cpu()  # type: ignore[attr-defined]
        c, final = linear_scan(*leaves, return_final=True, cu_seqlens=packed, backend="auto" if kernels else "torch", **options)  # type: ignore[arg-type, misc]
        cotangents = (g if kernels else g.cpu().to(wide), torch.ones_like(final))
        results.append((c.detach(), final.detach(), *torch.autograd.grad((c, final), leaves, cotangents)))
    return results[0], results[1]


def inputs(shape: tuple[int, int, int], gate: tuple[int, int, int], dtype: torch.dtype, sequences: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    sizes = (gate, shape, (shape[0], sequences, shape[2]), shape)
    f, u, c0, g = (torch.randn(s, dtype=wide, generator=generator).to(dtype).to(DEVICE) for s in sizes)
    f = 0.4 * f
    f = f / f.abs().clamp_min(1.0) if shape[1] > 100 else f  # products of hundreds of gates above one leave single precision
    return [f, u, c0, g]


@pytest.mark.parametrize("seed", range(int(os.environ.get("SEQSCI_LAW_SEEDS", "60")) if CARD else 40))
def test_states_and_gradients_are_those_of_the_loop(seed: int) -> None:
    draw = random.Random(seed)
    steps = draw.choice([1, 2, 7, 16, 33, 257, 900] if CARD else [1, 2, 7, 16, 33])
    width = draw.choice([1, 2, 9, 33, 130] if CARD else [1, 2, 9])
    dtype = list(TOLERANCE)[seed % len(TOLERANCE)]
    packed = draw.random() < 0.4
    batch = 1 if packed else draw.choice([1, 2, 3])
    shape = (batch, steps, width)
    gate = tuple(draw.choice([n, 1]) for n in shape)
    bounds = torch.tensor([0, *sorted(draw.choices(range(steps + 1), k=4)), steps], device=DEVICE) if packed else None
    f, u, c0, g = inputs(shape, gate, dtype, 1 if bounds is None else 5, seed)  # type: ignore[arg-type]
    names = [draw.choice(sorted(LAYOUTS)) for _ in range(3)]
    f, u, g = (LAYOUTS[name](x) for name, x in zip(names, (f, u, g), strict=True))
    c0 = c0 if packed else c0[:, 0]
    got, expected = both(f, u, c0, g, reverse=draw.random() < 0.5, cu_seqlens=bounds)
    tolerances = [TOLERANCE[dtype]] * 5
    if dtype == torch.bfloat16:  # the gradient of the gate is made from states that were rounded
        tolerances[2] = 5e-2
    for a, b, tolerance in zip(got, expected, tolerances, strict=True):
        assert a.dtype == dtype
        assert float((a.cpu().to(b.dtype) - b).norm()) <= tolerance * max(float(b.norm()), 1.0), (shape, gate, names, dtype, packed)


LONG = 50_000 if CARD else 270


@pytest.mark.parametrize("case", ["one lane", "few lanes", "packed lane", "packed lanes", "rows", "shared gate"])
@pytest.mark.parametrize("reverse", [False, True])
def test_few_lanes_in_chunks_of_time_are_the_loop(case: str, reverse: bool) -> None:
    shape = {"few lanes": (1, LONG // 2, 3), "packed lanes": (1, LONG // 2, 3), "rows": (2, LONG, 1)}.get(case, (1, LONG, 1))
    dtype = torch.complex64 if case == "rows" else torch.float64
    steps = shape[1]
    bounds = torch.tensor([0, 0, 1, 3, steps // 2, steps - 1, steps], device=DEVICE) if case.startswith("packed") else None
    f, u, c0, g = inputs(shape, (1, 1, 1) if case == "shared gate" else shape, dtype, 1 if bounds is None else 6, 3)
    got, expected = both(f, u, c0[:, 0] if bounds is None else c0, g, reverse=reverse, cu_seqlens=bounds)
    for a, b in zip(got, expected, strict=True):
        assert error(a, b) <= TOLERANCE[dtype]


def test_it_is_the_triton_kernel_that_runs() -> None:
    from seqsci.engine import triton_launch
    from tests.triton_targets import recorded

    u = torch.randn(2, 9, 3, device=DEVICE, requires_grad=True)
    with recorded(triton_launch) as recorder:
        c = linear_scan(0.5, u)
        assert len(recorder.launches) == 1
        c.sum().backward()  # type: ignore[union-attr]
        assert len(recorder.launches) == 2
        linear_scan(0.5, u, backend="torch")
    assert len(recorder.launches) == 2


def test_rows_of_no_steps_and_no_lanes_are_rows() -> None:
    for shape in ((2, 0, 3), (2, 5, 0), (0, 5, 3)):
        f, u, c0, g = inputs(shape, shape, torch.float32, 1, 0)
        got, expected = both(f, u, c0[:, 0], g)
        for a, b in zip(got, expected, strict=True):
            assert torch.equal(a.cpu().double(), b)


@pytest.mark.parametrize("gate", [0.0, 0.9, 0.999, 1.0, None])
def test_single_precision_is_within_its_bound(gate: float | None) -> None:
    steps = 65_536 if CARD else 500
    u = torch.rand((1, steps, 4), device=DEVICE)
    f = torch.rand(u.shape, device=DEVICE) if gate is None else torch.tensor(gate, device=DEVICE)
    reach = min(steps, 1 / (1 - gate)) if gate not in (None, 1.0) else 2 if gate is None else steps  # type: ignore[operator]
    exact = linear_scan(f.cpu().double(), u.cpu().double(), backend="torch")
    assert error(linear_scan(f, u), exact) <= 4 * 2**-24 * reach  # type: ignore[arg-type]


def test_bfloat16_inputs_with_single_precision_states_are_right_to_a_hundred_thousandth() -> None:
    f = torch.full((1, 4096, 20) if CARD else (1, 100, 5), 0.99, device=DEVICE).bfloat16()
    u = torch.randn(f.shape, device=DEVICE).bfloat16()
    exact = linear_scan(f.cpu().double(), u.cpu().double(), backend="torch")
    assert error(linear_scan(f, u, dtype=torch.float32), exact) <= 1e-5  # type: ignore[arg-type]
    rounding = 1e-3 if CARD else 8e-3  # the interpreter cuts numbers off where a card rounds to the nearest
    assert error(linear_scan(f, u), exact.bfloat16()) <= rounding  # type: ignore[arg-type, union-attr]


def test_the_same_call_gives_the_same_bits() -> None:
    f, u, c0, g = inputs((1, LONG, 1), (1, 1, 1), torch.float32, 1, 1)
    first, second = (both(f, u, c0[:, 0], g)[0] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("width", [1, 40 if CARD else 8])
def test_growing_rows_overflow_where_the_loop_does(width: int) -> None:
    u = torch.zeros(1, 160, width, device=DEVICE)
    assert torch.equal(linear_scan(2.0, u), u)
    u[0, 5] = 1.0
    c = linear_scan(2.0, u)[0]
    assert bool((c[:5] == 0).all()) and bool((c[5 + 127] == 2.0**127).all()) and bool(torch.isinf(c[5 + 128 :]).all())


def test_a_state_held_against_growth_is_held() -> None:
    """Composed, the products of gates would cancel; walked step by step the state stays where it is."""
    u = torch.full((1, 120, 1), -0.5, device=DEVICE)
    c = linear_scan(1.5, u, torch.ones(1, 1, device=DEVICE))
    assert torch.equal(c, torch.ones_like(u))
    leaves = [x.requires_grad_(True) for x in (torch.full((1, 22, 1), 2.0, device=DEVICE), torch.zeros(1, 22, 1, device=DEVICE))]
    got = torch.autograd.grad(linear_scan(*leaves).sum(), leaves)  # type: ignore[union-attr]
    assert bool((got[0] == 0).all()) and float(got[1][0, 0, 0]) == float(2**22 - 1)


def test_a_number_that_is_not_finite_stays_in_its_lane_and_sequence() -> None:
    f, u, c0, g = inputs((2, 40, 9), (2, 40, 9), torch.float32, 1, 2)
    u[1, 7, 2] = torch.nan
    (c, *_), (clean, *_) = both(f, u, c0[:, 0], g)
    assert torch.equal(c.isnan().cpu(), clean.isnan()) and int(clean.isnan().sum()) == 33
    bounds = torch.tensor([0, 3, 3, 17, 40], device=DEVICE)
    f, u, c0, g = inputs((1, 40, 2), (1, 40, 2), torch.float64, 4, 2)
    u[0, 4, 0] = torch.inf
    got, expected = both(f, u, c0, g, cu_seqlens=bounds)
    for a, b in zip(got, expected, strict=True):
        assert torch.equal(a.isfinite().cpu(), b.isfinite())


def test_a_missing_step_keeps_the_state_whatever_lies_there() -> None:
    f, u = torch.rand(2, 20, 3, device=DEVICE), torch.randn(2, 20, 3, device=DEVICE)
    mask = torch.ones(2, 20, dtype=torch.bool, device=DEVICE)
    mask[:, [0, 4, 5]] = False
    u[:, 4], f[:, 5] = torch.nan, torch.nan
    c = linear_scan(f, u, torch.ones(2, 3, device=DEVICE), mask=mask)
    assert bool((c[:, 0] == 1).all()) and torch.equal(c[:, 5], c[:, 3]) and bool(c.isfinite().all())


def test_a_stream_in_chunks_is_the_scan() -> None:
    f, u, c0, _ = inputs((1, 60, 3), (1, 60, 3), torch.float32, 1, 4)
    chunks = list(scan_chunks(f[0], u[0], c0[0, 0], chunk=25))
    assert torch.cat([c for c, _ in chunks]).device.type == DEVICE and chunks[-1][1].state.dtype == torch.float64
    exact = loop(f.cpu().double(), u.cpu().double(), c0.cpu().double(), None, False, 0)
    assert error(torch.cat([c for c, _ in chunks]), exact[0]) <= 1e-7


FAR = 2**31 + 1000


@pytest.mark.parametrize("case", [((2, 20, 9), (FAR, 9, 1)), ((1, 2, 9), (1, FAR, 1)), ((1, 20, 2), (1, 1, FAR))], ids=str)
def test_memory_wider_than_32_bits_is_read_where_it_lies(case: tuple[tuple[int, int, int], tuple[int, int, int]], tmp_path: Path) -> None:
    (shape, strides), numbers = case, FAR + 1000
    if CARD:
        if torch.cuda.mem_get_info()[0] < 5 * numbers:
            pytest.skip("the card has no 11 GB")
        memory = torch.empty(numbers, device=DEVICE)
    else:
        with (tmp_path / "holes").open("wb") as file:
            file.truncate(4 * numbers)
        if (tmp_path / "holes").stat().st_blocks > 10_000:
            pytest.skip("the file system has no sparse files")
        memory = torch.from_numpy(np.memmap(tmp_path / "holes", np.float32, "r+"))
    f, u, c0, g = inputs(shape, shape, torch.float32, 1, 6)
    far = memory.as_strided(shape, strides)
    far.copy_(u)
    from seqsci.engine import triton_launch

    c = triton_launch.scan(f, far, c0, None, False)
    assert torch.equal(c, triton_launch.scan(f, u, c0, None, False)) or error(c, loop(f, u, c0, None, False, 0)) <= 1e-6
    df, adjoint = triton_launch.adjoint(f, far, c0, g, None, False)
    near = triton_launch.adjoint(f, u, c0, g, None, False)
    assert torch.equal(df, near[0]) and torch.equal(adjoint, near[1])
