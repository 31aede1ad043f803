"""Review logs as tables: CSV (plain or gzip) and Parquet, by fsrs-optimizer's column names or the user's own."""

from __future__ import annotations

import csv
import gzip
import io
import os
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.reading.anki import head_of
from seqsci.domains.memory.reading.archive import CHUNK, Bounded, Limits
from seqsci.domains.memory.reading.cleaning import FILTERED, LEARNING, RELEARNING, REVIEW, UNKNOWN, Cleaning, RawLog
from seqsci.domains.memory.reading.grades import AsPressed, Grades
from seqsci.domains.memory.reading.names import blank_cells, card_numbers, user_names
from seqsci.domains.memory.reading.pipeline import assemble
from seqsci.domains.memory.reading.times import TimeUnit, read_times, whole_numbers
from seqsci.domains.memory.reviews import Reviews
from seqsci.errors import ConfigError, DataError, MissingExtraError, did_you_mean, explain

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
KIND_OF_STATE = {0: LEARNING, 1: LEARNING, 2: REVIEW, 3: RELEARNING, 4: FILTERED}


@dataclass(frozen=True)
class ReviewColumns:
    """Which columns of a table hold what.

    Attributes:
        card: of the card (numbers or text).
        time: of the time of the review.
        grade: of the answer: 1 again, 2 hard, 3 good, 4 easy, or what ``grade_map`` translates.
        user, state, duration: of the user, the state before the answer (0 new, 1 learning, 2 review, 3 relearning), the milliseconds
            taken; None where the table has none: then there is one user, every card starts with its first row, durations are 0. A blank
            state is as if the table had none for that row, a duration that is blank or no number is 0.
        time_unit: ``"ms"`` or ``"s"`` since the epoch, or ``"iso"`` for ISO 8601 text and date columns (without an offset: local time).
        grade_map: grade of each value, such as ``{"pass": 3, "fail": 1}``; None for numbers.
    """

    card: str
    time: str
    grade: str
    user: str | None = None
    state: str | None = None
    duration: str | None = None
    time_unit: TimeUnit = "ms"
    grade_map: Mapping[Any, int] | None = None

    def __post_init__(self) -> None:
        if self.time_unit not in ("ms", "s", "iso"):
            got = f"{self.time_unit!r}{did_you_mean(str(self.time_unit), ('ms', 's', 'iso'))}"
            raise ConfigError(explain("unknown unit of time", got, "'ms', 's' or 'iso'", "name one of these"))
        if self.grade_map is not None and (not self.grade_map or not set(self.grade_map.values()) <= {1, 2, 3, 4}):
            raise ConfigError(explain("no map of grades", dict(self.grade_map), "values 1 to 4", "say {'pass': 3, 'fail': 1}"))


FSRS_COLUMNS = ReviewColumns("card_id", "review_time", "review_rating", "user", "review_state", "review_duration")
"""fsrs-optimizer's schema: times and durations in ms, rating 1-4, state 0-3. user, review_state and review_duration may be absent."""


def read_table(
    path: str | os.PathLike[str],
    columns: ReviewColumns = FSRS_COLUMNS,
    timezone: str | None = None,
    day_start: float = 4,
    user: str | int = 0,
    grades: Grades | None = None,
    cleaning: Cleaning | None = None,
    limits: Limits | None = None,
) -> Reviews:
    """Read reviews from a CSV (separated by comma, semicolon or tab; plain or gzip) or Parquet file.

    Args:
        path: the file; its kind is told by its content.
        columns: names and units; the default is fsrs-optimizer's schema.
        timezone, day_start: of the study days. A column ``day_start_utc`` (hour of UTC, per row) is used where ``timezone`` is None.
        user: the user's name where the table has no column for it.
        grades: what the grades mean (`AsPressed`, `OldSchedulerGrades`, `TwoButtons`).
        cleaning: choices of the cleaning rules. A table has no mark of a reset: learning after a review starts a card anew only if told.
        limits: how far a gzip file may unfold.

    A rating of 0 counts as manual, a field that is no integer as not_a_number. Raises DataError for a damaged file, missing columns, values
    that ``grade_map`` lacks, times in another unit than stated, or no usable review; MissingExtraError for Parquet without pyarrow.
    """
    source = Path(path).expanduser()
    table = _table(source, limits or Limits(), [name for name in (columns.card, columns.user) if name is not None])
    log = _raw(table, columns, source, user, timezone)
    return assemble(log, timezone, day_start, grades or AsPressed(), cleaning or Cleaning(), restart_at_learning=False)


