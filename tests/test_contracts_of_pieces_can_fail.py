"""Each law of gates, parameters and observations refuses something that breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from seqsci.constraints import Interval, Real
from seqsci.equations.vocabulary import exp, where
from seqsci.errors import EquationError
from seqsci.gates.base import Gate
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Parameter
from seqsci.testing import (
    check_gate,
    check_observation,
    check_parameter,
)

RATE = Parameter("rate", Real(), 0.5, "1", "k", "rate")


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


def _hidden_equality(scale: Any) -> Any:
    return where(scale == 1.7, 0.0, 0.01)


class FaultyGaussian(Gaussian):
    def __init__(self, fault: str) -> None:
        object.__setattr__(self, "fault", fault)

    def _is(self, fault: str) -> bool:
        return bool(getattr(self, "fault", "") == fault)

    def log_density(self, y: Any, given: Mapping[str, Any]) -> Any:
        hidden = _hidden_equality(given["scale"]) if self._is("traced") else 0.0
        return super().log_density(y, given) + 0.01 * self._is("constant") + hidden

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
    "scalar": "variance of arrays",
    "traced": "log_density at .* traced by SymPy",
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
