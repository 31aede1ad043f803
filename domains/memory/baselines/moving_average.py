"""A moving average of the user's recent outcomes: no card, no elapsed time, yet hard to beat because it is told each outcome at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import bounded, check, log_loss, outcomes, scored, training
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.errors import ParameterError, explain

Array = np.ndarray


def levels(recalled: Array, start: float, rate: float) -> Array:
    """Log odds (n + 1,) before each of n outcomes in time order, and after the last."""
    found = np.empty(len(recalled) + 1)
    level = found[0] = start
    for k, y in enumerate(recalled.tolist()):
        level += rate * (y - 0.5 * (1.0 + np.tanh(0.5 * level)))
        found[k + 1] = level
    return found


def _sigmoid(level: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * level)))


def _in_time(frame: pd.DataFrame, rows: Array) -> Array:
    return np.asarray(rows[np.argsort(frame["review_time"].to_numpy()[rows], kind="stable")])


@dataclass(frozen=True)
class FittedMovingAverage(FittedRecall):
    """A moving average with known start [log odds] and rate."""

    start: float
    rate: float

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "moving average")
        stream, times = _in_time(rows, scored(rows)), rows["review_time"].to_numpy()
        found = levels(outcomes(rows)[stream], self.start, self.rate)
        before = np.searchsorted(times[stream], times, side="left")
        return bounded(rows, _sigmoid(found[before]))

    def values(self) -> Mapping[str, float]:
        return {"start": self.start, "rate": self.rate}


def _checked(start: float, rate: float) -> None:
    if not (np.isfinite(start) and np.isfinite(rate) and rate >= 0):
        got = f"start {start}, rate {rate}"
        raise ParameterError(explain("a moving average cannot run", got, "finite, rate >= 0", "pass start=1.2, rate=0.3"))


@dataclass(frozen=True)
class MovingAverage(RecallPredictor):
    """The user's recent recall, over the stream of all scored reviews in time order.

        p_t = sigmoid(x_{t-1}),   x_t = x_{t-1} + rate (y_t - p_t)

    Online: it reads the outcomes of other cards up to the review before, so it cannot plan a review weeks ahead.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | start | x_0 | log odds | any | recall before the first review: 1.2 is .77 |
    | rate | | log odds | >= 0 | step for a surprise of one |

    Nothing is fitted; an empty training set is no fault.
    Source: MOVING-AVG of open-spaced-repetition/srs-benchmark, whose start 1.2 and rate .3 are the defaults.

    >>> MovingAverage().online, MovingAverage().parameters
    (True, 0)
    """

    start: float = 1.2
    rate: float = 0.3

    def __post_init__(self) -> None:
        _checked(self.start, self.rate)

    @property
    def name(self) -> str:
        return "moving average"

    @property
    def online(self) -> bool:
        return True

    @property
    def parameters(self) -> int:
        return 0

    def fit(self, train: pd.DataFrame) -> FittedMovingAverage:
        """Nothing to fit."""
        return FittedMovingAverage(self.start, self.rate)


@dataclass(frozen=True)
class EstimatedMovingAverage(RecallPredictor):
    """`MovingAverage` with start and rate fitted on the training reviews by maximum likelihood.

    A weak normal prior around the published values (sd 1 for the start, sd 1 for log rate) keeps both finite where all outcomes are equal.
    Raises `DataError` where no training review is scored. Online. `or_default` keeps the published values where the fit is worse on
    reviews held out.

    >>> EstimatedMovingAverage().parameters
    2
    """

    @property
    def name(self) -> str:
        return "moving average, fitted"

    @property
    def online(self) -> bool:
        return True

    @property
    def parameters(self) -> int:
        return 2

    def fit(self, train: pd.DataFrame) -> FittedMovingAverage:
        """Nelder and Mead over start and log rate."""
        from scipy.optimize import minimize

        stream = _in_time(train, training(train, "fitted moving average"))
        recalled = outcomes(train)[stream]
        centre = np.array([1.2, np.log(0.3)])

        def loss(point: Array) -> float:
            probability = np.clip(_sigmoid(levels(recalled, point[0], float(np.exp(min(point[1], 3.0))))[:-1]), 1e-12, 1 - 1e-12)
            return log_loss(recalled, probability) + 0.5 * float(np.sum((point - centre) ** 2))

        found = minimize(loss, centre, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4, "maxfev": 200})
        return FittedMovingAverage(float(found.x[0]), float(np.exp(min(found.x[1], 3.0))))

    def or_default(self) -> KeepDefault:
        """With the published values kept by the rule."""
        return KeepDefault(self, MovingAverage())
