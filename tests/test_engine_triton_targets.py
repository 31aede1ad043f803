"""The Triton kernels compile, without a card, to machine code of two generations: pipelined, and with no number spilled from registers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqsci.engine import accelerator
from tests.triton_targets import Recorder, compiled, recorded

pytestmark = pytest.mark.skipif(not accelerator.installed() or accelerator.INTERPRET, reason="Triton is not installed, or interprets")

PROCESSORS = 132
CASES = {
    "many lanes": (torch.float32, (8, 512, 1024), "", False),
    "many lanes, bfloat16": (torch.bfloat16, (8, 512, 1024), "", False),
    "a decay a lane": (torch.float64, (8, 512, 1024), "lane", False),
    "one lane": (torch.float32, (1, 1 << 20, 1), "", False),
    "a gate a step": (torch.float32, (4, 512, 64), "step", False),
    "packed, complex": (torch.complex64, (1, 1 << 12, 64), "", True),
}


def launches(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, shape: tuple[int, int, int], gate: str, packed: bool) -> Recorder:
    """What forward and backward would launch on a large card."""
    from seqsci.engine import triton_launch

    monkeypatch.setattr(triton_launch, "processors", lambda device: PROCESSORS)
    u = torch.empty(shape, dtype=dtype)
    f = {"lane": u[:, :1], "step": u[:, :, :1]}.get(gate, u)
    bounds = torch.tensor([0, shape[1] // 2, shape[1]]) if packed else None
    c0 = torch.empty(shape[0], 2 if packed else 1, shape[2], dtype=dtype)
    with recorded(triton_launch) as recorder:
        triton_launch.scan(f, u, c0, bounds, False)
        triton_launch.adjoint(f, u, c0, u, bounds, False)
    return recorder


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_kernel_compiles_for_cards_that_are_not_there(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from seqsci.engine import triton_launch

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    recorder = launches(monkeypatch, *CASES[case])
    assert len(recorder.launches) == (6 if case in ("one lane", "a gate a step", "packed, complex") else 2)
    for number, launch in enumerate(recorder.launches):
        found = compiled(triton_launch.tiles, launch, (80, 90)[number % 2], tmp_path)
        assert found.stack <= 16 and found.registers <= 255, (found.stack, found.registers)  # spilling takes more than two numbers
        assert found.shared <= 48 * 1024 and "cp.async" in found.ptx


@pytest.mark.parametrize("steps", [1, 5, 1000, 1 << 20, 2**33 + 1])
@pytest.mark.parametrize(("batch", "width"), [(1, 1), (1, 7), (16, 128), (8, 1024), (1, 2**20)])
@pytest.mark.parametrize("by_time", [False, True])
def test_a_plan_covers_all_steps_with_enough_programs(steps: int, batch: int, width: int, by_time: bool) -> None:
    from seqsci.engine.triton_plan import plan

    strides = (steps * width, 1, steps) if by_time else (steps * width, width, 1)
    for size in (2, 4, 8, 16):
        cut = plan((batch, steps, width), strides, size, PROCESSORS)
        assert (cut.chunks - 1) * cut.length < steps <= cut.chunks * cut.length
        assert cut.BT & (cut.BT - 1) == 0 == cut.BD & (cut.BD - 1) and cut.BT * cut.BD * size <= 4096
        programs = batch * -(-width // cut.BD) * cut.chunks
        assert programs < 2**31 and (programs >= PROCESSORS or steps < 1000 * cut.BT)
        if batch * width >= 8192:
            assert cut.chunks == 1
