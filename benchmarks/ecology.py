"""Ecology: exactness, density dependence under drift, and forecasts of annual counts. Last line: JSON.

python -m benchmarks.ecology            everything: 300 replicates; all baselines, refitted at every origin, on all series
python -m benchmarks.ecology --quick    the same data and protocol; what is left out is named where it is left out and once at the end

The forecasts need SEQSCI_DATA; without it their keys are absent and the text says so. The parts run alone, too:
benchmarks.ecology_exactness, benchmarks.ecology_confounding, benchmarks.ecology_forecasts.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.ecology_confounding import confounding
from benchmarks.ecology_forecasts import forecasts


def main() -> None:
    """Run both parts and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer replicates; slow baselines left out by name")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    for part in (confounding, forecasts):
        text, found = part(quick)
        print(f"{text}\n", flush=True)
        figures |= found
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
