"""Training from the command line: Lightning's CLI around a study, with short errors, atomic checkpoints and a printed way to resume."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

# Lightning calls what jsonargparse has renamed; its users can do nothing about that.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import SIGTERMException

from seqsci import rundir
from seqsci.data.datamodule import SequenceDataModule
from seqsci.errors import ArtefactError, ConfigError, did_you_mean, explain
from seqsci.estimation.result import Fit
from seqsci.study import Study
from seqsci.training.checkpoints import AtomicCheckpoint, BestEpoch, History, RandomState
from seqsci.training.forecaster import Forecaster
from seqsci.training.gradient import GradientDescent
from seqsci.training.interrupt import BetweenBatches
from seqsci.training.quiet import quiet

EVERY = 10
"""Epochs between checkpoints."""


class TrainingCLI(LightningCLI):
    """Lightning's own parser for ``trainer.*``; the module and its data come from the study.

    Closed: abbreviations, long errors, errors without a hint, arguments typed as modules, log noise.
    """

    def __init__(self, study: Study, callbacks: list[pl.Callback], folder: Path) -> None:
        self.study, self.extra, self.folder = study, callbacks, folder
        given = dict(study.config.get("trainer") or {})
        super().__init__(
            Forecaster,
            SequenceDataModule,
            save_config_callback=None,
            seed_everything_default=_estimator(study).seed,
            run=False,
            parser_kwargs={"allow_abbrev": False, "exit_on_error": False},
            args=[f"--trainer.{k}={_yaml(v)}" for k, v in given.items()],
        )

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The Trainer's arguments alone."""
        parser.add_lightning_class_args(pl.Trainer, "trainer")
        parser.set_defaults({"trainer.max_epochs": _estimator(self.study).epochs, "trainer.accelerator": "cpu", "trainer.devices": 1})

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """No --config: the study was read already."""
        parser.add_argument("--seed_everything", type=int, default=self.seed_everything_default)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; one short error for what does not fit."""
        known = [a for action in parser._actions for a in action.option_strings]
        for word in args:
            key = word.split("=")[0]
            if key not in known:
                hint = did_you_mean(key, known)
                raise ConfigError(explain(f"unknown option {key}{hint}", word, "an option of Lightning's Trainer", "seqsci fit --help-all"))
        try:
            super().parse_arguments(parser, args)
        except Exception as error:
            raise ConfigError(_short(error)) from error

    def instantiate_classes(self) -> None:
        """Module and data from the study, the Trainer from its options."""
        estimator = _estimator(self.study)
        self.model, self.datamodule = estimator.prepare(self.study.model, self.study.sequences())
        self.config_init = self.parser.instantiate_classes(self.config)
        fixed = {
            "logger": False,
            "enable_model_summary": False,
            "enable_progress_bar": bool(self.config["trainer"].get("enable_progress_bar") or False) and sys.stderr.isatty(),
            "num_sanity_val_steps": 0,
            "enable_checkpointing": True,
            "default_root_dir": str(self.folder),
            "limit_val_batches": 1.0 if self.datamodule.validates else 0,
        }
        chosen = {**self.config_init["trainer"], **fixed}
        _check_trainer(chosen)
        chosen["callbacks"] = [*(chosen.get("callbacks") or []), *self.extra]
        chosen["plugins"] = [*(chosen.get("plugins") or []), AtomicCheckpoint()]
        try:
            self.trainer = pl.Trainer(**chosen)
        except Exception as error:
            raise ConfigError(_short(error)) from error


def _check_trainer(chosen: Mapping[str, Any]) -> None:
    """Refuse what a run does not do: several processes, and low precision outside of the drive."""
    faults = []
    if chosen.get("devices") not in (1, "1", "auto", [0]) or chosen.get("num_nodes", 1) != 1:
        faults.append((f"devices {chosen.get('devices')}, nodes {chosen.get('num_nodes', 1)}", "one process (devices 1)"))
    if str(chosen.get("precision")) not in ("None", "32", "32-true", "64", "64-true", "bf16-mixed", "16-mixed"):
        faults.append((f"precision {chosen.get('precision')}", "32-true, 64-true, bf16-mixed or 16-mixed: the cell runs in float64"))
    if chosen.get("fast_dev_run"):
        faults.append(("fast_dev_run", "max_epochs 1 for a trial"))
    if faults:
        got, expected = ("; ".join(column) for column in zip(*faults, strict=True))
        raise ConfigError(explain("the trainer cannot be used like this", got, expected, "seqsci fit --help-all"))


def _check_data(study: Study, folder: Path) -> None:
    """Refuse to go on with other data than the run began with."""
    import json

    path = folder / "command.json"
    before = json.loads(path.read_text()).get("data_hash") if path.is_file() else None
    now = study.sequences().fingerprint
    if before is not None and before != now:
        fix = "restore the data file, or start a new run"
        raise ArtefactError(explain(f"the data of {folder} have changed since it began", f"hash {now}", f"hash {before}", fix))


def _estimator(study: Study) -> GradientDescent:
    if not isinstance(study.estimator, GradientDescent):
        raise ConfigError(explain("nothing to train", type(study.estimator).__name__, "GradientDescent", "set estimator.class_path"))
    return study.estimator


def _yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _short(error: BaseException) -> str:
    """The part of a message that says what is wrong: what, got, expected."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    useful = [line for line in lines if "Got value" in line or "Expected" in line or "not " in line] or lines or [type(error).__name__]
    place = next((line for line in lines if "key" in line.lower()), "")
    text = " ".join(dict.fromkeys([place, *useful[:2]])).strip()
    return f"the trainer's options do not fit\n  got:      {text[:400]}\n  fix:      seqsci fit --help-all"


