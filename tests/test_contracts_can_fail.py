"""Each law of models and predictors refuses something that breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from seqsci.cell import Cell
from seqsci.constraints import Interval, Positive
from seqsci.equations.vocabulary import where
from seqsci.forecast import Distribution, PathForecast
from seqsci.kernel import Kernel
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Derived, Known, Outcome, Parameter, State
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences
from seqsci.testing import (
    MODEL_LAWS,
    cells,
    check_model,
    check_predictor,
    check_recovery,
    models,
)
from tests.hard_cases import DrivenCell, LeakyBank
from tests.registry import ALL_CELLS, VOLATILITY

CELL = {case.name: case for case in ALL_CELLS}
LAW = {law.__name__: law for law in MODEL_LAWS}


def _same_on_numbers_only(x: Any) -> Any:
    return where(x == 0, 0.0, 1.0)


def _mixed(x: Any) -> Any:
    """Adds the batch mean, but only where there is a batch."""
    return x + x.mean() if isinstance(x, torch.Tensor) and x.ndim and len(x) > 1 else x


@dataclass(frozen=True)
class Faulty(Mechanism):
    """A moving average whose update hides a fault in a helper, where reading its source does not see it."""

    fault: str
    states = (State("average"),)
    known = (Known("kind"),)
    outcomes = (Outcome("y"),)
    own_parameters = (Parameter("spread", Positive(), 1.0, "1", "s", "scatter"),)

    def start(self) -> float:
        return 0.0

    def read(self, average: Any, spread: Any) -> dict[str, Any]:
        return {"location": average, "scale": spread}

    def update(self, average: Any, y: Any, kind: Any) -> Any:
        return 0.9 * average + 0.1 * (_mixed(y) if self.fault == "mixed batch" else y * _same_on_numbers_only(kind))


def _faulty(fault: str) -> tuple[Model, Sequences]:
    rng = np.random.default_rng(0)
    return Model(Faulty(fault), Gaussian()), Sequences({"y": rng.normal(0, 1, 40)}, {"kind": np.tile([0.0, 1.0], 20)})


def test_a_traced_equality_is_caught_by_the_back_ends() -> None:
    with pytest.raises(AssertionError, match="back ends disagree on states"):
        LAW["back_ends_agree"](*_faulty("hidden equality"))


def test_samples_that_mix_in_a_batch_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "BACKENDS", ("torch",))
    with pytest.raises(AssertionError, match="a batch of 3 differs from its samples"):
        LAW["batched_equals_per_sample"](*_faulty("mixed batch"))


FILTER, PACK, SCORE, ADJOINT = Model.filter, Model.pack, Kernel.score, Kernel.adjoint


def _reads_see_the_outcome(model: Model, sequences: Sequences, *rest: Any) -> Any:
    result = FILTER(model, sequences, *rest)
    return replace(result, reads=result.reads + np.nan_to_num(sequences.outcome["y"])[:, None])


def _wide_gates(model: Model, sequences: Sequences, *rest: Any) -> Any:
    result = FILTER(model, sequences, *rest)
    return replace(result, gates=result.gates + 0.5)


def _scores_unobserved_rows(model: Model, *rest: Any) -> Any:
    return replace(packed := PACK(model, *rest), observed=np.ones_like(packed.observed))


def _one_unit(model: Model, *rest: Any) -> Any:
    packed = PACK(model, *rest)
    reset = np.zeros_like(packed.reset)
    reset[0] = 1
    return replace(packed, reset=reset)


def _counts_every_row(model: Model, sequences: Sequences) -> np.ndarray:
    return np.full((len(sequences.starts), 1), float(len(sequences)))


def _stretched_score(kernel: Kernel, *rest: Any, **more: Any) -> Any:
    result = SCORE(kernel, *rest, **more)
    return replace(result, gradient=result.gradient * 1.001)


def _stretched_adjoint(kernel: Kernel, *rest: Any) -> Any:
    dx, *others = ADJOINT(kernel, *rest)
    return (dx * 1.001, *others)


def _forgetful_step(cell: Cell, known: Any, outcome: Any, state: torch.Tensor) -> Any:
    return cell.forward({n: v[:, None] for n, v in known.items()}, {n: v[:, None] for n, v in outcome.items()}, 0.9 * state)


BREAKAGES = {
    "time_contract": (Model, "filter", _reads_see_the_outcome, "see outcomes from row"),
    "gates_stay_in_range": (Model, "filter", _wide_gates, r"leaves \[0, 1\]"),
    "missing_outcomes_never_enter": (Model, "pack", _scores_unobserved_rows, "unobserved row"),
    "units_are_independent": (Model, "pack", _one_unit, "alone"),
    "padding_is_invisible": (Model, "presamples", _counts_every_row, "padding changes presample numbers"),
    "score_agrees": (Kernel, "score", _stretched_score, "score and autograd"),
    "gradients_agree": (Kernel, "adjoint", _stretched_adjoint, "autograd disagree on inputs"),
    "cell_back_ends_agree": (Kernel, "adjoint", _stretched_adjoint, "input gradients"),
    "streaming_equals_forward": (Cell, "step", _forgetful_step, "streaming differs"),
    "parameters_survive_saving": (Cell, "load_state_dict", lambda cell, state: None, "comes back different"),
    "knock_outs_have_their_closed_form": (cells, "knock_out", lambda model, forget, write: model, "forget = Closed"),
    "pickles": (Model, "__hash__", lambda model: id(model), "from pickle different"),
}


def test_each_law_of_models_has_something_that_breaks_it() -> None:
    elsewhere = {"back_ends_agree", "batched_equals_per_sample", "declarations_hold"}
    assert set(BREAKAGES) | elsewhere == set(LAW)


@pytest.mark.parametrize("law", BREAKAGES)
def test_each_law_of_models_can_fail(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences = CELL["driven_cell"].make()
    target, name, value, text = BREAKAGES[law]
    LAW[law](model, sequences)
    monkeypatch.setattr(target, name, value)
    with pytest.raises(AssertionError, match=text):
        LAW[law](model, sequences)


def test_a_derived_quantity_outside_its_set_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    share = Derived("share", lambda base: base, "1", "s", "a share", Interval(0.0, 1.0))
    monkeypatch.setattr(DrivenCell, "own_derived", (share,))
    model, sequences = CELL["driven_cell"].make()
    LAW["declarations_hold"](model.start_at(base=0.5), sequences)
    with pytest.raises(AssertionError, match="share at"):
        LAW["declarations_hold"](model.start_at(base=2.0), sequences)


def test_check_model_names_every_law_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(model: Model, sequences: Sequences) -> None:
        raise AssertionError("not so")

    monkeypatch.setattr(models, "MODEL_LAWS", (broken, LAW["gates_stay_in_range"], broken))
    with pytest.raises(AssertionError, match="2 of 3 laws\nbroken: not so\nbroken: not so"):
        check_model(*CELL["driven_cell"].make())
    monkeypatch.setattr(models, "MODEL_LAWS", (LAW["gates_stay_in_range"],))
    check_model(*CELL["driven_cell"].make())


def test_a_model_that_is_fitted_to_other_data_is_not_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    other = VOLATILITY.start_at(rotation=-0.5).simulate(4000, 0)
    monkeypatch.setattr(Model, "simulate", lambda *rest: other)
    with pytest.raises(AssertionError, match="rotation is not recovered"):
        check_recovery(VOLATILITY, 4000)


@dataclass(frozen=True, eq=False)
class FaultyFitted(FittedPredictor):
    """A normal density around the last outcome, with a fault."""

    fault: str
    last: float
    memory: list[float]

    def predict_rows(self, rows: Sequences) -> Distribution:
        y = rows.outcome["log_return"]
        start = self.memory[-1] if self.fault == "mutable" else self.last
        location = y if self.fault == "peeks" else np.r_[start, y[:-1]]
        scale = np.std(y) if self.fault == "scale of the future" else 1.0
        if self.fault == "wide":
            location = location[:, None]
        return Distribution(Gaussian(), {"location": location, "scale": np.full(len(y), scale)})

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, np.ndarray] | None = None) -> PathForecast:
        rng = np.random.default_rng(None if self.fault == "own seed" else seed)
        paths = self.last + rng.normal(0, 1, (draws, horizon)).cumsum(1) + (1.0 if self.fault == "biased paths" else 0.0)
        return PathForecast(np.full(horizon, self.last), np.arange(1.0, horizon + 1), paths, True)

    def update(self, rows: Sequences) -> FaultyFitted:
        if self.fault == "no update":
            return self
        self.memory.append(float(rows.outcome["log_return"][-1]))
        return FaultyFitted(self.fault, self.memory[-1], self.memory if self.fault == "mutable" else [])


@dataclass(frozen=True)
class FaultyPredictor(Predictor):
    fault: str = ""

    @property
    def name(self) -> str:
        return "" if self.fault == "no name" else "last value"

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedPredictor:
        noise = np.random.default_rng().normal() if self.fault == "random fit" else 0.0
        return FaultyFitted(self.fault, float(train.outcome["log_return"][-1]) + noise, [float(train.outcome["log_return"][-1])])


PREDICTOR_FAULTS = {
    "peeks": "see outcomes from row",
    "scale of the future": "see outcomes from row",
    "no update": "carry the whole memory",
    "mutable": "changed the predictor",
    "wide": "one value a row",
    "own seed": "same seed",
    "biased paths": "paths and mean disagree",
    "random fit": "a second fit differs",
    "no name": "has a name",
}


@pytest.mark.parametrize("fault", PREDICTOR_FAULTS)
def test_a_faulty_predictor_is_refused(fault: str) -> None:
    sequences = Sequences({"log_return": np.random.default_rng(0).normal(0, 1, 90)})
    check_predictor(FaultyPredictor(), sequences)
    with pytest.raises(AssertionError, match=PREDICTOR_FAULTS[fault]):
        check_predictor(FaultyPredictor(fault), sequences)


def test_the_bank_of_the_registry_is_gated() -> None:
    """Otherwise the laws of gates and knock-outs would hold for want of anything to check."""
    model, sequences = CELL["leaky_bank"].make()
    assert isinstance(model.mechanism, LeakyBank)
    assert model.filter(sequences).gates.shape[1] == 6
