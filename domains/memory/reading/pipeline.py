"""From a raw log to reviews: clean, derive, read the grades, and note what a reader should know."""

from __future__ import annotations

from dataclasses import replace

from seqsci.domains.memory.reading.cleaning import RULES, Cleaning, RawLog, clean
from seqsci.domains.memory.reading.grades import Grades, regrade
from seqsci.domains.memory.reviews import Reviews, from_rows
from seqsci.domains.memory.study_day import NEAR_ROLLOVER, check_day_start, near_rollover, time_zone
from seqsci.errors import DataError, explain


def assemble(
    log: RawLog,
    timezone: str | None,
    day_start: float,
    grades: Grades,
    cleaning: Cleaning,
    restart_at_learning: bool,
) -> Reviews:
    """Reviews of a raw log.

    A column ``day_start_utc`` is used where no time zone is given. Raises DataError where no row is left.
    """
    time_zone(timezone or "UTC")
    check_day_start(day_start)
    own = timezone is None and "day_start_utc" in log.frame.columns
    rows = log.frame if own else log.frame.drop(columns="day_start_utc", errors="ignore")
    cleaned = clean(rows, cleaning, restart_at_learning)
    dropped = {**cleaned.dropped, "not_a_number": log.not_a_number}
    if not len(cleaned.frame):
        got = ", ".join(f"{name} {count:,}" for name, count in dropped.items() if count) or "no rows"
        readings = "; ".join(f"{name}: {RULES[name]}" for name, count in dropped.items() if count)
        raise DataError(explain("no review is left after cleaning", got, "at least one answer", f"check the file ({readings})"))
    plain = from_rows(cleaned.frame, timezone or "UTC", day_start)
    frame = plain.frame
    if "incomplete" in cleaned.frame.columns:
        lacking = cleaned.frame["incomplete"].to_numpy()
        frame = frame.assign(scored=frame["scored"] * (1 - lacking), incomplete=lacking)
    all_notes = [*log.notes, *cleaned.notes]
    if own:
        all_notes.append("study days begin at each user's hour in day_start_utc")
    else:
        if timezone is None:
            fix = "pass --data.timezone Area/City (in Python timezone='Area/City')"
            all_notes.append(f"no time zone was given: study days begin at {day_start:g}:00 UTC; {fix}")
        share = near_rollover(frame["review_time"].to_numpy(), timezone or "UTC", day_start)
        if share > NEAR_ROLLOVER:
            all_notes.append(f"{share:.0%} of the reviews lie within an hour of the next-day hour: is the time zone right?")
    return regrade(replace(plain, frame=frame, dropped=dropped, notes=tuple(all_notes)), grades)
