"""Laws of review tables: fsrs-optimizer's schema and own columns give the same reviews; what cannot be read is named or counted."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsci.domains.memory.reading.cleaning import Cleaning
from seqsci.domains.memory.reading.files import read_reviews, write_csv
from seqsci.domains.memory.reading.grades import TwoButtons
from seqsci.domains.memory.reading.table import ReviewColumns, read_table
from seqsci.errors import ArtefactError, ConfigError, DataError, MissingExtraError

NOON, DAY = 1_704_110_400_000, 86_400_000
LOG = pd.DataFrame(
    {
        "card_id": [1, 1, 1, 2, 2],
        "review_time": [NOON, NOON + DAY, NOON + 4 * DAY, NOON + 60_000, NOON + 2 * DAY],
        "review_rating": [3, 1, 3, 4, 2],
        "review_state": [1, 2, 3, 1, 2],
        "review_duration": [5000, 4000, 3000, 2000, 1000],
    }
)
OWN = ReviewColumns("card", "when", "answer", time_unit="iso", grade_map={"pass": 3, "fail": 1})


def written(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def own(times: list[str], answers: list[str] | None = None, cards: list[object] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"card": cards or [7] * len(times), "when": times, "answer": answers or ["pass"] * len(times)})


def test_the_schema_of_fsrs_optimizer_is_read_in_every_container(tmp_path):
    pytest.importorskip("pyarrow")
    whole = read_reviews(written(tmp_path / "a.csv", LOG), "UTC").frame
    assert whole["state"].tolist() == [0, 2, 3, 0, 2] and whole["elapsed_days"].tolist() == [0, 1, 3, 0, 2]
    assert whole["duration_ms"].tolist() == LOG["review_duration"].tolist()
    text = (tmp_path / "a.csv").read_bytes()
    files = {
        "b.txt": b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        "c": text.replace(b",", b";"),
        "d.tsv": text.replace(b",", b"\t"),
        "e.csv.gz": gzip.compress(text),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    LOG.to_parquet(tmp_path / "f.parquet")
    for name in (*files, "f.parquet"):
        pd.testing.assert_frame_equal(read_reviews(tmp_path / name, "UTC").frame, whole)


def test_own_columns_and_text_grades_give_the_same_reviews(tmp_path):
    table = pd.DataFrame({"card": LOG["card_id"], "when": LOG["review_time"], "answer": LOG["review_rating"]})
    plain = read_table(written(tmp_path / "ms.csv", table), ReviewColumns("card", "when", "answer"), "UTC")
    assert "no states" in plain.notes[0] and plain.frame["state"].tolist() == [0, 2, 2, 0, 2]
    seconds = table.assign(when=table["when"] / 1000)
    iso = table.assign(when=pd.to_datetime(table["when"], unit="ms", utc=True).dt.tz_convert("Asia/Tokyo").map(lambda t: t.isoformat()))
    for unit, frame in (("s", seconds), ("iso", iso)):
        read = read_table(written(tmp_path / f"{unit}.csv", frame), ReviewColumns("card", "when", "answer", time_unit=unit), "UTC")
        pd.testing.assert_frame_equal(read.frame, plain.frame)
    worded = table.assign(answer=np.where(table["answer"] > 1, "pass", "fail"))
    columns = ReviewColumns("card", "when", "answer", grade_map={"pass": 3, "fail": 1})
    mapped = read_table(written(tmp_path / "w.csv", worded), columns, "UTC", grades=TwoButtons())
    assert mapped.frame["grade"].tolist() == [3, 1, 3, 3, 3] and mapped.frame["recalled"].tolist() == plain.frame["recalled"].tolist()
    truth = table.assign(answer=table["answer"] > 1)
    columns = ReviewColumns("card", "when", "answer", grade_map={True: 3, False: 1})
    assert read_table(written(tmp_path / "t.csv", truth), columns, "UTC").frame["grade"].tolist() == [3, 1, 3, 3, 3]


def test_local_times_follow_the_zone_and_its_changes_of_clocks(tmp_path):
    times = ["2024-03-30 20:00", "2024-03-31 20:00", "2024-10-26T20:00:00", "2024-10-27 20:00", "2024-10-27T22:00:00+02:00"]
    reviews = read_table(written(tmp_path / "a.csv", own(times)), OWN, "Europe/Berlin")
    f = reviews.frame
    assert np.diff(f["review_time"]).tolist() == [23 * DAY // 24, 209 * DAY, 25 * DAY // 24, DAY // 24]
    assert f["elapsed_days"].tolist() == [0, 1, 209, 1, 0] and any("local time in Europe/Berlin" in note for note in reviews.notes)
    assert any("no time zone" in note for note in read_table(tmp_path / "a.csv", OWN).notes)


def test_dates_of_parquet_are_times(tmp_path):
    pytest.importorskip("pyarrow")
    table = own(["2024-01-01T12:00", "2024-01-02T12:00"])
    for i, when in enumerate((pd.to_datetime(table["when"]), pd.to_datetime(table["when"]).dt.tz_localize("UTC"))):
        table.assign(when=when).to_parquet(tmp_path / f"{i}.parquet")
        assert read_table(tmp_path / f"{i}.parquet", OWN, "UTC").frame["review_time"].tolist() == [NOON, NOON + DAY]


def test_cards_may_be_named_by_text_and_large_numbers_stay_exact(tmp_path):
    times = ["2024-01-01", "2024-01-01", "2024-01-02"]
    reviews = read_table(written(tmp_path / "a.csv", own(times, cards=["tree", "house", "tree"])), OWN, "UTC")
    assert reviews.frame["card_id"].tolist() == [0, 1, 1] and any("named by text" in note for note in reviews.notes)
    big = 2**60
    for cards in ([big, big + 1, big + 2], [big, big + 1, "x"]):
        read = read_table(written(tmp_path / "b.csv", own(times, cards=cards)), OWN, "UTC")
        assert read.frame["card_id"].tolist() == [c for c in cards if c != "x"] and read.dropped["not_a_number"] == cards.count("x")


def test_users_keep_their_cards_apart_and_their_own_hour(tmp_path):
    two = pd.concat([LOG.assign(user="a", day_start_utc=4), LOG.assign(user="b", day_start_utc=12)])
    reviews = read_reviews(written(tmp_path / "a.csv", two))
    assert reviews.frame.groupby("user").size().tolist() == [5, 5] and any("day_start_utc" in note for note in reviews.notes)
    b = reviews.frame[reviews.frame["user"] == "b"]
    assert b["day"].iloc[0] == NOON // DAY and reviews.frame["day"].iloc[0] == NOON // DAY
    shifted = read_reviews(tmp_path / "a.csv", timezone="Pacific/Kiritimati")
    assert shifted.frame["day"].iloc[0] == NOON // DAY + 0 + (12 + 14 - 4 >= 24)


def test_rows_that_are_no_reviews_are_counted(tmp_path):
    rows = LOG.astype(object)
    extra = pd.DataFrame(
        [
            [1, NOON + 5 * DAY, "", 2, 10],
            ["one", NOON, 3, 2, 10],
            [1, NOON + 6 * DAY, 0, 2, 10],
            [1, NOON + 7 * DAY, 9, 2, 10],
            [1, -5, 3, 2, 10],
        ],
        columns=LOG.columns,
    )
    again = pd.DataFrame([[1, NOON, 1, 1, 10], [3, NOON, 3, 2, 10], [2, NOON + 9 * DAY, 3, 2, -10]], columns=LOG.columns)
    reviews = read_reviews(written(tmp_path / "a.csv", pd.concat([rows, extra, again])), "UTC")
    dropped = {name: count for name, count in reviews.dropped.items() if count}
    assert dropped == {"not_a_number": 2, "manual": 1, "bad_grade": 1, "too_early": 1, "duplicate": 1, "incomplete_history": 1}
    assert len(reviews) == 6 and reviews.frame["first_grade"].iloc[0] == 1  # of two rows at one time the lower grade is kept
    assert any("durations below zero" in note for note in reviews.notes)


def test_learning_after_reviews_is_noted_and_starts_anew_only_when_told(tmp_path):
    table = LOG[:1].loc[[0] * 4].assign(review_time=NOON + np.arange(4) * DAY, review_state=[1, 2, 1, 2])
    path = written(tmp_path / "a.csv", table)
    reviews = read_reviews(path, "UTC")
    assert len(reviews) == 4 and "1 times learning follows a review" in reviews.notes[0]
    told = read_reviews(path, "UTC", cleaning=Cleaning(restart_at_learning=True))
    assert len(told) == 2 and told.dropped["before_new_learning"] == 2
    new = read_reviews(written(tmp_path / "b.csv", table.assign(review_state=[0, 2, 0, 2])), "UTC")
    assert len(new) == 2 and new.dropped["before_new_learning"] == 2  # state 0 says that the card is new


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_rows_does_not_matter_and_is_noted(tmp_path_factory, order):
    path = tmp_path_factory.mktemp("order") / "a.csv"
    reviews = read_reviews(written(path, LOG.iloc[list(order)]), "UTC")
    pd.testing.assert_frame_equal(reviews.frame, read_reviews(written(path, LOG), "UTC").frame)
    backwards = any(np.diff([p for p in order if p in card])[i] < 0 for card in ((0, 1, 2), (3, 4)) for i in range(len(card) - 1))
    assert any("sorted by time" in note for note in reviews.notes) == backwards


def test_what_is_wrong_with_a_table_is_said_with_the_fix(tmp_path):
    def refuse(match: str, table: pd.DataFrame, columns: ReviewColumns | None = None) -> None:
        with pytest.raises(DataError, match=match) as error:
            read_reviews(written(tmp_path / "a.csv", table), "UTC", columns=columns)
        assert "\n  fix:      " in str(error.value)

    refuse(r"(?s)lacks columns: review_time \(did you mean 'reviewtime'\?\)", LOG.rename(columns={"review_time": "reviewtime"}))
    refuse(r"lacks columns: card .*, when, answer", LOG, OWN)
    refuse(r"(?s)looks like seconds.*multiply it by 1000", LOG.assign(review_time=LOG["review_time"] // 1000))
    refuse(r"looks like micro- or nanoseconds", LOG.assign(review_time=LOG["review_time"] * 1000))
    refuse(r"(?s)looks like milliseconds.*time_unit='ms'", LOG, ReviewColumns("card_id", "review_time", "review_rating", time_unit="s"))
    refuse(r"(?s)no time in review_time.*time_unit='iso'", LOG.assign(review_time="2024-01-01"))
    refuse(r"no date in when", own(["yesterday"]), OWN)
    refuse(r"(?s)no number in the grades.*'good'.*grade_map", LOG.assign(review_rating="good"))
    refuse(r"(?s)grades that grade_map lacks.*'pas' \(did you mean 'pass'\?\)", own(["2024-01-01"], ["pas"]), OWN)
    refuse(r"a header alone", LOG[:0])
    refuse(r"(?s)no review is left.*incomplete_history 5", LOG.assign(review_state=2))
    refuse(r"the user is not stated", LOG.assign(user=["a", None, "a", "a", "a"]))
    with pytest.raises(DataError, match="day_start_utc is no hour"):
        read_reviews(written(tmp_path / "b.csv", LOG.assign(day_start_utc=99)))
    with pytest.raises(DataError, match="unknown time zone"):
        read_reviews(tmp_path / "b.csv", timezone="Berlin")
    with pytest.raises(ConfigError, match="did you mean 'iso'"):
        ReviewColumns("a", "b", "c", time_unit="is")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="values 1 to 4"):
        ReviewColumns("a", "b", "c", grade_map={"pass": 5})


def test_fixes_are_said_for_the_shell_and_for_python(tmp_path):
    cases = (
        (LOG.rename(columns={"card_id": "karte"}), "--data.card_column", "ReviewColumns(card="),
        (LOG.assign(review_time=LOG["review_time"] // 1000), "--data.time_unit s", "time_unit='s'"),
        (LOG.assign(review_time="2024-01-01"), "--data.time_unit iso", "time_unit='iso'"),
        (LOG.assign(review_rating="good"), "write 1 to 4", "grade_map"),
    )
    for table, shell, python in cases:
        with pytest.raises(DataError) as error:
            read_reviews(written(tmp_path / "a.csv", table), "UTC")
        assert shell in str(error.value) and python in str(error.value)
    notes = read_reviews(written(tmp_path / "b.csv", LOG)).notes
    assert any("--data.timezone" in note and "timezone='" in note for note in notes)


def test_a_key_of_another_type_in_the_map_of_grades_is_named_as_such(tmp_path):
    columns = ReviewColumns("card_id", "review_time", "review_rating", grade_map={"1": 1, "3": 3})
    with pytest.raises(DataError, match=r"3 \(of type int; the map has it as str\)"):
        read_reviews(written(tmp_path / "a.csv", LOG), "UTC", columns=columns)


@pytest.mark.filterwarnings("error")
def test_numbers_where_dates_are_announced_are_an_explained_error_and_eight_digits_a_date(tmp_path):
    columns = ReviewColumns("card_id", "review_time", "review_rating", time_unit="iso")
    with pytest.raises(DataError, match=r"(?s)no date in review_time.*--data\.time_unit ms"):
        read_reviews(written(tmp_path / "a.csv", LOG), "UTC", columns=columns)
    dated = written(tmp_path / "b.csv", LOG.assign(review_time=[20240101, 20240102, 20240105, 20240101, 20240103]))
    assert read_reviews(dated, "UTC", columns=columns).frame["elapsed_days"].tolist() == [0, 1, 3, 0, 2]


def test_a_blank_duration_or_state_costs_no_row(tmp_path):
    table = LOG.astype(object)
    table.loc[1, "review_duration"], table.loc[2, "review_duration"], table.loc[3, "review_duration"] = "", "fast", 2**80
    table.loc[[0, 4], "review_state"] = ""
    reviews = read_reviews(written(tmp_path / "a.csv", table), "UTC")
    assert len(reviews) == len(LOG) and sum(reviews.dropped.values()) == 0
    assert reviews.frame["duration_ms"].tolist() == [5000, 0, 0, DAY, 1000]
    assert reviews.frame["state"].tolist() == [0, 2, 3, 0, 2]  # a card's first row opens its history, a later one is a review
    for text in ("2 states are blank", "2 durations are blank or no number", "1 durations above a day"):
        assert any(text in note for note in reviews.notes)
    later = table.assign(review_state=[1, "", 3, 1, 2])
    assert len(read_reviews(written(tmp_path / "b.csv", later), "UTC")) == len(LOG)  # a blank one does not start the card anew


def test_leading_zeros_part_cards_only_where_both_forms_occur(tmp_path):
    days = [f"2024-01-0{d}" for d in (1, 2, 3, 4)]
    both = read_table(written(tmp_path / "a.csv", own(days, cards=["001", "1", "001", "2"])), OWN, "UTC")
    assert both.frame["card_id"].tolist() == [0, 0, 1, 2] and any("leading zeros" in note for note in both.notes)
    padded = read_table(written(tmp_path / "b.csv", own(days, cards=["001", "001", "002", "010"])), OWN, "UTC")
    assert padded.frame["card_id"].tolist() == [1, 1, 2, 10] and not any("named by text" in note for note in padded.notes)
    users = pd.concat([LOG.assign(user=u) for u in ("01", "1")])
    assert read_reviews(written(tmp_path / "d.csv", users), "UTC").frame.groupby("user").size().to_dict() == {"01": 5, "1": 5}
    assert set(read_reviews(written(tmp_path / "e.csv", users[:5]), "UTC").frame["user"]) == {1}
    floats = read_table(written(tmp_path / "c.csv", own(days, cards=["1.0", "1", "2.0", ""])), OWN, "UTC")
    assert floats.frame["card_id"].tolist() == [1, 1, 2] and floats.dropped["not_a_number"] == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("card_id,review_time,review_rating\n1,2,3\n".encode("utf-16"), "not UTF-8"),
        ("card_id,review_time,review_rating\n1,2,\xe9\n".encode("latin-1"), "not UTF-8"),
        (b"card_id,review_time,review_rating\n1,2,3,4,5\n", "cannot be read"),
        (b"card_id,review_time,review_rating\n1,2,3\n1,2,3,4,5\n", "cannot be read"),
        (b'card_id,review_time,review_rating\n1,"2,3\n', "cannot be read"),
        (b"\n\n\n", "cannot be read"),
        (bytes(range(256)) * 10, "cannot be read|not UTF-8|lacks columns"),
        (b"card_id,card_id,review_time,review_rating\n", "columns of one name: card_id"),
        (b'card_id,"review_time",review_time,review_rating\n1,1704110400000,1704110400000,3\n', "columns of one name: review_time"),
        (b"card_id,review_time,review_rating,day_start_utc,day_start_utc\n1,1704110400000,3,4,4\n", "columns of one name: day_start_utc"),
        (b"PAR1 and nothing else", "cannot be read"),
    ],
)
def test_files_that_are_no_tables_are_explained(tmp_path, content, match):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=match):
        read_reviews(tmp_path / "a.csv")


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")

    def missing(path: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(MissingExtraError, match=r"seqsci\[data\]"):
        read_reviews(tmp_path / "a.parquet")


def test_columns_are_for_tables_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError, match="leave columns= out"):
        read_reviews(tmp_path / "a", columns=OWN)


def test_a_csv_is_written_whole_or_not_at_all_and_reads_back(tmp_path, monkeypatch):
    reviews = read_reviews(written(tmp_path / "a.csv", pd.concat([LOG.assign(user="x"), LOG.assign(user="y")])), "UTC")
    path = write_csv(reviews, tmp_path / "out.csv.gz")
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    pd.testing.assert_frame_equal(read_reviews(path, "UTC").frame, reviews.frame)
    first = path.read_bytes()
    assert write_csv(reviews, path).read_bytes() == first
    with pytest.raises(ArtefactError, match="cannot write"):
        write_csv(reviews, tmp_path / "nowhere" / "out.csv")
    import os

    def fails(source: object, target: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(ArtefactError, match="no space left"):
        write_csv(reviews, path)
    assert path.read_bytes() == first and {p.name for p in tmp_path.iterdir()} == {"a.csv", "out.csv.gz"}
    assert stat.S_ISREG(path.stat().st_mode)


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")  # the optimizer's own code
def test_days_are_those_of_fsrs_optimizer(tmp_path, monkeypatch):
    """Its own frame of a log has the same days between reviews; where clocks went forward between, it cuts 23/24 of a day off to none."""
    optimizer = pytest.importorskip("fsrs_optimizer")
    generator = np.random.default_rng(1)
    cards, reviews = 300, 6
    first = np.arange(reviews) == 0
    gaps = generator.exponential(15, (cards, reviews)) + 0.3
    gaps[:, 0], gaps[:, 1] = 0, generator.integers(1, 4, cards)  # its outlier filter leaves such second reviews alone
    when = (NOON + (np.arange(cards)[:, None] + np.cumsum(gaps, axis=1)) * DAY).astype(np.int64)
    grade = np.where(first, 3, generator.integers(1, 5, (cards, reviews)))
    log = pd.DataFrame({"card_id": np.repeat(np.arange(cards), reviews), "review_time": when.ravel(), "review_rating": grade.ravel()})
    log = log.assign(review_state=np.tile(np.where(first, 0, 2), cards), review_duration=0)
    monkeypatch.chdir(tmp_path)
    log.to_csv("revlog.csv", index=False)
    ours = read_reviews("revlog.csv", "Europe/Berlin").frame
    local = pd.to_datetime(log["review_time"] // 1000, unit="s").dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    assert local.map(lambda t: t.utcoffset()).nunique() == 2  # the log crosses a change of clocks
    fit = optimizer.Optimizer(float_delta_t=False)
    fit.create_time_series("Europe/Berlin", "2006-10-05", 4, analysis=False)
    theirs = pd.read_csv("revlog_history.tsv", sep="\t").sort_values(["card_id", "review_time"])
    both = theirs.merge(ours, on=["card_id", "review_time"], how="inner")
    assert len(both) == len(theirs) > 1000
    midnight = pd.DatetimeIndex((both["day"] * DAY).astype("datetime64[ms]")).tz_localize("Europe/Berlin")
    before = pd.DatetimeIndex(((both["day"] - both["elapsed_days"].astype(int)) * DAY).astype("datetime64[ms]")).tz_localize(
        "Europe/Berlin"
    )
    both["forward"] = [int(now.utcoffset() > then.utcoffset()) for now, then in zip(midnight, before, strict=True)]
    later = both["review"] > 0
    assert 0 < both["forward"].sum() < 100
    np.testing.assert_array_equal(both.loc[later, "delta_t"], (both["elapsed_days"] - both["forward"])[later])
