"""The Triton kernels compile, without a card, to machine code of two generations: pipelined, and with no number spilled from registers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from seqsci.engine import accelerator
from tests.triton_targets import compiled, recorded

pytestmark = pytest.mark.skipif(not accelerator.installed() or accelerator.INTERPRET, reason="Triton is not installed, or interprets")

PROCESSORS = 132
Launch = tuple[tuple[Any, ...], dict[str, Any]]
CASES = {
    "many lanes": (torch.float32, (8, 512, 1024), "", False),
    "very many lanes, bfloat16": (torch.bfloat16, (512, 64, 1024), "", False),
    "many lanes, bfloat16": (torch.bfloat16, (8, 512, 1024), "", False),
    "a decay a lane": (torch.float64, (8, 512, 1024), "lane", False),
    "one lane": (torch.float32, (1, 1 << 20, 1), "", False),
    "few lanes": (torch.float32, (16, 1 << 14, 128), "", False),
    "few lanes, double": (torch.float64, (2, 1 << 12, 96), "", False),
    "a gate a step": (torch.float32, (4, 512, 64), "step", False),
    "packed, complex": (torch.complex64, (1, 1 << 12, 64), "", True),
    "packed": (torch.float32, (1, 1 << 12, 48), "", True),
    "rows, double complex": (torch.complex128, (3, 1 << 12, 1), "", False),
}
WAITING = [name for name in CASES if name not in ("many lanes", "very many lanes, bfloat16", "a decay a lane")]


def launches(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, shape: tuple[int, int, int], gate: str, packed: bool
) -> list[tuple[Any, Launch]]:
    """What forward and backward would launch on a large card: kernels with their arguments."""
    from seqsci.engine import triton_launch

    monkeypatch.setattr(triton_launch, "processors", lambda device: PROCESSORS)
    u = torch.empty(shape, dtype=dtype)
    f = {"lane": u[:, :1], "step": u[:, :, :1]}.get(gate, u)
    bounds = torch.tensor([0, shape[1] // 2, shape[1]]) if packed else None
    c0 = torch.empty(shape[0], 2 if packed else 1, shape[2], dtype=dtype)
    kernels = (triton_launch.tiles, triton_launch.chained)
    with recorded(triton_launch) as walks, recorded(triton_launch, "chained") as waits:
        triton_launch.scan(f, u, c0, bounds, False)
        triton_launch.adjoint(f, u, c0, u, bounds, False)
    return [(kernel, launch) for kernel, found in zip(kernels, (walks, waits), strict=True) for launch in found.launches]


def test_lanes_that_are_too_few_for_the_card_wait_for_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for case, arguments in CASES.items():
        found = launches(monkeypatch, *arguments)
        assert len(found) == (4 if case in WAITING else 2), case
        assert all(launch[1]["AGAIN"] == (case in WAITING) for kernel, launch in found[:2])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_kernel_compiles_for_cards_that_are_not_there(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for number, (kernel, launch) in enumerate(launches(monkeypatch, *CASES[case])):
        if launch[1].get("AGAIN") and case not in ("one lane", "packed, complex"):
            continue  # the kernel of many lanes, in other tiles
        found = compiled(kernel, launch, (80, 90)[number % 2], tmp_path)
        assert found.stack <= 16 and found.registers <= 255, (found.stack, found.registers)  # spilling takes more than two numbers
        assert found.shared <= 48 * 1024
        if launch[1]["BD"] > 1:  # neighbouring threads have neighbouring lanes, whichever axis the compiler takes where it knows of neither
            assert found.orders == {"1, 0"}, found.orders
        if "ROWS" not in launch[1]:
            assert "cp.async" in found.ptx
            continue
        order = re.findall(r"bar\.sync|atom\.global\.gpu\.(?:release|acquire)|ld\.volatile\.global|ld\.global\.cg", found.ptx)
        assert {"bar.sync", "atom.global.gpu.release", "atom.global.gpu.acquire", "ld.volatile.global", "ld.global.cg"} == set(order)
        for place, what in enumerate(order):  # all that was written is told after it, and read after it was told
            assert what != "atom.global.gpu.release" or order[place - 1] == "bar.sync"
            assert what != "atom.global.gpu.acquire" or order[place + 1] in (what, "bar.sync")


@pytest.mark.parametrize("steps", [1, 5, 1000, 1 << 20, 2**33 + 1])
@pytest.mark.parametrize(("batch", "width"), [(1, 1), (1, 7), (16, 128), (8, 1024), (1, 2**20)])
@pytest.mark.parametrize("by_time", [False, True])
def test_a_plan_covers_all_steps_with_enough_programs(steps: int, batch: int, width: int, by_time: bool) -> None:
    from seqsci.engine.triton_plan import plan

    strides = (steps * width, 1, steps) if by_time else (steps * width, width, 1)
    for size in (2, 4, 8, 16):
        cut = plan((batch, steps, width), strides, size, PROCESSORS)
        assert (cut.chunks - 1) * cut.BT < steps and (cut.chunks == 1 or steps <= cut.chunks * cut.BT)
        assert cut.BT & (cut.BT - 1) == 0 == cut.BD & (cut.BD - 1) and cut.BT * cut.BD * max(size, 4) <= 16384
        assert cut.group % cut.rows == 0 and cut.group >= cut.rows >= 1
        programs = batch * -(-width // cut.BD) * cut.chunks
        assert programs < 2**31 and (programs >= PROCESSORS or steps < 1000 * cut.BT or steps > 2**33)
        if batch * width >= 8192 and size >= 4:
            assert cut.chunks == 1
