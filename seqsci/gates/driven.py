"""A gate that something outside the mechanism drives: a covariate, or a network on covariates."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.equations.vocabulary import Expression, log, sigmoid
from seqsci.gates.base import Gate
from seqsci.gates.constant import MEMORY
from seqsci.parameter import Known, Parameter

DRIVE = Known("gate_drive", "logit")


@dataclass(frozen=True)
class DrivenGate(Gate):
    """``forget = sigmoid(alpha + gate_drive_t)`` with ``alpha = logit(memory)`` and a Known sequence ``gate_drive``.

    ``memory`` is the gate at zero drive, so a drive of zero is `ConstantGate`. What the parameters imply (half-life, persistence) is
    stated at zero drive. It ignores the shock.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | memory | f | [0, 1] | share of the old state that is kept when nothing drives the gate |
    """

    signals = ("shock",)
    known = (DRIVE,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (MEMORY,)

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        memory = parameters["memory"]
        return sigmoid(log(memory) - log(1 - memory) + signals["gate_drive"])
