"""RMSE(bins): the calibration score of the spaced-repetition benchmark, with the bins that fsrs-optimizer 6.5.0 uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.evaluate.binary_scores import outcome_and_probability
from seqsci.evaluate.equivalence import codes_of

Array = npt.NDArray[np.float64]
STEPS = {"elapsed_days": 3.62, "number": 1.89, "lapses": 1.73}
"""By column of `exposure`, the ratio of the ends of a bin."""


def exposure(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what the bins are made of: days since the review before, the number of the review, and the lapses before it.

    Reviews on a day on which the card was already seen do not count at all here, as in fsrs-optimizer: neither in the number nor as
    lapses, and nor does a failed first review. (The column ``lapses`` of a review frame counts every one.)

    Parameters: ``frame``, rows of a review frame, the whole history of each card up to the rows wanted.
    Shapes: (rows,) -> (rows,) with columns elapsed_days (whole study days), number (1 = the card's first review) and lapses.

    >>> history = pd.DataFrame({"user": 1, "card_id": 7, "review": [0, 1, 2, 3], "day": [0, 0, 2, 5], "grade": [1, 1, 1, 3]})
    >>> exposure(history).iloc[2:].to_numpy().tolist()
    [[2, 2, 0], [3, 3, 1]]
    """
    card = codes_of(frame["user"].to_numpy(), frame["card_id"].to_numpy())
    first = frame["review"].to_numpy() == 0
    day = frame["day"].to_numpy(np.int64)
    elapsed = np.where(first, 0, np.diff(day, prepend=day[:1]))
    later = ~first & (elapsed > 0)
    failed = later & (frame["grade"].to_numpy() == 1)
    number = pd.Series(first | later).groupby(card).cumsum().to_numpy(np.int64)
    lapses = pd.Series(failed).groupby(card).cumsum().to_numpy(np.int64) - failed
    return pd.DataFrame({"elapsed_days": elapsed, "number": number, "lapses": lapses}, index=frame.index)


def bin_codes(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the bin of each row, numbered from 0.

    Formula: by ``floor(log x / log b)`` with b = 3.62 of the elapsed days, 1.89 of the number of the review, 1.73 of the lapses; rows
    without lapses are on their own.

    Parameters: ``rows`` of `exposure` (elapsed days >= 1).
    Shapes: (rows,) -> (rows,).

    >>> bin_codes(pd.DataFrame({"elapsed_days": [1, 3, 4], "number": [2, 2, 2], "lapses": [0, 0, 0]}))
    array([0, 0, 1])
    """
    parts = []
    for column, step in STEPS.items():
        x = rows[column].to_numpy(float)
        parts.append(np.where(x > 0, np.floor(np.log(np.maximum(x, 1.0)) / np.log(step)), -1.0))
    return codes_of(*parts)


def rmse_bins(outcome: npt.ArrayLike, probability: npt.ArrayLike, codes: npt.NDArray[np.int64]) -> float:
    """Return the root mean squared difference of recalled share and mean forecast over the bins, weighted by rows.

    Formula: ``sqrt(sum_b n_b (mean y - mean p)^2 / sum_b n_b)``. It can be gamed: a forecast that copies the running share of its bin has
    next to none of it and a log loss worse than a constant. Never a headline.

    Parameters: ``outcome`` (0 or 1); ``probability`` (fraction); ``codes`` of `bin_codes` for these rows.
    Shapes: (n,), (n,), (n,) -> scalar.
    Raises: DataError as `seqsci.evaluate.binary_scores.log_loss`.
    Source: open-spaced-repetition/srs-benchmark, README "Metrics"; the same numbers as fsrs-optimizer 6.5.0.

    >>> round(rmse_bins([1, 0, 1], [0.7, 0.7, 0.9], np.array([0, 0, 1])), 4)
    0.1732
    """
    y, p = outcome_and_probability(outcome, probability)
    rows = np.bincount(codes)
    gap = (np.bincount(codes, y) - np.bincount(codes, p)) / rows
    return float(np.sqrt(rows @ np.square(gap) / y.size))
