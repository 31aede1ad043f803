"""docs/csv.md names every column that a run of ecology writes, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import seqsci
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.domains.ecology.tables import KINDS

CONTRACT = (Path(seqsci.__file__).parent.parent / "docs" / "csv.md").read_text()
SOME = Population().frame(HISTORIES["const"], years=30, sites=2, seed=3)[["series_id", "year", "count"]].round(1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from seqsci.cli import main

    folder = tmp_path_factory.mktemp("contract")
    SOME.to_csv(folder / "two.csv", index=False)
    main(
        [
            "fit",
            "--config",
            "ecology/counts",
            "--data",
            str(folder / "two.csv"),
            "--no-report",
            "--no-compare",
            "--out",
            str(folder / "runs"),
        ]
    )
    return next((folder / "runs").iterdir())


@pytest.mark.parametrize("name", ["forecast", "flexibility", "dependence", "verdict"])
def test_every_column_of_a_table_is_in_the_contract_and_no_other(name: str, run: Path) -> None:
    section = CONTRACT.split(f"**{name}.csv**")[1].split("\n**")[0]
    have = set(pd.read_csv(run / f"{name}.csv", nrows=1).columns)
    assert have <= set(re.findall(r"`(\w+)`", section))
    if name != "dependence":
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        assert {c for row in rows for c in re.findall(r"`(\w+)`", row)} == have


def test_states_of_a_linear_model_are_in_the_contract(run: Path) -> None:
    columns = list(pd.read_csv(run / "states.csv", nrows=1).columns)
    assert columns[:2] == ["series_id", "ds"]
    for kind in ("filtered", "smoothed"):
        assert f"`{kind}_NAME`, `{kind}_NAME_sd`" in CONTRACT
        for state in ("deviation", "log_capacity", "signal"):
            assert {f"{kind}_{state}", f"{kind}_{state}_sd"} <= set(columns)


def test_a_verdict_is_a_statement_or_a_warning_and_one_that_may_be_1_is_not_identified(run: Path) -> None:
    row = pd.read_csv(run / "verdict.csv").iloc[0]
    assert row["open_high"] and row["kind"] == KINDS[row["name"]] and "phi = 1" in row["sentence"]
    assert KINDS == {"identified": "statement", "not identified": "statement", "confounded with drift": "warning"}
    assert all(f"`{name}`" in CONTRACT for name in KINDS)
