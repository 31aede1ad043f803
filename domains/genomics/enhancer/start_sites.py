"""Which base of a BED row is the start site of its gene: stated, never guessed from the width of the row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.errors import DataError, explain

Sites = npt.NDArray[np.int64]
SITE_BP = 10
"""A row that is no wider is a start site itself; of a wider one it must be known where the site lies."""
WIDE_BP = 5_000
"""A row that is wider is hardly a window about a start site: the middle of a gene is none."""
ALIKE = 0.5
"""Share of wider rows with one and the same width from which they look like windows about a start site, and not like genes."""


class SiteRule(ABC):
    """Abstract base: takes the start site of each row."""

    @abstractmethod
    def sites(self, frame: pd.DataFrame, source: str, say: Callable[[str], None]) -> Sites:
        """(rows,) start sites [bp, 0-based]; ``say`` is called with what was taken of how many rows, a sentence each.

        Args:
            frame: chrom, start, end, name, perhaps strand (`read_bed`); source: what messages call it.
        """


@dataclass(frozen=True)
class FivePrime(SiteRule):
    """The 5' end on the row's strand: its first base on +, its last on -; a row of at most `SITE_BP` may lack a strand (its middle then).

    Raises: DataError for wider rows without a strand.
    """

    def sites(self, frame: pd.DataFrame, source: str, say: Callable[[str], None]) -> Sites:
        start, end, middle = _columns(frame)
        strand = frame["strand"].to_numpy(str) if "strand" in frame else np.full(len(frame), ".")
        wide, bare = end - start > SITE_BP, (strand != "+") & (strand != "-")
        lost = np.flatnonzero(wide & bare)
        if len(lost):
            rows = [f"{frame['chrom'].iloc[i]}:{start[i]}-{end[i]} {frame['name'].iloc[i]}" for i in lost[:3]]
            got = f"{len(lost):,} of {len(frame):,} rows are wider than {SITE_BP} bp and have no strand: {', '.join(rows)}"
            need = "+ or - in the sixth column (the 5' end is taken), or rows of the start site itself"
            fix = "add the strand; where every row is a window whose middle is the start site, say so: --tss-at middle"
            raise DataError(explain(f"{source} does not say where genes start", got, need, fix))
        taken = [f"the row itself in {int((~wide).sum()):,} of {len(frame):,} (at most {SITE_BP} bp wide)"] if (~wide).any() else []
        taken += [f"the 5' end by strand in {int(wide.sum()):,} of {len(frame):,}"] if wide.any() else []
        say(f"start sites of {source}: {', '.join(taken)}")
        if wide.any():
            width = (end - start)[wide]
            value, count = np.unique(width, return_counts=True)
            if len(width) > 1 and count.max() >= ALIKE * len(width):
                same = int(value[count.argmax()])
                told = f"{int(count.max()):,} of these rows are {same:,} bp wide, as windows about a start site are, and genes are not"
                say(f"{told}: if so, the site is their middle, {same // 2:,} bp downstream of what was taken (--tss-at middle)")
        return np.asarray(np.where(strand == "+", start, np.where(strand == "-", np.maximum(end - 1, start), middle)), np.int64)


@dataclass(frozen=True)
class Middle(SiteRule):
    """The middle of every row, whatever its strand: rows are windows about a start site."""

    def sites(self, frame: pd.DataFrame, source: str, say: Callable[[str], None]) -> Sites:
        start, end, middle = _columns(frame)
        say(f"start sites of {source}: the middle of all {len(frame):,} rows, {int((end - start).max()):,} bp wide at most, as asked")
        wide = int((end - start > WIDE_BP).sum())
        if wide:
            say(f"WARNING: {wide:,} of these rows are wider than {WIDE_BP:,} bp, as genes are, and the middle of a gene is no start site")
        return middle


def _columns(frame: pd.DataFrame) -> tuple[Sites, Sites, Sites]:
    start, end = (frame[c].to_numpy(np.int64) for c in ("start", "end"))
    return start, end, (start + end) // 2


RULES: dict[str, SiteRule] = {"five-prime": FivePrime(), "middle": Middle()}
"""Rules by the name that the command uses, the default first."""
