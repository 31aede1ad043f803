"""Log-linear gates of element-gene pairs: what opens the input at an element, and what shields a promoter's output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.pairs import boundaries_of, signal
from seqsci.errors import ParameterError, explain

Array = npt.NDArray[np.float64]
FLOOR = 0.05
"""Added to a signal before its logarithm [reads per million], so that an absent one is a number."""
ACTIVITY = ("H3K27ac.RPM.expandedRegion", "DHS.RPM")


class PairGate(ABC):
    """Abstract base: a column of a pair whose coefficient is fitted; the log of a gate is linear in it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """A Python name for the coefficient."""

    @property
    @abstractmethod
    def reading(self) -> str:
        """What the coefficient says, one clause."""

    @abstractmethod
    def values(self, frame: pd.DataFrame) -> Array:
        """The column (rows,)."""


@dataclass(frozen=True)
class Activity:
    """Activity of an element, the geometric mean of its signals: ``a = prod_s (x_s + .05)^(1/S)``; sqrt(H3K27ac DHS) by default.

    Attributes: columns: the signals [reads per million].
    """

    columns: tuple[str, ...] = ACTIVITY

    def __post_init__(self) -> None:
        if not self.columns:
            raise ParameterError(explain("an activity without signals", "()", "one or more columns", f"Activity({ACTIVITY})"))

    def log(self, frame: pd.DataFrame) -> Array:
        """Log activity (rows,)."""
        return np.asarray(np.mean([np.log(signal(frame, c) + FLOOR) for c in self.columns], axis=0))

    def values(self, frame: pd.DataFrame) -> Array:
        """Activity as it enters shares (rows,): no floor is added, so that an element without signal has none."""
        return np.asarray(np.exp(np.mean([np.log(np.maximum(signal(frame, c), 1e-300)) for c in self.columns], axis=0)))


@dataclass(frozen=True)
class InputSignal(PairGate):
    """A signal at the element opens the input gate: ``log(x + .05)``; its coefficient over the slope is an elasticity."""

    column: str

    @property
    def name(self) -> str:
        return "input_" + "".join(c if c.isalnum() else "_" for c in self.column)

    @property
    def reading(self) -> str:
        return f"log odds per e-fold of {self.column} at the element"

    def values(self, frame: pd.DataFrame) -> Array:
        return np.asarray(np.log(signal(frame, self.column) + FLOOR))


@dataclass(frozen=True)
class ActivityGate(PairGate):
    """The log of an `Activity` with a power of its own."""

    activity: Activity = Activity()

    @property
    def name(self) -> str:
        return "activity_power"

    @property
    def reading(self) -> str:
        return "power of the activity, where contact has power one"

    def values(self, frame: pd.DataFrame) -> Array:
        return self.activity.log(frame)


@dataclass(frozen=True)
class OutputGate(PairGate):
    """A property of the promoter that shields its output, 0 or 1; by default that its gene is expressed everywhere."""

    column: str = "measuredGeneUbiquitousExpressed"

    @property
    def name(self) -> str:
        return "output_" + "".join(c if c.isalnum() else "_" for c in self.column)

    @property
    def reading(self) -> str:
        return f"log odds where {self.column} holds"

    def values(self, frame: pd.DataFrame) -> Array:
        return signal(frame, self.column)


@dataclass(frozen=True)
class Insulator(PairGate):
    """Boundaries between element and promoter: each multiplies what arrives by a constant; see `pairs.boundaries_of`."""

    column: str = "boundaries"

    @property
    def name(self) -> str:
        return "per_boundary"

    @property
    def reading(self) -> str:
        return "log odds per boundary between element and promoter"

    def values(self, frame: pd.DataFrame) -> Array:
        return boundaries_of(frame, self.column)


FEATURES: tuple[PairGate, ...] = (
    InputSignal("H3K27ac.RPM.expandedRegion"),
    InputSignal("DHS.RPM"),
    InputSignal("H3K4me1.RPM"),
    InputSignal("H3K27me3.RPM"),
    InputSignal("CTCF.RPM"),
    OutputGate(),
    Insulator(),
)
"""The seven columns of the gated cell and of the baselines that share them."""
