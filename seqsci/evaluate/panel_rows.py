"""The rows of a panel as a backtest sees them: which outcome, which dates, and from which row on each series is forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.bank_predictor import BankPredictor
from seqsci.constraints import Positive
from seqsci.equations.vocabulary import Expression
from seqsci.errors import DataError, explain
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Outcome, Parameter, State
from seqsci.predictor import ModelPredictor, Predictor, SelectedPredictor

if TYPE_CHECKING:
    from seqsci.panel.units import Units

Array = np.ndarray
TRAINING_SHARE = 0.7
"""Share of each series' rows before the first forecast, where neither a window nor a first row is given."""
Start = int | str | np.datetime64 | None
"""First row to forecast: a row number within each series, or a date (also a `pandas.Timestamp`)."""


@dataclass(frozen=True)
class RandomWalk(Mechanism):
    """``y_t = y_{t-1} + noise``: reads the column y of a frame where no predictor is a model that names its outcome; never fitted."""

    states = (State("last"),)
    outcomes = (Outcome("y"),)
    own_parameters = (Parameter("spread", Positive(), 1.0, "1", r"\sigma", "scatter of a step", 1),)

    def start(self) -> float:
        return 0.0

    def read(self, last: Expression, spread: Expression) -> dict[str, Expression]:
        return {"location": last, "scale": spread}

    def update(self, y: Expression) -> Expression:
        return y


def models_of(predictors: Sequence[Predictor]) -> list[Model]:
    """The models among the predictors."""
    banks = [p.bank.model for p in predictors if isinstance(p, BankPredictor)]
    return [p.model for p in predictors if isinstance(p, ModelPredictor | SelectedPredictor)] + banks


def panel_of(predictors: Sequence[Predictor], frame: Any, by: str, unit: str | None) -> tuple[Units, str]:
    """The frame as units with the known columns of every model, dates that sort, and the name of the outcome.

    Raises `DataError` for models of different outcomes, and for what concerns the whole frame.
    """
    from seqsci.panel.units import to_units

    models = models_of(predictors) or [Model(RandomWalk(), Gaussian())]
    outcomes = {m.mechanism.outcomes[0].name for m in models}
    if len(outcomes) > 1:
        raise DataError(explain("the models forecast different outcomes", sorted(outcomes), "one outcome", "compare them one by one"))
    found = [to_units(m, frame, by, None, unit) for m in models]
    known = {n: v for u in found for n, v in u.known.items()}
    units = found[0]
    return replace(units, known=known, **_dated(units)), outcomes.pop()


def _dated(units: Units) -> dict[str, Any]:
    """The reasons, with the units that lack a date."""
    import pandas as pd

    if units.index is None:
        return {}
    lost = np.asarray(pd.isna(units.index))
    code = np.repeat(np.arange(len(units)), np.diff(units.offsets))
    return {"reasons": units.reasons | {int(i): "a date is missing" for i in np.unique(code[lost])}}


def starts_of(units: Units, first: Any, window: int | None) -> tuple[Array, str]:
    """(units,) first row to forecast, and the rule in words."""
    rows = np.diff(units.offsets)
    if first is None and window is None:
        return np.asarray((rows * TRAINING_SHARE).astype(np.int64)), f"after {TRAINING_SHARE:.0%} of each series' rows"
    if first is None or isinstance(first, int | np.integer):
        number = int(window if first is None else first)  # type: ignore[arg-type]
        if number < 1:
            raise DataError(explain("the first row to forecast has none before it", number, ">= 1", "pass a later row"))
        return np.full(len(units), number, np.int64), f"from row {number} of each series on"
    if units.index is None or units.index.dtype.kind != "M":
        got = "no dates" if units.index is None else f"labels of type {units.index.dtype}"
        raise DataError(explain("first is a date, but the frame has none", got, "a column ds of dates", "pass a row number"))
    early = units.index < _moment(first, units.index.dtype)
    counts = np.r_[0, np.cumsum(early)]
    return np.asarray(counts[units.offsets[1:]] - counts[units.offsets[:-1]]), f"from {str(first)[:10]} on"


def _moment(first: Any, kind: np.dtype[Any]) -> Any:
    try:
        return np.datetime64(first).astype(kind)
    except ValueError as error:
        raise DataError(explain("first is neither a row number nor a date", repr(first), "500 or '2015-01-02'", "correct it")) from error
