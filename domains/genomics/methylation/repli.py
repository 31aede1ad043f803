"""The Repli-BS table: reads of each CpG at 0, 1, 4 and 16 hours after a one-hour pulse that marks new DNA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, explain

COLUMNS = ("pos", "m0", "u0", "m1", "u1", "m4", "u4", "m16", "u16")
TIMES = (0.5, 1.0, 4.0, 16.0)
"""Hours after replication. The first sample is taken at the end of the pulse: its DNA is 0 to 1 hours old and is taken as 0.5 hours
old, an assumption; the later samples are taken as 1, 4 and 16 hours old."""


def read_repli(path: str | Path, chromosome: str = "chr22", build: str = "hg19", times: tuple[float, ...] = TIMES) -> SiteSeries:
    """Read one chromosome of the Repli-BS table (tab separated: pos, then methylated m and unmethylated u reads at four times).

    ``pos`` is taken as a 1-based position of the C; the file does not say its strand or base, and only distances are used here.

    Source: Charlton et al. (2018), DOI 10.1038/s41594-018-0046-4 (data); Busto-Moner et al. (2020), DOI 10.1371/journal.pcbi.1007195.
    Raises: DataError for a file that is not there, is cut short, or holds other columns or no numbers.
    """
    try:
        table = pd.read_csv(path, sep="\t")
    except (FileNotFoundError, EOFError, OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(explain(f"{path} cannot be read", error, "a tab-separated table, plain or .gz", "fetch it again")) from error
    if missing := [c for c in COLUMNS if c not in table]:
        raise DataError(explain(f"{path} is no Repli-BS table", list(table.columns), f"columns {', '.join(COLUMNS)}", f"add {missing}"))
    numbers = table[list(COLUMNS)].apply(pd.to_numeric, errors="coerce")
    broken = numbers.isna().any(axis=1).to_numpy()
    if broken.any() or not len(numbers):
        got = f"line {int(np.argmax(broken)) + 2}" if len(numbers) else "no rows"
        raise DataError(explain(f"{path} holds what is no number", got, "whole numbers", "correct the line, or fetch the file again"))
    m = numbers[["m0", "m1", "m4", "m16"]].to_numpy(float)
    n = m + numbers[["u0", "u1", "u4", "u16"]].to_numpy(float)
    position = numbers["pos"].to_numpy(np.int64) - 1
    return SiteSeries(position, np.full(len(position), chromosome, object), m, n, np.asarray(times), "hours", build)
