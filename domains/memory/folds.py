"""How one user's reviews are split in time: expanding training windows and the folds tested after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.memory.outliers import OutlierRule
from seqsci.errors import DataError, explain


@dataclass(frozen=True)
class Split:
    """Folds in order of time with an expanding training window, as scikit-learn's TimeSeriesSplit: the first sixth is never tested.

    Attributes:
        folds: test folds of equal size (a sixth of the rows each, if there are five); what is left over goes to the first training window.
    """

    folds: int = 5

    def __post_init__(self) -> None:
        if self.folds < 1:
            raise DataError(explain("a split without folds", self.folds, ">= 1", "pass folds=5"))

    def tests(self, rows: int) -> tuple[slice, ...]:
        """Positions of each fold's test rows among ``rows`` rows in order of time; training rows are all those before."""
        size = rows // (self.folds + 1)
        if size == 0:
            raise DataError(
                explain("too few rows to split", f"{rows} rows", f"at least {self.folds + 1}", "leave this user out, or pass fewer folds")
            )
        first = rows - self.folds * size
        return tuple(slice(a, a + size) for a in range(first, rows, size))


def tested_rows(rows: pd.DataFrame, split: Split) -> tuple[npt.NDArray[np.int64], ...]:
    """Positions of each fold's test rows among one user's rows, in order of time."""
    scored = np.flatnonzero(rows["scored"].to_numpy() == 1)
    scored = scored[np.argsort(rows["review_time"].to_numpy()[scored], kind="stable")]
    return tuple(scored[test] for test in split.tests(scored.size))


def folds(rows: pd.DataFrame, split: Split, outliers: OutlierRule) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, pd.Index]]:
    """Of each fold, the training rows, the history up to the last test row, and the labels of the test rows."""
    moments = rows["review_time"].to_numpy()
    for places in tested_rows(rows, split):
        train = rows[moments < moments[places[0]]]
        kept = train["scored"].to_numpy() * ~outliers.in_training(train)
        yield train.assign(scored=kept), rows[moments <= moments[places[-1]]], rows.index[places]
