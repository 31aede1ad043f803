"""A gate that closes with elapsed time as a power law."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Interval, Positive
from seqsci.equations.vocabulary import Expression, exp, expm1, log1p
from seqsci.gates.base import Gate
from seqsci.parameter import Parameter

LOG_2 = 0.6931471805599453


@dataclass(frozen=True)
class PowerGate(Gate):
    r"""A power law over an irregular gap: ``f = (1 + (2^{1/decay} - 1) elapsed / half_life)^{-decay}``, so f = 1/2 after a half-life.

    A mixture of exponentials whose rates are gamma distributed has this form; with decay to infinity it is `ElapsedGate`.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | half_life | h | (0, inf) | time after which half of the old state is left, in the unit of ``elapsed``, which ``unit`` names |
    | decay | d | [0.05, 20] | exponent of forgetting at long gaps; the smaller, the longer a rest is kept |

    Source: Wixted and Ebbesen (1991), DOI 10.1111/j.1467-9280.1991.tb00175.x.
    """

    unit: str = "unit of elapsed"

    signals = ("elapsed",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("half_life", Positive(), 10.0, self.unit, "h", "time after which half of the old state is left"),
            Parameter("decay", Interval(0.05, 20.0), 0.5, "1", "d", "exponent of forgetting at long gaps"),
        )

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        decay = parameters["decay"]
        return exp(-decay * log1p(expm1(LOG_2 / decay) * signals["elapsed"] / parameters["half_life"]))
