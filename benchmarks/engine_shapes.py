"""Processor time of the linear scan by shape: short rows, few lanes, packed sequences, one row; no shape may fall off a cliff.

python -m benchmarks.engine_shapes [--threads N]; the last line is one line of JSON. Nanoseconds of processor time an element, the least of
several calls, so that other work on the machine disturbs little. Float32, a gate per element; a gradient is forward and backward, with that
of f, u and c0.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.engine_timing import Part, show
from seqsci.engine import linear_scan

SHAPES: tuple[tuple[int, int, int], ...] = (
    (4, 2048, 128), (500_000, 2, 1), (200_000, 5, 1), (125_000, 8, 1), (30_000, 32, 1), (15_000, 64, 1), (8_000, 128, 1), (1_000, 1_000, 1),
    (100_000, 5, 2), (50_000, 5, 4), (25_000, 5, 8), (13_000, 5, 15), (13_000, 5, 16), (2_000, 64, 8), (100, 2_000, 5), (1, 262_144, 4),
    (1, 262_144, 5), (1, 262_144, 8), (1, 1_000_000, 1),
)  # fmt: skip
PACKED: tuple[tuple[int, int, int], ...] = ((100_000, 5, 1), (100_000, 5, 8), (10_000, 50, 1), (100_000, 5, 32))
"""Sequences, steps of each, lanes."""


def least(call: Callable[[], object], repeats: int) -> float:
    """Processor seconds of the cheapest of several calls, after a first one."""
    call()
    best = float("inf")
    for _ in range(repeats):
        begin = time.process_time()
        call()
        best = min(best, time.process_time() - begin)
    return best


def cost(shape: tuple[int, int, int], gate: tuple[int, int, int], bounds: Tensor | None, repeats: int) -> tuple[float, float]:
    """Nanoseconds an element, forward and with gradient."""
    f, u, g = torch.rand(gate), torch.randn(shape), torch.randn(shape)
    c0 = torch.zeros(shape[0], shape[2]) if bounds is None else torch.zeros(1, len(bounds) - 1, shape[2])
    leaves = [x.clone().requires_grad_(True) for x in (f, u, c0)]
    forward = least(lambda: linear_scan(f, u, c0, cu_seqlens=bounds), repeats)
    both = least(lambda: torch.autograd.grad(linear_scan(*leaves, cu_seqlens=bounds), leaves, g), repeats)  # type: ignore[arg-type]
    return 1e9 * forward / u.numel(), 1e9 * both / u.numel()


def shapes(repeats: int) -> Part:
    """Every shape, with a gate per element and with one number."""
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float | None] = {}
    cases = [("x".join(map(str, s)), s, None) for s in SHAPES]
    cases += [(f"packed_{n}x{t}x{d}", (1, n * t, d), torch.arange(n + 1) * t) for n, t, d in PACKED]  # type: ignore[misc]
    for name, shape, bounds in cases:
        forward, both = cost(shape, shape, bounds, repeats)
        number = cost(shape, (1, 1, 1), bounds, repeats)[1]
        rows.append((name, forward, both, number))
        figures |= {f"{name}_forward": forward, f"{name}_gradient": both, f"{name}_gradient_number": number}
    return Part("Nanoseconds of processor time an element", ("shape", "forward", "gradient", "gradient of one number"), rows, figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    part = shapes(given.repeats)
    show(part)
    print(json.dumps({k: None if v is None else float(f"{v:.3g}") for k, v in part.figures.items()}))


if __name__ == "__main__":
    main()
