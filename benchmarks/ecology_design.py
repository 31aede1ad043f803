"""How many sites and years would hold phi? The width of its 95 % interval, six trend terms, by simulation. The last line is JSON.

python -m benchmarks.ecology_design                                         phi 0.5, process sd 0.2, observation sd 0.2
python -m benchmarks.ecology_design --dependence 0.3 --observation_sd 0.1   your population, as a fit says

K stands still in the simulation: the terms are swept out, so a K that they can follow costs the same. An interval is at most 1.5 wide
(the grid of phi runs from -0.5 to 1); the share in parentheses is that of intervals that do not exclude phi = 1.
"""

from __future__ import annotations

import argparse
import json

from seqsci.domains.ecology.inference.design import design_table
from seqsci.domains.ecology.simulator import Population

SITES, YEARS, REPLICATES, SEED = (1, 5, 20, 50), (20, 40, 80), 30, 27100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Population()
    for name in ("dependence", "process_sd", "observation_sd"):
        parser.add_argument(f"--{name}", type=float, default=getattr(usual, name))
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    given = parser.parse_args()
    population = Population(given.dependence, given.process_sd, given.observation_sd)
    table = design_table(population, SITES, YEARS, given.replicates, seed=SEED)
    print(
        f"phi {given.dependence:g}, process sd {given.process_sd:g}, observation sd {given.observation_sd:g} (estimated), "
        f"{given.replicates} replicates: mean width of phi's 95 % interval with six terms (share that does not exclude 1)"
    )
    print(f"{'sites':>6}" + "".join(f"{f'{y} years':>16}" for y in YEARS))
    for sites, some in table.groupby("sites"):
        cells = (f"{w:.2f} ({o:.2f})" for w, o in zip(some["width"], some["open_high"], strict=True))
        print(f"{sites:>6}" + "".join(f"{c:>16}" for c in cells))
    print(f"a width has a standard error of {table['deviation'].max():.2f} at most")
    figures = {f"width_{r.sites}_sites_{r.years}_years": round(float(r.width), 4) for r in table.itertuples()}
    print(json.dumps(figures | {f"open_{r.sites}_sites_{r.years}_years": round(float(r.open_high), 4) for r in table.itertuples()}))


if __name__ == "__main__":
    main()
