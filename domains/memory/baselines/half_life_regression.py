"""Half-life regression: a card's half-life grows with what it has been through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.half_life import LEAST_DAYS
from seqsci.domains.memory.baselines.histories import bounded, check, counts_before, elapsed, outcomes, training
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.errors import ConvergenceError, DataError, ParameterError, explain

Array = np.ndarray
LN2 = float(np.log(2.0))
FEATURES = ("bias", "sqrt(1 + right)", "sqrt(1 + wrong)")
WIDEST = 40.0
"""Doublings from one day beyond which a half-life no longer moves (numbers stay finite far from the optimum)."""


def features(frame: pd.DataFrame) -> Array:
    """One, sqrt(1 + right), sqrt(1 + wrong) (rows, 3) before each review."""
    right, wrong = counts_before(frame)
    return np.column_stack([np.ones(len(frame)), np.sqrt(1.0 + right), np.sqrt(1.0 + wrong)])


class Criterion(ABC):
    """Abstract base: what half-life regression minimises, apart from its ridge."""

    @abstractmethod
    def loss(self, doublings: Array, days: Array, recalled: Array) -> tuple[float, Array]:
        """Sum over reviews, and its slope (rows,) by log2 of the half-life in days."""


@dataclass(frozen=True)
class Likelihood(Criterion):
    """Log loss ``-log p`` of what happened; with it the regression is a binomial model of forgetting with complementary log-log link."""

    def loss(self, doublings: Array, days: Array, recalled: Array) -> tuple[float, Array]:
        hazard = days * LN2 * np.exp2(-doublings)
        lost = np.exp(-hazard), np.maximum(-np.expm1(-hazard), 1e-300)
        value = np.where(recalled == 1, hazard, -np.log(lost[1]))
        slope = np.where(recalled == 1, -LN2 * hazard, LN2 * hazard * lost[0] / lost[1])
        return float(value.sum()), slope


@dataclass(frozen=True)
class OriginalLoss(Criterion):
    """The paper's squared errors ``(y - p)^2 + share (h_seen - h)^2``, with ``h_seen = -t / log2 y`` and y inside [.0001, .9999].

    ``share`` is .01 there. Half-lives are clipped to [15 minutes, 274 days] as in the authors' program. With single reviews
    y is 0 or 1, so that h_seen mostly sits on a clip: written for proportions, this loss does poorly here.
    """

    share: float = 0.01

    def loss(self, doublings: Array, days: Array, recalled: Array) -> tuple[float, Array]:
        least, most = 15.0 / 1440, 274.0
        half_life = np.exp2(doublings)
        inside = (half_life > least) & (half_life < most)
        half_life = np.clip(half_life, least, most)
        seen = np.clip(-days / np.log2(np.clip(recalled, 1e-4, 1 - 1e-4)), least, most)
        probability = np.exp2(-days / half_life)
        error, miss = probability - recalled, half_life - seen
        slope = 2 * error * probability * LN2 * days / half_life**2 + 2 * self.share * miss
        return float(np.sum(error**2 + self.share * miss**2)), np.where(inside, slope * half_life * LN2, 0.0)


@dataclass(frozen=True, eq=False)
class FittedHalfLifeRegression(FittedRecall):
    """Half-life regression with known weights (3,), in the order of `FEATURES` [doublings of a day]."""

    weights: Array
    exact: bool = False

    def half_lives(self, rows: pd.DataFrame) -> Array:
        """Half-life (rows,) before each review [days]."""
        return np.asarray(np.exp2(np.clip(features(rows) @ self.weights, -WIDEST, WIDEST)))

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "half-life regression")
        return bounded(rows, np.exp2(-elapsed(rows, self.exact) / self.half_lives(rows)))

    def values(self) -> Mapping[str, float]:
        return dict(zip(("bias", "right", "wrong"), self.weights.tolist(), strict=True))


@dataclass(frozen=True)
class FixedHalfLifeRegression(RecallPredictor):
    """Half-life regression with the weights of other users; nothing is fitted to the user."""

    weights: tuple[float, ...]
    exact: bool = False

    @property
    def name(self) -> str:
        return "HLR, other users"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return 0

    def fit(self, train: pd.DataFrame) -> FittedHalfLifeRegression:
        """The weights as they are."""
        return FittedHalfLifeRegression(np.array(self.weights), self.exact)


@dataclass(frozen=True)
class HalfLifeRegression(RecallPredictor):
    r"""Half-life regression (HLR): ``h = 2^(theta . x)`` days, ``p = 2^(-t / h)``, x = (1, sqrt(1 + right), sqrt(1 + wrong)).

    Right and wrong count all earlier reviews of the card, the first and same-day ones included.

        minimise  sum criterion + ridge |theta - centre|^2

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | weights | theta | doublings of a day | any | half-life doubles when theta . x grows by one |
    | ridge | | nats | > 0 | weight of the penalty (.1 in the paper); the only tie for a feature that never varies |
    | centre | | doublings of a day | any | where the ridge pulls: 0, or the fit to other users |

    Raises `DataError` where no training review is scored, `ConvergenceError` where the optimiser fails.
    Source: Settles and Meeder (2016), DOI 10.18653/v1/P16-1174; their loss is `OriginalLoss`, their optimiser is not used. No lexeme tags.

    >>> HalfLifeRegression().name, HalfLifeRegression(criterion=OriginalLoss()).name
    ('HLR', 'HLR, original loss')
    """

    exact: bool = False
    criterion: Criterion = Likelihood()
    ridge: float = 0.1
    centre: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not 0 < self.ridge < np.inf:
            raise ParameterError(explain("half-life regression has no ridge", self.ridge, "a number > 0", "pass 0.1"))

    @property
    def name(self) -> str:
        return "HLR" if isinstance(self.criterion, Likelihood) else "HLR, original loss"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return len(FEATURES)

    def fit(self, train: pd.DataFrame) -> FittedHalfLifeRegression:
        """L-BFGS; with `Likelihood` the problem is convex."""
        from scipy.optimize import minimize

        rows = training(train, self.name)
        x, y, centre = features(train)[rows], outcomes(train)[rows], np.array(self.centre)
        days = np.maximum(elapsed(train, self.exact)[rows], LEAST_DAYS)

        def loss(weights: Array) -> tuple[float, Array]:
            raw = x @ weights
            doublings = np.clip(raw, -WIDEST, WIDEST)
            value, slope = self.criterion.loss(doublings, days, y)
            gradient = x.T @ np.where(doublings == raw, slope, 0.0)
            away = weights - centre
            return value + self.ridge * float(away @ away), gradient + 2 * self.ridge * away

        start = centre if centre.any() else np.array([float(np.log2(np.median(days))), 0.0, 0.0])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6})
        if not np.isfinite(found.fun):
            fix = "check the elapsed days, or raise the ridge"
            raise ConvergenceError(explain("half-life regression was not fitted", found.message, "a finite loss", fix))
        return FittedHalfLifeRegression(found.x, self.exact)


@dataclass(frozen=True)
class SharedHalfLifeRegression(RecallPredictor):
    """Half-life regression that starts from other users: they are fitted together, and that fit is the centre of the user's ridge.

    `KeepDefault` chooses between the user's fit and that of the others. ``given_others`` must come before ``fit``.

    >>> SharedHalfLifeRegression().name
    'HLR, prior from others'
    """

    inner: HalfLifeRegression = HalfLifeRegression()

    @property
    def name(self) -> str:
        return f"{self.inner.name}, prior from others"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return self.inner.parameters

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        """Refuses: there is no prior yet."""
        fix = "call given_others(frame) first, or fit HalfLifeRegression()"
        raise DataError(explain(f"{self.name}: no other users were given", "none", "rows of other users", fix))

    def given_others(self, others: pd.DataFrame) -> KeepDefault:
        """Centred on the fit to the other users, which is also the default that may be kept."""
        shared = tuple(self.inner.fit(others).weights.tolist())
        return KeepDefault(replace(self.inner, centre=shared), FixedHalfLifeRegression(shared, self.inner.exact))
