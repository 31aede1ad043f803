"""Frames of reviews by hand and by simulation, with the columns that readers derive."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

DAY = 86_400_000
Rule = Callable[[np.ndarray, float], float]
"""Probability of recall from the grades so far and the days since the review before."""


def frame_of(cards: list[list[tuple[float, int]]], user: str = "u") -> pd.DataFrame:
    """Reviews of one user: per card a list of (day with fraction, grade); study days start at midnight."""
    rows = [(card, round(day * DAY), grade) for card, reviews in enumerate(cards) for day, grade in reviews]
    frame = pd.DataFrame(rows, columns=["card_id", "review_time", "grade"])
    frame.insert(0, "user", user)
    frame["recalled"] = (frame["grade"] > 1).astype(int)
    frame["day"] = frame["review_time"] // DAY
    by_card = frame.groupby("card_id")
    frame["review"] = by_card.cumcount()
    frame["elapsed_days"] = by_card["day"].diff().fillna(0).astype(float)
    frame["elapsed_days_exact"] = by_card["review_time"].diff().fillna(0) / DAY
    frame["same_day"] = ((frame["review"] > 0) & (frame["elapsed_days"] == 0)).astype(int)
    frame["scored"] = ((frame["review"] > 0) & (frame["same_day"] == 0)).astype(int)
    return frame


def forgetful(grades: np.ndarray, days: float) -> float:
    """Half-life regression with weights (1, 1.2, -.4)."""
    right = int(np.sum(grades > 1))
    return float(2 ** (-days / 2 ** (1.0 + 1.2 * np.sqrt(1 + right) - 0.4 * np.sqrt(1 + len(grades) - right))))


def simulated(cards: int, reviews: int, seed: int, rule: Rule = forgetful, easy: bool = True, user: str = "u") -> pd.DataFrame:
    """Cards that start on random days and are reviewed after random gaps, a fifth of them on the same day."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(cards):
        day, grades, card = int(rng.integers(0, 200)), [int(rng.integers(1, 4))], []
        clock = float(rng.uniform(0.1, 0.4))
        card.append((day + clock, grades[0]))
        for _ in range(int(rng.integers(1, reviews + 1))):
            gap = 0 if rng.uniform() < 0.2 and clock < 0.8 else int(np.ceil(rng.exponential(2.0 ** min(len(grades), 5))))
            later = clock + float(rng.uniform(0.01, 0.1)) if gap == 0 else float(rng.uniform(0.1, 0.5))
            recalled = rng.uniform() < rule(np.array(grades), gap + later - clock)
            clock, day = later, day + gap
            grades.append(int(rng.integers(2, 5 if easy else 4)) if recalled else 1)
            card.append((day + clock, grades[-1]))
        made.append(card)
    return frame_of(made, user)


def before(frame: pd.DataFrame, share: float) -> pd.DataFrame:
    """The reviews of the first share of the time."""
    return frame[frame["review_time"] < frame["review_time"].quantile(share)].reset_index(drop=True)


def regraded(frame: pd.DataFrame, cut: int, seed: int) -> pd.DataFrame:
    """Other grades at and after a time."""
    late = (frame["review_time"] >= cut).to_numpy()
    grades = frame["grade"].to_numpy().copy()
    grades[late] = np.random.default_rng(seed).integers(1, 5, int(late.sum()))
    return frame.assign(grade=grades, recalled=(grades > 1).astype(int))
