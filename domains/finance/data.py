"""Returns of prices: three embedded series, the long S&P 500, and any CSV, Parquet file, pandas object or array, as one long frame."""

from __future__ import annotations

import importlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.finance.validation import (
    Panel,
    check_request,
    date_faults,
    is_date_like,
    listing,
    parse_dates,
    parse_numbers,
    return_faults,
    unit_faults,
    value_faults,
)
from seqsci.errors import ConfigError, DataError, MissingExtraError, did_you_mean, explain

EMBEDDED = {"sp500": "Adj Close", "nasdaq": "Adj Close", "wti": "DCOILWTICO"}
SHOWN_COLUMNS = 30
SUFFIXES = (".csv", ".csv.gz", ".parquet")


class ToPandas(Protocol):
    """A table of another library (polars, arrow) that converts itself."""

    def to_pandas(self) -> pd.DataFrame | pd.Series[Any]:
        """Return the same table as a pandas object."""
        ...


Source: TypeAlias = "str | os.PathLike[str] | pd.DataFrame | pd.Series[Any] | NDArray[Any] | ToPandas"


def load_series(name: str) -> pd.DataFrame:
    """Return the daily decimal log-returns of an embedded series: ``sp500``, ``nasdaq`` (1999-2018) or ``wti`` (1986-2019, no holidays).

    Columns `unique_id`, `ds`, `y`. Raises ConfigError for an unknown name, MissingExtraError without arch.
    """
    if name not in EMBEDDED:
        known = ", ".join(EMBEDDED)
        raise ConfigError(
            explain(
                f"unknown series{did_you_mean(name, EMBEDDED)}", repr(name), known, "use one of these, or read_returns for your own data"
            )
        )
    try:
        module = importlib.import_module(f"arch.data.{name}")
    except ImportError as error:
        raise MissingExtraError("arch", "finance", f"the embedded series {name!r}") from error
    prices: pd.Series[float] = module.load()[EMBEDDED[name]].dropna()
    return read_returns(prices.rename(name), kind="prices")


def load_sp500_windows() -> pd.DataFrame | None:
    """Return the daily decimal log-returns of the S&P 500 1971-2022, or None where the folder SEQSCI_DATA does not hold them.

    Columns `unique_id`, `ds`, `y`, `realized_variance` [decimal^2, 5 minutes, open to close, NaN before 2000 and after April 2018] and
    `vix` [index points, NaN before 1990 and after April 2018]. Both are known at the end of day `ds`: lag them in a forecast.
    """
    folder = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "finance")
    early, late = folder / "spx_ret_rv_vix_1971_2018.csv.gz", folder / "sp500_index_1990_2022.csv.gz"
    if not (early.is_file() and late.is_file()):
        return None
    first = read_returns(early, column="return", date_column="date", kind="returns", unit="percent", covariates=("rv", "vix"))
    first = first.assign(y=first["y"] / 100, rv=first["rv"] / 1e4).rename(columns={"rv": "realized_variance"})
    second = read_returns(late, column="SP500", date_column="Date", kind="prices")
    second = second[second["ds"] > first["ds"].iloc[-1]]
    frame: pd.DataFrame = pd.concat([first, second.reindex(columns=first.columns)], ignore_index=True)
    frame["unique_id"] = "sp500"
    frame.attrs["unit"] = "decimal"
    return frame


