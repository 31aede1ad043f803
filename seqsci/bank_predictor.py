"""A bank as a predictor: it stands in backtests and comparisons beside models and baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.estimation.bank import Bank
from seqsci.estimation.fitted_bank import FittedBank
from seqsci.forecast import Mixture, PathForecast
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class FittedBankPredictor(FittedPredictor):
    """A `FittedBank` as a predictor of its last unit."""

    fitted: FittedBank

    def predict_rows(self, rows: Sequences) -> Mixture:
        return self.fitted.predict_rows(rows)

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, Array] | None = None) -> PathForecast:
        return self.fitted.predict(horizon, draws, seed, known)

    def update(self, rows: Sequences) -> FittedBankPredictor:
        return FittedBankPredictor(self.fitted.update(rows))


@dataclass(frozen=True)
class BankPredictor(Predictor):
    """A `Bank` whose weights are estimated on the training rows, or given.

    Attributes:
        bank: the components.
        weights: (components,) weights estimated elsewhere, on other units; then only the posterior is computed. None: EM at each fit.
        pseudo_count: of the EM; above 0 where the training rows are a single unit, or all weight goes to its best component.
    """

    bank: Bank
    weights: tuple[float, ...] | None = None
    pseudo_count: float = 0.0

    def __post_init__(self) -> None:
        if self.weights is not None:
            object.__setattr__(self, "weights", tuple(float(w) for w in self.weights))

    @property
    def name(self) -> str:
        return self.bank.name

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedBankPredictor:
        """Weights and posterior from the training rows; a previous fit is not needed, as the maximum is the global one."""
        if self.weights is None:
            return FittedBankPredictor(self.bank.fit(train, pseudo_count=self.pseudo_count))
        return FittedBankPredictor(self.bank.given(self.weights, train))
