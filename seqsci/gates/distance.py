"""A gate that closes with distance along a molecule."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Positive
from seqsci.equations.vocabulary import Expression, exp
from seqsci.gates.base import Gate
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class DistanceGate(Gate):
    """Exponential decay over an irregular gap along DNA: ``f = exp(-distance / decay_length)``.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | decay_length | tau | bp | (0, inf) | distance over which an influence falls to 1/e; half of it is left after 0.69 tau |
    """

    signals = ("distance",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("decay_length", Positive(), 30_000.0, "bp", r"\tau", "distance over which an influence falls to 1/e"),)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return exp(-signals["distance"] / parameters["decay_length"])
