"""Reviews as arrays: the columns that a baseline reads, the rows that are scored, and cards walked review by review."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from seqsci.errors import DataError, explain

Array = np.ndarray
LEAST = 1e-4
"""Probabilities stay in [LEAST, 1 - LEAST]: one certain forecast that fails costs 9.2 nats, not an infinite number."""

COLUMNS = tuple("card_id review_time grade recalled day review elapsed_days elapsed_days_exact same_day scored".split())


def check(frame: pd.DataFrame, purpose: str) -> None:
    """Raise `DataError` unless the columns are there, each card's reviews lie together from review 0 on, and grades are 1 to 4."""
    missing = [c for c in COLUMNS if c not in frame.columns]
    if missing:
        raise DataError(explain(f"{purpose}: columns are missing", sorted(frame.columns), list(COLUMNS), f"add {missing}"))
    if not len(frame):
        return
    review, card = frame["review"].to_numpy(), frame["card_id"].to_numpy()
    first = np.r_[True, card[1:] != card[:-1]]
    if "user" in frame.columns:
        user = frame["user"].to_numpy()
        first[1:] |= user[1:] != user[:-1]
    start = np.flatnonzero(first)
    expected = np.arange(len(frame)) - np.repeat(start, np.diff(np.r_[start, len(frame)]))
    wrong = np.flatnonzero(review != expected)
    if len(wrong):
        at = int(wrong[0])
        got = f"review {review[at]} of card {card[at]} in row {at}"
        fix = "pass whole cards sorted by card and time; a card cut at its front has no state to start from"
        raise DataError(explain(f"{purpose}: a card's reviews are not 0, 1, 2 ...", got, f"review {expected[at]}", fix))
    grades = frame["grade"].to_numpy()
    if not np.isin(grades, (1, 2, 3, 4)).all():
        fix = "drop rows that are not reviews"
        raise DataError(explain(f"{purpose}: a grade is unknown", np.unique(grades).tolist(), "1, 2, 3 or 4", fix))


def scored(frame: pd.DataFrame) -> Array:
    """Positions (n,) of the rows that are scored."""
    return np.flatnonzero((frame["scored"].to_numpy() == 1) & (frame["review"].to_numpy() > 0))


def training(frame: pd.DataFrame, purpose: str, fewest: int = 1) -> Array:
    """`scored`, after `check`; raises `DataError` where there are fewer than ``fewest``."""
    check(frame, purpose)
    found = scored(frame)
    if len(found) < fewest:
        fix = "move the cut in time, or take a predictor with a default"
        raise DataError(explain(f"{purpose}: too few scored training reviews", len(found), f"at least {fewest}", fix))
    return found


def elapsed(frame: pd.DataFrame, exact: bool) -> Array:
    """Days (rows,) since the card's review before: the column ``elapsed_days`` as it is handed in, or ``elapsed_days_exact``."""
    return frame["elapsed_days_exact" if exact else "elapsed_days"].to_numpy(np.float64)


def whole_days(frame: pd.DataFrame) -> Array:
    """Study days (rows,) since the card's review before, whatever ``elapsed_days`` holds; 0 at a card's first."""
    day = frame["day"].to_numpy(np.float64)
    return np.where(frame["review"].to_numpy() == 0, 0.0, np.diff(day, prepend=day[:1]))


def outcomes(frame: pd.DataFrame) -> Array:
    """1 where recalled, else 0 (rows,)."""
    return frame["recalled"].to_numpy(np.float64)


def bounded(frame: pd.DataFrame, probability: Array) -> Array:
    """Probabilities (rows,) inside [LEAST, 1 - LEAST], NaN at each card's first review."""
    return np.where(frame["review"].to_numpy() == 0, np.nan, np.clip(probability, LEAST, 1 - LEAST))


def log_loss(recalled: Array, probability: Array) -> float:
    """Sum of -log p of what happened [nats]."""
    return float(-np.sum(np.where(recalled == 1, np.log(probability), np.log1p(-probability))))


def steps(frame: pd.DataFrame) -> Iterator[tuple[int, Array, Array]]:
    """Walk all cards at once: for k = 0, 1, ... the number k, the cards (places 0 .. cards - 1) that have a review k, and its rows."""
    starts = np.flatnonzero(frame["review"].to_numpy() == 0)
    lengths = np.diff(np.r_[starts, len(frame)])
    order = np.argsort(-lengths, kind="stable")
    longest_first = lengths[order]
    for k in range(int(lengths.max(initial=0))):
        active = order[: np.searchsorted(-longest_first, -k, side="left")]
        yield k, active, starts[active] + k


def counts_before(frame: pd.DataFrame) -> tuple[Array, Array]:
    """How often (rows,) the card was recalled and not recalled in its earlier reviews, the first and same-day ones included."""
    starts = np.flatnonzero(frame["review"].to_numpy() == 0)
    total = np.r_[0.0, np.cumsum(outcomes(frame))][:-1]
    right = total - np.repeat(total[starts], np.diff(np.r_[starts, len(frame)]))
    return right, frame["review"].to_numpy(np.float64) - right
