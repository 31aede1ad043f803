"""Counts over time as a plain table of the user's: one file for all times, or a file a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.genomics.genome.builds import BUILD_COLUMNS, build_of_table, refuse_mixed_names
from seqsci.domains.genomics.genome.frames import sort_intervals
from seqsci.domains.genomics.genome.interval import OPPOSITE
from seqsci.domains.genomics.reading.text import opened
from seqsci.errors import DataError, did_you_mean, explain

ONE_TIME = ("chrom", "start", "methylated", "coverage")
LONG = (*ONE_TIME, "time")
OPTIONAL = ("end", "strand", *BUILD_COLUMNS)


def read_count_table(path: str | Path, columns: Sequence[str] = LONG, build: str | None = None) -> pd.DataFrame:
    """Read counts from a table with a header, separated by tabs or commas, plain or gzip; a row a site (and time).

    Args:
        path: columns chrom, start (0-based position of the C [bp]), methylated, coverage [reads] and, in a long table, time. Where they are
            there, end must lie above start, strand (+, -, .) is kept, and build or genome_build declare the genome build.
        columns: `LONG`, or `ONE_TIME` for a file that holds one time.
        build: genome build of the table; it must not contradict what the table declares.

    Fields and names may stand in double quotes; empty lines and a byte-order mark are left out.

    Shapes: (rows,) with the readers' columns; ``end`` is start + 1.
    Raises: DataError for a file that is missing, empty, cut short, without these columns or with one of them twice, for builds that differ
        and a chromosome under two names; with file and line for a line of more or fewer fields than the header, what is no whole number,
        negative reads, methylated > coverage, end <= start and an unknown strand.
    """
    source = Path(path).expanduser()
    with opened(source) as file:
        text = file.read().decode("utf-8-sig", "replace")
    table, lines = _fields(source, text, columns)
    frame = pd.DataFrame({"chrom": table["chrom"].astype(str)})
    for name in columns[1:]:
        frame[name] = _numbers(source, table[name], lines, name, whole=name != "time")
    end = _numbers(source, table["end"], lines, "end", whole=True) if "end" in table else frame["start"].to_numpy() + 1
    strand = table["strand"].to_numpy(object) if "strand" in table else np.full(len(frame), ".", object)
    _check(source, frame, end, strand, lines)
    refuse_mixed_names(frame["chrom"].unique(), str(source))
    frame.insert(2, "end", frame["start"] + 1)
    frame.insert(3, "strand", pd.Series(strand, frame.index, dtype="str"))
    declared = build_of_table(table, build, str(source))
    frame = sort_intervals(frame)
    frame.attrs |= {"build": declared, "code": "m"}
    return frame


def has_times(path: str | Path) -> bool:
    """Whether the header of a table names a column ``time``: a long table of all times; raises as `read_count_table`."""
    with opened(Path(path).expanduser()) as file:
        text = file.read(100_000).decode("utf-8-sig", "replace")
    head = next((line for line in text.splitlines() if line.strip()), "")
    return "time" in [n.strip().strip('"').lstrip("#").strip() for n in head.split("\t" if "\t" in head else ",")]


def read_one_time(path: str | Path, build: str | None = None) -> pd.DataFrame:
    """`read_count_table` of a file that holds one time; a long table is refused, because its times would be lost."""
    if has_times(path):
        fix = "pass it alone and without times: --counts counts.csv of a prediction, --data counts.csv of a fit"
        raise DataError(explain(f"{path} is a table of several times", "a column time", "a file a time, without that column", fix))
    return read_count_table(path, ONE_TIME, build)


def _fields(source: Path, text: str, columns: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """The texts of the columns that are read, and the line of the file of each row."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    rows = _rows(source, text, "\t" if "\t" in head else ",")
    names = [n.strip().lstrip("#").strip() for n in next(rows, (1, [""]))[1]]
    if missing := [f"{c}{did_you_mean(c, names)}" for c in columns if c not in names]:
        what = f"{source} is no table of methylation counts: no column {', '.join(missing)}"
        fix = "name the columns so, or say which format it is: --data.format bismark"
        raise DataError(explain(what, f"columns {', '.join(names)[:120]}", ", ".join(columns), fix))
    if twice := sorted({n for n in names if n and names.count(n) > 1}):
        what, got = f"{source}: a column stands twice in the header", ", ".join(twice)
        raise DataError(explain(what, got, "each name once", "remove or rename the one that is not meant"))
    places = {name: names.index(name) for name in (*columns, *OPTIONAL) if name in names}
    found: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    for line, fields in rows:
        if len(fields) != len(names):
            what, got = f"{source}, line {line}: malformed", f"{len(fields)} fields"
            fix = "correct or remove the line; a name for each column, a field for each name"
            raise DataError(explain(what, got, f"{len(names)} fields, as in the header", fix))
        lines.append(line)
        for name, place in places.items():
            found[name].append(fields[place].strip())
    if not lines:
        raise DataError(explain(f"{source} holds no rows", "a header alone", "one row or more", "check the file"))
    return pd.DataFrame(found, dtype="str"), np.array(lines, np.int64)


def _rows(source: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the line of the file (from 1) at which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for fields in reader:
            if fields and not (len(fields) == 1 and not fields[0].strip()):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        fix = "close the quotes of this line, or export the table again"
        raise DataError(explain(f"{source}, line {line}: malformed", error, "fields, plain or in double quotes", fix)) from error


def _numbers(source: Path, texts: pd.Series, lines: np.ndarray, name: str, whole: bool) -> np.ndarray:
    values = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(values) | ((values != np.rint(values)) if whole else np.zeros(len(values), bool))
    if bad.any():
        row = int(np.argmax(bad))
        what, got, need = (
            f"{source}, line {lines[row]}: no {name}",
            f"{name} {texts.iloc[row]!r}",
            "a whole number" if whole else "a number",
        )
        raise DataError(explain(what, got, need, "correct the line; a site that was not read has no row"))
    return values.astype(np.int64) if whole else values


def _check(source: Path, frame: pd.DataFrame, end: np.ndarray, strand: np.ndarray, lines: np.ndarray) -> None:
    m, n, start = (frame[c].to_numpy() for c in ("methylated", "coverage", "start"))
    faults = []
    for bad, text in (
        (frame["chrom"].to_numpy(object) == "", "no chromosome"),
        (n < 0, "coverage {n} < 0"),
        (m < 0, "methylated {m} < 0"),
        ((m > n) & (n >= 0), "methylated {m} > coverage {n}"),
        (start < 0, "start {s} < 0"),
        (end < start, "end {e} < start {s}"),
        (end == start, "end {e} = start {s}, which holds no base (start counts from 0)"),
        (~np.isin(strand, list(OPPOSITE)), "strand {d!r} is none of + - ."),
    ):
        if bad.any():
            i = int(np.argmax(bad))
            faults.append(f"line {lines[i]}: {text.format(m=m[i], n=n[i], s=start[i], e=end[i], d=strand[i])}")
    if faults:
        fix = "correct these lines, or check which column holds what"
        raise DataError(
            explain(f"{source} holds impossible counts", "; ".join(faults), "0 <= methylated <= coverage, 0 <= start < end", fix)
        )
