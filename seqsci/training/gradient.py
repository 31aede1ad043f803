"""Gradient descent as an estimator: a drive and a mechanism trained together, then the parameters concluded by maximum likelihood."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from seqsci.constraints import inwards
from seqsci.data.splits import Split, Windows
from seqsci.errors import ArtefactError, ParameterError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.estimation.search import WORKING_SCALE, rescale
from seqsci.forecast import Distribution, PathForecast
from seqsci.model import Model
from seqsci.predictor import FittedModel, FittedPredictor, Predictor
from seqsci.sequences import Sequences

if TYPE_CHECKING:
    from seqsci.cell import NetworkDrive
    from seqsci.data.datamodule import SequenceDataModule
    from seqsci.training.checkpoints import BestEpoch, History
    from seqsci.training.forecaster import Forecaster

Array = np.ndarray


@dataclass(frozen=True)
class DriveSpec:
    """A `NetworkDrive` in plain values: the Known sequence that it feeds, the known columns that it reads, its hidden width."""

    inputs: tuple[str, ...]
    hidden: int = 16
    name: str = "gate_drive"

    def build(self, known: Mapping[str, Array]) -> NetworkDrive:
        """The untrained drive, standardised on these (training) rows."""
        from seqsci.cell import NetworkDrive

        drive = NetworkDrive(self.name, self.inputs, self.hidden)
        missing = [n for n in self.inputs if n not in known]
        if missing:
            raise ParameterError(explain("the drive's inputs are not there", sorted(known), list(self.inputs), f"add columns {missing}"))
        drive.standardise(known)
        return drive


@dataclass(frozen=True, eq=False)
class Trained:
    """What a gradient descent found.

    Attributes:
        fit: estimates and standard errors of the mechanism, given the trained drive.
        drive: the trained network, or None.
        history: a row an epoch: epoch, train_loss, validation_loss (nats a row, in the working unit).
        best_epoch: the epoch whose weights were kept.
    """

    fit: Fit
    drive: NetworkDrive | None
    history: tuple[Mapping[str, float], ...]
    best_epoch: int

    def driven(self, sequences: Sequences) -> Sequences:
        """The sequences with what the drive feeds."""
        return feed(self.drive, sequences)


def restore(spec: DriveSpec, tensors: Mapping[str, Array]) -> NetworkDrive:
    """The trained drive of a run from its tensors (``drive.*`` of model.safetensors); raises `ArtefactError` where they do not fit."""
    import torch

    from seqsci.cell import NetworkDrive

    drive = NetworkDrive(spec.name, spec.inputs, spec.hidden)
    weights = {n.removeprefix("drive."): torch.tensor(v) for n, v in tensors.items() if n.startswith("drive.")}
    try:
        drive.load_state_dict(weights)
    except RuntimeError as error:
        got = ", ".join(f"{n} {tuple(v.shape)}" for n, v in weights.items()) or "no weights"
        raise ArtefactError(explain("the weights are those of another drive", got, spec, "use the run's own config.yaml")) from error
    return drive


def feed(drive: NetworkDrive | None, sequences: Sequences) -> Sequences:
    """The sequences with the Known sequence of the drive added."""
    if drive is None:
        return sequences
    import torch

    with torch.no_grad():
        made = drive({n: torch.tensor(v) for n, v in sequences.known.items()})
    return sequences.with_known({n: v.numpy() for n, v in made.items()})


@dataclass(frozen=True)
class GradientDescent:
    """Train a drive and the parameters of a mechanism together with AdamW, then conclude the parameters by maximum likelihood.

    1. Maximum likelihood with a drive of zero gives the starting values.
    2. Drive and raw parameters descend the mean negative log density of the training rows through the compiled adjoint; the epoch with
       the smallest loss on the validation rows is kept.
    3. Given the trained drive, the parameters are climbed to the maximum of the likelihood on all rows that were passed in, and their
       standard errors follow. They are conditional on the drive, for which no errors are claimed.

    Attributes:
        drive: what feeds the gate, or None to train the parameters alone.
        epochs: most epochs.
        learning_rate: of the parameters on their raw scale; drive_learning_rate, weight_decay: of the drive.
        validation_share: last share of each unit's rows, which chooses the epoch; 0 keeps the last epoch.
        windows: how training rows are cut; whole units are exact.
        seed: of the drive's initial weights and of the order of windows.
    """

    drive: DriveSpec | None = None
    epochs: int = 200
    learning_rate: float = 0.01
    drive_learning_rate: float = 0.003
    weight_decay: float = 0.01
    validation_share: float = 0.15
    windows: Windows = field(default_factory=Windows)
    seed: int = 0

    def fit(self, model: Model, sequences: Sequences) -> Fit:
        """Estimates of the mechanism given the trained drive; its sequences hold what the drive fed."""
        return self.train(model, sequences).fit

    def prepare(self, model: Model, sequences: Sequences) -> tuple[Forecaster, SequenceDataModule]:
        """The Lightning module and its data, ready for a Trainer."""
        import torch

        from seqsci.data.datamodule import SequenceDataModule
        from seqsci.training.forecaster import Forecaster

        outcome = model.mechanism.outcomes[0].name
        split = Split(validation=self.validation_share)
        train_rows = np.zeros(len(sequences), bool)
        edges = [*sequences.starts.tolist(), len(sequences)]
        for a, b in itertools.pairwise(edges):
            train_rows[a : a + split.ends(b - a)[0]] = True
        random = torch.random.get_rng_state()
        torch.manual_seed(self.seed)
        drive = None if self.drive is None else self.drive.build({n: v[train_rows] for n, v in sequences.known.items()})
        torch.random.set_rng_state(random)
        start = MaximumLikelihood(profile_bounds=False).fit(model, feed(drive, sequences).rows(0, int(np.flatnonzero(train_rows)[-1]) + 1))
        factor = WORKING_SCALE.get(sequences.measure.get(outcome, ""), 1.0)
        working = rescale(_inside(start.model), factor)
        forecaster = Forecaster(working, drive, self.learning_rate, self.drive_learning_rate, self.weight_decay)
        return forecaster, SequenceDataModule(working, sequences.scaled(outcome, factor), split, self.windows, self.seed)

    def conclude(self, model: Model, sequences: Sequences, forecaster: Forecaster, history: History, best: BestEpoch) -> Trained:
        """The fit of the parameters given the trained drive."""
        from seqsci.cell import NetworkDrive

        outcome = model.mechanism.outcomes[0].name
        factor = WORKING_SCALE.get(sequences.measure.get(outcome, ""), 1.0)
        trained = rescale(forecaster.cell.to_model(), 1.0 / factor)
        drive = forecaster.drive if isinstance(forecaster.drive, NetworkDrive) else None
        estimator = MaximumLikelihood(starts=1, warm=True)
        fit = estimator.fit(model.start_at(**{n: trained.value[n] for n in model.free_names}), feed(drive, sequences))
        fit = replace(fit, driven_by=() if drive is None else (drive.name,))
        epoch = best.epoch if best.epoch >= 0 else len(history.rows) - 1
        return Trained(fit, drive, tuple(history.rows), epoch)

    def train(self, model: Model, sequences: Sequences) -> Trained:
        """Train with a quiet Trainer on the CPU; `prepare` and `conclude` serve a Trainer of your own."""
        import pytorch_lightning as pl

        from seqsci.training.checkpoints import BestEpoch, History
        from seqsci.training.quiet import quiet

        forecaster, data = self.prepare(model, sequences)
        history, best = History(), BestEpoch()
        with quiet():
            trainer = pl.Trainer(
                accelerator="cpu",
                devices=1,
                max_epochs=self.epochs,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                limit_val_batches=1.0 if data.validates else 0,
                callbacks=[history, best],
            )
            trainer.fit(forecaster, data)
        best.put_back(forecaster)
        return self.conclude(model, sequences, forecaster, history, best)


def _inside(model: Model) -> Model:
    """Free parameters that sit on a bound, moved a little inwards: a gradient on the raw scale cannot leave a bound."""
    stuck = [p for p in model.parameters if p.name not in model.fixed and model.value[p.name] in p.constraint.bounds]
    return model.start_at(**{p.name: inwards(p.constraint, model.value[p.name], 0.01) for p in stuck})


@dataclass(frozen=True, eq=False)
class FittedDriven(FittedPredictor):
    """A trained drive before a fitted model."""

    trained: Trained
    inner: FittedModel

    def predict_rows(self, rows: Sequences) -> Distribution:
        return self.inner.predict_rows(self.trained.driven(rows))

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, Array] | None = None) -> PathForecast:
        """``known`` holds (horizon,) future values of the drive's inputs."""
        outcome = self.trained.fit.outcome
        future = self.trained.driven(Sequences({outcome: np.zeros(horizon)}, dict(known or {})))
        return self.inner.predict(horizon, draws, seed, future.known)

    def update(self, rows: Sequences) -> FittedDriven:
        return replace(self, inner=self.inner.update(self.trained.driven(rows)))


@dataclass(frozen=True)
class DrivenPredictor(Predictor):
    """A model with a drive, retrained at every refit."""

    model: Model
    estimator: GradientDescent

    @property
    def name(self) -> str:
        return self.model.name

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedDriven:
        """Train on the rows; each refit starts anew."""
        trained = self.estimator.train(self.model, train)
        return FittedDriven(trained, FittedModel(trained.fit))
