"""The linear scan on a CUDA card: GB/s beside the measured device copy, bfloat16, errors, peers that are installed; then panels of fits.

python -m benchmarks.gpu [--quick]; the last line is one line of JSON, which is also written to benchmarks/results/<name of the card>.json.
Every rate counts the words that the scan has to move (forward 3: f, u, c; forward and backward 8: f, g, c, df, du more), whatever the
kernels move, and is divided by the rate of a copy of as many bytes on the same card. Medians of runs of many calls between CUDA events, on
several sets of numbers in turns; what is published is the card's own time (a CUDA graph), the rate as called from Python stands beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.engine_timing import Part, show
from benchmarks.gpu_peers import PEERS
from benchmarks.gpu_timing import Call, Card
from seqsci.engine import accelerator, linear_scan

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Rates:
    """Bytes a second: forward, forward and backward (0: not asked), alone and as called; and a copy as large as the forward pass."""

    forward: float
    both: float
    forward_called: float
    both_called: float
    copy: float

    def row(self, name: str) -> tuple[object, ...]:
        shares = (self.forward / self.copy, self.both / self.copy)
        return (name, *(x / 1e9 for x in (self.forward, self.both, self.forward_called, self.both_called, self.copy)), *shares)


HEADER = (
    "(B, T, D) float32",
    "forward GB/s",
    "with gradient",
    "as called",
    "as called",
    "copy",
    "forward of copy",
    "with gradient of copy",
)


def rates(card: Card, shape: tuple[int, ...], dtype: torch.dtype, backward: bool) -> Rates:
    """Rates of the scan in this shape."""
    size = math.prod(shape) * dtype.itemsize
    forward: list[Call] = []
    both: list[Call] = []
    copies: list[Call] = []
    for _ in range(card.sets(3 * size)):
        f, u, g = (draw(shape, device=card.device).to(dtype) for draw in (torch.rand, torch.randn, torch.ones))
        leaves = [x.requires_grad_(True) for x in (f.clone(), u.clone())] if backward else []
        source = torch.ones(max(1, 3 * size // 8), device=card.device)
        forward.append(lambda f=f, u=u: linear_scan(f, u))  # type: ignore[misc]
        both.append(lambda leaves=leaves, g=g: torch.autograd.grad(linear_scan(*leaves), leaves, g))  # type: ignore[misc, arg-type]
        copies.append(source.clone)
    ours = [3 * size / card.seconds(forward, graph) for graph in (True, False)]
    theirs = [8 * size / card.seconds(both, graph) if backward else 0.0 for graph in (True, False)]
    return Rates(ours[0], theirs[0], ours[1], theirs[1], 2 * 4 * max(1, 3 * size // 8) / card.seconds(copies))


def lanes(card: Card) -> Part:
    """At 8,192 lanes and more, from a thousand steps to 64 thousand: the worst fraction is published."""
    shapes = ((8, 1024, 1024), (8, 4096, 1024), (8, 16_384, 1024), (8, 65_536, 1024), (16, 4096, 2048), (64, 1024, 1024))
    found = {shape: rates(card, card.shape(*shape), torch.float32, True) for shape in shapes}
    worst = {
        "gpu_fwd_fraction": min(r.forward / r.copy for r in found.values()),
        "gpu_fwdbwd_fraction": min(r.both / r.copy for r in found.values()),
    }
    return Part("Many lanes", HEADER, [r.row(f"{shape}") for shape, r in found.items()], worst)


def few_lanes(card: Card) -> Part:
    """One lane of 2^28 steps; 16 x 128 lanes of 16 thousand."""
    one, few = (rates(card, card.shape(*shape), torch.float32, True) for shape in ((1, 1 << 28, 1), (16, 16_384, 128)))
    figures = {"gpu_one_lane_fraction": one.forward / one.copy, "gpu_few_lanes_fraction": few.forward / few.copy}
    return Part("Few lanes", HEADER, [one.row("(1, 2^28, 1)"), few.row("(16, 16384, 128)")], figures)


def narrow(card: Card) -> Part:
    """Elements a second in bfloat16 against float32, and the error of its float32 states."""
    shape = (8, 16_384, 1024)
    single, half = (rates(card, card.shape(*shape), kind, False).forward for kind in (torch.float32, torch.bfloat16))
    ratio = (half / 2) / (single / 4)
    f, u = (draw(card.shape(2, 16_384, 64), device=card.device).bfloat16() for draw in (torch.rand, torch.randn))
    exact: Tensor = linear_scan(f.cpu().double(), u.cpu().double())  # type: ignore[assignment]
    got: Tensor = linear_scan(f, u, dtype=torch.float32)  # type: ignore[assignment]
    error = float((got.cpu().double() - exact).norm() / exact.norm())
    row = (f"{shape}", half / 1e9, single / 1e9, ratio, error)
    header = ("(B, T, D)", "bfloat16 GB/s", "float32 GB/s", "elements a second, ratio", "error of float32 states")
    return Part("bfloat16", header, [row], {"gpu_bf16_ratio": ratio, "gpu_bf16_error": error})


def cuts(card: Card) -> Part:
    """Both ways to cut time, of which the plan takes one: a program walks all of it, or takes a tile and looks back."""
    from seqsci.engine import triton_launch
    from seqsci.engine.triton_plan import Plan, looked_back, walked

    def taken(looks: bool) -> Callable[..., Plan]:
        return lambda shape, strides, size, count, packed=False: (
            looked_back(shape, strides, size, packed) if looks else walked(shape, strides, size, count)
        )

    planned = triton_launch.plan
    rows: list[tuple[object, ...]] = []
    for dtype in (torch.float32, torch.bfloat16):
        for shape in ((8, 16_384, 1024), (32, 4096, 1024), (128, 1024, 1024), (16, 16_384, 128)):
            found = []
            try:
                for looks in (False, True):
                    triton_launch.plan = taken(looks)
                    found.append(rates(card, card.shape(*shape), dtype, True))
            finally:
                triton_launch.plan = planned
            speeds = (*(r.forward / 1e9 for r in found), *(r.both / 1e9 for r in found))
            rows.append((f"{shape} {str(dtype).removeprefix('torch.')}", *speeds))
    return Part("Two ways to cut time", ("(B, T, D)", "walk, GB/s", "look back", "walk, with gradient", "look back"), rows)


def errors(card: Card) -> Part:
    """Float32 against the CPU's double precision, T = 65,536."""
    u = torch.rand(card.shape(1, 65_536, 16))
    rows: list[tuple[object, ...]] = []
    worst = 0.0
    gates = {"0 ... 1": torch.rand_like(u)} | {f"{x}": torch.tensor(x) for x in (0.0, 0.5, 0.9, 0.999, 0.9999, 1.0)}
    for name, gate in gates.items():
        exact: Tensor = linear_scan(gate.double(), u.double())  # type: ignore[assignment]
        got: Tensor = linear_scan(gate.to(card.device), u.to(card.device))  # type: ignore[assignment]
        found = float((got.cpu().double() - exact).norm() / exact.norm())
        rows.append((name, found))
        worst = max(worst, found)
    return Part("Relative error, float32, T = 65,536", ("gate", "error"), rows, {"gpu_error_f32": worst})


