"""What every forecaster can do, ours and every baseline: fit, predict row by row, predict ahead, take new rows in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.forecast import Distribution, PathForecast, Predictive, one_step
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray


class FittedPredictor(ABC):
    """A predictor whose parameters are set; its memory reaches to the end of the rows it has seen."""

    @abstractmethod
    def predict_rows(self, rows: Sequences) -> Predictive:
        """One-step-ahead distributions of the next rows: row t uses the rows seen and those of ``rows`` before t, never t itself."""

    @abstractmethod
    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, Array] | None = None) -> PathForecast:
        """The next ``horizon`` steps from the end of the rows seen; ``known`` holds (horizon,) future values of known sequences."""

    @abstractmethod
    def update(self, rows: Sequences) -> FittedPredictor:
        """The same parameters with more rows seen."""


class Predictor(ABC):
    """Abstract base of everything that a backtest compares."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name for tables."""

    @abstractmethod
    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedPredictor:
        """Estimate on the training rows; ``previous`` (the last refit) may serve as a warm start."""


@dataclass(frozen=True, eq=False)
class FittedModel(FittedPredictor):
    """A `Fit` as a predictor."""

    fit: Fit

    def predict_rows(self, rows: Sequences) -> Distribution:
        model = self.fit.model
        seen = len(self.fit.sequences)
        whole = self.fit.update(rows)
        return one_step(model, whole.path.reads[seen:], model.kernel().program.read_names)

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, Array] | None = None) -> PathForecast:
        return self.fit.predict(horizon, draws, seed, known)

    def update(self, rows: Sequences) -> FittedModel:
        return FittedModel(self.fit.update(rows))


@dataclass(frozen=True)
class SelectedPredictor(Predictor):
    """A model that is as free as its training rows pay for: at each refit the restriction stays unless BIC prefers the free model.

    ``free`` where ``2 (log L_free - log L_restricted) > q log n`` (Schwarz 1978, DOI 10.1214/aos/1176344136), else ``restricted``;
    only training rows enter. The fitted predictor's ``fit.model.fixed`` tells which.
    """

    model: Model
    restriction: tuple[tuple[str, float], ...]
    estimator: MaximumLikelihood = MaximumLikelihood(profile_bounds=False)

    @property
    def name(self) -> str:
        return f"{self.model.name} (BIC)"

    @property
    def rule(self) -> str:
        """The rule in words, for tables."""
        kept = ", ".join(f"{n} = {v:g}" for n, v in self.restriction)
        return f"{self.name} keeps {kept} at each refit unless BIC on the training rows frees it"

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedModel:
        """Fit both; the free fit also starts from the restricted one, so it is never below it."""
        restricted = self.model.fix(**dict(self.restriction))
        small = ModelPredictor(restricted, self.estimator).fit(train, previous)
        large = ModelPredictor(self.model, self.estimator).fit(train, small)
        gain = 2 * (large.fit.log_likelihood - small.fit.log_likelihood)
        return large if gain > len(self.restriction) * math.log(small.fit.rows) else small


@dataclass(frozen=True)
class ModelPredictor(Predictor):
    """Any `Model`, fitted by maximum likelihood, as a predictor."""

    model: Model
    estimator: MaximumLikelihood = MaximumLikelihood(profile_bounds=False)

    @property
    def name(self) -> str:
        return self.model.name

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedModel:
        """Estimate; a previous fit adds its estimates to the starting points (the model's own grid is climbed as well)."""
        if isinstance(previous, FittedModel):
            start = self.model.start_at(**{n: v for n, v in previous.fit.value.items() if n in self.model.free_names})
            old = self.estimator
            warm = replace(old, warm=True)
            return FittedModel(warm.fit(start, train))
        return FittedModel(self.estimator.fit(self.model, train))
