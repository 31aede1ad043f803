"""bedGraph and bigWig, written whole or not at all, from one frame or from pieces that come one after the other."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.genomics.genome.atomic import replacing
from seqsci.domains.genomics.genome.frames import first_faults
from seqsci.errors import ArtefactError, DataError, MissingExtraError, explain

COLUMNS = ["chrom", "start", "end", "value"]


def write_bedgraph(
    path: str | os.PathLike[str], signal: pd.DataFrame | Iterable[pd.DataFrame], sizes: Mapping[str, int] | None = None
) -> Path:
    """Write a bedGraph, whole or not at all; a name that ends in ``.gz`` is compressed. Returns the path.

    Args:
        path: file to write.
        signal: columns chrom, start, end [bp, 0-based half-open], value; one frame, or pieces in order, of which memory holds one at a
            time. A value that is NaN is left out: a base without a line is not covered.
        sizes: bp by chromosome; None leaves the ends unchecked.

    Raises: DataError for rows out of order, overlapping, beyond the sequence, or infinite; ArtefactError where the file cannot be written.
    """
    target = Path(path).expanduser()
    with replacing(target) as temporary, temporary.open("wb") as raw:
        file = gzip.GzipFile("", "wb", 6, raw, 0) if target.suffix == ".gz" else raw
        rows = 0
        for piece in checked_pieces(signal, sizes):
            file.write(piece.to_csv(sep="\t", header=False, index=False, lineterminator="\n").encode())
            rows += len(piece)
        if file is not raw:
            file.close()
        if not rows:
            raise DataError(explain(f"nothing to write to {target}", "no rows with a value", "one at least", "check the signal"))
    return target


def write_bigwig(path: str | os.PathLike[str], signal: pd.DataFrame | Iterable[pd.DataFrame], sizes: Mapping[str, int]) -> Path:
    """Write a bigWig, whole or not at all; values are stored as float32. Returns the path.

    Arguments and errors as in `write_bedgraph`; every chromosome needs its size. The name must end in ``.bw`` or ``.bigWig``;
    MissingExtraError without pybigtools.
    """
    try:
        import pybigtools
    except ImportError as error:
        raise MissingExtraError("pybigtools", "genomics", "Writing a bigWig") from error
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".bw", ".bigwig"):
        raise ArtefactError(explain(f"cannot write {target}", f"the ending {target.suffix!r}", ".bw or .bigWig", "rename it"))
    source = _Feed(checked_pieces(signal, sizes))
    with replacing(target) as temporary:
        temporary.touch()  # the library prints an error of the folder and goes on
        pybigtools.open(str(temporary), "w").write(dict(sizes), iter(source))
        if source.error is not None:
            raise source.error
        if not source.rows:
            raise DataError(explain(f"nothing to write to {target}", "no rows with a value", "one at least", "check the signal"))
        try:
            complete = source.done and str(source.last) in pybigtools.open(str(temporary)).chroms()
        except (pybigtools.BBIReadError, OSError):
            complete = False
        if not complete:
            fix = "is the disk full?"
            raise ArtefactError(explain(f"cannot write {target}", "an incomplete file, which was removed", "a complete one", fix))
    return target


class _Feed:
    """Rows for a library that swallows the errors of its source: the error is kept, and the rows end."""

    def __init__(self, pieces: Iterator[pd.DataFrame]) -> None:
        self.pieces, self.rows, self.done = pieces, 0, False
        self.error: Exception | None = None
        self.last: str | None = None

    def __iter__(self) -> Iterator[tuple[str, int, int, float]]:
        try:
            for piece in self.pieces:
                yield from zip(*(piece[c].tolist() for c in COLUMNS), strict=True)
                self.rows += len(piece)
                self.last = str(piece["chrom"].iloc[-1])
            self.done = True
        except Exception as error:  # noqa: BLE001  # raised by the caller, see above
            self.error = error


def checked_pieces(signal: pd.DataFrame | Iterable[pd.DataFrame], sizes: Mapping[str, int] | None) -> Iterator[pd.DataFrame]:
    """Yield the pieces of a signal that have rows, without NaN; raises DataError as the writers do."""
    done, chrom, end, row = set[str](), "", 0, 0
    for piece in (signal,) if isinstance(signal, pd.DataFrame) else signal:
        rows = piece.loc[piece["value"].notna().to_numpy(), COLUMNS]
        if not len(rows):
            continue
        faults = [f"{text} in row {row + i}" for i, text in first_faults(rows, sizes)]
        value, start, stop = rows["value"].to_numpy(np.float64), rows["start"].to_numpy(), rows["end"].to_numpy()
        if np.isinf(value).any():
            faults.append(f"an infinite value in row {row + int(np.argmax(np.isinf(value)))}")
        if (start == stop).any():
            faults.append(f"an interval without bases in row {row + int(np.argmax(start == stop))}")
        codes, names = pd.factorize(rows["chrom"])
        again = sorted(done.intersection(map(str, names)) - {chrom}) + ([chrom] if chrom in names[1:] else [])
        moved = codes[1:] != codes[:-1]
        if again or int(moved.sum()) > len(names) - 1:
            faults.append(f"chromosome {again[0] if again else names[0]} comes again after another one")
        back = ~moved & (start[1:] < stop[:-1])
        if back.any():
            faults.append(f"start {start[1:][back][0]} before the end {stop[:-1][back][0]} of the row before")
        if names[0] == chrom and start[0] < end:
            faults.append(f"start {start[0]} before the end {end} of the piece before")
        if faults:
            fix = "sort_intervals(frame), and merge what overlaps"
            raise DataError(explain("no signal that can be written", "; ".join(faults), "sorted intervals without overlap", fix))
        done.update(map(str, names))
        chrom, end, row = str(names[-1]), int(stop[-1]), row + len(piece)
        yield rows
