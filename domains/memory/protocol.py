"""What every predictor of recall does: fit one user's reviews before a cut in time, then a probability for every later review."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import pandas as pd


class FittedRecall(ABC):
    """Abstract base: a fitted predictor of recall."""

    @abstractmethod
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Probability of recall for every row, NaN for the first review of a card; a row's uses only what came before it.

        ``rows`` holds the user's whole history up to the rows wanted, so that states can be replayed.
        """

    def values(self) -> Mapping[str, float]:
        """Fitted numbers by name; empty where there are none."""
        return {}


class RecallPredictor(ABC):
    """Abstract base: a predictor of recall that is not fitted yet."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name for tables."""

    @property
    @abstractmethod
    def online(self) -> bool:
        """Whether outcomes of other cards up to the row before are read."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Numbers fitted for a user."""

    @abstractmethod
    def fit(self, train: pd.DataFrame) -> FittedRecall:
        """Fit one user's rows before the cut."""

    def given_others(self, others: pd.DataFrame) -> RecallPredictor:
        """The predictor with what it takes from all rows of all other users; by default nothing."""
        return self
