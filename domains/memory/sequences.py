"""Review frames to sequences that the cells of memory read, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import DataError, explain
from seqsci.sequences import Sequences

COLUMNS = ("user", "card_id", "review", "grade", "recalled", "same_day", "first_grade", "scored")
"""Columns of a review frame that sequences need, beside the elapsed days."""


def to_sequences(frame: pd.DataFrame, exact: bool = False) -> Sequences:
    """Return reviews as sequences: a unit is a card, a group a user; a card's first review has no row, its grade starts the state.

    Args:
        frame: of `Reviews`: one row a review, sorted by user, card_id, review_time.
        exact: elapsed days as fractions of 24 hours, not whole study days.

    Outcomes are ``recalled`` and ``grade``; known are ``elapsed_days``, ``same_day``, ``first_grade``; the weight is ``scored``: same-day
    reviews move the state and are not scored. ``index`` holds the frame's row labels, so predictions find their rows.
    Raises `DataError` for missing columns, for cards whose first review is not there, and for rows of a card that are not together.

    >>> rows = {"user": 1, "card_id": 7, "review": [0, 1], "grade": [3, 1], "recalled": [1, 0], "same_day": 0, "first_grade": 3}
    >>> frame = pd.DataFrame({**rows, "elapsed_days": [0.0, 4.0], "elapsed_days_exact": [0.0, 4.1], "scored": [0, 1]})
    >>> to_sequences(frame).known["elapsed_days"].tolist(), to_sequences(frame).outcome["recalled"].tolist()
    ([4.0], [0.0])
    """
    elapsed = "elapsed_days_exact" if exact else "elapsed_days"
    if missing := [c for c in (*COLUMNS, elapsed) if c not in frame.columns]:
        have, fix = ", ".join(map(str, frame.columns)), "build the frame with seqsci.domains.memory.reviews.from_rows"
        raise DataError(explain(f"missing column {', '.join(missing)}", have, ", ".join((*COLUMNS, elapsed)), fix))
    review = frame["review"].to_numpy()
    user, card = pd.factorize(frame["user"])[0], pd.factorize(frame["card_id"])[0]
    changed = np.r_[True, (np.diff(user) != 0) | (np.diff(card) != 0)][: len(frame)]
    expected = np.arange(len(frame)) - np.maximum.accumulate(np.where(changed, np.arange(len(frame)), 0))
    if (wrong := np.flatnonzero(review != expected)).size:
        at = wrong[0]
        got = f"card {frame['card_id'].iloc[at]} of user {frame['user'].iloc[at]} has review {review[at]} where {expected[at]} belongs"
        fix = "sort by user, card_id, review_time and keep whole cards: each from its first review"
        raise DataError(explain("reviews are not in order", got, "reviews 0, 1, 2, ... of each card, together", fix))
    later = review >= 1
    rows = frame.loc[later]

    def column(name: str) -> Any:
        return rows[name].to_numpy(float)

    return Sequences(
        {"recalled": column("recalled"), "grade": column("grade")},
        {"elapsed_days": column(elapsed), "same_day": column("same_day"), "first_grade": column("first_grade")},
        weight=column("scored"),
        reset=(review == 1)[later],
        unit=(np.cumsum(changed) - 1)[later],
        group=user[later],
        index=rows.index.to_numpy(),
    )


def to_panel(frame: pd.DataFrame, exact: bool = False) -> pd.DataFrame:
    """The reviews as a long frame for `seqsci.fit_panel(model, frame, by="user", within="card_id")`: the rows of `to_sequences`."""
    later = frame.loc[frame["review"] >= 1]
    elapsed = later["elapsed_days_exact" if exact else "elapsed_days"]
    kept = later[["user", "card_id", "recalled", "grade", "same_day", "first_grade"]]
    return kept.assign(elapsed_days=elapsed, weight=later["scored"].astype(float))
