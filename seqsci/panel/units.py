"""Long and wide frames to units packed end to end; what cannot be fitted keeps its place with a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqsci.errors import DataError, did_you_mean, explain
from seqsci.model import Model

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Units:
    """Series of a panel, packed end to end.

    Attributes:
        ids: name of each fit (a stock; a user, where several sequences share one fit).
        outcome: (rows,) NaN where missing; known: (rows,) by name; reset: True where a sequence starts.
        offsets: (fits + 1,) row numbers at which fits begin.
        reasons: by position, why a fit cannot be made.
        index: (rows,) dates, or None.
        measure: unit of the outcome.
        more: (rows,) further outcomes by name, as the mechanism declares them; a row that lacks one is a missing step.
        weight: (rows,) factor of a row's log density, 0 moves the state and is not scored; None = all 1.
    """

    ids: list[Any]
    outcome: Array
    known: dict[str, Array]
    reset: Array
    offsets: Array
    reasons: dict[int, str]
    index: Array | None
    measure: str | None
    more: dict[str, Array] = field(default_factory=dict)
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def count(self, position: int) -> int:
        """Number of observed and scored values of one fit."""
        seen = ~np.isnan(self.outcome[self.rows(position)])
        return int((seen if self.weight is None else seen & (self.weight[self.rows(position)] > 0)).sum())

    def rows(self, position: int) -> slice:
        """The rows of one fit."""
        return slice(int(self.offsets[position]), int(self.offsets[position + 1]))


class Raw(NamedTuple):
    """Rows in order: names of the fits, codes of the fit and of the sequence within it, outcomes, known columns, dates, weights."""

    ids: list[Any]
    codes: Array
    inner: Array
    outcome: Array
    known: dict[str, Array]
    dates: Array | None
    reasons: dict[int, str]
    more: dict[str, Array]
    weight: Array | None

    def at(self, rows: Array) -> Raw:
        """Some of the rows, or the rows in another order."""
        known, more = ({n: v[rows] for n, v in columns.items()} for columns in (self.known, self.more))
        dates, weight = (None if v is None else v[rows] for v in (self.dates, self.weight))
        return Raw(self.ids, self.codes[rows], self.inner[rows], self.outcome[rows], known, dates, self.reasons, more, weight)


def to_units(
    model: Model, frame: Any, by: str = "unique_id", within: str | None = None, unit: str | None = None, keep_ends: bool = False
) -> Units:
    """Return a frame as units: long (``by``, ds, y or the outcome's name, known columns) or wide (dates x names; no column ``by``).

    A long frame holds the mechanism's further outcomes too, and may hold ``weight``, a factor of each row's log density.
    ``within`` names the column of the sequences that share one fit (the cards of a user). Leading and trailing NaN of a series are no
    steps, unless ``keep_ends``; those in between are missing steps. Raises `DataError` for what concerns the whole frame: a missing column,
    an unstated unit.
    """
    outcome = model.mechanism.outcomes[0]
    table = frame.to_pandas() if hasattr(frame, "to_pandas") else frame
    if not isinstance(table, pd.DataFrame):
        raise DataError(explain("a panel is not a frame", type(frame).__name__, "a pandas frame, long or wide", "pass pd.DataFrame(...)"))
    measure = unit or table.attrs.get("unit")
    if outcome.units and measure not in outcome.units:
        allowed = " or ".join(outcome.units)
        raise DataError(
            explain(f"the unit of {outcome.name} is not stated", f"unit = {measure!r}", allowed, f"pass unit={outcome.units[0]!r}")
        )
    mechanism = model.mechanism
    wanted = {by, within, "ds", "y", "weight", *(r.name for r in (*mechanism.known, *mechanism.outcomes))}
    if twice := [c for c in table.columns[table.columns.duplicated()] if c in wanted]:
        raise DataError(explain("a column occurs twice", ", ".join(map(repr, twice)), "one column a name", "rename or drop one"))
    if within is not None and by not in table.columns:
        raise DataError(explain("within= needs a long frame", "dates x names", f"columns {by}, {within}, ds, y", "pass a long frame"))
    found = _from_long(model, table, by, within) if by in table.columns else _from_wide(model, table, by)
    return _packed(found, measure, keep_ends)


def _from_wide(model: Model, table: pd.DataFrame, by: str) -> Raw:
    """Columns of numbers, one a series; names that occur twice stay apart."""
    if others := [*(k.name for k in model.mechanism.known), *(o.name for o in model.mechanism.outcomes[1:])]:
        needed = ", ".join(others)
        raise DataError(explain("a wide frame has no known columns", "dates x names", f"a long frame with {needed}", f"pass {by}, ds, y"))
    dates = next((c for c in ("ds", "date", "Date") if c in table.columns), None)
    index = dates_of(table[dates]) if dates else None if isinstance(table.index, pd.RangeIndex) else dates_of(table.index)
    names, kinds = list(table.columns), list(table.dtypes)
    number = {kind: pd.api.types.is_numeric_dtype(kind) for kind in set(kinds)}
    numeric = [i for i, (c, kind) in enumerate(zip(names, kinds, strict=True)) if c != dates and number[kind]]
    others = [str(c) for c, kind in zip(names, kinds, strict=True) if c != dates and not number[kind]]
    if not len(table.columns) and not len(table):
        return Raw([], np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), {}, None, {}, {}, None)
    if others or not numeric:
        hint = did_you_mean(by, map(str, table.columns))
        raise DataError(
            explain(f"no column {by!r}{hint}, and not a wide frame of numbers", f"text in {others[:5]}", f"{by}, or numbers", "name by=")
        )
    ids = [names[i] for i in numeric]
    values = np.ascontiguousarray(table.iloc[:, numeric].to_numpy(float).T).reshape(-1)
    codes = np.repeat(np.arange(len(ids)), len(table))
    return Raw(ids, codes, np.zeros_like(codes), values, {}, None if index is None else np.tile(index, len(ids)), {}, {}, None)


def _from_long(model: Model, long: pd.DataFrame, by: str, within: str | None) -> Raw:
    """Rows in the order of fits, then of the sequences within them, then as they came."""
    outcome, *further = (o.name for o in model.mechanism.outcomes)
    source = outcome if outcome in long.columns else "y"
    needed = [source, *further, *(k.name for k in model.mechanism.known), *([within] if within else [])]
    if lost := [n for n in needed if n not in long.columns]:
        have = ", ".join(map(str, long.columns))
        raise DataError(explain(f"missing column {', '.join(map(repr, lost))}", have, ", ".join(needed), "rename or add it"))
    codes, found = pd.factorize(long[by], use_na_sentinel=False)
    inner = np.zeros(len(long), np.int64) if within is None else pd.factorize(long[within], use_na_sentinel=False)[0]
    reasons: dict[int, str] = {}
    y = _numbers(long[source], source, codes, reasons)
    more = {n: _numbers(long[n], n, codes, reasons) for n in further}
    for values in more.values():
        y = np.where(np.isnan(values), np.nan, y)
    known = {k.name: _numbers(long[k.name], k.name, codes, reasons) for k in model.mechanism.known}
    weight = None if "weight" in known or "weight" not in long.columns else _weight(long["weight"], codes, reasons)
    index = dates_of(long["ds"]) if "ds" in long.columns else None
    raw = Raw(list(found), codes, inner, y, known, index, reasons, more, weight)
    return raw.at(np.lexsort((inner, codes))) if within is not None or (codes[1:] < codes[:-1]).any() else raw


def _weight(column: Any, codes: Array, reasons: dict[int, str]) -> Array:
    """Weights; a fit with one that is no number of at least 0 gets a reason."""
    found = _numbers(column, "weight", codes, reasons)
    for at in np.flatnonzero(~(np.isfinite(found) & (found >= 0))):
        reasons.setdefault(int(codes[at]), f"weight is {found[at]:g}, not a number of at least 0")
    return found


def _packed(raw: Raw, measure: str | None, keep_ends: bool) -> Units:
    reasons = _disordered(raw.codes, _starts(raw.codes, raw.inner), raw.dates) | raw.reasons
    kept = np.ones(len(raw.outcome), bool) if keep_ends else _without_ends(raw.outcome, _starts(raw.codes, raw.inner))
    if not kept.all():
        raw = raw.at(kept)
    ids, codes = raw.ids, raw.codes
    offsets = np.searchsorted(codes, np.arange(len(ids) + 1)).astype(np.int64)
    if (twice := pd.Index(ids).duplicated(keep=False)).any():
        reasons |= {int(i): f"duplicate id {ids[i]!r}" for i in np.flatnonzero(twice)}
    known, more = ({n: _own(v) for n, v in columns.items()} for columns in (raw.known, raw.more))
    weight = None if raw.weight is None else _own(raw.weight)
    return Units(ids, _own(raw.outcome), known, _starts(codes, raw.inner), offsets, reasons, raw.dates, measure, more, weight)


def _own(values: Array) -> Array:
    """A contiguous array that compiled code takes as it is; a view of the user's frame, which is read only, is copied."""
    return values if values.flags.writeable and values.flags.c_contiguous else np.array(values, order="C")


def _starts(codes: Array, inner: Array) -> Array:
    """True where a sequence starts."""
    return np.asarray(np.r_[True, (codes[1:] != codes[:-1]) | (inner[1:] != inner[:-1])][: len(codes)])


def _numbers(column: Any, name: Any, codes: Array, reasons: dict[int, str]) -> Array:
    """A column as floats; a fit with text in it gets a reason."""
    found: Array = pd.to_numeric(column, errors="coerce").to_numpy(float)
    bad = np.isnan(found) & ~pd.isna(column).to_numpy()
    for at in np.flatnonzero(bad):
        reasons.setdefault(int(codes[at]), f"{name} holds text: {column.iloc[at]!r}")
    return found


def dates_of(column: Any) -> Array:
    """Dates that sort: datetime64, or numbers as they are; with a time zone, midnights keep their date and other times become UTC.

    Raises `DataError` for text that is no ISO date.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.array(column)
    values = pd.Series(np.asarray(column) if isinstance(column.dtype, np.dtype) else column)
    try:
        if isinstance(values.dtype, pd.PeriodDtype):
            read = pd.Series(pd.PeriodIndex(values).to_timestamp())
        else:
            read = values if values.dtype.kind == "M" else pd.to_datetime(values, format="ISO8601")
    except (ValueError, TypeError) as error:
        fix = "pd.to_datetime(frame['ds'], dayfirst=True), or a column of numbers"
        raise DataError(explain("ds holds what is no date", str(error).splitlines()[0][:100], "ISO dates (2024-01-31)", fix)) from error
    if read.dt.tz is not None:
        local = read.dt.tz_localize(None)
        midnights = bool((local.dropna() == local.dropna().dt.normalize()).all())
        read = local if midnights else read.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.array(read, dtype="datetime64[ns]")


def _disordered(codes: Array, new: Array, index: Array | None) -> dict[int, str]:
    """Fits whose dates do not increase."""
    if index is None or not len(index):
        return {}
    dates = index
    with np.errstate(invalid="ignore"):
        bad = ~new[1:] & ~(dates[1:] > dates[:-1]) & ~pd.isna(dates[1:]) & ~pd.isna(dates[:-1])
    reasons: dict[int, str] = {}
    for at in np.flatnonzero(bad):
        kind = "duplicate" if dates[at + 1] == dates[at] else "unsorted"
        reasons.setdefault(int(codes[at]), f"{kind} dates: {str(index[at])[:10]} is followed by {str(index[at + 1])[:10]}")
    return reasons


def _without_ends(y: Array, new: Array) -> Array:
    """Rows but the leading and trailing NaN of each sequence (booleans)."""
    kept = np.ones(len(y), bool)
    if not len(y):
        return kept
    seen = ~np.isnan(y)
    if seen.all():
        return kept
    starts = np.flatnonzero(new)
    number = np.cumsum(new) - 1
    position = np.arange(len(y))
    first = np.full(len(starts), len(y))
    last = np.full(len(starts), -1)
    np.minimum.at(first, number[seen], position[seen])
    np.maximum.at(last, number[seen], position[seen])
    return np.asarray((position >= first[number]) & (position <= last[number]))
