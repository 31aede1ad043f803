"""The commands on a run of memory: same-day reviews are not scored, probabilities have their own scores, and many cards are no series."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import seqsci
from seqsci import load_fit, rundir
from seqsci.cli.scoring import yes_or_no
from seqsci.domains.memory.models import exponential, power
from seqsci.domains.memory.planning.states import annotate
from seqsci.domains.memory.reading.files import read_reviews
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.evaluate.binary_scores import auc, log_loss
from seqsci.evaluate.calibration import expected_calibration_error, reliability
from seqsci.forecast import one_step
from seqsci.gates.elapsed import ElapsedGate
from seqsci.gates.power import PowerGate
from tests.test_commands import refused, spoken

NOON, DAY = 1_704_110_400_000, 86_400_000
CARDS, REVIEWS = 60, 8


def log_file(path: Path) -> Path:
    """Reviews of cards, a third of them on the day of the review before."""
    draw = np.random.default_rng(5)
    gaps = np.where(draw.random((CARDS, REVIEWS)) < 1 / 3, 600_000, draw.integers(1, 40, (CARDS, REVIEWS)) * DAY)
    gaps[:, 0] = draw.integers(0, 20, CARDS) * DAY
    grade = np.where(draw.random((CARDS, REVIEWS)) < 0.5 ** (gaps / DAY / 40), 3, 1)
    times = NOON + np.cumsum(gaps, axis=1) + 1000 * np.arange(CARDS)[:, None]
    columns = {"card_id": np.repeat(np.arange(CARDS), REVIEWS), "review_time": times.ravel(), "review_rating": grade.ravel()}
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run of a small fit, with its held-out comparison."""
    folder = tmp_path_factory.mktemp("memory")
    data = {"path": str(log_file(folder / "log.csv")), "timezone": "UTC"}
    table = {"domain": "memory", "data": data, "model": "power", "prior": "none", "comparison": {"baselines": ["constant"]}}
    (folder / "small.yaml").write_text(yaml.safe_dump(table))
    study = seqsci.load(str(folder / "small.yaml"))
    run = rundir.fresh(folder / "runs", study.name)
    rundir.write_config(run, study.config)
    rundir.write_fit(run, MaximumLikelihood(starts=1, profile_bounds=False).fit(study.model, study.sequences()))
    return run


@pytest.fixture
def run(made, tmp_path):
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "small-001"))


def test_validate_scores_the_rows_that_count_as_probabilities(run, capsys):
    fit = load_fit(run / "model.json")
    scored = np.asarray(fit.sequences.weight) > 0
    y, p = fit.sequences.outcome["recalled"][scored], fit.path.reads[scored, 0]
    assert 0 < scored.sum() < len(scored)
    text = spoken(capsys, "validate", run)[0]
    assert f"on {scored.sum()} fitted rows of {CARDS} units" in text and f"{(~scored).sum()} rows of weight 0" in text
    error = expected_calibration_error(reliability(y, p))
    for name, value in (("log loss", f"{log_loss(y, p).mean():.6f}"), ("AUC", f"{auc(y, p):.4f}"), ("calibration error", f"{error:.4f}")):
        assert value in next(line for line in text.splitlines() if name in line)
    assert log_loss(y, p).mean() == pytest.approx(-fit.log_likelihood / scored.sum(), rel=1e-9)
    assert "95%" not in text and "root mean square" not in text and "seqsci test" not in text


def test_outcomes_that_are_all_the_same_have_no_area_and_say_so(made):
    fit = load_fit(made / "model.json")
    forecasts = one_step(fit.model, fit.path.reads, fit.model.kernel().program.read_names)
    assert dict(yes_or_no(np.ones(len(fit.sequences)), forecasts))["area under the ROC curve (AUC)"].startswith("- (all")


