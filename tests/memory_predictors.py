"""Small predictors of recall for tests of the backtest: honest ones, one that is online, and ones that break the contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.outliers import KeepAll
from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallBacktest, RecallPredictor, run
from seqsci.errors import DataError
from tests.memory_laws import simulated


@dataclass(frozen=True)
class Fixed(FittedRecall):
    share: float

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.where(rows["review"] == 0, np.nan, self.share)

    def values(self) -> dict[str, float]:
        return {"share": self.share}


@dataclass(frozen=True)
class Share(RecallPredictor):
    """The share recalled among the scored training rows, or a stated one."""

    name: str = "share"
    parameters: int = 1
    stated: float | None = None

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return Fixed(float(train.loc[train["scored"] == 1, "recalled"].mean()) if self.stated is None else self.stated)


@dataclass(frozen=True)
class ByDays(RecallPredictor):
    """Recall that falls with the elapsed days handed in."""

    name: str = "by days"
    parameters: int = 0
    half_life: float = 30.0

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        half_life = self.half_life

        class Fitted(FittedRecall):
            def predict(self, rows: pd.DataFrame) -> np.ndarray:
                return np.where(rows["review"] == 0, np.nan, 2.0 ** (-rows["elapsed_days"] / half_life))

        return Fitted()


@dataclass(frozen=True)
class Leaky(RecallPredictor):
    """Reads something that it must not."""

    what: str
    name: str = "leaky"
    parameters: int = 0

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        what = self.what

        class Fitted(FittedRecall):
            def predict(self, rows: pd.DataFrame) -> np.ndarray:
                y = rows["recalled"].astype(float)
                if what == "own outcome":
                    p = 0.4 + 0.2 * y
                elif what == "mean of all":
                    p = pd.Series(y.mean(), index=rows.index)
                elif what == "next of card":
                    p = 0.4 + 0.2 * y.groupby(rows["card_id"]).shift(-1).fillna(0.0)
                elif what == "other cards":
                    order = np.argsort(rows["review_time"].to_numpy(), kind="stable")
                    p = pd.Series(0.5, index=rows.index)
                    p.iloc[order] = 0.4 + 0.2 * y.iloc[order].shift(1).fillna(0.0).to_numpy()
                elif what == "first review":
                    return np.full(len(rows), 0.5)
                else:
                    rows["recalled"] = 1
                    p = pd.Series(0.5, index=rows.index)
                return np.where(rows["review"] == 0, np.nan, p)

        return Fitted()


@dataclass(frozen=True)
class Online(RecallPredictor):
    """The outcome of the user's row before."""

    name: str = "row before"
    parameters: int = 0

    @property
    def online(self) -> bool:
        return True

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return Leaky("other cards").fit(train)


@dataclass(frozen=True)
class Refuses(RecallPredictor):
    name: str = "refuses"
    parameters: int = 0
    result: float | None = None

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        if self.result is None:
            raise DataError("there is no winter in these data\n  got: summer")
        return Fixed(self.result)


FRAME = simulated(users=3, cards=25, reviews=10)


def backtest(*predictors: RecallPredictor, frame: pd.DataFrame = FRAME, **options: object) -> RecallBacktest:
    return run(predictors, frame, outliers=options.pop("outliers", KeepAll()), **options)  # type: ignore[arg-type]
