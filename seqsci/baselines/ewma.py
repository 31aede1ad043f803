"""Exponentially weighted variance with a fixed decay: the RiskMetrics forecast of volatility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from seqsci.baselines.series import following_series, training_series
from seqsci.errors import MissingExtraError, ParameterError, explain
from seqsci.forecast import Distribution, PathForecast
from seqsci.observations.gaussian import Gaussian
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences

Array = np.ndarray
BACKCAST_ROWS = 75
"""Rows whose squares start the recursion."""


@dataclass(frozen=True, eq=False)
class FittedSmoothing(FittedPredictor):
    """An exponentially weighted variance at the end of the rows seen.

    Attributes:
        decay: weight of yesterday's variance.
        outcome, unit: name of the forecast column and its unit of measure.
        mean: mean of the training rows, in that unit.
        variance: variance of the next row, in that unit squared.
    """

    decay: float
    outcome: str
    unit: str | None
    mean: float
    variance: float

    def variances(self, values: Array) -> Array:
        """Variance of each row and of the one after the last, (rows,) -> (rows + 1,); a missing row leaves it unchanged."""
        try:
            from scipy.signal import lfilter
        except ImportError as error:
            raise MissingExtraError("scipy", "fit", "exponential smoothing") from error
        seen = ~np.isnan(values)
        squares = (values[seen] - self.mean) ** 2
        updated = lfilter([1 - self.decay], [1.0, -self.decay], squares, zi=[self.decay * self.variance])[0] if len(squares) else squares
        known = np.r_[self.variance, updated]
        return np.asarray(known[np.r_[0, np.cumsum(seen)]])

    def predict_rows(self, rows: Sequences) -> Distribution:
        values = following_series(rows, self.outcome, self.unit, "exponential smoothing")
        scale = np.sqrt(self.variances(values)[:-1])
        return Distribution(Gaussian(), {"location": np.full(len(rows), self.mean), "scale": scale})

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, np.ndarray] | None = None) -> PathForecast:
        noise = np.random.default_rng(seed).standard_normal((draws, horizon))
        paths, variance = np.empty((draws, horizon)), np.full(draws, self.variance)
        for step in range(horizon):
            surprise = np.sqrt(variance) * noise[:, step]
            paths[:, step] = self.mean + surprise
            variance = self.decay * variance + (1 - self.decay) * surprise**2
        return PathForecast(np.full(horizon, self.mean), np.full(horizon, self.variance), paths, True)

    def update(self, rows: Sequences) -> FittedSmoothing:
        values = following_series(rows, self.outcome, self.unit, "exponential smoothing")
        return replace(self, variance=float(self.variances(values)[-1]))


@dataclass(frozen=True)
class ExponentialSmoothing(Predictor):
    r"""Exponentially weighted moving average of squared surprises, with a normal density.

        h_{t+1} = decay h_t + (1 - decay) (y_t - mean)^2,    y_t | past ~ N(mean, h_t)

    ``mean`` is that of the training rows; h_1 is the decay^i-weighted mean of the first 75 training squares; nothing else is estimated.
    The forecast of every later step is the last variance. A missing row leaves the variance as it is.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | decay | lambda | 1 | (0, 1) | share of yesterday's variance that is kept; 0.94 is the daily setting of RiskMetrics |

    Shapes: (rows,) outcomes -> (rows,) variances, in the unit of the outcome squared.
    Source: J.P. Morgan and Reuters (1996), RiskMetrics Technical Document, 4th edition, chapter 5 (no DOI), there with mean zero.

    >>> ExponentialSmoothing().name
    'EWMA'
    >>> train = Sequences({"y": np.tile([1.0, -1.0], 40)})
    >>> ExponentialSmoothing().fit(train).predict_rows(Sequences({"y": [2.0, 0.0]})).variance.round(2)
    array([1.  , 1.18])
    """

    decay: float = 0.94
    label: str = "EWMA"

    def __post_init__(self) -> None:
        if not 0 < self.decay < 1:
            raise ParameterError(explain("decay is not a share", self.decay, "0 < decay < 1", "pass the weight of the past, as 0.94"))

    @property
    def name(self) -> str:
        return self.label

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedSmoothing:
        """Take the mean and the first variance from the training rows, and run to their end; ``previous`` is not used."""
        outcome, values = training_series(train, self.label)
        seen = values[~np.isnan(values)]
        mean = float(seen.mean())
        first = (seen[:BACKCAST_ROWS] - mean) ** 2
        weights = self.decay ** np.arange(len(first))
        start = float(weights @ first / weights.sum())
        before = FittedSmoothing(self.decay, outcome, train.measure.get(outcome), mean, start)
        return replace(before, variance=float(before.variances(values)[-1]))