def peers(card: Card) -> Part:
    """Each on a shape that it takes; a peer that is not installed is named."""
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float | None] = {}
    for peer in PEERS:
        try:
            theirs, ours, both, our_both = peer.measured(card)
        except Exception as missing:  # noqa: BLE001 - not installed, or failing on this card: its row says so, our figures stay
            rows.append((peer.name, f"missing: {missing}"[:60], *[""] * 5))
            figures |= {peer.key: None} if peer.key else {}
            continue
        with_gradient = (1e3 * both, 1e3 * our_both, both / our_both) if both else ("", "", "")
        rows.append((f"{peer.name} {peer.shape}", 1e3 * theirs, 1e3 * ours, theirs / ours, *with_gradient))
        figures |= {peer.key: theirs / ours} if peer.key else {}
        torch.cuda.empty_cache()
    header = ("float32, as called", "forward, peer ms", "scan ms", "ratio", "with gradient, peer ms", "scan ms", "ratio")
    return Part("Peers", header, rows, figures)


PARTS: tuple[Callable[[Card], Part], ...] = (lanes, few_lanes, narrow, errors, cuts, peers)


def fits(quick: bool) -> dict[str, float]:
    """Panels of fits and passes of cells."""
    from benchmarks.gpu_panels import panels

    text, found = panels(quick)
    print(f"\n{text}")
    return found


def shown(part: Part) -> dict[str, float | None]:
    """Print a part; its figures."""
    show(part)
    return part.figures


def written(card: str, figures: dict[str, float | str | None]) -> str:
    """The line of figures so far, kept in a file of the card's name, so that a run that is cut off leaves what it had."""
    line = json.dumps({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{re.sub(r'[^A-Za-z0-9]+', '_', card).strip('_')}.json").write_text(line + "\n")
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer calls, same data")
    quick = parser.parse_args().quick
    where = Card(times=7 if quick else 25)
    if not torch.cuda.is_available():
        sys.exit(
            "benchmarks.gpu measures a CUDA card, and torch sees none (torch.cuda.is_available() is False): run it on a machine with one"
        )
    card, capability = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    if reason := accelerator.obstacle(card, capability, accelerator.installed(), False):
        sys.exit(reason)
    torch.manual_seed(0)
    print(f"{card}, compute capability {capability[0]}.{capability[1]}, torch {torch.__version__}")
    figures: dict[str, float | str | None] = {"card": card, "torch": torch.__version__}
    failed = []
    for make in (*PARTS, fits):
        torch.cuda.empty_cache()
        try:
            figures |= fits(quick) if make is fits else shown(make(where))
        except Exception as error:  # noqa: BLE001 - a part that fails is told, the figures of the others stay, and the status is 1
            failed.append(make.__name__)
            print(f"\n{make.__name__}: not measured, {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        line = written(card, figures)
    print(line)
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
