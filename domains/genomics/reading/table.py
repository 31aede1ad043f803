"""Tables of tab-separated lines: a fast parse, and the line of every fault.

A block of lines is checked to be rectangular with NumPy and parsed by the C parser of pandas; only where that fails are its lines gone
through one by one to name the one that is wrong.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.genomics.genome.frames import first_faults
from seqsci.domains.genomics.reading.text import BLOCK, Lines, lines_of
from seqsci.errors import DataError, explain


@dataclass(frozen=True)
class Kind:
    """What a field of a column may hold.

    Attributes:
        dtype: of the parsed column.
        valid: whether the text of a field is one.
        expected: in words.
    """

    dtype: str
    valid: Callable[[str], bool]
    expected: str


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d{1,18}(\.0*)?\s*", text, re.ASCII) is not None


def _is_real(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


WHOLE = Kind("int64", _is_whole, "a whole number")
REAL = Kind("float64", _is_real, "a finite number")
TEXT = Kind("str", lambda text: bool(text), "some text")
SCORE = Kind("str", lambda text: text in (".", "") or _is_real(text), "a number, or a dot")
"""A number that may be missing: parsed as text, and made a float column in which a dot is NaN."""
SKIP = Kind("", lambda text: True, "anything")
"""A column that is not read."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: in messages.
        columns: name and kind of the columns, in order; a file may have further ones, which are not read.
        least: how many of them every line must have.
        exact: None, or the only numbers of columns that a line may have.
        comments: how lines that are no data begin.
        blanks: whether a blank separates fields as a tab does, also beside tabs.
        stop: how the line begins that ends the data, None where they go to the end of the file.
    """

    name: str
    columns: tuple[tuple[str, Kind], ...]
    least: int
    exact: tuple[int, ...] | None = None
    comments: tuple[str, ...] = ("#", "track ", "track\t", "browser ")
    blanks: bool = False
    stop: str | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a file with their lines.

    Attributes:
        frame: the columns that were read.
        lines: line of the file (from 1) of each row, (rows,).
        path: where they are from.
        format: what kind of file.
        comments: its comment lines.
    """

    frame: pd.DataFrame
    lines: NDArray[np.int64]
    path: str
    format: Format
    comments: tuple[str, ...]


def pieces_of(path: str | os.PathLike[str], kind: Format, block: int = BLOCK) -> Iterator[Table]:
    """Yield a file as tables of some of its rows, in order; memory holds one block at a time.

    Raises: DataError for a line that is no line of this kind, with its number; for a file without any; and as `text.opened`.
    """
    return tables(lines_of(path, kind.comments, block, kind.stop), path, kind)


def tables(blocks: Iterable[Lines], path: str | os.PathLike[str], kind: Format) -> Iterator[Table]:
    """Yield blocks of lines as tables; raises as `pieces_of`."""
    width, rows, tabbed = 0, 0, True
    for lines in blocks:
        data = lines.data.replace(b" ", b"\t") if kind.blanks else lines.data
        if data and not width:
            head = data[: data.index(b"\n")]
            tabbed = b"\t" in head
            width = len(head.split(b"\t" if tabbed else None))
            if width < kind.least or (kind.exact is not None and width not in kind.exact):
                _refuse_line(path, kind, int(lines.numbers[0]), head, f"{width} columns", _columns_expected(kind))
        if data and not tabbed:  # fields between blanks: rare, and no field can be empty then
            data = b"".join(b"\t".join(line.split()) + b"\n" for line in data.split(b"\n")[:-1])
        frame = _parsed(path, kind, data, width, lines) if data else empty(kind)
        rows += len(frame)
        if lines.last and not rows:
            raise DataError(explain(f"{path} holds no {kind.name} lines", "comments alone", "at least one line", "fetch it again"))
        yield Table(frame, lines.numbers, str(path), kind, lines.comments)


def read_table(path: str | os.PathLike[str], kind: Format, keep: Callable[[pd.DataFrame], NDArray[np.bool_]] | None = None) -> Table:
    """Return a whole file; ``keep`` drops rows block by block, before they take memory. Raises as `pieces_of`."""
    return joined(pieces_of(path, kind), keep)


def joined(parts: Iterable[Table], keep: Callable[[pd.DataFrame], NDArray[np.bool_]] | None = None) -> Table:
    """Return tables of one file as one."""
    pieces = []
    for piece in parts:
        if keep is not None:
            wanted = keep(piece.frame)
            piece = replace(piece, frame=piece.frame[wanted], lines=piece.lines[wanted])
        pieces.append(piece)
    frames = [p.frame for p in pieces if len(p.frame)] or [pieces[0].frame]
    lines, comments = np.concatenate([p.lines for p in pieces]), tuple(c for p in pieces for c in p.comments)
    return Table(pd.concat(frames, ignore_index=True), lines, pieces[0].path, pieces[0].format, comments)


def empty(kind: Format) -> pd.DataFrame:
    """A frame without rows and with the columns of a format."""
    return pd.DataFrame({name: pd.Series(dtype="float64" if k is SCORE else k.dtype) for name, k in kind.columns if k is not SKIP})


def refuse(table: Table, faults: Sequence[tuple[int, str]], expected: str, fix: str) -> None:
    """Raise DataError if there are faults (row, text): the first line heads the message, and all of them are named."""
    if not faults:
        return
    ordered = sorted((int(table.lines[row]), text) for row, text in faults)
    got = "; ".join(f"line {line}: {text}" for line, text in ordered)
    raise DataError(explain(f"{table.path}, line {ordered[0][0]}: {ordered[0][1]}", got, expected, fix))


