"""Threads for a panel: chunks of units through compiled code that holds no lock, with a progress bar, stopped by Ctrl-C without loss."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

CHUNK = 64
SAVE_EVERY = 20.0
"""Seconds between two calls of ``keep``."""
Result = TypeVar("Result")


def count(threads: int | None) -> int:
    """How many threads: those asked for, else one a core that this process may use."""
    if threads:
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    work: Callable[[list[int]], Result],
    positions: Sequence[int],
    threads: int | None,
    take: Callable[[Result], None],
    keep: Callable[[], None] | None = None,
    label: str = "series",
    chunk: int | None = None,
) -> bool:
    """Run ``work`` on chunks of positions and hand each result to ``take``, in the order in which they finish; False after Ctrl-C.

    Only a few chunks are in flight beyond the threads, so that memory stays bounded. ``keep`` is called now and then.
    """
    workers, size = count(threads), chunk or CHUNK
    stop = threading.Event()
    bar = Bar(len(positions), label)
    saved = time.monotonic()
    chunks = iter([list(positions[i : i + size]) for i in range(0, len(positions), size)])
    waiting: dict[Future[Result | None], int] = {}

    def guarded(part: list[int]) -> Result | None:
        return None if stop.is_set() else work(part)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="seqsci")
    try:
        while True:
            while len(waiting) < 4 * workers and (part := next(chunks, None)) is not None:
                waiting[pool.submit(guarded, part)] = len(part)
            if not waiting:
                return True
            ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                result = future.result()
                bar.advance(waiting.pop(future))
                if result is not None:
                    take(result)
            if keep is not None and time.monotonic() - saved > SAVE_EVERY:
                saved = time.monotonic()
                keep()
    except KeyboardInterrupt:
        stop.set()
        if threading.current_thread() is threading.main_thread():
            print("\nseqsci: finishing what is in flight", file=sys.stderr, flush=True)
            restore = signal.signal(signal.SIGINT, signal.SIG_IGN)
        pool.shutdown(wait=True, cancel_futures=True)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, restore)
        for future in waiting:  # what was in flight has come to its end
            if not future.cancelled() and future.exception() is None and (result := future.result()) is not None:
                take(result)
        return False
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()


class Bar:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self, total: int, label: str) -> None:
        self.total, self.label, self.done = total, label, 0
        self.shown = total > 0 and sys.stderr.isatty()
        self.start, self.told = time.monotonic(), 0.0

    def advance(self, by: int) -> None:
        """So many more are done."""
        self.done += by
        now = time.monotonic()
        if self.shown and (now - self.told > 0.2 or self.done == self.total):
            self.told = now
            print(f"\r{self.line(now - self.start)}", end="", file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """The bar in words: share, count, speed, time left."""
        share = self.done / self.total
        rate = self.done / max(seconds, 1e-9)
        left = (self.total - self.done) / rate if rate else float("inf")
        filled = "#" * int(30 * share)
        return (
            f"seqsci: [{filled:<30}] {share:4.0%}  {self.done:,} of {self.total:,} {self.label}, {rate:,.0f} a second, {left:,.0f} s left "
        )

    def close(self) -> None:
        """End the line."""
        if self.shown and self.told:
            print(file=sys.stderr)
