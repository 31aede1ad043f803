"""Training from the command line: a run that was stopped goes on to the same bits, and what is refused."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

pl = pytest.importorskip("pytorch_lightning", reason="the train extra is not installed")

from seqsci import cli, load_fit  # noqa: E402
from seqsci.data.datamodule import SequenceDataModule  # noqa: E402
from seqsci.data.splits import Split  # noqa: E402
from seqsci.errors import ArtefactError  # noqa: E402
from seqsci.rundir import read_tensors  # noqa: E402
from seqsci.sequences import Sequences  # noqa: E402
from seqsci.training.checkpoints import AtomicCheckpoint  # noqa: E402
from seqsci.training.forecaster import Forecaster  # noqa: E402
from seqsci.training.gradient import DriveSpec, feed, restore  # noqa: E402
from seqsci.training.interrupt import BetweenBatches  # noqa: E402
from tests.driven_series import MODEL, driven_series  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers", "ignore:.*Checkpoint directory")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    simulated = driven_series(500, 7)
    days = np.arange(np.datetime64("2001-01-01"), np.datetime64("2001-01-01") + 500)
    with (tmp_path / "data.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["date", "asset"])
        writer.writerows(zip(days, simulated.outcome["log_return"], strict=True))
    table = {
        "domain": "finance",
        "data": {"path": str(tmp_path / "data.csv"), "kind": "returns", "unit": "percent", "covariates": ["size_5"]},
        "model": "driven_gate",
        "estimator": {"class_path": "seqsci.GradientDescent", "init_args": {"drive": {"inputs": ["size_5"], "hidden": 4}, "epochs": 400}},
        "comparison": {"baselines": ["EWMA"]},
    }
    path = tmp_path / "driven.yaml"
    path.write_text(yaml.safe_dump(table))
    return path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "seqsci.cli", "fit", "--no-compare", "--no-report", *words]


def start_and_stop(config: Path, out: Path, how: signal.Signals) -> tuple[int, str]:
    """Start a training of very many epochs, wait for its first checkpoint, send a signal."""
    process = subprocess.Popen(
        command("--config", str(config), "--out", str(out), "--trainer.max_epochs=100000"),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 180
    while not (out / "driven-001" / "checkpoints" / "last.ckpt").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"no checkpoint: {process.communicate()[1]}")
        time.sleep(0.02)
    process.send_signal(how)
    error = process.communicate(timeout=60)[1]
    return process.returncode, error


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_bits(config: Path, tmp_path: Path) -> None:
    code, _ = start_and_stop(config, tmp_path / "killed", signal.SIGKILL)
    assert code == -signal.SIGKILL
    folder = tmp_path / "killed" / "driven-001"
    reached = int(torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]) + 1
    epochs = f"--trainer.max_epochs={reached + 25}"
    subprocess.run(command("--resume", str(folder), epochs), check=True, capture_output=True)
    assert yaml.safe_load((folder / "config.yaml").read_text())["trainer"] == {"max_epochs": 100000}  # what it was begun with
    subprocess.run(command("--config", str(config), "--out", str(tmp_path / "whole"), epochs), check=True, capture_output=True)
    whole = tmp_path / "whole" / "driven-001"
    a, b = read_tensors(folder / "model.safetensors"), read_tensors(whole / "model.safetensors")
    assert a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in b)
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert (folder / "parameters.csv").read_bytes() == (whole / "parameters.csv").read_bytes()
    assert load_fit(folder / "model.json").driven_by == ("gate_drive",)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_exits_honestly_and_prints_how_to_go_on(config: Path, tmp_path: Path, how: signal.Signals, code: int) -> None:
    found, text = start_and_stop(config, tmp_path / "runs", how)
    assert found == code, text
    assert f"seqsci fit --resume {tmp_path / 'runs' / 'driven-001'}" in text.split("interrupted;")[1]
    assert "Traceback" not in text
    torch.load(tmp_path / "runs" / "driven-001" / "checkpoints" / "last.ckpt", weights_only=True)


def test_an_interrupt_that_would_be_lost_where_it_comes_stops_the_training_between_batches() -> None:
    class Lost:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)  # a KeyboardInterrupt here would be printed and forgotten

    before = signal.getsignal(signal.SIGINT)
    with BetweenBatches() as asked:
        asked.on_train_batch_end(None, None, None, None, 0)  # type: ignore[arg-type]
        del (lost := [Lost()])[0]
        assert asked.asked and not lost
        for stop in (asked.on_train_batch_end, asked.on_validation_batch_end):
            with pytest.raises(KeyboardInterrupt):
                stop(None, None, None, None, 0)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # a second one is not waited for
    assert signal.getsignal(signal.SIGINT) is before


def test_a_checkpoint_that_is_cut_short_or_absent_is_named(config: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "run"
    for prepare in (lambda: None, folder.mkdir, lambda: (folder / "config.yaml").write_text(config.read_text())):
        prepare()
        with pytest.raises(SystemExit) as stop:
            cli.main(["fit", "--resume", str(folder)])
        assert stop.value.code == 1 and len(capsys.readouterr().err.splitlines()) <= 5
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(SystemExit) as stop:
        cli.main(["fit", "--resume", str(folder)])
    text = capsys.readouterr().err
    assert stop.value.code == 1 and "last.ckpt cannot be read" in text


def test_a_resume_keeps_the_configuration_and_the_data(config: Path, tmp_path: Path, capsys) -> None:
    cli.main(["fit", "--no-compare", "--no-report", "--config", str(config), "--out", str(tmp_path), "--trainer.max_epochs=11"])
    run = tmp_path / "driven-001"
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"] == {"max_epochs": 11}
    capsys.readouterr()
    for words, says in (
        ([], "the training is finished"),
        (["--estimator.learning_rate=9"], "keeps its configuration"),
        (["--model", "gjr_t"], "keeps its configuration"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["fit", "--resume", str(run), *words])
        assert stop.value.code == 1 and says in capsys.readouterr().err
    before = read_tensors(run / "model.safetensors")
    (run / "model.json").unlink()
    (run / "model.safetensors").unlink()
    (run / "checkpoints" / "last.ckpt").rename(run / "checkpoints" / "kept.ckpt")
    keep = torch.load(run / "checkpoints" / "kept.ckpt", weights_only=True)
    assert int(keep["epoch"]) == 9
    torch.save(keep, run / "checkpoints" / "last.ckpt")
    cli.main(["fit", "--resume", str(run), "--no-compare", "--no-report"])  # bare: the run knows how it was trained
    after = read_tensors(run / "model.safetensors")
    assert all(np.array_equal(before[n], after[n]) for n in before)
    capsys.readouterr()
    data = tmp_path / "data.csv"
    data.write_text(data.read_text() + "2003-01-01,0.5\n")
    (run / "model.json").unlink()
    with pytest.raises(SystemExit):
        cli.main(["fit", "--resume", str(run)])
    assert "have changed since it began" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--trainer.devices=2", "--trainer.precision=bf16-true", "--trainer.fast_dev_run=true"])
def test_what_a_run_does_not_do_is_refused(config: Path, tmp_path: Path, capsys, option: str) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["fit", "--config", str(config), "--out", str(tmp_path / "runs"), option])
    text = capsys.readouterr().err
    assert stop.value.code == 1 and "cannot be used like this" in text


def test_a_checkpoint_of_another_model_is_refused_in_a_few_lines(config: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(config.read_text())
    data = driven_series(300, 1)
    module = Forecaster(MODEL, DriveSpec(("covariate",), 7).build(data.known))
    keep = pl.callbacks.ModelCheckpoint(folder / "checkpoints", "last", every_n_epochs=1, enable_version_counter=False)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "devices": 1}
    pl.Trainer(max_epochs=1, callbacks=[keep], limit_val_batches=0, num_sanity_val_steps=0, **quiet).fit(
        module, SequenceDataModule(MODEL, data, Split(0.0))
    )
    with pytest.raises(SystemExit) as stop:
        cli.main(["fit", "--resume", str(folder)])
    text = capsys.readouterr().err
    assert stop.value.code == 1 and "comes from another model" in text and "Traceback" not in text


def test_a_driven_run_is_validated_tested_and_carried_forward_from_its_artefacts(config: Path, tmp_path: Path, capsys) -> None:
    lines = (tmp_path / "data.csv").read_text().splitlines()
    (tmp_path / "first.csv").write_text("\n".join(lines[:401]) + "\n")
    words = ["--config", str(config), "--data", str(tmp_path / "first.csv"), "--out", str(tmp_path), "--estimator.epochs=3"]
    cli.main(["fit", "--no-compare", "--no-report", *words])
    run = str(tmp_path / "driven-001")
    capsys.readouterr()
    cli.main(["validate", run])
    assert "validation rows" in (text := capsys.readouterr().out) and "not an independent score" in text
    cli.main(["test", run, "--data.path", str(tmp_path / "data.csv")])
    found = capsys.readouterr()
    assert "on 100 new rows" in found.out and "100 rows taken in" in found.err
    with pytest.raises(SystemExit):
        cli.main(["predict", run, "--horizon", "2"])
    assert "size_5" in capsys.readouterr().err
    (tmp_path / "future.csv").write_text("size_5\n0.1\n0.2\n")
    cli.main(["predict", run, "--horizon", "2", "--future", str(tmp_path / "future.csv")])
    assert capsys.readouterr().out.startswith("step,")
    with pytest.raises(SystemExit):
        cli.main(["test", run, "--data.path", str(tmp_path / "first.csv")])
    assert "nothing to test" in capsys.readouterr().err
    fitted = load_fit(Path(run) / "model.json")
    weights = read_tensors(Path(run) / "model.safetensors")
    assert {n.split(".")[0] for n in weights} == {"cell", "drive"}
    again = restore(DriveSpec(("size_5",), 4), weights)
    covariates = {"size_5": fitted.sequences.known["size_5"]}
    made = feed(again, Sequences(fitted.sequences.outcome, covariates)).known["gate_drive"]
    np.testing.assert_array_equal(made, fitted.sequences.known["gate_drive"])


def test_a_write_that_fails_leaves_the_earlier_checkpoint_intact(tmp_path: Path, monkeypatch) -> None:
    io, path = AtomicCheckpoint(), tmp_path / "last.ckpt"
    io.save_checkpoint({"epoch": 1}, path)

    def broken(checkpoint, stream) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        io.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}


def test_weights_that_are_cut_short_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(ArtefactError, match=r"model\.safetensors cannot be read"):
        read_tensors(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--trainer.max_epoch=3", "did you mean '--trainer.max_epochs'"),
        ("--trainer.max_epochs=abc", "max_epochs"),
        ("--estimator.epochs=abc", "epochs"),
        ("--estimator.epoch=3", "did you mean 'epochs'"),
        ("--estimator.drive.hidden=0", "hidden"),
        ("--configg=x", "did you mean '--config'"),
        ("--trainer.accelerator=abacus", "abacus"),
    ],
)
def test_a_wrong_option_is_refused_in_five_lines_with_a_hint(config: Path, tmp_path: Path, capsys, option: str, says: str) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["fit", "--config", str(config), "--out", str(tmp_path / "runs"), option])
    text = capsys.readouterr().err
    lines = [line for line in text.splitlines() if not line.startswith("seqsci: compiling")]
    assert stop.value.code in (1, 2) and says in text and len(lines) <= 5, text
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


def test_the_help_is_short_and_the_rest_is_asked_for(capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(["fit", "--help"])
    assert len(capsys.readouterr().out.splitlines()) <= 60
    cli.main(["fit", "--help-all"])
    text = capsys.readouterr().out
    assert "--data.series_column" in text and "--trainer.max_epochs" in text and "--estimator.weight_decay" in text
