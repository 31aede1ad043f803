"""Ecology: exactness, density dependence under drift, and forecasts of annual counts. Last line: JSON.

python -m benchmarks.ecology            everything: 300 replicates; all baselines on all series, up to ten years ahead
python -m benchmarks.ecology --quick    the same data, seeds and protocol; the text names what is left out

The forecasts need SEQSCI_DATA; without it their keys are absent and the text says so. The parts run alone, too:
benchmarks.ecology_exactness, benchmarks.ecology_confounding, benchmarks.ecology_forecasts. The status is 1 where a promised key is absent
although the data are there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Iterable

from benchmarks.ecology_confounding import FULL, QUICK, confounding
from benchmarks.ecology_exactness import exactness
from benchmarks.ecology_forecasts import FURTHER, HORIZONS, SUBSET, forecasts
from seqsci.domains.ecology.baselines.catalogue import SLOW
from seqsci.domains.ecology.simulator import HISTORIES


def named(*parts: Iterable[str]) -> tuple[str, ...]:
    """All combinations of the parts of a key."""
    return tuple("_".join(p for p in chosen if p) for chosen in itertools.product(*parts))


KEYS = (
    "arima_error",
    "kalman_error",
    *(f"flag_{'power' if name.startswith('hump') else 'false'}_{name}" for name in HISTORIES),
    *named(("naive", "smooth", "flexible"), ("bias", "coverage", "width"), HISTORIES),
    *named(("covariate", "noisy"), ("bias", "coverage", "width"), (name for name in HISTORIES if name != "const")),
)
"""What the last line always holds."""
FORECAST_KEYS = (
    "coverage90",
    *named(("gpdd", "salmon"), ("dcrps", "dls", "drmse"), ("", "low", "high")),
    *named(("gpdd", "salmon"), ("gmcrps", "gmrmse", "ls", "coverage90")),
)
"""What it holds beside, with SEQSCI_DATA."""
LEFT_OUT = (
    f"--quick: {QUICK} replicates of each simulation instead of {FULL}; {' and '.join(SLOW)} on every {SUBSET}th series only; "
    f"no forecasts 2 to {HORIZONS} years ahead (of {', '.join(FURTHER)} and the bank). All else is as in the full run."
)


def plain(value: float) -> float | None:
    """Six digits, and null for what is no number: JSON has no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def main() -> int:
    """Run the parts and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer replicates; slow baselines on a subset; one year ahead")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    for part in (exactness, confounding, forecasts):
        clock = time.perf_counter()
        text, found = part(quick)
        seconds = time.perf_counter() - clock
        print(f"{text}\n{part.__name__}: {seconds:.0f} s\n", flush=True)
        figures |= found | {f"{part.__name__}_seconds": seconds}
    if quick:
        print(LEFT_OUT)
    missing = [k for k in (*KEYS, *(FORECAST_KEYS if "gpdd_dcrps" in figures else ())) if k not in figures]
    if missing:
        print(f"MISSING keys: {', '.join(missing)}")
    print(json.dumps({k: plain(v) for k, v in figures.items()}))
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
