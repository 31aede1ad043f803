"""How an influence falls with distance: the contact laws that pairs are scored and fitted with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from seqsci.constraints import Interval, Positive, Real
from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.errors import ParameterError, explain
from seqsci.parameter import Parameter

Array = npt.NDArray[np.float64]
NEAREST_BP = 5e3
"""Distance below which a power law is held constant, as in the activity-by-contact model."""
EXPONENT = 1.024
"""Exponent of contact in K562 that the activity-by-contact model ships with."""

LARGEST = 40.0
"""Raw numbers are cut there, so that a wild step of an optimiser stays finite."""


class Contact(ABC):
    """Abstract base of contact laws: log contact at a distance [bp], up to a constant, with its parameters on the raw scale."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What a fit may move; default: nothing."""
        return ()

    @abstractmethod
    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        """Log contact (n,) at raw parameters (p,)."""

    def natural(self, raw: Array) -> Array:
        """Values of the parameters at raw ones."""
        return np.array([float(p.constraint.forward(min(max(r, -LARGEST), LARGEST))) for p, r in zip(self.parameters, raw, strict=True)])

    @property
    def start(self) -> Array:
        """Raw parameters of the defaults."""
        return np.array([p.constraint.inverse(p.default) for p in self.parameters])


@dataclass(frozen=True)
class BankContact(Contact):
    """A `DecayBank` as it is: nothing is fitted."""

    bank: DecayBank = field(default_factory=DecayBank.log_spaced)

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return log_kernel(distance_bp, np.array(self.bank.lengths), np.log(np.maximum(self.bank.weights, 1e-300)))


@dataclass(frozen=True)
class BankOfExponent(Contact):
    """A bank on a grid of decay lengths with weights ``tau^-exponent``; the one parameter is the power with which its kernel falls.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | exponent | gamma | 1 | [0, 3] | power of distance with which an influence falls |

    Attributes: channels, shortest, longest: the grid [bp].
    """

    channels: int = 4
    shortest: float = 5e3
    longest: float = 5e6

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("exponent", Interval(0.0, 3.0), 1.0, "1", r"\gamma", "power of distance with which an influence falls"),)

    def bank(self, exponent: float) -> DecayBank:
        """The bank at an exponent."""
        return DecayBank.log_spaced(self.channels, self.shortest, self.longest, exponent)

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        bank = self.bank(float(self.natural(raw)[0]))
        return log_kernel(distance_bp, np.array(bank.lengths), np.log(bank.weights))


@dataclass(frozen=True)
class FreeBank(Contact):
    """A bank on a grid of decay lengths whose weights are all fitted, positive; the first is 1, and each other one is a log ratio to it.

    Attributes: channels, shortest, longest: the grid [bp].
    """

    channels: int = 8
    shortest: float = 5e3
    longest: float = 5e6

    @property
    def lengths(self) -> Array:
        """The grid [bp]."""
        return np.geomspace(self.shortest, self.longest, self.channels)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        default = -np.log(self.lengths / self.shortest)
        return tuple(
            Parameter(f"log_weight_{k + 1}", Interval(-30.0, 5.0), float(default[k]), "1", rf"\log w_{k + 1}", f"of {length:,.0f} bp")
            for k, length in enumerate(self.lengths)
            if k > 0
        )

    def bank(self, log_weights: Array) -> DecayBank:
        """The bank at the log weights of all but the first channel."""
        return DecayBank(tuple(self.lengths), tuple(np.exp(np.r_[0.0, log_weights])))

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return log_kernel(distance_bp, self.lengths, np.r_[0.0, self.natural(raw)])


@dataclass(frozen=True)
class SingleDecay(Contact):
    """One leaky integrator, ``exp(-d / tau)``: the wrong kernel genome-wide, kept as the lesson that its fit teaches.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | decay_length | tau | bp | > 0 | distance over which an influence falls to 1/e |
    """

    default: float = 30_000.0

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        reading = "distance over which an influence falls to 1/e"
        return (Parameter("decay_length", Positive(), self.default, "bp", r"\tau", reading),)

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return np.asarray(-distance_bp / self.natural(raw)[0])


@dataclass(frozen=True)
class FixedDecay(Contact):
    """``exp(-d / tau)`` at a stated decay length [bp]."""

    decay_length: float = 30_000.0

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return -distance_bp / self.decay_length


@dataclass(frozen=True)
class PowerLaw(Contact):
    """``max(d, nearest)^-exponent``: contact in the activity-by-contact model without Hi-C, DOI 10.1038/s41588-019-0538-0."""

    exponent: float = EXPONENT
    nearest_bp: float = NEAREST_BP

    def __post_init__(self) -> None:
        if not (self.exponent > 0 and self.nearest_bp > 0):
            got = f"exponent {self.exponent:g}, nearest {self.nearest_bp:g} bp"
            raise ParameterError(explain("no power law of contact", got, "both positive", "correct them"))

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return np.asarray(-self.exponent * np.log(np.maximum(distance_bp, self.nearest_bp)))


@dataclass(frozen=True)
class FittedPowerLaw(Contact):
    """A power law whose exponent is fitted beside the slope of the activity."""

    nearest_bp: float = NEAREST_BP

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("exponent", Real(), EXPONENT, "1", r"\gamma", "power of distance with which contact falls"),)

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return np.asarray(-raw[0] * np.log(np.maximum(distance_bp, self.nearest_bp)))


@dataclass(frozen=True)
class InverseDistance(Contact):
    """``1 / d``, the baseline that every method has to beat."""

    def log_contact(self, distance_bp: Array, raw: Array) -> Array:
        return np.asarray(-np.log(np.maximum(distance_bp, 1.0)))


def log_kernel(distance_bp: Array, lengths: Array, log_weights: Array) -> Array:
    """``log sum_k w_k exp(-d / tau_k)``, never minus infinity for a finite distance (n,)."""
    terms = log_weights - np.asarray(distance_bp, float)[..., None] / lengths
    top = terms.max(-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(terms - top).sum(-1)))
