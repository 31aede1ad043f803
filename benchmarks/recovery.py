"""Recovery of the volatility models: bias, standard errors and coverage over simulated series. Last line: JSON.

    python -m benchmarks.recovery           400 series of 2,500 steps a model
    python -m benchmarks.recovery --quick   the same protocol with 100 series

The truths are rounded estimates on the NASDAQ Composite (1999-2018), in percent. coverage_* are those of the default cell's 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import time

from seqsci.domains.finance import models
from seqsci.estimation.recovery import Recovery, recovery

CELL = {"mean": 0.06, "persistence": 0.99, "rotation": 0.5, "shift": 0.28, "memory": 0.91, "intercept": 0.02, "degrees_of_freedom": 9.0}
TRUTHS = {
    "cell": models.default().start_at(**CELL),
    "garch_n": models.garch_normal().start_at(mean=0.07, persistence=0.99, memory=0.914, intercept=0.02),
    "tarch_t": models.tarch_t().start_at(**{k: v for k, v in CELL.items() if k != "shift"} | {"persistence": 0.99, "rotation": 0.75}),
}


def _figures(prefix: str, found: Recovery) -> dict[str, float]:
    wald = [p.coverage for p in found.parameters]
    likelihood = [p.likelihood_coverage for p in found.parameters]
    return {
        f"{prefix}coverage_min": min(wald),
        f"{prefix}coverage_max": max(wald),
        f"{prefix}coverage_rejected": sum(p.rejected for p in found.parameters),
        f"{prefix}likelihood_coverage_min": min(likelihood),
        f"{prefix}likelihood_coverage_max": max(likelihood),
        f"{prefix}failures": len(found.failures),
    }


def main() -> None:
    """Run the studies, print a table each, end with JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    clock = time.perf_counter()
    figures: dict[str, float] = {}
    for key, model in TRUTHS.items():
        found = recovery(model, 2500, 100 if arguments.quick else 400, seed=arguments.seed, likelihood_intervals=True)
        print(f"{found}\n", flush=True)
        figures |= _figures("" if key == "cell" else f"{key}_", found)
    figures["seconds"] = round(time.perf_counter() - clock, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
