"""Short rows, few lanes, packed short sequences and wide memory: each is the plain loop, to the last bit; a filter of scipy agrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor

from seqsci.engine import launch, linear_scan
from seqsci.engine.reference import loop

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
LENGTHS = [0, 3, 1, 90, 0, 8, 9, 17, 2, 2, 2, 70, 65, 1, 1, 12, 0]
"""Beside one another: none, one step, below and above a block of registers, longer than what is run without tiles."""

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "lanes side by side": lambda x: x.contiguous(),
    "time side by side": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "every other step": lambda x: torch.stack((x, x), 2).flatten(1, 2)[:, ::2],
    "every other lane": lambda x: torch.stack((x, x), 3).flatten(2, 3)[..., ::2],
}


def _inputs(shape: tuple[int, int, int], sequences: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.rand(shape).to(dtype), torch.randn(shape).to(dtype), torch.randn(shape[0], sequences, shape[2]).to(dtype)


def _bounds(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *np.cumsum(lengths)])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 7, 15])
def test_few_lanes_are_those_of_the_loop_to_the_last_bit(width: int, layout: str, dtype: torch.dtype) -> None:
    for batch, steps in ((11, 1), (11, 2), (3, 5), (9, 9), (2, 66), (2, 200)):
        f, u, c0 = (LAYOUTS[layout](x) for x in _inputs((batch, steps, width), 1, dtype))
        for gate in (f, f[:, :1], f[:, :, :1], f[:1, :1, :1]):
            for reverse in (False, True):
                for lag in (0, 1):
                    assert torch.equal(launch.compiled(gate, u, c0, None, reverse, lag), loop(gate, u, c0, None, reverse, lag))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [1, 3, 5, 8])
def test_packed_sequences_of_any_length_are_those_of_the_loop_to_the_last_bit(width: int, layout: str, dtype: torch.dtype) -> None:
    f, u, c0 = (LAYOUTS[layout](x) for x in _inputs((1, sum(LENGTHS), width), len(LENGTHS), dtype))
    for reverse in (False, True):
        for lag in (0, 1):
            expected = loop(f, u, c0, _bounds(LENGTHS), reverse, lag)
            assert torch.equal(launch.compiled(f, u, c0, _bounds(LENGTHS), reverse, lag), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [1, 2, 5, 8, 20])
def test_the_last_states_are_handed_over_in_double_precision(width: int, layout: str) -> None:
    f, u, c0 = (LAYOUTS[layout](x) for x in _inputs((1, sum(LENGTHS), width), len(LENGTHS), torch.float32))
    bounds = _bounds(LENGTHS)
    ends = np.full((1, len(LENGTHS), width), np.nan)
    launch.compiled(f, u, c0, bounds, False, 0, ends)
    filled = torch.tensor(LENGTHS) > 0
    expected = loop(f.double(), u.double(), c0.double(), bounds, False, 0)[0, bounds[1:][filled] - 1]
    assert torch.equal(torch.from_numpy(ends)[0, filled], expected)
    assert bool(np.isnan(ends[0, ~filled.numpy()]).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("gate", ["none shared", "number", "per lane", "per step"])
@pytest.mark.parametrize("width", [1, 5, 18])
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_of_packed_sequences_are_those_one_by_one(reverse: bool, width: int, gate: str, dtype: torch.dtype) -> None:
    steps = sum(LENGTHS)
    kept = {"none shared": (1, steps, width), "number": (1, 1, 1), "per lane": (1, 1, width), "per step": (1, steps, 1)}[gate]
    torch.manual_seed(1)
    f, u, c0, g = (torch.randn(s, dtype=dtype) for s in (kept, (1, steps, width), (1, len(LENGTHS), width), (1, steps, width)))
    leaves = [x.requires_grad_(True) for x in (0.5 * f, u, c0)]
    leaves[0] = leaves[0].detach().requires_grad_(True)
    got = torch.autograd.grad(linear_scan(*leaves, reverse=reverse, cu_seqlens=_bounds(LENGTHS)), leaves, g)  # type: ignore[arg-type]
    gates = leaves[0].expand(1, steps, width).split(LENGTHS, 1)
    parts = zip(gates, leaves[1].split(LENGTHS, 1), leaves[2].unbind(1), strict=True)
    apart = torch.cat([linear_scan(a, b, s, reverse=reverse, backend="torch") for a, b, s in parts], 1)  # type: ignore[misc]
    for a, b in zip(got, torch.autograd.grad(apart, leaves, g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_nan_does_not_cross_a_bound_in_any_gradient() -> None:
    f, u, c0 = (x.requires_grad_(True) for x in _inputs((1, 12, 2), 4, torch.float64))
    bounds = torch.tensor([0, 3, 3, 7, 12])
    g = torch.ones(1, 12, 2, dtype=torch.float64)
    with torch.no_grad():
        u[0, 4, 0] = torch.nan
    df, du, dc0 = torch.autograd.grad(linear_scan(f, u, c0, cu_seqlens=bounds), (f, u, c0), g)  # type: ignore[arg-type]
    assert bool(df[0, 5:7, 0].isnan().all()) and bool(df[0, [0, 1, 2, 3, 4, 7, 8]].isfinite().all()) and bool(df[..., 1].isfinite().all())
    assert bool(du.isfinite().all()) and bool(dc0.isfinite().all()) and bool((dc0[0, 1] == 0).all())


@pytest.mark.parametrize("shape", [(40, 3, 1), (40, 60, 1), (5, 9, 6), (3, 400, 2), (2, 99, 20), (1, 140_000, 1), (1, 140_000, 4)], ids=str)
def test_a_constant_gate_is_the_filter_of_scipy(shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(3)
    u, c0 = generator.standard_normal(shape), generator.standard_normal((shape[0], shape[2]))
    for gate in (0.0, 0.7, -0.9, 0.999):
        expected, _ = signal.lfilter([1.0], [1.0, -gate], u, axis=1, zi=gate * c0[:, None])
        got = linear_scan(torch.tensor(gate, dtype=torch.float64), torch.from_numpy(u), torch.from_numpy(c0))
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)  # type: ignore[arg-type]


FAR = 2**31 + 1000
"""Elements between two neighbours along one axis."""

WIDE = {
    "eight rows": ((2, 30, 1), (FAR, 1, 1)),
    "eight rows, far steps": ((1, 2, 3), (1, FAR, 7)),
    "few lanes": ((2, 30, 5), (FAR, 5, 1)),
    "few lanes, far steps": ((1, 2, 5), (1, FAR, 1)),
    "lanes": ((2, 30, 20), (FAR, 20, 1)),
    "lanes, far steps": ((1, 2, 20), (1, FAR, 1)),
    "far lanes": ((3, 30, 2), (60, 1, FAR)),
    "rows split in time": ((2, 70_000, 1), (FAR, 1, 1)),
}


@pytest.mark.parametrize("case", WIDE)
def test_memory_wider_than_32_bits_is_read_where_it_lies(case: str, tmp_path: Path) -> None:
    shape, strides = WIDE[case]
    place = tmp_path / "holes"
    try:
        with place.open("wb") as file:
            file.truncate(4 * (FAR + 200_000))
        blocks = getattr(place.stat(), "st_blocks", None)
        if blocks is None or blocks > 10_000:
            pytest.skip("the file system has no sparse files")
        memory = torch.from_numpy(np.memmap(place, np.float32, "r+"))
    except OSError as error:
        pytest.skip(f"no sparse file of 9 GB: {error}")
    far = memory.as_strided(shape, strides)
    f, u, c0 = _inputs(shape, 1, torch.float32)
    results = []
    for wide in (far, u.clone()):
        wide.copy_(u)
        c = launch.compiled(f, wide, c0, None, False, 0)
        adjoint = launch.compiled(f, wide, c0, None, True, 1)
        wide.copy_(f)
        results.append((c, adjoint, launch.compiled(wide, u, c0, None, True, 0)))
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)
    if shape[1] < 1000:
        assert torch.equal(results[0][0], loop(f, u, c0, None, False, 0))
