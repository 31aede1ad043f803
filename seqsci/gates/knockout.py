"""Gates without parameters, for knock-outs: fully open, fully closed, frozen at a stated value."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.equations.vocabulary import Expression
from seqsci.errors import ParameterError, explain
from seqsci.gates.base import Gate
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class Frozen(Gate):
    """A gate stuck at a stated constant in [0, 1].

    >>> Frozen(0.25).opening({}, {})
    0.25
    """

    value: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise ParameterError(explain("a gate's value lies in [0, 1]", self.value, "0 <= value <= 1", "pass a share"))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return self.value


@dataclass(frozen=True)
class Open(Gate):
    """A gate stuck at 1: everything passes, nothing is forgotten."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return 1


@dataclass(frozen=True)
class Closed(Gate):
    """A gate stuck at 0: nothing passes."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return ()

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return 0
