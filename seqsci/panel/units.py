"""Long and wide frames to units packed end to end; what cannot be fitted keeps its place with a reason."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqsci.errors import DataError, did_you_mean, explain
from seqsci.model import Model
from seqsci.panel.stretches import Stretches

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Units:
    """Series of a panel, packed end to end.

    Attributes:
        ids: name of each fit (a stock; a user, where several sequences share one fit).
        outcome: (rows,) NaN where missing; known: (rows,) by name; reset: True where a sequence starts.
        offsets: (fits + 1,) row numbers at which fits begin.
        reasons: by position, why a fit cannot be made.
        dates: (rows,) dates, or those of one fit where all have the same (rows of a fit,), or None.
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
    dates: Array | None
    measure: str | None
    more: dict[str, Array] = field(default_factory=dict)
    weight: Array | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def index(self) -> Array | None:
        """The date of every row (rows,), or None."""
        return _repeated(self.dates, len(self.outcome))

    @functools.cached_property
    def missing(self) -> Array:
        """Numbers of the rows without an outcome."""
        return np.flatnonzero(np.isnan(self.outcome))

    @property
    def kinds(self) -> tuple[Array, Array, Array]:
        """Of every fit that has rows: whether it has missing steps, several sequences, and weights other than 1 (booleans)."""
        cuts, none = self.stretches(np.flatnonzero(np.diff(self.offsets) > 0)), np.zeros(0, np.int64)
        weights = none if self.weight is None else np.flatnonzero(self.weight != 1)
        return cuts.hold(self.missing), self.sequences(cuts) > 1, cuts.hold(weights)

    def sequences(self, cuts: Stretches) -> Array:
        """How many sequences begin in each of some stretches."""
        firsts = np.flatnonzero(self.reset)
        return np.searchsorted(firsts, cuts.stops) - np.searchsorted(firsts, cuts.starts)

    def counts(self, places: Array) -> Array:
        """Number of observed and scored values of some fits."""
        some, found = self.stretches(places), np.zeros(len(places), np.int64)
        for stack in some.stacks(self.missing):
            found[stack.which] = stack.shape[1] if self.weight is None else (stack.of(self.weight) > 0).sum(1)
        return found

    def stretches(self, places: Array) -> Stretches:
        """The rows of some fits."""
        return Stretches(self.offsets[:-1][places], self.offsets[1:][places])

    def rows(self, position: int) -> slice:
        """The rows of one fit."""
        return slice(int(self.offsets[position]), int(self.offsets[position + 1]))


class Raw(NamedTuple):
    """Rows in order, as `Units` has them, before anything is said of dates or trimmed at its ends."""

    ids: list[Any]
    offsets: Array
    reset: Array
    outcome: Array
    known: dict[str, Array]
    dates: Array | None
    reasons: dict[int, str]
    more: dict[str, Array]
    weight: Array | None

    def at(self, rows: Array, offsets: Array, reset: Array) -> Raw:
        """Some of the rows (booleans)."""
        known, more = ({n: v[rows] for n, v in columns.items()} for columns in (self.known, self.more))
        dates, weight = (None if v is None else v[rows] for v in (_repeated(self.dates, len(rows)), self.weight))
        return Raw(self.ids, offsets, reset, self.outcome[rows], known, dates, self.reasons, more, weight)


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
        return Raw([], np.zeros(1, np.int64), np.zeros(0, bool), np.zeros(0), {}, None, {}, {}, None)
    if others or not numeric:
        hint = did_you_mean(by, map(str, table.columns))
        raise DataError(
            explain(f"no column {by!r}{hint}, and not a wide frame of numbers", f"text in {others[:5]}", f"{by}, or numbers", "name by=")
        )
    ids = [names[i] for i in numeric]
    values = np.ascontiguousarray(table.iloc[:, numeric].to_numpy(float).T).reshape(-1)
    offsets, reset = len(table) * np.arange(len(ids) + 1), np.zeros((len(ids), len(table)), bool)
    reset[:, :1] = True
    once = {} if index is None else _disordered(offsets[:2], reset[:1].reshape(-1), index)
    return Raw(ids, offsets, reset.reshape(-1), values, {}, index, {i: r for r in once.values() for i in range(len(ids))}, {}, None)


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
    if within is not None or (codes[1:] < codes[:-1]).any():
        order = np.lexsort((inner, codes))
        codes, inner, y = codes[order], inner[order], y[order]
        known, more = ({n: v[order] for n, v in columns.items()} for columns in (known, more))
        index, weight = (None if v is None else v[order] for v in (index, weight))
    offsets = np.searchsorted(codes, np.arange(len(found) + 1)).astype(np.int64)
    reset = np.asarray(np.r_[True, (codes[1:] != codes[:-1]) | (inner[1:] != inner[:-1])][: len(codes)])
    return Raw(list(found), offsets, reset, y, known, index, _disordered(offsets, reset, index) | reasons, more, weight)


