"""A gate that a shock opens or closes."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Real
from seqsci.equations.vocabulary import Expression, log, sigmoid
from seqsci.gates.base import Gate
from seqsci.gates.constant import MEMORY
from seqsci.parameter import Parameter

SHOCK_SLOPE = Parameter(
    "shock_slope", Real(), 0.0, "1", r"\beta", "how much faster the gate forgets per unit of shock (negative: it keeps more)"
)


@dataclass(frozen=True)
class ShockGate(Gate):
    r"""The shock-adaptive gate ``f_t = sigmoid(alpha - beta shock_t)`` with ``alpha = logit(memory)``.

    ``memory`` is the gate at a zero shock, so ``shock_slope = 0`` is `ConstantGate`. The sign of the slope is free: on stocks in
    variance units it is negative (a huge move is kept longer, not forgotten faster).

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | memory | f | [0, 1] | share of the old state that is kept when there is no shock |
    | shock_slope | beta | real | change of the gate's logit per unit of shock, sign reversed |
    """

    signals = ("shock",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (MEMORY, SHOCK_SLOPE)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        memory = parameters["memory"]
        return sigmoid(log(memory) - log(1 - memory) - parameters["shock_slope"] * signals["shock"])
