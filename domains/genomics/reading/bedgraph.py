"""bedGraph: a signal as intervals with a value."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from seqsci.domains.genomics.reading.declared_build import with_build
from seqsci.domains.genomics.reading.table import REAL, TEXT, WHOLE, Format, Table, first, ordered, read_table, refuse

BEDGRAPH = Format("bedGraph", (("chrom", TEXT), ("start", WHOLE), ("end", WHOLE), ("value", REAL)), 4, (4,))


def read_bedgraph(
    path: str | os.PathLike[str], build: str | None = None, sizes: Mapping[str, int] | None = None, sort: bool = False
) -> pd.DataFrame:
    """Read a bedGraph, plain or gzip, as a sorted frame: chrom, start, end, value. What no line covers is in no row.

    Arguments as in `read_bed`.

    Raises: as `read_bed`; DataError for values that are not finite numbers, and for intervals of one track that overlap.
    Source: https://genome.ucsc.edu/goldenPath/help/bedgraph.html
    """
    table = read_table(path, BEDGRAPH)
    table.frame["line"] = table.lines
    frame = ordered(table, table.frame, None if sizes is None else dict(sizes), sort)
    lines = frame.pop("line").to_numpy()
    start, end = frame["start"].to_numpy(), frame["end"].to_numpy()
    same = pd.factorize(frame["chrom"])[0]
    covered = np.r_[False, (same[1:] == same[:-1]) & (start[1:] < end[:-1])]
    faults = first(covered, lambda i: f"begins at {start[i]}, before the end {end[i - 1]} of line {lines[i - 1]}")
    refuse(
        Table(frame, lines, table.path, BEDGRAPH, ()), faults, "intervals that do not overlap", "merge them: bedtools merge -c 4 -o mean"
    )
    return with_build(frame, table.path, table.comments, build)
