"""A gate that is equally open at every step."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Interval
from seqsci.equations.vocabulary import Expression
from seqsci.gates.base import Gate
from seqsci.parameter import Parameter

MEMORY = Parameter("memory", Interval(0.0, 1.0), 0.9, "1", r"f", "share of the old state that the gate keeps per step")


@dataclass(frozen=True)
class ConstantGate(Gate):
    """A gate with one value: ``f = memory``. It ignores the shock.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | memory | f | [0, 1] | share of the old state that is kept per step |
    """

    signals = ("shock",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (MEMORY,)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return parameters["memory"]
