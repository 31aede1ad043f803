"""Checkpoints that appear whole or not at all, and hold every random state, so that a resumed training has the same bits."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

NAMES: tuple[str, ...] = ("train_loss", "validation_loss")


class AtomicCheckpoint(TorchCheckpointIO):
    """Writes beside the target and renames, so that a kill in the middle of a write leaves the earlier checkpoint intact."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None) -> None:
        """Write one checkpoint."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        with temporary.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)


class RandomState(pl.Callback):
    """Carries the states of the random generators of torch, CUDA, numpy and Python from a checkpoint to the first resumed epoch."""

    def __init__(self) -> None:
        self._pending: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The states now, as tensors and plain numbers."""
        version, words, gauss = random.getstate()
        name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - a user's drive may draw from it
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "python": [version, list(words), gauss],
            "numpy": [str(name), torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(cached)],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep the states until training starts; what is drawn before must not count."""
        self._pending = state

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Restore once."""
        state, self._pending = self._pending, None
        if state is None:
            return
        torch.set_rng_state(state["torch"])
        if state["cuda"]:
            torch.cuda.set_rng_state_all(state["cuda"])
        version, words, gauss = state["python"]
        random.setstate((version, tuple(words), gauss))
        name, keys, position, has_gauss, cached = state["numpy"]
        np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002


class History(pl.Callback):
    """One row an epoch, kept in the checkpoint; ``write`` is called with all rows after each epoch that is checkpointed, and at the end."""

    def __init__(self, write: Callable[[list[dict[str, float]]], None] | None = None, every: int = 10) -> None:
        self.rows: list[dict[str, float]] = []
        self.write, self.every = write, every

    def state_dict(self) -> dict[str, Any]:
        """The rows."""
        return {"rows": [dict(r) for r in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the rows of a checkpoint."""
        self.rows = [dict(r) for r in state["rows"]]

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Add the epoch's losses."""
        found: dict[str, float] = {n: float(trainer.callback_metrics[n]) for n in NAMES if n in trainer.callback_metrics}
        self.rows.append({"epoch": float(trainer.current_epoch), **found})
        if self.write is not None and len(self.rows) % self.every == 0:
            self.write(self.rows)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Write what there is."""
        if self.write is not None:
            self.write(self.rows)


class BestEpoch(pl.Callback):
    """Keeps the weights of the epoch with the smallest validation loss, and puts them back when training ends."""

    def __init__(self) -> None:
        self.loss, self.epoch = float("inf"), -1
        self.weights: dict[str, torch.Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the best of a checkpoint."""
        self.loss, self.epoch, self.weights = state["loss"], state["epoch"], state["weights"]

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Compare this epoch's validation loss."""
        if trainer.sanity_checking or "validation_loss" not in trainer.callback_metrics:
            return
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch
            self.weights = {n: v.detach().clone() for n, v in module.state_dict().items()}

    def put_back(self, module: pl.LightningModule) -> None:
        """Restore the best weights."""
        if self.weights:
            module.load_state_dict(self.weights)
