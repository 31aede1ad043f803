"""A gate that closes where boundary elements lie between two positions."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Interval
from seqsci.equations.vocabulary import Expression, exp, maximum
from seqsci.gates.base import Gate
from seqsci.parameter import Known, Parameter

BOUNDARIES = Known("boundaries", "1", "n")


@dataclass(frozen=True)
class InsulatorGate(Gate):
    """Reset by insulators: ``f = exp(-insulation boundaries)``, of the boundaries (CTCF sites) passed since the previous position.

    A negative number of boundaries counts as none.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | insulation | nu | 1 | [0, 20] | log fold by which one boundary weakens an influence; at 20 it resets the memory |
    """

    known = (BOUNDARIES,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("insulation", Interval(0.0, 20.0), 0.2, "1", r"\nu", "log fold by which one boundary weakens an influence"),)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return exp(-parameters["insulation"] * maximum(signals["boundaries"], 0.0))
