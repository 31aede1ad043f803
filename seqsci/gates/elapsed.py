"""A gate that closes with elapsed time."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Positive
from seqsci.equations.vocabulary import Expression, exp
from seqsci.gates.base import Gate
from seqsci.parameter import Parameter

LOG_2 = 0.6931471805599453


@dataclass(frozen=True)
class ElapsedGate(Gate):
    """Exponential decay over an irregular gap: ``f = 2^(-elapsed / half_life)``.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | half_life | h | (0, inf) | time after which half of the old state is left, in the unit of ``elapsed``, which ``unit`` names |
    """

    unit: str = "unit of elapsed"

    signals = ("elapsed",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("half_life", Positive(), 10.0, self.unit, "h", "time after which half of the old state is left"),)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return exp(-LOG_2 * signals["elapsed"] / parameters["half_life"])
