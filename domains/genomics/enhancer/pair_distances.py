"""Whether distances of a table of pairs are those of its coordinates: a wrong genome build or a shifted column shows here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.errors import DataError, explain

Array = npt.NDArray[np.int64]
SAME_TSS_BP = 2_000
"""A distance that is further off than this was measured to another TSS of the gene."""
MOST_ELSEWHERE = 0.25
"""Share of pairs whose distance may be one to another TSS: a tenth in the CRISPR benchmark's K562 table, 11 % in a study of it at most."""
FEWEST = 20
"""Pairs from which a study is judged by itself, and from which `MOST_ELSEWHERE` is asked of all."""
UNKNOWN = 0
"""A startTSS of 0: the table names no TSS; an endTSS of 0: it names one base alone."""
WIDEST_TSS_BP = 10_000
"""A region from startTSS to endTSS that is wider is no start site: everything in between would pass as its distance."""
KB = (900.0, 1100.0)
"""Median of what the coordinates give over what the table says, between which the table is in kb."""


def reach(frame: pd.DataFrame) -> tuple[Array, Array]:
    """(rows,) least and greatest distance of a base of the element and one of the TSS [bp]; every definition of distance lies between."""
    first, last = frame["chromStart"].to_numpy(np.int64), frame["chromEnd"].to_numpy(np.int64)
    start = frame["startTSS"].to_numpy(np.int64)
    end = frame["endTSS"].to_numpy(np.int64) if "endTSS" in frame else start
    end = np.where(end == UNKNOWN, start, end)
    low, high = np.minimum(start, end), np.maximum(start, end)
    return np.maximum(np.maximum(low - last, first - high), 0), np.maximum(high - first, last - low)


def refuse_wrong_distances(frame: pd.DataFrame, study: Sequence[str], source: str, line: Sequence[int] | None = None) -> None:
    """Raise `DataError` where distanceToTSS contradicts the coordinates in more than `MOST_ELSEWHERE` of all pairs, or of a study.

    A pair contradicts where its distance lies more than `SAME_TSS_BP` outside `reach`. Of fewer than `FEWEST` pairs in all, half may. Pairs
    without a TSS (startTSS 0) do not count, and a table without the column startTSS is not checked.

    Args:
        frame: pairs with whole coordinates; study: (rows,) of each pair, judged by itself from `FEWEST` pairs on.
        source: what the error calls the table; line: of each row in its file.
    """
    if "startTSS" not in frame:
        return
    nearest, furthest = reach(frame)
    told = frame["distanceToTSS"].to_numpy(np.int64)
    off = np.maximum(np.maximum(nearest - told, told - furthest), 0)
    known, names = frame["startTSS"].to_numpy(np.int64) != UNKNOWN, np.asarray(study, str)
    wrong = known & (off > SAME_TSS_BP)
    parts = [("", known), *((f" of the study {s}", known & (names == s)) for s in np.unique(names))]
    most = MOST_ELSEWHERE if known.sum() >= FEWEST else 0.5
    bad = [(name, rows) for name, rows in parts if (not name or rows.sum() >= FEWEST) and wrong[rows].sum() > most * rows.sum()]
    if not bad:
        return
    name, rows = bad[0]
    shown = np.flatnonzero(wrong & rows)[:3]
    texts = []
    for i in map(int, shown):
        r = frame.iloc[i]
        place = f"{r['chrom']}:{r['chromStart']}-{r['chromEnd']} and {r['measuredGeneSymbol']} at {r['startTSS']}"
        apart = f"{nearest[i]:,} to {furthest[i]:,} bp apart, not {told[i]:,}"
        texts.append(f"line {i + 2 if line is None else line[i]}: {place} are {apart}")
    got = f"{int(wrong[rows].sum()):,} of {int(rows.sum()):,} pairs{name} are off by more than {SAME_TSS_BP:,} bp; {'; '.join(texts)}"
    need = f"what chromStart, chromEnd, startTSS and endTSS give; at most {most:.0%} of pairs may be to another TSS of the gene"
    fix = "bring elements and TSS to one genome build; look for shifted columns; where startTSS is another TSS throughout, remove it"
    seen = rows & (told > 0)
    if seen.any() and KB[0] < np.median(((nearest + furthest) / 2)[seen] / told[seen]) < KB[1]:
        fix = "distances look like kb: multiply distanceToTSS by 1,000"
    raise DataError(explain(f"{source}: distanceToTSS is not the distance of element and TSS", got, need, fix))
