"""Times on a CUDA card: many calls between two events, on numbers that the card's cache does not hold from the call before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Call = Callable[[], object]
CACHE = 256e6
"""Bytes that no card's cache holds."""
LEAST = 0.02
"""Seconds between two events: their own resolution is half a microsecond."""


@dataclass(frozen=True)
class Card:
    """Where and how long a benchmark measures; a test passes another, with small shapes, on the CPU."""

    device: str = "cuda"
    times: int = 25
    largest: int = 1 << 62

    def shape(self, *sizes: int) -> tuple[int, ...]:
        """The sizes, none beyond the largest."""
        return tuple(min(n, self.largest) for n in sizes)

    def sets(self, numbers: int) -> int:
        """How many sets of as many bytes a measurement goes through in turns."""
        return max(1, min(16, math.ceil(CACHE / numbers)))

    def seconds(self, calls: Sequence[Call], graph: bool = True) -> float:
        """Seconds of a call, the median over ``times`` of runs through all of them; as a CUDA graph what the card does alone."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                for call in calls:
                    call()
        torch.cuda.current_stream().wait_stream(side)
        run, kept = _all(calls), []
        if graph:
            record = torch.cuda.CUDAGraph()
            with torch.cuda.graph(record):
                kept = [call() for call in calls]  # results stay where they are, so that each has memory of its own
            run = record.replay
        again = max(1, math.ceil(LEAST / self._span(run, 1)))
        found = sorted(self._span(run, again) for _ in range(self.times))
        del kept
        return found[len(found) // 2] / again / len(calls)

    def _span(self, run: Call, times: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(times):
            run()
        end.record()
        end.synchronize()
        return max(begin.elapsed_time(end) / 1e3, 1e-7)


def _all(calls: Sequence[Call]) -> Call:
    def run() -> None:
        for call in calls:
            call()

    return run
