"""Baselines of volatility forecasts: the heterogeneous autoregression, and the named models that a backtest runs against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from seqsci.baselines.ewma import ExponentialSmoothing
from seqsci.baselines.series import complete, following_series, training_series
from seqsci.domains.finance.arch_models import FEWEST_RETURNS, ArchPredictor, ExponentialRecursion, PowerRecursion
from seqsci.errors import ParameterError, explain
from seqsci.forecast import Distribution, PathForecast
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.skew_t import SkewT
from seqsci.observations.student_t import StudentT
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences

Array = np.ndarray
HISTORY = 22
"""Rows of the longest average of the heterogeneous autoregression."""


def _averages(squares: Array) -> Array:
    """Constant, yesterday, mean of 5 and of 22 rows: regressors (rows - 21, 4) of the row that follows each window."""
    windows = np.lib.stride_tricks.sliding_window_view(squares, HISTORY, axis=-1)
    columns = [np.ones(windows.shape[:-1]), windows[..., -1], windows[..., -5:].mean(-1), windows.mean(-1)]
    return np.stack(columns, axis=-1)


@dataclass(frozen=True, eq=False)
class FittedAutoregression(FittedPredictor):
    """An estimated heterogeneous autoregression.

    Attributes:
        label, outcome, unit: name for tables; name of the returns and their stated unit of measure.
        mean: mean of the training returns.
        coefficients: (4,) constant [unit squared], daily, weekly, monthly.
        least: smallest variance that is forecast [unit squared].
        squares: (22,) the last squared surprises seen, oldest first.
    """

    label: str
    outcome: str
    unit: str | None
    mean: float
    coefficients: Array
    least: float
    squares: Array

    def _joined(self, rows: Sequences) -> Array:
        values = complete(following_series(rows, self.outcome, self.unit, self.label), self.label)
        return np.concatenate([self.squares, np.square(values - self.mean)])

    def _variance(self, squares: Array) -> Array:
        return np.asarray(np.maximum((_averages(squares) * self.coefficients).sum(-1), self.least))

    def predict_rows(self, rows: Sequences) -> Distribution:
        scale = np.sqrt(self._variance(self._joined(rows))[:-1])
        return Distribution(Gaussian(), {"location": np.full(len(rows), self.mean), "scale": scale})

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, np.ndarray] | None = None) -> PathForecast:
        """Simulated paths; the variance of a step is the mean over the paths of its conditional variance."""
        noise = np.random.default_rng(seed).standard_normal((draws, horizon))
        squares, variance, paths = np.tile(self.squares, (draws, 1)), np.empty(horizon), np.empty((draws, horizon))
        for step in range(horizon):
            here = self._variance(squares[:, -HISTORY:])[:, 0]
            surprise = np.sqrt(here) * noise[:, step]
            variance[step], paths[:, step] = here.mean(), self.mean + surprise
            squares = np.column_stack([squares[:, 1:], surprise**2])
        return PathForecast(np.full(horizon, self.mean), variance, paths, False)

    def update(self, rows: Sequences) -> FittedAutoregression:
        return replace(self, squares=self._joined(rows)[-HISTORY:])


@dataclass(frozen=True)
class HeterogeneousAutoregression(Predictor):
    r"""HAR on squared demeaned returns: the variance is linear in yesterday's square and its means over a week and a month.

        h_t = max(c + b_d x_{t-1} + b_w mean(x_{t-5} .. x_{t-1}) + b_m mean(x_{t-22} .. x_{t-1}), floor mean(x)),  x_t = (r_t - mean)^2

    by least squares on the training rows that have 22 rows before them; r_t | past ~ N(mean, h_t). The slopes are not constrained, so
    a forecast could be zero or less: hence the floor. Forecasts of several steps are simulated.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | floor | | 1 | (0, 1) | least variance that is forecast, as a share of the training variance |

    Shapes: (rows,) returns -> (rows,) variances, in the unit of the returns squared.
    Source: Corsi (2009), DOI 10.1093/jjfinec/nbp001, there for realized variance.

    >>> train = Sequences({"log_return": np.random.default_rng(0).normal(size=500)})
    >>> HeterogeneousAutoregression().fit(train).predict(3).mean.shape
    (3,)
    """

    floor: float = 0.05
    label: str = "HAR"

    def __post_init__(self) -> None:
        if not 0 < self.floor < 1:
            fix = "pass a share of the training variance, as 0.05"
            raise ParameterError(explain("floor is not a share", self.floor, "0 < floor < 1", fix))

    @property
    def name(self) -> str:
        return self.label

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedAutoregression:
        """Least squares in closed form; ``previous`` is not used."""
        outcome, values = training_series(train, self.label, FEWEST_RETURNS)
        mean = float(complete(values, self.label).mean())
        squares = (values - mean) ** 2
        level = float(squares.mean())
        slopes = np.linalg.lstsq(_averages(squares / level)[:-1], squares[HISTORY:] / level, rcond=None)[0]
        coefficients = slopes * np.array([level, 1.0, 1.0, 1.0])
        unit = train.measure.get(outcome)
        return FittedAutoregression(self.label, outcome, unit, mean, coefficients, self.floor * level, squares[-HISTORY:])


GARCH_N = ArchPredictor("GARCH-n", PowerRecursion(asymmetric=False), Gaussian())
GARCH_T = ArchPredictor("GARCH-t", PowerRecursion(asymmetric=False), StudentT())
GJR_T = ArchPredictor("GJR-t", PowerRecursion(asymmetric=True), StudentT())
EGARCH_T = ArchPredictor("EGARCH-t", ExponentialRecursion(), StudentT())
TARCH_T = ArchPredictor("TARCH-t", PowerRecursion(asymmetric=True, power=1), StudentT())
TARCH_SKEWT = ArchPredictor("TARCH-skewt", PowerRecursion(asymmetric=True, power=1), SkewT())

BASELINES: tuple[Predictor, ...] = (ExponentialSmoothing(), HeterogeneousAutoregression(), GARCH_N, GARCH_T, GJR_T, EGARCH_T, TARCH_T)
"""What a volatility forecast is compared with by default; TARCH-t is the one to beat."""
