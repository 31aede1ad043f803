"""Recovery of every volatility model that ships: bias, errors, coverage and calibration over simulated series. Last line: JSON.

    python -m benchmarks.recovery             400 series a model; rewrites the tables of docs/recovery.md
    python -m benchmarks.recovery --quick     the same protocol with 100 series; docs/recovery.md stays as it is
    python -m benchmarks.recovery --only default,gjr_t      some models; docs/recovery.md stays as it is

The truths are rounded estimates on the NASDAQ Composite (1999-2018), in percent. coverage_* are those of the default cell's 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqsci.domains.finance import models
from seqsci.estimation.recovery import Recovered, Recovery, recovery
from seqsci.model import Model

PAGE = Path(__file__).parents[1] / "docs" / "recovery.md"
START, STOP = "<!-- tables: written by benchmarks/recovery.py -->", "<!-- end of tables -->"


@dataclass(frozen=True)
class Study:
    """A shipped model at its documented size: values, steps, known columns, and the prefix of its figures."""

    truth: dict[str, float]
    rows: int
    prefix: str | None = None
    known: Callable[[int], dict[str, np.ndarray] | None] = lambda rows: None

    def model(self, name: str) -> Model:
        return models.MODELS[name]().start_at(**self.truth)


CELL = {"mean": 0.06, "persistence": 0.99, "rotation": 0.5, "shift": 0.28, "memory": 0.91, "intercept": 0.02, "degrees_of_freedom": 9.0}
_TARCH = {k: v for k, v in CELL.items() if k != "shift"} | {"rotation": 0.75}
_SHIFT = {"mean": 0.06, "shift": 0.61, "memory": 0.87, "intercept": 0.033, "degrees_of_freedom": 10.0}
STUDIES = {
    "default": Study(CELL, 2500, ""),
    "default_skewed": Study(CELL | {"mean": 0.03, "rotation": 0.4, "shift": 0.42, "memory": 0.9, "skewness": -0.16}, 5000),
    "shock_gate": Study(CELL | {"rotation": 0.38, "shift": 0.43, "memory": 0.925, "intercept": 0.017, "shock_slope": 0.16}, 6000),
    "driven_gate": Study(CELL, 3000, known=lambda rows: {"gate_drive": np.random.default_rng(8).normal(0, 1, rows)}),
    "tarch_t": Study(_TARCH, 2500, "tarch_t_"),
    "avgarch_t": Study(_SHIFT | {"persistence": 0.99}, 2500),
    "shift_only": Study(_SHIFT, 2500),
    "garch_normal": Study({"mean": 0.07, "persistence": 0.99, "memory": 0.914, "intercept": 0.02}, 2500, "garch_n_"),
    "garch_t": Study({"mean": 0.09, "persistence": 0.99, "memory": 0.915, "intercept": 0.015, "degrees_of_freedom": 8.5}, 2500),
    "gjr_t": Study(_TARCH | {"rotation": 0.87, "memory": 0.924, "intercept": 0.014}, 2500),
}


def _figures(name: str, study: Study, found: Recovery) -> dict[str, float]:
    wald = [p.coverage for p in found.parameters]
    likelihood = [p.likelihood_coverage for p in found.parameters]
    figures: dict[str, float] = {
        f"{name}_coverage_rejected": sum(p.rejected for p in found.parameters),
        f"{name}_ranks_rejected": sum(p.ranks_rejected for p in found.parameters),
        f"{name}_failures": len(found.failures),
    }
    if study.prefix is not None:
        figures |= {
            f"{study.prefix}coverage_min": min(wald),
            f"{study.prefix}coverage_max": max(wald),
            f"{study.prefix}coverage_rejected": figures[f"{name}_coverage_rejected"],
            f"{study.prefix}likelihood_coverage_min": min(likelihood),
            f"{study.prefix}likelihood_coverage_max": max(likelihood),
            f"{study.prefix}failures": len(found.failures),
        }
    return figures


def _p(value: float, rejected: bool) -> str:
    text = "-" if math.isnan(value) else "< .001" if value < 0.001 else f"{value:.3f}".lstrip("0")
    return f"**{text}**" if rejected else text


def _row(p: Recovered) -> str:
    cells = [
        p.name.replace("_", " "), f"{p.truth:g}", f"{p.bias:+.4f}", f"{p.rmse:.4f}", f"{p.error_ratio:.2f}", f"{p.coverage:.1%}",
        _p(p.adjusted, p.rejected), f"{p.likelihood_coverage:.1%}", _p(p.rank_adjusted, p.ranks_rejected), p.pinned, p.excluded,
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _section(name: str, study: Study, found: Recovery) -> str:
    head = "| parameter | truth | bias | RMSE | se/sd | coverage | Holm p | LR coverage | SBC p | pinned | no rank |"
    fitted = found.parameters[0].replicates
    failed = len(found.failures)
    size = f"{fitted} series of {study.rows:,} steps, {failed} failures, seeds {found.seed} to {found.seed + fitted + failed - 1}."
    return "\n".join([f"### {name}: {found.model}", "", size, "", head, "|---" * 11 + "|", *map(_row, found.parameters), ""])


def _write(sections: list[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(STOP)
    PAGE.write_text(before + START + "\n\n" + "\n".join(sections) + "\n" + STOP + after, encoding="utf-8")


def main() -> None:
    """Run the studies, print a table each, write the page, end with JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(STUDIES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    clock, count = time.perf_counter(), 100 if arguments.quick else 400
    figures: dict[str, float] = {}
    sections = []
    for name in arguments.only.split(","):
        study, begun = STUDIES[name], time.perf_counter()
        found = recovery(
            study.model(name), study.rows, count, arguments.seed,
            likelihood_intervals=True, known=study.known(study.rows), threads=arguments.threads,
        )  # fmt: skip
        print(f"{found}\n{time.perf_counter() - begun:.0f} s\n", flush=True)
        figures |= _figures(name, study, found)
        sections.append(_section(name, study, found))
    if not arguments.quick and arguments.only == ",".join(STUDIES):
        _write(sections)
    figures["recovery_rejected_total"] = sum(v for k, v in figures.items() if k.removesuffix("_coverage_rejected") in STUDIES)
    figures["seconds"] = round(time.perf_counter() - clock, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
