"""A thread pool of the engine's own: kernels release the GIL, so Python threads run them side by side.

numba's parallel loops are not used: they start a second OpenMP beside torch's, which dies in forked workers of a DataLoader.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

SERIAL = 1 << 16
"""Elements below which handing work to another thread costs more than it saves."""

_LOCK = threading.Lock()
_POOL: tuple[int, ThreadPoolExecutor] | None = None


def _forget() -> None:
    """In a forked child the threads are gone; a new pool is made at the next use."""
    global _POOL, _LOCK
    _POOL, _LOCK = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def threads(elements: int) -> int:
    """How many threads, ``torch.get_num_threads()`` at most, this many elements are worth."""
    return max(1, min(torch.get_num_threads(), elements // SERIAL))


def run(work: Callable[[int], object], count: int) -> None:
    """Call ``work(0) ... work(count - 1)`` side by side, the first in this thread; return when all are done."""
    global _POOL
    if count <= 1:
        work(0)
        return
    with _LOCK:
        if _POOL is None or _POOL[0] < count - 1:  # an older, smaller pool ends when its last caller is done
            _POOL = (count - 1, ThreadPoolExecutor(count - 1, thread_name_prefix="seqsci-engine"))
        futures = [_POOL[1].submit(work, i) for i in range(1, count)]
    try:
        work(0)
    finally:
        for future in futures:
            future.result()


def share(total: int, part: int, count: int, grain: int = 1) -> tuple[int, int]:
    """Bounds of one of ``count`` shares of ``total`` items, cut at multiples of ``grain``."""
    pieces = -(-total // grain)
    return min(total, pieces * part // count * grain), min(total, pieces * (part + 1) // count * grain)
