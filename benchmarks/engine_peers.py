"""The scan against scipy's filter, torchlpc and a loop of torch operations. Run as a program it prints the times of one peer as JSON."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.engine_timing import Part, child, fastest
from seqsci.engine import linear_scan

KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
"""The allocator of the GNU C library hands out memory that was used before."""

ROWS = 1024, 4000, 16_000
"""Of 2500 numbers in double precision: 20, 80 and 320 MB. The allocator keeps up to 32 MB by itself; more is fresh memory at every call."""


def lfilter_times(seconds: float) -> dict[str, float]:
    """One thread, a constant gate: all that lfilter can do. Both allocate what they return."""
    from scipy.signal import lfilter

    torch.set_num_threads(1)
    times = {}
    for rows in ROWS:
        u = torch.randn(rows, 2500, 1, dtype=torch.float64)
        x = u[..., 0].numpy()
        best = fastest({"peer": lambda x=x: lfilter([1.0], [1.0, -0.9], x), "scan": lambda u=u: linear_scan(0.9, u)}, seconds)  # type: ignore[misc]
        times |= {f"{name} {rows}": taken for name, taken in best.items()}
    return times


def lfilter(seconds: float) -> Part:
    rows: list[tuple[object, ...]] = []
    figures = {}
    for memory, environment in (("as called", {}), ("kept by the allocator", KEPT)):
        times = child("benchmarks.engine_peers", "lfilter", str(seconds), environment=environment)
        for n in ROWS:
            peer, scan = times[f"peer {n}"], times[f"scan {n}"]
            rows.append((f"({n}, 2500), memory {memory}", 1e3 * peer, 1e3 * scan, peer / scan, 1e9 * scan / (2500 * n)))
            figures.setdefault("speedup_lfilter", peer / scan)  # of the first row: a plain call
            if not environment and n == ROWS[-1]:
                figures["speedup_lfilter_fresh"] = peer / scan
    header = ("float64, one thread, gate .9", "lfilter ms", "scan ms", "ratio", "scan ns a number")
    return Part("scipy.signal.lfilter", header, rows, figures)


def torchlpc_times(path: str, seconds: float) -> dict[str, float]:
    """Two threads, forward and backward, for gate and input; empty where torchlpc is not installed."""
    if path == "numba":
        sys.modules["torchlpc._C"] = None  # type: ignore[assignment]  # as where its extension was not built
    warnings.filterwarnings("ignore", message=".*[Ff]alling back to Numba")
    try:
        import torchlpc
    except ImportError:
        return {}
    if path == "extension" and not torchlpc.EXTENSION_LOADED:
        return {}
    torch.set_num_threads(2)
    times = {}
    for shape in ((1024, 2500), (16, 65_536)):
        u = torch.randn(shape, requires_grad=True)
        f, g = torch.rand(shape, requires_grad=True), torch.ones(shape)
        calls: dict[str, Callable[[], object]] = {
            "peer": lambda u=u, f=f, g=g: torch.autograd.grad(torchlpc.sample_wise_lpc(u, -f.unsqueeze(2)), (f, u), g),  # type: ignore[misc]
            "scan": lambda u=u, f=f, g=g: torch.autograd.grad(linear_scan(f, u), (f, u), g),  # type: ignore[misc]
        }
        times |= {f"{name} {shape}": taken for name, taken in fastest(calls, seconds).items()}
    return times


def torchlpc(seconds: float) -> Part:
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float | None] = {"speedup_torchlpc": None}
    for path, key in (("numba", "speedup_torchlpc"), ("extension", "speedup_torchlpc_extension")):
        times = child("benchmarks.engine_peers", f"torchlpc-{path}", str(seconds))
        if not times:
            rows.append((f"its {path} path", "not installed", "", ""))
        for label in (k.removeprefix("peer ") for k in times if k.startswith("peer")):
            peer, scan = times[f"peer {label}"], times[f"scan {label}"]
            rows.append((f"{label}, its {path} path", 1e3 * peer, 1e3 * scan, peer / scan))
            figures[key] = min(peer / scan, figures.get(key) or float("inf"))
    return Part(
        "torchlpc, the slower of our ratios is published",
        ("float32, 2 threads, with gradient", "torchlpc ms", "scan ms", "ratio"),
        rows,
        figures,
    )


def loop(seconds: float) -> Part:
    """A loop of torch operations over time and its gradient; the fastest of three calls, on one thread or two."""
    rows: list[tuple[object, ...]] = []
    ratios = []
    for shape in ((16, 1024, 256), (1, 4096, 16)):
        f, u = torch.rand(shape, requires_grad=True), torch.randn(shape, requires_grad=True)

        def looped(f: Tensor = f, u: Tensor = u) -> object:
            state, states = torch.zeros(u.shape[0], u.shape[2]), []
            for t in range(u.shape[1]):
                state = f[:, t] * state + u[:, t]
                states.append(state)
            return torch.autograd.grad(torch.stack(states, 1).sum(), (f, u))

        def scanned(f: Tensor = f, u: Tensor = u) -> object:
            return torch.autograd.grad(linear_scan(f, u).sum(), (f, u))  # type: ignore[union-attr]

        scan, peer = fastest({"scan": scanned}, seconds, least=10)["scan"], float("inf")
        for threads in (1, 2, 1):  # many small operations may be faster on one
            torch.set_num_threads(threads)
            begin = time.perf_counter()
            looped()
            peer = min(peer, time.perf_counter() - begin)
        torch.set_num_threads(2)
        rows.append((f"{shape}", 1e3 * peer, 1e3 * scan, peer / scan))
        ratios.append(peer / scan)
    header = ("(B, T, D) float32, with gradient", "loop ms", "scan ms", "ratio")
    return Part("A loop of torch operations, the slower of our ratios is published", header, rows, {"speedup_loop": min(ratios)})


if __name__ == "__main__":
    peer, limit = sys.argv[1], float(sys.argv[2])
    print(json.dumps(lfilter_times(limit) if peer == "lfilter" else torchlpc_times(peer.removeprefix("torchlpc-"), limit)))
