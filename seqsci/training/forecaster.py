"""The Lightning module: a cell, optionally fed by a drive, trained on its log density."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor

from seqsci.cell import Cell, Drive, Trace, parameter_groups
from seqsci.data.datamodule import SequenceBatch
from seqsci.errors import ConvergenceError, explain
from seqsci.model import Model


class Forecaster(pl.LightningModule):
    """Minimises the mean negative log density of scored rows over the cell's raw parameters and the weights of the drive.

        loss = - sum_t w_t log p(y_t | state_{t-1}, known_t) / sum_t w_t

    The cell always runs in float64, outside autocast; precision settings of the Trainer concern the drive alone. Weight decay never
    touches scientific parameters.

    Args:
        model: starting values of the cell.
        drive: feeds Known sequences from the batch's known columns, or None.
        learning_rate: of the scientific parameters (Adam, raw scale).
        drive_learning_rate, weight_decay: of the drive (AdamW).
    """

    def __init__(
        self,
        model: Model,
        drive: Drive | None = None,
        learning_rate: float = 0.02,
        drive_learning_rate: float = 0.005,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        self.cell, self.drive = Cell(model), drive
        self.learning_rate, self.drive_learning_rate, self.weight_decay = learning_rate, drive_learning_rate, weight_decay

    def forward(self, batch: SequenceBatch) -> Trace:
        """Run the cell over a batch."""
        known = dict(batch.known)
        if self.drive is not None:
            known |= self.drive(batch.known)
        with torch.autocast(batch.weight.device.type, enabled=False):
            return self.cell(known, batch.outcome, None, batch.presample, batch.observed)  # type: ignore[no-any-return]

    def loss(self, batch: SequenceBatch) -> Tensor:
        """Mean negative log density of the scored rows; raises `ConvergenceError` where it is not finite."""
        weight = batch.weight * batch.observed
        density = torch.where(weight != 0, self(batch).log_density, 0.0)  # without weight it may be -inf, and -inf * 0 is no number
        value: Tensor = -(density * weight).sum() / weight.sum()
        if not bool(torch.isfinite(value)):
            raise ConvergenceError(
                explain("the training diverged", f"loss {float(value)}", "a finite loss", "lower learning_rate or drive_learning_rate")
            )
        return value

    def training_step(self, batch: SequenceBatch, number: int) -> Tensor:
        """Loss of one batch."""
        value = self.loss(batch)
        self.log("train_loss", value, on_step=False, on_epoch=True, batch_size=len(batch.weight))
        return value

    def validation_step(self, batch: SequenceBatch, number: int) -> None:
        """Loss of the validation rows."""
        self.log("validation_loss", self.loss(batch), batch_size=len(batch.weight))

    def test_step(self, batch: SequenceBatch, number: int) -> None:
        """Loss of the test rows."""
        self.log("test_loss", self.loss(batch), batch_size=len(batch.weight))

    def predict_step(self, batch: SequenceBatch, number: int) -> Trace:
        """States, gates and reads; row t is forecast from rows before it."""
        return self(batch)  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with one group for scientific parameters (no decay) and one for the drive."""
        groups = parameter_groups(self, self.weight_decay, self.drive_learning_rate, self.learning_rate)
        return torch.optim.AdamW(groups, lr=self.drive_learning_rate)
