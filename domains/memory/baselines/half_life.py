"""One half-life for all cards of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import bounded, check, elapsed, outcomes, training

Array = np.ndarray
SHORTEST, LONGEST = 1e-3, 36500.0
"""Bounds of a half-life [days]: a minute and a half, and a hundred years."""

LEAST_DAYS = 1.0 / 1440
"""A scored review is at least a minute after the one before [days]."""


@dataclass(frozen=True)
class FittedHalfLife(FittedRecall):
    """Exponential forgetting with a known half-life [days]."""

    half_life: float
    exact: bool = False

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "half-life")
        return bounded(rows, np.exp2(-elapsed(rows, self.exact) / self.half_life))

    def values(self) -> Mapping[str, float]:
        return {"half_life": self.half_life}


@dataclass(frozen=True)
class HalfLife(RecallPredictor):
    """Exponential forgetting with one half-life, whatever the card has been through: ``p = 2^(-t / h)``.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | half_life | h | day | [0.001, 36500] | time until half is forgotten, by maximum likelihood on the scored training reviews |

    ``exact`` reads fractional days. Where every outcome is a success the half-life is the upper bound.
    Raises `DataError` where no training review is scored.
    Long intervals are given to cards that are known well, so that on logs of a scheduler one half-life can be worse than a constant.

    >>> HalfLife().name, HalfLife().parameters
    ('one half-life', 1)
    """

    exact: bool = False

    @property
    def name(self) -> str:
        return "one half-life"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return 1

    def fit(self, train: pd.DataFrame) -> FittedHalfLife:
        """Maximum likelihood: the log-likelihood has a single peak in the half-life."""
        from scipy.optimize import minimize_scalar

        rows = training(train, "half-life")
        days, recalled = np.maximum(elapsed(train, self.exact)[rows], LEAST_DAYS) * np.log(2.0), outcomes(train)[rows] == 1

        def loss(log_half_life: float) -> float:
            hazard = days * np.exp(-log_half_life)
            return float(hazard[recalled].sum() - np.log(-np.expm1(-hazard[~recalled])).sum())

        bounds = (float(np.log(SHORTEST)), float(np.log(LONGEST)))
        found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
        ends = min((found.x, *bounds), key=loss)
        return FittedHalfLife(float(np.clip(np.exp(ends), SHORTEST, LONGEST)), self.exact)
