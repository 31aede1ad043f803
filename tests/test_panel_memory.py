"""The card's memory: what a chunk of fits takes is what is counted, and lanes are laid out without a second copy."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from seqsci.domains.finance import models
from seqsci.equations.triton_backend import BEGINS, ENDS, OBSERVED, PRESENT
from seqsci.errors import DeviceError
from seqsci.kernel import Packed
from seqsci.lanes import layout
from seqsci.lanes.launch import LaneKernel
from seqsci.lanes.layout import Lanes
from seqsci.model import Model
from seqsci.panel.batch import Task
from seqsci.panel.card import Card, Size
from seqsci.panel.fitting import PANEL
from seqsci.panel.job import Job
from seqsci.panel.units import Units, to_units

pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
GARCH = models.garch_normal()


def peak(run: Callable[[], Any]) -> int:
    """Most bytes of tensors that were alive at once."""
    gc.collect()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    events = sorted((e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns())
    return int(np.cumsum([e.nbytes() for e in events]).max())


def bowl(self: LaneKernel, name: str, programs: int, arguments: tuple[Any, ...], known: dict[str, Any], interpret: bool) -> None:
    """A kernel whose likelihood is a bowl: what surrounds it is what is counted."""
    planes, outputs = arguments[0], arguments[-5:]
    if name == "information":
        arguments[-1].fill_(1.0)
        return
    nll, gradient, triangle, natural, slope = outputs
    nll.copy_(planes.square().sum(0))
    gradient.copy_(planes + 0.1 * torch.sin(3 * planes))
    natural.copy_(planes)
    slope.fill_(1.0)
    if known["FULL"]:
        for place, (a, b) in enumerate(zip(*np.tril_indices(self.k), strict=True)):
            triangle[place] = float(a == b)


CASES = (
    (models.garch_normal, 2, 30.0, 400),
    (models.garch_normal, 2, math.inf, 400),
    (models.garch_normal, 8, 30.0, 400),
    (models.tarch_t, 3, math.inf, 60),
    (models.default, 2, 30.0, 30),
)


@pytest.mark.parametrize(("build", "starts", "far", "days"), CASES)
def test_a_chunk_takes_what_is_counted(
    build: Callable[[], Model], starts: int, far: float, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LaneKernel, "_run", bowl)
    monkeypatch.setattr(layout, "ROWS", 10_000)
    monkeypatch.setattr("seqsci.panel.card.ROWS", 10_000)
    frame, card = pd.DataFrame(np.random.default_rng(0).normal(size=(days, 1500))), Card("interpreter")
    job = Job.of(build(), to_units(GARCH, frame, unit="percent"), replace(PANEL, starts=starts, far=far, evaluations=60), card)
    batch, kernel = job.batch(list(range(1500))), job.task.model.kernel()
    points = job.points(batch)

    def solve() -> None:
        card.solve(batch, job.task, points, kernel, True, job.task.free)

    solve()
    size, found = Size.of(job.task, False, 20), peak(solve)
    counted = size.bytes(1500, days, 1)
    assert 0.6 * counted < found <= counted
    assert found > 1500 * days * 9 and size.lanes(counted, days, 1) >= 1500 > size.lanes(0.9 * counted, days, 1)


def units_of(lengths: list[int]) -> Units:
    long = pd.DataFrame({"unique_id": np.repeat(np.arange(len(lengths)), lengths)})
    return to_units(GARCH, long.assign(y=np.random.default_rng(0).normal(size=len(long))), unit="percent")


def test_chunks_fit_the_memory_and_hold_every_unit_once() -> None:
    task, units = Task.of(GARCH, 2, math.inf, 100, 2), units_of([1000, 10, 500, 1000, 20, 5])
    size = Size.of(task, False, 20)
    card = Card("interpreter", memory=float(size.bytes(2, 1000, 1)))
    parts = card.chunks([0, 1, 2, 3, 4, 5], units, task)
    assert sorted(i for p in parts for i in p) == [0, 1, 2, 3, 4, 5] and parts[0] == [0, 3] and len(parts) > 1
    assert card.chunks([4, 2], units, task) == [[2, 4]]
    for part in parts:
        longest = max(int(np.diff(units.offsets)[i]) for i in part)
        assert size.bytes(len(part), longest, 1) <= card.memory  # type: ignore[operator]
    with pytest.raises(DeviceError, match=r"too little memory for one series(.|\n)*1,000 rows"):
        Card("interpreter", memory=1000).chunks([0], units, task)
    assert Size.of(task, True, 20).bytes(1, 1000, 1) - size.bytes(1, 1000, 1) == 8000
    assert size.bytes(1, 1000, 100) - size.bytes(1, 1000, 1) == 99 * 16


def test_the_points_of_a_large_grid_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [{"mean": 0.0, "persistence": 0.9, "memory": 0.9, "intercept": i + 1.0} for i in range(400)]
    task, units = Task.of(GARCH, 5, 10.0, 100, 2), units_of([60] * 40)
    card = Card("interpreter", memory=1e5)
    few = len(card.chunks(list(range(40)), units, task)[0])
    monkeypatch.setattr(type(GARCH.mechanism), "starting_values", lambda self, outcome: iter(points))
    assert len(card.chunks(list(range(40)), units, task)[0]) < few / 2


def scattered(data: Packed, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Lanes row by row."""
    lengths = np.diff(offsets)
    shape = (int(lengths.max()), len(lengths))
    X, flags, weight = np.zeros((data.X.shape[1], *shape)), np.zeros(shape, np.uint8), np.zeros(shape)
    for lane, (a, b) in enumerate(itertools.pairwise(offsets)):
        for row in range(a, b):
            last = row + 1 == b or data.reset[row + 1]
            X[:, row - a, lane], weight[row - a, lane] = data.X[row], data.weight[row]
            flags[row - a, lane] = PRESENT + OBSERVED * data.observed[row] + BEGINS * data.reset[row] + ENDS * last
    return X, flags, weight


