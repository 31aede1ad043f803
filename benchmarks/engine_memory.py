"""The scan against memory: torch.add of the same arrays, which moves as many bytes and computes nothing.

Its result lies in fresh memory, as the scan's; in fresh memory for which large pages were asked, as the scan asks; or in memory that was
used before, which no caller of the scan has.
"""

from __future__ import annotations

import torch

from benchmarks.engine_timing import Part, fastest
from seqsci.engine import linear_scan
from seqsci.engine.memory import allocate

SHAPES = {"lane": (16, 16_384, 256), "rows": (27 * 1024, 2500, 1), "one_lane": (1, 2**26, 1)}
"""Each array is about 256 MiB of float32; a call moves three and more, which no last-level cache holds."""

HEADER = (
    "(B, T, D) float32",
    "add GB/s",
    "large pages",
    "used memory",
    "scan ms",
    "of add",
    "of large",
    "of used",
    "with gradient ms",
    "of add",
    "of large",
    "of used",
)


def fractions(seconds: float) -> Part:
    """Two threads; 3 words a position forward, 8 with the gradient of f and u at a dense cotangent."""
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float | None] = {}
    for name, shape in SHAPES.items():
        u = torch.randn(shape)
        f, g, used = torch.rand_like(u), torch.ones_like(u), torch.zeros_like(u)
        leaves = [x.detach().requires_grad_(True) for x in (f, u)]

        def both(leaves: list[torch.Tensor] = leaves, g: torch.Tensor = g) -> object:
            return torch.autograd.grad(linear_scan(*leaves), leaves, g)  # type: ignore[arg-type]

        best = fastest(
            {
                "add": lambda f=f, u=u: torch.add(f, u),  # type: ignore[misc]
                "large": lambda f=f, u=u: torch.add(f, u, out=allocate(u)),  # type: ignore[misc]
                "used": lambda f=f, u=u, used=used: torch.add(f, u, out=used),  # type: ignore[misc]
                "scan": lambda f=f, u=u: linear_scan(f, u),  # type: ignore[misc]
                "both": both,
            },
            seconds,
        )
        limits = [best[k] for k in ("add", "large", "used")]
        forward, whole = [x / best["scan"] for x in limits], [8 / 3 * x / best["both"] for x in limits]
        rates = [3 * u.nbytes / x / 1e9 for x in limits]
        rows.append((f"{name} {shape}", *rates, 1e3 * best["scan"], *forward, 1e3 * best["both"], *whole))
        figures |= {f"{name}_fwd_fraction": forward[0], f"{name}_fwdbwd_fraction": whole[0]}
    figures["one_lane_fraction"] = figures.pop("one_lane_fwd_fraction")
    return Part("Share of torch.add (what memory allows), 2 threads", HEADER, rows, figures)
