"""Bismark's coverage file: 1-based positions, methylated and unmethylated reads, no strand."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from seqsci.domains.genomics.reading.counts import counts_frame
from seqsci.domains.genomics.reading.table import REAL, TEXT, WHOLE, Format, first, read_table, refuse

COLUMNS = (("chrom", TEXT), ("start", WHOLE), ("end", WHOLE), ("percent", REAL), ("methylated", WHOLE), ("unmethylated", WHOLE))
COVERAGE = Format("Bismark coverage", COLUMNS, 6, (6,))


def read_bismark(
    path: str | os.PathLike[str],
    build: str | None = None,
    sizes: Mapping[str, int] | None = None,
    sort: bool = False,
    zero_based: bool = False,
) -> pd.DataFrame:
    """Read Bismark's ``.cov`` or ``.cov.gz`` as methylation counts; strands are ``.``, as the file has none.

    Args:
        path: columns chrom, start, end (1-based, start = end), percent, methylated, unmethylated.
        build, sizes, sort: as in `read_bed`.
        zero_based: the file is a ``.zero.cov`` (``--zero_based``), in which start = end - 1 is counted from 0.

    Shapes: (sites,).
    Raises: DataError with file and line as `read_bed`; for negative counts, a percentage that is not that of the counts, the other
        convention of coordinates, a site that stands twice.
    Source: doi:10.1093/bioinformatics/btr167, https://felixkrueger.github.io/Bismark/
    """
    table = read_table(path, COVERAGE)
    frame = table.frame
    start, end, percent = frame["start"].to_numpy(), frame["end"].to_numpy(), frame["percent"].to_numpy()
    methylated, coverage = frame["methylated"].to_numpy(), (frame["methylated"] + frame["unmethylated"]).to_numpy()
    wide = int(zero_based)
    other = "zero_based=False" if zero_based else "zero_based=True"
    fix = f"if start = end {'' if zero_based else '- 1 '}throughout, pass {other}"
    faults = first(end - start != wide, lambda i: f"start {start[i]}, end {end[i]}")
    refuse(table, faults, "end = start + 1, from 0" if zero_based else "one base: start = end, from 1", fix)
    refuse(table, first(start < 1 - wide, lambda i: f"start {start[i]}"), f"positions from {1 - wide}", "correct these lines")
    negative = (methylated < 0) | (coverage < methylated)
    faults = first(negative, lambda i: f"{methylated[i]} methylated and {coverage[i] - methylated[i]} unmethylated reads")
    refuse(table, faults, "counts >= 0", "correct these lines")
    with np.errstate(invalid="ignore", divide="ignore"):
        off = (coverage > 0) & (np.abs(percent - 100 * methylated / coverage) > 0.51)
    faults = first(off, lambda i: f"{percent[i]:g} percent, but {methylated[i]} of {coverage[i]} reads")
    refuse(table, faults, "100 methylated / (methylated + unmethylated)", "check the order of the columns")
    table.frame["start"], table.frame["end"] = end - 1, end
    table.frame["coverage"] = coverage
    table.frame["strand"] = pd.Series(".", frame.index, dtype="str")
    return counts_frame(table, "m", build, sizes, sort)
