"""What `fit_panel` does beside fitting, and how many launches a climb makes on a card: measured without one, behind docs/gpu.md's estimate.

python -m benchmarks.panel_host [--quick]; the last line is one line of JSON. The first table gives wall and processor time of 100,000
series of 1,000 rows with a card that answers at once, so that what is left is the host's: reading, checks, starting points, packing, the
table. The second runs the card's climb with the CPU's likelihood in place of its kernels and counts launches, lanes and likelihoods.
--quick: one call instead of two, and 1,000 series climb instead of 30,000.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numba import njit
from torch import Tensor

from benchmarks.engine_timing import Part, show
from benchmarks.panel import simulated
from seqsci.domains.finance import models
from seqsci.lanes.launch import LaneKernel, LaneScore
from seqsci.lanes.layout import Lanes
from seqsci.panel.card import Card
from seqsci.panel.fitting import fit_panel

ROWS = 1000
Array = np.ndarray


@dataclass(frozen=True)
class Prompt(Card):
    """A card that answers at once: every series has its first starting point for an estimate."""

    def compile(self, *_: Any) -> None:
        """Nothing."""

    def solve(self, batch: Any, task: Any, points: Array, kernel: Any, errors: bool, free: Array) -> tuple[Array, ...]:
        """The entries that a card gives."""
        u, n, k = len(batch), len(task.names), len(free)
        natural = np.array([float(p.constraint.forward(0.0)) for p in task.model.kernel_parameters])
        matrix, yes = np.repeat((100 * np.eye(k) + 5)[None], u, 0), np.ones(u, bool)
        facts = (points[:, 0].copy(), np.full(u, 1400.0), yes, ~yes, np.full(u, 40.0), np.zeros((u, n), bool))
        return (*facts, matrix, matrix.copy(), np.repeat(natural[None], u, 0), np.ones((u, n)))


def host(quick: bool) -> Part:
    """Seconds beside the fits, of the first call and of a later one."""
    values = np.random.default_rng(1).standard_normal((ROWS, 100_000))
    frame = pd.DataFrame(values, columns=[f"s{i}" for i in range(values.shape[1])])
    model, card = models.garch_normal(), Prompt("interpreter", memory=1e12)
    fit_panel(model, frame.iloc[:, :50], unit="percent", device=card)
    rows: list[tuple[object, ...]] = []
    for call in ("first",) if quick else ("first", "second"):
        wall, own = time.perf_counter(), time.process_time()
        fit_panel(model, frame, unit="percent", device=card)
        rows.append((f"{call} call", time.perf_counter() - wall, time.process_time() - own))
    figures: dict[str, float | None] = {"host_seconds_100k": float(rows[-1][1])}  # type: ignore[arg-type]
    return Part("100,000 series of 1,000 rows, with a card that answers at once", ("", "seconds", "processor"), rows, figures)


@njit
def _many(objective, raw, index, offsets, X, observed, weight, reset, Q, S0, given, full, nll, g, outer, natural, slope):  # type: ignore[no-untyped-def]
    none, rows = np.zeros((0, 0)), np.zeros((0, raw.shape[1]))
    for c in range(len(raw)):
        u = index[c]
        a, b = offsets[u], offsets[u + 1]
        out = outer[c] if full else none
        data = X[a:b], observed[a:b], weight[a:b], reset[a:b], Q[u : u + 1], S0[u : u + 1], given
        nll[c] = objective(raw[c], data[0], data[1], data[2], data[3], data[4], data[5], data[6], g[c], out, rows, natural[c], slope[c])


class Counted:
    """The likelihood of the CPU in the place of a card's kernels, for one panel; ``launches``: lanes of each."""

    def __init__(self) -> None:
        self.launches: list[int] = []
        self.function: Any = None
        self.data: tuple[Any, Array] = (None, np.zeros(0))

    def objective(self, raw: Tensor, index: Tensor | None, full: bool) -> LaneScore:
        """As `LaneKernel.objective`."""
        data, offsets = self.data
        count, n = raw.shape
        self.launches.append(count)
        places = np.arange(count) if index is None else index.numpy()
        out = [np.zeros(s) for s in ((count,), (count, n), (count, n, n), (count, n), (count, n))]
        columns = list(data.arguments)
        columns[2] = np.ascontiguousarray(columns[2])
        _many(self.function, np.ascontiguousarray(raw.numpy()), places, offsets, *columns, full, *out)
        nll, g, outer, natural, slope = (torch.from_numpy(o) for o in out)
        return LaneScore(nll, g, outer if full else None, natural, slope)


def rounds(quick: bool, series: int | None = None) -> Part:
    """Launches of one panel's fits, counted, and its log-likelihoods beside the CPU's."""
    model, series = models.garch_normal(), series or (1_000 if quick else 30_000)
    frame, counted = simulated(model, series, ROWS, 11), Counted()
    laid, objective, compiled = Lanes.of, LaneKernel.objective, Card.compile

    def of(data: Any, offsets: Array, *more: Any) -> Lanes:
        counted.data = (data, offsets)
        return laid(data, offsets, *more)

    def compile(card: Card, task: Any, kernel: Any, *more: Any) -> None:
        counted.function = kernel.objective_function

    Lanes.of, Card.compile = of, compile  # type: ignore[method-assign, assignment]
    LaneKernel.objective = lambda self, raw, lanes, index=None, full=True: counted.objective(raw, index, full)  # type: ignore[method-assign, assignment]
    try:
        table = fit_panel(model, frame, unit="percent", device=Card("interpreter", memory=1e12)).table
    finally:
        Lanes.of, LaneKernel.objective, Card.compile = laid, objective, compiled  # type: ignore[method-assign]
    cpu = fit_panel(model, frame, unit="percent").table
    both = ((table["status"] == "ok") & (cpu["status"] == "ok")).to_numpy()
    gap = float(np.abs(table["log_likelihood"] / cpu["log_likelihood"] - 1)[both].max())
    lanes = np.array(counted.launches)
    told = (
        f"{series:,}",
        len(lanes),
        float(lanes.sum() / series),
        int((lanes > series / 2).sum()),
        float(table["evaluations"].median()),
        gap,
    )
    header = (
        "series",
        "launches",
        "likelihoods a series",
        "launches of more than half",
        "evaluations, median",
        "log-likelihood from the CPU's",
    )
    figures: dict[str, float | None] = {"launches": float(len(lanes)), "likelihoods_a_series": told[2], "rounds_loglik_gap": gap}
    return Part("The climb of a card with the CPU's likelihood", header, [told], figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one call, and 1,000 series that climb")
    quick = parser.parse_args().quick
    figures: dict[str, float | None] = {}
    for make in (host, rounds):
        part = make(quick)
        show(part)
        figures |= dict(part.figures)
    print(json.dumps({k: float(f"{v:.4g}") for k, v in figures.items() if v is not None}))


if __name__ == "__main__":
    main()
