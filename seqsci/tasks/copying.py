"""The copy task: symbols, a long pause, then the same symbols again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from seqsci.errors import ParameterError, explain
from seqsci.tasks.base import Examples, Task


@dataclass(frozen=True)
class Copying(Task):
    """Repeat ``length`` symbols after a pause of ``delay`` steps.

    Steps: length symbols, delay blanks, one signal, length - 1 blanks; targets are scored at the last ``length`` steps. Inputs are one-hot
    with a channel for each symbol, one for the blank and one for the signal. The loss is cross-entropy in nats a symbol; ln(symbols) is
    reached without memory.

    Args:
        symbols: kinds of symbols, at least 2.
        length: how many to remember, at least 1.
        delay: steps of pause, at least 0.

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, in the form of Arjovsky, Shah and Bengio (2016).

    >>> task = Copying(symbols=2, length=2, delay=3)
    >>> x = task.draw(1, torch.Generator().manual_seed(0)).inputs[0].argmax(-1)
    >>> x[2:].tolist()
    [2, 2, 2, 3, 2]
    """

    symbols: int = 8
    length: int = 10
    delay: int = 50

    def __post_init__(self) -> None:
        if self.symbols < 2 or self.length < 1 or self.delay < 0:
            got = (self.symbols, self.length, self.delay)
            raise ParameterError(explain("nothing to copy", got, "symbols >= 2, length >= 1, delay >= 0", "take the defaults"))

    @property
    def features(self) -> int:
        """Symbols, blank and signal."""
        return self.symbols + 2

    @property
    def outputs(self) -> int:
        """Scores of the symbols."""
        return self.symbols

    @property
    def memoryless_loss(self) -> float:
        """ln(symbols): each is equally likely."""
        return math.log(self.symbols)

    def draw(self, count: int, generator: Generator) -> Examples:
        """Independent uniform symbols."""
        words = torch.randint(self.symbols, (count, self.length), generator=generator)
        steps = 2 * self.length + self.delay
        read = torch.full((count, steps), self.symbols)
        read[:, : self.length] = words
        read[:, self.length + self.delay] = self.symbols + 1
        targets = torch.zeros((count, steps), dtype=torch.int64)
        targets[:, -self.length :] = words
        scored = torch.arange(steps) >= steps - self.length
        return Examples(functional.one_hot(read, self.features).float(), targets, scored)

    def loss(self, predictions: Tensor, examples: Examples) -> Tensor:
        """Cross-entropy, nats a symbol."""
        at = examples.scored
        return functional.cross_entropy(predictions[:, at].flatten(0, 1), examples.targets[:, at].flatten())
