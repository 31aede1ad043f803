"""The least that a predictor of recall has to beat: one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import bounded, check, outcomes, training


@dataclass(frozen=True)
class FittedConstant(FittedRecall):
    """The same probability of recall for every review."""

    probability: float

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        check(rows, "constant recall")
        return bounded(rows, np.full(len(rows), self.probability))

    def values(self) -> Mapping[str, float]:
        return {"probability": self.probability}


@dataclass(frozen=True)
class ConstantRecall(RecallPredictor):
    """The mean recall of the user's scored training reviews, ``p = mean(y)``.

    Raises `DataError` where no training review is scored.

    >>> ConstantRecall().name
    'constant'
    """

    @property
    def name(self) -> str:
        return "constant"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return 1

    def fit(self, train: pd.DataFrame) -> FittedConstant:
        """The mean."""
        rows = training(train, "constant recall")
        return FittedConstant(float(outcomes(train)[rows].mean()))
