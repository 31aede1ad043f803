"""A cell as a predictor of recall: as published, pooled over other users, fitted to the user, or fitted under the other users' prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import Array, FittedRecall, RecallPredictor
from seqsci.domains.memory.fits import fit_pooled, fit_user, prior_of_others
from seqsci.domains.memory.sequences import to_sequences
from seqsci.errors import DataError, explain
from seqsci.model import Model


class Learning(ABC):
    """Abstract base: what a model takes from other users, and whether it is then fitted to the user."""

    label: str
    fitted: bool

    @abstractmethod
    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        """The model with what other users' rows say."""


@dataclass(frozen=True)
class AsPublished(Learning):
    """The model's own values; nothing is fitted."""

    label = "defaults"
    fitted = False

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        return model


@dataclass(frozen=True)
class OwnReviews(Learning):
    """Maximum likelihood on the user's rows alone."""

    label = "fitted"
    fitted = True

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        return model


@dataclass(frozen=True)
class OthersPooled(Learning):
    """One set of parameters from all other users; nothing is fitted to the user."""

    label = "pooled"
    fitted = False

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        row = fit_pooled(model, others).table.iloc[0]
        if row["status"] != "ok":
            raise DataError(explain(f"{model.name} cannot be fitted to the other users", row["reason"], "a fit", "look at their rows"))
        return model.start_at(**{n: float(row[n]) for n in model.free_names})


@dataclass(frozen=True)
class OthersPrior(Learning):
    """The posterior mode under the other users' prior (`prior_of_others`), which is kept where the fit is worse on rows held out."""

    label = "others' prior"
    fitted = True

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        return model.with_prior(prior_of_others(model, others))


@dataclass(frozen=True, eq=False)
class FittedCell(FittedRecall):
    """A cell at fitted values; ``prior_kept`` says why the prior was kept, where it was."""

    model: Model
    prior_kept: str = ""

    def predict(self, rows: pd.DataFrame) -> Array:
        """Probability of recall of every row; NaN for first reviews. States are replayed over the whole history of each card."""
        found = np.full(len(rows), np.nan)
        sequences = to_sequences(rows)
        if len(sequences):
            reads = self.model.filter(sequences).reads
            place = self.model.kernel().program.read_names.index("probability")
            found[rows["review"].to_numpy() >= 1] = reads[:, place]
        return found

    def values(self) -> Mapping[str, float]:
        return self.model.value


@dataclass(frozen=True, eq=False)
class CellRecall(RecallPredictor):
    """Any `Model` with outcomes recalled and grade as a predictor of recall. It reads ``elapsed_days`` as they stand in the frame.

    >>> from seqsci.domains.memory.models import sbd
    >>> CellRecall(sbd()).name, CellRecall(sbd()).parameters
    ("SBD, others' prior", 7)
    """

    model: Model
    learning: Learning = OthersPrior()

    @property
    def name(self) -> str:
        return f"{self.model.name}, {self.learning.label}"

    @property
    def parameters(self) -> int:
        return len(self.model.free_names) if self.learning.fitted else 0

    def given_others(self, others: pd.DataFrame) -> CellRecall:
        """The predictor with what other users' rows say: a prior, pooled values, or nothing."""
        return replace(self, model=self.learning.given_others(self.model, others))

    def fit(self, train: pd.DataFrame) -> FittedCell:
        """Fit to one user's rows, or take the model as it is."""
        if not self.learning.fitted:
            return FittedCell(self.model)
        fit = fit_user(self.model, train)
        return FittedCell(fit.model, fit.prior_kept)
