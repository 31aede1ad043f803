"""Signals along a whole chromosome, read piece by piece, and the other way round: pieces of a signal as rows of a bedGraph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.genomics.reading.bigwig import BigWig
from seqsci.errors import DataError, ParameterError, explain

Values = NDArray[np.floating[Any]]
BLOCK = 1 << 22
"""Bases that are written at once."""


class Track(ABC):
    """A signal with a value at each base of one chromosome."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bases of the chromosome (bp)."""

    @abstractmethod
    def values(self, start: int, end: int) -> Values:
        """Values of [start, end) (bp,)."""


@dataclass(frozen=True, eq=False)
class ArrayTrack(Track):
    """An array, such as a `numpy.memmap`: only the slices asked for are read.

    Attributes:
        array: (bp,) numbers.
    """

    array: Any

    @property
    def size(self) -> int:
        """Bases (bp)."""
        return len(self.array)

    def values(self, start: int, end: int) -> Values:
        """The slice itself."""
        return np.asarray(self.array[start:end])


@dataclass(frozen=True, eq=False)
class BigWigTrack(Track):
    """A chromosome of a bigWig, with its value for bases that are not covered.

    Attributes:
        signal: the file.
        chrom: name of the chromosome.
    """

    signal: BigWig
    chrom: str

    @property
    def size(self) -> int:
        """Bases (bp)."""
        return len_of(self.signal.sizes, self.chrom)

    def values(self, start: int, end: int) -> Values:
        """Read from the file."""
        return self.signal.values(self.chrom, start, end)


@dataclass(frozen=True, eq=False)
class IntervalTrack(Track):
    """Rows of a bedGraph: chrom, start, end, value; a piece is filled in when it is asked for.

    Attributes:
        frame: sorted intervals that do not overlap (`read_bedgraph`).
        chrom: name of the chromosome.
        length_bp: bases of the chromosome (bp).
        uncovered: value of bases in no row.
    """

    frame: pd.DataFrame
    chrom: str
    length_bp: int
    uncovered: float
    _rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = self.frame[self.frame["chrom"] == self.chrom]
        start, end = rows["start"].to_numpy(np.int64), rows["end"].to_numpy(np.int64)
        if len(rows) and (end[-1] > self.length_bp or start[0] < 0 or (start[1:] < end[:-1]).any()):
            got = f"{len(rows):,} rows up to {end.max():,}"
            fix = "read_bedgraph(path, sizes=...) checks a file"
            raise DataError(explain(f"no signal along {self.chrom}", got, f"sorted, apart, within {self.length_bp:,} bp", fix))
        object.__setattr__(self, "_rows", (start, end, rows["value"].to_numpy(np.float64)))

    @property
    def size(self) -> int:
        """Bases (bp)."""
        return self.length_bp

    def values(self, start: int, end: int) -> Values:
        """Filled in from the rows."""
        first, last, value = self._rows
        lo, hi = int(np.searchsorted(last, start, side="right")), int(np.searchsorted(first, end, side="left"))
        a, b = np.clip(first[lo:hi], start, end), np.clip(last[lo:hi], start, end)
        edges = np.column_stack([a, b]).ravel()
        lengths = np.diff(np.concatenate([[start], edges, [end]]))
        levels = np.full(len(lengths), self.uncovered)
        levels[1::2] = value[lo:hi]
        return np.repeat(levels, lengths)


def rows_of(values: Any, chrom: str, every_bp: int = 1, block: int = BLOCK) -> Iterator[pd.DataFrame]:
    """Yield an array along a chromosome as rows of a bedGraph: means of bins of ``every_bp`` bases, neighbours of one value joined.

    The last bin may be shorter. A bin with a NaN is NaN, which the writers leave out. Memory holds one block at a time.

    >>> next(rows_of(np.array([1.0, 1.0, 3.0, 5.0]), "chr1", 2)).values.tolist()
    [['chr1', 0, 2, 1.0], ['chr1', 2, 4, 4.0]]
    """
    if every_bp < 1:
        raise ParameterError(explain("every_bp", every_bp, ">= 1 bp", "pass for example 100"))
    size, block = len(values), max(1, block // every_bp) * every_bp
    for lo in range(0, size, block):
        piece = np.asarray(values[lo : lo + block], np.float64)
        edges = np.arange(0, len(piece), every_bp)
        means = np.add.reduceat(piece, edges) / np.diff(np.append(edges, len(piece)))
        new = np.concatenate([[True], ~((means[1:] == means[:-1]) | (np.isnan(means[1:]) & np.isnan(means[:-1])))])
        start = lo + edges[new]
        end = np.append(start[1:], lo + len(piece))
        frame = pd.DataFrame({"start": start, "end": end, "value": means[new]})
        frame.insert(0, "chrom", pd.Series(chrom, frame.index, dtype="str"))
        yield frame


def len_of(sizes: dict[str, int], chrom: str) -> int:
    """The size of a chromosome; DataError where it is unknown."""
    if chrom not in sizes:
        raise DataError(explain(f"no chromosome {chrom}", ", ".join(list(sizes)[:8]), "one of these", "correct the name"))
    return sizes[chrom]
