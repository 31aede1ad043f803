"""Laws of recall predictors, and small review frames to try them on: for the tests of every model of recall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from seqsci.domains.memory.protocol import RecallPredictor

DAY = 86_400_000


def derived(rows: pd.DataFrame, day_start: int = 4) -> pd.DataFrame:
    """A review frame from user, card_id, review_time, grade, state and duration_ms, days being those of UTC from ``day_start`` hours on."""
    rows = rows.sort_values(["user", "card_id", "review_time"], kind="stable", ignore_index=True)
    card = rows.groupby(["user", "card_id"], sort=False)
    day = (rows["review_time"] - day_start * 3_600_000) // DAY
    review = card.cumcount()
    frame = rows.assign(
        recalled=(rows["grade"] > 1).astype(int),
        day=day,
        review=review,
        elapsed_days=day.groupby([rows["user"], rows["card_id"]]).diff().fillna(0.0),
        elapsed_days_exact=card["review_time"].diff().fillna(0.0) / DAY,
        first_grade=card["grade"].transform("first"),
    )
    failed = (frame["grade"] == 1).astype(int)
    frame["lapses"] = failed.groupby([frame["user"], frame["card_id"]]).cumsum() - failed
    frame["same_day"] = ((frame["review"] > 0) & (frame["elapsed_days"] == 0)).astype(int)
    frame["scored"] = ((frame["review"] > 0) & (frame["elapsed_days"] > 0)).astype(int)
    return frame


def six_users(file: Path) -> pd.DataFrame:
    """The review frame of a log in fsrs-optimizer's columns with the users' own starts of the study day (hour of UTC)."""
    names = {"review_rating": "grade", "review_state": "state", "review_duration": "duration_ms"}
    raw = pd.read_csv(file).rename(columns=names)
    parts = [derived(rows.drop(columns="day_start_utc"), int(rows["day_start_utc"].iloc[0])) for _, rows in raw.groupby("user")]
    return pd.concat(parts, ignore_index=True)


def simulated(users: int = 2, cards: int = 12, reviews: int = 9, seed: int = 0) -> pd.DataFrame:
    """A small review frame of random cards: same-day repetitions, lapses, intervals that grow."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for card in range(cards):
            moment = 1_600_000_000_000 + int(rng.integers(0, 40 * DAY))
            interval = 1.0
            for review in range(reviews):
                grade = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.1, 0.6, 0.1]))
                rows.append((user, card, moment, grade, 1 if review == 0 else 2, int(rng.integers(1000, 20_000))))
                interval = 1.0 if grade == 1 else interval * 2.0
                wait = rng.uniform(0.0, 0.01) if rng.random() < 0.2 else interval * rng.uniform(0.5, 1.5)
                moment += int(wait * DAY) + int(rng.integers(1, 1000))
    return derived(pd.DataFrame(rows, columns=["user", "card_id", "review_time", "grade", "state", "duration_ms"]))


def with_other_outcomes(frame: pd.DataFrame, moment: int, rng: np.random.Generator, card: int | None = None) -> pd.DataFrame:
    """The frame with other grades, durations and (later) states in place of those from a moment on, of one card or of all."""
    raw = frame[["user", "card_id", "review_time", "grade", "state", "duration_ms"]].copy()
    moments = raw["review_time"].to_numpy()
    changed = (moments >= moment) if card is None else (moments >= moment) & (raw["card_id"].to_numpy() == card)
    count = int(changed.sum())
    shift = rng.integers(1, 4, count)
    raw.loc[changed, "grade"] = (raw.loc[changed, "grade"].to_numpy() - 1 + shift) % 4 + 1
    raw.loc[changed, "duration_ms"] = rng.integers(1000, 30_000, count)
    later = changed & (moments > moment)
    raw.loc[later, "state"] = rng.choice([1, 2, 3], int(later.sum()))
    other = derived(raw)
    other.index = frame.index
    return other.assign(day=frame["day"], elapsed_days=frame["elapsed_days"], scored=frame["scored"], same_day=frame["same_day"])


def time_contract_faults(predictor: RecallPredictor, frame: pd.DataFrame, replacements: int = 6, seed: int = 0) -> list[str]:
    """What is wrong with the forecasts of a predictor on one user's review frame; empty if the time contract holds.

    Fitted to the first half of the rows; then outcomes from a moment on are replaced: no forecast up to that moment may change by a bit.
    A predictor that is not ``online`` may not change a forecast either when outcomes of other cards are replaced, at any time.
    """
    rng = np.random.default_rng(seed)
    moments = np.sort(frame["review_time"].to_numpy())
    cut = int(moments[len(moments) // 2])
    train, before = frame[frame["review_time"] < cut], frame.copy()
    fitted = predictor.fit(train.copy())
    p = np.asarray(fitted.predict(frame.copy()), float)
    faults = []
    scored = frame["scored"].to_numpy() == 1
    if p.shape != (len(frame),):
        return [f"forecasts have the shape {p.shape}, rows are {len(frame)}"]
    if not ((p[scored] >= 0) & (p[scored] <= 1)).all():
        faults.append("a scored row has no probability")
    if not np.isnan(p[frame["review"].to_numpy() == 0]).all():
        faults.append("a first review has a forecast")
    handed = frame.copy()
    fitted.predict(handed)
    if not handed.equals(before):
        faults.append("the frame that was handed in is changed")
    for moment in rng.choice(moments, replacements, replace=False):
        other = np.asarray(fitted.predict(with_other_outcomes(frame, int(moment), rng)), float)
        kept = (frame["review_time"] <= moment).to_numpy()
        if not np.array_equal(other[kept], p[kept], equal_nan=True):
            faults.append(f"forecasts up to {moment} change with outcomes from then on")
    if not predictor.online:
        for card in rng.choice(frame["card_id"].unique(), 3, replace=False):
            other = np.asarray(fitted.predict(with_other_outcomes(frame, 0, rng, int(card))), float)
            kept = (frame["card_id"] != card).to_numpy()
            if not np.array_equal(other[kept], p[kept], equal_nan=True):
                faults.append(f"forecasts of other cards change with outcomes of card {card}, and online is False")
    return faults