@pytest.mark.parametrize("rows", [1, 7, 12, 10**6])
@pytest.mark.parametrize("lengths", [[5, 5, 5, 5], [7, 7, 4, 4, 4, 1], [3, 9, 0, 2, 6], [0, 0], [8]])
def test_lanes_of_any_lengths_are_those_laid_row_by_row(rows: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ROWS", rows)
    rng, offsets = np.random.default_rng(len(lengths)), np.cumsum([0, *lengths])
    count = int(offsets[-1])
    reset = (rng.random(count) < 0.3).astype(np.uint8)
    reset[offsets[:-1][np.diff(offsets) > 0]] = 1
    observed, firsts = (rng.random(count) < 0.8).astype(np.uint8), np.flatnonzero(reset)
    Q = rng.normal(size=(len(firsts), 2))
    data = Packed(rng.normal(size=(count, 3)), observed, rng.random(count), reset, Q, rng.normal(size=(len(firsts), 1)), 0)
    places = np.searchsorted(firsts, offsets)
    lanes = Lanes.of(data, offsets, places, torch.device("cpu"))
    X, flags, weight = scattered(data, offsets)
    np.testing.assert_array_equal(lanes.X.numpy(), X)
    np.testing.assert_array_equal(lanes.flags.numpy(), flags)
    assert lanes.weight is not None or not count
    if lanes.weight is not None:
        np.testing.assert_array_equal(lanes.weight.numpy(), weight)
    np.testing.assert_array_equal(lanes.first.numpy(), places)
    np.testing.assert_array_equal(lanes.lengths.numpy(), lengths)
    assert lanes.several == bool((np.diff(places) > 1).any())


@pytest.mark.parametrize("ragged", [False, True])
def test_laying_out_takes_hardly_more_than_the_lanes(ragged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ROWS", 5_000)
    offsets = np.cumsum([0, *(np.arange(300, 100, -1) if ragged else [200] * 200)])
    count, start = int(offsets[-1]), np.zeros(int(offsets[-1]), np.uint8)
    start[offsets[:-1]] = 1
    data = Packed(
        np.random.default_rng(0).normal(size=(count, 1)), np.ones(count, np.uint8), np.broadcast_to(1.0, count), start, np.zeros((200, 1)),
        np.zeros((200, 1)), 0,
    )  # fmt: skip
    lanes = Lanes.of(data, offsets, np.arange(201), torch.device("cpu"))
    assert lanes.weight is None
    most = lanes.nbytes + layout.MOVED * 5_300
    assert lanes.nbytes < peak(lambda: Lanes.of(data, offsets, np.arange(201), torch.device("cpu"))) <= most < 1.8 * lanes.nbytes
