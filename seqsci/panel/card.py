"""Fits of a panel on a card: some units at a time, as many as its memory holds."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from seqsci.equations.triton_backend import BEGINS, ENDS, PRESENT
from seqsci.errors import DeviceError, explain
from seqsci.estimation.fused import KINKED_TOLERANCE, SMOOTH_TOLERANCE
from seqsci.estimation.lane_climb import Target
from seqsci.estimation.lane_solve import Rules, curvature, solve
from seqsci.lanes.device import device_of, free_memory, memory_told
from seqsci.lanes.launch import lane_kernel
from seqsci.lanes.layout import MOVED, ROWS, Lanes

if TYPE_CHECKING:
    from seqsci.kernel import Kernel
    from seqsci.panel.batch import Batch, Task
    from seqsci.panel.stretches import Stretches
    from seqsci.panel.units import Units

Array = np.ndarray
SHARE = 0.5
"""Share of the free memory that a chunk may take."""


@dataclass(frozen=True)
class Size:
    """Bytes that fits take on a card, which `tests/test_panel_memory.py` holds against what is allocated.

    Attributes:
        row, sequence: of each step and each sequence of a lane; points: of a lane's starting points; climbs: how many at once.
        climb: of a climb at its peak: its state, the state without the fits that have ended, the answer of a launch.
    """

    row: int
    sequence: int
    points: int
    climb: int
    climbs: int

    @classmethod
    def of(cls, task: Task, weighted: bool, points: int) -> Size:
        """The sizes of a task on rows with or without weights, whose mechanism gives so many starting points."""
        mechanism, n = task.model.mechanism, len(task.names)
        row = 8 * (len(mechanism.known) + len(mechanism.outcomes)) + 1 + 8 * (weighted or bool(len(task.centre)))
        points = task.starts if task.starts <= task.forced else max(task.starts, points + 1)
        climbs = max(task.starts, 1) if task.far == np.inf else 1
        sequence = 8 * (len(mechanism.presamples) + len(mechanism.states))
        return cls(row, sequence, 8 * points * (n + 3), 8 * (8 * n * n + 14 * n + 40), climbs)

    def bytes(self, lanes: int, rows: int, sequences: int) -> int:
        """What so many lanes take of so many rows and sequences each."""
        each = self.row * rows + self.sequence * sequences + self.points + self.climbs * self.climb
        return lanes * each + MOVED * min(lanes * rows, ROWS + rows)

    def lanes(self, budget: float, rows: int, sequences: int) -> int:
        """How many lanes the budget holds."""
        few = int(budget // self.bytes(1, rows, sequences))
        return max(few, int((budget - MOVED * (ROWS + rows)) // (self.bytes(1, rows, sequences) - MOVED * rows)))


@dataclass(frozen=True)
class Card:
    """A device for `seqsci.fit_panel`.

    Args:
        device: "cuda", "cuda:1"; "interpreter" runs the kernels on the CPU without a card, for tests.
        memory: bytes that a chunk of units may take; half of what is free, by default. Take less where another program fills the card.

    Raises `DeviceError` where there is no such card, or it is too old; `MissingExtraError` without Triton.
    """

    device: str | torch.device = "cuda"
    memory: float | None = None
    place: torch.device = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.memory is not None and not self.memory > 0:
            raise DeviceError(explain("memory is no number of bytes", self.memory, "> 0", "leave it out, or pass bytes: memory=8e9"))
        object.__setattr__(self, "place", device_of(self.device))

    def chunks(self, positions: list[int], units: Units, task: Task) -> list[list[int]]:
        """Positions in chunks that the memory holds, equally long ones together."""
        budget = SHARE * free_memory(self.place) if self.memory is None else float(self.memory)
        places = np.array(positions, np.int64)
        cuts = units.stretches(places)
        found: list[list[int]] = []
        sequences = units.sequences(cuts)
        order = np.argsort(-cuts.lengths, kind="stable")
        size = Size.of(task, units.weight is not None, _points(task, units, cuts, int(order[0])) if len(order) else 0)
        while len(order):
            longest, most = int(cuts.lengths[order[0]]), int(sequences[order].max())
            count = size.lanes(budget, longest, most)
            if count < 1:
                each = size.bytes(1, longest, most)
                got = f"{budget / 1e9:.3g} GB for a series of {longest:,} rows, which takes {each / 1e9:.3g} GB"
                fix = "free the card's memory, or leave device= out for such series"
                raise DeviceError(explain("the card has too little memory for one series", got, "room for one series", fix))
            found.append(places[order[:count]].tolist())
            order = order[count:]
        return found

    def compile(self, task: Task, kernel: Kernel, weighted: bool, several: bool) -> None:
        """Write and compile what fits launch, by launches on one step: what cannot be printed or compiled is told before any fit.

        weighted, several: whether the lanes have weights, and more than one sequence each.
        """
        card, p = lane_kernel(kernel), kernel.program
        one = torch.full((1, 1), PRESENT | BEGINS | ENDS, dtype=torch.uint8, device=self.place)
        Q, S0 = (torch.zeros((len(group), 1), dtype=torch.float64, device=self.place) for group in (p.presamples, p.states))
        first, length = torch.arange(2, device=self.place), torch.ones(1, dtype=torch.int64, device=self.place)
        X = torch.zeros((len(p.inputs), 1, 1), dtype=torch.float64, device=self.place)
        lanes = Lanes(X, one, torch.ones_like(X[0]) if weighted else None, Q, S0, False, first, several, length)
        raw = torch.zeros((1, kernel.k), dtype=torch.float64, device=self.place)
        with memory_told("one step", "free the card's memory"):
            for full in (True, False):
                card.objective(raw, lanes, full=full)
            if task.newton:
                card.information(raw, lanes)

    def _lanes(self, batch: Batch) -> Lanes:
        return Lanes.of(batch.data, batch.offsets, batch.places, self.place)

    def _there(self, values: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.place)

    def _target(self, batch: Batch, task: Task, kernel: Kernel) -> Target:
        prior = (self._there(task.centre), self._there(task.precision)) if len(task.centre) else (None, None)
        return Target(lane_kernel(kernel), self._lanes(batch), *prior)

    def solve(self, batch: Batch, task: Task, points: Array, kernel: Kernel, errors: bool, free: Array) -> tuple[Array, ...]:
        """The entries of `seqsci.panel.batch.Solved` in order, for starting points (u, points, n)."""
        with self._told(batch):
            target = self._target(batch, task, kernel)
            rules = self._rules(batch, task, kernel, free)
            best = solve(target, self._there(points), rules)
            u, n = best.raw.shape
            outer, hessian = best.raw.new_zeros((u, n, n)), best.raw.new_zeros((u, n, n))
            natural, slope = torch.zeros_like(best.raw), torch.zeros_like(best.raw)
            good = torch.nonzero(best.converged & ~best.collapsed & torch.isfinite(best.nll)).flatten()
            if errors and len(good):
                told = curvature(target, best.raw[good], good, rules.moving & ~best.pinned[good], rules)
                outer[good], hessian[good], natural[good], slope[good] = told
            places = self._there(free)
            some = (m[:, places][:, :, places] for m in (outer, hessian))
            facts = (best.raw, best.nll, best.converged, best.collapsed, best.evaluations.double(), best.pinned, *some, natural, slope)
            return tuple(f.cpu().numpy() for f in facts)

    def evaluate(self, batch: Batch, task: Task, raw: Array, kernel: Kernel) -> tuple[Array, Array, Array]:
        """Negative log-likelihood (u,) without the prior, natural values and gradients (u, n) at raw points (u, n)."""
        with self._told(batch):
            found = lane_kernel(kernel).objective(self._there(raw), self._lanes(batch), full=False)
            return found.nll.cpu().numpy(), found.natural.cpu().numpy(), found.gradient.cpu().numpy()

    def _told(self, batch: Batch) -> AbstractContextManager[None]:
        """Where the card's memory runs out, an error that says how to take less."""
        less = f"{0.5 * SHARE * free_memory(self.place):.1g}"
        fix = f"fit_panel(..., device=Card({str(self.device)!r}, memory={less})): chunks that take less"
        return memory_told(f"{len(batch):,} series of up to {int(np.diff(batch.offsets).max()):,} rows at once", fix)

    def _rules(self, batch: Batch, task: Task, kernel: Kernel, free: Array) -> Rules:
        n = len(task.names)
        moving, rough = np.zeros(n, bool), np.zeros(n, bool)
        moving[free] = True
        rough[task.free] = task.rough.astype(bool)
        tolerance = KINKED_TOLERANCE if kernel.program.kinked else SMOOTH_TOLERANCE
        floor, ceiling = (self._there(v.astype(bool)) for v in (task.floor, task.ceiling))
        sets = (self._there(moving), floor, ceiling, self._there(rough))
        climbs = (task.forced, task.starts, task.far, task.evaluations, tolerance)
        return Rules(*climbs, *sets, task.newton, self._there(batch.count), self._there(batch.spreads(task.model)))


def _points(task: Task, units: Units, cuts: Stretches, place: int) -> int:
    """How many starting points the mechanism gives for one of the stretches."""
    rows = slice(int(cuts.starts[place]), int(cuts.stops[place]))
    y = units.outcome[rows]
    try:
        return sum(1 for _ in task.model.mechanism.starting_values({task.model.mechanism.outcomes[0].name: y[~np.isnan(y)]}))
    except Exception:  # noqa: BLE001 - a unit that has no starting points is told in its row
        return 0