def test_runs_of_memory_are_put_in_one_table_with_their_own_scores(run, capsys):
    twin = Path(shutil.copytree(run, run.parent / "twin"))
    text = spoken(capsys, "compare", run, twin)[0]
    assert "QLIKE" not in text and "log loss" not in text and "no held-out scores (-)" in text
    spoken(capsys, "compare", run)
    with (run / "scores.csv").open(newline="") as stream:
        ours = next(csv.DictReader(stream))
    text = spoken(capsys, "compare", run, twin)[0]
    head, line = (next(row for row in text.splitlines() if row.startswith(start)) for start in ("run ", "small-001"))
    assert all(name in head for name in ("log loss", "AUC", "RMSE(bins)")) and "QLIKE" not in head and "NLL" not in head
    assert line.split()[-3:] == [f"{float(ours[n]):.4f}" for n in ("log_loss", "auc", "rmse_bins")]
    assert next(row for row in text.splitlines() if row.startswith("twin")).split()[-3:] == ["-"] * 3
    assert "no held-out scores (-)" in text and "Held-out comparison of recall" in text


@pytest.mark.parametrize("command", [("predict", "--horizon", 3), ("test",)])
def test_a_run_of_many_cards_is_no_series_to_forecast_or_to_test(run, capsys, command):
    name, *options = command
    path = load_config(run)["data"]["path"]
    text = refused(capsys, name, run, *options, "--data.path", path)
    for word in (
        f"{CARDS} units",
        "a run of one unit",
        "seqsci compare",
        "seqsci export",
        "next_interval",
        "seqsci.domains.memory.planning",
    ):
        assert word in text


def load_config(run: Path) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())


def test_show_says_what_is_compared_where_the_configuration_does_not(run, capsys):
    line = next(row for row in spoken(capsys, "show", "memory/anki")[0].splitlines() if row.startswith("baselines:"))
    assert len(line.removeprefix("baselines:").strip()) > 3
    assert "baselines: constant" in spoken(capsys, "show", run)[0]


def test_cite_and_show_take_a_run_as_other_commands_do(run, capsys):
    sources = spoken(capsys, "cite", run)[0]
    assert "10.1371/journal.pone.0120644" in sources
    assert sources == spoken(capsys, "cite", run / "model.json")[0] == spoken(capsys, "cite", run / "config.yaml")[0]
    assert "half_life" in spoken(capsys, "show", run / "model.json")[0]
    assert "name one run of that folder: small-001" in refused(capsys, "cite", run.parent)
    assert "no configuration" in refused(capsys, "cite", "memory/ankii")


def test_a_trace_has_its_half_life_in_days_and_a_gate_alone_in_the_unit_of_its_signal(run):
    for model in (exponential(), power(), load_fit(run / "model.json").model):
        assert next(p.unit for p in model.parameters if p.name == "half_life") == "days"
    assert [g.parameters[0].unit for g in (ElapsedGate(), PowerGate(), ElapsedGate("hours"))] == ["unit of elapsed"] * 2 + ["hours"]


def test_the_report_of_many_cards_speaks_of_rows_and_not_of_time(run):
    for package in ("matplotlib", "jinja2", "latex2mathml"):
        pytest.importorskip(package)
    from seqsci.report import write_report

    text = write_report(run).read_text()
    assert "along the rows, units end to end" in text and f"in {CARDS} units" in text
    for phrase in ("over time", "<dt>dates</dt>", "lasting gap", "how long it takes to come back", "after which the past counts less"):
        assert phrase not in text
    assert "<dt>rows</dt>" in text


def test_states_of_every_review_come_from_the_fit_and_the_log_in_one_call(run):
    fit = load_fit(run / "model.json")
    table = annotate(fit, read_reviews(load_config(run)["data"]["path"], timezone="UTC").frame)
    assert {"user", "card_id", "review_time", "retention"} <= set(table.columns)
    with (run / "states.csv").open(newline="") as stream:
        written = [float(row["probability"]) for row in csv.DictReader(stream)]
    np.testing.assert_allclose(table.loc[table["review"] > 0, "retention"], written, rtol=1e-9)
