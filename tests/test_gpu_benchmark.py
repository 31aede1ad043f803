"""The benchmark of the card runs, and its arithmetic holds: here on the CPU with small shapes, whose figures nobody publishes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_code, gpu_peers
from benchmarks.gpu_timing import Call, Card
from seqsci.engine import accelerator, linear_scan


@dataclass(frozen=True)
class Here(Card):
    """Not a card."""

    def seconds(self, calls: Sequence[Call], graph: bool = True) -> float:
        begin = time.perf_counter()
        for call in calls:
            call()
        return (time.perf_counter() - begin) / len(calls)


HERE = Here("cpu", 1, 32)


def test_every_figure_that_the_page_names_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(gpu, "PEERS", [peer for peer in gpu.PEERS if "compiled" not in peer.name])
    figures: dict[str, float | None] = {}
    for part in (gpu.lanes, gpu.few_lanes, gpu.narrow, gpu.errors, gpu.peers):
        found = part(HERE)
        assert found.rows and all(len(row) == len(found.header) for row in found.rows)
        figures |= dict(found.figures)
    page = (Path(__file__).parent.parent / "docs" / "gpu.md").read_text("utf-8")
    keys = {word for word in page.split("`") if word.startswith("gpu_") and " " not in word}
    assert len(keys) == 7 and keys <= set(figures)
    missing = {key for key, value in figures.items() if value is None}
    assert missing <= {"gpu_speedup_accelerated_scan", "gpu_speedup_chunk_hgrn"}  # peers that are not installed
    assert all(value is None or math.isfinite(value) for value in figures.values())
    assert 0 < figures["gpu_bf16_error"] < 1e-5 and 0 < figures["gpu_error_f32"] < 1e-5  # type: ignore[operator]


def test_a_peer_is_timed_where_it_computes_the_scan_and_named_where_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(f: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        time.sleep(0.01)
        return linear_scan(-f, u, dim=2)  # type: ignore[return-value]

    def absent() -> Any:
        raise ImportError("No module named 'x'")

    same = gpu_peers.Peer("slow", (2, 3, 64), 2, lambda: slow, "ratio", torch.neg)
    other = gpu_peers.Peer("another recurrence", (2, 3, 64), 2, lambda: slow, "other")
    monkeypatch.setattr(gpu, "PEERS", (same, other, gpu_peers.Peer("absent", (2, 3), 1, absent, "none", gradient=False)))
    part = gpu.peers(HERE)
    assert part.figures["ratio"] > 1 and part.figures["other"] is None and part.figures["none"] is None  # type: ignore[operator]
    told = [row[1] for row in part.rows]
    assert told[0] >= 10 and "computes something else" in str(told[1]) and "No module named" in str(told[2])  # type: ignore[operator]
    assert all(len(row) == len(part.header) for row in part.rows)


def test_both_cuts_are_measured_and_the_plan_is_its_own_again() -> None:
    pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
    from seqsci.engine import triton_launch, triton_plan

    part = gpu.cuts(HERE)
    assert len(part.rows) == 8 and all(len(row) == len(part.header) for row in part.rows)
    assert triton_launch.plan is triton_plan.plan


def test_a_rate_counts_the_words_of_the_scan() -> None:
    @dataclass(frozen=True)
    class Second(Card):
        def seconds(self, calls: Sequence[Call], graph: bool = True) -> float:
            return 1.0

    found = gpu.rates(Second("cpu"), (2, 8, 4), torch.float32, True)
    assert (found.forward, found.both, found.copy) == (3 * 256, 8 * 256, 3 * 256)


def test_numbers_are_more_than_a_cache_holds() -> None:
    card = Card()
    assert card.sets(10**9) == 1 and card.sets(10**8) == 3 and card.sets(1) == 16
    assert card.shape(8, 1 << 28) == (8, 1 << 28) and Card(largest=32).shape(8, 1 << 28) == (8, 32)


def test_without_a_card_it_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["benchmarks.gpu"])
    with pytest.raises(SystemExit, match="measures a CUDA card"):
        gpu.main()


def test_what_was_measured_before_a_part_failed_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(card: Card) -> object:
        raise RuntimeError("no room")

    for name, value in (
        ("is_available", True),
        ("get_device_name", "Some Card 80GB"),
        ("get_device_capability", (9, 0)),
        ("empty_cache", None),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr("sys.argv", ["benchmarks.gpu", "--quick"])
    monkeypatch.setattr(gpu.accelerator, "installed", lambda: True)
    monkeypatch.setattr(gpu, "Card", lambda times: HERE)
    monkeypatch.setattr(gpu, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(gpu, "PARTS", (gpu.errors, broken))
    monkeypatch.setattr("benchmarks.gpu_panels.panels", lambda quick: ("panels", {"garch_100k_seconds": 9.0}))
    with pytest.raises(SystemExit, match="not measured: broken"):
        gpu.main()
    last = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")][-1]
    kept = json.loads((tmp_path / "results" / "Some_Card_80GB.json").read_text("utf-8"))
    assert json.loads(last) == kept and kept["card"] == "Some Card 80GB" and kept["garch_100k_seconds"] == 9.0 and "gpu_error_f32" in kept


@pytest.mark.slow
@pytest.mark.skipif(not accelerator.installed() or accelerator.INTERPRET, reason="Triton is not installed, or interprets")
def test_instructions_are_counted_from_machine_code() -> None:
    case = (torch.float32, (8, 512, 1024))
    walk, adjoint = (gpu_code.demand(*found) for found in gpu_code.launches(*case))
    look, _ = (gpu_code.demand(*found) for found in gpu_code.launches(torch.float32, (16, 4096, 128)))
    assert not walk.looks and look.looks and walk.spilled == look.spilled == 0
    assert 10 < walk.instructions < adjoint.instructions < 100 and 10 < look.instructions < 60
    assert look.a_clock(3, 4) == pytest.approx(look.instructions * 4.3e12 / 12 / 132 / 1.755e9 / 32)
