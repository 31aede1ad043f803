"""Training: the drive reaches what it should, decay keeps off science, an interrupted run goes on to the same bits."""

from __future__ import annotations

import csv
import random
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

from seqsci import cli, compare, load_fit  # noqa: E402
from seqsci.cell import Cell, NetworkDrive, parameter_groups  # noqa: E402
from seqsci.data.datamodule import SequenceDataModule, collate  # noqa: E402
from seqsci.data.sampler import EpochSampler  # noqa: E402
from seqsci.data.splits import Split, Windows  # noqa: E402
from seqsci.domains.finance import models  # noqa: E402
from seqsci.errors import ArtefactError, DataError, ParameterError  # noqa: E402
from seqsci.estimation.maximum_likelihood import MaximumLikelihood  # noqa: E402
from seqsci.rundir import read_tensors  # noqa: E402
from seqsci.sequences import Sequences  # noqa: E402
from seqsci.training.checkpoints import AtomicCheckpoint, RandomState  # noqa: E402
from seqsci.training.forecaster import Forecaster  # noqa: E402
from seqsci.training.gradient import DrivenPredictor, DriveSpec, GradientDescent, feed, restore  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers", "ignore:.*Checkpoint directory")
MODEL = models.driven_gate().fix(shift=0.0, rotation=0.0).named("driven")
TRUTH = MODEL.start_at(mean=0.0, persistence=0.98, memory=0.9, intercept=0.02, degrees_of_freedom=8.0)


def driven_series(rows: int, seed: int) -> Sequences:
    """Returns whose gate closes wherever a covariate is high."""
    covariate = np.sign(np.sin(np.arange(rows) / 7.0)) + 0.1 * np.random.default_rng(seed).normal(size=rows)
    simulated = TRUTH.simulate(rows, seed, known={"gate_drive": -1.5 * (covariate > 0)})
    known = {"gate_drive": np.zeros(rows), "covariate": covariate}
    return Sequences(simulated.outcome, known, measure={"log_return": "percent"})


@pytest.fixture(scope="module")
def series() -> Sequences:
    return driven_series(1500, 3)


@pytest.fixture(scope="module")
def trained(series: Sequences):
    return GradientDescent(DriveSpec(("covariate",), 8), epochs=80, learning_rate=0.02, drive_learning_rate=0.02).train(MODEL, series)


def test_weight_decay_leaves_a_scientific_parameter_unmoved_under_zero_gradient() -> None:
    module = torch.nn.ModuleDict({"cell": Cell(models.garch_normal()), "drive": NetworkDrive("x", ("a",), 4)})
    torch.nn.init.ones_(module["drive"].layers[2].weight)
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    half_life = module["cell"].to_model().derived_values["half_life"]
    optimiser = torch.optim.AdamW(parameter_groups(module, weight_decay=0.5, learning_rate=0.1))
    for p in module.parameters():
        p.grad = torch.zeros_like(p)
    for _ in range(10):
        optimiser.step()
    for name, p in module.named_parameters():
        moved = not torch.equal(p, before[name])
        assert moved == (name in ("drive.layers.0.weight", "drive.layers.2.weight")), name
    assert module["cell"].to_model().derived_values["half_life"] == half_life


def test_training_finds_the_drive_and_beats_the_undriven_model_on_new_rows(series: Sequences, trained) -> None:
    held_out = driven_series(800, 4)
    plain = MaximumLikelihood(profile_bounds=False).fit(MODEL, series)
    fitted = trained.fit
    assert fitted.log_likelihood > plain.log_likelihood + 5
    path = fitted.model.filter(trained.driven(held_out))
    undriven = plain.model.filter(held_out)
    assert path.density.sum() > undriven.density.sum() + 3
    drive = fitted.sequences.known["gate_drive"]
    high = series.known["covariate"] > 0
    assert drive[high].mean() < drive[~high].mean() - 0.5
    assert fitted.driven_by == ("gate_drive",)
    assert "made by a network that was trained on these rows" in str(fitted.summary())


def test_conclusions_are_the_likelihood_maximum_given_the_drive(trained) -> None:
    again = MaximumLikelihood(starts=1, warm=True).fit(trained.fit.model, trained.fit.sequences)
    assert again.log_likelihood == pytest.approx(trained.fit.log_likelihood, abs=1e-4)
    assert all(np.isfinite(trained.fit.standard_error(n)) for n in trained.fit.free_names)


