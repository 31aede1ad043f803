"""Code of the guides runs as it stands, block after block in one session; blocks that start a cluster have tests of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("panels", "inference", "identifiability", "gated_layer", "engine", "gpu", "memory", "ecology", "enhancers", "methylation")


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_guide_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), flags=re.S | re.M)
    assert len(blocks) > 1
    session: dict[str, object] = {"__name__": "guide"}
    for block in blocks:
        if "LocalCluster" not in block:
            exec(compile(block, f"{page}.md", "exec"), session)
    assert "Traceback" not in capsys.readouterr().out