def _table(path: Path, limits: Limits, names: list[str]) -> pd.DataFrame:
    """The table as it was written: every name of its header, and the columns of names as text, as 001 and 1 may be two."""
    head = head_of(path)
    try:
        if head.startswith(PARQUET):
            return pd.read_parquet(path)
        content = _unzipped(path, limits) if head.startswith(GZIP) else path.read_bytes()
        lines = content[: 1 << 16].lstrip(b"\r\n").decode("utf-8-sig", errors="replace")
        separator = max(",;\t", key=lines.partition("\n")[0].count)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # more fields in a row than names in the header
            table = pd.read_csv(io.BytesIO(content), sep=separator, index_col=False, low_memory=False, dtype=dict.fromkeys(names, str))
        header = next(csv.reader(io.StringIO(lines), delimiter=separator), [])
        return table.set_axis(header, axis=1) if len(header) == len(table.columns) else table  # pandas renames a name that comes twice
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data", f"Reading {path.name}") from error
    except UnicodeDecodeError as error:
        raise DataError(explain(f"{path} is not UTF-8", error, "UTF-8 text", "save it again with the encoding UTF-8")) from error
    except DataError:
        raise
    except (ValueError, OSError, EOFError, zlib.error, csv.Error, pd.errors.ParserWarning) as error:
        fix = "open it and check that it is complete"
        raise DataError(explain(f"{path} cannot be read", error, "a table with a header", fix)) from error


def _unzipped(path: Path, limits: Limits) -> bytes:
    content = io.BytesIO()
    target = Bounded(content, path, limits)
    with gzip.open(path) as source:
        while data := source.read(CHUNK):
            target.write(data)
    return content.getvalue()


