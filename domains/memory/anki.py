"""Anki collections: the review log and the ids of the cards, read-only; note text is never read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.anki_archive import NEW_EXPORT, SQLITE, ZIP, ZSTD, Limits, unpacked
from seqsci.domains.memory.cleaning import FOREIGN, Cleaning, RawLog
from seqsci.domains.memory.grades import AsPressed, Grades
from seqsci.domains.memory.pipeline import assemble
from seqsci.domains.memory.reviews import Reviews
from seqsci.errors import DataError, did_you_mean, explain

READABLE = {
    "revlog": ("id", "cid", "ease", "factor", "time", "type"),
    "cards": ("id",),
    "col": ("ver",),
    "sqlite_master": ("type", "name", "sql", "tbl_name", "rootpage"),
}
"""The only tables and columns that the connection lets through; everything else is denied by SQLite's authorizer."""
FUNCTIONS, PRAGMAS = ("typeof", "count", "min", "max"), ("quick_check", "table_info", "trusted_schema")
SCHEMAS = range(11, 19)
"""Values of col.ver that are known: Anki 2.0 (11) to 2.1.50 and later (18)."""
BATCH = 1 << 16


def head_of(path: Path) -> bytes:
    """First 16 bytes of a regular file. Raises DataError for what is missing, a folder, a broken link, a device, or unreadable."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        what = f"no such file: {path}"
        if path.is_symlink():
            what = f"{path} is a link to nothing"
        elif path.parent.is_dir():
            what += did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
        raise DataError(explain(what, error, "an existing file", f"check the path; the present folder is {Path.cwd()}")) from error
    if stat.S_ISDIR(mode):
        inside = [name for name in ("collection.anki2",) if (path / name).is_file()]
        fix = f"pass {path / inside[0]}" if inside else "pass a file inside it"
        raise DataError(explain(f"{path} is a folder", "a folder", "a file", fix))
    if not stat.S_ISREG(mode):
        raise DataError(explain(f"{path} is no regular file", stat.filemode(mode), "a file", "copy the data to a file"))
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise DataError(explain(f"{path} cannot be read", error, "a readable file", "check its permissions")) from error


def read_anki(
    path: str | os.PathLike[str],
    timezone: str | None = None,
    day_start: float = 4,
    user: str | int = 0,
    grades: Grades | None = None,
    cleaning: Cleaning | None = None,
    limits: Limits | None = None,
) -> Reviews:
    """Read the reviews of a collection.anki2, .apkg, .colpkg or lone collection.anki21b.

    Args:
        path: the file. It is opened read-only and immutable: nothing is written beside it, and Anki may keep it.
        timezone: IANA name of the zone in which the reviews were made. None is UTC, and is noted.
        day_start: local hour at which the next day begins (Preferences in Anki).
        user: name for the rows' user column.
        grades: what the buttons mean (`AsPressed`; `OldSchedulerGrades`, `TwoButtons`).
        cleaning: choices of the cleaning rules.
        limits: how far a compressed collection may unfold.

    From revlog are read id, cid, ease, factor, time and type, from cards the ids, from col the schema version: no other table or column.
    Intervals (ivl, lastIvl) are not read: elapsed time comes from the times of the reviews. Raises DataError for a file that is no
    collection, damaged, of an unknown schema, in use by Anki, or without a usable review; MissingExtraError where zstandard is missing for
    the newest format.
    """
    source = Path(path).expanduser()
    head = head_of(source)
    if head.startswith(SQLITE):
        log = _log(source, source, user)
    elif not head.startswith((ZIP, ZSTD)):
        fix = "pass a collection.anki2, .apkg or .colpkg; read_table reads CSV and Parquet"
        raise DataError(explain(f"{source} is no Anki file", f"it begins with {head[:8]!r}", "an SQLite database, zip or zstd", fix))
    else:
        with unpacked(source, head, limits or Limits()) as inner:
            if head_of(inner) != SQLITE:
                raise DataError(explain(f"{source} holds no collection", "something else under its name", "an SQLite database", NEW_EXPORT))
            log = _log(inner, source, user)
    if not len(log.frame) + log.not_a_number:
        got = "an empty revlog"
        raise DataError(explain(f"{source} holds no reviews", got, "a review log", f"{NEW_EXPORT}, or choose a profile that has reviewed"))
    return assemble(log, timezone, day_start, grades or AsPressed(), cleaning or Cleaning(), restart_at_learning=True)


def _authorize(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """SQLite's question before it compiles each access: yes for the columns, functions and checks named above alone."""
    if action == sqlite3.SQLITE_READ:
        allowed = first in READABLE and second in (*READABLE[first], "")  # an empty column: the rows are only counted
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = str(second).lower() in FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = first in PRAGMAS
    else:
        allowed = action == sqlite3.SQLITE_SELECT
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