def read_returns(
    source: Source,
    *,
    column: str | None = None,
    date_column: str | None = None,
    id_column: str | None = None,
    kind: Literal["prices", "returns"],
    unit: Literal["decimal", "percent"] | None = None,
    covariates: Sequence[str] = (),
    singly: bool = False,
) -> pd.DataFrame:
    """Return the log-returns of one or many series as a long frame `unique_id`, `ds`, `y`, covariates, its unit in ``attrs["unit"]``.

    source       path (.csv, .csv.gz, .parquet), frame long (`unique_id`, `ds`, `y`) or wide (dates x names), Series, or array (rows,)
    column       the one column to read, whose name becomes `unique_id`; None = `y` of a long frame, every column of a wide one
    date_column  None = `ds`, a date index, or a column called date or time; without any, `ds` is the position in the source
    id_column    None = `unique_id` where there is one
    kind         prices > 0 become decimal log-returns and the first row of a series goes; returns are log-returns and stay as they are
    unit         of returns: decimal (.01 is 1 %) or percent; needed for returns, not for prices
    covariates   numeric columns to carry along unchanged; of a wide frame: the same for every series; of prices: at the date of the return

    singly       faults of single series (dates, infinite values, too short, constant, another unit) are left to `seqsci.fit_panel`, which
                 makes a row with a reason of each; a price that is none becomes an infinite return. Faults of the file are raised still

    NaN is a missing step and is kept. A missing price makes both returns that touch it missing; drop holidays first. In a wide frame of
    several names, NaN before the first and after the last value of a name (not listed) are no steps. Times with a zone: midnights keep
    their date, others become UTC. Raises DataError with all faults at once, ConfigError, MissingExtraError; `source` is only read.
    """
    check_request(kind, unit, covariates)
    table = _as_table(source)
    panel, faults = _panel(table, column, date_column, id_column, list(covariates))
    faults += [] if singly else date_faults(panel) + value_faults(panel, kind)
    first = np.r_[True, panel.codes[1:] != panel.codes[:-1]]
    if kind == "prices":
        positive = np.where(np.isfinite(panel.y) & (panel.y > 0), panel.y, np.nan)
        returns = np.where(first, np.nan, np.diff(np.log(positive), prepend=np.nan))
        if singly:
            returns = np.where(~np.isnan(panel.y) & np.isnan(positive), np.inf, returns)
    else:
        returns = panel.y if singly else np.where(np.isinf(panel.y), np.nan, panel.y)
        faults += [] if singly else unit_faults(panel, unit or "decimal")
    faults += [] if singly else return_faults(panel, returns)
    if faults:
        heading = f"{len(faults)} faults in the {kind}:\n" if len(faults) > 1 else ""
        raise DataError(heading + "\n".join(faults))
    keep = ~first if kind == "prices" else np.ones(len(first), dtype=np.bool_)
    names = np.asarray(panel.names, dtype=object)[panel.codes[keep]]
    extra = {name: values[keep] for name, values in panel.covariates.items()}
    frame = pd.DataFrame({"unique_id": names, "ds": panel.ds[keep], "y": returns[keep], **extra})
    frame.attrs["unit"] = unit or "decimal"
    return frame


def _as_table(source: Source) -> pd.DataFrame:
    """Return the source as a frame with text column names."""
    if isinstance(source, (str, os.PathLike)):
        table = _read_file(Path(source).expanduser())
    elif isinstance(source, pd.DataFrame):
        table = source
    elif isinstance(source, pd.Series):
        table = source.to_frame("series" if source.name is None else str(source.name))
    elif hasattr(source, "to_pandas"):
        return _as_table(source.to_pandas())
    else:
        values = np.asarray(source)
        if values.ndim != 1:
            fix = "pass values.ravel(), or pd.DataFrame(values, columns=names) for several series"
            raise DataError(explain("the array is not one series", f"shape {values.shape}", "shape (rows,)", fix))
        table = pd.DataFrame({"series": values})
    levels = [axis.nlevels for axis in (table.index, table.columns)]
    if levels != [1, 1]:
        fix = "pick one level of the columns, such as frame['Adj Close'], or call reset_index() on the rows"
        raise DataError(explain("the frame has a MultiIndex", f"{levels[0]} row and {levels[1]} column levels", "one level each", fix))
    labels = [str(label) for label in table.columns]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise DataError(explain("columns of the same name", listing(twice), "distinct names", "rename them"))
    if not len(table):
        raise DataError(
            explain("no rows", f"{len(labels)} columns, 0 rows", "at least one row", "check the file or the filter before this call")
        )
    return table.set_axis(labels, axis=1)


def _read_file(path: Path) -> pd.DataFrame:
    if not path.is_file():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        what = f"no such file{did_you_mean(path.name, siblings)}" if path.parent.is_dir() else f"no such folder: {path.parent}"
        raise DataError(explain(what, path, "an existing file", f"check the path; the present folder is {Path.cwd()}"))
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError(explain("unknown kind of file", path, " or ".join(SUFFIXES), "convert it, or read it yourself and pass the frame"))
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        table = pd.read_csv(path, na_values=["."])  # FRED writes a missing value as a dot
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data", f"reading {path.name}") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        fix = "open it and check that it is complete"
        raise DataError(explain("the file cannot be read", f"{path}: {error}", "a table with a header", fix)) from error
    unnamed = len(table.columns) > 1 and table.columns[0] == "Unnamed: 0" and table.iloc[:, 0].equals(pd.Series(range(len(table))))
    return table.iloc[:, 1:] if unnamed else table  # without the row numbers that to_csv writes


