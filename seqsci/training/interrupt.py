"""Ctrl-C ends a training between two batches."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl


class BetweenBatches(pl.Callback):
    """Within it Ctrl-C ends a training after the batch under way, where nothing is half done; a second one ends it at once.

    A KeyboardInterrupt that is raised wherever Python happens to be can be lost there, in a destructor or in a call from compiled code, and
    the training would go on.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> BetweenBatches:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop where it was asked for."""
        self._stop()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop where it was asked for."""
        self._stop()

    def _stop(self) -> None:
        if self.asked:
            raise KeyboardInterrupt
