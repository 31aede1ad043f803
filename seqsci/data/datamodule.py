"""Windows of sequences as typed batches, split in time: training rows, then validation rows, then test rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqsci.data.sampler import EpochSampler
from seqsci.data.splits import Split, Windows
from seqsci.errors import DataError, explain
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray


class SequenceBatch(NamedTuple):
    """A batch of windows, padded at the end with rows that are neither observed nor scored.

    known: (B, T) by name, of the mechanism and of a drive alike; outcome: (B, T) by name; observed (B, T) bool;
    weight (B, T), 0 where a row moves the state but is not scored; presample: (B,) by name.
    """

    known: dict[str, Tensor]
    outcome: dict[str, Tensor]
    observed: Tensor
    weight: Tensor
    presample: dict[str, Tensor]


class _Part(NamedTuple):
    start: int
    scored: int
    stop: int
    presample: Array


class WindowDataset(Dataset[SequenceBatch]):
    """Windows by number: rows ``start`` to ``stop`` of the packed sequences, of which those from ``scored`` on carry weight."""

    def __init__(self, model: Model, sequences: Sequences, parts: list[_Part]) -> None:
        self.parts = parts
        self._known = {n: torch.tensor(v) for n, v in sequences.known.items()}
        self._outcome = {n: torch.tensor(v) for n, v in sequences.outcome.items()}
        self._observed = torch.tensor(sequences.observed.astype(bool))
        self._weight = torch.tensor(sequences.weight)
        self._names = [q.name for q in model.mechanism.presamples]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> SequenceBatch:
        part = self.parts[number]
        cut = slice(part.start, part.stop)
        weight = self._weight[cut].clone()
        weight[: part.scored - part.start] = 0.0
        presample = dict(zip(self._names, torch.tensor(part.presample).unbind(0), strict=True))
        known, outcome = ({n: v[cut] for n, v in d.items()} for d in (self._known, self._outcome))
        return SequenceBatch(known, outcome, self._observed[cut], weight, presample)


def collate(windows: list[SequenceBatch]) -> SequenceBatch:
    """Stack windows, padding short ones with their last value, unobserved and without weight."""
    longest = max(len(w.weight) for w in windows)

    def stacked(tensors: list[Tensor], hold: bool) -> Tensor:
        if all(len(t) == longest for t in tensors):
            return torch.stack(tensors)
        filled = []
        for t in tensors:
            value = t[-1:] if hold else torch.zeros_like(t[-1:])
            filled.append(torch.cat([t, value.expand(longest - len(t))]))
        return torch.stack(filled)

    first = windows[0]
    return SequenceBatch(
        {n: stacked([w.known[n] for w in windows], True) for n in first.known},
        {n: stacked([w.outcome[n] for w in windows], True) for n in first.outcome},
        stacked([w.observed for w in windows], False),
        stacked([w.weight for w in windows], False),
        {n: torch.stack([w.presample[n] for w in windows]) for n in first.presample},
    )


class SequenceDataModule(pl.LightningDataModule):
    """Batches of one packed set of sequences for a model.

    Validation and test run each unit from its first row, so that its memory is warm, and score their own rows alone. Presample
    numbers come from training rows only. ``unit_rows`` says how long each unit is.
    """

    def __init__(
        self, model: Model, sequences: Sequences, split: Split | None = None, windows: Windows | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.model, self.sequences, self.seed = model, sequences, seed
        self.split, self.windows = split or Split(), windows or Windows()
        edges = [*sequences.starts.tolist(), len(sequences)]
        self.unit_rows = [b - a for a, b in itertools.pairwise(edges)]
        training, validation, test = [], [], []
        for a, b in itertools.pairwise(edges):
            first, second = (a + e for e in self.split.ends(b - a))
            if first - a < 1:
                raise DataError(explain("a unit has no training rows", f"{b - a} rows", "more", "lower the validation or test share"))
            presample = model.presamples(sequences.rows(a, first))[0]
            training += self._cut(a, first, presample)
            validation += [_Part(a, first, second, presample)] if second > first else []
            test += [_Part(a, second, b, presample)] if b > second else []
        self._parts: Mapping[str, list[_Part]] = {"training": training, "validation": validation, "test": test}

    def _cut(self, start: int, stop: int, presample: Array) -> list[_Part]:
        size = self.windows.rows
        if size is None:
            return [_Part(start, start, stop, presample)]
        return [_Part(max(start, at - self.windows.warmup), at, min(at + size, stop), presample) for at in range(start, stop, size)]

    @property
    def validates(self) -> bool:
        """Whether there are validation rows."""
        return bool(self._parts["validation"])

    def _dataset(self, part: str) -> WindowDataset:
        return WindowDataset(self.model, self.sequences, self._parts[part])

    def _generator(self) -> torch.Generator:
        """Of the loader itself: it draws a number at each pass, which must not come out of the network's generator."""
        return torch.Generator().manual_seed(self.seed)

    def train_dataloader(self) -> DataLoader[SequenceBatch]:
        """Windows of the training rows in the epoch's order."""
        data = self._dataset("training")
        return DataLoader(
            data, self.windows.batch, sampler=EpochSampler(len(data), self.seed), collate_fn=collate, generator=self._generator()
        )

    def val_dataloader(self) -> DataLoader[SequenceBatch]:
        """Each unit up to the end of its validation rows."""
        return DataLoader(self._dataset("validation"), self.windows.batch, collate_fn=collate, generator=self._generator())

    def test_dataloader(self) -> DataLoader[SequenceBatch]:
        """Each unit up to its end, test rows scored."""
        return DataLoader(self._dataset("test"), self.windows.batch, collate_fn=collate, generator=self._generator())

    def predict_dataloader(self) -> DataLoader[SequenceBatch]:
        """Each unit whole."""
        edges = [*self.sequences.starts.tolist(), len(self.sequences)]
        known = self._parts["training"]
        whole = [_Part(a, a, b, next(p.presample for p in known if a <= p.start < b)) for a, b in itertools.pairwise(edges)]
        return DataLoader(
            WindowDataset(self.model, self.sequences, whole), self.windows.batch, collate_fn=collate, generator=self._generator()
        )