def test_the_same_seed_gives_the_same_bits(series: Sequences) -> None:
    estimator = GradientDescent(DriveSpec(("covariate",), 4), epochs=6, windows=Windows(200, 50, 2), seed=5)
    a, b = (estimator.train(MODEL, series.rows(0, 900)) for _ in range(2))
    assert a.history == b.history
    for (name, x), y in zip(a.drive.state_dict().items(), b.drive.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


def test_a_comparison_of_a_driven_fit_needs_the_estimator_that_retrains_it(series: Sequences, trained) -> None:
    with pytest.raises(DataError, match="trained on these rows"):
        compare(trained.fit, [MODEL.named("undriven")])


def test_a_driven_forecast_of_a_row_uses_no_outcome_from_it_on(series: Sequences) -> None:
    estimator = GradientDescent(DriveSpec(("covariate",), 4), epochs=3)
    fitted = DrivenPredictor(MODEL, estimator).fit(series.rows(0, 700))
    rows = series.rows(700, 720)
    changed = Sequences({"log_return": np.r_[rows.outcome["log_return"][:10], np.full(10, 9.0)]}, rows.known, measure=rows.measure)
    a, b = fitted.predict_rows(rows), fitted.predict_rows(changed)
    np.testing.assert_array_equal(np.asarray(a.variance)[:11], np.asarray(b.variance)[:11])
    assert not np.array_equal(a.variance, b.variance)


def test_the_order_of_samples_is_a_function_of_seed_and_epoch() -> None:
    a, b = EpochSampler(50, 3), EpochSampler(50, 3)
    for epoch in (4, 0, 4):
        a.set_epoch(epoch)
        b.set_epoch(epoch)
        torch.manual_seed(random.randrange(1000))
        assert list(a) == list(b) and sorted(a) == list(range(50))
    b.set_epoch(5)
    assert list(a) != list(b)
    with pytest.raises(DataError, match="nothing to sample"):
        EpochSampler(0, 1)


def test_splits_are_chronological_and_only_their_own_rows_carry_weight(series: Sequences) -> None:
    data = SequenceDataModule(MODEL, series, Split(0.2, 0.1), Windows(100, 30, 4), seed=1)
    scored = np.zeros(len(series))
    for batch in data.train_dataloader():
        assert batch.weight.shape[1] <= 130
    for part, low, high in (("training", 0, 1050), ("validation", 1050, 1350), ("test", 1350, 1500)):
        for p in data._parts[part]:
            assert low <= p.scored < p.stop <= high and p.start <= p.scored
            scored[p.scored : p.stop] += 1
    assert (scored == 1).all()
    for bad in ((0.6, 0.5), (-0.1, 0.0)):
        with pytest.raises(DataError, match="no training rows"):
            Split(*bad)


def test_padding_changes_no_loss(series: Sequences) -> None:
    data = SequenceDataModule(MODEL, series.rows(0, 230), Split(0.0), Windows(100, 20, 1), seed=1)
    windows = [data._dataset("training")[i] for i in range(3)]
    module = Forecaster(MODEL)
    together = module(collate(windows)).log_density
    for row, window in zip(together, windows, strict=True):
        alone = module(collate([window])).log_density[0]
        assert torch.equal(row[: len(alone)], alone)


def test_mixed_precision_touches_the_drive_alone(series: Sequences) -> None:
    drive = DriveSpec(("covariate",), 8).build(series.known)
    seen = {}
    drive.layers[0].register_forward_hook(lambda _m, _i, out: seen.update(drive=out.dtype))
    module = Forecaster(MODEL, drive)
    batch = collate([SequenceDataModule(MODEL, series.rows(0, 100), Split(0.0))._dataset("training")[0]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trace = module(batch)
    assert seen["drive"] == torch.bfloat16 and trace.log_density.dtype == torch.float64
    assert torch.equal(trace.log_density, Forecaster(MODEL)(batch).log_density)  # an untrained drive is no drive


def test_a_drive_without_its_inputs_says_which() -> None:
    with pytest.raises(ParameterError, match="covariate"):
        DriveSpec(("covariate",)).build({"other": np.zeros(3)})
    with pytest.raises(DataError, match="covariate"):
        feed(NetworkDrive("gate_drive", ("covariate",)), Sequences({"log_return": np.zeros(3)}))


class Dropping(NetworkDrive.__mro__[1]):  # Drive
    """A drive that draws random numbers in training, so that a resumed run must have the generator's state."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, known):
        made = torch.nn.functional.dropout(self.layer(known["covariate"].float()[..., None]), 0.5, self.training)
        return {"gate_drive": made.squeeze(-1).double()}


def test_resuming_is_bit_equal_also_where_the_network_draws_random_numbers(series: Sequences, tmp_path: Path) -> None:
    def run(epochs: int, folder: Path, resume: Path | None = None):
        torch.manual_seed(11 if resume is None else 999)
        data = SequenceDataModule(MODEL, series.rows(0, 400), Split(0.0), Windows(80, 20, 2), seed=1)
        module = Forecaster(MODEL, Dropping(), 0.01, 0.01)
        if resume is not None:
            torch.manual_seed(123456)
        keep = pl.callbacks.ModelCheckpoint(folder, "last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "devices": 1}
        quiet |= {"limit_val_batches": 0, "num_sanity_val_steps": 0}
        trainer = pl.Trainer(max_epochs=epochs, callbacks=[RandomState(), keep], plugins=[AtomicCheckpoint()], **quiet)
        trainer.fit(module, data, ckpt_path=None if resume is None else str(resume), weights_only=None if resume is None else True)
        return module.state_dict(), trainer.optimizers[0].state_dict()

    whole, state = run(6, tmp_path / "a")
    run(3, tmp_path / "b")
    again, resumed = run(6, tmp_path / "b", tmp_path / "b" / "last.ckpt")
    assert max(float((whole[n] - again[n]).abs().max()) for n in whole) == 0.0
    for key, moments in state["state"].items():
        assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(resumed["state"][key][n])) for n, v in moments.items())


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
