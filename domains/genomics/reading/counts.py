"""The frame of methylation counts: a row a cytosine, methylated reads of all reads; its checks, and the explicit merge of strands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from seqsci.domains.genomics.genome.frames import sort_intervals
from seqsci.domains.genomics.reading.declared_build import with_build
from seqsci.domains.genomics.reading.table import Table, first, ordered, refuse
from seqsci.errors import DataError, explain

COLUMNS = ("chrom", "start", "end", "strand", "methylated", "coverage")


def counts_frame(table: Table, code: str, build: str | None, sizes: Mapping[str, int] | None, sort: bool) -> pd.DataFrame:
    """Return the counts of a table whose frame has the columns chrom, start, end, strand, methylated, coverage, checked and sorted.

    Raises: DataError with file and line for negative counts, methylated > coverage, intervals that are not one base, a site that stands
        twice; and as `ordered`.
    """
    frame = table.frame[list(COLUMNS)].assign(line=table.lines)
    methylated, coverage = frame["methylated"].to_numpy(), frame["coverage"].to_numpy()
    width = (frame["end"] - frame["start"]).to_numpy()
    faults = first(coverage < 0, lambda i: f"coverage {coverage[i]} < 0")
    faults += first(methylated < 0, lambda i: f"methylated {methylated[i]} < 0")
    faults += first(methylated > coverage, lambda i: f"methylated {methylated[i]} > coverage {coverage[i]}")
    refuse(table, faults, "0 <= methylated <= coverage (reads)", "correct these lines, or check which column holds what")
    refuse(table, first(width != 1, lambda i: f"{width[i]} bp wide"), "one cytosine, end = start + 1", "split regions into sites")
    frame = ordered(table, frame, None if sizes is None else dict(sizes), sort)
    lines = frame.pop("line").to_numpy()
    start = frame["start"].to_numpy()
    again = np.flatnonzero(np.r_[False, start[1:] == start[:-1]])  # rows of one place follow one another
    rows = np.union1d(again, again - 1)
    twice = np.zeros(len(frame), np.bool_)
    twice[rows] = frame.iloc[rows].duplicated(["chrom", "start", "strand"]).to_numpy()
    if twice.any():
        row = int(np.argmax(twice))
        what = f"{table.path}, line {max(lines[row - 1 : row + 1])}: {frame['chrom'][row]}:{frame['start'][row]} stands twice"
        fix = "keep one motif or sample a file, or sum the rows: frame.groupby(['chrom', 'start', 'end', 'strand']).sum()"
        raise DataError(explain(what, f"{int(twice.sum())} rows too many", "one row a site and strand", fix))
    frame = with_build(frame, table.path, table.comments, build)
    frame.attrs["code"] = code
    return frame


def merge_strands(frame: pd.DataFrame) -> pd.DataFrame:
    """Return counts of CpG sites with both strands added: the C of the reverse strand, one bp further on, joins that of the forward strand.

    In a CpG whose C stands at p, the cytosine of the reverse strand stands at p + 1. Rows get strand ``.``; counts of other columns than
    methylated and coverage are dropped, but for ``time``. Only for CpG: CHG and CHH sites have no partner at p + 1.

    Shapes: (sites and strands,) -> (sites,).
    Raises: DataError for rows without a strand, and where the reverse strand stands at the forward one's positions (then add them up).

    >>> a = pd.DataFrame(
    ...     {"chrom": "chr1", "start": [9, 10], "end": [10, 11], "strand": ["+", "-"], "methylated": [1, 2], "coverage": [3, 4]}
    ... )
    >>> merge_strands(a).iloc[0].to_dict()
    {'chrom': 'chr1', 'start': 9, 'end': 10, 'strand': '.', 'methylated': 3, 'coverage': 7}
    """
    strand = frame["strand"].to_numpy(object)
    if (unknown := ~np.isin(strand, ["+", "-"])).any():
        row = int(np.argmax(unknown))
        got = f"{int(unknown.sum())} rows, the first {frame['chrom'].iloc[row]}:{frame['start'].iloc[row]} with {strand[row]!r}"
        raise DataError(explain("rows without a strand", got, "+ or - in each row", "they are merged already, or were never told apart"))
    forward, reverse = frame[strand == "+"], frame[strand == "-"]
    places = pd.MultiIndex.from_frame(forward[["chrom", "start"]])
    there = [int(pd.MultiIndex.from_arrays([reverse["chrom"], reverse["start"] - k]).isin(places).sum()) for k in (0, 1)]
    if there[0] > there[1]:
        got = f"{there[0]} of {len(reverse)} reverse rows at the position of a forward one, {there[1]} one bp after one"
        fix = "add them up: frame.groupby(['chrom', 'start', 'end'])[['methylated', 'coverage']].sum()"
        raise DataError(explain("the reverse strand does not stand at its own cytosine", got, "one bp after the forward C", fix))
    if len(reverse) and int(reverse["start"].min()) == 0:
        got = "a reverse row at position 0"
        raise DataError(explain("a cytosine without a partner before it", got, "start >= 1", "drop it: it is no CpG"))
    moved = pd.concat([forward, reverse.assign(start=reverse["start"] - 1)])
    keys = ["chrom", "start", *(c for c in ("time",) if c in frame)]
    merged = moved.groupby(keys, sort=False, as_index=False)[["methylated", "coverage"]].sum()
    merged = merged.assign(end=merged["start"] + 1, strand=pd.Series(".", merged.index, dtype="str"))
    result = sort_intervals(merged[["chrom", "start", "end", "strand", *keys[2:], "methylated", "coverage"]])
    result.attrs = dict(frame.attrs)
    return result
