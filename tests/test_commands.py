"""The commands beside fit, list and show: what they print and write, what they refuse, and what they leave alone."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import seqsci
from seqsci import cli, load_fit, rundir
from seqsci.cli import cache, cite, completion, doctor, environment, predict, scoring
from seqsci.domains.finance import models
from seqsci.equations import numba_cache
from seqsci.estimation.artefact import save

ROOT = Path(seqsci.__file__).parent.parent
ROWS, FITTED = 700, 600


def spoken(capsys, *arguments):
    """Output and messages of a command that succeeds."""
    capsys.readouterr()
    cli.main(list(map(str, arguments)))
    done = capsys.readouterr()
    return done.out, done.err


def refused(capsys, *arguments):
    """The message of a command that fails with one explained error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        cli.main(list(map(str, arguments)))
    text = capsys.readouterr().err
    assert stop.value.code == 1 and "Traceback" not in text and "fix:" in text, text
    return text


def returns_file(path, values, first="2001-01-01", header=("date", "r")):
    days = np.datetime64(first) + np.arange(len(values))
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(zip(days, values, strict=True))
    return path


@pytest.fixture(scope="module")
def returns():
    """Percent returns of GARCH(1,1) with normal density."""
    return models.garch_normal().start_at(intercept=0.05, persistence=0.95).simulate(ROWS, seed=3).outcome["log_return"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, returns):
    """The run of a small fit, without a comparison."""
    folder = tmp_path_factory.mktemp("made")
    data = {"path": str(returns_file(folder / "returns.csv", returns[:FITTED])), "kind": "returns", "unit": "percent", "column": "r"}
    comparison = {"baselines": ["EWMA"], "refit": 100, "label": "development"}
    config = folder / "small.yaml"
    config.write_text(yaml.safe_dump({"domain": "finance", "data": data, "model": "garch_normal", "comparison": comparison}))
    study = seqsci.load(str(config))
    run = rundir.fresh(folder / "runs", study.name)
    rundir.write_config(run, study.config)
    rundir.write_fit(run, study.estimator.fit(study.model, study.sequences()))
    return run


@pytest.fixture
def run(made, tmp_path):
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "small-001"))


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# --- doctor ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_doctor_finds_this_installation_sound(capsys, monkeypatch):
    monkeypatch.delenv("SEQSCI_DATA", raising=False)
    text = spoken(capsys, "doctor")[0]
    assert "kernels  compiled and run" in text and "no faults" in text and f"seqsci {seqsci.__version__}" in text


def test_a_kernel_of_the_doctor_agrees_with_the_torch_loop(tmp_path):
    lines, faults = doctor.kernels(doctor.start(["kernel"], {"SEQSCI_CACHE": str(tmp_path)}))
    assert not faults and "torch loop" in lines[0]
    assert len(list(tmp_path.glob("kernel_*.py"))) == 1


def test_the_doctor_says_what_a_card_can_do(monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda name: "3.7.1")
    new, old, *fix = doctor.cards([("H200", (9, 0)), ("P100", (6, 0))])
    assert new == "device   H200, compute capability 9.0: kernels run on it (docs/gpu.md)"
    assert old == "device   P100, compute capability 6.0: slow" and "7.0 or later" in " ".join(fix)
    monkeypatch.setattr(doctor, "installed", lambda name: "")
    assert "pip install 'seqsci[gpu]'" in " ".join(doctor.cards([("H200", (9, 0))]))
    assert doctor.cards([]) == ["device   no CUDA device: everything runs on the CPU"]


