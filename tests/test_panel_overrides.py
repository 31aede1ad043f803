"""A mechanism of the user's own in a panel: what it overrides is asked of one unit at a time, and is the single fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seqsci
from seqsci import fit_panel
from seqsci.cells.volatility import Volatility
from seqsci.domains.finance import models
from seqsci.errors import DataError, SeqsciError
from seqsci.gates.knockout import Closed
from seqsci.knockout import knock_out
from seqsci.model import Model
from seqsci.panel.batch import _ones

GARCH = models.garch_normal()


@dataclass(frozen=True)
class OwnPresample(Volatility):
    """The variance of the first twenty returns of a series."""

    def presample(self, outcome: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {"backcast": float(np.var(outcome["log_return"][:20]))}


@dataclass(frozen=True)
class OwnCheck(Volatility):
    """No series whose typical return is above 1.5."""

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        if float(np.abs(outcome["log_return"]).mean()) > 1.5:
            raise DataError("too wild")


@dataclass(frozen=True)
class OwnStart(Volatility):
    """Two starting points, one dict filled twice."""

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        guess = {"mean": float(outcome["log_return"].mean()), "persistence": 0.97, "memory": 0.9, "intercept": 0.03}
        yield guess
        guess |= {"persistence": 0.5, "memory": 0.5, "intercept": 0.5}
        yield guess


@dataclass(frozen=True)
class Wrong(Volatility):
    """Says that it is stacked, and is not."""

    stacked = True

    def presample(self, outcome: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {"backcast": float(np.var(outcome["log_return"]))}


def model_of(kind: type[Volatility]) -> Model:
    own = GARCH.mechanism
    return replace(GARCH, mechanism=kind(**{f.name: getattr(own, f.name) for f in fields(own) if f.init}))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    truth = GARCH.start_at(mean=0.04, persistence=0.95, memory=0.85, intercept=0.06)
    values = truth.simulate(4 * 200, 1).outcome["log_return"].reshape(4, 200).T * np.array([0.3, 0.6, 1.0, 3.0])
    return pd.DataFrame(values, columns=list("abcd"))


def test_only_what_the_class_that_says_so_wrote_is_stacked() -> None:
    assert GARCH.mechanism.stacks and model_of(Wrong).mechanism.stacks
    assert not any(model_of(kind).mechanism.stacks for kind in (OwnPresample, OwnCheck, OwnStart))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [OwnPresample, OwnCheck, OwnStart])
def test_a_panel_of_a_subclass_is_its_single_fits(kind: type[Volatility], frame: pd.DataFrame) -> None:
    model = model_of(kind)
    table = fit_panel(model, frame, unit="percent", threads=1).table.set_index("unique_id")
    for name, column in frame.items():
        try:
            expected = seqsci.fit(model, column, unit="percent").log_likelihood
        except SeqsciError as error:
            assert table.loc[name, "status"] == "failed" and str(error).splitlines()[0] in table.loc[name, "reason"]
        else:
            assert table.loc[name, "log_likelihood"] == pytest.approx(expected, rel=1e-6), name
    assert (table["status"] == "ok").sum() == (3 if kind is OwnCheck else 4)


def test_a_stacked_presample_without_an_entry_a_unit_is_told(frame: pd.DataFrame) -> None:
    table = fit_panel(model_of(Wrong), frame, unit="percent", threads=1).table
    assert (table["status"] == "failed").sum() >= 1 and "no entry a unit" in " ".join(table["reason"])


def test_a_unit_without_weight_is_no_fit_and_numbers_too_large_are_named(frame: pd.DataFrame) -> None:
    long = frame.melt(var_name="unique_id", value_name="y")
    long["weight"] = np.where(long["unique_id"] == "b", 0.0, 1.0)
    long.loc[long.index[:2], "y"] = [1.7e308, -1.7e308]
    table = fit_panel(GARCH, long, unit="percent", threads=1).table.set_index("unique_id")
    assert table.loc["b", "reason"] == "no observed value with a weight above 0" and table.loc["c", "status"] == "ok"
    assert "too large to compute with" in table.loc["a", "reason"]


def test_a_knocked_out_cell_without_gaps_fits_in_a_panel(frame: pd.DataFrame) -> None:
    knocked = knock_out(model_of(OwnCheck), forget=Closed())
    assert not knocked.mechanism.stacks and knock_out(GARCH, forget=Closed()).mechanism.stacks
    table = fit_panel(knocked, frame, unit="percent", threads=1).table.set_index("unique_id")
    assert table.loc["d", "reason"] == "too wild" and (table["status"] == "ok").sum() == 3


def test_weights_of_one_are_ones_however_many_ask_for_them() -> None:
    assert len(_ones(10, True)) == 10 and len(_ones(200_000, True)) == 200_000 and len(_ones(70_000, True)) == 70_000
