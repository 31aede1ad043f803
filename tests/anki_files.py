"""Anki collections and packages built by hand for the tests: the tables of schema 11 to 18, a notes table that nobody may read."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterable
from pathlib import Path

SENTINEL = "the text of a note that nobody may read"
NOON = 1_704_110_400_000
"""2024-01-01 12:00 UTC in ms."""
DAY = 86_400_000
CARD = NOON - 400 * DAY

SCHEMA = """
CREATE TABLE col (id integer primary key, crt integer, mod integer, scm integer, ver integer, conf text);
CREATE TABLE notes (id integer primary key, guid text, flds text, sfld text);
CREATE TABLE cards (id integer primary key, nid integer, did integer, type integer, queue integer, data text);
CREATE TABLE revlog (id integer primary key, cid integer, usn integer, ease integer, ivl integer, lastIvl integer, factor integer,
    time integer, type integer);
CREATE TABLE graves (usn integer, oid integer, type integer);
CREATE TABLE notetypes (id integer primary key, name text not null collate unicase);
CREATE INDEX ix_revlog_cid ON revlog (cid);
CREATE INDEX ix_revlog_usn ON revlog (usn);
"""

Row = tuple[int, int, int, int, int]
"""Days after NOON (in ms), card, ease, type, factor."""


def row(when: float, card: int = 0, ease: int = 3, kind: int = 1, factor: int = 2500) -> Row:
    """A review ``when`` days (and ``card`` ms, as ids are unique) after NOON of the card made ``card`` ms after the first."""
    return NOON + round(when * DAY) + card, CARD + card, ease, kind, factor


HISTORY = (row(0, kind=0), row(0.01, kind=0), row(1), row(5, ease=1), row(5.01, kind=2, ease=3), row(9))


def collection(
    path: Path, rows: Iterable[Row] = HISTORY, version: object = 18, cards: Iterable[int] | None = None, script: str = ""
) -> Path:
    """Write a collection; without ``cards`` it has those of the rows. ``script`` changes it afterwards."""
    rows = list(rows)
    connection = sqlite3.connect(path)
    connection.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
    connection.executescript(SCHEMA)
    connection.execute("INSERT INTO col VALUES (1, 0, 0, 0, ?, '{}')", [version])
    connection.executemany("INSERT INTO notes VALUES (?, 'g', ?, ?)", [(i, SENTINEL * 50, SENTINEL) for i in range(20)])
    made = sorted({r[1] for r in rows}) if cards is None else list(cards)
    connection.executemany("INSERT INTO cards VALUES (?, 1, 1, 2, 2, ?)", [(c, SENTINEL) for c in made])
    log = [(when, card, -1, ease, -600, 99999, factor, 4200, kind) for when, card, ease, kind, factor in rows]
    connection.executemany("INSERT INTO revlog VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", log)
    connection.execute("INSERT INTO notetypes VALUES (1, 'Basic')")
    connection.commit()
    connection.executescript(script)
    connection.close()
    return path


def package(path: Path, members: dict[str, bytes], version: int | None = None) -> Path:
    """Write a zip of these members, with Anki's ``meta`` where a version is given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if version is not None:
            archive.writestr("meta", bytes([0x08, version]))
        for name, content in members.items():
            archive.writestr(name, content)
    return path
