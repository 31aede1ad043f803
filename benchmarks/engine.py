"""The linear scan against what memory allows (torch.add of the same arrays), scipy's filter, and a Python loop.

python -m benchmarks.engine [--quick]; the last line is one line of JSON. 2 threads, the fastest of several calls. A fraction is bytes that
the scan has to move (3 words a position forward, 8 with backward) per second, over those of torch.add. --quick takes arrays that fit in a
large cache and fewer calls; its fractions are not those of memory.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from seqsci.engine import linear_scan


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of several calls, after one that does not count."""
    call()
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return float(best)


def forward(f: Tensor, u: Tensor, repeats: int) -> tuple[float, float]:
    """Seconds of torch.add and of the scan; both allocate what they return."""
    return fastest(lambda: torch.add(f, u), repeats), fastest(lambda: linear_scan(f, u), repeats)


def with_backward(f: Tensor, u: Tensor, repeats: int) -> float:
    """Seconds of the scan and its gradient for f and u, at a dense cotangent."""
    g = torch.ones_like(u)
    leaves = [x.detach().requires_grad_(True) for x in (f, u)]
    return fastest(lambda: torch.autograd.grad(linear_scan(*leaves), leaves, g), repeats)  # type: ignore[arg-type]


def lane_major(scale: int, repeats: int) -> dict[str, float]:
    u = torch.randn(16, 1024 * scale, 256)
    f = torch.rand_like(u)
    add, scan = forward(f, u, repeats)
    both = with_backward(f, u, repeats)
    return {"lane_fwd_fraction": add / scan, "lane_fwdbwd_fraction": 8 / 3 * add / both, "add_gb_s": 3 * u.nbytes / add / 1e9}


def time_contiguous(scale: int, repeats: int) -> dict[str, float]:
    u = torch.randn(1024 * scale, 2500, 1)
    add, scan = forward(torch.rand_like(u), u, repeats)
    return {"rows_fwd_fraction": add / scan}


def one_lane(length: int, repeats: int) -> dict[str, float]:
    u = torch.randn(1, length, 1)
    add, scan = forward(torch.rand_like(u), u, repeats)
    return {"one_lane_fraction": add / scan}


def against_lfilter(rows: int, repeats: int) -> dict[str, float]:
    """One core, float64, a constant gate: all that lfilter can do."""
    threads = torch.get_num_threads()
    u = torch.randn(rows, 2500, 1, dtype=torch.float64)
    x = u[..., 0].numpy()
    try:
        torch.set_num_threads(1)
        scan = fastest(lambda: linear_scan(0.9, u), repeats)
    finally:
        torch.set_num_threads(threads)
    return {"speedup_lfilter": fastest(lambda: lfilter([1.0], [1.0, -0.9], x), repeats) / scan}


def against_loop(repeats: int) -> dict[str, float]:
    """A loop of torch operations over time, (16, 1024, 256), forward and backward."""
    f, u = torch.rand(16, 1024, 256, requires_grad=True), torch.randn(16, 1024, 256, requires_grad=True)

    def loop() -> object:
        state, states = torch.zeros(16, 256), []
        for t in range(u.shape[1]):
            state = f[:, t] * state + u[:, t]
            states.append(state)
        return torch.autograd.grad(torch.stack(states, 1).sum(), (f, u))

    scan = fastest(lambda: torch.autograd.grad(linear_scan(f, u).sum(), (f, u)), repeats)  # type: ignore[union-attr]
    return {"speedup_loop": fastest(loop, 1) / scan}


def errors() -> dict[str, float]:
    """Norm-wise, T = 65,536, the worst of several gates in [0, 1]; bfloat16 against the exact state rounded once."""
    u = torch.rand(1, 65_536, 16)
    worst = 0.0
    for f in (torch.rand_like(u), *(torch.tensor(x) for x in (0.0, 0.5, 0.9, 0.999, 0.9999, 1.0))):
        exact = linear_scan(f.double(), u.double())
        worst = max(worst, float((linear_scan(f, u).double() - exact).norm() / exact.norm()))  # type: ignore[union-attr, operator]
    f, v = torch.tensor(0.999).bfloat16(), torch.randn(1, 65_536, 16).bfloat16()
    exact = linear_scan(f.double(), v.double()).bfloat16().double()  # type: ignore[union-attr]
    return {"error_f32": worst, "error_bf16": float((linear_scan(f, v).double() - exact).norm() / exact.norm())}  # type: ignore[union-attr]


def overhead(calls: int) -> dict[str, float]:
    """Microseconds of one eager call on four numbers."""
    f, u = torch.rand(1, 2, 2), torch.randn(1, 2, 2)

    def many() -> None:
        for _ in range(calls):
            linear_scan(f, u)

    return {"overhead_us": fastest(many, 3) / calls * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arrays, fewer calls")
    quick = parser.parse_args().quick
    torch.set_num_threads(2)
    torch.manual_seed(0)
    repeats = 3 if quick else 7
    figures: dict[str, float] = {}
    for part in (
        lambda: lane_major(1 if quick else 16, repeats),
        lambda: time_contiguous(4 if quick else 26, repeats),
        lambda: one_lane(2**22 if quick else 2**26, repeats),
        lambda: against_lfilter(400 if quick else 4000, repeats),
        lambda: against_loop(repeats),
        errors,
        lambda: overhead(200 if quick else 2000),
    ):
        got = part()
        figures |= got
        print({k: float(f"{v:.3g}") for k, v in got.items()}, flush=True)
    print(json.dumps({k: float(f"{v:.4g}") for k, v in figures.items()}))


if __name__ == "__main__":
    main()
