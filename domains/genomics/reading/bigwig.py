"""bigWig: a signal per base of a genome, by pybigtools, opened in each worker."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.builds import require_same_build
from seqsci.domains.genomics.genome.frames import interval_columns
from seqsci.domains.genomics.genome.interval import Interval
from seqsci.domains.genomics.genome.per_worker import PerWorker
from seqsci.errors import DataError, MissingExtraError, did_you_mean, explain


@dataclass(frozen=True, eq=False)
class BigWig:
    """A signal by chromosome and base. It pickles as its path; each process and thread opens the file for itself.

    Attributes:
        path: a local file, whatever its ending.
        uncovered: value of bases that the file does not cover, stated on purpose: 0 for counts of reads, NaN where nothing was measured.
        build: genome build, None where it is not declared.

    Raises: DataError for a file that is missing, cut short or no bigWig; MissingExtraError without pybigtools.
    """

    path: str
    uncovered: float
    build: str | None = None
    _open: PerWorker[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        object.__setattr__(self, "uncovered", float(self.uncovered))
        _reader(self.path)
        object.__setattr__(self, "_open", PerWorker(functools.partial(_reader, self.path)))

    @property
    def sizes(self) -> dict[str, int]:
        """Bases (bp) by chromosome."""
        return {str(name): int(size) for name, size in self._open.get().chroms().items()}

    def values(self, chrom: str, start: int, end: int) -> NDArray[np.float64]:
        """Values of [start, end) (bp,); DataError for an unknown chromosome or bases beyond it."""
        size = self._size(chrom)
        interval = Interval(chrom, start, end, build=self.build).within(size)
        if not len(interval):
            return np.empty(0)
        return np.asarray(self._call("values", chrom, start, end, fillna=self.uncovered), np.float64)

    def read(self, interval: Interval) -> NDArray[np.float64]:
        """Values of an interval along its own strand (bp,): flipped on ``-``. Builds must agree where both are declared."""
        if self.build and interval.build:
            require_same_build(self, interval)
        values = self.values(interval.chrom, interval.start, interval.end)
        return values[::-1] if interval.strand == "-" else values

    def intervals(self, chrom: str) -> pd.DataFrame:
        """The covered intervals of a chromosome as in a bedGraph: chrom, start, end, value."""
        self._size(chrom)
        rows = np.array([(s, e, v) for s, e, v in self._call("records", chrom)], float).reshape(-1, 3)
        frame = pd.DataFrame({"start": rows[:, 0].astype(np.int64), "end": rows[:, 1].astype(np.int64), "value": rows[:, 2]})
        frame.insert(0, "chrom", pd.Series(chrom, frame.index, dtype="str"))
        frame.attrs["build"] = self.build
        return frame

    def means(self, frame: pd.DataFrame, build: str | None = None) -> NDArray[np.float64]:
        """The mean value over each interval (rows,), bases that are not covered counted as ``uncovered``; NaN for no bases.

        Raises: DataError where the builds differ or one is not declared (pass ``build``), and for intervals beyond the sequence.
        """
        require_same_build(self, frame, build)
        chrom, start, end = (frame[c].tolist() for c in interval_columns(frame))
        found = [self.values(c, s, e) for c, s, e in zip(chrom, start, end, strict=True)]
        return np.array([v.mean() if len(v) else np.nan for v in found])

    def _size(self, chrom: str) -> int:
        sizes = self._open.get().chroms()
        if chrom not in sizes:
            listed = ", ".join(list(sizes)[:8])
            raise DataError(
                explain(f"{self.path} has no {chrom}{did_you_mean(chrom, sizes)}", listed, "a chromosome of it", "correct the name")
            )
        return int(sizes[chrom])

    def _call(self, name: str, *arguments: Any, fillna: float | None = None) -> Any:
        import pybigtools

        extra = {} if fillna is None else {"fillna": fillna}
        try:
            return getattr(self._open.get(), name)(*arguments, **extra)
        except (pybigtools.BBIReadError, OSError) as error:
            raise DataError(explain(f"{self.path} is damaged", error, "a complete bigWig", "copy or download it again")) from error


def _reader(path: str) -> Any:
    try:
        import pybigtools
    except ImportError as error:
        raise MissingExtraError("pybigtools", "genomics", "Reading a bigWig") from error
    source = Path(path).expanduser()
    if not source.is_file():
        raise DataError(explain(f"{path} cannot be read", "no such file", "a bigWig", "check the path"))
    try:
        with source.open("rb") as file:  # told by its content; the library goes by the name
            head = file.read(4)
            if head not in (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26"):
                raise DataError(explain(f"{path} is no bigWig", repr(head), "a bigWig", "bedGraph is read by read_bedgraph"))
        return pybigtools.open(str(source)) if source.suffix.lower() in (".bw", ".bigwig") else pybigtools.open(source.open("rb"))
    except (pybigtools.BBIReadError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(explain(f"{path} is damaged", error, "a complete bigWig", "copy or download it again")) from error
