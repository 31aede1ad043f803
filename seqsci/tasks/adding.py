"""The adding task: two numbers among many are marked; their sum is asked at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from seqsci.errors import ParameterError, explain
from seqsci.tasks.base import Examples, Task


@dataclass(frozen=True)
class Adding(Task):
    """Add two marked numbers of a sequence of ``steps`` uniform ones.

    Inputs are (number, mark); one mark lies in the first half, one in the second. The target at the last step is the sum of the marked
    numbers. The loss is the squared error. Without memory the best answer uses the last step alone: its number u, and its mark m.
    m = 1 (probability 1 / n, n the steps of the second half) tells one of the two numbers, so the loss is 1/12 then and 1/6 otherwise.

    Args:
        steps: of a sequence, at least 2.

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735.

    >>> got = Adding(steps=6).draw(1, torch.Generator().manual_seed(0))
    >>> bool(torch.isclose(got.inputs[0].prod(-1).sum(), got.targets[0, -1, 0]))
    True
    """

    steps: int = 200

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ParameterError(explain("nothing to add", f"steps {self.steps}", "at least 2", "take the default"))

    @property
    def features(self) -> int:
        """Number and mark."""
        return 2

    @property
    def outputs(self) -> int:
        """The sum."""
        return 1

    @property
    def memoryless_loss(self) -> float:
        """(1 - 1/n) / 6 + 1 / (12 n) with n the steps of the second half."""
        later = self.steps - self.steps // 2
        return (1 - 1 / later) / 6 + 1 / (12 * later)

    def draw(self, count: int, generator: Generator) -> Examples:
        """Independent uniform numbers and marks."""
        numbers = torch.rand((count, self.steps), generator=generator)
        half, row = self.steps // 2, torch.arange(count)
        marks = torch.zeros_like(numbers)
        marks[row, torch.randint(half, (count,), generator=generator)] = 1.0
        marks[row, torch.randint(half, self.steps, (count,), generator=generator)] = 1.0
        targets = torch.zeros((count, self.steps, 1))
        targets[:, -1, 0] = (numbers * marks).sum(1)
        return Examples(torch.stack((numbers, marks), -1), targets, torch.arange(self.steps) == self.steps - 1)

    def loss(self, predictions: Tensor, examples: Examples) -> Tensor:
        """Mean squared error of the sum."""
        return (predictions[:, -1] - examples.targets[:, -1]).square().mean()
