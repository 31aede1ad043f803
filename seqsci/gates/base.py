"""What a gate is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from seqsci.equations.vocabulary import Expression
from seqsci.parameter import Known, Parameter


class Gate(ABC):
    """Abstract base of gates: ``opening(signals..., parameters...)`` in [0, 1], written in the vocabulary.

    A mechanism holds a gate as a field; in its equations an argument of the field's name is bound to a callable that takes the
    gate's ``signals`` by keyword. The gate's own parameters are bound by name.
    """

    signals: ClassVar[tuple[str, ...]] = ()
    known: ClassVar[tuple[Known, ...]] = ()
    """Known sequences that the gate reads by itself, beside its signals; zero where quantities are derived from parameters alone."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The gate's parameters."""

    @abstractmethod
    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        """The gate's value; both mappings are keyed by declared names."""
