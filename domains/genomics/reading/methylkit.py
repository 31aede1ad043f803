"""methylKit's text files: 1-based positions, coverage and percentages of C and T."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from seqsci.domains.genomics.reading.counts import counts_frame
from seqsci.domains.genomics.reading.table import REAL, SKIP, TEXT, WHOLE, Format, first, read_table, refuse

COLUMNS = (("chrBase", SKIP), ("chrom", TEXT), ("base", WHOLE), ("strand", TEXT), ("coverage", WHOLE), ("freqC", REAL), ("freqT", REAL))
METHYLKIT = Format("methylKit", COLUMNS, 7, (7,), ("#", "chrBase"))
STRANDS = {"F": "+", "R": "-", "+": "+", "-": "-", "*": "."}


def read_methylkit(
    path: str | os.PathLike[str], build: str | None = None, sizes: Mapping[str, int] | None = None, sort: bool = False
) -> pd.DataFrame:
    """Read a methylKit file (``chrBase chr base strand coverage freqC freqT``) as methylation counts.

    ``methylated = round(coverage * freqC / 100)``: the file holds percentages, with two digits as a rule, so counts up to a coverage of
    10,000 come back whole. Strand F is ``+``, R is ``-``. Arguments as in `read_bed`; these files are often out of order: sort=True.

    Shapes: (sites and strands,).
    Raises: DataError with file and line as `read_bed`; for percentages outside 0 to 100 or above 100 in sum, an unknown strand, a negative
        coverage, a site that stands twice.
    Source: doi:10.1186/gb-2012-13-10-r87
    """
    table = read_table(path, METHYLKIT)
    frame = table.frame
    c, t, strand = frame["freqC"].to_numpy(), frame["freqT"].to_numpy(), frame["strand"]
    faults = first((c < 0) | (t < 0) | (c + t > 100.05), lambda i: f"{c[i]:g} percent C and {t[i]:g} percent T")
    faults += first(~strand.isin(list(STRANDS)).to_numpy(), lambda i: f"strand {strand.iloc[i]!r} is none of F R + - *")
    refuse(table, faults, "percentages of one whole, a strand", "correct these lines, or check the order of the columns")
    end = frame["base"].to_numpy()
    refuse(table, first(end < 1, lambda i: f"base {end[i]}"), "positions from 1", "correct these lines")
    frame["start"], frame["end"], frame["strand"] = end - 1, end, strand.map(STRANDS).astype("str")
    frame["methylated"] = np.rint(frame["coverage"].to_numpy() * c / 100).astype(np.int64)
    return counts_frame(table, "m", build, sizes, sort)
