"""FSRS-6 fitted by its own optimiser, the package fsrs-optimizer."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from seqsci.domains.memory.backtest.protocol import RecallPredictor
from seqsci.domains.memory.baselines.fsrs_default import DEFAULTS, DefaultFsrs6, FittedFsrs6
from seqsci.domains.memory.baselines.histories import check, training, whole_days
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.errors import ConvergenceError, DataError, MissingExtraError, explain

PACKAGE, EXTRA = "fsrs-optimizer", "fsrs"
LONGEST_HISTORY = 64
"""Reviews of a history that the optimiser still trains on."""


def _package() -> ModuleType:
    with warnings.catch_warnings():  # importing it switches off every UserWarning of the process
        try:
            return importlib.import_module("fsrs_optimizer.fsrs_optimizer")
        except ImportError as error:
            raise MissingExtraError(PACKAGE, EXTRA, "FSRS-6 fitted by its own optimiser") from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Its progress bars go nowhere, nor does pandas' notice that the package still uses a keyword that goes in pandas 4."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", "The inplace keyword in", DeprecationWarning)
        yield


def _texts(values: np.ndarray) -> list[str]:
    return [str(int(v)) for v in values]


def training_set(train: pd.DataFrame) -> pd.DataFrame:
    """The scored reviews as the optimiser's rows, each with the whole history of its card.

    Columns: card_id, review_time, i (number of the card's day, the first is 1), delta_t (whole days), y, t_history and r_history
    (gaps and grades of the reviews before, separated by commas; same-day reviews are in them).
    """
    rows = training(train, PACKAGE)
    review, gaps = train["review"].to_numpy(), whole_days(train)
    days, grades = _texts(gaps), _texts(train["grade"].to_numpy())
    on_new_day = (train["same_day"].to_numpy() == 0).astype(np.int64)
    total = np.cumsum(on_new_day)
    start = np.arange(len(train)) - review
    frame = train.iloc[rows]
    return pd.DataFrame(
        {
            "card_id": frame["card_id"].to_numpy(),
            "review_time": frame["review_time"].to_numpy(),
            "i": (total - total[start] + 1)[rows],
            "delta_t": gaps[rows].astype(np.int64),
            "y": frame["recalled"].to_numpy(np.int64),
            "t_history": [",".join(days[start[r] : r]) for r in rows],
            "r_history": [",".join(grades[start[r] : r]) for r in rows],
        }
    )


@dataclass(frozen=True)
class WholeDaysFsrs6(FittedFsrs6):
    """FSRS-6 with known parameters that forecasts on whole study days, as it was trained, whatever ``elapsed_days`` holds."""

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        check(rows, "FSRS-6")
        return FittedFsrs6(self.parameters).predict(rows.assign(elapsed_days=whole_days(rows)))


@dataclass(frozen=True)
class WholeDaysDefaultFsrs6(DefaultFsrs6):
    """The shipped parameters on whole days: what `OptimisedFsrs6` is chosen against."""

    @property
    def whole_days(self) -> bool:
        return True

    def fit(self, train: pd.DataFrame) -> WholeDaysFsrs6:
        """Nothing to fit."""
        return WholeDaysFsrs6(DEFAULTS)


@dataclass(frozen=True)
class OptimisedFsrs6(RecallPredictor):
    """FSRS-6 fitted to the user by the recipe of fsrs-optimizer, as it comes.

    First stabilities from the first interval of each first grade; then Adam over all 21 numbers (5 epochs, batches of 512, learning rate
    .04, histories of at most 64 reviews, ridge to the first stabilities found and the defaults).

    ``recency`` weights reviews from .25 (oldest) to 1 (newest), which its command line does and its function leaves out. Whole days only,
    in the fit and in its forecasts: with fractional days the package switches its same-day equations off. The rows are the scored
    training reviews handed in, so its own outlier filter is not run; nothing is written to disk. `or_default` adds the rule of
    `KeepDefault`.

    Raises `MissingExtraError` without the package, `DataError` where no training review is scored.
    Source: open-spaced-repetition/fsrs-optimizer 6.5 (no DOI).

    >>> OptimisedFsrs6().parameters
    21
    """

    recency: bool = False

    @property
    def name(self) -> str:
        return "FSRS-6, fsrs-optimizer" + (", recency" if self.recency else "")

    @property
    def online(self) -> bool:
        return False

    @property
    def whole_days(self) -> bool:
        return True

    @property
    def parameters(self) -> int:
        return 21

    def fit(self, train: pd.DataFrame) -> WholeDaysFsrs6:
        """The optimiser's parameters, rounded to four places as it does."""
        package = _package()
        data = training_set(train)
        short = data["r_history"].str.count(",") < LONGEST_HISTORY
        if not short.any() or not (data["i"] == 2).any():
            got = f"{int(short.sum())} such histories, {int((data['i'] == 2).sum())} scored second days"
            expected = f"histories of at most {LONGEST_HISTORY} reviews, and a card's second day among the scored reviews"
            raise DataError(explain("fsrs-optimizer cannot start from these reviews", got, expected, "use `or_default`"))
        with _silent():
            optimiser: Any = package.Optimizer()
            optimiser.define_model()
            optimiser.initialize_parameters(data, verbose=False)
            optimiser.train(verbose=False, recency_weight=self.recency)
        if not np.isfinite(optimiser.w).all():
            raise ConvergenceError(explain("fsrs-optimizer diverged", optimiser.w, "21 finite numbers", "use `or_default`"))
        return WholeDaysFsrs6(tuple(float(w) for w in optimiser.w))

    def or_default(self) -> KeepDefault:
        """With the default parameters kept where the fit is worse on reviews held out."""
        return KeepDefault(self, WholeDaysDefaultFsrs6())