class _Start(pl.Callback):
    """Says when the first step runs."""

    def __init__(self, clock: float) -> None:
        self.clock, self.told = clock, False

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, number: int) -> None:
        """Tell once."""
        if not self.told:
            self.told = True
            print(f"seqsci: training on {trainer.strategy.root_device}, epoch {trainer.current_epoch} on", file=sys.stderr, flush=True)


class _Stopped(pl.Callback):
    """Remembers what stopped the training."""

    def __init__(self) -> None:
        self.cause: BaseException | None = None

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Keep the exception."""
        self.cause = exception


def train(study: Study, folder: Path, resume: bool = False) -> Fit:
    """Train the study's drive and model, conclude by maximum likelihood, write the run; resumable from its last checkpoint."""
    estimator = _estimator(study)
    history = History(lambda rows: rundir.write_history(folder, rows), EVERY)
    best, stopped, asked = BestEpoch(), _Stopped(), BetweenBatches()
    target = folder / "checkpoints"
    keep = ModelCheckpoint(target, "last", every_n_epochs=EVERY, save_on_train_epoch_end=True, enable_version_counter=False)
    callbacks = [history, best, RandomState(), stopped, _Start(time.perf_counter()), keep, asked]
    if resume:
        _check_data(study, folder)
    with quiet():
        cli = TrainingCLI(study, callbacks, folder)
        last = folder / "checkpoints" / "last.ckpt"
        if resume:
            _check_epochs(cli.trainer, last, _finished(folder))
        print(f"seqsci: to go on after an interruption: seqsci fit --resume {folder}", file=sys.stderr, flush=True)
        try:
            with asked:
                cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=str(last) if resume else None, weights_only=True if resume else None)
        except SystemExit:
            _interrupted(stopped, folder, last)
        except SIGTERMException:
            _interrupted(stopped, folder, last)
        except RuntimeError as error:
            if not resume or "state_dict" not in str(error):
                raise
            got = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))[:160]
            expected = "the parameters and layers that config.yaml describes"
            raise ArtefactError(explain(f"{last} comes from another model", got, expected, "restore config.yaml, or fit again")) from error
        if stopped.cause is not None:
            _interrupted(stopped, folder, last)
    best.put_back(cli.model)
    try:
        return _conclude(study, estimator, cli.model, history, best, folder)
    except (KeyboardInterrupt, SystemExit) as error:
        print(f"\nseqsci: interrupted; go on with: seqsci fit --resume {folder}", file=sys.stderr, flush=True)
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 143) from None


def _conclude(study: Study, estimator: GradientDescent, module: Forecaster, history: History, best: BestEpoch, folder: Path) -> Fit:
    trained = estimator.conclude(study.model, study.sequences(), module, history, best)
    weights = {} if trained.drive is None else {n: v.detach().numpy() for n, v in trained.drive.state_dict().items()}
    rundir.write_history(folder, trained.history)
    rundir.write_fit(folder, trained.fit, weights, estimator.seed)
    return trained.fit


def _interrupted(stopped: _Stopped, folder: Path, last: Path) -> NoReturn:
    ended = isinstance(stopped.cause, SystemExit) and stopped.cause.code == 143
    code = 143 if ended or isinstance(stopped.cause, SIGTERMException) else 130
    if ended or isinstance(stopped.cause, KeyboardInterrupt | SIGTERMException):
        early = f"no checkpoint yet (one every {EVERY} epochs): start again"
        how = f"go on with: seqsci fit --resume {folder}" if last.is_file() else early
        print(f"\nseqsci: interrupted; {how}", file=sys.stderr, flush=True)
        raise SystemExit(code)
    if stopped.cause is not None:
        raise stopped.cause
    raise SystemExit(1)


def resumed(run: str) -> Path:
    """The folder of a run that can be resumed; raises `ArtefactError` where it cannot."""
    folder = Path(run)
    if not (folder / "config.yaml").is_file():
        raise ArtefactError(explain(f"no run at {run}", "no config.yaml", "the folder that seqsci fit printed", "check the path"))
    if not (folder / "checkpoints" / "last.ckpt").is_file():
        got = f"{os.listdir(folder)}"
        raise ArtefactError(explain(f"{run} has no checkpoint", got, f"checkpoints/last.ckpt, written every {EVERY} epochs", "fit again"))
    return folder


def _finished(folder: Path) -> int:
    """Epochs of a run that was concluded; 0 of one that was not."""
    metrics = folder / "metrics.csv"
    return len(metrics.read_text().splitlines()) - 1 if (folder / "model.json").is_file() and metrics.is_file() else 0


def _check_epochs(trainer: pl.Trainer, last: Path, finished: int) -> None:
    import torch

    try:
        epoch = int(torch.load(last, weights_only=True)["epoch"])
    except Exception as error:
        raise ArtefactError(
            explain(f"{last} cannot be read", f"{type(error).__name__}: {error}"[:160], "a whole checkpoint", "fit again")
        ) from error
    if trainer.max_epochs is not None and trainer.max_epochs <= max(epoch, finished):
        got, expected = f"max_epochs {trainer.max_epochs}", f"more than {max(epoch + 1, finished)}"
        raise ConfigError(explain("the training is finished", got, expected, "raise --trainer.max_epochs"))


def print_help() -> None:
    """Every option of training."""
    import dataclasses

    print("options of --estimator.* (GradientDescent), set in the configuration or here as --estimator.KEY=VALUE:")
    for f in dataclasses.fields(GradientDescent):
        print(f"  --estimator.{f.name:<22} default {f.default if f.default is not dataclasses.MISSING else 'see the docs'}")
    parser = LightningArgumentParser(prog="seqsci fit", allow_abbrev=False)
    parser.add_lightning_class_args(pl.Trainer, "trainer")
    parser.print_help()
