"""Each law of seqsci.testing refuses something that breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from seqsci.cell import Cell
from seqsci.constraints import Interval, Positive, Real
from seqsci.equations.vocabulary import exp, where
from seqsci.errors import EquationError
from seqsci.forecast import Distribution, PathForecast
from seqsci.gates.base import Gate
from seqsci.kernel import Kernel
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Derived, Known, Outcome, Parameter, State
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences
from seqsci.testing import (
    MODEL_LAWS,
    cells,
    check_gate,
    check_model,
    check_observation,
    check_parameter,
    check_predictor,
    check_recovery,
    models,
)
from tests.hard_cases import DrivenCell, LeakyBank
from tests.registry import ALL_CELLS, VOLATILITY

RATE = Parameter("rate", Real(), 0.5, "1", "k", "rate")
CELL = {case.name: case for case in ALL_CELLS}
LAW = {law.__name__: law for law in MODEL_LAWS}


@dataclass(frozen=True)
class FaultyGate(Gate):
    fault: str
    signals = ("shock",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (RATE,)

    def opening(self, signals: dict[str, Any], parameters: dict[str, Any]) -> Any:
        return FAULTY_OPENINGS[self.fault](signals["shock"], parameters)


def _same_on_numbers_only(x: Any) -> Any:
    return where(x == 0, 0.0, 1.0)


FAULTY_OPENINGS = {
    "range": lambda shock, p: exp(p["rate"] * shock),
    "name": lambda shock, p: p["speed"],
    "derivative": lambda shock, p: 1 / (1 + exp(-p["rate"] * shock)),
    "hidden equality": lambda shock, p: _same_on_numbers_only(shock) * exp(-shock * exp(p["rate"])),
}


@pytest.mark.parametrize(
    ("fault", "text"), [("range", "leaves its range"), ("name", "'speed'"), ("derivative", "derivative"), ("hidden equality", "SymPy")]
)
def test_a_faulty_gate_is_refused(fault: str, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        check_gate(FaultyGate(fault))


@dataclass(frozen=True)
class UnpicklableGate(Gate):
    function: Any

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def opening(self, signals: dict[str, Any], parameters: dict[str, Any]) -> Any:
        return 0.5


class GateWithoutEquality(Gate):
    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def opening(self, signals: dict[str, Any], parameters: dict[str, Any]) -> Any:
        return 0.5


@dataclass(frozen=True)
class EqualityGate(Gate):
    signals = ("shock",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def opening(self, signals: dict[str, Any], parameters: dict[str, Any]) -> Any:
        return where(signals["shock"] == 0, 0.0, 1.0)


def test_a_gate_that_is_no_value_or_no_equation_is_refused() -> None:
    with pytest.raises(AssertionError, match="does not pickle"):
        check_gate(UnpicklableGate(lambda x: x))
    with pytest.raises(AssertionError, match="comes back from pickle different"):
        check_gate(GateWithoutEquality())
    with pytest.raises(EquationError, match="equal"):
        check_gate(EqualityGate())


@dataclass(frozen=True)
class FaultyInterval(Interval):
    fault: str = ""

    def forward(self, raw: Any) -> Any:
        value = super().forward(raw)
        return {"range": 1.5 * value, "direction": 1 - value}.get(self.fault, value)

    def log_jacobian(self, raw: Any) -> Any:
        return super().log_jacobian(raw) + (0.1 if self.fault == "jacobian" else 0.0)

    def _inverse(self, value: float) -> float:
        return super()._inverse(value) + (0.01 if self.fault == "inverse" else 0.0)


@pytest.mark.parametrize(
    ("fault", "text"), [("range", "leaves"), ("direction", "increase"), ("jacobian", "jacobian"), ("inverse", "inverse")]
)
def test_a_faulty_constraint_is_refused(fault: str, text: str) -> None:
    check_parameter(Parameter("share", FaultyInterval(0.0, 1.0), 0.5, "1", "s", "share"))
    with pytest.raises(AssertionError, match=text):
        check_parameter(Parameter("share", FaultyInterval(0.0, 1.0, fault), 0.5, "1", "s", "share"))


class FaultyGaussian(Gaussian):
    def __init__(self, fault: str) -> None:
        object.__setattr__(self, "fault", fault)

    def _is(self, fault: str) -> bool:
        return bool(getattr(self, "fault", "") == fault)

    def log_density(self, y: Any, given: Mapping[str, Any]) -> Any:
        return super().log_density(y, given) + 0.01 * self._is("constant")

    def outcome(self, noise: Any, given: Mapping[str, Any]) -> Any:
        return super().outcome(noise, given) + 0.1 * self._is("biased draws")

    def noise(self, size: tuple[int, ...], shape: Mapping[str, float], generator: np.random.Generator) -> np.ndarray:
        generator = np.random.default_rng() if self._is("own seed") else generator
        return super().noise(size, shape, generator) * (1.1 if self._is("wide draws") else 1.0)

    def cdf(self, y: np.ndarray, given: Mapping[str, Any]) -> np.ndarray:
        return super().cdf(y, given) ** (1.001 if self._is("cdf") else 1.0)

    def quantile(self, probability: np.ndarray, given: Mapping[str, Any]) -> np.ndarray:
        return super().quantile(probability, given) + 0.001 * self._is("quantile")

    def mean(self, given: Mapping[str, Any]) -> np.ndarray:
        return np.asarray(super().mean(given) + 0.001 * self._is("mean"))

    def variance(self, given: Mapping[str, Any]) -> np.ndarray:
        value = super().variance(given) * (1.001 if self._is("variance") else 1.0)
        return np.asarray(np.mean(value)) if self._is("scalar") else value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FaultyGaussian)

    def __hash__(self) -> int:
        return 1


OBSERVATION_FAULTS = {
    "constant": "integrate to 1",
    "cdf": "invert the cdf",
    "quantile": "invert the cdf",
    "mean": "mean is not",
    "variance": "variance is not",
    "biased draws": "samples",
    "wide draws": "samples",
    "own seed": "same seed",
}


@pytest.mark.parametrize(("fault", "text"), OBSERVATION_FAULTS.items())
def test_a_faulty_density_is_refused(fault: str, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        check_observation(FaultyGaussian(fault), {"location": 0.3, "scale": 1.7})


@dataclass(frozen=True)
class FaultyBernoulli(Bernoulli):
    fault: str = ""

    def log_density(self, y: Any, given: Mapping[str, Any]) -> Any:
        return super().log_density(y, given) - (1e-6 if self.fault == "mass" else 0.0)

    def outcome(self, noise: Any, given: Mapping[str, Any]) -> Any:
        return super().outcome(noise, given) * (2.0 if self.fault == "support" else 1.0)

    def cdf(self, y: np.ndarray, given: Mapping[str, Any]) -> np.ndarray:
        return super().cdf(np.asarray(y) + (0.5 if self.fault == "cdf" else 0.0), given)

    def quantile(self, probability: np.ndarray, given: Mapping[str, Any]) -> np.ndarray:
        return super().quantile(1 - probability if self.fault == "quantile" else probability, given)


@pytest.mark.parametrize(("fault", "text"), [("mass", "sum to 1"), ("support", "support"), ("cdf", "jump"), ("quantile", "invert")])
def test_a_faulty_mass_is_refused(fault: str, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        check_observation(FaultyBernoulli(fault), {"probability": 0.3}, support=(0, 1))


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
    "padding_is_invisible": (
        Model,
        "presamples",
        lambda model, s: np.full((len(s.starts), 0), 1.0)[:, :0].repeat(len(s) % 2, 0),
        "presample",
    ),
    "score_agrees": (Kernel, "score", _stretched_score, "score and autograd"),
    "gradients_agree": (Kernel, "adjoint", _stretched_adjoint, "autograd disagree on inputs"),
    "cell_back_ends_agree": (Kernel, "adjoint", _stretched_adjoint, "input gradients"),
    "streaming_equals_forward": (Cell, "step", _forgetful_step, "streaming differs"),
    "parameters_survive_saving": (Cell, "load_state_dict", lambda cell, state: None, "comes back different"),
    "knock_outs_have_their_closed_form": (cells, "knock_out", lambda model, forget, write: model, "forget = Closed"),
    "declarations_hold": (Model, "derived_values", {"half": 2.0}, "half at"),
    "pickles": (Model, "__hash__", lambda model: id(model), "from pickle different"),
}


def test_each_law_of_models_has_something_that_breaks_it() -> None:
    elsewhere = {"back_ends_agree", "batched_equals_per_sample"}
    assert set(BREAKAGES) | elsewhere == set(LAW)


@pytest.mark.parametrize("law", BREAKAGES)
def test_each_law_of_models_can_fail(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences = CELL["driven_cell"].make()
    target, name, value, text = BREAKAGES[law]
    if law == "declarations_hold":
        half = Derived("half", lambda base: base, "1", "h", "a share", Interval(0.0, 1.0))
        monkeypatch.setattr(DrivenCell, "own_derived", (half,))
    LAW[law](model, sequences) if law != "declarations_hold" else None
    monkeypatch.setattr(target, name, value)
    with pytest.raises(AssertionError, match=text):
        LAW[law](model, sequences)


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

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0) -> PathForecast:
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
