"""The benchmark of panels on a card runs from end to end, on few short series, and counts the bytes that its kernels move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import benchmarks.gpu_panels as whole
from benchmarks import panel_host
from seqsci.domains.finance import models
from seqsci.lanes.launch import LaneKernel
from seqsci.panel.card import Card
from seqsci.panel.fitting import fit_panel
from tests.lane_cases import DEVICE
from tests.test_panel_memory import bowl

pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
RUN = LaneKernel._run


def quick(self: LaneKernel, name: str, *rest: Any) -> None:
    """A bowl in place of the likelihood, where a launch on a card is thousands of times as fast as the interpreter's."""
    (bowl if name in ("objective", "information") else RUN)(self, name, *rest)


def test_it_runs_and_simulates_each_panel_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []
    simulate = whole.simulated
    monkeypatch.setattr(whole, "simulated", lambda m, n, d, s: made.append((m.name, n)) or simulate(m, n, d, s))
    monkeypatch.setattr(whole, "REPEATS", 1)
    monkeypatch.setattr(whole, "SECONDS", 0.0)
    if DEVICE != "cuda":
        monkeypatch.setattr(LaneKernel, "_run", quick)
    text, figures = whole.panels(True, Card(DEVICE), (3, 55))
    assert len(made) == len(set(made)) == 3
    assert all(math.isfinite(v) for k, v in figures.items() if not k.endswith("gap")), figures
    assert figures["garch_3_failed"] == 0.0
    assert figures["garch_3_launches"] > 10 and figures["garch_3_likelihoods_a_series"] > 10
    assert len(text.splitlines()) == 8 and all(f"garch_{n}_gb_s" in figures for n in ("score", "states", "adjoint"))


def test_the_bytes_of_a_step_are_those_of_its_planes() -> None:
    garch = LaneKernel(models.garch_normal().kernel())
    n, m, r, gates = garch.n, 1, len(garch.program.reads), 3 * len(garch.program.gates)
    expected = {
        "objective": (8 * m + 1, 0),
        "states": (8 * (m + n + r + gates + 1) + 1, 8 * (n + r + gates + 1)),
        "adjoint": (8 * (m + n + r + 1 + n + m) + 1, 8 * m),
    }
    for name, counted in expected.items():
        assert whole.bytes_a_step(garch.source(name), name, False) == counted, name
    assert whole.bytes_a_step(garch.source("objective"), "objective", True) == (8 * m + 9, 0)


def test_a_short_run_is_repeated_until_there_is_something_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], [0]
    monkeypatch.setattr(whole.time, "perf_counter", lambda: clock[0])

    def run(seconds: float) -> None:
        clock[0] += seconds
        calls[0] += 1

    seconds, times = whole.repeated(lambda: run(1e-4), torch.device("cpu"))
    assert seconds == pytest.approx(1e-4) and times * seconds == pytest.approx(whole.SECONDS, rel=0.01) and calls[0] == times + 2
    _, times = whole.repeated(lambda: run(0.01), torch.device("cpu"))
    assert times == whole.REPEATS
    assert isinstance(whole.simulated(models.garch_normal(), 2, 5, 1), pd.DataFrame)


@pytest.mark.slow
@pytest.mark.skipif(DEVICE == "cuda", reason="a card has kernels of its own")
def test_the_climb_of_a_card_ends_where_the_cpu_does_and_a_prompt_card_leaves_the_host() -> None:
    part = panel_host.rounds(True, 30)
    assert part.figures["rounds_loglik_gap"] < 1e-8 and part.figures["launches"] > 20  # type: ignore[operator]
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    table = fit_panel(models.garch_normal(), frame, unit="percent", device=panel_host.Prompt("interpreter", memory=1e9)).table
    assert (table["status"] == "ok").all() and (table["log_likelihood"] == -1400).all()
