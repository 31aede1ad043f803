"""What a model or baseline of element-gene pairs is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]


class FittedPairs(ABC):
    """Abstract base of what scores pairs."""

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> Array:
        """A score of each pair (rows,): the larger, the more likely the element regulates the gene."""


class PairPredictor(ABC):
    """Abstract base of models and baselines of pairs; `fit` never sees the rows that are predicted."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Name in tables."""

    @abstractmethod
    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        """What was learned from labelled pairs."""
