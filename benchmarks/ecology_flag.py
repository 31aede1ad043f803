"""What verdict a study of 1, 5 or 20 sites gets, and how often "identified" is false. Last line: JSON.

python -m benchmarks.ecology_flag            300 replicates of each of six histories of K and of a pure random walk
python -m benchmarks.ecology_flag --quick    40 replicates

40 years, process sd 0.2, observation sd 0.2, phi 0.5; "phi = 1" is a random walk of density, a population without density dependence and
without K. "Identified" is false where the interval does not hold the true phi; for a random walk it always is, as it says that phi is
below 1. The seeds are neither those with which the rule was chosen nor those of benchmarks.ecology_confounding.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from seqsci.domains.ecology.inference.drift import ConstantCapacity, FlexibleTrend, RandomWalkCapacity, SmoothCapacity
from seqsci.domains.ecology.inference.observation_error import UNKNOWN
from seqsci.domains.ecology.inference.profile import estimate_dependence
from seqsci.domains.ecology.inference.rival import find_rival
from seqsci.domains.ecology.inference.sites import Site
from seqsci.domains.ecology.inference.verdict import CONFOUNDED, IDENTIFIED, RULE
from seqsci.domains.ecology.simulator import HISTORIES, Population

Array = np.ndarray
YEARS, SITES, SEED, FULL, QUICK = 40, (1, 5, 20), 27200, 300, 40
PHI, WALK = 0.5, "phi = 1"
OTHERS = (ConstantCapacity(), RandomWalkCapacity(), SmoothCapacity())


def paths(name: str, sites: int, replicates: int) -> Array:
    """Log counts (replicates, sites, years)."""
    seed = SEED + 10 * sites
    if name != WALK:
        return Population(PHI).draw(HISTORIES[name], YEARS, sites, replicates, seed + list(HISTORIES).index(name))[0]
    rng, p = np.random.default_rng(seed + len(HISTORIES)), Population()
    shape = (replicates, sites, YEARS)
    return np.asarray(p.level + np.cumsum(rng.normal(0, p.process_sd, shape), axis=-1) + rng.normal(0, p.observation_sd, shape))


@dataclass(frozen=True)
class Shares:
    """Of replicates: flag fires, verdict "identified", identified though the interval misses the truth; coverage of the interval."""

    flag: float
    identified: float
    false: float
    coverage: float


def one(y: Array, truth: float) -> tuple[bool, bool, bool]:
    """Whether the flag fires, the verdict is "identified", and the six-term interval holds the truth, of one panel (sites, years)."""
    panel = [Site(str(i), str(i), 1, row) for i, row in enumerate(y)]
    few, many = (estimate_dependence(panel, FlexibleTrend(n), UNKNOWN) for n in (RULE.few, RULE.many))
    verdict = RULE.judge(few, many)
    if verdict.name == IDENTIFIED:  # only then does a rival change the verdict
        others = [(d, estimate_dependence(panel, d, UNKNOWN)) for d in OTHERS]
        verdict = RULE.judge(few, many, find_rival(panel, (FlexibleTrend(RULE.many), many), others, UNKNOWN))
    held = many.open_high if truth == 1.0 else many.low <= truth <= many.high
    return verdict.name == CONFOUNDED, verdict.name == IDENTIFIED, held


def shares(name: str, sites: int, replicates: int) -> Shares:
    """All replicates of one history and number of sites."""
    truth = 1.0 if name == WALK else PHI
    with ThreadPoolExecutor(2) as pool:
        fired, identified, held = np.array(list(pool.map(lambda y: one(y, truth), paths(name, sites, replicates)))).T
    return Shares(float(fired.mean()), float(identified.mean()), float((identified & ~held).mean()), float(held.mean()))


def flag(quick: bool) -> tuple[str, dict[str, float]]:
    """The text to print and the figures of the last line."""
    replicates = QUICK if quick else FULL
    names = (*HISTORIES, WALK)
    figures: dict[str, float] = {"flag_replicates": replicates}
    lines = [
        f"{replicates} replicates of {YEARS} years; phi {PHI:g} under six histories of K, and a random walk",
        "flag fires / verdict identified / identified though the interval misses phi / coverage of the interval",
        f"{'sites':>6}" + "".join(f"{n:>21}" for n in names),
    ]
    for sites in SITES:
        row = f"{sites:>6}"
        for name in names:
            s = shares(name, sites, replicates)
            row += f"{s.flag:.2f}/{s.identified:.2f}/{s.false:.2f}/{s.coverage:.2f}".rjust(21)
            key = f"{'phi1' if name == WALK else name}_{sites}_sites"
            figures |= {f"flag_{key}": s.flag, f"identified_{key}": s.identified, f"false_identified_{key}": s.false}
            figures[f"interval_coverage_{key}"] = s.coverage
        lines.append(row)
    return "\n".join(lines), figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 replicates")
    text, figures = flag(parser.parse_args().quick)
    print(text)
    print(json.dumps({k: round(v, 4) for k, v in figures.items()}))


if __name__ == "__main__":
    main()
