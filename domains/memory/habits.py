"""How somebody grades, and how long it takes: what a memory model does not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqsci.errors import DataError, explain

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray


@dataclass(frozen=True)
class Habits:
    """Shares of grades and seconds a review.

    Attributes:
        first: shares of again, hard, good, easy at a card's first review.
        passed: shares of hard, good, easy among reviews that were recalled.
        seconds: seconds of a review by grade, again first.
        first_seconds: the same at a card's first review.
    """

    first: tuple[float, float, float, float] = (0.25, 0.1, 0.55, 0.1)
    passed: tuple[float, float, float] = (0.1, 0.8, 0.1)
    seconds: tuple[float, float, float, float] = (15.0, 10.0, 7.0, 5.0)
    first_seconds: tuple[float, float, float, float] = (25.0, 20.0, 15.0, 10.0)

    def __post_init__(self) -> None:
        faults = []
        for name, size in (("first", 4), ("passed", 3), ("seconds", 4), ("first_seconds", 4)):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (size,) or not np.isfinite(values).all() or (values < 0).any():
                faults.append(f"{name} = {getattr(self, name)}")
            elif name in ("first", "passed") and abs(values.sum() - 1) > 1e-6:
                faults.append(f"{name} adds to {values.sum():g}")
        if faults:
            expected = "4 shares, 3 shares (each adding to 1), 4 and 4 seconds, none negative"
            raise DataError(
                explain("habits cannot be used", "; ".join(faults), expected, "Habits.from_reviews(frame) takes them from a log")
            )

    @classmethod
    def from_reviews(cls, frame: pd.DataFrame) -> Habits:
        """Shares and median seconds of a frame of `Reviews`; a grade that never came has the median of all. Same-day reviews do not count.

        Raises `DataError` where there is no first review, or no later one that was recalled.
        """
        grade, seconds = frame["grade"].to_numpy(int), frame["duration_ms"].to_numpy(float) / 1000
        first = frame["review"].to_numpy() == 0
        later = ~first & (frame["same_day"].to_numpy() == 0)
        passed = later & (grade > 1)
        if not first.any() or not passed.any():
            got = f"{int(first.sum())} first reviews, {int(passed.sum())} later ones that were recalled"
            raise DataError(explain("a log says nothing of habits", got, "at least one of each", "pass Habits(...) with your own numbers"))

        def medians(rows: Array) -> tuple[float, float, float, float]:
            again, hard, good, easy = (
                float(np.median(seconds[rows & (grade == g)] if (rows & (grade == g)).any() else seconds[rows])) for g in (1, 2, 3, 4)
            )
            return again, hard, good, easy

        a, b, c, d = (float(np.mean(grade[first] == g)) for g in (1, 2, 3, 4))
        hard, good, easy = (float(np.mean(grade[passed] == g)) for g in (2, 3, 4))
        return cls((a, b, c, d), (hard, good, easy), medians(later), medians(first))

    def grades(self, recall: Array, random: np.random.Generator) -> Array:
        """Grades (n,) of reviews with these probabilities of recall."""
        forgotten = random.random(len(recall)) >= recall
        return np.where(forgotten, 1.0, random.choice([2.0, 3.0, 4.0], len(recall), p=_shares(self.passed)))

    def first_grades(self, rows: int, random: np.random.Generator) -> Array:
        """Grades (rows,) of first reviews."""
        return random.choice([1.0, 2.0, 3.0, 4.0], rows, p=_shares(self.first))

    def spent(self, grade: Array) -> float:
        """Seconds of these reviews."""
        return float(np.asarray(self.seconds)[grade.astype(int) - 1].sum())

    def spent_first(self, grade: Array) -> float:
        """Seconds of these first reviews."""
        return float(np.asarray(self.first_seconds)[grade.astype(int) - 1].sum())


def _shares(values: tuple[float, ...]) -> Array:
    return np.asarray(values) / sum(values)
