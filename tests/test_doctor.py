"""seqsci doctor: what it finds sound, what is a fault, and what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqsci
from seqsci import cli
from seqsci.cli import doctor, environment
from tests.spoken import spoken

ROOT = Path(seqsci.__file__).parent.parent


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
