"""Panels and cells on a card: 100,000 GARCH series of 1,000 days with standard errors, beside the CPU on a sample; one pass of each kernel.

`benchmarks.gpu` calls `panels`; by itself: python -m benchmarks.gpu_panels [--quick]; the last line is one line of JSON. Times of panels
are of the second run, after the kernels have been compiled; the first is given too. A pass is timed by launches one after the other between
two events, at least `REPEATS` and `SECONDS`. Its rate counts every byte that a step loads and stores, read off the kernel's source, and
what is filled beforehand.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.panel import simulated
from seqsci.cell import Cell
from seqsci.domains.finance import models
from seqsci.lanes.launch import LaneKernel, lane_kernel
from seqsci.lanes.layout import Lanes
from seqsci.model import Model
from seqsci.panel.card import Card
from seqsci.panel.fitting import PANEL, fit_panel
from seqsci.panel.job import Job
from seqsci.panel.units import to_units

SAMPLE = 200
REPEATS, SECONDS = 20, 0.05
FILLED = {"states": ("STATES", "READS", "GATES", "DENSITY"), "adjoint": ("DX",)}
"""Planes that are written whole before a kernel writes the steps that exist."""
STEPWISE = ("X", "FLAGS", "WEIGHT", "STATES", "READS", "GATES", "DENSITY", "DS", "DR", "DL", "DX")
"""Planes with an entry a step; the others have one a sequence or a lane."""


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def best_of(run: Callable[[], Any], device: torch.device, times: int) -> float:
    """Smallest of some wall times, in seconds; for what takes long."""
    found = []
    for _ in range(times):
        wait(device)
        clock = time.perf_counter()
        run()
        wait(device)
        found.append(time.perf_counter() - clock)
    return min(found)


def repeated(run: Callable[[], Any], device: torch.device) -> tuple[float, int]:
    """Seconds of one of many runs in a row, and how many these were: between two events on a card, by the clock elsewhere."""
    run()
    times = max(REPEATS, math.ceil(SECONDS / max(best_of(run, device, 1), 1e-6)))
    if device.type != "cuda":
        clock = time.perf_counter()
        for _ in range(times):
            run()
        return (time.perf_counter() - clock) / times, times
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.cuda.device(device):
        begin.record()
        for _ in range(times):
            run()
        end.record()
        end.synchronize()
    return begin.elapsed_time(end) / 1e3 / times, times


def bytes_a_step(source: str, name: str, weighted: bool) -> tuple[int, int]:
    """Bytes that a kernel loads and stores for each step of a lane, and those that are filled beforehand."""
    body = source[source.index("for t in range(steps):") :]
    found = re.findall(r"tl\.(?:load|store)\((\w+) \+ ", body)
    counted = [n for n in found if n in STEPWISE and (weighted or n != "WEIGHT")]
    return sum(1 if n == "FLAGS" else 8 for n in counted), 8 * sum(n in FILLED.get(name, ()) for n in found)


def fitted(model: Model, frame: pd.DataFrame, card: Card, key: str) -> tuple[list[str], dict[str, float]]:
    """One panel: wall time of the call, the card's share of it, and what a sample of the series has on the CPU."""
    (days, series), launches = frame.shape, [0, 0]
    spent = [0.0]
    solve = Card.solve

    def timed(*arguments: Any) -> Any:
        wait(card.place)
        clock = time.perf_counter()
        result = solve(*arguments)
        spent[0] += time.perf_counter() - clock
        return result

    objective = LaneKernel.objective

    def counted(self: LaneKernel, raw: Tensor, *more: Any, **how: Any) -> Any:
        launches[0] += 1
        launches[1] += len(raw)
        return objective(self, raw, *more, **how)

    Card.solve, LaneKernel.objective = timed, counted  # type: ignore[method-assign]
    seconds = []
    try:
        for _ in range(2):
            spent[0], launches[:] = 0.0, (0, 0)
            clock = time.perf_counter()
            panel = fit_panel(model, frame, unit="percent", device=card)
            seconds.append(time.perf_counter() - clock)
    finally:
        Card.solve, LaneKernel.objective = solve, objective  # type: ignore[method-assign]
    table = panel.table
    chosen = np.random.default_rng(0).choice(series, min(SAMPLE, series), replace=False)
    clock = time.perf_counter()
    cpu = fit_panel(model, frame.iloc[:, chosen], unit="percent").table
    per_series = (time.perf_counter() - clock) / len(chosen)
    here = table.iloc[chosen].reset_index(drop=True)
    both = ((here["status"] == "ok") & (cpu["status"] == "ok")).to_numpy()
    gap = float(np.abs(here["log_likelihood"] / cpu["log_likelihood"] - 1)[both].max())
    names = [f"se_{n}" for n in model.free_names]
    ratio = np.abs(here.loc[both, names].to_numpy(float) / cpu.loc[both, names].to_numpy(float) - 1)
    errors = float(np.nanquantile(ratio, 0.99)) if np.isfinite(ratio).any() else np.nan
    text = [
        f"{key:<10}{series:>9,} x {days:,} days {seconds[1]:>8.2f} s (first call {seconds[0]:.2f} s), on the card {spent[0]:.2f} s "
        f"in {launches[0]:,} launches of {launches[1] / series:.1f} likelihoods a series; "
        f"CPU {1e3 * per_series:.3f} ms a series; failed {(table['status'] != 'ok').mean():.2%}; of {len(chosen)}: "
        f"log-likelihood {gap:.1e}, 99 % of standard errors {errors:.1e} from the CPU's"
    ]
    label = f"{key}_{series // 1000}k" if series >= 1000 else f"{key}_{series}"
    figures = {
        f"{label}_seconds": seconds[1],
        f"{label}_card_seconds": spent[0],
        f"{label}_launches": float(launches[0]),
        f"{label}_likelihoods_a_series": launches[1] / series,
        f"{label}_failed": float((table["status"] != "ok").mean()),
    }
    return text, figures | {f"{label}_loglik_gap": gap, f"{label}_se_gap": errors, f"{label}_cpu_ms_a_series": 1e3 * per_series}


