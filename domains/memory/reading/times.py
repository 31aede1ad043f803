"""Times and whole numbers of a table's columns: exact, or marked as none; a unit that is plainly another one is an error."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.reading.cleaning import EARLIEST
from seqsci.domains.memory.study_day import time_zone
from seqsci.errors import DataError, explain

TimeUnit = Literal["ms", "s", "iso"]
LATE = 10**14
"""Numbers from here on are micro- or nanoseconds: as milliseconds they would lie after the year 5138."""
OFFSET = r"[T ].*(?:Z|[+-]\d\d(?::?\d\d)?)$"


def whole_numbers(column: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Integers (rows,) of a column and which rows hold one; numbers beyond 2^53 count only where they were read exactly."""
    if column.dtype.kind in "iu" and column.dtype != object and not column.isna().any():
        values = column.to_numpy()
        exact = values <= np.iinfo(np.int64).max
        return np.where(exact, values, 0).astype(np.int64), exact
    if column.dtype.kind in "f":
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        exact = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53)
        return np.where(exact, numbers, 0).astype(np.int64), exact
    text = column.astype(object).map(lambda value: "" if value is None or value is pd.NA else str(value).strip())
    digits = text.str.fullmatch(r"[+-]?\d{1,19}(?:\.0*)?")
    whole = text.where(digits, "0").str.partition(".")[0].map(int)
    sound = (digits & (whole.abs() < 2**63)).to_numpy(np.bool_)
    return np.where(sound, whole, 0).astype(np.int64), sound


def _say(unit: TimeUnit) -> str:
    """How the unit of time is stated, in the shell and in Python."""
    return f"say --data.time_unit {unit} (in Python ReviewColumns(..., time_unit='{unit}'))"


def read_times(column: pd.Series, unit: TimeUnit, timezone: str | None, notes: list[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Milliseconds since the epoch (rows,) and which rows have a time; DataError where the unit is plainly another one."""
    if unit == "iso":
        return _dates(column, timezone, notes)
    if unit == "s" or column.dtype.kind == "f":
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan) * (1000 if unit == "s" else 1)
        exact = np.isfinite(numbers) & (np.abs(numbers) < 2**62)
        values = np.round(np.where(exact, numbers, 0)).astype(np.int64)
    else:
        values, exact = whole_numbers(column)
    positive = values[exact & (values > 0)]
    middle = float(np.median(positive)) if positive.size else float(EARLIEST)
    given = column.notna()
    if given.any() and not exact[given].any():
        fix = f"if they are dates, {_say('iso')}" if column.dtype.kind not in "if" else "check the column"
        raise DataError(explain(f"no time in {column.name}", repr(column[given].tolist()[0]), f"whole numbers ({unit})", fix))
    if EARLIEST <= middle < LATE:
        return values, exact
    stated = middle / (1000 if unit == "s" else 1)
    likely = "seconds" if middle < EARLIEST else "milliseconds" if unit == "s" else "micro- or nanoseconds"
    fixes = {
        "seconds": f"multiply it by 1000, or {_say('s')}",
        "milliseconds": _say("ms"),
        "micro- or nanoseconds": "divide it by 1,000 or 1,000,000",
    }
    got, expected = f"a median of {stated:,.0f}, which looks like {likely}", f"{unit} since 1970"
    raise DataError(explain(f"{column.name} is in another unit", got, expected, fixes[likely]))


def _dates(column: pd.Series, timezone: str | None, notes: list[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    zone = time_zone(timezone or "UTC")
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moments = column.dt.tz_convert("UTC")
    else:
        text = column.astype(object).map(_date_text)
        with_offset = text.notna() & text.astype(str).str.contains(OFFSET)
        moments = pd.to_datetime(text.where(with_offset), format="ISO8601", errors="coerce", utc=True).dt.as_unit("ms")
        local = pd.to_datetime(text.where(~with_offset), format="ISO8601", errors="coerce").dt.as_unit("ms")
        if local.notna().any():
            notes.append(f"times without an offset from UTC were read as local time in {zone.key}; of a repeated hour the first pass")
            first = np.ones(len(local), dtype=np.bool_)
            moments = moments.fillna(local.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").dt.tz_convert("UTC"))
    known = moments.notna().to_numpy(np.bool_)
    if not known.any() and column.notna().any():
        got = repr(column[column.notna()].tolist()[0])
        raise DataError(
            explain(f"no date in {column.name}", got, "ISO 8601, such as 2024-03-31T08:15:00+02:00", f"rewrite it, or {_say('ms')}")
        )
    values = moments.dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    return np.where(known, values, 0), known


def _date_text(value: Any) -> str | None:
    """The text of a cell that may be a date: of a date itself, of a text, of a number of eight digits (20240331); else None."""
    if value is pd.NaT or not (isinstance(value, str | int | np.integer) or hasattr(value, "isoformat")):
        return None
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text if isinstance(value, str) or hasattr(value, "isoformat") or len(text) == 8 else None