def first(bad: NDArray[np.bool_], text: Callable[[int], str]) -> list[tuple[int, str]]:
    """The first row of a fault with its text; nothing where no row has it."""
    return [(row, text(row))] if bad.any() and (row := int(np.argmax(bad))) >= 0 else []


def ordered(table: Table, frame: pd.DataFrame, sizes: dict[str, int] | None, sort: bool) -> pd.DataFrame:
    """Check the coordinates of a frame whose rows are those of the table, and return it in the order chrom, start, end.

    A file is in order where each chromosome's rows follow one another with ascending starts; the chromosomes may come in any order.

    Raises: DataError with file, line and fix for impossible coordinates, and for rows out of order unless ``sort``.
    """
    refuse(table, first_faults(frame, sizes), "0 <= start <= end (bp) on the sequence", "correct these lines, or check the build")
    codes, names = pd.factorize(frame["chrom"])
    start = frame["start"].to_numpy()
    if not sort and len(frame) > 1:
        back = (codes[1:] == codes[:-1]) & (start[1:] < start[:-1])
        again = codes[1:] < np.maximum.accumulate(codes)[:-1]
        faults = first(back, lambda i: f"start {start[i + 1]} after start {start[i]} of the line before")
        faults += first(again & ~back, lambda i: f"{names[codes[i + 1]]} comes again after {names[codes[i]]}")
        faults = [(row + 1, text) for row, text in faults]
        refuse(table, faults, "intervals sorted by chromosome and start", "pass sort=True, or: sort -k1,1 -k2,2n")
    place = np.argsort(np.argsort(names.to_numpy(object)))[codes]
    order = np.lexsort((frame["end"].to_numpy(), start, place))
    if (order[1:] > order[:-1]).all():
        return frame.reset_index(drop=True)
    return frame.iloc[order].reset_index(drop=True)


def _parsed(path: str | os.PathLike[str], kind: Format, data: bytes, width: int, lines: Lines) -> pd.DataFrame:
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((text == 9) | (text == 10))
    rectangular = len(ends) == width * len(lines.numbers) and bool((text[ends[width - 1 :: width]] == 10).all())
    names = [name for name, _ in kind.columns[:width]] + [f"_{i}" for i in range(len(kind.columns), width)]
    used = [(n, k) for n, k in kind.columns[:width] if k is not SKIP]
    try:
        if not rectangular:
            raise ValueError("lines of several numbers of columns")
        frame = pd.read_csv(
            io.BytesIO(data),
            sep="\t",
            header=None,
            names=names,
            usecols=[n for n, _ in used],
            dtype={n: k.dtype for n, k in used},
            quoting=3,
            na_filter=False,
            skip_blank_lines=False,
            low_memory=False,
        )
        for name, k in used:
            if k is REAL and not np.isfinite(frame[name].to_numpy()).all():
                raise ValueError("not finite")
            if k is TEXT and (frame[name] == "").any():
                raise ValueError("an empty field")
            if k is SCORE:
                frame[name] = pd.to_numeric(frame[name].where(~frame[name].isin([".", ""]))).astype(np.float64)
    except (ValueError, OverflowError) as error:  # ParserError and UnicodeDecodeError are ValueErrors
        raise _found(path, kind, data, width, lines, error) from error
    return frame


def _found(path: str | os.PathLike[str], kind: Format, data: bytes, width: int, lines: Lines, error: Exception) -> DataError:
    """The error of the first line that is wrong."""
    for number, line in zip(lines.numbers.tolist(), data.split(b"\n"), strict=False):
        fields = line.split(b"\t")
        if len(fields) != width:
            return _line_error(path, kind, number, line, f"{len(fields)} columns", f"{width}, as in the first line")
        for (name, k), field in zip(kind.columns, fields, strict=False):
            try:
                if not k.valid(field.decode()):
                    return _line_error(path, kind, number, line, f"{name} is {field.decode()!r}", f"{name}: {k.expected}")
            except UnicodeDecodeError:
                return _line_error(path, kind, number, line, f"{name} is not UTF-8", "UTF-8 text")
    first_line, last_line = int(lines.numbers[0]), int(lines.numbers[-1])
    what = f"{path}, lines {first_line} to {last_line}: no {kind.name} lines"
    return DataError(explain(what, error, _columns_expected(kind), "check how it was written"))


def _columns_expected(kind: Format) -> str:
    names = ", ".join(n for n, _ in kind.columns[: max(kind.least, 3)])
    count = " or ".join(map(str, kind.exact)) if kind.exact else f"at least {kind.least}"
    return f"{count} columns with a tab between ({names}{', ...' if kind.exact or len(kind.columns) > kind.least else ''})"


def _line_error(path: str | os.PathLike[str], kind: Format, number: int, line: bytes, what: str, expected: str) -> DataError:
    got = repr(line[:120].decode("utf-8", "replace"))
    fix = f"correct or remove line {number}; if many are so, the file is no {kind.name}"
    return DataError(explain(f"{path}, line {number}: {what}", got, expected, fix))


def _refuse_line(path: str | os.PathLike[str], kind: Format, number: int, line: bytes, what: str, expected: str) -> None:
    raise _line_error(path, kind, number, line, what, expected)