def _panel(
    table: pd.DataFrame, column: str | None, date_column: str | None, id_column: str | None, covariates: list[str]
) -> tuple[Panel, list[str]]:
    """Return the series in long form and the faults found on the way: unreadable numbers, dates, names."""
    id_column = "unique_id" if id_column is None and "unique_id" in table.columns else id_column
    single = "y" if id_column is not None and column is None else column
    roles = {"column": single, "date_column": date_column, "id_column": id_column} | {
        f"covariates[{i}]": name for i, name in enumerate(covariates)
    }
    _check_columns(table, roles)
    taken = [name for name in roles.values() if name is not None]
    dates = _find_dates(table, date_column, taken)
    others = {*covariates, *([] if dates is None else [dates.name])}
    columns = [single] if single is not None else [name for name in table.columns if name not in others]
    _check_one_asset(columns)
    faults: list[str] = []
    values = np.column_stack([parse_numbers(table[name], faults) for name in columns])
    extra = {name: parse_numbers(table[name], faults) for name in covariates}
    rows, many = values.shape
    ds = np.arange(rows) if dates is None else parse_dates(dates, faults)
    if id_column is None:
        keep = _listed(values).ravel("F")
        codes = np.repeat(np.arange(many), rows)[keep]
        return Panel(
            columns, codes, np.tile(ds, many)[keep], values.ravel("F")[keep], {k: np.tile(v, many)[keep] for k, v in extra.items()}
        ), faults
    ids = table[id_column]
    if (absent := np.flatnonzero(ids.isna())).size:
        got = listing([f"row {i}" for i in absent[:3]], absent.size)
        faults.append(explain(f"rows without a name in {id_column!r}", got, "a name in every row", "fill them or drop the rows"))
    codes, names = pd.factorize(ids.astype(object).where(ids.notna(), "(no name)").astype(str).to_numpy(dtype=object))
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    ds = ds[order] if dates is not None else np.arange(rows) - np.searchsorted(codes, codes)
    return Panel([str(name) for name in names], codes, ds, values[order, 0], {k: v[order] for k, v in extra.items()}), faults


def _listed(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which cells (rows, names) lie between the first and the last value of a name; all of them for one name or an empty one."""
    known = ~np.isnan(values)
    if values.shape[1] == 1:
        return np.ones_like(known)
    after_first, before_last = np.logical_or.accumulate(known), np.logical_or.accumulate(known[::-1])[::-1]
    return (after_first & before_last) | ~known.any(axis=0)


def _check_columns(table: pd.DataFrame, roles: dict[str, str | None]) -> None:
    """Refuse names that are not columns, all at once, and one column in two roles."""
    named = {role: name for role, name in roles.items() if name is not None}
    existing = listing(list(table.columns), len(table.columns)) if len(table.columns) > SHOWN_COLUMNS else ", ".join(table.columns)
    missing = {role: name for role, name in named.items() if name not in table.columns}
    if missing:
        got = "; ".join(f"{role}={name!r}{did_you_mean(name, table.columns)}" for role, name in missing.items())
        raise DataError(explain("no such column", got, f"one of: {existing}", "name a column that exists"))
    twice = sorted({name for name in named.values() if list(named.values()).count(name) > 1})
    if twice:
        got = "; ".join(f"{role}={name!r}" for role, name in named.items() if name in twice)
        raise ConfigError(explain("one column in two roles", got, "a column of its own for each", f"choose among: {existing}"))


def _check_one_asset(columns: list[str]) -> None:
    """Refuse a frame without series, and open, high, low, close taken for four series."""
    if not columns:
        raise DataError(
            explain("no column to read", "only dates and covariates", "at least one column of prices or returns", "say column=...")
        )
    parts = [name for name in columns if name.lower() in ("open", "high", "low", "close")]
    if len(parts) > 2:
        expected = "a column a series; these are prices of one asset"
        raise DataError(
            explain("several prices of one asset", ", ".join(columns), expected, "say which one: column='Adj Close' or column='Close'")
        )


def _find_dates(table: pd.DataFrame, date_column: str | None, taken: list[str]) -> pd.Series[Any] | None:
    """Return the dates of the rows: the named column, `ds`, a date index, a column called date or time, one of dates, or None."""
    free = [name for name in table.columns if name not in taken]
    if date_column is not None or "ds" in free:
        return table[date_column or "ds"]
    if isinstance(table.index, (pd.DatetimeIndex, pd.PeriodIndex)):
        return pd.Series(table.index, name=None)
    called = [name for name in free if name.lower() in ("date", "datetime", "timestamp", "time")]
    if called:
        return table[called[0]]
    if is_date_like(index := pd.Series(table.index, name=None)):
        return index
    dated = [name for name in free if table[name].dtype.kind == "M"]
    if not dated and free and free[0] == table.columns[0] and is_date_like(table[free[0]]):
        dated = [free[0]]
    return table[dated[0]] if dated else None
