"""Study days: the local date of a review, where a day begins at the learner's next-day hour."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.errors import DataError, did_you_mean, explain

DAY = 86_400_000
"""Milliseconds of a day."""
HOUR = 3_600_000
LATEST = 4_102_444_800_000
"""Times from the year 2100 on are not taken for reviews."""
NEAR_ROLLOVER = 0.1
"""Share of reviews within an hour of the next-day hour above which a note doubts the time zone."""


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of an IANA name such as ``Europe/Berlin``. Raises DataError for any other text."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        hint = did_you_mean(str(name), zoneinfo.available_timezones())
        what, expected = f"unknown time zone{hint}", "an IANA name such as 'Europe/Berlin' or 'UTC'"
        raise DataError(explain(what, repr(name), expected, "pass the zone in which the reviews were made")) from error


def check_day_start(hour: float) -> None:
    """Raise DataError unless the next-day hour is a number in [0, 24)."""
    if not np.issubdtype(type(hour), np.number) or not 0 <= hour < 24:
        raise DataError(explain("no next-day hour", repr(hour), "0 <= hour < 24 (Anki's default is 4)", "see Preferences in Anki"))


def study_days(times: NDArray[np.int64], timezone: str = "UTC", day_start: float = 4) -> NDArray[np.int64]:
    """Study day (rows,) of each time: days since 1970-01-01; day d begins when the local clock first shows ``day_start`` on date d.

    ``times`` are milliseconds since the epoch in UTC. Where a change of clocks repeats the hour, its first pass counts, so that days never
    run backwards; where it leaves the hour out, the day begins with the next time that exists. Raises DataError for an unknown zone or
    hour.

    >>> one = pd.Timestamp("2024-03-31 03:59", tz="Europe/Berlin"), pd.Timestamp("2024-03-31 04:00", tz="Europe/Berlin")
    >>> study_days(np.array([t.value // 10**6 for t in one]), "Europe/Berlin")
    array([19812, 19813])
    """
    check_day_start(day_start)
    zone = time_zone(timezone)
    if not len(times):
        return np.zeros(0, dtype=np.int64)
    first = int(times.min()) // DAY - 2
    dates = np.arange(first, int(times.max()) // DAY + 4, dtype=np.int64)
    clock = pd.DatetimeIndex((dates * DAY + round(day_start * HOUR)).astype("datetime64[ms]"))
    local = clock.tz_localize(zone, ambiguous=np.ones(len(clock), dtype=np.bool_), nonexistent="NaT")
    begins = local.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    for i in np.flatnonzero(local.isna()).tolist():
        begins[i] = _end_of_gap(int(dates[i]) * DAY + round(day_start * HOUR), zone)
    found: NDArray[np.int64] = np.searchsorted(np.maximum.accumulate(begins), times, side="right") - 1 + first
    return found


def _end_of_gap(clock: int, zone: zoneinfo.ZoneInfo) -> int:
    """First moment (ms, UTC) at which a local clock shows ``clock`` (ms) or later, where a change of clocks leaves ``clock`` out."""

    def shown(moment: int) -> int:
        offset = datetime.fromtimestamp(moment / 1000, zone).utcoffset() or timedelta()
        return moment + offset // timedelta(milliseconds=1)

    low, high = clock - 15 * HOUR, clock + 15 * HOUR  # offsets lie between -12 and +14 hours
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) >= clock else (middle, high)
    return high


def days_from_utc_hour(times: NDArray[np.int64], hours: NDArray[np.float64]) -> NDArray[np.int64]:
    """Study day (rows,) of each time where a learner's day begins at an hour of UTC (column ``day_start_utc``); no change of clocks.

    Raises DataError for an hour outside [0, 24).
    """
    bad = ~((hours >= 0) & (hours < 24))
    if bad.any():
        got = f"{int(bad.sum())} rows, such as {hours[bad][0]:g}"
        raise DataError(explain("day_start_utc is no hour", got, "0 <= hour < 24", "correct the column, or pass timezone= to ignore it"))
    days: NDArray[np.int64] = (times - np.round(hours * HOUR).astype(np.int64)) // DAY
    return days


def near_rollover(times: NDArray[np.int64], timezone: str, day_start: float) -> float:
    """Share of the times within an hour of the next-day hour: high where the zone or the hour is wrong (learners are asleep then)."""
    if not len(times):
        return 0.0
    around = [study_days(times + shift, timezone, day_start) for shift in (-HOUR, HOUR)]
    return float(np.mean(around[0] != around[1]))
