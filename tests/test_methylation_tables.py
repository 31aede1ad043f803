"""Methylation from tables of several times, and what cannot be compared: said in words, never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.genomics.methylation.baselines import Boosting
from seqsci.domains.genomics.methylation.held_out import why_not_compared
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.simulator import Passages
from seqsci.errors import DataError
from tests.test_commands import refused, spoken
from tests.test_methylation_study import LONG, build, config


@pytest.fixture
def table(tmp_path: Path) -> Path:
    LONG.to_csv(tmp_path / "counts.csv", index=False)
    return tmp_path / "counts.csv"


def test_the_table_that_a_fit_takes_is_predicted_from_as_well(table, tmp_path, capsys):
    for more, name in (((), "a.bedgraph"), (("--at", "30"), "b.bedgraph")):
        said, _ = spoken(capsys, "predict", "genomics/methylation", "--counts", str(table), *more, "--out", str(tmp_path / name))
        assert "60 sites on 1 chromosome written" in said
        assert len(pd.read_csv(tmp_path / name, sep="\t", header=None)) == 60
    apart = []
    for t, rows in LONG.groupby("time"):
        apart.append(str(tmp_path / f"{t}.csv"))
        rows.drop(columns="time").to_csv(apart[-1], index=False)
    out = tmp_path / "c.bedgraph"
    spoken(capsys, "predict", "genomics/methylation", "--counts", ",".join(apart), "--times", "0,4,16", "--out", str(out))
    assert out.read_text() == (tmp_path / "a.bedgraph").read_text()


def test_a_table_of_several_times_does_not_pass_for_one(table, tmp_path, capsys):
    out = ("--out", str(tmp_path / "x.bedgraph"))
    command = ("predict", "genomics/methylation", "--counts", f"{table},{table}", "--times", "0,4", *out)
    assert "is a table of several times" in refused(capsys, *command)
    assert "--at 3 from 1 file, times 0, 4, 16" in refused(
        capsys, "predict", "genomics/methylation", "--counts", str(table), "--at", "3", *out
    )
    with pytest.raises(DataError, match="several times"):
        build(config(paths=[str(table)], times=[0]))


def test_replicates_are_refused_with_what_to_do(table):
    twice = pd.concat([LONG, LONG])
    with pytest.raises(DataError, match="add up methylated and coverage of the same site and time"):
        SiteSeries.from_frame(twice)
    added = twice.groupby(["chrom", "start", "time"], as_index=False)[["methylated", "coverage"]].sum()
    assert SiteSeries.from_frame(added).coverage.sum() == 2 * LONG["coverage"].sum()


def test_sites_that_are_read_once_are_not_compared():
    series = Passages(divisions=4).draw(300, 1, 800_000)
    assert not why_not_compared(series)
    once = np.zeros_like(series.coverage)
    once[np.arange(300), np.arange(300) % 5] = 1
    apart = SiteSeries(series.position, series.chromosome, series.methylated * once, series.coverage * once, series.times, series.time_unit)
    assert "was read before" in why_not_compared(apart)


def test_trees_that_cannot_be_grown_are_an_error_with_a_reason():
    pytest.importorskip("sklearn")
    m, n = np.full(50, 3.0), np.full(50, 3.0)
    with pytest.raises(DataError, match="gradient boosting cannot be fitted"):
        Boosting(iterations=2).fit_predict(np.full((50, 2), np.nan), m * 0, n * 0, np.ones(50, bool))