@contextlib.contextmanager
def opened(path: Path, shown: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that can read what `READABLE` names and write nothing; ``shown`` is the path that errors name."""
    uri = path.resolve().as_uri() + "?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.set_authorizer(_authorize)
            yield connection
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise DataError(
            explain(f"{shown} cannot be read", error, "a sound Anki collection", f"check the database in Anki, or {NEW_EXPORT}")
        ) from error


def _check_whole(path: Path, shown: Path) -> None:
    """Refuse a file shorter than its header says, and one that Anki holds open with changes that it does not contain yet."""
    for suffix in ("-wal", "-journal"):
        real = path.resolve()
        side = real.with_name(real.name + suffix)
        if side.is_file() and side.stat().st_size:
            fix = "close Anki, or export a package"
            raise DataError(explain(f"{shown} is in use", f"unsaved changes in {side.name}", "a closed collection", fix))
    with path.open("rb") as file:
        head = file.read(100)
    page = int.from_bytes(head[16:18], "big")
    pages, counted = int.from_bytes(head[28:32], "big"), head[24:28] == head[92:96]
    wanted = (65536 if page == 1 else page) * pages
    if len(head) < 100 or (counted and path.stat().st_size < wanted):
        got = f"{path.stat().st_size:,} bytes"
        raise DataError(explain(f"{shown} is truncated", got, f"{wanted:,} bytes", "copy or download it again"))


def _check_schema(connection: sqlite3.Connection, shown: Path) -> None:
    """Refuse a database without Anki's tables, of an unknown schema version, or damaged in a table that is read."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = sorted({"revlog", "cards", "col"} - tables)
    for table in sorted({"revlog", "cards", "col"} & tables):
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        missing += [f"{table}.{name}" for name in READABLE[table] if name not in columns]
    if missing:
        raise DataError(
            explain(f"{shown} is no Anki collection", f"no {', '.join(missing)}", "tables revlog, cards and col", "choose another")
        )
    versions = [row[0] for row in connection.execute("SELECT ver FROM col")]
    if len(versions) != 1 or versions[0] not in SCHEMAS:
        fix = "export it with 'Support older Anki versions', or update seqsci"
        got = ", ".join(repr(v) for v in versions) or "none"
        raise DataError(explain(f"{shown} has an unknown schema", f"col.ver {got}", f"{SCHEMAS.start} to {SCHEMAS.stop - 1}", fix))
    for table in ("revlog", "cards"):
        verdict = connection.execute(f"PRAGMA quick_check({table})").fetchone()[0]
        if verdict != "ok":
            fix = "Tools, Check Database in Anki, or a backup"
            raise DataError(explain(f"{shown} is damaged", f"{table}: {verdict}"[:300], "a sound database", fix))


def _integers(connection: sqlite3.Connection, table: str) -> tuple[NDArray[np.int64], int]:
    """Rows (rows, columns) whose cells are all integers, and the count of the others."""
    columns = READABLE[table]
    whole = " AND ".join(f"typeof({name}) = 'integer'" for name in columns)
    cursor = connection.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {whole}")
    batches = [np.zeros((0, len(columns)), dtype=np.int64)]
    while rows := cursor.fetchmany(BATCH):
        batches.append(np.array(rows, dtype=np.int64))
    other = connection.execute(f"SELECT count(*) FROM {table} WHERE NOT ({whole})").fetchone()[0]
    return np.concatenate(batches), int(other)


def _log(path: Path, shown: Path, user: str | int) -> RawLog:
    """The raw log of a collection."""
    _check_whole(path, shown)
    with opened(path, shown) as connection:
        _check_schema(connection, shown)
        rows, odd = _integers(connection, "revlog")
        cards, _ = _integers(connection, "cards")
    known = np.unique(cards[:, 0])
    notes = [] if len(known) == len(cards) else [f"{len(cards) - len(known):,} card ids occur more than once; each counts as one card"]
    log = pd.DataFrame(dict(zip(("review_time", "card_id", "grade", "factor", "duration_ms", "kind"), rows.T, strict=True)))
    log["kind"] = log["kind"].where(log["kind"] >= 0, FOREIGN)
    known_row = np.isin(log["card_id"].to_numpy(), known)
    return RawLog(log.assign(user=user, created=log["card_id"], known=known_row, starts=False), odd, tuple(notes))
