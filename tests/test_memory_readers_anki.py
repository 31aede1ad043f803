"""Laws of the Anki reader: only the review log and card ids are read, nothing is written, and the rules of cleaning are Anki's."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.domains.memory.anki import opened, read_anki
from seqsci.domains.memory.cleaning import RULES, Cleaning, clean
from seqsci.domains.memory.grades import OldSchedulerGrades
from seqsci.domains.memory.review_files import read_reviews, write_csv
from seqsci.errors import DataError, MissingExtraError
from tests.anki_files import CARD, DAY, HISTORY, NOON, SENTINEL, collection, package, row

NOTHING_DROPPED = dict.fromkeys(RULES, 0)


def kept(path: Path, **options: object) -> tuple[list[float], dict[str, int]]:
    """Days after NOON of the rows that are kept, and the rules that dropped others."""
    reviews = read_anki(path, timezone="UTC", **options)  # type: ignore[arg-type]
    days = ((reviews.frame["review_time"] - NOON) / DAY).round(2).tolist()
    return days, {name: count for name, count in reviews.dropped.items() if count}


def test_a_history_is_read_with_its_states_and_days(tmp_path):
    reviews = read_reviews(collection(tmp_path / "collection.anki2"), timezone="UTC", user="me")
    f = reviews.frame
    assert f["state"].tolist() == [0, 1, 2, 2, 3, 2] and f["grade"].tolist() == [3, 3, 3, 1, 3, 3]
    assert f["elapsed_days"].tolist() == [0, 0, 1, 4, 0, 4] and f["scored"].tolist() == [0, 0, 1, 1, 0, 1]
    assert f["lapses"].tolist() == [0, 0, 0, 0, 1, 1] and set(f["user"]) == {"me"} and set(f["duration_ms"]) == {4200}
    assert reviews.dropped == NOTHING_DROPPED and reviews.notes == ()


def test_note_text_is_denied_to_the_connection_and_not_needed(tmp_path):
    path = collection(tmp_path / "c.anki2")
    for query in (
        "SELECT flds FROM notes",
        "SELECT count(*) FROM notes",
        "SELECT data FROM cards",
        "SELECT conf FROM col",
        "SELECT ivl FROM revlog",
        "SELECT load_extension('x')",
        "ATTACH ':memory:' AS other",
        "INSERT INTO revlog (id) VALUES (1)",
        "PRAGMA journal_mode=WAL",
        "SELECT name FROM notetypes",
    ):
        with pytest.raises(DataError, match=r"not authorized|prohibited|not allowed"), opened(path, path) as connection:
            connection.execute(query).fetchall()
    connection = sqlite3.connect(path)
    page = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    whole, content = read_anki(path).frame, bytearray(path.read_bytes())
    assert SENTINEL.encode() in content
    content[(page["notes"] - 1) * size : page["notes"] * size] = b"\xff" * size  # the root of the notes: whoever reads it fails
    path.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT flds FROM notes").fetchall()
    pd.testing.assert_frame_equal(read_anki(path).frame, whole)


def test_tables_that_are_views_of_the_notes_are_refused(tmp_path):
    columns = "id, 1 AS cid, 3 AS ease, 1 AS factor, 1 AS time, length(flds) AS type"
    path = collection(tmp_path / "c.anki2", script=f"DROP TABLE revlog; CREATE VIEW revlog AS SELECT {columns} FROM notes;")
    with pytest.raises(DataError, match="no revlog"):
        read_anki(path)
    generated = "DROP TABLE cards; CREATE TABLE cards (flds text, id integer AS (length(flds)))"
    with pytest.raises(DataError, match=r"no cards\.id"):
        read_anki(collection(tmp_path / "d.anki2", script=generated))


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_reading_writes_nothing(tmp_path, journal):
    path = collection(tmp_path / "a #1?%20b.anki2", script=f"PRAGMA journal_mode={journal};")
    os.utime(path, ns=(10**18, 10**18))
    before, entries = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_size), sorted(tmp_path.iterdir())
    tmp_path.chmod(0o555)
    try:
        assert len(read_anki(path)) == len(HISTORY)
    finally:
        tmp_path.chmod(0o755)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_size) == before and sorted(tmp_path.iterdir()) == entries


def test_every_container_gives_the_same_reviews_and_the_decoy_is_skipped(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    plain = collection(tmp_path / "collection.anki2", script="PRAGMA journal_mode=wal;")
    decoy = collection(tmp_path / "decoy", [row(700, card=5, kind=0)]).read_bytes()
    data, whole = plain.read_bytes(), read_reviews(plain).frame
    squeezed = zstandard.ZstdCompressor().compress(data)
    stream = zstandard.ZstdCompressor().compressobj()
    files = (
        package(tmp_path / "old.apkg", {"collection.anki2": data, "media": b"{}"}),
        package(tmp_path / "middle.apkg", {"collection.anki2": decoy, "collection.anki21": data}, version=2),
        package(tmp_path / "new.colpkg", {"collection.anki2": decoy, "collection.anki21b": squeezed}, version=3),
        package(tmp_path / "unnamed.zip", {"collection.anki2": decoy, "collection.anki21b": stream.compress(data) + stream.flush()}),
        tmp_path / "collection.anki21b",
    )
    files[-1].write_bytes(squeezed)
    (link := tmp_path / "link").symlink_to(plain)
    for path in (*files, link):
        pd.testing.assert_frame_equal(read_reviews(path).frame, whole)


def test_without_zstandard_the_newest_format_names_the_extra(tmp_path, monkeypatch):
    path = package(tmp_path / "new.apkg", {"collection.anki21b": b"\x28\xb5\x2f\xfd"}, version=3)
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"seqsci\[memory\]"):
        read_reviews(path)


RULE_CASES = {
    "manual": ([*HISTORY, row(3, ease=0, kind=4), row(4, ease=0)], 2),
    "rescheduled": ([*HISTORY, row(3, ease=0, kind=5, factor=0)], 1),
    "cram": ([*HISTORY, row(3, kind=3, factor=0)], 1),
    "unknown_type": ([*HISTORY, row(-1, kind=6), row(3, kind=6), row(4, kind=-1)], 3),
    "bad_grade": ([*HISTORY, row(3, ease=5), row(4, ease=-1)], 2),
    "too_early": ([*HISTORY, (-5, CARD, 3, 1, 2500), (0, CARD, 3, 1, 2500), (NOON // 1000, CARD, 3, 1, 2500)], 3),
    "future": ([*HISTORY, row(100_000)], 1),
    "before_creation": ([*HISTORY, row(-401)], 1),
    "incomplete_history": ([*HISTORY, row(0, card=1), row(6, card=1), row(7, card=1, kind=2)], 3),
}


@pytest.mark.parametrize("rule", RULE_CASES)
def test_each_rule_counts_its_rows_and_leaves_the_rest(tmp_path, rule):
    rows, count = RULE_CASES[rule]
    rows = [(when + 7 * i, *others) for i, (when, *others) in enumerate(rows)]  # ids of a revlog are unique
    reviews = read_anki(collection(tmp_path / "c", rows))
    assert reviews.dropped == {**NOTHING_DROPPED, rule: count} and len(reviews) == len(HISTORY)
    assert f"{count}  {rule}: {RULES[rule]}" in reviews.summary()


def test_reviews_of_deleted_cards_and_cells_that_are_no_integers_are_counted(tmp_path):
    odd = f"INSERT INTO revlog VALUES (5, {CARD}, 0, 'three', 0, 0, 0, 0, 1), (6, NULL, 0, 3, 0, 0, 0, 0, 1), (7, 1.5, 0, 3, 0, 0, 0, 0, 1)"
    path = collection(tmp_path / "c", [*HISTORY, row(0.5, card=1, kind=0)], cards=[CARD], script=odd)
    assert kept(path)[1] == {"not_a_number": 3, "unknown_card": 1}


def test_a_filtered_deck_review_that_affects_scheduling_is_a_review(tmp_path):
    reviews = read_anki(collection(tmp_path / "c", [*HISTORY, row(3, kind=3, factor=2500)]))
    assert reviews.frame["state"].tolist() == [0, 1, 2, 2, 2, 3, 2] and "filtered decks" in reviews.notes[0]


def test_intervals_are_not_read(tmp_path):
    script = "UPDATE revlog SET ivl = -5000000000, lastIvl = 99999999999999"
    pd.testing.assert_frame_equal(read_anki(collection(tmp_path / "a", script=script)).frame, read_anki(collection(tmp_path / "b")).frame)


RESET = row(2, ease=0, kind=4, factor=0)


def test_a_reset_starts_the_history_anew(tmp_path):
    first, second = [row(0, kind=0), row(1)], [row(3, kind=0), row(4)]
    assert kept(collection(tmp_path / "a", [*first, RESET, *second])) == ([3, 4], {"manual": 1, "before_reset": 2})
    days, dropped = kept(collection(tmp_path / "c", [*first, RESET, row(3), row(0, 1, kind=0)]))
    assert days == [0] and dropped == {"manual": 1, "before_reset": 2, "incomplete_history": 1}  # graded after it, but never learned again
    days, dropped = kept(collection(tmp_path / "d", [*first, RESET, row(0, 1, kind=0)]))
    assert days == [0] and dropped == {"manual": 1, "before_reset": 2}  # now a new card


def test_learning_anew_without_a_reset_row_starts_the_history_anew_unless_told_otherwise(tmp_path):
    path = collection(tmp_path / "c", [row(0, kind=0), row(1), row(3, kind=0), row(3.01, kind=0), row(4)])
    assert kept(path) == ([3, 3.01, 4], {"before_new_learning": 2})
    assert kept(path, cleaning=Cleaning(restart_at_learning=False))[0] == [0, 1, 3, 3.01, 4]


def test_a_due_date_set_by_hand_does_not_reset_but_parts_learning_rows_as_in_anki(tmp_path):
    set_due = row(2, ease=0, kind=4, factor=2500)
    assert kept(collection(tmp_path / "a", [row(0, kind=0), row(1), set_due, row(3)]))[0] == [0, 1, 3]
    assert kept(collection(tmp_path / "b", [row(0, kind=0), set_due, row(3, kind=0), row(4)]))[0] == [3, 4]
    cram = row(2, kind=3, factor=0)
    assert kept(collection(tmp_path / "c", [row(0, kind=0), cram, row(3, kind=0), row(4)]))[0] == [0, 3, 4]


def test_incomplete_histories_are_kept_unscored_when_told(tmp_path):
    path = collection(tmp_path / "c", [*HISTORY, row(0.2, card=1), row(6, card=1)])
    reviews = read_anki(path, cleaning=Cleaning(keep_incomplete=True))
    lacking = reviews.frame["incomplete"] == 1
    assert lacking.sum() == 2 and reviews.frame.loc[lacking, "scored"].sum() == 0 and reviews.dropped["incomplete_history"] == 0
    assert reviews.frame.loc[~lacking, "scored"].sum() == 3


def test_cards_that_start_before_the_cutoff_are_left_out(tmp_path):
    path = collection(tmp_path / "c", [*HISTORY, row(8, card=1, kind=0), row(9.5, card=1)])
    assert kept(path, cleaning=Cleaning(ignore_before=NOON + 7 * DAY)) == ([8, 9.5], {"before_cutoff": 6})


def test_the_first_scheduler_is_noted_and_remapped_only_when_told(tmp_path):
    rows = [r for c in range(80) for r in (row(c / 100, c, ease=1 + (c % 4 > 0), kind=0), row(2 + c / 100, c))]
    path = collection(tmp_path / "c", rows)
    reviews = read_anki(path, timezone="UTC")
    assert "OldSchedulerGrades(users=[0])" in reviews.notes[-1] and set(reviews.frame.loc[reviews.frame["state"] == 0, "grade"]) == {1, 2}
    remapped = read_anki(path, timezone="UTC", grades=OldSchedulerGrades())
    assert remapped.frame["first_grade"].isin([1, 3]).all() and remapped.notes == (
        "60 learning and relearning rows were read with the first scheduler's buttons (2 is good, 3 is easy)",
    )


def anki_by_loop(rows: list[tuple[int, int, int, int]]) -> list[int]:
    """Times that Anki would train one card on, by its backwards walk (its own row rules have gone before)."""
    start, place = None, len(rows)
    for place in range(len(rows) - 1, -1, -1):
        _, ease, kind, factor = rows[place]
        if kind == 3 and factor == 0:
            continue
        if 1 <= ease <= 4 and kind == 0:
            start = place
        elif (kind == 4 and factor == 0 and ease == 0) or start is not None:
            break
    return [] if start is None else [t for t, ease, kind, factor in rows[start:] if ease and kind < 4 and not (kind == 3 and factor == 0)]


events = st.lists(
    st.sampled_from([(3, 0, 0), (1, 0, 0), (3, 1, 2500), (1, 2, 2500), (3, 3, 0), (3, 3, 9), (0, 4, 0), (0, 4, 9), (0, 5, 0)]), max_size=9
)


@settings(max_examples=400, deadline=None)
@given(st.lists(events, min_size=1, max_size=3), st.randoms())
def test_histories_are_those_of_ankis_backwards_walk_and_every_row_is_counted_once(cards, random):
    rows = [(NOON + i * DAY, c, *event) for c, card in enumerate(cards) for i, event in enumerate(card)]
    random.shuffle(rows)
    log = pd.DataFrame(rows, columns=["review_time", "card_id", "grade", "kind", "factor"]).astype(np.int64)
    log = log.assign(user="u", duration_ms=1, created=-1, known=True, starts=False)
    cleaned = clean(log, Cleaning(now=10**13), restart_at_learning=True)
    assert sum(cleaned.dropped.values()) + len(cleaned.frame) == len(rows)
    for c, card in enumerate(cards):
        expected = anki_by_loop([(NOON + i * DAY, *event) for i, event in enumerate(card)])
        assert cleaned.frame.loc[cleaned.frame["card_id"] == c, "review_time"].tolist() == expected
    starts = cleaned.frame.groupby("card_id")["state"].first()
    assert (starts == 0).all()


def test_a_csv_of_an_anki_log_gives_the_same_frame_back(tmp_path):
    rows = [*HISTORY, row(0.3, card=1, kind=0), row(3.3, card=1), *(row(d, card=2, kind=int(d > 0)) for d in range(5))]
    reviews = read_anki(collection(tmp_path / "c", rows), timezone="Europe/Berlin", user="me")
    for name in ("log.csv", "log.csv.gz"):
        again = read_reviews(write_csv(reviews, tmp_path / name), timezone="Europe/Berlin")
        pd.testing.assert_frame_equal(again.frame, reviews.frame)


def test_a_long_log_is_read_in_seconds(tmp_path):
    generator = np.random.default_rng(0)
    n, cards = 200_000, 10_000
    card = np.concatenate([np.arange(cards), generator.integers(0, cards, n - cards)])
    when = NOON + np.arange(n) * 60_000
    kind = np.where(np.arange(n) < cards, 0, 1)
    grade = generator.integers(1, 5, n)
    path = collection(tmp_path / "c", zip(when.tolist(), (CARD + card).tolist(), grade.tolist(), kind.tolist(), [2500] * n, strict=True))
    start = time.perf_counter()
    reviews = read_anki(path)
    assert len(reviews) == n and time.perf_counter() - start < 10
