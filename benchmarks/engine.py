"""The linear scan against what memory allows, scipy's filter, torchlpc and a Python loop; its errors and the cost of a call.

python -m benchmarks.engine [--quick]; the last line is one line of JSON. The fastest of several calls, in turns with the peer's. --quick
takes the same data and protocol, and fewer calls. torchlpc is no dependency: where it is not installed its figure is null.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import torch

from benchmarks.engine_memory import fractions
from benchmarks.engine_peers import lfilter, loop, torchlpc
from benchmarks.engine_stream import streamed
from benchmarks.engine_timing import Part, fastest, show
from seqsci.engine import linear_scan


def errors(seconds: float) -> Part:
    """Norm-wise, T = 65,536, against the same inputs in double precision; the worst of several gates in [0, 1] is published."""
    u = torch.rand(1, 65_536, 16)
    rows: list[tuple[object, ...]] = []
    worst = {"float32": 0.0, "bfloat16": 0.0}
    gates = {"0 ... 1": torch.rand_like(u)} | {f"{x}": torch.tensor(x) for x in (0.0, 0.5, 0.9, 0.999, 0.9999, 1.0)}
    for name, gate in gates.items():
        found = []
        for dtype in (torch.float32, torch.bfloat16):
            f, v = gate.to(dtype), u.to(dtype)
            exact = linear_scan(f.double(), v.double())
            got = linear_scan(f, v, dtype=torch.float32)
            found.append(float((got.double() - exact).norm() / exact.norm()))  # type: ignore[union-attr, operator]
            key = str(dtype).removeprefix("torch.")
            worst[key] = max(worst[key], found[-1])
        narrow = linear_scan(f, v)
        found.append(float((narrow.double() - exact.bfloat16().double()).norm() / exact.norm()))  # type: ignore[union-attr]
        rows.append((name, *found))
    header = ("gate", "float32", "bfloat16 inputs, float32 states", "bfloat16 states, to the exact rounded")
    return Part("Relative error, T = 65,536", header, rows, {"error_f32": worst["float32"], "error_bf16": worst["bfloat16"]})


def overhead(seconds: float) -> Part:
    """Microseconds of one eager call on four numbers."""
    f, u = torch.rand(1, 2, 2), torch.randn(1, 2, 2)
    leaf = u.clone().requires_grad_(True)
    calls: dict[str, Callable[[], object]] = {
        "forward": lambda: linear_scan(f, u),
        "forward, recorded for a gradient": lambda: linear_scan(f, leaf),
        "forward and gradient": lambda: torch.autograd.grad(linear_scan(f, leaf), leaf, u),  # type: ignore[arg-type]
        "torch.add, for comparison": lambda: torch.add(f, u),
    }

    def many(call: Callable[[], object]) -> None:
        for _ in range(100):
            call()

    best = fastest({name: lambda call=call: many(call) for name, call in calls.items()}, seconds, least=20)  # type: ignore[misc]
    rows: list[tuple[object, ...]] = [(name, 1e4 * taken) for name, taken in best.items()]
    return Part("One eager call on four numbers", ("call", "us"), rows, {"overhead_us": 1e4 * best["forward"]})


PARTS: tuple[Callable[[float], Part], ...] = (fractions, lfilter, torchlpc, loop, errors, overhead, streamed)
"""Each is given the seconds that one measurement may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer calls, same data")
    seconds = 2.0 if parser.parse_args().quick else 15.0
    torch.set_num_threads(2)
    torch.manual_seed(0)
    figures: dict[str, float | None] = {}
    for make in PARTS:
        part = make(seconds)
        show(part)
        figures |= part.figures
    print(json.dumps({k: None if v is None else float(f"{v:.4g}") for k, v in figures.items()}))


if __name__ == "__main__":
    main()
