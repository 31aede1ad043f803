"""What every task hands out, and what it must say about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Generator, Tensor


@dataclass(frozen=True)
class Examples:
    """Sequences drawn from a task.

    Attributes:
        inputs: (B, T, features).
        targets: (B, T) classes, or (B, T, outputs) numbers.
        scored: (T,) True at the steps whose target counts.
    """

    inputs: Tensor
    targets: Tensor
    scored: Tensor


class Task(ABC):
    """Abstract base: a frozen description from which examples are drawn."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Numbers a step of the input."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers a step that a model has to give."""

    @property
    @abstractmethod
    def memoryless_loss(self) -> float:
        """The smallest expected loss of a model that remembers nothing; a model has learned where it is below."""

    @abstractmethod
    def draw(self, count: int, generator: Generator) -> Examples:
        """Independent examples; the generator decides them."""

    @abstractmethod
    def loss(self, predictions: Tensor, examples: Examples) -> Tensor:
        """Mean loss of predictions (B, T, outputs) at the scored steps."""
