"""The network and the Lightning module behind `gru`: a gated recurrent unit that ends in a forgetting curve."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from torch import Tensor, nn
from torch.utils.data import DataLoader

from seqsci.data.sampler import EpochSampler
from seqsci.domains.memory.baselines.histories import elapsed, outcomes
from seqsci.training.checkpoints import BestEpoch
from seqsci.training.quiet import quiet

INPUTS = 7
"""log(1 + days), same-day flag, one of four grades, log(1 + number of the review)."""

CARDS = 128
"""Cards of a batch; they are sorted by length first, so that little is padding."""


class CardBatch(NamedTuple):
    """Cards (B, T), padded at the end: inputs (B, T, 7), days, recalled, training and validation weight, row (-1 where padding)."""

    inputs: Tensor
    days: Tensor
    recalled: Tensor
    training: Tensor
    validation: Tensor
    row: Tensor


def batches(frame: pd.DataFrame, training: np.ndarray, validation: np.ndarray, exact: bool) -> list[CardBatch]:
    """All cards of a frame; weights are (rows,)."""
    review, days = frame["review"].to_numpy(), np.maximum(elapsed(frame, exact), 0.0)
    grade = frame["grade"].to_numpy().astype(np.int64)
    inputs = np.column_stack([np.log1p(days), frame["same_day"].to_numpy(), np.eye(4)[grade - 1], np.log1p(review)])
    columns = inputs, days, outcomes(frame), training, validation
    starts = np.flatnonzero(review == 0)
    lengths = np.diff(np.r_[starts, len(frame)])
    order = np.argsort(lengths, kind="stable")
    found = []
    for cards in (order[k : k + CARDS] for k in range(0, len(order), CARDS)):
        step = np.arange(lengths[cards].max())
        inside = step < lengths[cards][:, None]
        row = np.where(inside, starts[cards][:, None] + step, -1)
        filled = [np.where(inside if c.ndim == 1 else inside[..., None], c[row], 0.0) for c in columns]
        x, t, y, train_weight, check_weight = (torch.tensor(f, dtype=torch.float32) for f in filled)
        found.append(CardBatch(x, t, y, train_weight, check_weight, torch.tensor(row)))
    return found


class ForgettingNetwork(nn.Module):
    """A GRU over a card's reviews whose state gives stability and decay of a power curve: ``R(t) = (1 + t / S)^(-d)``.

    Shapes: inputs (B, T, 7) and days (B, T) -> log R (B, T); that of review k reads the state after review k - 1, and is 0 at review 0.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.memory = nn.GRU(INPUTS, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2)

    def forward(self, inputs: Tensor, days: Tensor) -> Tensor:
        """Log recall before each review."""
        log_stability, raw_decay = self.head(self.memory(inputs)[0][:, :-1]).unbind(-1)
        decay = 0.02 + nn.functional.softplus(raw_decay - 1.0)
        log_recall = -decay * torch.log1p(days[:, 1:] * torch.exp(-log_stability.clamp(-7.0, 10.5)))
        return nn.functional.pad(log_recall, (1, 0))


def log_loss(log_recall: Tensor, recalled: Tensor, weight: Tensor) -> Tensor:
    """Weighted sum of -log p of what happened."""
    inside = log_recall.clamp(max=-1e-5)
    lost = torch.log(-torch.expm1(inside))
    return -((recalled * inside + (1.0 - recalled) * lost) * weight).sum()


class RecallTraining(pl.LightningModule):
    """Adam on the log loss of scored reviews; ``typical`` is the mean number of scored training reviews of a batch."""

    def __init__(self, network: ForgettingNetwork, learning_rate: float, typical: float) -> None:
        super().__init__()
        self.network, self.learning_rate, self.typical = network, learning_rate, typical

    def training_step(self, batch: CardBatch, number: int) -> Tensor:
        """Loss of a batch."""
        return log_loss(self.network(batch.inputs, batch.days), batch.recalled, batch.training) / self.typical

    def validation_step(self, batch: CardBatch, number: int) -> None:
        """Mean loss of the validation reviews of a batch, which counts by how many they are."""
        reviews = batch.validation.sum()
        loss = log_loss(self.network(batch.inputs, batch.days), batch.recalled, batch.validation) / reviews
        self.log("validation_loss", loss, batch_size=int(reviews))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def new_network(hidden: int, seed: int) -> ForgettingNetwork:
    """Initial weights of a seed; the generator of torch is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ForgettingNetwork(hidden)


def train(
    network: ForgettingNetwork, cards: Sequence[CardBatch], epochs: int, learning_rate: float, patience: int | None, seed: int
) -> ForgettingNetwork:
    """A trained copy: the epoch with the least validation loss, or the last epoch where ``patience`` is None."""
    used = [b for b in cards if bool((b.training > 0).any())]
    typical = sum(float(b.training.sum()) for b in used) / len(used)
    module, best = RecallTraining(copy.deepcopy(network).train(), learning_rate, typical), BestEpoch()
    checked = [b for b in cards if bool((b.validation > 0).any())] if patience is not None else []
    callbacks: list[Callback] = []
    if checked and patience is not None:
        callbacks = [best, EarlyStopping("validation_loss", patience=patience)]
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if checked else 0,
            gradient_clip_val=1.0,
            callbacks=callbacks,
        )
        generator = torch.Generator().manual_seed(seed)
        loader: DataLoader[CardBatch] = DataLoader(used, batch_size=None, sampler=EpochSampler(len(used), seed), generator=generator)  # type: ignore[arg-type]
        validation: DataLoader[CardBatch] = DataLoader(checked or used, batch_size=None, generator=generator)  # type: ignore[arg-type]
        trainer.fit(module, loader, validation)
    best.put_back(module)
    return module.network.eval()


def forecast(network: ForgettingNetwork, frame: pd.DataFrame, exact: bool) -> np.ndarray:
    """Probability of recall (rows,) before each review, in double precision."""
    found, none = np.ones(len(frame)), np.zeros(len(frame))
    double = copy.deepcopy(network).double()
    with torch.no_grad():
        for batch in batches(frame, none, none, exact):
            inside = batch.row >= 0
            found[batch.row[inside].numpy()] = torch.exp(double(batch.inputs.double(), batch.days.double()))[inside].numpy()
    return found
