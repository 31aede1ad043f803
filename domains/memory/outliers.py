"""Which rows are left out of a comparison as outliers: the rule of fsrs-optimizer, or nothing that looks at the test rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.memory.bins import exposure
from seqsci.evaluate.equivalence import codes_of

Flags = npt.NDArray[np.bool_]
SHARE, ROWS = 0.05, 20
"""Of the second reviews after one first grade, the rarest intervals go until the next would make 5 %, or 20 rows."""
RARE = 6
"""Beyond that, intervals seen less often go."""
LONGEST = {1: 100, 2: 100, 3: 100, 4: 365}
"""And intervals of more days, by first grade."""


def outlying_cards(frame: pd.DataFrame) -> Flags:
    """Return the rows that fsrs-optimizer's filter drops: rare intervals before the second review, and all that follows on these cards.

    The second review is the first on another study day than the card's first. Per grade of the first review, its intervals (whole
    days) are taken from the rarest on, the longer of equally rare ones first; an interval goes while the rows gone and its own stay
    below 5 % of all (or below 20), and after that if it was seen less than 6 times or has more than 100 days (365 after Easy).

    Parameters: ``frame``, one user's rows of a review frame, whole histories from each card's first review.
    Shapes: (rows,) -> (rows,) True where dropped.
    Source: fsrs-optimizer 6.5.0 (the same rows; compared in tests).

    >>> history = pd.DataFrame({"user": 1, "card_id": [1, 1, 1], "review": [0, 1, 2], "day": [0, 900, 901], "grade": 3})
    >>> outlying_cards(history)
    array([False,  True,  True])
    """
    shown = exposure(frame)
    elapsed, number = (shown[c].to_numpy() for c in ("elapsed_days", "number"))
    card = codes_of(frame["user"].to_numpy(), frame["card_id"].to_numpy())
    grade = frame["grade"].to_numpy()
    first = np.zeros(int(card.max(initial=-1)) + 1, np.int64)
    opening = frame["review"].to_numpy() == 0
    first[card[opening]] = grade[opening]
    second = (number == 2) & (elapsed > 0)
    gone = np.zeros(len(first), bool)
    for start, longest in LONGEST.items():
        rows = np.flatnonzero(second & (first[card] == start))
        days, counts = np.unique(elapsed[rows], return_counts=True)
        threshold, removed = max(SHARE * rows.size, ROWS), 0
        for k in np.lexsort((-days, counts)):
            if removed + counts[k] < threshold or counts[k] < RARE or days[k] > longest:
                gone[card[rows[elapsed[rows] == days[k]]]] = True
                removed += int(counts[k])
    return np.asarray(gone[card] & (number >= 2))


class OutlierRule(ABC):
    """Which rows of one user lose their score; they still move the state of their card."""

    @abstractmethod
    def anywhere(self, rows: pd.DataFrame) -> Flags:
        """Rows that are neither fitted to nor tested on, decided on the user's whole history."""

    @abstractmethod
    def in_training(self, train: pd.DataFrame) -> Flags:
        """Rows that are not fitted to, decided on the training rows of a fold alone."""


@dataclass(frozen=True)
class KeepAll(OutlierRule):
    """No row is an outlier."""

    def anywhere(self, rows: pd.DataFrame) -> Flags:
        """None."""
        return np.zeros(len(rows), bool)

    def in_training(self, train: pd.DataFrame) -> Flags:
        """None."""
        return np.zeros(len(train), bool)


@dataclass(frozen=True)
class OptimizerOutliers(OutlierRule):
    """The published benchmark's rule, for comparable rows: `outlying_cards` of the whole history, test rows included.

    It looks ahead (at intervals, not at outcomes), so its tables are for comparison with published ones.
    """

    def anywhere(self, rows: pd.DataFrame) -> Flags:
        """Outlying cards of the whole history."""
        return outlying_cards(rows)

    def in_training(self, train: pd.DataFrame) -> Flags:
        """None: they are gone already."""
        return np.zeros(len(train), bool)


@dataclass(frozen=True)
class TrainingOutliers(OutlierRule):
    """The same rule seen from each cut in time: `outlying_cards` of the training rows are not fitted to; every test row is scored."""

    def anywhere(self, rows: pd.DataFrame) -> Flags:
        """None."""
        return np.zeros(len(rows), bool)

    def in_training(self, train: pd.DataFrame) -> Flags:
        """Outlying cards of the training rows."""
        return outlying_cards(train)
