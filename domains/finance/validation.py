"""What must hold for prices and returns before anything is fitted to them; every fault of one input is found, none is repaired."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.errors import ConfigError, did_you_mean, explain

KINDS = ("prices", "returns")
UNITS = ("decimal", "percent")

MINIMUM_RETURNS = 100
"""Fewest observed returns of a series: below, the five to seven parameters of a volatility model are not identified."""

# The unit is judged by the typical move m = the mean of |return| over the observed steps of one series. A maximum says nothing (one bad
# day in decimals, one calm year in percent); a median fails where prices move in ticks: RRC in 1990 stands still on most days and moves
# 11 % on the others. Daily decimals, m measured over all days: S&P 500 .007, WTI .017, BTC .023, RRC .024, AMD .027; the highest of 24
# series over any 250 days .071, over any 100 days .090 (BAC, 2009). In percent a hundred times that; calm FX (.2 % a day) .13 to .16.
#   Stated decimal, m > .1: refused. A mean move of 10 % a day is 200 % a year, above the worst 100 days of the 24; calm FX in percent is
#   caught.
#   Stated decimal, any |r| > 10: refused. exp(10) is a factor of 22,000 in one step. A pegged currency in percent is too calm for the rule
#   above and is caught here on the day the peg breaks (franc, January 2015: about 17 percent). Real log-returns of one day exceed 1 (RRC:
#   1.10, one tick) and reach several where a coin collapses, so limits such as .3 or 1.5 would refuse real series.
#   Stated percent, m < .05: refused. As percent this is 1 % a year, calmer than floating currencies; each of the 24 in decimals is caught.
#   Stated percent, m > 10 or any |r| > 1000: refused, the limits of decimals in percent. Basis points of stocks and coins, and most prices,
#   are caught; so a series that really moves more than 10 % on an average day is not read in either unit.
#   Every value > 0 and m > .5 %: refused as prices. Returns of at least a hundred steps have both signs; interest has one, but .5 % a day
#   is 500 % a year. A currency near 1 stated as percent is caught here only.
#   Not seen: decimals with .05 < m < .1 stated as percent (the worst 250 days of a few), percents with m < .1 stated as decimal (pegs).
#   Nor: basis points of a peg stated as percent.
# A peg in percent, which the lower limit refuses, can be passed in decimals. For steps longer than a day the limits grow with the square
# root of the step (the one for prices, which is about interest, with the step); for shorter ones only the lower limit shrinks, because
# the bounce of a penny stock by one tick does not shrink with the step. Without dates a step is taken to be a day.
LARGEST_TYPICAL_DECIMAL = 0.1
LARGEST_DECIMAL = 10.0
SMALLEST_TYPICAL_PERCENT = 0.05
LARGEST_ONE_SIDED_DECIMAL = 0.005
PERCENT = {"decimal": 1.0, "percent": 100.0}
"""A decimal limit in the stated unit, by the unit."""


@dataclass(frozen=True)
class Panel:
    """Series in long form, one after the other; all arrays are (rows,): `codes` index into `names`, `ds` are dates or positions."""

    names: list[str]
    codes: NDArray[np.intp]
    ds: NDArray[Any]
    y: NDArray[np.float64]
    covariates: dict[str, NDArray[np.float64]]

    def where(self, rows: NDArray[np.bool_]) -> list[str]:
        """Return a reading of each marked row (rows,): the series and the date or position."""
        return [f"series {self.names[self.codes[i]]!r}, {moment(self.ds[i])}" for i in np.flatnonzero(rows)[:4]]


def moment(value: np.generic) -> str:
    """Return a date without its midnight, or ``position n`` where there are no dates."""
    if not isinstance(value, np.datetime64):
        return f"position {value}"
    return "missing date" if np.isnat(value) else str(pd.Timestamp(value)).removesuffix(" 00:00:00")


def listing(items: Sequence[str], total: int | None = None) -> str:
    """Return the first three items and how many more of `total` there are."""
    total = len(items) if total is None else total
    more = f"; and {total - 3} more" if total > 3 else ""
    return "; ".join(items[:3]) + more


def check_request(kind: str, unit: str | None, covariates: Sequence[str]) -> None:
    """Refuse a kind, a unit or a list of covariates that is unknown or does not fit the others: ConfigError."""
    faults: list[str] = []
    if kind not in KINDS:
        what = f"unknown kind{did_you_mean(str(kind), KINDS)}"
        faults.append(explain(what, repr(kind), "'prices' or 'returns'", "say which of the two the numbers are"))
    if unit is not None and unit not in UNITS:
        what = f"unknown unit{did_you_mean(str(unit), UNITS)}"
        faults.append(explain(what, repr(unit), "'decimal' or 'percent'", "say which of the two the returns are in"))
    if kind == "returns" and unit is None:
        expected = "unit='decimal' (.01 is 1 %) or unit='percent' (1 is 1 %)"
        faults.append(
            explain("returns need their unit", "unit=None", expected, "state it: it is never guessed, every parameter depends on it")
        )
    if kind == "prices" and unit == "percent":
        expected = "unit=None: log-returns made from prices are decimal"
        faults.append(explain("prices have no percent", "unit='percent'", expected, "leave unit out"))
    if isinstance(covariates, str):
        faults.append(explain("covariates is one text", repr(covariates), "a sequence of column names", f"covariates=[{covariates!r}]"))
    elif clash := [name for name in covariates if name in ("unique_id", "ds", "y") or list(covariates).count(name) > 1]:
        what = "covariates named twice, or like a column of the result"
        faults.append(explain(what, ", ".join(clash), "distinct names, not unique_id, ds, y", "rename them"))
    if faults:
        raise ConfigError("\n".join(faults))


def parse_numbers(column: pd.Series[Any], faults: list[str]) -> NDArray[np.float64]:
    """Return a column (rows,) as floats, NaN where it is missing; what is no number is added to `faults`."""
    if column.dtype.kind in "mM":
        faults.append(
            explain(f"column {column.name!r} holds no numbers", str(column.dtype), "numbers", "say which column to read: column=...")
        )
        return np.full(len(column), np.nan)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(np.isnan(values) & column.notna().to_numpy())
    if bad.size:
        got = listing([f"row {i}: {column.iloc[i]!r}" for i in bad[:3]], bad.size)
        fix = "clean them (a decimal point, no thousands separator), or say which columns to read: column=..., id_column=..."
        faults.append(explain(f"column {column.name!r} holds no numbers", got, "numbers, or empty for a missing value", fix))
    return values


def is_date_like(column: pd.Series[Any]) -> bool:
    """Return whether a column can only be dates: dates, integers like 20200131, or text whose first value reads as a date."""
    if column.dtype.kind == "M" or isinstance(column.dtype, pd.PeriodDtype):
        return True
    if column.dtype.kind in "iu":
        return _is_compact(column)
    if column.dtype.kind in "fcb" or column.isna().all():
        return False
    return bool(_read_dates(column.dropna().iloc[:1]).notna().all())


def parse_dates(column: pd.Series[Any], faults: list[str]) -> NDArray[Any]:
    """Return dates (rows,) without a zone, or integer positions; what cannot be read is added to `faults` and becomes missing."""
    if column.dtype.kind in "iuf" and not _is_compact(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if bool((np.isfinite(values) & (values == np.round(values))).all()):
            return values.astype(np.int64)
    dates = _read_dates(column)
    bad = np.flatnonzero(dates.isna())
    if bad.size:
        got = listing([f"row {i}: {column.iloc[i]!r}" for i in bad[:3]], bad.size)
        fix = "parse them first, for instance pd.to_datetime(frame['date'], dayfirst=True), or utc=True where the zones differ"
        faults.append(explain("dates that cannot be read", got, "one kind of date, best year-month-day, in every row", fix))
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        local = dates.dt.tz_localize(None)
        daily = bool((local.dropna() == local.dropna().dt.normalize()).all())
        dates = local if daily else dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return dates.to_numpy()


def _is_compact(column: pd.Series[Any]) -> bool:
    """Return whether all numbers are dates written as one number, such as 20200131."""
    return bool(column.between(19000101, 21001231).all()) and bool(_read_dates(column).notna().all())


def _read_dates(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as datetimes: text as year-month-day, else in the format of its first value; NaT where that fails."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.Series(pd.PeriodIndex(column).to_timestamp(), index=column.index)
    if column.dtype.kind == "M" and not isinstance(column.dtype, pd.ArrowDtype):
        return column
    if column.dtype.kind in "iuf":
        return pd.to_datetime(column.map("{:.0f}".format), format="%Y%m%d", errors="coerce")
    text = column.astype(object).where(column.notna(), None)
    dates = pd.Series(pd.NaT, index=column.index)
    try:
        dates = pd.to_datetime(text, format="ISO8601", errors="coerce")
        if bool((dates.isna() & text.notna()).any()):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Could not infer format", category=UserWarning)  # told by our own error
                dates = pd.to_datetime(text, errors="coerce")
    except (TypeError, ValueError):  # zones that differ between rows, or things that are no dates
        return dates
    return dates if dates.dtype.kind == "M" else pd.Series(pd.NaT, index=column.index)


def date_faults(panel: Panel) -> list[str]:
    """Return the faults of order: dates that go back, dates given twice, and nanoseconds read as dates."""
    ds, codes = panel.ds, panel.codes
    faults: list[str] = []
    same = codes[1:] == codes[:-1]
    back = np.r_[False, same & (ds[1:] < ds[:-1])]
    if back.any():
        got = [f"{place} after {moment(ds[i - 1])}" for place, i in zip(panel.where(back), np.flatnonzero(back), strict=False)]
        fix = "sort the rows by date first, for instance frame.sort_values('ds')"
        faults.append(explain("the dates are not in order", listing(got, int(back.sum())), "dates that increase within each series", fix))
    if back.any() or pd.isna(ds).any():
        twice = pd.DataFrame({"codes": codes, "ds": ds}).duplicated().to_numpy() & ~pd.isna(ds)
    else:  # in order, equal dates are neighbours
        twice = np.r_[False, same & (ds[1:] == ds[:-1])]
    if twice.any():
        fix = "keep one row a date (drop_duplicates), or pass id_column if the rows belong to several series"
        faults.append(explain("dates occur twice", listing(panel.where(twice), int(twice.sum())), "one row for each series and date", fix))
    if len(ds) > 1 and np.issubdtype(ds.dtype, np.datetime64) and bool((np.abs(ds - np.datetime64(0, "s")) < np.timedelta64(1, "D")).all()):
        fix = "parse the dates again, for instance pd.to_datetime(frame['date'].astype(str), format='%Y%m%d')"
        faults.append(
            explain("all dates are 1970-01-01", f"{ds[0]} ... {ds[-1]}", "dates, not integers read as nanoseconds since 1970", fix)
        )
    return faults


def value_faults(panel: Panel, kind: Literal["prices", "returns"]) -> list[str]:
    """Return the faults of single values: infinite ones, and prices that are zero or negative."""
    faults: list[str] = []
    for name, values in {kind: panel.y, **panel.covariates}.items():
        infinite = np.isinf(values)
        if infinite.any():
            fix = "repair them, or set them to NaN, which means missing; the log-return of a price of zero is infinite"
            got = listing(panel.where(infinite), int(infinite.sum()))
            what = f"infinite {kind}" if values is panel.y else f"infinite values of the covariate {name!r}"
            faults.append(explain(what, got, "finite numbers, or NaN for a missing step", fix))
    below = panel.y <= 0 if kind == "prices" else np.zeros(len(panel.y), dtype=np.bool_)
    if below.any():
        got_items = [f"{place}: {panel.y[i]:g}" for place, i in zip(panel.where(below), np.flatnonzero(below), strict=False)]
        fix = "if these are returns, say kind='returns'; an unknown price is NaN; a contract below zero (WTI, April 2020) has no log-return"
        faults.append(explain("prices that are zero or negative", listing(got_items, int(below.sum())), "prices > 0", fix))
    return faults


def return_faults(panel: Panel, returns: NDArray[np.float64]) -> list[str]:
    """Return the faults of whole series of returns (rows,): too short, or constant."""
    observed = np.isfinite(returns)
    count = np.bincount(panel.codes[observed], minlength=len(panel.names))
    faults: list[str] = []
    short = np.flatnonzero(count < MINIMUM_RETURNS)
    if short.size:
        got = listing([f"series {panel.names[i]!r}: {count[i]} observed returns" for i in short[:3]], short.size)
        expected = f"at least {MINIMUM_RETURNS} observed (not NaN) returns a series"
        faults.append(explain("too short", got, expected, "pass a longer history, or leave these series out"))
    series = pd.Series(returns[observed]).groupby(panel.codes[observed])
    low, high = series.min(), series.max()
    flat = np.asarray([code for code in low.index[(high - low) < 1e-10] if count[code] > 1], dtype=np.intp)
    if flat.size:
        got = listing([f"series {panel.names[i]!r}: every return is {low[i]:g}" for i in flat[:3]], flat.size)
        faults.append(explain("the returns do not vary", got, "a series that moves", "leave it out, or check the column that was read"))
    return faults


def step_days(panel: Panel) -> float:
    """Return the typical step of the panel [days], 1 where there are no dates."""
    if not np.issubdtype(panel.ds.dtype, np.datetime64):
        return 1.0
    steps = np.diff(panel.ds)[panel.codes[1:] == panel.codes[:-1]] / np.timedelta64(1, "D")
    steps = steps[steps > 0]
    return float(np.median(steps)) if steps.size else 1.0


def unit_faults(panel: Panel, unit: Literal["decimal", "percent"]) -> list[str]:
    """Return the faults of returns `panel.y` that cannot be in the stated unit (limits and reasons at the top of this file)."""
    observed = np.isfinite(panel.y)
    values = pd.Series(panel.y[observed]).groupby(panel.codes[observed])
    size = pd.Series(np.abs(panel.y[observed])).groupby(panel.codes[observed])
    typical, largest, one_sided = size.mean(), size.max(), values.min() > 0
    days, scale = step_days(panel), PERCENT[unit]
    limit, most = scale * LARGEST_TYPICAL_DECIMAL * max(1.0, days**0.5), scale * LARGEST_DECIMAL
    floor = SMALLEST_TYPICAL_PERCENT * days**0.5 if unit == "percent" else 0.0
    prices = one_sided & (typical > scale * LARGEST_ONE_SIDED_DECIMAL * max(1.0, days))
    high = ((typical > limit) | (largest > most)) & ~prices
    low = (typical < floor) & (typical > 0) & ~prices
    step, reading = f"for steps of {days:.3g} d", f"{0.01 * scale:g} for 1 %: mean |return|"
    upper = f"{reading} at most {limit:.3g}, largest at most {most:g}, {step}"
    too_high = {
        "decimal": "say unit='percent' if they are (kind='prices' if they are prices); leave out a part that really moves this much",
        "percent": "divide basis points by 100 (kind='prices' if they are prices); leave out a part that really moves this much",
    }
    too_low = (
        "say unit='decimal'; if they really are percent, pass the returns / 100 with unit='decimal', or dates if a step is below a day"
    )
    rules = (
        (prices, "all values are > 0 and large: are these prices?", "returns of both signs", "pass kind='prices'"),
        (high, f"the returns are not {unit}", upper, too_high[unit]),
        (low, f"the returns are not {unit}", f"{reading} at least {floor:.3g} {step}", too_low),
    )
    faults = []
    for wrong, what, expected, fix in rules:
        if len(codes := wrong.index[wrong]):
            items = [f"series {panel.names[i]!r}: mean |return| {typical[i]:.3g}, largest {largest[i]:.3g}" for i in codes[:3]]
            faults.append(explain(what, listing(items, len(codes)), expected, fix))
    return faults
