"""Frames of intervals: chrom, start, end (0-based, half-open), perhaps name, score, strand; sorted, and of a declared build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.builds import canonical_build
from seqsci.domains.genomics.genome.interval import OPPOSITE, Interval
from seqsci.errors import DataError, did_you_mean, explain

COLUMNS = ("chrom", "start", "end")
"""Of every frame of intervals; start and end are int64, in bp from 0."""
PAIR_COLUMNS = ("chrom", "chromStart", "chromEnd")
"""The same in tables of element-gene pairs (the CRISPR benchmark's format)."""


def interval_columns(frame: pd.DataFrame) -> tuple[str, str, str]:
    """Return the names of the three columns of coordinates: ``start, end``, or ``chromStart, chromEnd`` of element-gene pairs.

    Raises: DataError where neither set is there.

    >>> interval_columns(pd.DataFrame({"chrom": ["chr1"], "chromStart": [0], "chromEnd": [5]}))
    ('chrom', 'chromStart', 'chromEnd')
    """
    names = [str(c) for c in frame.columns]
    for columns in (COLUMNS, PAIR_COLUMNS):
        if set(columns) <= set(names):
            return columns
    hints = ", ".join(f"{c}{did_you_mean(c, names)}" for c in COLUMNS if c not in names)
    raise DataError(explain(f"missing column {hints}", f"columns {names[:12]}", f"columns {list(COLUMNS)}", "rename or add them"))


def checked_intervals(
    frame: pd.DataFrame, sizes: Mapping[str, int] | None = None, build: str | None = None, source: str = "the frame"
) -> pd.DataFrame:
    """Return the frame with whole coordinates and a build, and refuse what is no sorted frame of intervals; all faults at once.

    Args:
        frame: columns chrom, start, end [bp, 0-based half-open]; others are kept.
        sizes: bp of each chromosome; None leaves the ends unchecked.
        build: the build to declare; None keeps what ``frame.attrs["build"]`` says.
        source: what the error calls it.

    Shapes: (rows,) -> (rows,).
    Raises: DataError for missing columns, coordinates that are no whole numbers, start < 0, start > end, an end beyond the chromosome, a
        chromosome that sizes lack, an unknown strand, rows out of order, and a build other than the declared one.

    >>> checked_intervals(pd.DataFrame({"chrom": "chr1", "start": [1, 5], "end": [4, 9]}), {"chr1": 9}, "hg38").attrs["build"]
    'hg38'
    """
    result = declared(frame, build).copy()
    chrom, first, last = interval_columns(frame)
    for name in (first, last):
        result[name] = _whole(result[name], name, source)
    faults = interval_faults(result, sizes)
    if not is_sorted(result):
        row = int(np.argmax(~_ascending(result)))
        faults.append(f"row {row} lies before row {row - 1} (order: {chrom}, {first}, {last})")
    if faults:
        fix = "correct or drop these rows; sort_intervals(frame) puts them in order"
        raise DataError(explain(f"{source} is no sorted frame of intervals", "; ".join(faults), "0 <= start <= end, in order", fix))
    return result


def interval_faults(frame: pd.DataFrame, sizes: Mapping[str, int] | None = None) -> list[str]:
    """Return what is wrong with the coordinates of a frame of whole numbers, its order aside: a text a kind of fault, with its row."""
    return [f"{text} in row {row}" for row, text in first_faults(frame, sizes)]


def first_faults(frame: pd.DataFrame, sizes: Mapping[str, int] | None = None) -> list[tuple[int, str]]:
    """Return the first row of each kind of fault of the coordinates, and what is wrong there."""
    chrom, first, last = interval_columns(frame)
    start, end, names = frame[first].to_numpy(), frame[last].to_numpy(), frame[chrom]
    kinds: list[tuple[NDArray[np.bool_], str]] = [(start < 0, "start {start} < 0"), (start > end, "start {start} > end {end}")]
    if sizes is not None:
        limits = names.map(dict(sizes)).to_numpy(np.float64, na_value=np.nan)
        kinds.append((np.isnan(limits), "chromosome {chrom!r} is not among the " + f"{len(sizes)} sequences"))
        kinds.append((end > limits, "end {end} beyond the end of {chrom}, {size:,} bp"))
    if "strand" in frame:
        kinds.append((~frame["strand"].isin(list(OPPOSITE)).to_numpy(), "strand {strand!r} is none of + - ."))
    found = []
    for bad, text in kinds:
        if bad.any():
            i = int(np.argmax(bad))
            size = (sizes or {}).get(str(names.iloc[i]), 0)
            strand = frame["strand"].iloc[i] if "strand" in frame else "."
            found.append((i, text.format(chrom=str(names.iloc[i]), start=start[i], end=end[i], size=size, strand=strand)))
    return found


def is_sorted(frame: pd.DataFrame) -> bool:
    """Return whether the rows are in the order chrom (by its letters), start, end."""
    return bool(_ascending(frame).all())


def sort_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order chrom (by its letters), start, end; rows of one place keep their order.

    >>> sort_intervals(pd.DataFrame({"chrom": "chr1", "start": [5, 1], "end": [9, 4]}))["start"].tolist()
    [1, 5]
    """
    return frame if is_sorted(frame) else frame.sort_values(list(interval_columns(frame)), kind="stable", ignore_index=True)


def declared(frame: pd.DataFrame, build: str | None) -> pd.DataFrame:
    """Return the frame with ``attrs["build"]`` declared; DataError where it already declares another one. Its rows are shared."""
    old = frame.attrs.get("build")
    if old is not None and build is not None and canonical_build(str(old)) != canonical_build(build):
        fix = "lift it over (UCSC liftOver); declaring another build moves no coordinate"
        raise DataError(explain("the frame declares another genome build", old, build, fix))
    result = frame.copy(deep=False)
    result.attrs = dict(frame.attrs) | {"build": old if build is None else build}
    return result


def intervals_of(frame: pd.DataFrame) -> Iterator[Interval]:
    """Yield the rows as intervals, with the build of the frame."""
    build, columns = frame.attrs.get("build"), interval_columns(frame)
    strand = frame["strand"].to_list() if "strand" in frame else ["."] * len(frame)
    for chrom, start, end, s in zip(*(frame[c].to_list() for c in columns), strand, strict=True):
        yield Interval(str(chrom), int(start), int(end), str(s), build)


def frame_of(intervals: Iterable[Interval]) -> pd.DataFrame:
    """Return intervals as a sorted frame; DataError where their builds differ.

    >>> frame_of([Interval("chr1", 5, 9), Interval("chr1", 1, 4)])["start"].tolist()
    [1, 5]
    """
    rows = list(intervals)
    frame = pd.DataFrame(
        {
            "chrom": pd.Series([i.chrom for i in rows], dtype="str"),
            "start": np.array([i.start for i in rows], np.int64),
            "end": np.array([i.end for i in rows], np.int64),
            "strand": pd.Series([i.strand for i in rows], dtype="str"),
        }
    )
    builds = {None if i.build is None else canonical_build(i.build): i.build for i in rows}
    if len(builds) > 1:
        got = ", ".join(sorted(str(b) for b in builds.values()))
        raise DataError(explain("intervals of different genome builds", got, "one build", "lift them over (UCSC liftOver)"))
    frame.attrs["build"] = next(iter(builds.values()), None)
    return sort_intervals(frame)


def read_sizes(path: str | Path) -> dict[str, int]:
    """Return bp by chromosome of a ``chrom.sizes`` or ``.fai`` file: a name and a number a line, tab between them; later fields are left.

    Raises: DataError for a file that cannot be read, has no lines, or a line without a positive whole number.
    """
    sizes: dict[str, int] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(explain(f"{path} cannot be read", error, "a chrom.sizes file", "check the path")) from error
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if line.startswith("#") or not fields:
            continue
        if len(fields) < 2 or not fields[1].isascii() or not fields[1].isdigit() or int(fields[1]) < 1:
            raise DataError(explain(f"{path}, line {number}: no size", line[:80], "a name and bp, as in chr1<tab>248956422", "correct it"))
        sizes[fields[0]] = int(fields[1])
    if not sizes:
        raise DataError(explain(f"{path} is empty", "no sizes", "a name and bp a line", "fetch it again"))
    return sizes


def _ascending(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each row lies at or after the one before it (rows,)."""
    chrom, first, last = interval_columns(frame)
    good = np.ones(len(frame), np.bool_)
    if len(frame) > 1:
        codes = pd.factorize(frame[chrom], sort=True)[0]
        keys = (codes, frame[first].to_numpy(), frame[last].to_numpy())
        a, b, c = (np.sign(k[1:] - k[:-1]) for k in keys)
        good[1:] = (a > 0) | ((a == 0) & ((b > 0) | ((b == 0) & (c >= 0))))
    return good


def _whole(column: pd.Series, name: str, source: str) -> NDArray[np.int64]:
    if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
        return column.to_numpy(np.int64)
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(values) | (values != np.round(values))
    if bad.any():
        row = int(np.argmax(bad))
        got = f"{column.iloc[row]!r} in row {row}"
        raise DataError(explain(f"{name} of {source} is no whole number", got, "bp from 0", "correct or drop these rows"))
    return values.astype(np.int64)
