"""A small recurrent network pre-trained on other users: what recall can be predicted without a theory of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import bounded, check, scored, training
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.errors import DataError, ParameterError, explain, missing_extra

if TYPE_CHECKING:
    from types import ModuleType

    from seqsci.domains.memory.baselines.gru_training import ForgettingNetwork

Array = np.ndarray
VALIDATION = 0.2
"""Share of each user's scored reviews, its last ones, that choose the epoch of the pre-training."""


def _training() -> ModuleType:
    try:
        from seqsci.domains.memory.baselines import gru_training
    except ModuleNotFoundError as error:
        raise missing_extra(error, "a recurrent network for recall") or error from error
    return gru_training


@dataclass(frozen=True, eq=False)
class FittedGru(FittedRecall):
    """A trained network."""

    network: ForgettingNetwork
    exact: bool = False

    def predict(self, rows: pd.DataFrame) -> Array:
        check(rows, "GRU")
        return bounded(rows, _training().forecast(self.network, rows, self.exact))


@dataclass(frozen=True, eq=False)
class PretrainedGru(RecallPredictor):
    """A network trained on other users, taken as it is."""

    network: ForgettingNetwork
    exact: bool = False

    @property
    def name(self) -> str:
        return "GRU, other users"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return 0

    def fit(self, train: pd.DataFrame) -> FittedGru:
        """Nothing to fit."""
        return FittedGru(self.network, self.exact)


@dataclass(frozen=True, eq=False)
class TunedGru(RecallPredictor):
    """A network trained on other users, then for a few epochs on the user's training reviews.

    Raises `DataError` where no training review is scored.
    """

    network: ForgettingNetwork
    exact: bool = False
    epochs: int = 10
    learning_rate: float = 0.002
    seed: int = 0

    @property
    def name(self) -> str:
        return "GRU, tuned"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    def fit(self, train: pd.DataFrame) -> FittedGru:
        """Adam from the network of the others."""
        weight = np.zeros(len(train))
        weight[training(train, self.name)] = 1.0
        made = _training()
        cards = made.batches(train, weight, np.zeros(len(train)), self.exact)
        return FittedGru(made.train(self.network, cards, self.epochs, self.learning_rate, None, self.seed), self.exact)


def validation_rows(frame: pd.DataFrame) -> tuple[Array, Array]:
    """Weights (rows,): of scored reviews in the first part of each user's time, and in the last `VALIDATION` of it."""
    first, last = np.zeros(len(frame)), np.zeros(len(frame))
    rows, times, users = scored(frame), frame["review_time"].to_numpy(), frame["user"].to_numpy()
    for user in pd.unique(users[rows]):
        own = rows[users[rows] == user]
        cut = np.quantile(times[own], 1 - VALIDATION)
        first[own[times[own] <= cut]] = 1.0
        last[own[times[own] > cut]] = 1.0
    return first, last


@dataclass(frozen=True)
class GatedRecurrentUnit(RecallPredictor):
    r"""A gated recurrent unit over a card's reviews, with a power curve as its head, pre-trained on users who are not predicted.

        h_k = GRU(h_{k-1}, x_k),  x_k = (log(1 + days), same day, grade one-hot, log(1 + k)),  (log S_k, d_k) = W h_k + b
        p_{k+1} = (1 + t / S_k)^(-d_k)

    ``given_others`` trains on all rows handed to it (Adam, the epoch with the least log loss on the last fifth of each user's reviews);
    ``fit`` then goes on for a few epochs on the user's training reviews, and `KeepDefault` keeps the network of the others where that is
    worse. Without others ``fit`` refuses. The same seed and number of threads give the same weights. Learning rates
    and tuning epochs were chosen among five settings on the six users of the development data, which flatters them there.

    | argument | unit | reading |
    |---|---|---|
    | exact | | fractional days instead of whole ones |
    | hidden | | width of the state: 16 makes 1,234 weights |
    | epochs, patience | passes | at most, and without improvement |
    | learning_rate | | of Adam on the others |
    | tuning | passes | over the user's reviews |
    | seed | | of initial weights and order |

    Raises `MissingExtraError` without pytorch-lightning, `DataError` without scored reviews of others.
    Source: Cho et al. (2014), DOI 10.3115/v1/D14-1179, for the unit.

    >>> GatedRecurrentUnit().name
    'GRU, pre-trained on others'
    """

    exact: bool = False
    hidden: int = 16
    epochs: int = 60
    patience: int = 6
    learning_rate: float = 0.005
    tuning: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.hidden, self.epochs, self.patience, self.tuning) < 1 or not self.learning_rate > 0:
            raise ParameterError(explain("a GRU cannot be trained so", self, "counts >= 1, learning_rate > 0", "use the defaults"))

    @property
    def name(self) -> str:
        return "GRU, pre-trained on others"

    @property
    def online(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return 3 * self.hidden * (7 + self.hidden + 2) + 2 * (self.hidden + 1)

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        """Refuses: nothing is pre-trained yet."""
        fix = "call given_others(frame) first"
        raise DataError(explain(f"{self.name}: no other users were given", "none", "rows of other users", fix))

    def pretrain(self, others: pd.DataFrame) -> ForgettingNetwork:
        """The network trained on the others' reviews."""
        training(others, self.name)
        made = _training()
        cards = made.batches(others, *validation_rows(others), self.exact)
        network: ForgettingNetwork = made.train(
            made.new_network(self.hidden, self.seed), cards, self.epochs, self.learning_rate, self.patience, self.seed
        )
        return network

    def given_others(self, others: pd.DataFrame) -> KeepDefault:
        """The tuned network, with that of the others kept by the rule."""
        network = self.pretrain(others)
        return KeepDefault(TunedGru(network, self.exact, self.tuning, seed=self.seed), PretrainedGru(network, self.exact))
