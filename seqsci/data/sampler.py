"""An order of samples that is a function of seed and epoch alone, so that a resumed training sees the same one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from seqsci.errors import DataError, explain


class EpochSampler(Sampler[int]):
    """A permutation of ``range(length)`` drawn from (seed, epoch); no random state is kept between epochs.

    >>> a, b = EpochSampler(5, seed=1), EpochSampler(5, seed=1)
    >>> a.set_epoch(3), b.set_epoch(3)
    (None, None)
    >>> list(a) == list(b)
    True
    """

    def __init__(self, length: int, seed: int) -> None:
        if length < 1:
            raise DataError(explain("nothing to sample", f"{length} windows", "at least one", "use a longer series or a shorter window"))
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the Trainer calls this before each one."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng([self.seed, self.epoch]).permutation(self.length).tolist())

    def __len__(self) -> int:
        return self.length
