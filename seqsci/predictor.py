"""What every forecaster can do, ours and every baseline: fit, predict row by row, predict ahead, take new rows in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.forecast import Distribution, PathForecast, forecast, one_step
from seqsci.model import Model
from seqsci.sequences import Sequences


class FittedPredictor(ABC):
    """A predictor whose parameters are set; its memory reaches to the end of the rows it has seen."""

    @abstractmethod
    def predict_rows(self, rows: Sequences) -> Distribution:
        """One-step-ahead distributions of the next rows: row t uses the rows seen and those of ``rows`` before t, never t itself."""

    @abstractmethod
    def predict(self, horizon: int, draws: int = 5000, seed: int = 0) -> PathForecast:
        """The next ``horizon`` steps from the end of the rows seen."""

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

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0) -> PathForecast:
        return forecast(self.fit.model, self.fit.last_state, horizon, draws, seed)

    def update(self, rows: Sequences) -> FittedModel:
        return FittedModel(self.fit.update(rows))


@dataclass(frozen=True)
class ModelPredictor(Predictor):
    """Any `Model`, fitted by maximum likelihood, as a predictor."""

    model: Model
    estimator: MaximumLikelihood = field(default_factory=MaximumLikelihood)

    @property
    def name(self) -> str:
        return self.model.name

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedModel:
        """Estimate; a previous fit adds its estimates to the starting points (the model's own grid is climbed as well)."""
        if isinstance(previous, FittedModel):
            start = self.model.start_at(**{n: previous.fit.value[n] for n in previous.fit.free_names})
            old = self.estimator
            warm = MaximumLikelihood(old.starts, old.covariance, True, old.evaluations, old.min_rows)
            return FittedModel(warm.fit(start, train))
        return FittedModel(self.estimator.fit(self.model, train))