def _raw(table: pd.DataFrame, columns: ReviewColumns, path: Path, user: str | int, timezone: str | None) -> RawLog:
    """The table as a raw log: rows with a field that is no integer are counted and left out."""
    names = [str(name) for name in table.columns]
    table = table.set_axis(names, axis=1)
    optional = {role: name for role in ("user", "state", "duration") if (name := getattr(columns, role)) is not None}
    if columns == FSRS_COLUMNS:
        optional = {role: name for role, name in optional.items() if name in names}
    needed = {"card": columns.card, "time": columns.time, "grade": columns.grade, **optional}
    missing = [f"{name}{did_you_mean(name, names)}" for name in needed.values() if name not in names]
    twice = sorted({name for name in (*needed.values(), "day_start_utc") if names.count(name) > 1})
    if missing or twice:
        what = f"{path} lacks columns: {', '.join(missing)}" if missing else f"{path} has columns of one name: {', '.join(twice)}"
        expected = "the columns " + ", ".join(needed.values())
        shell = "--data.card_column, --data.time_column and --data.grade_column"
        fix = f"rename them, or name yours: {shell} (in Python columns=ReviewColumns(card=..., time=..., grade=...))"
        raise DataError(explain(what, ", ".join(names)[:500], expected, fix))
    if not len(table):
        raise DataError(explain(f"{path} holds no reviews", "a header alone", "at least one row", "export it again"))
    notes: list[str] = []
    card, sound = card_numbers(table[columns.card], notes)
    times, good = read_times(table[columns.time], columns.time_unit, timezone, notes)
    sound = sound & good
    grade, good = _grades(table[columns.grade], columns)
    sound = sound & good
    log = pd.DataFrame({"card_id": card, "review_time": times, "grade": grade})
    log["user"] = user_names(table[optional["user"]]) if "user" in optional else user
    log["state"], blank = np.full(len(table), -1), np.ones(len(table), dtype=np.bool_)
    if "state" in optional:
        values, good = whole_numbers(table[optional["state"]])
        blank = blank_cells(table[optional["state"]])
        log["state"], sound = np.where(blank, -1, values), sound & (good | blank)
    log["duration"] = _durations(table[optional["duration"]], notes) if "duration" in optional else 0
    if "state" in optional and blank.any():
        notes.append(f"{int(blank.sum()):,} states are blank: a card's first such row is taken for learning, the others for reviews")
    if "state" not in optional:
        notes.append("the file has no states: each card's first row is taken for its first learning review, the others for reviews")
    if "day_start_utc" in names:
        log["day_start_utc"] = pd.to_numeric(table["day_start_utc"], errors="coerce").to_numpy(np.float64)
    kind = log["state"].map(KIND_OF_STATE).fillna(UNKNOWN).astype(np.int64)
    strange = (kind == UNKNOWN) & ~blank
    if foreign := int((strange & sound).sum()):
        notes.append(f"{foreign:,} rows have a state outside 0 to 4; they are taken for reviews")
        kind = kind.mask(strange, REVIEW)
    log = log.assign(kind=kind, factor=1, created=-1, known=True, starts=log["state"] == 0).rename(columns={"duration": "duration_ms"})
    kept = log[sound].drop(columns="state")
    order = kept.groupby(["user", "card_id"], sort=False)["review_time"].diff()
    if backwards := int((order < 0).sum()):
        notes.append(f"{backwards:,} rows stood before an earlier review of their card; the rows were sorted by time")
    return RawLog(kept, int((~sound).sum()), tuple(notes))


def _grades(column: pd.Series, columns: ReviewColumns) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if columns.grade_map is None:
        values, exact = whole_numbers(column)
        given = column.notna()
        if not exact[given].any() and given.any():
            got = ", ".join(repr(v) for v in column[given].unique().tolist()[:5])
            fix = "write 1 to 4, or say in Python what they mean: ReviewColumns(..., grade_map={'pass': 3, 'fail': 1})"
            raise DataError(explain(f"no number in the grades ({columns.grade})", got, "1 again, 2 hard, 3 good, 4 easy", fix))
        return values, exact
    mapped = column.astype(object).map(dict(columns.grade_map))
    given = column.notna()
    if len(strange := column[given & mapped.isna()].unique().tolist()):
        got = ", ".join(_strange(v, columns.grade_map) for v in strange[:5])
        raise DataError(
            explain(
                f"grades that grade_map lacks ({columns.grade})",
                got,
                ", ".join(map(repr, columns.grade_map)),
                "add them to it, as they are here",
            )
        )
    values = mapped.fillna(0).to_numpy(np.int64)
    return values, given.to_numpy(np.bool_)


def _strange(value: Any, known: Mapping[Any, int]) -> str:
    """A value that a map lacks, with the key that was meant: one of another type, or of nearly the same letters."""
    kinds = {str(key): type(key).__name__ for key in known}
    if str(value) in kinds:
        return f"{value!r} (of type {type(value).__name__}; the map has it as {kinds[str(value)]})"
    return f"{value!r}{did_you_mean(str(value), kinds)}"


def _durations(column: pd.Series, notes: list[str]) -> NDArray[np.int64]:
    """Milliseconds (rows,), rounded; 0 where a cell is blank or no number."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if lacking := int((~np.isfinite(numbers)).sum()):
        notes.append(f"{lacking:,} durations are blank or no number; they count as 0")
    return np.clip(np.rint(np.where(np.isfinite(numbers), numbers, 0)), -(2**53), 2**53).astype(np.int64)
