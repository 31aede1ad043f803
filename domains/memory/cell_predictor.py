"""A cell as a predictor of recall: as published, pooled over other users, fitted to the user, or fitted under the other users' prior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import Array, FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.domains.memory.fits import fit_pooled, fit_user, posterior_mode, prior_centre, prior_of_others
from seqsci.domains.memory.population import SOURCE
from seqsci.domains.memory.sequences import to_sequences
from seqsci.errors import DataError, explain
from seqsci.model import Model

OTHERS, SHIPPED = "others' prior", "prior of six Anki users"
"""Names of a fit under a prior: that of the other users at hand, and the shipped one."""


class Learning(ABC):
    """Abstract base: what a model takes from other users, and whether it is then fitted to the user."""

    fitted: bool

    @abstractmethod
    def label(self, model: Model) -> str:
        """What the parameters rest on, in a word or two."""

    @abstractmethod
    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        """The model with what other users' rows say."""


@dataclass(frozen=True)
class AsPublished(Learning):
    """The model's own values; nothing is fitted."""

    fitted = False

    def label(self, model: Model) -> str:
        return "defaults"

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        return model


@dataclass(frozen=True)
class OwnReviews(Learning):
    """A fit to the user's rows: maximum likelihood, or under the prior that the model brings; other users add nothing."""

    fitted = True

    def label(self, model: Model) -> str:
        prior = model.active_prior
        if prior is None:
            return "own reviews"
        return SHIPPED if prior.source == SOURCE else OTHERS if prior.source.endswith("other users") else f"prior: {prior.source}"

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        return model


@dataclass(frozen=True)
class OthersPooled(Learning):
    """One set of parameters from all other users; nothing is fitted to the user."""

    fitted = False

    def label(self, model: Model) -> str:
        return "pooled"

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        row = fit_pooled(model, others).table.iloc[0]
        if row["status"] != "ok":
            raise DataError(explain(f"{model.name} cannot be fitted to the other users", row["reason"], "a fit", "look at their rows"))
        return model.start_at(**{n: float(row[n]) for n in model.free_names})


@dataclass(frozen=True)
class OthersPrior(Learning):
    """The posterior mode under the other users' prior (`prior_of_others`)."""

    fitted = True

    def label(self, model: Model) -> str:
        return OTHERS

    def given_others(self, model: Model, others: pd.DataFrame) -> Model:
        return model.with_prior(prior_of_others(model, others))


@dataclass(frozen=True, eq=False)
class FittedCell(FittedRecall):
    """A cell at fitted values; ``prior_kept`` says why the prior was kept, is empty where the fit was taken, None where there is none."""

    model: Model
    prior_kept: str | None = None

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

    def default_kept(self) -> str | None:
        return self.prior_kept


@dataclass(frozen=True, eq=False)
class UnderPrior(RecallPredictor):
    """The cell's posterior mode, or, ``at_centre``, the centre of its prior: the two that the rule of `KeepDefault` chooses between."""

    model: Model
    at_centre: bool = False

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def parameters(self) -> int:
        return 0 if self.at_centre else len(self.model.free_names)

    def fit(self, train: pd.DataFrame) -> FittedCell:
        """The model at the one or the other."""
        return FittedCell((prior_centre if self.at_centre else posterior_mode)(self.model, train))


@dataclass(frozen=True, eq=False)
class CellRecall(RecallPredictor):
    """Any `Model` with outcomes recalled and grade as a predictor of recall. It reads ``elapsed_days`` as they stand in the frame.

    A fit under a prior is under the rule of every baseline with a default, `KeepDefault`: on the training reviews before the last 30 % in
    time it must forecast those not worse than the prior's centre, else the centre is kept.

    >>> from seqsci.domains.memory.models import sbd
    >>> CellRecall(sbd()).name, CellRecall(sbd()).parameters
    ("SBD, others' prior", 7)
    """

    model: Model
    learning: Learning = OthersPrior()

    @property
    def name(self) -> str:
        return f"{self.model.name}, {self.learning.label(self.model)}"

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
        if self.model.active_prior is None:
            return FittedCell(fit_user(self.model, train).model)
        chosen = KeepDefault(UnderPrior(self.model), UnderPrior(self.model, at_centre=True)).fit(train)
        return replace(cast(FittedCell, chosen.chosen), prior_kept=chosen.kept)
