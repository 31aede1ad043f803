"""The gated layer against nn.LSTM, nn.GRU, minGRU and a diagonal SSM: time, and quality at equal parameters.

python -m benchmarks.gated_layer [--quick]; the last line is one line of JSON. 2 threads, float32, forward and backward, the fastest of
interleaved calls; the input needs a gradient, as inside a network. A ratio is the rival's time over that of the gated layer: above 1 the
gated layer is faster. These are different computations: in nn.LSTM and nn.GRU the gates read the last output, elsewhere only the input.
Time it on a quiet machine: thousands of small parallel steps make nn.LSTM suffer most from a shared one, which flatters the ratio; the
processor time of one thread, given beside it, does not depend on that.
--quick: the same data and protocol with two seeds and fewer calls; some 400 s of processor time, most of it on two processes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.gated_layer_models import MODELS, count, matched
from benchmarks.gated_layer_quality import quality
from seqsci.cells.layer import GatedLayer
from seqsci.engine import linear_scan

SHAPES = ((4, 1024, 256, 256), (64, 1000, 10, 100), (64, 32, 128, 128), (16, 32, 256, 256), (2, 2048, 64, 64), (1, 4096, 32, 64))
"""Batch, steps, features, width."""


def interleaved(calls: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Seconds of the fastest of several calls each, in turn, so that a busy moment meets all alike."""
    best = {name: float("inf") for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if turn:
                best[name] = min(best[name], clock() - start)
    return best


def both_ways(layer: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """A call that runs a layer forward and backward, with a dense cotangent."""
    cotangent = torch.randn_like(layer(x))
    leaves = [*layer.parameters(), *([x] if x.requires_grad else [])]
    return lambda: torch.autograd.grad(layer(x), leaves, cotangent)


def timed(repeats: int) -> dict[str, float]:
    """Six shapes: at the same width, and at the parameters of nn.LSTM; one thread."""
    figures = {}
    torch.set_num_threads(1)
    print("Processor time of 1 thread over the gated layer's: at the same width | at the parameters of nn.LSTM")
    for batch, steps, features, width in SHAPES:
        x = torch.randn(batch, steps, features, requires_grad=True)
        target = count(MODELS["lstm"](features, width, steps))
        row = f"({batch}, {steps}, {features} -> {width})".ljust(28)
        same = {name: make(features, width, steps) for name, make in MODELS.items()}
        equal = {name: _mapped(name, features, width, target, steps) for name in MODELS}
        for label, layers in (("width", same), ("params", equal)):
            calls = {name: both_ways(layer, x) for name, layer in layers.items()}
            best = interleaved(calls, repeats, time.process_time)
            row += f" | gated {best['gated'] * 1e3:6.1f} ms"
            for name in list(MODELS)[1:]:
                ratio = best[name] / best["gated"]
                figures[f"time_{label}_{name}_{batch}x{steps}x{features}x{width}"] = ratio
                row += f" {name} {ratio:.2f}"
        print(row, flush=True)
    torch.set_num_threads(2)
    return figures


def _mapped(name: str, features: int, width: int, target: int, steps: int) -> nn.Module:
    """A layer of about ``target`` parameters; where gates read the input alone, with a map of its wider state to ``width`` outputs."""
    out = 0 if name in ("lstm", "gru") else width
    units = matched(name, features, target, out, steps)
    layer = MODELS[name](features, units, steps)
    return nn.Sequential(layer, nn.Linear(units, out, bias=False)) if out else layer


def against_lstm(repeats: int) -> dict[str, float]:
    """(16, 1024, 256), width 256: the layer, its variants, and the matrix products that each of them cannot do without."""
    variants = {
        "": {},
        "_dense": {"rank": 10**6},
        "_read": {"read": True},
        "_untied_read": {"tied": False, "read": True},
    }
    figures = {}
    for suffix, needs, threads in (("", True, 2), ("_data", False, 2), ("_one_thread", True, 1), ("_data_one_thread", False, 1)):
        torch.set_num_threads(threads)
        x = torch.randn(16, 1024, 256, requires_grad=needs)
        layers = {f"gated{name}": GatedLayer(256, 256, 1024, **kw) for name, kw in variants.items()}  # type: ignore[arg-type]
        calls = {name: both_ways(_First(layer), x) for name, layer in layers.items()}
        calls |= {
            "product": both_ways(nn.Linear(256, 256, bias=False), x),
            "lstm": both_ways(_First(nn.LSTM(256, 256, batch_first=True)), x),
        }
        best = interleaved(calls, repeats, time.perf_counter if threads > 1 else time.process_time)
        label = f"{threads} threads" if threads > 1 else "1 thread, processor time"
        print(f"{label}, input {'with gradient' if needs else 'is data'}:", {n: f"{1e3 * s:.1f} ms" for n, s in best.items()}, flush=True)
        figures |= {f"layer_speedup_lstm_256{name}{suffix}": best["lstm"] / best[f"gated{name}"] for name in variants}
        figures[f"layer_speedup_lstm_256_product_alone{suffix}"] = best["lstm"] / best["product"]
    torch.set_num_threads(2)
    return figures


class _First(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


def autocast_error() -> dict[str, float]:
    """Norm-wise error of bfloat16 autocast at (4, 4096, 64), width 128, half-lives up to 4096: as it is, and had gates been bfloat16."""
    layer, x = GatedLayer(64, 128, 4096), torch.randn(4, 4096, 64)
    with torch.no_grad():
        want = layer(x)[0]
        with torch.autocast("cpu", torch.bfloat16):
            got = layer(x)[0].float()
        narrow = layer.gates(x)
        f = narrow.forget.bfloat16()
        z = torch.tanh(x @ layer.weight[:128].t() + layer.candidate_bias)
        rounded = torch.as_tensor(linear_scan(f, (1 - f) * z.bfloat16()))
    return {
        "autocast_error": float((got - want).norm() / want.norm()),
        "bfloat16_gates_error": float((rounded.float() - want).norm() / want.norm()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds, fewer calls")
    quick = parser.parse_args().quick
    torch.set_num_threads(2)
    torch.manual_seed(0)
    figures: dict[str, float] = {}
    for part in (
        lambda: against_lstm(3 if quick else 10),
        lambda: timed(1 if quick else 5),
        autocast_error,
        lambda: quality(2 if quick else 4),
    ):
        figures |= part()
    print(json.dumps({k: float(f"{v:.4g}") for k, v in figures.items()}))


if __name__ == "__main__":
    main()
