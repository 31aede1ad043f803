"""Tables of counts, long or wide, to the one frame."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from seqsci.domains.ecology.reading.frame import checked
from seqsci.errors import DataError, did_you_mean, explain

SEPARATORS = (
    (";", "semicolons", "save it with commas and decimal dots; in R: write.csv(x, file, row.names = FALSE), not write.csv2"),
    ("\t", "tabs", "save it with commas; in R: write.csv(x, file, row.names = FALSE)"),
)
"""What a table may be separated by instead of commas, its name, and what to do."""


@dataclass(frozen=True)
class CountColumns:
    """Names of the columns of a long table of counts; ``cluster`` may be absent from the table."""

    series: str = "series_id"
    year: str = "year"
    count: str = "count"
    cluster: str = "cluster"


def long_counts(table: pd.DataFrame, columns: CountColumns | None = None) -> pd.DataFrame:
    """Return a long table (a row a series and year) as the one frame.

    Args:
        table: any columns; those named become series_id, year, count [abundance, NaN = missing] and cluster; others are kept.
        columns: their names; a table of one series needs no column of series.

    Raises: DataError as `seqsci.domains.ecology.reading.frame.checked`.

    >>> long_counts(pd.DataFrame({"year": [2000, 2001], "n": [3, 4]}), CountColumns(count="n"))["series_id"].tolist()
    ['series', 'series']
    """
    named = columns or CountColumns()
    present = [str(c) for c in table.columns]
    if missing := [c for c in (named.year, named.count) if c not in present]:
        hints = ", ".join(f"{c!r}{did_you_mean(c, present)}" for c in missing)
        raise DataError(
            explain(f"missing column {hints}", f"columns {present}", "a column of years and one of counts", "pass CountColumns(...)")
        )
    frame = table if named.series in present else table.assign(**{named.series: "series"})
    names = {named.series: "series_id", named.year: "year", named.count: "count", named.cluster: "cluster"}
    return checked(frame.rename(columns=names))


def wide_counts(table: pd.DataFrame, year: str | None = None) -> pd.DataFrame:
    """Return a wide table (a row a year, a column a series) as the one frame.

    Args:
        table: columns of counts [abundance]; empty cells are missing years.
        year: name of the column of years; None takes the index.

    Raises: DataError as `checked`, and where ``year`` is no column or no column of counts is left.

    >>> wide_counts(pd.DataFrame({"year": [2000, 2001], "wolf": [20, 22], "moose": [538, 564]}), "year")["count"].tolist()
    [538.0, 564.0, 20.0, 22.0]
    """
    present = [str(c) for c in table.columns]
    if year is not None and year not in present:
        raise DataError(explain(f"no column {year!r}{did_you_mean(year, present)}", f"columns {present}", "a column of years", "name it"))
    frame = table if year is None else table.set_index(year)
    if not len(frame.columns):
        raise DataError(explain("no column of counts", f"columns {present}", "a column a series beside the years", "check what was read"))
    long = frame.rename_axis(index="year").reset_index().melt("year", var_name="series_id", value_name="count")
    return checked(long)


def read_counts(path: str | os.PathLike[str], columns: CountColumns | None = None) -> pd.DataFrame:
    """Read a CSV file (plain or compressed) of counts: long where it has a column of counts, else wide with years in its first column.

    Raises: DataError for a file that is not there, is empty, or holds no table of counts.
    """
    table = read_csv(Path(path).expanduser())
    named = columns or CountColumns()
    if named.count in table.columns:
        return long_counts(table, named)
    return wide_counts(table, str(table.columns[0]))


def read_csv(source: Path) -> pd.DataFrame:
    """A CSV file, plain or compressed, with names of columns as text.

    Raises: DataError for a file that is not there, is empty, or is separated by something else than commas.
    """
    if not source.is_file():
        raise DataError(explain(f"cannot read {source}", "no such file", "a CSV file of counts", "check the path"))
    try:
        table = pd.read_csv(source)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(explain(f"{source} is no table", str(error), "a CSV file with a header", "export it again")) from error
    head = str(table.columns[0])
    for mark, name, fix in SEPARATORS:
        if len(table.columns) == 1 and mark in head:
            got = f"the header {head.replace(mark, mark if mark == ';' else ' <tab> ')}"
            raise DataError(explain(f"{source} is separated by {name}", got, "commas, and a dot as decimal sign", fix))
    return table.rename(columns=str)
