"""Notebooks are scripts first: each script runs on a small setting, and the executed notebook holds the same code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
LARGEST = 1_500_000
SETTING = "SMALL = False"


def _code_cells(script: str) -> list[str]:
    """Code cells of a script in the percent format."""
    cells = re.split(r"^# %%(.*)\n", script, flags=re.MULTILINE)
    return [code.strip() for mark, code in zip(cells[1::2], cells[2::2], strict=True) if "[markdown]" not in mark]


def test_there_are_notebooks() -> None:
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_notebook_holds_the_code_of_its_script(script: Path) -> None:
    notebook = script.with_suffix(".ipynb")
    cells = [c for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]
    assert ["".join(c["source"]).strip() for c in cells] == _code_cells(script.read_text()), "run `make notebooks`"
    assert all(c["execution_count"] for c in cells)
    assert not [o for c in cells for o in c["outputs"] if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert notebook.stat().st_size < LARGEST


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_notebook_runs_on_its_small_setting(script: Path, tmp_path: Path) -> None:
    pytest.importorskip("arch", reason="the data ship with arch")
    pytest.importorskip("matplotlib", reason="the notebook draws")
    pytest.importorskip("pytorch_lightning", reason="the notebook trains")
    text = script.read_text()
    assert _code_cells(text)[0].count(f"\n{SETTING}\n") == 1, "the first cell sets SMALL"
    small = tmp_path / script.name
    small.write_text(text.replace(f"\n{SETTING}\n", "\nSMALL = True\n"))
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, small], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
