"""Laws of the frame of reviews: what its columns mean, and that rows later in time or elsewhere in the file do not change them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.domains.memory.grades import AsPressed, OldSchedulerGrades, TwoButtons, detect_old_buttons, regrade
from seqsci.domains.memory.review_files import read_reviews
from seqsci.domains.memory.reviews import from_rows
from seqsci.domains.memory.study_day import days_from_utc_hour, near_rollover, study_days
from seqsci.errors import DataError

NOON, DAY, HOUR = 1_704_110_400_000, 86_400_000, 3_600_000
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll", "America/Sao_Paulo")
FOLDER = Path(os.environ.get("SEQSCI_DATA") or os.devnull, "memory")
needs_files = pytest.mark.skipif(not FOLDER.is_dir(), reason="SEQSCI_DATA does not point at a folder with memory/")

logs = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(10**11, 4 * 10**12 - 1), st.integers(1, 4), st.integers(0, 3)),
    min_size=1,
    max_size=40,
    unique_by=lambda r: r[:3],
)


def frame(rows: list[tuple[str, int, int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user", "card_id", "review_time", "grade", "state"]).assign(duration_ms=1000)


def by_hand(rows: list[tuple[str, int, int, int, int]], zone: str, day_start: int) -> list[tuple[float, ...]]:
    """Derived columns by plain loops; the day from the wall clock alone (right where clocks do not go back over the next-day hour)."""
    out, last = [], {}
    for user, card, when, grade, _ in sorted(rows):
        local = datetime.fromtimestamp(when // 1000, UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        day = ((local - timedelta(hours=day_start)).date() - datetime(1970, 1, 1).date()).days
        before = last.get((user, card))
        number, first, lapses = (before[2] + 1, before[3], before[4]) if before else (0, grade, 0)
        whole, exact = (day - before[1], (when - before[0]) / DAY) if before else (0, 0.0)
        same = int(number > 0 and whole == 0)
        out.append((day, number, whole, exact, same, first, lapses, int(number > 0) - same))
        last[user, card] = (when, day, number, first, lapses + (grade == 1))
    return out


@settings(max_examples=150, deadline=None)
@given(logs, st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles")), st.sampled_from((0, 4, 5)))
def test_columns_are_those_of_a_plain_loop(rows, zone, day_start):
    f = from_rows(frame(rows), zone, day_start).frame
    columns = ["day", "review", "elapsed_days", "elapsed_days_exact", "same_day", "first_grade", "lapses", "scored"]
    np.testing.assert_allclose(f[columns].to_numpy(float), np.array(by_hand(rows, zone, day_start), float), rtol=1e-12)
    assert f["recalled"].tolist() == [int(g > 1) for g in f["grade"]]


@settings(max_examples=100, deadline=None)
@given(logs, st.sampled_from(ZONES), st.floats(0, 23.99), st.randoms())
def test_the_order_of_rows_does_not_matter_and_days_never_run_backwards(rows, zone, day_start, random):
    f = from_rows(frame(rows), zone, day_start).frame
    random.shuffle(rows)
    pd.testing.assert_frame_equal(f, from_rows(frame(rows), zone, day_start).frame)
    assert (f["elapsed_days"] >= 0).all() and (f["elapsed_days_exact"] >= 0).all()
    for _, card in f.groupby(["user", "card_id"]):
        assert card["review_time"].is_monotonic_increasing
        same = card["day"].to_numpy()[1:] == card["day"].to_numpy()[:-1]
        assert (card["same_day"].to_numpy()[1:] == same).all() and card["same_day"].iloc[0] == 0
        assert (card["scored"].to_numpy()[1:] == ~same).all() and card["scored"].iloc[0] == 0


@settings(max_examples=100, deadline=None)
@given(logs, st.sampled_from(ZONES), st.floats(0, 1))
def test_later_rows_do_not_change_earlier_ones(rows, zone, share):
    whole = from_rows(frame(rows), zone).frame
    times = sorted(r[2] for r in rows)
    cut = times[int(share * (len(times) - 1))]
    early = from_rows(frame([r for r in rows if r[2] <= cut]), zone).frame
    pd.testing.assert_frame_equal(whole[whole["review_time"] <= cut].reset_index(drop=True), early)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 2, 2.5, 4])
def test_a_study_day_begins_when_the_clock_first_shows_the_hour(zone, hour):
    """By brute force over every minute of the years around odd changes of clocks: the running maximum of the wall clock decides."""
    for year in (2006, 2011):
        start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000
        times = start + np.arange(0, 366 * 24 * 60, 10, dtype=np.int64) * 60_000
        wall = pd.DatetimeIndex(times.astype("datetime64[ms]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
        shifted = wall.to_numpy().astype("datetime64[ms]").astype(np.int64) - round(hour * HOUR)
        np.testing.assert_array_equal(study_days(times, zone, hour)[200:], np.maximum.accumulate(shifted // DAY)[200:])


def test_a_whole_day_apart_is_one_day_across_a_change_of_clocks():
    spring = [pd.Timestamp(f"2024-03-{d} 20:00", tz="Europe/Berlin").value // 10**6 for d in (30, 31)]
    f = from_rows(frame([("a", 0, t, 3, 2) for t in spring]), "Europe/Berlin").frame
    assert f["elapsed_days"].tolist() == [0, 1] and f["elapsed_days_exact"].iloc[1] == pytest.approx(23 / 24)


def test_the_next_day_hour_decides_between_same_day_and_next():
    late, early = NOON + 11 * HOUR, NOON + 14 * HOUR  # 23:00 and 02:00
    rows = frame([("a", 0, late, 3, 1), ("a", 0, early, 3, 1)])
    assert from_rows(rows, day_start=4).frame["same_day"].tolist() == [0, 1]
    assert from_rows(rows, day_start=1).frame["elapsed_days"].tolist() == [0, 1]


def test_an_hour_of_utc_per_user_takes_the_place_of_the_zone():
    rows = frame([("a", 0, NOON, 3, 1), ("a", 0, NOON + 2 * HOUR, 3, 1), ("b", 0, NOON, 3, 1), ("b", 0, NOON + 2 * HOUR, 3, 1)])
    f = from_rows(rows.assign(day_start_utc=[13, 13, 4, 4])).frame
    assert f["elapsed_days"].tolist() == [0, 1, 0, 0] and "day_start_utc" not in f
    with pytest.raises(DataError, match="0 <= hour < 24"):
        days_from_utc_hour(np.array([NOON]), np.array([np.nan]))


def test_reviews_around_the_next_day_hour_are_counted():
    times = NOON + np.array([0, 15.5, 16.5, 20]) * HOUR  # next day at 04:00 UTC: 16 h after noon
    assert near_rollover(times.astype(np.int64), "UTC", 4) == 0.5


def test_every_fault_of_a_frame_is_named_at_once():
    rows = frame([("a", 0, NOON, 3, 1), ("a", 0, NOON, 5, 9)])
    with pytest.raises(DataError, match=r"(?s)grade is out of range.*state is out of range.*two reviews of one card"):
        from_rows(rows)
    with pytest.raises(DataError, match=r"card_id \(did you mean 'card'\?\)"):
        from_rows(rows.rename(columns={"card_id": "card"}))
    with pytest.raises(DataError, match=r"(?s)grade is not whole.*1 rows, such as 2.5.*the user is not stated"):
        from_rows(rows.assign(grade=[1, 2.5], user=["a", None]))
    with pytest.raises(DataError, match="did you mean 'Europe/Berlin'"):
        from_rows(rows[:1], "Europe/Berln")
    for hour in (24, -1, float("nan"), "4"):
        with pytest.raises(DataError, match="no next-day hour"):
            from_rows(rows[:1], day_start=hour)


def test_an_empty_frame_stays_empty():
    assert len(from_rows(frame([("a", 0, NOON, 3, 1)])[:0])) == 0


def presses(user: str, learning: tuple[int, ...], review: tuple[int, ...], start: int = NOON) -> pd.DataFrame:
    """One card a press: as many learning and review rows with button 1, 2, 3, 4 as told."""
    cells = [(1, g + 1) for g, n in enumerate(learning) for _ in range(n)] + [(2, g + 1) for g, n in enumerate(review) for _ in range(n)]
    return frame([(user, i, start + i * HOUR, grade, state) for i, (state, grade) in enumerate(cells)])


def test_the_first_scheduler_is_detected_by_its_buttons_and_nothing_is_changed():
    old, new = presses("old", (30, 150, 20, 0), (10, 5, 180, 5)), presses("new", (30, 10, 150, 20), (10, 5, 180, 5))
    never_easy = presses("never easy", (30, 60, 150, 0), (30, 60, 150, 0))
    few = presses("few", (5, 30, 5, 0), (0, 0, 50, 0))
    reviews = regrade(from_rows(pd.concat([old, new, never_easy, few])), AsPressed())
    (found,) = detect_old_buttons(reviews.frame)
    assert (found.user, found.learning, found.review, found.until) == ("old", (30, 150, 20), (10, 5, 180, 5), None)
    assert "88%" in reviews.notes[0] and "OldSchedulerGrades(users=['old'])" in reviews.notes[0]
    assert reviews.frame["grade"].sum() == sum(f["grade"].sum() for f in (old, new, never_easy, few))


def test_a_change_of_scheduler_is_dated_and_only_rows_before_it_are_remapped():
    old = presses("u", (30, 150, 20, 0), (10, 5, 180, 5))
    new = presses("u", (30, 0, 150, 20), (10, 5, 180, 5), NOON + 1000 * DAY).assign(card_id=lambda f: f["card_id"] + 1000)
    reviews = from_rows(pd.concat([old, new]))
    (found,) = detect_old_buttons(reviews.frame)
    first_four = new.loc[(new["state"] == 1) & (new["grade"] == 4), "review_time"].min()
    assert found.until == first_four and f"until={first_four}" in found.note
    mapped = regrade(reviews, OldSchedulerGrades(["u"], until=NOON + 900 * DAY)).frame
    count = mapped[mapped["state"] == 1].groupby([mapped["review_time"] < NOON + 900 * DAY, "grade"]).size()
    assert count.loc[True].to_dict() == {1: 30, 3: 150, 4: 20} and count.loc[False].to_dict() == {1: 30, 3: 150, 4: 20}
    assert (mapped[mapped["state"] == 2]["grade"].to_numpy() == reviews.frame[reviews.frame["state"] == 2]["grade"].to_numpy()).all()


@settings(max_examples=50, deadline=None)
@given(logs)
def test_two_buttons_keep_recall_and_lapses_and_first_grade_follows(rows):
    before = from_rows(frame(rows))
    after = regrade(before, TwoButtons())
    assert set(after.frame["grade"]) <= {1, 3}
    for name in ("recalled", "lapses", "elapsed_days", "scored", "day"):
        pd.testing.assert_series_equal(before.frame[name], after.frame[name])
    assert after.frame["first_grade"].tolist() == [3 if g > 1 else 1 for g in before.frame["first_grade"]]


@needs_files
def test_six_users_have_their_counts_and_the_first_scheduler_is_found_where_it_was_used():
    reviews = read_reviews(FOLDER / "anki_6users_reviews.csv.gz")
    counts = {"A": 40_734, "C": 6_143, "D": 4_490, "E": 2_300, "F": 2_275, "G": 1_434}
    assert reviews.frame["user"].value_counts().to_dict() == counts and sum(reviews.dropped.values()) == 0
    assert [found.user for found in detect_old_buttons(reviews.frame)] == list("CDEFG")
    kanji = read_reviews(FOLDER / "kanji_userC_wtfpl.csv.gz")
    mine = reviews.frame[reviews.frame["user"] == "C"]
    assert len(kanji) == 6_143 and kanji.frame["recalled"].mean() == mine["recalled"].mean()
    first = reviews.frame[reviews.frame["review"] == 0].groupby("user").size()
    assert first.to_dict() == {"A": 4280, "C": 1011, "D": 782, "E": 532, "F": 636, "G": 211}
