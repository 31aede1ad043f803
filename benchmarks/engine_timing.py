"""What the benchmarks of the engine share: fastest calls, one after the other in turns, and tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """One table, and the figures of it that are published."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[object, ...]]
    figures: Mapping[str, float | None] = field(default_factory=dict)


def fastest(calls: Mapping[str, Callable[[], object]], seconds: float, least: int = 4) -> dict[str, float]:
    """Seconds of the fastest call of each, called in turns (A B A B ...) so that a disturbance meets all, until nothing gets faster.

    A first call of each does not count. Rounds end after ``seconds``, or when four of them and two fifths of that time brought no gain of a
    hundredth.
    """
    best = {name: float("inf") for name in calls}
    for call in calls.values():
        call()
    begin, rounds, gained, idle = time.perf_counter(), 0, 0.0, 0
    while rounds < least or (gained < seconds and (idle < 4 or time.perf_counter() - begin - gained < 0.4 * seconds)):
        idle, rounds = idle + 1, rounds + 1
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken = time.perf_counter() - start
            if taken < 0.99 * best[name]:
                idle, gained = 0, time.perf_counter() - begin
            best[name] = min(best[name], taken)
    return best


def child(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, float]:
    """The last line of another process of this interpreter, as JSON; empty if it printed none."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=True)
    lines = done.stdout.strip().splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


def show(part: Part) -> None:
    """Print a table in columns."""
    texts = [part.header, *(tuple(x if isinstance(x, str) else f"{x:.3g}" for x in row) for row in part.rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(part.header))]
    print(f"\n{part.title}")
    for row in texts:
        print("  " + "  ".join(x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(row, widths, strict=True))))
    sys.stdout.flush()