def test_a_package_that_cannot_be_imported_or_ends_the_interpreter_is_a_fault(tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("print('noise')\nimport not_there_at_all\n")
    (tmp_path / "deadly_one.py").write_text("import os\nos._exit(7)\n")
    (tmp_path / "good_one.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(doctor, "modules_of", lambda name: [name])
    wanted = [environment.Requirement(n, ">=1", "") for n in ("broken_one", "deadly_one", "good_one")]
    faults, devices = doctor.imports({"core": wanted})
    assert len(faults) == 2 and not devices
    assert "not_there_at_all" in faults[0].what and "deadly_one" in faults[1].what and "(7)" in faults[1].what
    assert faults[0].fix == "pip install --force-reinstall 'broken_one>=1'"


def test_missing_extras_are_no_fault_and_come_with_their_command_while_an_old_version_is_one(monkeypatch):
    versions = {"numpy": "2.4.6", "numba": "0.55.1"}
    monkeypatch.setattr(doctor, "installed", lambda name: versions.get(name, ""))
    wanted = {"core": [environment.Requirement("numpy", ">=2.0", "")]}
    wanted["fit"] = [environment.Requirement(n, ">=0.61", "fit") for n in ("numba", "scipy")]
    lines, faults = doctor.packages(wanted)
    assert lines[1] == "fit      numba 0.55.1; MISSING scipy: pip install 'seqsci[fit]'"
    assert [f.what for f in faults] == ["numba 0.55.1 is installed, seqsci[fit] needs >=0.61"]
    versions.clear()
    assert "needs numpy" in doctor.packages(wanted)[1][0].what
    assert "not installed" in doctor.packages({})[0][0]


def test_the_extras_are_those_of_the_installed_metadata():
    found = environment.groups_of(environment.declared())
    assert {r.name for r in found["core"]} == {"torch", "numpy", "sympy"}
    assert {"fit", "train", "report", "finance"} <= set(found) and not {"all", "test", "lint", "docs"} & set(found)
    assert environment.modules_of("pyyaml") == ["yaml"] and environment.modules_of("no-such-distribution") == []


@pytest.mark.parametrize(
    ("version", "specifier", "holds"),
    [
        ("2.13.0+cpu", ">=2.6", True),
        ("2.7.0", "<2.7,>=2.6.6", False),
        ("2.6.6", "<2.7,>=2.6.6", True),
        ("3.0rc1", ">=2.9", True),
        ("1", "", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version, specifier, holds):
    assert environment.Requirement("x", specifier, "").satisfied_by(version) is holds


def test_another_seqsci_before_ours_and_a_foreign_domains_are_told_apart(tmp_path):
    for name in ("seqsci", "domains"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    assert any("hides ours" in f.what for f in environment.shadows([str(tmp_path), str(ROOT)]))
    assert not any("hides ours" in f.what for f in environment.shadows([str(ROOT), str(tmp_path)]))
    assert environment.foreign_domains([str(ROOT), str(tmp_path)]) == [str(tmp_path / "domains" / "__init__.py")]


def test_a_wheel_or_clone_without_the_domains_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "HERE", tmp_path)
    assert any("seqsci.domains is missing" in f.what for f in environment.shadows([]))
    (tmp_path / "domains").write_text("../domains")
    assert any("symbolic link" in f.what for f in environment.shadows([]))


def test_the_second_lightning_is_a_fault(monkeypatch):
    monkeypatch.setattr(environment, "installed", lambda name: "2.6.1" if name == "lightning" else "")
    assert any(f.fix == "pip uninstall lightning" for f in environment.shadows([]))


def test_a_data_folder_that_is_not_there_is_a_fault(monkeypatch, tmp_path):
    monkeypatch.setenv("SEQSCI_DATA", str(tmp_path / "gone"))
    assert doctor.data()[1]
    monkeypatch.setenv("SEQSCI_DATA", str(tmp_path))
    assert not doctor.data()[1]


def test_faults_end_in_exit_code_1(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "start", lambda *_: None)
    monkeypatch.setattr(doctor, "imports", lambda _: ([environment.Fault("x is broken", "mend x")], []))
    with pytest.raises(SystemExit) as stop:
        cli.main(["doctor"])
    assert stop.value.code == 1 and "FAULT: x is broken\n  fix: mend x" in capsys.readouterr().out


# --- cite -----------------------------------------------------------------------------------------------------------------------


def test_the_entry_of_seqsci_says_what_the_citation_file_says():
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (facts["title"], tuple(a["name"] for a in facts["authors"]), facts["license"]) == (cite.TITLE, cite.AUTHORS, cite.LICENSE)
    assert facts["version"] == seqsci.__version__ and seqsci.__version__ in cite.software()
    assert ("doi" in facts) == ("doi" in cite.software()), "the citation file has a DOI: put it into cite.py"


def test_sources_of_a_model_come_with_doi_url_and_what_the_docstrings_say(capsys):
    text = spoken(capsys, "cite", "finance/sp500_skewed")[0]
    assert text.count("{") == text.count("}") and "@software{seqsci," in text
    assert "@misc{hentschel1995," in text and "{All in the family: nesting symmetric and asymmetric GARCH models}" in text
    for doi in (*models.default().mechanism.references, "10.2307/2527081"):
        assert f"doi    = {{{doi}}}" in text or f"doi  = {{{doi}}}" in text
        assert f"https://doi.org/{doi}" in text
    keys = re.findall(r"^@\w+\{(.+),$", text, flags=re.M)
    assert len(keys) == len(set(keys)) == 4


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "Source: Kim and Lee (2001), A title, with comma, DOI 10.1000/x(1)2.",
            {"10.1000/x(1)2": ("Kim and Lee", "2001", "A title, with comma")},
        ),
        (
            "Students (Bollerslev 1987, DOI 10.2307/19). Then (Box, Cox & Ox 1999, DOI 10.1/no)",
            {"10.2307/19": ("Bollerslev", "1987", None)},
        ),
        (
            "A pair (Glosten, Jagannathan and Runkle 1993, DOI 10.1111/j.x)",
            {"10.1111/j.x": ("Glosten and Jagannathan and Runkle", "1993", None)},
        ),
        ("Sheppard et al. (2024), arch, DOI 10.5281/z.", {"10.5281/z": ("Sheppard and others", "2024", "arch")}),
        ("only DOI 10.5281/z`", {"10.5281/z": (None, None, None)}),
    ],
)
def test_a_docstring_source_is_read(text, facts):
    found = {d: tuple(f.get(k) for k in ("author", "year", "title")) for d, f in cite.mentioned(text).items()}
    assert found == facts


# --- cache ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQSCI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numba_cache, "_LOADED", {})
    return tmp_path / "cache"


def test_cache_counts_and_clears_only_its_own_files(empty_cache, capsys):
    (empty_cache / "__pycache__").mkdir(parents=True)
    name = "kernel_" + "0a" * 10
    ours = [f"{name}.py", f"{name}.compiled", f"__pycache__/{name}.score-20.py311.1.nbc", f"__pycache__/{name}.cpython-311.pyc"]
    others = ["notes.txt", "kernel_mine.py", f"{name}.py.bak", "kernel_" + "1b" * 10 + ".py", "__pycache__/other.pyc"]
    for file in (*ours, *others):
        (empty_cache / file).write_text("x = 1\n")
    (empty_cache / ours[0]).write_text('"""Generated by seqsci from a test; do not edit."""\n')
    assert "1 kernel modules" in spoken(capsys, "cache")[0]
    assert "removed 4 generated files" in spoken(capsys, "cache", "--clear")[0]
    assert sorted(str(p.relative_to(empty_cache)) for p in empty_cache.rglob("*") if p.is_file()) == sorted(others)


@pytest.mark.slow
def test_after_cache_a_fit_with_comparison_and_a_forecast_compile_nothing(made, empty_cache, tmp_path):
    def fresh(*arguments):
        done = subprocess.run([sys.executable, "-m", "seqsci.cli", *arguments], capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout, done.stderr

    config = str(made / "config.yaml")
    out, messages = fresh("cache", config)
    assert messages.count("compiling") == 3 and "3 modules compiled" in out and "3 kernel modules" in out
    assert "compiling" not in fresh("fit", "--config", config, "--out", "runs")[1]
    assert "compiling" not in fresh("predict", "runs/small-001", "--horizon", "2")[1]


def test_a_configuration_without_data_names_its_model_alone(capsys):
    found = list(cache.models_of("finance/returns"))
    assert [m.name for m, *_ in found] == ["seqsci volatility cell"] and "special cases" in capsys.readouterr().err


def test_special_cases_and_gaps_have_kernels_of_their_own(made, tmp_path, returns):
    config = yaml.safe_load((made / "config.yaml").read_text()) | {"model": "default"}
    holes = np.where(np.arange(FITTED) == 50, np.nan, returns[:FITTED])
    config["data"]["path"] = str(returns_file(tmp_path / "holes.csv", holes))
    (tmp_path / "holes.yaml").write_text(yaml.safe_dump(config))
    found = [(tuple(n for n, _ in m.folded), g) for m, g, _ in cache.models_of(str(tmp_path / "holes.yaml"))]
    assert found == [(fixed, gaps) for fixed in ((), ("shift",), ("rotation",)) for gaps in (False, True)]


# --- completion -----------------------------------------------------------------------------------------------------------------


def completed(script, *words):
    """What bash offers for the last of the words."""
    line = f'source {script}; COMP_WORDS=(seqsci "$@"); COMP_CWORD=$#; _seqsci; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", line, "bash", *words], capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "seqsci.bash"
    path.write_text(completion.bash(completion.commands(), ["finance/sp500", "finance/wti", "memory/reviews"]))
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("sh",), ["show"]),
        (("show", "fin"), ["finance/sp500", "finance/wti"]),
        (("fit", "--config", "mem"), ["memory/reviews"]),
        (("fit", "--config", "=", "mem"), ["memory/reviews"]),
        (("fit", "--data.p"), ["--data.path", "--data.paths"]),
        (("fit", "--data.path", ""), []),
        (("predict", "--hor"), ["--horizon"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("compare", "runs/x"), []),
        (("cache", "finance/wti", "finance/s"), ["finance/sp500"]),
    ],
)
def test_bash_completes_commands_options_and_names(script, words, offered):
    assert completed(script, *words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_shown_option_is_in_the_script_and_the_shell_accepts_it(shell, capsys):
    text = spoken(capsys, "completion", shell)[0]
    assert all(f"{name}" in text for name in (*cli.COMMANDS, "finance/sp500", "data.path", "horizon"))
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", "/dev/stdin"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_an_unknown_shell_is_refused(capsys):
    assert "did you mean 'zsh'" in refused(capsys, "completion", "tzsh")


@pytest.mark.parametrize("words", [("completion", "bash"), ("cite",), ("--version",), ("list",)])
def test_light_commands_load_neither_torch_nor_pandas(words):
    code = f"import sys; from seqsci import cli\ntry: cli.main({list(words)!r})\nexcept SystemExit: pass\n"
    code += "print([m for m in ('torch', 'pandas', 'numba', 'sympy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# --- predict --------------------------------------------------------------------------------------------------------------------


def test_a_forecast_is_that_of_the_artefact(run, capsys):
    out, _ = spoken(capsys, "predict", run, "--horizon", 4, "--draws", 500, "--seed", 5)
    rows, expected = rows_of(out), load_fit(run / "model.json").predict(4, 500, 5)
    assert list(rows[0]) == ["step", "ds", "mean", "standard_deviation", "low", "high"]
    assert [r["ds"] for r in rows] == ["2002-08-24", "2002-08-25", "2002-08-26", "2002-08-27"]
    assert [float(r["standard_deviation"]) ** 2 for r in rows] == pytest.approx(expected.variance)
    assert [float(r["low"]) for r in rows] == pytest.approx(expected.quantile(0.025), rel=1e-9)
    assert out == spoken(capsys, "predict", run / "model.json", "--horizon", 4, "--draws", 500, "--seed", 5)[0]


def test_a_wider_level_gives_wider_bands_and_out_writes_a_file(run, tmp_path, capsys):
    text = spoken(capsys, "predict", run, "--horizon", 2, "--level", ".5")[0]
    said = spoken(capsys, "predict", run, "--horizon", 2, "--out", tmp_path / "f.csv")[0]
    narrow, wide = rows_of(text), rows_of((tmp_path / "f.csv").read_text())
    assert str(tmp_path / "f.csv") in said and all(float(w["low"]) < float(n["low"]) for n, w in zip(narrow, wide, strict=True))
    assert "choose another" in refused(capsys, "predict", run, "--horizon", 2, "--out", tmp_path / "no" / "f.csv")


def test_rows_after_the_last_fitted_one_are_taken_in(run, tmp_path, returns, capsys):
    whole = returns_file(tmp_path / "whole.csv", returns)
    out, said = spoken(capsys, "predict", run, "--horizon", 1, "--data.path", whole)
    assert f"{ROWS - FITTED} rows taken in" in said and rows_of(out)[0]["ds"] == "2002-12-02"
    fit = load_fit(run / "model.json")
    moved = fit.update(seqsci.Sequences({"log_return": returns[FITTED:]}))
    assert float(rows_of(out)[0]["standard_deviation"]) == pytest.approx(float(moved.predict(1).variance[0] ** 0.5), rel=1e-12)
    tail = returns_file(tmp_path / "tail.csv", returns[FITTED:], first="2002-08-24")
    again, said = spoken(capsys, "predict", run, "--horizon", 1, "--data.path", tail)
    assert again == out and "no step lies between" in said
    old = returns_file(tmp_path / "old.csv", returns[:FITTED])
    same, said = spoken(capsys, "predict", run, "--horizon", 1, "--data.path", old)
    assert same == spoken(capsys, "predict", run, "--horizon", 1)[0] and "no row after 2002-08-23" in said


def test_another_series_unit_or_calendar_is_refused_and_a_revised_row_is_told(run, tmp_path, returns, capsys):
    other = returns_file(tmp_path / "other.csv", returns[::-1])
    assert "not the series that was fitted" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", other)
    revised = returns.copy()
    revised[3] += 5
    said = spoken(capsys, "predict", run, "--horizon", 1, "--data.path", returns_file(tmp_path / "revised.csv", revised))[1]
    assert "1 of 600 rows" in said and "the fitted values are kept" in said
    (tmp_path / "bare.csv").write_text("r\n" + "\n".join(map(str, returns)) + "\n")
    assert "which rows are new" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", tmp_path / "bare.csv")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["unit"] = "decimal"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    small = returns_file(tmp_path / "small.csv", returns / 100)
    assert "the unit differs" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", small)
    (run / "config.yaml").unlink()
    assert "config.yaml" in refused(capsys, "predict", run, "--horizon", 1, "--data.path", small)


def test_what_cannot_be_forecast_is_refused_with_every_fault(run, tmp_path, capsys):
    text = refused(capsys, "predict", run, "--horizon", 0, "--level", 1.5, "--draws", 1)
    assert all(word in text for word in ("--horizon 0", "--level 1.5", "--draws 1"))
    assert "draws times horizon" in refused(capsys, "predict", run, "--horizon", 10_000_000)
    assert "did you mean 'small-001'" in refused(capsys, "predict", run.parent / "small-01", "--horizon", 1)
    assert "small-001" in refused(capsys, "predict", run.parent, "--horizon", 1)
    content = (run / "model.json").read_text()
    (run / "model.json").write_text(content[: len(content) // 2])
    assert "cannot be read" in refused(capsys, "predict", run, "--horizon", 1)
    (run / "model.json").write_text(content.replace("log_likelihood", "log_likelyhood"))
    assert "was changed" in refused(capsys, "predict", run, "--horizon", 1)


@pytest.fixture
def driven(tmp_path, returns):
    """A run of a model whose gate a known sequence drives."""
    drive = np.sin(np.arange(FITTED))
    sequences = seqsci.Sequences({"log_return": returns[:FITTED]}, {"gate_drive": drive}, measure={"log_return": "percent"})
    model = models.driven_gate().fix(rotation=0.0, shift=0.0)
    fit = seqsci.MaximumLikelihood(starts=1, profile_bounds=False).fit(model, sequences)
    folder = tmp_path / "driven"
    folder.mkdir()
    save(fit, folder / "model.json")
    return folder


def test_future_known_columns_are_asked_for_by_name_and_read_from_a_file(driven, tmp_path, capsys):
    text = refused(capsys, "predict", driven, "--horizon", 2)
    assert "needs future values of gate_drive" in text and "ds,gate_drive" in text and "--future" in text
    path = tmp_path / "future.csv"
    path.write_text("ds,gate_drive\nMon,0.5\nTue,-1\n")
    rows = rows_of(spoken(capsys, "predict", driven, "--horizon", 2, "--future", path)[0])
    fit = load_fit(driven / "model.json")
    expected = fit.predict(2, 20_000, 0, {"gate_drive": np.array([0.5, -1.0])})
    assert [r["ds"] for r in rows] == ["Mon", "Tue"] and [float(r["low"]) for r in rows] == pytest.approx(
        expected.quantile(0.025), rel=1e-9
    )
    path.write_text("ds,gate_driv\nMon,0.5\n")
    text = refused(capsys, "predict", driven, "--horizon", 2, "--future", path)
    assert "no column 'gate_drive'" in text and "1 rows" in text
    path.write_text("gate_drive\nx\nnan\n")
    text = refused(capsys, "predict", driven, "--horizon", 2, "--future", path)
    assert "line 2: gate_drive is 'x'" in text and "not finite" in text
    assert "cannot be read" in refused(capsys, "predict", driven, "--horizon", 2, "--future", tmp_path / "none.csv")


def test_dates_are_continued_only_where_they_are_equally_spaced(made):
    fit = load_fit(made / "model.json")
    assert predict.following(fit, 2) == ["2002-08-24", "2002-08-25"]
    gap = np.r_[fit.sequences.index[:-1], fit.sequences.index[-1:] + np.timedelta64(1, "D")]
    object.__setattr__(fit.sequences, "index", gap)
    assert predict.following(fit, 2) == []
    object.__setattr__(fit.sequences, "index", np.arange(FITTED))
    assert predict.following(fit, 2) == ["600", "601"]


# --- compare, report ------------------------------------------------------------------------------------------------------------


def test_one_run_is_compared_with_its_own_baselines_as_fit_does_it(run, capsys):
    out, _ = spoken(capsys, "compare", run)
    assert "GARCH-n (ours)" in out and "EWMA" in out and (run / "comparison.txt").read_text() in out + "\n"
    expected = seqsci.compare(load_fit(run / "model.json"), seqsci.load(str(run / "config.yaml")))
    scores, differences = (rows_of((run / name).read_text()) for name in ("scores.csv", "differences.csv"))
    assert [float(r["nll"]) for r in scores] == [r.nll for r in expected.scores]
    assert [float(r["p_value"]) for r in differences] == [d.p_value for d in expected.differences]


def test_data_that_changed_since_the_fit_are_told_and_the_rows_of_the_run_are_compared(run, capsys, tmp_path, returns):
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["path"] = str(returns_file(tmp_path / "longer.csv", returns))
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    out, said = spoken(capsys, "compare", run)
    assert "the data have changed" in said and "180 one-step-ahead forecasts" in out


def test_several_runs_are_put_in_one_table_that_says_where_data_differ(run, driven, capsys):
    twin = shutil.copytree(run, run.parent / "twin")
    spoken(capsys, "compare", run)
    out, _ = spoken(capsys, "compare", run, twin)
    fit, score = load_fit(run / "model.json"), rows_of((run / "scores.csv").read_text())[0]
    line = next(row for row in out.splitlines() if row.startswith("small-001"))
    assert all(t in line for t in (f"{fit.log_likelihood:.3f}", f"{fit.bic:.2f}", fit.data_hash, f"{float(score['qlike']):.4f}"))
    assert "the same data" in out and "no held-out scores (-)" in out and "NOT COMPARABLE" not in out
    assert "the same outcomes, other known columns" in spoken(capsys, "compare", run, driven)[0]
    shorter = fit.sequences.rows(0, FITTED - 1)
    save(seqsci.MaximumLikelihood(starts=1, profile_bounds=False).fit(fit.model, shorter), twin / "model.json")
    assert "NOT COMPARABLE" in spoken(capsys, "compare", run, twin)[0]


def test_validate_of_a_number_scores_the_rows_that_count_by_density_error_and_interval(run, capsys):
    fit = load_fit(run / "model.json")
    text = spoken(capsys, "validate", run)[0]
    assert f"on {FITTED} fitted rows, 2001-01-01 to 2002-08-23" in text and f"{fit.path.density.mean():.6f}" in text
    assert "outcomes inside the 95% interval" in text and "root mean square error" in text and "AUC" not in text and "weight 0" not in text
    weight = np.where(np.arange(FITTED) % 3 == 0, 0.0, 1.0)
    half = seqsci.Sequences(dict(fit.sequences.outcome), weight=weight, measure={"log_return": "percent"})
    found = scoring.table(seqsci.MaximumLikelihood(starts=1, profile_bounds=False).fit(fit.model, half), 0, FITTED, "fitted")
    assert "on 400 fitted rows;" in found and "200 rows of weight 0 move the state and are not scored" in found


def test_show_and_cite_take_a_run_and_show_says_that_there_are_no_baselines(run, capsys, tmp_path):
    assert "baselines: EWMA" in spoken(capsys, "show", run)[0] == spoken(capsys, "show", run / "config.yaml")[0]
    assert spoken(capsys, "cite", run)[0] == spoken(capsys, "cite", run / "config.yaml")[0]
    config = yaml.safe_load((run / "config.yaml").read_text()) | {"comparison": {"baselines": []}}
    (tmp_path / "none.yaml").write_text(yaml.safe_dump(config))
    assert "baselines: none" in spoken(capsys, "show", tmp_path / "none.yaml")[0]
    (run / "config.yaml").unlink()
    assert "does not say how it was made" in refused(capsys, "cite", run)


def test_the_report_of_a_run_is_written_and_an_absent_run_refused(run, capsys, monkeypatch):
    report = pytest.importorskip("seqsci.report")
    monkeypatch.setattr(report, "write_report", lambda folder: Path(folder) / "report.html", raising=False)
    assert str(run / "report.html") in spoken(capsys, "report", run)[0]
    assert "no run at" in refused(capsys, "report", run.parent / "nothing")


def test_a_run_can_be_read_from_elsewhere(run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert len(rows_of(spoken(capsys, "predict", os.path.relpath(run), "--horizon", 1)[0])) == 1
    assert json.loads((run / "command.json").read_text())
