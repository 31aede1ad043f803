"""Models of element-gene pairs: contact by a bank of decay lengths, log-linear gates, fitted by likelihood or by ranking."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.constraints import Real
from seqsci.domains.genomics.enhancer.contact import BankContact, BankOfExponent, Contact
from seqsci.domains.genomics.enhancer.objectives import Likelihood, Objective
from seqsci.domains.genomics.enhancer.pair_gates import FEATURES, Activity, PairGate
from seqsci.domains.genomics.enhancer.pairs import distances, labels
from seqsci.parameter import Parameter

Array = npt.NDArray[np.float64]


class FittedPairs(ABC):
    """Abstract base of what scores pairs."""

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> Array:
        """A score of each pair (rows,): the larger, the more likely the element regulates the gene."""


class PairPredictor(ABC):
    """Abstract base of models and baselines of pairs; `fit` never sees the rows that are predicted."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Name in tables."""

    @abstractmethod
    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        """What was learned from labelled pairs."""


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

    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        """Fit to labelled pairs; raises `DataError` for pairs of one label, `ConvergenceError` where the maximum is not found."""
        from seqsci.domains.genomics.enhancer.pair_fit import fit_pairs

        return fit_pairs(self, frame, Design.of(self, frame), labels(frame))


@dataclass(frozen=True, eq=False)
class Design:
    """What a model asks of pairs, computed once: distances [bp], log activity and the columns of the gates."""

    model: PairModel
    distance: Array
    log_activity: Array
    gates: Array

    @classmethod
    def of(cls, model: PairModel, frame: pd.DataFrame) -> Design:
        d = distances(frame)
        activity = np.zeros(len(d)) if model.activity is None else model.activity.log(frame)
        gates = np.column_stack([g.values(frame) for g in model.gates]) if model.gates else np.zeros((len(d), 0))
        return cls(model, d, activity, gates)

    def split(self, raw: Array) -> tuple[float, float, Array, Array]:
        """Intercept, slope, raw contact parameters and coefficients of the gates."""
        head = 2 if self.model.objective.calibrated else 0
        place = head + len(self.model.contact.parameters)
        b, s = (float(raw[0]), float(raw[1])) if head else (0.0, 1.0)
        return b, s, raw[head:place], raw[place:]

    def score(self, raw: Array) -> Array:
        """Log odds, or log scores of a ranking (rows,)."""
        b, s, contact, beta = self.split(raw)
        arriving = self.model.contact.log_contact(self.distance, contact) + self.log_activity
        return np.asarray(b + s * arriving + self.gates @ beta)

    def jacobian(self, raw: Array) -> Array:
        """Derivatives of the scores by the raw parameters (rows, k); those of the contact law are central differences."""
        _, s, contact, _ = self.split(raw)
        columns = []
        if self.model.objective.calibrated:
            columns += [np.ones(len(self.distance)), self.model.contact.log_contact(self.distance, contact) + self.log_activity]
        for k in range(len(contact)):
            step = np.eye(len(contact))[k] * 1e-5 * max(1.0, abs(contact[k]))
            up, down = (self.model.contact.log_contact(self.distance, contact + sign * step) for sign in (1, -1))
            columns.append(s * (up - down) / (2 * step[k]))
        return np.column_stack([*columns, self.gates])


MECHANISM = PairModel(name="bank, weights 1/tau, calibrated")
"""The mechanism alone: a bank of four without any fit, whose scores are calibrated by two numbers."""
MECHANISM_OF_EXPONENT = PairModel(BankOfExponent(), name="bank, exponent fitted")
"""The mechanism alone with three fitted numbers."""
GATED = PairModel(activity=None, gates=FEATURES, name="gated cell")
"""The bank with log-linear gates on seven columns."""
