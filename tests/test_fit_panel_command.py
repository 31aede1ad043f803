"""seqsci fit-panel: every series of a file, a row a series, on disk and in Python the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seqsci import cli, fit_panel
from seqsci.domains.finance import models
from seqsci.panel import pool
from seqsci.panel.artefact import load_panel
from seqsci.panel.fitting import PANEL
from seqsci.panel.job import Job

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)


@pytest.fixture
def file(tmp_path):
    values = TRUTH.simulate(6 * 300, 1).outcome["log_return"].reshape(6, 300)
    frame = pd.DataFrame(values.T, columns=[f"s{i}" for i in range(6)]).assign(flat=0.5, broken=values[0])
    frame.loc[7, "broken"] = np.inf
    frame.insert(0, "ds", pd.date_range("2010-01-01", periods=300))
    frame.to_csv(tmp_path / "returns.csv", index=False)
    return tmp_path / "returns.csv"


def run(file, *more: str) -> None:
    cli.main(["fit-panel", "--config", "finance/returns", "--data", str(file), "--data.kind", "returns", "--data.unit", "percent", *more])


def test_the_command_writes_what_fit_panel_returns(file, capsys) -> None:
    run(file, "--model", "garch_normal", "--out", str(file.parent / "runs"))
    folder = file.parent / "runs" / "finance-returns-panel-001"
    expected = fit_panel(GARCH, pd.read_csv(file), unit="percent", estimator=replace(PANEL, starts=4)).table
    written = pd.read_csv(folder / "parameters.csv", keep_default_na=True)
    np.testing.assert_allclose(written["memory"], expected["memory"], rtol=1e-12)
    loaded = load_panel(folder / "panel.parquet")
    pd.testing.assert_frame_equal(loaded.table.drop(columns="seconds"), expected.drop(columns="seconds"))
    printed = capsys.readouterr().out
    assert "8 series (6 ok, 2 failed)" in printed and "not fitted: 'flat': constant: 0.5 in all 300 rows" in printed
    assert sorted(p.name for p in folder.iterdir()) == ["command.json", "config.yaml", "panel.parquet", "parameters.csv"]


def test_pooling_writes_the_population(file, capsys) -> None:
    run(file, "--model", "garch_normal", "--pooling", "partial", "--out", str(file.parent / "runs"))
    folder = file.parent / "runs" / "finance-returns-panel-001"
    population = pd.read_csv(folder / "population.csv").set_index("parameter")
    assert set(population.index) == set(GARCH.free_names) and (population["low"] < population["high"]).all()
    assert "population of 7 units" in capsys.readouterr().out


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(file, capsys, monkeypatch) -> None:
    monkeypatch.setattr(pool, "CHUNK", 2)
    calls: list[list[int]] = []
    work = Job.run

    def slow(self, positions):
        calls.append(positions)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return work(self, positions)

    monkeypatch.setattr(Job, "run", slow)
    with pytest.raises(SystemExit) as stopped:
        run(file, "--model", "garch_normal", "--threads", "1", "--out", str(file.parent / "runs"))
    assert stopped.value.code == 130
    folder = file.parent / "runs" / "finance-returns-panel-001"
    assert "--resume" in capsys.readouterr().out and (folder / "finished.parquet").exists()
    done: list[int] = []
    monkeypatch.setattr(Job, "run", lambda self, positions: done.extend(positions) or work(self, positions))
    cli.main(["fit-panel", "--config", str(folder / "config.yaml"), "--resume", str(folder)])
    assert sorted(done) == [2, 3, 4, 5, 6, 7] and (folder / "panel.parquet").exists() and not (folder / "finished.parquet").exists()


def test_faults_are_told_before_anything_is_fitted(file) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "seqsci.cli", "fit-panel", "--config", "finance/returns", "--data", str(file), "--data.kind", "returns",
         "--data.unit", "percent", "--model", "garch_norml"],
        capture_output=True, text=True, check=False, cwd=file.parent,
    )  # fmt: skip
    assert found.returncode == 1 and "did you mean 'garch_normal'" in found.stderr and not (file.parent / "runs").exists()


def test_the_device_goes_to_fit_panel(file, monkeypatch) -> None:
    asked = {}

    def fit(*_, **options):
        asked.update(options)
        raise SystemExit(0)

    monkeypatch.setattr("seqsci.panel.fitting.fit_panel", fit)
    with pytest.raises(SystemExit):
        run(file, "--model", "garch_normal", "--device", "interpreter", "--out", str(file.parent / "runs"))
    assert asked["device"] == "interpreter"


@pytest.mark.parametrize(
    ("more", "words"),
    [(["cpu"], "do not run on this device"), (["cuda:99"], "card"), (["cuda", "--pooling", "partial"], "--device cuda --pooling partial")],
)
def test_a_device_that_cannot_fit_is_told_before_a_folder_is_made(file, capsys, more: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(file, "--model", "garch_normal", "--out", str(file.parent / "runs"), "--device", *more)
    assert stopped.value.code == 1 and words in capsys.readouterr().err
    assert not (file.parent / "runs").exists()


def test_a_wrong_choice_names_the_option_and_its_choices(file, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(file, "--pooling", "partal")
    told = capsys.readouterr().err
    assert stopped.value.code == 2 and "--pooling takes no 'partal' (did you mean 'partial'?); it takes none, partial, shared" in told


def test_an_unknown_option_points_to_the_help_of_its_command(file) -> None:
    words = ["fit-panel", "--config", "finance/returns", "--data", str(file), "--devise", "cuda"]
    found = subprocess.run([sys.executable, "-m", "seqsci.cli", *words], capture_output=True, text=True, check=False, cwd=file.parent)
    assert found.returncode == 2 and "did you mean '--device'" in found.stderr and "fix: seqsci fit-panel --help" in found.stderr
