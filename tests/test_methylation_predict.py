"""Fractions of every site as a user predicts them: imputed without the own reads, forecast, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.genomics.methylation.command import OPTIONS
from seqsci.domains.genomics.methylation.configured import read_counts
from seqsci.domains.genomics.methylation.predict import Imputation, half_of
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.study import STRANDS, build
from seqsci.errors import ConfigError
from seqsci.registry import Section
from tests.genomics_files import modkit_line
from tests.test_commands import refused, spoken
from tests.test_methylation_study import LONG, READS, config, files

__all__ = ["files"]


@pytest.mark.parametrize("more", [(), ("--at", "30")])
def test_a_prediction_is_a_bedgraph_of_every_site(files, tmp_path, capsys, more):
    out, names = tmp_path / "x.bedgraph", ",".join(map(str, files))
    spoken(capsys, "predict", "genomics/methylation", "--counts", names, "--times", "0,4,16", *more, "--out", str(out))
    table = pd.read_csv(out, sep="\t", header=None, names=["chrom", "start", "end", "value"])
    assert len(table) == 60 and (table["end"] - table["start"] == 1).all() and table["value"].between(0, 1, inclusive="neither").all()
    if more:  # sites that gained more are forecast higher
        assert np.corrcoef(table["value"], READS[2])[0, 1] > 0.5


@pytest.mark.parametrize("spread", [1, 5_000])  # sites within one block of 1 Mb, in four
@pytest.mark.parametrize("site", [0, 29, 30, 59, 70])
def test_an_imputed_site_does_not_see_its_own_reads_nor_do_the_weights_it_is_imputed_by(site, spread):
    alike = np.array([1, 7, 3, 8, 2, 9])[np.arange(60) // 10]  # near sites are alike, so that weights are positive
    first = LONG[LONG["time"] == 16].assign(methylated=np.minimum(alike + np.arange(60) % 3, 9))
    here = pd.concat([first, first.head(20).assign(chrom="chr2")], ignore_index=True)
    here["start"] *= spread
    changed, taught = [], []
    for methylated, coverage in ((2, 10), (9, 10), (0, 500), (500, 500), (0, 1)):
        frame = here.copy()
        frame.loc[site, ["methylated", "coverage"]] = methylated, coverage
        learned = Imputation(16).learn(frame)
        assert learned.teacher == "chr1"
        pieces = [SiteSeries.from_frame(frame[frame["chrom"] == c]) for c in ("chr1", "chr2")]
        changed.append(np.concatenate([learned.fractions(p) for p in pieces]))
        taught.append(np.concatenate([learned.weights_of(p) for p in pieces]))
    moved = np.array(changed) != changed[0]
    assert not moved[:, site].any()
    assert moved[1:, np.arange(80) != site].all() if spread == 1 else moved[1:].any()
    same = (np.array(taught) == taught[0]).all(axis=(0, 2))
    assert same[site] and same.sum() >= 20  # those of its half, or all where another chromosome teaches
    if site < 60:
        assert not same[60:].any() and not same.all()  # the rest are taught by it


def test_halves_alternate_along_blocks_and_a_lone_site_takes_the_overall_fraction():
    start = np.repeat(np.arange(6) * 1_000_000, 5) + np.tile(np.arange(5) * 50, 6)
    table = {"chrom": "c", "start": start, "time": 0, "methylated": np.arange(30) % 4, "coverage": 4}
    learned = Imputation(0).learn(pd.DataFrame(table))
    assert half_of(start, learned.cuts).tolist() == np.repeat([0, 1] * 3, 5).tolist()
    lone = Imputation(0).learn(pd.DataFrame(table).head(1))
    assert lone.fractions(SiteSeries.from_frame(pd.DataFrame(table).head(1))).tolist() == [0.5]


def test_both_strands_of_a_cpg_are_counted_before_one_is_imputed_from_the_other(tmp_path, capsys):
    sites = np.repeat(np.arange(1000, 4000, 100), 2) + np.tile([0, 1], 30)
    cov, bed = tmp_path / "x.cov", tmp_path / "x.txt"
    cov.write_text("".join(f"chr{c}\t{s}\t{s}\t50\t5\t5\n" for c in (1, 2) for s in sites))
    strands = "".join(f"chr1.{s}\tchr1\t{s}\t{'FR'[i % 2]}\t10\t50\t50\n" for i, s in enumerate(sites))
    bed.write_text("chrBase\tchr\tbase\tstrand\tcoverage\tfreqC\tfreqT\n" + strands)

    def told(path, *more):
        capsys.readouterr()
        main = pytest.importorskip("seqsci.cli").main
        main(["predict", "genomics/methylation", "--counts", str(path), "--out", str(tmp_path / "o.bedgraph"), *more])
        return capsys.readouterr().err

    assert "60 pairs of sites stand 1 bp apart" in (said := told(cov)) and "--merge_CpG" in said
    assert "30 pairs" in (said := told(bed, "--format", "methylkit")) and "--merge-strands yes" in said
    assert "1 bp apart" not in told(bed, "--format", "methylkit", "--merge-strands", "yes")
    merged = pd.read_csv(tmp_path / "o.bedgraph", sep="\t", header=None)
    assert len(merged) == 30


def test_nothing_is_half_written(files, tmp_path, capsys):
    shutil.copy(files[1], tmp_path / "b.cov")
    with (tmp_path / "b.cov").open("a") as file:
        file.write("chr1\t999\t999\t50\t-1\t1\n")
    command = ("predict", "genomics/methylation", "--counts", f"{files[0]},{tmp_path / 'b.cov'}", "--times", "0,4")
    assert "line 61" in refused(capsys, *command, "--out", str(tmp_path / "o.bedgraph"))
    assert "--sizes" in refused(capsys, *command, "--out", str(tmp_path / "o.bw"))
    assert "--at 3" in refused(capsys, *command, "--at", "3", "--out", str(tmp_path / "o.bedgraph"))
    assert "--counts is missing" in refused(capsys, "predict", "genomics/methylation", "--out", str(tmp_path / "o.bedgraph"))
    assert not list(tmp_path.glob("*o.b*"))


@pytest.fixture
def several(tmp_path: Path) -> list[Path]:
    """Two bedMethyl files with 5mC and 5hmC at each of thirty sites."""
    paths = []
    for t in (0, 4):
        rows = [modkit_line("chr1", 10 * i + 5, c, "+", 10, 1 + (i + t) % 4, 5) for i in range(30) for c in "hm"]
        paths.append(tmp_path / f"t{t}.bed")
        paths[-1].write_text("\n".join(rows) + "\n")
    return paths


def test_the_code_that_is_offered_works_and_another_is_refused_with_the_option(several, tmp_path, capsys):
    out, names = tmp_path / "o.bedgraph", ",".join(map(str, several))
    command = ("predict", "genomics/methylation", "--counts", names, "--times", "0,4", "--out", str(out))
    assert "--code m" in refused(capsys, *command) and not out.exists()
    assert "--code m" in refused(capsys, *command, "--code", "h") and not out.exists()
    assert "h" not in OPTIONS["code"].split()
    spoken(capsys, *command, "--code", "m")
    assert len(out.read_text().splitlines()) == 30
    data = {"paths": [str(p) for p in several], "times": [0, 4]}
    with pytest.raises(ConfigError, match="fix:      --data.code m"):
        build(config(**data, code="h"))
    assert read_counts(Section("d", {**data, "code": "m"}), "hours", STRANDS["population"]).series.coverage.shape == (30, 2)


def test_one_time_is_forecast_and_a_second_is_not_dropped(files, tmp_path, capsys):
    out = tmp_path / "o.bedgraph"
    command = ("predict", "genomics/methylation", "--counts", ",".join(map(str, files)), "--times", "0,4,16", "--out", str(out))
    assert "--at 20,40" in refused(capsys, *command, "--at", "20,40") and not out.exists()
