"""A promoter that switches on where the activity that arrives along DNA passes a threshold."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.cells.along_dna import carried
from seqsci.cells.leaky_integrator import ACTIVITY, GAP
from seqsci.constraints import Positive
from seqsci.equations.vocabulary import Expression, log, sigmoid
from seqsci.gates.base import Gate
from seqsci.gates.distance import DistanceGate
from seqsci.gates.knockout import Open
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Known, Outcome, Parameter, State

FLOOR = 1e-9
"""Activity that is added before the logarithm, so that a promoter to which nothing arrives is off and the equation stays smooth."""


@dataclass(frozen=True)
class PromoterSwitch(Mechanism):
    r"""A leaky integrator behind an output gate with a threshold: expressed or not.

        h_t = f_t h_{t-1} + i_t a_t,    f_t = exp(-gap_t / tau) insulator_t
        P(y_t = 1) = h_t^n / (h_t^n + threshold^n)

    Gates as in `seqsci.cells.leaky_integrator.LeakyIntegrator`. A promoter far above its threshold does not feel the loss of one
    enhancer: that is how ubiquitously expressed genes read.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | threshold | theta | 1 | > 0 | activity at which the promoter is on half of the time |
    | sharpness | n | 1 | > 0 | Hill coefficient: how abruptly it switches |
    | decay_length | tau | bp | > 0 | distance over which an influence falls to 1/e |

    Source: Hill's switch; thermodynamic reading in Bintu et al. (2005), DOI 10.1016/j.gde.2005.02.007.

    >>> [p.name for p in PromoterSwitch().parameters]
    ['threshold', 'sharpness', 'decay_length']
    """

    forget: Gate = DistanceGate()
    insulator: Gate = Open()
    write: Gate = Open()

    states = (State("integrated", "1", "h"),)
    outcomes = (Outcome("expressed", symbol="y"),)
    own_parameters = (
        Parameter("threshold", Positive(), 1.0, "1", r"\theta", "activity at which the promoter is on half of the time"),
        Parameter("sharpness", Positive(), 2.0, "1", "n", "Hill coefficient: how abruptly it switches"),
    )
    references = ("10.1016/j.gde.2005.02.007",)

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        """Gaps and activities, and what the gates read."""
        return (GAP, ACTIVITY, *self.insulator.known, *self.write.known)

    def start(self) -> Expression:
        return 0.0

    def read(
        self,
        integrated: Expression,
        gap_bp: Expression,
        activity: Expression,
        forget: Expression,
        insulator: Expression,
        write: Expression,
        threshold: Expression,
        sharpness: Expression,
    ) -> dict[str, Expression]:
        arriving = carried(gap_bp, activity, forget, insulator, write).next(integrated)
        return {"probability": sigmoid(sharpness * (log(arriving + FLOOR) - log(threshold)))}

    def update(self, gap_bp: Expression, activity: Expression, forget: Expression, insulator: Expression, write: Expression) -> Gated:
        return carried(gap_bp, activity, forget, insulator, write)

    def unobserved(self, gap_bp: Expression, activity: Expression, forget: Expression, insulator: Expression, write: Expression) -> Gated:
        return carried(gap_bp, activity, forget, insulator, write)
