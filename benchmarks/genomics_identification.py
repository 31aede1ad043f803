"""Whether rates of methylation are called identified: of sites that never change, and of sites that do. Last line: JSON.

python -m benchmarks.genomics_identification           200 data sets a cell
python -m benchmarks.genomics_identification --quick   20 data sets a cell: too few for a size of 1 %

Blocks of 1 Mb with 50 sites each (some rows: of unequal sizes, or three sites of one read), coverage 8 at 0, 1, 4 and 16 h, fits with
blocks as clusters. Beside the verdict stands what a
likelihood ratio against a constant fraction says at .001, which takes all reads for independent and all sites for alike. No data needed.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy import stats

from seqsci.domains.genomics.methylation.blocked_sites import SPACING_BP, BlockedSites
from seqsci.domains.genomics.methylation.kinetics import fit_kinetics
from seqsci.domains.genomics.methylation.series import BLOCK_BP, SiteSeries

BLOCKS = (6, 12, 36)
EQUAL, UNEQUAL, ONE, FEW = (50,), (200, 50, 20, 10, 5, 5), (500, *(20,) * 35), (3,)
"""Sites of the blocks, in turn."""
SIZES = {"unequal": UNEQUAL, "one large": ONE, "sparse": FEW}
"""Sizes of a row by the first words of its name; else `EQUAL`."""
STATIC = {
    "independent reads": BlockedSites(),
    "reads of a block correlated .02": BlockedSites(correlation=0.02),
    "reads of a block correlated .1": BlockedSites(correlation=0.1),
    "coverage drifts": BlockedSites(drift=2.0),
    "coverage drifts, correlated .02": BlockedSites(drift=2.0, correlation=0.02),
    "coverage drifts with the level": BlockedSites(drift_with_level=1.0),
    "unequal blocks (200 to 5), correlated .02": BlockedSites(correlation=0.02),
    "unequal blocks, drift, correlated .02": BlockedSites(drift=2.0, correlation=0.02),
    "one large block (500 and 20), correlated .02": BlockedSites(correlation=0.02),
    "sparse: 3 sites a block, coverage 1": BlockedSites(coverage=1.0),
    "sparse, most reads methylated (.9)": BlockedSites(coverage=1.0, level=2.5),
}
MOVING = {
    "half of z lost, 2 h": BlockedSites(lost=0.5),
    "half of z lost, 2 h, correlated .02": BlockedSites(lost=0.5, correlation=0.02),
    "half of z lost, 2 h, correlated .02, drifts": BlockedSites(lost=0.5, correlation=0.02, drift=2.0),
    "unequal blocks, half lost, 2 h, correlated .02": BlockedSites(lost=0.5, correlation=0.02),
    "one large block, half lost, 2 h, correlated .02": BlockedSites(lost=0.5, correlation=0.02),
    "sparse, half lost, 2 h": BlockedSites(lost=0.5, coverage=1.0),
    "a fifth lost, 2 h, correlated .02": BlockedSites(lost=0.2, correlation=0.02),
    "a fifth lost, 8 h, correlated .02": BlockedSites(lost=0.2, half_life=8.0, correlation=0.02),
}
RATIO_LEVEL, CURVE = 0.001, 2
"""Level of the likelihood ratio, and the numbers by which a curve exceeds a constant."""
Figures = dict[str, float]


def drawn(sites: BlockedSites, sizes: tuple[int, ...], blocks: int, seed: int) -> SiteSeries:
    """Blocks with so many sites each, in turn."""
    each = np.resize(sizes, blocks)
    series = sites.draw(blocks, int(each.max()), seed)
    return series.rows(series.position % BLOCK_BP < SPACING_BP * each[series.block])


def shares(sites: BlockedSites, sizes: tuple[int, ...], blocks: int, number: int) -> tuple[float, float, float]:
    """Shares of data sets that are called identified, that hold a change (a part of that verdict), that the ratio says change."""
    found = [fit_kinetics(s, clusters=s.block) for s in (drawn(sites, sizes, blocks, seed) for seed in range(number))]
    ratio = stats.chi2.isf(RATIO_LEVEL, CURVE)
    told = [(f.identified, f.change.p_value <= 0.01, f.ratio > ratio) for f in found]
    called, changed, exceeded = np.mean(told, axis=0)
    return float(called), float(changed), float(exceeded)


def identification(quick: bool) -> tuple[str, Figures]:
    """The text to print and the figures of the last line."""
    number, lines, figures = 20 if quick else 200, list[str](), Figures()
    for title, cells, key in (("Sites that never change", STATIC, "false"), ("Sites that change", MOVING, "power")):
        lines += [f"{title}: identified (the test of a change alone) [likelihood ratio], by number of blocks; {number} data sets a cell"]
        lines += [f"  {'':50}" + "".join(f"{b:>22}" for b in BLOCKS)]
        for name, sites in cells.items():
            sizes = next((v for k, v in SIZES.items() if name.startswith(k)), EQUAL)
            row = {b: shares(sites, sizes, b, number) for b in BLOCKS}
            lines.append(f"  {name:50}" + "".join(f"{a:>9.3f} ({c:.3f}) [{r:.2f}]" for a, c, r in row.values()))
            figures |= {f"{key} {name}, {b} blocks": round(row[b][0], 4) for b in BLOCKS}
        lines.append("")
    figures["worst_false"] = max(v for k, v in figures.items() if k.startswith("false"))
    return "\n".join(lines), figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 data sets a cell")
    clock = time.perf_counter()
    text, figures = identification(parser.parse_args().quick)
    print(f"{text}({time.perf_counter() - clock:.0f} s)")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
