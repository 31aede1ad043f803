"""The counts that a configuration names: a file of the user's, a published panel, or a simulation, as the one frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from seqsci.domains.ecology.reading.frame import checked, refuse_dates
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.reading.sources import famous, gpdd, salmon
from seqsci.domains.ecology.reading.table import CountColumns, long_counts, read_csv, wide_counts
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.errors import ConfigError, DataError, did_you_mean, explain
from seqsci.registry import Section, check_keys, refuse

SOURCES: Mapping[str, Callable[[], pd.DataFrame]] = {"lynx": lynx, "gpdd": gpdd, "salmon": salmon, "famous": famous}
COLUMNS = {
    "series_column": "series_id",
    "year_column": "year",
    "count_column": "count",
    "cluster_column": "cluster",
    "effort_column": "effort",
    "catch_column": "catch",
    "observation_sd_column": "observation_sd",
    "covariate_column": "capacity_covariate",
}
"""Keys that name a column of the user's table, and the name it has in the one frame."""
LONG_ONLY = tuple(k for k in COLUMNS if k != "year_column")
DATA_KEYS = ("path", "series", "source", "simulated", *COLUMNS)
SIMULATED = ("history", "sites", "years", "dependence", "process_sd", "observation_sd", "missing", "seed")


def read_data(data: Section) -> pd.DataFrame:
    """The one frame of a section ``data``, with the series that it chooses; what was simulated is said in ``frame.attrs["truth"]``.

    A file comes before a source, so that a shipped configuration can be given the user's own counts. Raises: ConfigError, DataError.
    """
    check_keys(data.values, DATA_KEYS, data.place)
    path, source, drawn = data.text("path"), data.text("source"), data.inner("simulated")
    columns = {k: text for k in COLUMNS if (text := data.text(k))}
    wanted = data.values.get("series")
    chosen = data.names("series", []) if isinstance(wanted, list) else [text] if (text := data.text("series")) else []
    refuse(data.faults)
    if path:
        frame = read_table(path, columns)
    elif source:
        frame = _renamed(_source(source, data.place), columns, source)
    elif drawn is not None:
        frame = _simulated(drawn)
    else:
        fix = "pass --data.path counts.csv, or take ecology/lynx or ecology/drift_demo, which need no file"
        raise ConfigError(explain(f"{data.place}: no counts", "no data.path", "a CSV of counts, long or wide", fix))
    return _some(frame, chosen)


