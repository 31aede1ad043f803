"""SM-2, the algorithm of 1990: intervals from grades; it has no probability, so one is stated, or fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import bounded, check, outcomes, steps, training, whole_days
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.errors import ConvergenceError, explain

Array = np.ndarray
FIRST_EASE, LEAST_EASE = 2.5, 1.3
LONGEST = 36500.0
"""Longest interval [days]."""
SAME_DAY = 0.5
"""What a gap within a day counts as in the fitted curve [days]; such reviews are not scored."""
RIDGE = 0.01
"""Weight of the penalty on the squared coefficients of the fitted curve [nats]: finite where all outcomes are equal."""


def ease_after(ease: Array, grade: Array) -> Array:
    """Ease factor after a successful review; grades hard, good, easy are the qualities 3, 4, 5."""
    short = 4.0 - grade
    return np.maximum(ease + 0.1 - short * (0.08 + 0.02 * short), LEAST_EASE)


def intervals(frame: pd.DataFrame) -> tuple[Array, Array]:
    """Interval [days] and ease factor (rows,) that SM-2 holds after each review.

        success: n' = n + 1, EF' = max(1.3, EF + .1 - (5 - q)(.08 + (5 - q) .02)), I = 1, 6, then ceil(I EF')
        failure: n' = 1, I = 1, EF stays

    Only the first review of a card on a day counts: repeats on the same day drill the item and change nothing. The first review starts
    at EF 2.5. Intervals are those that SM-2 would have given, not those that were kept.
    """
    grade, repeat = frame["grade"].to_numpy(np.float64), frame["same_day"].to_numpy() == 1
    interval, ease = np.empty(len(frame)), np.empty(len(frame))
    cards = int(np.sum(frame["review"].to_numpy() == 0))
    now, factor, passed = np.ones(cards), np.full(cards, FIRST_EASE), np.zeros(cards)
    for _, card, row in steps(frame):
        counts, success = ~repeat[row], grade[row] > 1
        better = np.where(success, ease_after(factor[card], grade[row]), factor[card])
        number = np.where(success, passed[card] + 1, 1.0)
        grown = np.minimum(np.ceil(now[card] * better - 1e-9), LONGEST)
        longer = np.where(number <= 1, 1.0, np.where(number == 2, 6.0, grown))
        now[card] = np.where(counts, longer, now[card])
        factor[card] = np.where(counts, better, factor[card])
        passed[card] = np.where(counts, number, passed[card])
        interval[row], ease[row] = now[card], factor[card]
    return interval, ease


def intervals_before(frame: pd.DataFrame) -> Array:
    """Interval (rows,) that SM-2 held before each review [days]; 1 at a card's first."""
    after = intervals(frame)[0]
    return np.where(frame["review"].to_numpy() == 0, 1.0, np.r_[1.0, after[:-1]])


@dataclass(frozen=True)
class StatedCurve(FittedRecall):
    """Recall from SM-2's interval by the stated curve."""

    at_interval: float = 0.9

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "SM-2")
        return bounded(rows, self.at_interval ** (whole_days(rows) / intervals_before(rows)))


@dataclass(frozen=True)
class SM2(RecallPredictor):
    """SM-2's interval I read as the day on which recall is .9: ``p = .9^(t / I)``. That curve is ours; SM-2 gives none.

    Whole days. Nothing is fitted; an empty training set is no fault. Grades again, hard, good, easy are the qualities 2, 3, 4, 5.
    Source: Wozniak (1990), Optimization of Learning, master's thesis, University of Technology in Poznan, chapter 3.2 (no DOI).

    >>> SM2().name, SM2().parameters
    ('SM-2', 0)
    """

    @property
    def name(self) -> str:
        return "SM-2"

    @property
    def online(self) -> bool:
        return False

    @property
    def whole_days(self) -> bool:
        return True

    @property
    def parameters(self) -> int:
        return 0

    def fit(self, train: pd.DataFrame) -> StatedCurve:
        """Nothing to fit."""
        return StatedCurve()


def _design(rows: pd.DataFrame) -> Array:
    days = np.maximum(whole_days(rows), SAME_DAY)
    return np.column_stack([np.ones(len(rows)), np.log(days), np.log(intervals_before(rows))])


@dataclass(frozen=True, eq=False)
class FittedCurve(FittedRecall):
    """Logistic curve of log elapsed days and log interval; coefficients (3,): constant, log t, log I."""

    coefficients: Array

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "calibrated SM-2")
        return bounded(rows, 0.5 * (1.0 + np.tanh(0.5 * (_design(rows) @ self.coefficients))))

    def values(self) -> Mapping[str, float]:
        return dict(zip(("constant", "log_days", "log_interval"), self.coefficients.tolist(), strict=True))


@dataclass(frozen=True)
class CalibratedSM2(RecallPredictor):
    """SM-2's interval with a fitted curve: ``logit p = a + b log t + c log I``, by maximum likelihood with a ridge of .01.

    Whole days. Raises `DataError` where no training review is scored. `or_default` keeps the stated curve where the fitted one is worse
    on reviews held out.

    >>> CalibratedSM2().parameters
    3
    """

    @property
    def name(self) -> str:
        return "SM-2, calibrated"

    @property
    def online(self) -> bool:
        return False

    @property
    def whole_days(self) -> bool:
        return True

    @property
    def parameters(self) -> int:
        return 3

    def fit(self, train: pd.DataFrame) -> FittedCurve:
        """L-BFGS on a convex loss."""
        from scipy.optimize import minimize

        rows = training(train, self.name)
        x, sign = _design(train)[rows], 1.0 - 2.0 * outcomes(train)[rows]

        def loss(point: Array) -> tuple[float, Array]:
            logit = sign * (x @ point)
            slope = sign * 0.5 * (1.0 + np.tanh(0.5 * logit))
            return float(np.logaddexp(0.0, logit).sum() + RIDGE * point @ point), x.T @ slope + 2 * RIDGE * point

        found = minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6})
        if not np.isfinite(found.fun):
            raise ConvergenceError(explain("SM-2 was not calibrated", found.message, "a finite loss", "check the elapsed days"))
        return FittedCurve(found.x)

    def or_default(self) -> KeepDefault:
        """With the stated curve kept by the rule."""
        return KeepDefault(self, SM2())
