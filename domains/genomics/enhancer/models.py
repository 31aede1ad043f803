"""Models of element-gene pairs: contact by a bank of decay lengths, log-linear gates, fitted by likelihood or by ranking."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from seqsci.constraints import Real
from seqsci.domains.genomics.enhancer.contact import BankContact, BankOfExponent, Contact
from seqsci.domains.genomics.enhancer.design import Design
from seqsci.domains.genomics.enhancer.objectives import Likelihood, Objective
from seqsci.domains.genomics.enhancer.pair_fit import FittedPairModel, fit_pairs
from seqsci.domains.genomics.enhancer.pair_gates import FEATURES, Activity, PairGate
from seqsci.domains.genomics.enhancer.pairs import labels
from seqsci.domains.genomics.enhancer.protocol import PairPredictor
from seqsci.parameter import Parameter


@dataclass(frozen=True)
class PairModel(PairPredictor):
    r"""Regulation of a gene by an element: what arrives at the promoter, through log-linear gates.

    Formula: ``log odds = b + s (log K(d) + log a) + sum_j beta_j g_j``, K a contact law (by default a bank of leaky integrators in its
    closed form for a pair), a the element's activity, g_j columns of gates: signals that open the input gate, a promoter that is
    shielded, boundaries that reset. With a ranking objective b = 0 and s = 1: only the order is fitted.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | intercept | b | log odds | real | log odds at contact times activity 1 |
    | slope | s | 1 | real | log odds per e-fold of what arrives |
    | of the contact | | | | exponent, decay length or weights |
    | of each gate | beta_j | log odds | real | see the gate's reading; over the slope it is an elasticity |

    Attributes:
        contact: law of distance.
        activity: multiplies contact with power one; None where signals are gates with powers of their own.
        gates: further columns.
        objective: what is made large.
        name: for tables.

    Source: activity by contact, Fulco et al. (2019), DOI 10.1038/s41588-019-0538-0.

    >>> MECHANISM.count, GATED.count
    (2, 9)
    """

    contact: Contact = field(default_factory=BankContact)
    activity: Activity | None = field(default_factory=Activity)
    gates: tuple[PairGate, ...] = ()
    objective: Objective = field(default_factory=Likelihood)
    name: str = "bank of leaky integrators"

    @property
    def label(self) -> str:
        return self.name

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Everything that a fit moves, in its order."""
        head = (
            Parameter("intercept", Real(), 0.0, "log odds", "b", "log odds at contact times activity 1"),
            Parameter("slope", Real(), 1.0, "1", "s", "log odds per e-fold of what arrives"),
        )
        unit = "log odds" if self.objective.calibrated else "log score"
        gates = tuple(Parameter(g.name, Real(), 0.0, unit, rf"\beta_{{{i + 1}}}", g.reading) for i, g in enumerate(self.gates))
        return (*(head if self.objective.calibrated else ()), *self.contact.parameters, *gates)

    @property
    def count(self) -> int:
        """Number of fitted numbers."""
        return len(self.parameters)

    def fit(self, frame: pd.DataFrame) -> FittedPairModel:
        """Fit to labelled pairs; raises `DataError` for pairs of one label, `ConvergenceError` where the maximum is not found."""
        return fit_pairs(self, frame, Design.of(self, frame), labels(frame))


MECHANISM = PairModel(name="bank, weights 1/tau, calibrated")
"""The mechanism alone: a bank of four without any fit, whose scores are calibrated by two numbers."""
MECHANISM_OF_EXPONENT = PairModel(BankOfExponent(), name="bank, exponent fitted")
"""The mechanism alone with three fitted numbers."""
GATED = PairModel(activity=None, gates=FEATURES, name="gated cell")
"""The bank with log-linear gates on seven columns."""
