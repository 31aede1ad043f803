"""Admissible sets of parameters, each with the smooth map from the real line onto it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.equations.vocabulary import exp, log, sigmoid, softplus, where
from seqsci.errors import ParameterError, explain


class Constraint(ABC):
    """A set of admissible values and the smooth, increasing map ``value = forward(raw)`` from the real line onto its interior.

    ``forward`` and ``log_jacobian`` are written in the vocabulary, so that they can be traced; ``inverse`` works on numbers
    and returns -inf / +inf for a value that sits exactly on a bound that belongs to the set.
    """

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value (may be infinite)."""

    @abstractmethod
    def forward(self, raw: Any) -> Any:
        """The value that belongs to a raw (unconstrained) number."""

    @abstractmethod
    def log_jacobian(self, raw: Any) -> Any:
        """``log |d value / d raw|``."""

    @abstractmethod
    def _inverse(self, value: float) -> float: ...

    @property
    def admissible(self) -> str:
        """The set in words, for tables and errors."""
        low, high = self.bounds
        return f"[{low:g}, {high:g}]".replace("[-inf", "(-inf").replace("inf]", "inf)")

    def contains(self, value: float) -> bool:
        """Whether the value belongs to the closed set."""
        low, high = self.bounds
        return math.isfinite(value) and low <= value <= high

    def inverse(self, value: float) -> float:
        """The raw number of a value; raises `ParameterError` where the value is outside the set."""
        if not self.contains(float(value)):
            raise ParameterError(explain("value outside its admissible set", f"{value:g}", self.admissible, "pass a value inside the set"))
        return self._inverse(float(value))

    def inverses(self, values: np.ndarray) -> list[float]:
        """`inverse` of many values."""
        (low, high), numbers = self.bounds, values.tolist()
        for place in np.flatnonzero(~(np.isfinite(values) & (low <= values) & (values <= high))):
            self.inverse(numbers[place])
        return [self._inverse(value) for value in numbers]


@dataclass(frozen=True)
class Real(Constraint):
    """Every real number; ``value = raw``.

    >>> Real().inverse(-2.0)
    -2.0
    """

    @property
    def bounds(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def forward(self, raw: Any) -> Any:
        return raw

    def log_jacobian(self, raw: Any) -> Any:
        return 0.0 * raw

    def _inverse(self, value: float) -> float:
        return value


@dataclass(frozen=True)
class GreaterThan(Constraint):
    """Values above a bound; ``value = low + exp(raw)``, so a relative change of the distance to the bound is a unit of raw.

    >>> GreaterThan(2.0).inverse(3.0)
    0.0
    """

    low: float = 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, math.inf

    def forward(self, raw: Any) -> Any:
        return self.low + exp(raw)

    def log_jacobian(self, raw: Any) -> Any:
        return raw

    def _inverse(self, value: float) -> float:
        return -math.inf if value == self.low else math.log(value - self.low)


@dataclass(frozen=True)
class Interval(Constraint):
    """A closed interval; ``value = low + (high - low) sigmoid(raw)``; a bound itself is reached at raw = -inf / +inf.

    >>> Interval(0.0, 1.0).inverse(0.5)
    0.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ParameterError(
                explain("an Interval needs two finite ends", (self.low, self.high), "low < high", "swap or widen the ends")
            )

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def forward(self, raw: Any) -> Any:
        width = self.high - self.low
        return where(raw < 0, self.low + width * sigmoid(raw), self.high - width * sigmoid(-raw))  # never past an end by rounding

    def log_jacobian(self, raw: Any) -> Any:
        return log(self.high - self.low) - softplus(raw) - softplus(-raw)

    def _inverse(self, value: float) -> float:
        if value == self.low:
            return -math.inf
        if value == self.high:
            return math.inf
        return math.log(value - self.low) - math.log(self.high - value)


def Positive() -> GreaterThan:  # noqa: N802 - reads as the set that it returns
    """The positive numbers: ``GreaterThan(0)``."""
    return GreaterThan(0.0)


def UnitInterval() -> Interval:  # noqa: N802 - reads as the set that it returns
    """The closed interval [0, 1]: ``Interval(0, 1)``."""
    return Interval(0.0, 1.0)


def inwards(constraint: Constraint, bound: float, share: float) -> float:
    """A value inside of a bound, by a share of the set's width (of 1 or the bound's size, if larger, where the set is unbounded)."""
    low, high = constraint.bounds
    step = share * (high - low if math.isfinite(high - low) else max(abs(bound), 1.0))
    return bound + step if bound <= low else bound - step