def passes(model: Model, frame: pd.DataFrame, card: Card) -> tuple[list[str], dict[str, float]]:
    """One launch of each kernel on as many lanes: seconds, and the bytes that it moves."""
    days, series = frame.shape
    job = Job.of(model, to_units(model, frame, unit="percent"), PANEL, card)
    batch, kernel = job.batch(list(range(series))), lane_kernel(model.kernel())
    lanes = Lanes.of(batch.data, batch.offsets, batch.places, card.place)
    raw = torch.from_numpy(np.repeat(job.start[None], series, 0)).to(card.place)
    natural = kernel.objective(raw, lanes, full=False).natural
    found = kernel.states(natural, lanes)
    ones = (found.states, found.reads, found.density, found.last)
    runs: dict[str, tuple[str, Callable[[], Any]]] = {
        "score": ("objective", lambda: kernel.objective(raw, lanes)),
        "score_without_outer": ("objective", lambda: kernel.objective(raw, lanes, full=False)),
        "states": ("states", lambda: kernel.states(natural, lanes)),
        "adjoint": ("adjoint", lambda: kernel.adjoint(natural, lanes, found.states, ones)),
    }
    text, figures = [], {}
    for label, (name, run) in runs.items():
        seconds, times = repeated(run, card.place)
        moved = lanes.flags.numel() * sum(bytes_a_step(kernel.source(name), name, lanes.weight is not None))
        rate = moved / seconds / 1e9
        text.append(f"{label:<22}{series:>9,} x {days:,}{1e3 * seconds:>9.3f} ms ({times} in a row){rate:>9.0f} GB/s")
        figures |= {f"garch_{label}_ms": 1e3 * seconds, f"garch_{label}_gb_s": rate}
    return text, figures


def cell(batch: int, steps: int, card: Card, loop: bool) -> tuple[list[str], dict[str, float]]:
    """Forward and backward of a driven volatility cell, as training runs it, beside the torch loop."""
    model = models.driven_gate().fix(shift=0.0, rotation=0.0)
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(batch, steps, generator=generator, dtype=torch.float64).to(card.place)
    drive = (0.1 * torch.randn(batch, steps, generator=generator, dtype=torch.float64)).to(card.place).requires_grad_()

    def step(module: Cell) -> Tensor:
        loss = -module({"gate_drive": drive}, {"log_return": y}).log_density.mean()
        return torch.autograd.grad(loss, [drive, *module.parameters()])[0]

    found = {}
    for backend in ("triton", "torch") if loop else ("triton",):
        module = Cell(model, backend).to(card.place)  # type: ignore[arg-type]
        step(module)
        found[backend] = best_of(lambda module=module: step(module), card.place, 3)  # type: ignore[misc]
    told = ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in found.items())
    return [f"driven cell {batch} x {steps}, forward and backward: {told}"], {f"driven_cell_{n}_ms": 1e3 * s for n, s in found.items()}


def panels(quick: bool, card: Card | None = None, sizes: tuple[int, int] | None = None) -> tuple[str, dict[str, float]]:
    """Text and figures; raises `DeviceError` where there is no card."""
    card = Card("cuda") if card is None else card
    series, days = sizes or ((10_000, 1000) if quick else (100_000, 1000))
    garch, few = models.garch_normal(), max(series // 10, 2)
    frame = simulated(garch, series, days, 11)
    parts = [
        fitted(garch, frame, card, "garch"),
        passes(garch, frame, card),
        *(fitted(m, simulated(m, few, days, 11), card, n) for n, m in (("garch_t", models.garch_t()), ("tarch_t", models.tarch_t()))),
        cell(max(series // 100, 2), days, card, loop=True),
    ]
    figures: dict[str, float] = {}
    for _, found in parts:
        figures |= found
    return "\n".join(line for text, _ in parts for line in text), figures


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--quick", action="store_true")
    text, figures = panels(reader.parse_args().quick)
    print(text)
    print(json.dumps({"card": torch.cuda.get_device_name(), **figures}))
