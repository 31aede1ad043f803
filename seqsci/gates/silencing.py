"""A gate that an experiment shuts: an element silenced by CRISPR interference writes less."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import UnitInterval
from seqsci.equations.vocabulary import Expression, maximum, minimum
from seqsci.gates.base import Gate
from seqsci.parameter import Known, Parameter

SILENCED = Known("silenced", "1", "s")


@dataclass(frozen=True)
class SilencingGate(Gate):
    """``i = 1 - efficacy silenced_t``: open, but where an element is silenced (1) or partly so.

    ``silenced`` is clipped to [0, 1]. With efficacy 1 and silenced = 1 at one element it is the knock-out of that element; silenced at
    all of them it is `seqsci.knockout.knock_out` with ``write=Closed()``.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | efficacy | e | 1 | [0, 1] | share of an element's activity that silencing takes away |
    """

    known = (SILENCED,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("efficacy", UnitInterval(), 0.9, "1", "e", "share of an element's activity that silencing takes away"),)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        return 1 - parameters["efficacy"] * maximum(minimum(signals["silenced"], 1.0), 0.0)
