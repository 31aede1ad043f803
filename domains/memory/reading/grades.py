"""What a pressed button means: as pressed, the three learning buttons of Anki's first scheduler, or pass and fail alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.reviews import Reviews, with_grades

FEWEST_ROWS = 50
"""Learning and relearning rows below which nothing is said."""
SHARE, TIMES = 1 / 3, 3.0
"""Share of button 2 among passed learning rows, and how many times that of review rows, from which the old buttons are suspected."""
OLD_STATES = (0, 1, 3)
"""States in which the first scheduler showed three buttons: new, learning, relearning."""


class Grades(ABC):
    """Abstract base: how pressed buttons become grades."""

    @abstractmethod
    def graded(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Grade (rows,) of each row from its columns user, review_time, state and grade."""

    @abstractmethod
    def note(self, changed: int) -> str:
        """One line on what was done to how many rows; empty where nothing is ever done."""


@dataclass(frozen=True)
class AsPressed(Grades):
    """Buttons are grades: 1 again, 2 hard, 3 good, 4 easy."""

    def graded(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        return frame["grade"].to_numpy(np.int64)

    def note(self, changed: int) -> str:
        return ""


@dataclass(frozen=True)
class OldSchedulerGrades(Grades):
    """The buttons of Anki's first scheduler, whose learning and relearning rows have three: 1 again, 2 good (here 3), 3 easy (here 4).

    Attributes:
        users: whom it concerns; None for all.
        until: time (ms since the epoch) from which a newer scheduler was used; None for never.
    """

    users: Collection[str | int] | None = None
    until: int | None = None

    def graded(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        grade = frame["grade"].to_numpy(np.int64)
        old = frame["state"].isin(OLD_STATES).to_numpy() & np.isin(grade, (2, 3))
        if self.users is not None:
            old &= frame["user"].isin(list(self.users)).to_numpy()
        if self.until is not None:
            old &= frame["review_time"].to_numpy() < self.until
        return grade + old

    def note(self, changed: int) -> str:
        return f"{changed:,} learning and relearning rows were read with the first scheduler's buttons (2 is good, 3 is easy)"


@dataclass(frozen=True)
class TwoButtons(Grades):
    """Pass and fail alone: every passed review is good (3), every failed one again (1)."""

    def graded(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        return np.where(frame["grade"].to_numpy() > 1, 3, 1)

    def note(self, changed: int) -> str:
        return f"read as two buttons: {changed:,} hard or easy answers count as good"


def regrade(reviews: Reviews, grades: Grades) -> Reviews:
    """The same reviews with their grades read anew; recalled, first_grade and lapses follow. The note on old buttons is renewed."""
    values = grades.graded(reviews.frame)
    changed = int((values != reviews.frame["grade"].to_numpy()).sum())
    frame = with_grades(reviews.frame, values)
    done = grades.note(changed)
    left = tuple(note for note in reviews.notes if OLD_NOTE not in note)
    return replace(reviews, frame=frame, notes=(*left, *([done] if done else []), *(found.note for found in detect_old_buttons(frame))))


OLD_NOTE = "buttons of Anki's first scheduler"


@dataclass(frozen=True)
class OldButtons:
    """Evidence that one user's learning rows come from Anki's first scheduler.

    Attributes:
        user: whose rows.
        learning: learning and relearning rows with button 1, 2, 3 (button 4 was never pressed in ``until``'s time).
        review: review rows with button 1, 2, 3, 4, of the same time.
        until: time (ms since the epoch) of the first learning row with button 4; None if there is none.
    """

    user: str | int
    learning: tuple[int, int, int]
    review: tuple[int, int, int, int]
    until: int | None

    @property
    def note(self) -> str:
        """The finding, its evidence, and the argument that remaps."""
        passed, passed_review = sum(self.learning[1:]), max(1, sum(self.review[1:]))
        until = "" if self.until is None else f" up to {pd.Timestamp(self.until, unit='ms'):%Y-%m-%d}"
        call = f"grades=OldSchedulerGrades(users=[{self.user!r}]{'' if self.until is None else f', until={self.until}'})"
        shell = "--data.grades old_scheduler (all users of the file), or in Python " if self.until is None else "in Python "
        shares = f"{self.learning[1] / passed:.0%} of the passed ones have button 2 (review rows: {self.review[1] / passed_review:.0%})"
        return (
            f"user {self.user}: looks like the {OLD_NOTE}{until}: of {sum(self.learning):,} learning and relearning rows none has "
            f"button 4, and {shares}; there 2 meant good and 3 easy. Not changed; {shell}{call} remaps"
        )


def detect_old_buttons(frame: pd.DataFrame) -> tuple[OldButtons, ...]:
    """Users whose learning rows look like Anki's first scheduler, with the evidence.

    Looked at are a user's rows before the first learning or relearning row with button 4 (all, if there is none). Suspected where these are
    50 or more, button 2 is more than a third of the passed ones, and its share is three times that of the review rows. Nothing is changed.
    """
    found = []
    for user, rows in frame.groupby("user", sort=True):
        times, old = rows["review_time"], rows["state"].isin(OLD_STATES)
        fours = times[old & (rows["grade"] == 4)]
        until = int(fours.min()) if len(fours) else None
        rows = rows if until is None else rows[times < until]
        old = rows["state"].isin(OLD_STATES)
        count = [np.bincount(rows.loc[mask, "grade"].to_numpy(np.int64), minlength=5) for mask in (old, ~old)]
        learning, review = (tuple(int(n) for n in c[1:]) for c in count)
        passed, passed_review = sum(learning[1:]), max(1, sum(review[1:]))
        enough = sum(learning) >= FEWEST_ROWS and passed > 0
        if enough and learning[1] > SHARE * passed and learning[1] / passed >= TIMES * review[1] / passed_review:
            found.append(OldButtons(user, learning[:3], review, until))  # type: ignore[arg-type]
    return tuple(found)