def read_table(path: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """A CSV of counts as the one frame: long where it has a column of counts, else wide with a column a series beside the years.

    Args:
        columns: the user's names of columns by key of `COLUMNS`.

    Raises: DataError for a file that is no table, and for a named column that it has not, with the closest one.
    """
    source = Path(path).expanduser()
    table = read_csv(source)
    have = list(table.columns)
    if absent := [f"data.{k}: no column {v!r}{did_you_mean(v, have)}" for k, v in columns.items() if v not in have]:
        raise DataError(explain(f"{source}: {'; '.join(absent)}", f"columns {', '.join(have)}", "columns of the file", "correct the name"))
    count = columns.get("count_column", "count")
    if count in have:
        return _long(source, table, columns)
    if given := [k for k in columns if k in LONG_ONLY]:
        fix = "name the column of counts too: --data.count_column NAME"
        raise DataError(explain(f"{source}: {', '.join(given)} without a column of counts", f"columns {', '.join(have)}", "'count'", fix))
    return _wide(source, table, columns.get("year_column", have[0]))


def _long(source: Path, table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    named = CountColumns(**{k.removesuffix("_column"): columns.get(k, COLUMNS[k]) for k in list(COLUMNS)[:4]})
    if named.year not in table:
        near = did_you_mean(named.year, table.columns)
        got, fix = f"columns {', '.join(table.columns)}", "name it: --data.year_column NAME"
        raise DataError(explain(f"{source}: no column {named.year!r}{near}", got, "a column of years", fix))
    others = [c for c in table.columns if c not in (named.year, named.count)]
    if named.series not in table and table[named.year].duplicated().any() and others:
        got = f"no column 'series_id'; others: {', '.join(others)}"
        fix = "name the column of series: --data.series_column NAME"
        raise DataError(explain(f"{source}: a year occurs twice, so there are several series", got, "a column of series names", fix))
    return long_counts(_renamed(table, {k: v for k, v in columns.items() if k not in list(COLUMNS)[:4]}, str(source)), named)


def _wide(source: Path, table: pd.DataFrame, year: str) -> pd.DataFrame:
    """Years down, series across; refused in words where it looks like neither shape."""
    refuse_dates(table[year], f"{source}: the years in the first column, {year!r},")
    values = pd.to_numeric(table[year], errors="coerce")
    others = [c for c in table.columns if c != year]
    strange = [c for c in others if pd.to_numeric(table[c], errors="coerce").notna().sum() < table[c].notna().sum()]
    if values.isna().any() or (values != values.round()).any() or strange or not others:
        reason = f"columns {', '.join(table.columns)}" + (f"; no numbers in {', '.join(strange)}" if strange else "")
        expected = "long: a column 'count' beside 'year' (and 'series_id'); wide: years in the first column and counts in all others"
        fix = "long: name the columns with --data.count_column, --data.year_column, --data.series_column; wide: drop other columns"
        raise DataError(explain(f"{source} is neither a long nor a wide table of counts", reason, expected, fix))
    return wide_counts(table, year)


def _renamed(frame: pd.DataFrame, columns: Mapping[str, str], source: str) -> pd.DataFrame:
    """The frame with the user's columns under the names of the one frame; a column that is in the way of one is dropped."""
    have = [str(c) for c in frame.columns]
    if absent := [f"no column {v!r}{did_you_mean(v, have)}" for v in columns.values() if v not in have]:
        raise DataError(explain(f"{source}: {'; '.join(absent)}", f"columns {', '.join(have)}", "its columns", "correct the name"))
    new = {COLUMNS[k]: frame[v] for k, v in columns.items()}
    return frame.assign(**new)


def _source(name: str, place: str) -> pd.DataFrame:
    if name not in SOURCES:
        what = f"{place}.source: unknown {name!r}{did_you_mean(name, SOURCES)}"
        raise ConfigError(explain(what, name, ", ".join(SOURCES), "use one of these, or --data.path FILE"))
    return SOURCES[name]()


def _simulated(drawn: Section) -> pd.DataFrame:
    check_keys(drawn.values, SIMULATED, drawn.place)
    history = drawn.choice("history", "hump", tuple(HISTORIES))
    sites, years, seed = drawn.integer("sites", 20, least=1), drawn.integer("years", 40, least=2), drawn.integer("seed", 1, least=0)
    phi, missing = drawn.number("dependence", 0.5, least=-0.99), drawn.share("missing", 0.0, zero=True)
    process, error = drawn.number("process_sd", 0.2, least=1e-6), drawn.number("observation_sd", 0.2, least=0.0)
    refuse(drawn.faults)
    frame = Population(phi, process, error).frame(HISTORIES[history], years, sites, seed, missing=missing)
    shape = (HISTORIES[history].__doc__ or "").split(";")[0].split(".")[0]
    truth = f"phi {phi:g}, process_sd {process:g}, observation_sd {error:g}; {shape}"
    result = checked(frame)
    result.attrs["truth"] = f"simulated, so the truth is known: {truth}"
    return result


def _some(frame: pd.DataFrame, chosen: list[str]) -> pd.DataFrame:
    """The rows of the chosen series, or all."""
    if not chosen:
        return frame
    names = frame["series_id"].unique().tolist()
    if absent := [f"{n!r}{did_you_mean(n, names)}" for n in chosen if n not in names]:
        have = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        raise DataError(explain(f"no series {', '.join(absent)}", ", ".join(chosen), have, "choose among these: --data.series NAME"))
    found = frame[frame["series_id"].isin(chosen)].reset_index(drop=True)
    found.attrs.update(frame.attrs)
    return found
