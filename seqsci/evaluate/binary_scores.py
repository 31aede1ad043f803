"""Scores of probability forecasts of a yes/no outcome: log loss, Brier score, area under the ROC curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from seqsci.errors import DataError, explain
from seqsci.evaluate.scores import finite_series

Array = npt.NDArray[np.float64]
SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken, so a wrong certainty costs 36.04 nats."""


def outcome_and_probability(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[Array, Array]:
    """Return both as float64 series of one length, the outcome 0 or 1 and the probability within [0, 1], or raise DataError.

    Shapes: (n,), (n,) -> (n,), (n,).

    >>> outcome_and_probability([1, 0], [0.9, 0.2])
    (array([1., 0.]), array([0.9, 0.2]))
    """
    y, p = finite_series("outcome", outcome), finite_series("probability", probability)
    if y.shape != p.shape:
        got = f"outcome {y.shape}, probability {p.shape}"
        raise DataError(
            explain("outcome and probability do not have the same shape", got, "equal shapes", "align the two on the same rows")
        )
    strange = (y != 0.0) & (y != 1.0)
    if strange.any():
        got = f"{float(y[strange][0]):g} and {int(strange.sum()) - 1} more"
        raise DataError(explain("outcome is not yes or no", got, "0 or 1", "pass recalled (grade > 1), not the grade"))
    outside = (p < 0.0) | (p > 1.0)
    if outside.any():
        got = f"{float(p[outside][0]):g} and {int(outside.sum()) - 1} more"
        raise DataError(explain("probability is out of range", got, "0 <= probability <= 1", "correct the predictor"))
    return y, p


def log_loss(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> Array:
    """Return the log loss of each row; its mean is the log loss of the table.

    Formula: ``-y log p - (1 - y) log(1 - p)``, with p kept within ``SMALLEST`` of 0 and 1 (as scikit-learn does).

    Parameters: ``outcome`` y (0 or 1); ``probability`` p of a 1 (fraction); the result is in nats.
    Shapes: (n,), (n,) -> (n,).
    Raises: DataError for outcomes other than 0 and 1, probabilities outside [0, 1], and rows that are not finite.
    Source: Good (1952), J. Royal Statistical Society B 14, 107-114, DOI 10.1111/j.2517-6161.1952.tb00104.x.

    >>> log_loss([1, 0], [0.5, 0.2]).round(4)
    array([0.6931, 0.2231])
    """
    y, p = outcome_and_probability(outcome, probability)
    kept = np.clip(p, SMALLEST, 1.0 - SMALLEST)
    return np.asarray(-np.log(np.where(y == 1.0, kept, 1.0 - kept)))


def brier(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> Array:
    """Return the squared error of each row; its mean is the Brier score, the root of it srs-benchmark's "RMSE".

    Formula: ``(y - p)^2``.

    Parameters: ``outcome`` y (0 or 1); ``probability`` p of a 1 (fraction).
    Shapes: (n,), (n,) -> (n,).
    Raises: DataError as `log_loss`.
    Source: Brier (1950), Monthly Weather Review 78, 1-3, DOI 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    >>> brier([1, 0], [0.5, 0.2]).round(2)
    array([0.25, 0.04])
    """
    y, p = outcome_and_probability(outcome, probability)
    return np.square(y - p)


def auc(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Return the area under the ROC curve: the chance that a 1 was given a higher probability than a 0, ties counting one half.

    Formula: ``(sum of the ranks of the ones - m (m + 1) / 2) / (m (n - m))``, m ones among n rows, ties with their mean rank.
    NaN where all outcomes are the same: nothing can be told apart then.

    Parameters: ``outcome`` (0 or 1); ``probability`` of a 1, or any score that rises with it within [0, 1].
    Shapes: (n,), (n,) -> scalar.
    Raises: DataError as `log_loss`.
    Source: Hanley & McNeil (1982), Radiology 143, 29-36, DOI 10.1148/radiology.143.1.7063747.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    y, p = outcome_and_probability(outcome, probability)
    ones = float(y.sum())
    zeros = y.size - ones
    if not ones or not zeros:
        return float("nan")
    return float((float(rankdata(p) @ y) - ones * (ones + 1.0) / 2.0) / (ones * zeros))
