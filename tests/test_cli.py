"""The command line: what a user sees, what it costs to start, how it fails, and what a run leaves behind."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from seqsci import cli, load_fit
from seqsci.domains.ecology import models as ecology
from seqsci.domains.finance import models as finance
from seqsci.domains.genomics import models as genomics
from seqsci.domains.memory import models as memory
from seqsci.registry import names, read_config


def run(*arguments):
    done = subprocess.run([sys.executable, "-m", "seqsci.cli", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def failing(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return stop.value.code, text


@pytest.fixture
def prices(tmp_path):
    returns = finance.default().start_at(intercept=0.02).simulate(900, seed=1).outcome["log_return"]
    path = tmp_path / "prices.csv"
    days = np.arange(np.datetime64("2001-01-01"), np.datetime64("2001-01-01") + 900)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["date", "close"])
        writer.writerows(zip(days, 100 * np.exp(np.cumsum(returns / 100)), strict=True))
    return path


def test_version_and_list_load_neither_torch_nor_pandas():
    for word in ("--version", "list"):
        code = f"import sys; from seqsci import cli\ntry: cli.main([{word!r}])\nexcept SystemExit: pass\n"
        code += "print([m for m in ('torch', 'pandas', 'numba', 'sympy') if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


def test_show_prints_equation_parameters_and_sources_without_torch():
    code = "import sys; from seqsci import cli; cli.main(['show', 'finance/sp500']); print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "c_t = f_t" in done.stdout and "degrees_of_freedom" in done.stdout and "doi.org" in done.stdout
    assert done.stdout.splitlines()[-1] == "False False"


def test_every_shipped_configuration_parses_and_names_a_known_model():
    for name in names():
        assert read_config(name)["model"] in finance.MODELS | memory.MODELS | ecology.MODELS | genomics.MODELS
        cli.main(["show", name])  # refuses a model that its domain does not have


@pytest.mark.parametrize(
    ("arguments", "hint", "code"),
    [
        (("fitt",), "did you mean 'fit'", 2),
        (("fit", "--confg", "x"), "did you mean '--config'", 2),
        (("fit", "--config", "finance/sp50"), "did you mean 'finance/sp500'", 1),
        (("fit", "--config", "finance/sp500", "--data.pth", "x"), "did you mean '--data.path'", 2),
        (("fit", "--config", "none.yaml"), "no such configuration file", 1),
        (("show", "finanze/sp500"), "did you mean 'finance/sp500'", 1),
    ],
)
def test_errors_are_short_and_hint_at_what_was_meant(capsys, arguments, hint, code):
    sys.argv = ["seqsci", *arguments]
    found, text = failing(capsys, *arguments)
    assert hint in text and found == code and len(text.splitlines()) <= 5


def test_a_yaml_fault_names_its_file(tmp_path, capsys):
    path = tmp_path / "broken.yaml"
    path.write_text("domain: [finance\n")
    code, text = failing(capsys, "fit", "--config", str(path))
    assert code == 1 and "broken.yaml" in text


def test_an_unknown_key_or_name_in_a_configuration_is_named_with_the_closest(tmp_path, capsys):
    config = {"domain": "finance", "data": {"series": "sp500"}, "modell": "default"}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(config))
    assert "did you mean 'model'" in failing(capsys, "fit", "--config", str(path))[1]
    path.write_text(yaml.safe_dump({"domain": "finance", "data": {"series": "sp500"}, "model": "defalt"}))
    assert "did you mean 'default'" in failing(capsys, "fit", "--config", str(path))[1]


def test_a_run_leaves_tables_and_an_artefact_and_never_overwrites(prices, tmp_path, capsys):
    out = str(tmp_path / "runs")
    arguments = ["fit", "--config", "finance/returns", "--data.path", str(prices), "--data.kind", "prices", "--out", out, "--no-compare"]
    cli.main(arguments)
    cli.main(arguments)
    text = capsys.readouterr().out
    first, second = tmp_path / "runs" / "finance-returns-001", tmp_path / "runs" / "finance-returns-002"
    assert str(second) in text
    for folder in (first, second):
        assert {p.name for p in folder.iterdir()} >= {"config.yaml", "model.json", "parameters.csv", "states.csv", "summary.txt"}
    fit = load_fit(first / "model.json")
    assert fit.rows == 899 and fit.unit == "decimal"
    with (first / "parameters.csv").open() as stream:
        rows = {r["name"]: r for r in csv.DictReader(stream)}
    assert float(rows["memory"]["value"]) == fit.value["memory"]
    with (first / "states.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 899
    assert yaml.safe_load((first / "config.yaml").read_text())["data"]["path"] == str(prices)
    assert json.loads((first / "command.json").read_text())["python"]


def test_bad_data_stop_with_one_explained_error(prices, tmp_path, capsys):
    code, text = failing(
        capsys, "fit", "--config", "finance/returns", "--data.path", str(prices), "--data.kind", "returns", "--out", str(tmp_path)
    )
    assert code == 1 and "unit" in text and "fix:" in text
    code, text = failing(capsys, "fit", "--config", "finance/returns", "--out", str(tmp_path))
    assert code == 1 and "--data.path" in text


def test_the_module_runs_as_a_command():
    code, out, _ = run("--version")
    assert code == 0 and out.startswith("seqsci ")
