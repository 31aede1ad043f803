"""Reviews: the one frame in which every part of the memory domain keeps a review history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.cleaning import reading_of
from seqsci.domains.memory.study_day import DAY, LATEST, days_from_utc_hour, study_days
from seqsci.errors import DataError, did_you_mean, explain

NEEDED = ("user", "card_id", "review_time", "grade", "state", "duration_ms")
"""Columns that `from_rows` is given; it derives the rest."""
WHOLE = NEEDED[1:]
GRADES, STATES = ("again", "hard", "good", "easy"), ("new", "learning", "review", "relearning")


@dataclass(frozen=True, eq=False)
class Reviews:
    """A cleaned review history and what was left out of it.

    Attributes:
        frame: one row a review, sorted by user, card_id, review_time; columns below.
        dropped: rows left out, by the name of the cleaning rule (`cleaning.RULES` says what each means).
        notes: what a reader should know before trusting the numbers.

    | column | holds |
    |---|---|
    | user, card_id | whose review, of which card |
    | review_time | ms since the epoch, UTC |
    | grade, recalled | 1 again, 2 hard, 3 good, 4 easy; recalled = 1 for grades 2 to 4 |
    | state | before the answer: 0 new, 1 learning, 2 review, 3 relearning |
    | duration_ms | time taken by the answer |
    | day | study day, see `study_day.study_days` |
    | review | 0-based number of the review within its card |
    | elapsed_days | whole study days since the card's review before; 0 for the first |
    | elapsed_days_exact | the same in fractions of 86,400 s |
    | same_day | 1 where review > 0 and elapsed_days = 0 |
    | first_grade, lapses | grade of the card's first review; its earlier reviews with grade 1 |
    | scored | 1 where review > 0 and not same_day |
    | incomplete | only where a reader was told to keep incomplete histories: 1 for these |
    """

    frame: pd.DataFrame
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def summary(self) -> str:
        """Rows, users, cards, span and scored share, then every rule that dropped rows with its reading, then the notes."""
        f = self.frame
        cards = f[["user", "card_id"]].drop_duplicates()
        first, last = (pd.Timestamp(int(t), unit="ms").date() for t in (f["review_time"].min(), f["review_time"].max()))
        lines = [
            f"{len(f):,} reviews of {len(cards):,} cards by {f['user'].nunique():,} users, {first} to {last}",
            f"{int(f['scored'].sum()):,} are scored (not first of a card, nor second on a day); {f['recalled'].mean():.1%} recalled",
        ]
        dropped = {name: count for name, count in self.dropped.items() if count}
        if self.dropped:
            lines.append(f"{sum(dropped.values()):,} rows dropped" + (":" if dropped else ""))
        lines += [f"  {count:>9,}  {name}: {reading_of(name)}" for name, count in dropped.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def from_rows(frame: pd.DataFrame, timezone: str = "UTC", day_start: float = 4) -> Reviews:
    """Derive every column of a review history from user, card_id, review_time, grade, state and duration_ms.

    Args:
        frame: those six columns, in any order of rows; a column ``day_start_utc`` (hour of UTC at which the user's day begins), where
            there is one, takes the place of the next two arguments.
        timezone: IANA name of the zone in which the reviews were made; changes of clocks are respected.
        day_start: local hour at which the next study day begins (Anki's default is 4).

    A row's derived columns depend on that row and earlier ones of its card alone. Raises DataError, all faults at once, for missing
    columns, values that are no integers or out of range, and two reviews of one card at one time.

    >>> rows = {"user": "a", "card_id": 7, "review_time": [90_000_000, 200_000_000], "grade": [3, 1], "state": [0, 2], "duration_ms": 900}
    >>> from_rows(pd.DataFrame(rows)).frame[["day", "elapsed_days", "first_grade", "scored"]].values.tolist()
    [[0.0, 0.0, 3.0, 0.0], [2.0, 2.0, 3.0, 1.0]]
    """
    f = _checked(frame)
    times = f["review_time"].to_numpy(np.int64)
    if "day_start_utc" in frame.columns:
        f["day"] = days_from_utc_hour(times, f.pop("day_start_utc").to_numpy(np.float64))
    else:
        f["day"] = study_days(times, timezone, day_start)
    begins = _starts(f)
    number = np.arange(len(f)) - np.maximum.accumulate(np.where(begins, np.arange(len(f)), 0))
    f["review"] = number
    later = number > 0
    f["elapsed_days"] = np.where(later, np.diff(f["day"].to_numpy(), prepend=0), 0).astype(np.float64)
    f["elapsed_days_exact"] = np.where(later, np.diff(times, prepend=0), 0) / DAY
    f["same_day"] = (later & (f["elapsed_days"].to_numpy() == 0)).astype(np.int64)
    f["scored"] = (later & (f["elapsed_days"].to_numpy() > 0)).astype(np.int64)
    return Reviews(with_grades(f, f["grade"].to_numpy(np.int64)))


def with_grades(frame: pd.DataFrame, grades: NDArray[np.int64]) -> pd.DataFrame:
    """A sorted frame with these grades and the columns that follow from them: recalled, first_grade, lapses."""
    f = frame.copy()
    position = np.arange(len(f))
    first = position - f["review"].to_numpy()
    failed = np.cumsum(np.concatenate([[0], (grades == 1)]))[:-1]
    f["grade"], f["recalled"] = grades, (grades > 1).astype(np.int64)
    f["first_grade"], f["lapses"] = grades[first], failed - failed[first]
    order = "recalled state duration_ms day review elapsed_days elapsed_days_exact same_day first_grade lapses scored".split()
    known = [*NEEDED[:4], *order]
    return f[[*known, *(name for name in f.columns if name not in known)]]


def _starts(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows (rows,) of a sorted frame are the first of their card."""
    if not len(frame):
        return np.zeros(0, dtype=np.bool_)
    users, cards = pd.factorize(frame["user"])[0], frame["card_id"].to_numpy()
    return np.concatenate([[True], (users[1:] != users[:-1]) | (cards[1:] != cards[:-1])])


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    """The needed columns, as integers and sorted; every fault in one DataError."""
    wanted = [*NEEDED, *(["day_start_utc"] if "day_start_utc" in frame.columns else [])]
    missing = [f"{name}{did_you_mean(name, map(str, frame.columns))}" for name in NEEDED if name not in frame.columns]
    if missing:
        got = ", ".join(map(str, frame.columns)) or "no columns"
        raise DataError(explain(f"missing columns: {', '.join(missing)}", got, ", ".join(NEEDED), "rename or add them"))
    f = frame[wanted].reset_index(drop=True)
    faults = [_not_whole(f[name]) for name in WHOLE] + [_no_user(f["user"])]
    if not any(faults):
        f[list(WHOLE)] = f[list(WHOLE)].astype(np.int64)
        faults = [_outside(f, "grade", 1, 4), _outside(f, "state", 0, 3), _outside(f, "review_time", 1, LATEST)]
        faults.append(_outside(f, "duration_ms", 0, 2**53))
        f = f.sort_values(["user", "card_id", "review_time"], kind="stable", ignore_index=True)
        twice = f.duplicated(["user", "card_id", "review_time"])
        if twice.any():
            got = f"{int(twice.sum())} rows, such as card {f.loc[twice, 'card_id'].iloc[0]}"
            faults.append(
                explain("two reviews of one card at one time", got, "distinct times", "drop them, or use a reader: it counts them")
            )
    if found := [fault for fault in faults if fault]:
        raise DataError("\n".join(found))
    return f


def _not_whole(column: pd.Series) -> str:
    """A fault where a column holds something that is no integer."""
    if column.dtype.kind in "iub" and column.dtype != bool:
        return ""
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53))
    got = f"{int(bad.sum())} rows, such as {column[bad].tolist()[0]!r}" if bad.any() else ""
    return explain(f"{column.name} is not whole", got, "integers", "correct or drop these rows") if got else ""


def _no_user(column: pd.Series) -> str:
    kinds = {type(value) for value in pd.unique(column.dropna())}
    mixed = len(kinds) > 1 and any(issubclass(kind, str) for kind in kinds)
    if column.isna().any() or mixed:
        got = f"{int(column.isna().sum())} rows without one" if column.isna().any() else "text and numbers mixed"
        return explain("the user is not stated", got, "text or a number in every row", "fill the column")
    return ""


def _outside(frame: pd.DataFrame, name: str, low: int, high: int) -> str:
    values = frame[name]
    bad = (values < low) | (values > high)
    if not bad.any():
        return ""
    got = f"{int(bad.sum())} rows, such as {values[bad].iloc[0]}"
    return explain(f"{name} is out of range", got, f"{low} to {high}", "correct or drop these rows, or use a reader: it counts them")
