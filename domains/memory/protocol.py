"""What every predictor of recall can do: fit to one user's reviews, forecast recall of every review."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]


class FittedRecall(ABC):
    """Parameters fitted to one user's training rows."""

    @abstractmethod
    def predict(self, rows: pd.DataFrame) -> Array:
        """Probability of recall of every row of the user's whole history; NaN for first reviews. A row uses only what came before it."""

    def values(self) -> Mapping[str, float]:
        """Fitted numbers by name; empty where there are none."""
        return {}


class RecallPredictor(ABC):
    """A model of recall, of ours or a baseline."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Distinct name, for tables."""

    @property
    def online(self) -> bool:
        """Whether a forecast reads outcomes of other cards up to the row before."""
        return False

    @property
    @abstractmethod
    def parameters(self) -> int:
        """How many numbers are fitted to a user."""

    @abstractmethod
    def fit(self, train: pd.DataFrame) -> FittedRecall:
        """Fit to one user's rows before a cut in time; rows with ``scored`` 0 move states but are not fitted to."""

    def given_others(self, others: pd.DataFrame) -> RecallPredictor:
        """The predictor with a prior learned from other users' rows. By default, itself."""
        return self
