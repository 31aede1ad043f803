"""What a volatility cell remembers: a standard deviation or a variance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from seqsci.equations.vocabulary import Expression, absolute, sqrt


class VolatilityScale(ABC):
    """What the cell remembers: a standard deviation or a variance."""

    power: int

    @abstractmethod
    def standard_deviation(self, remembered: Expression) -> Expression:
        """Sigma from the remembered quantity."""

    @abstractmethod
    def size(self, news: Expression) -> Expression:
        """Size of the news in the unit of the remembered quantity."""


@dataclass(frozen=True)
class StandardDeviation(VolatilityScale):
    """Remember sigma: news enters by its absolute value (TARCH, AVGARCH)."""

    power = 1

    def standard_deviation(self, remembered: Expression) -> Expression:
        return remembered

    def size(self, news: Expression) -> Expression:
        return absolute(news)


@dataclass(frozen=True)
class Variance(VolatilityScale):
    """Remember sigma squared: news enters by its square (EWMA, GARCH, GJR)."""

    power = 2

    def standard_deviation(self, remembered: Expression) -> Expression:
        return sqrt(remembered)

    def size(self, news: Expression) -> Expression:
        return news**2
