"""Counts over time as a plain table of the user's: one file for all times, or a file a time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.genomics.genome.frames import sort_intervals
from seqsci.domains.genomics.reading.text import opened
from seqsci.errors import DataError, did_you_mean, explain

ONE_TIME = ("chrom", "start", "methylated", "coverage")
LONG = (*ONE_TIME, "time")


def read_count_table(path: str | Path, columns: Sequence[str] = LONG, build: str | None = None) -> pd.DataFrame:
    """Read counts from a table with a header, separated by tabs or commas, plain or gzip; a row a site (and time).

    Args:
        path: columns chrom, start (0-based position of the C [bp]), methylated, coverage [reads] and, in a long table, time.
        columns: `LONG`, or `ONE_TIME` for a file that holds one time.
        build: genome build of the table, which cannot declare one itself.

    Shapes: (rows,) with the readers' columns.
    Raises: DataError for a file that is missing, empty, cut short or without these columns; with file and line for what is no whole
        number, negative reads and methylated > coverage.
    """
    source = Path(path).expanduser()
    with opened(source) as file:
        text = file.read().decode("utf-8", "replace")
    head = text.partition("\n")[0].rstrip("\r")
    separator = "\t" if "\t" in head else ","
    names = [n.strip().lstrip("#") for n in head.split(separator)]
    if missing := [f"{c}{did_you_mean(c, names)}" for c in columns if c not in names]:
        what = f"{source} is no table of methylation counts: no column {', '.join(missing)}"
        fix = "name the columns so, or say which format it is: --data.format bismark"
        raise DataError(explain(what, f"columns {', '.join(names)[:120]}", ", ".join(columns), fix))
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, names=names, skiprows=1, dtype=str, keep_default_na=False)
    except pd.errors.ParserError as error:
        raise DataError(explain(f"{source} is no table", str(error).strip(), "as many fields as the header", "export it again")) from error
    except pd.errors.EmptyDataError:
        table = pd.DataFrame(columns=names)
    if not len(table):
        raise DataError(explain(f"{source} holds no rows", "a header alone", "one row or more", "check the file"))
    frame = pd.DataFrame({"chrom": table["chrom"].astype(str)})
    for name in columns[1:]:
        frame[name] = _numbers(source, table[name], name, whole=name != "time")
    _check(source, frame)
    frame.insert(2, "end", frame["start"] + 1)
    frame.insert(3, "strand", ".")
    frame = sort_intervals(frame)
    frame.attrs |= {"build": build, "code": "m"}
    return frame


def _numbers(source: Path, texts: pd.Series, name: str, whole: bool) -> np.ndarray:
    values = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(values) | ((values != np.rint(values)) if whole else np.zeros(len(values), bool))
    if bad.any():
        line = int(np.argmax(bad)) + 2
        got, need = f"{name} {texts.iloc[line - 2]!r}", "a whole number" if whole else "a number"
        raise DataError(explain(f"{source}, line {line}: no {name}", got, need, "correct the line; a site that was not read has no row"))
    return values.astype(np.int64) if whole else values


def _check(source: Path, frame: pd.DataFrame) -> None:
    m, n, start = (frame[c].to_numpy() for c in ("methylated", "coverage", "start"))
    faults = []
    for bad, text in (
        (n < 0, "coverage {n} < 0"),
        (m < 0, "methylated {m} < 0"),
        ((m > n) & (n >= 0), "methylated {m} > coverage {n}"),
        (start < 0, "start {s} < 0"),
    ):
        if bad.any():
            i = int(np.argmax(bad))
            faults.append(f"line {i + 2}: {text.format(m=m[i], n=n[i], s=start[i])}")
    if faults:
        fix = "correct these lines, or check which column holds what"
        raise DataError(explain(f"{source} holds impossible counts", "; ".join(faults), "0 <= methylated <= coverage, start >= 0", fix))