def _weight(column: Any, codes: Array, reasons: dict[int, str]) -> Array:
    """Weights; a fit with one that is no number of at least 0 gets a reason."""
    found = _numbers(column, "weight", codes, reasons)
    for at in np.flatnonzero(~(np.isfinite(found) & (found >= 0))).tolist():
        reasons.setdefault(int(codes[at]), f"weight is {found[at]:g}, not a number of at least 0")
    return found


def _packed(raw: Raw, measure: str | None, keep_ends: bool) -> Units:
    reasons = dict(raw.reasons)
    raw = raw if keep_ends else _without_ends(raw)
    if (twice := pd.Index(raw.ids).duplicated(keep=False)).any():
        reasons |= {int(i): f"duplicate id {raw.ids[i]!r}" for i in np.flatnonzero(twice)}
    known, more = ({n: _own(v) for n, v in columns.items()} for columns in (raw.known, raw.more))
    weight = None if raw.weight is None else _own(raw.weight)
    return Units(raw.ids, _own(raw.outcome), known, raw.reset, raw.offsets, reasons, raw.dates, measure, more, weight)


def _repeated(dates: Array | None, rows: int) -> Array | None:
    """Dates of every row, from those of one fit where all have the same."""
    return dates if dates is None or len(dates) == rows or not len(dates) else np.tile(dates, rows // len(dates))


def _own(values: Array) -> Array:
    """A contiguous array that compiled code takes as it is; a view of the user's frame, which is read only, is copied."""
    return values if values.flags.writeable and values.flags.c_contiguous else np.array(values, order="C")


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


def _disordered(offsets: Array, reset: Array, dates: Array | None) -> dict[int, str]:
    """Fits whose dates do not increase within a sequence, and why."""
    if dates is None or not len(dates):
        return {}
    with np.errstate(invalid="ignore"):
        bad = ~reset[1:] & ~(dates[1:] > dates[:-1]) & ~pd.isna(dates[1:]) & ~pd.isna(dates[:-1])
    places = np.flatnonzero(bad)
    fits, first = np.unique(np.searchsorted(offsets, places, side="right") - 1, return_index=True)
    reasons: dict[int, str] = {}
    for fit, at in zip(fits.tolist(), places[first].tolist(), strict=True):
        kind = "duplicate" if dates[at + 1] == dates[at] else "unsorted"
        reasons[fit] = f"{kind} dates: {str(dates[at])[:10]} is followed by {str(dates[at + 1])[:10]}"
    return reasons


def _without_ends(raw: Raw) -> Raw:
    """Rows but the leading and trailing NaN of each sequence."""
    y, firsts = raw.outcome, np.flatnonzero(raw.reset)
    stops = np.append(firsts[1:], len(y)) if len(firsts) else firsts
    ragged = np.flatnonzero(np.isnan(y[firsts]) | np.isnan(y[stops - 1]))
    if not len(ragged):
        return raw
    begin, end, kept = firsts.copy(), stops.copy(), np.ones(len(y), bool)
    for s, (a, b) in zip(ragged.tolist(), zip(firsts[ragged].tolist(), stops[ragged].tolist(), strict=True), strict=True):
        seen = ~np.isnan(y[a:b])
        begin[s], end[s] = (a + int(seen.argmax()), b - int(seen[::-1].argmax())) if seen.any() else (b, b)
        kept[a : begin[s]] = kept[end[s] : b] = False
    lengths = end - begin
    after = np.concatenate([[0], np.cumsum(lengths)])
    reset = np.zeros(int(after[-1]), bool)
    reset[after[:-1][lengths > 0]] = True
    return raw.at(kept, after[np.searchsorted(firsts, raw.offsets)], reset)
