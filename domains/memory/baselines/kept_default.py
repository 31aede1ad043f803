"""The rule for fits that have a default: never worse than it on training reviews held out, else the default is kept and says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.histories import LEAST, check, log_loss, outcomes, scored
from seqsci.errors import ConvergenceError, DataError
from seqsci.estimation.prior_rule import EQUAL, HELD_OUT

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class FittedOrDefault(FittedRecall):
    """What the rule chose.

    Attributes:
        chosen: the fit, or the default.
        kept: why the default was kept, or an empty text.
    """

    chosen: FittedRecall
    kept: str

    def predict(self, rows: pd.DataFrame) -> Array:
        return self.chosen.predict(rows)

    def values(self) -> Mapping[str, float]:
        return self.chosen.values()

    def default_kept(self) -> str:
        return self.kept


def held_out(train: pd.DataFrame) -> tuple[Array, Array]:
    """Masks (rows,): reviews before the last `HELD_OUT` of the scored ones in time, and the scored ones among the others."""
    rows, times = scored(train), train["review_time"].to_numpy()
    count = round(HELD_OUT * len(rows))
    if not count:
        return np.ones(len(train), bool), np.zeros(len(train), bool)
    cut = np.sort(times[rows], kind="stable")[-count]
    late = np.zeros(len(train), bool)
    late[rows[times[rows] >= cut]] = True
    return times < cut, late


@dataclass(frozen=True)
class KeepDefault(RecallPredictor):
    """A predictor with a default to fall back on, chosen on training reviews alone.

    1. Fit the reviews before the last 30 % of the scored training reviews, in time.
    2. On those 30 % compare its log loss with that of the default.
    3. Where it is not worse by more than 0.001 nats in all, fit all training reviews; else keep the default.

    The default is kept too where there is nothing to hold out, or where the early reviews cannot be fitted. It is the rule of
    `seqsci.estimation.prior_rule`, held out in the user's time rather than by cards; every fit of a comparison of recall that has a prior
    or a default is under it (`seqsci.domains.memory.cell_predictor.CellRecall` as well).

    Attributes:
        fitted: what is fitted to the user.
        default: what is kept otherwise: fixed parameters, or a fit to other users.
    """

    fitted: RecallPredictor
    default: RecallPredictor

    @property
    def name(self) -> str:
        return f"{self.fitted.name}, or default"

    @property
    def online(self) -> bool:
        return self.fitted.online or self.default.online

    @property
    def whole_days(self) -> bool:
        return self.fitted.whole_days

    @property
    def parameters(self) -> int:
        return self.fitted.parameters

    def fit(self, train: pd.DataFrame) -> FittedOrDefault:
        """The fit or the default."""
        check(train, self.name)
        early, late = held_out(train)
        kept = self._why_kept(train, early, late)
        return FittedOrDefault((self.default if kept else self.fitted).fit(train), kept)

    def given_others(self, others: pd.DataFrame) -> KeepDefault:
        """Both with what they take from other users."""
        return KeepDefault(self.fitted.given_others(others), self.default.given_others(others))

    def _why_kept(self, train: pd.DataFrame, early: Array, late: Array) -> str:
        if not late.any():
            return "too few scored reviews to hold any out"
        before = train[early]
        try:
            candidate = self.fitted.fit(before)
        except (DataError, ConvergenceError) as error:
            return f"the early reviews alone could not be fitted: {str(error).splitlines()[0]}"
        recalled = outcomes(train)[late]
        fitted, default = (
            log_loss(recalled, np.clip(f.predict(train)[late], LEAST, 1 - LEAST)) for f in (candidate, self.default.fit(before))
        )
        if fitted <= default + EQUAL:
            return ""
        return f"the fit was {fitted - default:.3g} nats worse than the default on {int(late.sum())} reviews held out"
