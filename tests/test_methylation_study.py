"""Methylation as a user runs it: fits, comparisons, reports, predictions from files, and what is refused and in which words."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from seqsci.domains.genomics.methylation.blocked_sites import BlockedSites
from seqsci.domains.genomics.methylation.configured import read_counts
from seqsci.domains.genomics.methylation.held_out import Terms, held_out, why_not_compared
from seqsci.domains.genomics.methylation.models import MODELS
from seqsci.domains.genomics.methylation.report import figures
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.simulator import Passages
from seqsci.domains.genomics.methylation.study import STRANDS, build, units_of
from seqsci.errors import ConfigError, DataError
from seqsci.estimation.artefact import load_fit
from seqsci.registry import Section
from tests.test_commands import refused, spoken

DEMO = {"sites": 300, "divisions": 4, "coverage": 10, "runs_apart": 800_000, "spread": 0.3, "seed": 1}
LONG = pd.DataFrame(
    {
        "chrom": "chr1",
        "start": np.tile(np.arange(100, 700, 10), 3),
        "time": np.repeat([0, 4, 16], 60),
        "methylated": np.tile(np.arange(6), 30) % 5 + np.repeat([0, 2, 3], 60),
        "coverage": 9,
    }
)
READS = np.random.default_rng(3).integers(2, 9, (3, 60))


def config(**data: object) -> dict[str, object]:
    return {"name": "mine", "domain": "genomics", "model": "per_hour", "data": data}


def bismark(path: Path, reads: np.ndarray, first: int = 101) -> Path:
    rows = [f"chr1\t{first + 10 * i}\t{first + 10 * i}\t{100 * m / 10:.4f}\t{m}\t{10 - m}" for i, m in enumerate(reads)]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three Bismark files with gains over time."""
    return [bismark(tmp_path / f"t{t}.cov", READS[i] // (3 - i)) for i, t in enumerate((0, 4, 16))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a short simulated culture, compared and reported."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("methylation")
    table = {"domain": "genomics", "data": {"simulated": DEMO}, "model": "per_division"}
    (folder / "culture.yaml").write_text(yaml.safe_dump(table))
    main = pytest.importorskip("seqsci.cli").main
    main(["fit", "--config", str(folder / "culture.yaml"), "--out", str(folder / "runs")])
    return folder / "runs" / "culture-001"


def test_a_run_recovers_the_culture_and_keeps_its_tables(made):
    found = pd.read_csv(made / "parameters.csv").set_index("name")
    for name, truth in (("maintenance", 0.96), ("de_novo", 0.17)):
        assert abs(found.loc[name, "value"] - truth) < 4 * found.loc[name, "standard_error"] < 0.4
    verdict = pd.read_csv(made / "verdict.csv")
    assert verdict["name"].tolist() == ["identified"] and "identified" in verdict["sentence"][0]
    assert verdict["kind"].tolist() == ["statement"]  # no win: nobody was beaten
    half = found.loc["half_life"]
    assert verdict.loc[0, ["half_life", "low", "high"]].tolist() == pytest.approx(half[["value", "low", "high"]].tolist())
    assert "replicates or spike-ins" in verdict["sentence"][0]
    assert verdict["p_value"][0] < 0.01 and verdict["clusters"][0] >= 6 and verdict["time_unit"][0] == "divisions"
    course, curve = pd.read_csv(made / "course.csv"), pd.read_csv(made / "curve.csv")
    assert (course["low"] <= course["fraction"]).all() and course["time"].tolist() == [0, 1, 2, 3, 4]
    assert curve["fraction"].between(0, 1).all()
    kinetics = pd.read_csv(made / "kinetics.csv")
    assert kinetics["class"][0] == "all sites" and kinetics["sites"][0] == 300 and len(kinetics) > 2
    assert (kinetics["half_life_low"] < kinetics["half_life_high"]).all()
    assert {"imputer", "nll", "difference", "low", "high"} <= set(pd.read_csv(made / "imputation.csv"))


def test_the_comparison_says_who_wins_over_blocks(made, capsys):
    scores = pd.read_csv(made / "scores.csv")
    assert scores["model"][0].startswith("hybrid") and {"tied gate", "last value", "gradient boosting"} <= set(scores["model"])
    paired = pd.read_csv(made / "differences.csv").set_index("baseline")
    for _, row in paired.iterrows():
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["verdict"] == ("ours is better" if row["high"] < 0 else "OURS IS WORSE" if row["low"] > 0 else "not decided")
    assert paired.loc["last value", "mean"] == pytest.approx(scores["nll"][0] - scores.set_index("model").loc["last value", "nll"])
    before = (made / "scores.csv").read_text().splitlines()[1].split(",")[:2]
    said = spoken(capsys, "compare", str(made))[0]
    assert "development data" in said and "WORSE than" in said
    assert (made / "scores.csv").read_text().splitlines()[1].split(",")[:2] == before


def test_the_report_shows_the_verdict_first_and_the_domains_figures(made, capsys):
    spoken(capsys, "report", str(made))
    page = (made / "report.html").read_text()
    assert page.index("The rates are identified") < page.index("What was fitted")
    assert '<li class="statement"><span class="mark" aria-hidden="true">•</span>The rates are identified' in page
    for title in ("Methylation over time", "Half-life by class of sites", "Imputation of masked sites"):
        assert title in page
    assert "middle 95 % of 300 units" in page  # not three hundred curves end to end
    assert "to nan" not in page


@pytest.mark.parametrize(("kind", "grey"), [("win", False), ("loss", True)])
def test_a_run_of_an_earlier_version_is_drawn_as_it_was_judged(made, kind, grey):
    tables = {"course": pd.read_csv(made / "course.csv"), "curve": pd.read_csv(made / "curve.csv")}
    tables["verdict"] = pd.DataFrame({"kind": [kind], "sentence": ["as it was"]})
    fit = load_fit(made / "model.json")
    assert ("not identified" in figures(fit, tables)[0].caption) == grey
    tables["verdict"] = pd.DataFrame({"name": ["not identified" if grey else "identified", "not compared"], "kind": ["x", "statement"]})
    assert ("not identified" in figures(fit, tables)[0].caption) == grey


def test_the_demo_is_shown_and_says_why_it_is_not_compared(capsys):
    assert "maintenance" in spoken(capsys, "show", "genomics/methylation_demo")[0]
    small = DEMO | {"divisions": 20, "every": 4}
    study = build({"name": "d", "domain": "genomics", "model": "per_division", "data": {"simulated": small}})
    assert "global mean" in study.not_compared
    with pytest.raises(DataError, match="no held-out comparison"):
        study.held_out(None, None)


def test_rates_are_said_not_to_be_identified_by_one_time_or_at_equilibrium(tmp_path, capsys):
    one = bismark(tmp_path / "one.cov", READS[0])
    study = build(config(paths=[str(one)], times=[0]))
    verdict = study.tables(study.estimator.fit(study.model, study.sequences()))["verdict"]
    assert verdict["name"].tolist() == ["not identified", "not compared"] and "NOT identified" in verdict["sentence"][0]
    assert verdict["kind"].tolist() == ["warning", "statement"] and verdict["half_life"].isna().all()
    assert "one time" in study.not_compared
    still = DEMO | {"initial_fraction": Passages().equilibrium, "divisions": 12, "every": 3}
    at_rest = build({"name": "d", "domain": "genomics", "model": "per_division", "data": {"simulated": still}})
    found = at_rest.tables(at_rest.estimator.fit(at_rest.model, at_rest.sequences()))["verdict"]
    assert "(mu, delta) are NOT identified" in found["sentence"][0] and "equilibrium" in found["sentence"][0]


def test_errors_by_block_are_not_taken_where_one_block_holds_most_reads():
    even = BlockedSites().draw(20, 40, 0)
    one = even.rows((even.block == 0) | (even.position % 1_000_000 == 0))
    model = MODELS["per_hour"]("hours", STRANDS["population"])
    assert units_of(even, model, "", "x").clusters == "block" and units_of(one, model, "", "x").clusters == "site"
    assert "are worth 2" in str(units_of(one, model, "block", "x")) and "worth" not in str(units_of(even, model, "block", "x"))


def test_the_verdict_is_told_at_the_shell_and_before_the_summary(tmp_path, capsys):
    path = tmp_path / "still.csv"
    frame = BlockedSites().draw(12, 10, 1).frame()
    frame[["chrom", "start", "time", "methylated", "coverage"]].to_csv(path, index=False)
    more = ("--no-report", "--no-compare", "--comparison.imputation", "no", "--out", str(tmp_path / "runs"))
    said, _ = spoken(capsys, "fit", "--config", "genomics/methylation_counts", "--data", str(path), *more)
    (folder,) = (tmp_path / "runs").iterdir()
    sentence = pd.read_csv(folder / "verdict.csv")["sentence"][0]
    assert "NOT identified" in sentence and said.index(sentence) < said.index("std. error")
    assert (folder / "summary.txt").read_text().startswith(sentence)


@pytest.mark.parametrize("clusters", ["block", "site"])
def test_rows_of_blocks_and_of_sites_share_one_likelihood(clusters):
    table = {"name": "d", "domain": "genomics", "model": "per_division", "data": {"simulated": DEMO}, "clusters": clusters}
    study = build(table)
    fit = study.estimator.fit(study.model, study.sequences())
    series = read_counts(Section("d", {"simulated": DEMO}), "divisions", STRANDS["population"]).series
    added = series.by_block().per_division()
    moved = [fit.model.start_at(maintenance=mu) for mu in (0.9, 0.99)]
    gaps = [m.filter(added).density.sum() - m.filter(study.sequences()).density.sum() for m in moved]
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-8)
    assert clusters in fit.provenance.covariance or "cluster" in fit.provenance.covariance
    assert len(np.unique(study.sequences().group)) == (len(np.unique(series.block)) if clusters == "block" else 300)


def test_the_last_reads_of_a_fold_never_reach_its_forecasts():
    series = Passages(divisions=4).draw(300, 1, 800_000)
    terms = Terms()
    base = held_out(series, terms).scores[1:6]
    m = series.methylated.copy()
    m[:, -1] = np.random.default_rng(0).permutation(m[:, -1].clip(0, 5)).clip(0, series.coverage[:, -1])
    other = SiteSeries(series.position, series.chromosome, m, series.coverage, series.times, series.time_unit)
    assert [r.model for r in held_out(other, terms).scores[1:6]] == [r.model for r in base]
    assert "1 block" in why_not_compared(Passages(divisions=4).draw(300, 1))


def test_files_of_three_formats_give_the_same_series(files, tmp_path):
    frame = build(config(paths=[str(f) for f in files], times=[0, 4, 16])).frame
    kit, bed = [], []
    for t, reads in zip((0, 4, 16), (READS[i] // (3 - i) for i in range(3)), strict=True):
        lines = [f"x\tchr1\t{101 + 10 * i}\tF\t10\t{10 * m:.2f}\t{100 - 10 * m:.2f}" for i, m in enumerate(reads)]
        (tmp_path / f"{t}.txt").write_text("chrBase\tchr\tbase\tstrand\tcoverage\tfreqC\tfreqT\n" + "\n".join(lines) + "\n")
        rows = [
            f"chr1\t{100 + 10 * i}\t{101 + 10 * i}\tm\t10\t+\t0\t0\t0\t10\t0\t{m}\t{10 - m}\t0\t0\t0\t0\t0" for i, m in enumerate(reads)
        ]
        (tmp_path / f"{t}.bed").write_text("\n".join(rows) + "\n")
        kit.append(str(tmp_path / f"{t}.txt"))
        bed.append(str(tmp_path / f"{t}.bed"))
    for paths, form in ((kit, "methylkit"), (bed, "bedmethyl")):
        other = build(config(paths=",".join(paths), times="0,4,16", format=form)).frame
        pd.testing.assert_frame_equal(frame, other)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"paths": {0: "A.cov", 4: "B.cov"}, "simulated": {"sits": 3}}, "No such file"),
        ({}, "no counts"),
        ({"source": "repli_chr21"}, "repli_chr22"),
        ({"simulated": {"maintenance": 2}}, "cannot be simulated"),
        ({"paths": ["a.cov", "b.cov"], "times": [0]}, "a file a time"),
        ({"paths": ["a.cov", "b.cov"], "times": [4, 4]}, "stands twice"),
        ({"paths": ["a.cov", "b.cov"], "times": [4, 0]}, "increas"),
        ({"paths": {"soon": "a.cov"}}, "times as numbers"),
        ({"simulated": DEMO, "format": "bismak"}, "did you mean 'bismark'"),
    ],
)
def test_a_wrong_configuration_is_named(data, told):
    with pytest.raises((ConfigError, DataError), match=told):
        build(config(**data))


def test_the_published_table_says_what_to_do_where_it_is_absent(monkeypatch, tmp_path):
    monkeypatch.delenv("SEQSCI_DATA", raising=False)
    with pytest.raises(DataError, match="set SEQSCI_DATA"):
        build(config(source="repli_chr22"))
    monkeypatch.setenv("SEQSCI_DATA", str(tmp_path))
    with pytest.raises(DataError, match="methylation_demo"):
        build(config(source="repli_chr22"))


def broken(frame: pd.DataFrame, row: int, column: str, value: object) -> str:
    table = frame.astype(object)
    table.loc[row, column] = value
    return table.to_csv(index=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (broken(LONG, 7, "methylated", 12), "line 9: methylated 12 > coverage 9"),
        (broken(LONG, 3, "coverage", -4), "line 5: coverage -4 < 0"),
        (broken(LONG, 2, "coverage", "many"), "line 4: no coverage"),
        (broken(LONG, 2, "start", 2.5), "line 4: no start"),
        ("", "empty"),
        ("chrom,start,time,methylated,coverage\n", "holds no rows"),
        (LONG.rename(columns={"coverage": "covrage"}).to_csv(index=False), "did you mean"),
        (pd.concat([LONG, LONG.head(1)]).to_csv(index=False), "there twice"),
    ],
)
def test_bad_counts_are_refused_with_their_line(tmp_path, text, told, capsys):
    path = tmp_path / "counts.csv"
    path.write_text(text)
    said = refused(capsys, "fit", "--config", "genomics/methylation_counts", "--data", str(path), "--out", str(tmp_path / "runs"))
    assert told in said and not list((tmp_path / "runs").glob("*"))


def test_a_file_that_was_cut_short_and_mixed_builds_are_refused(files, tmp_path, capsys):
    whole = gzip.compress(files[1].read_bytes())
    (tmp_path / "cut.cov.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cut short|damaged"):
        build(config(paths=[str(files[0]), str(tmp_path / "cut.cov.gz")], times=[0, 4]))
    for path, name in zip(files, ("hg19", "hg38"), strict=False):
        path.write_text(f"track db={name}\n" + path.read_text())
    with pytest.raises(DataError, match="different genome builds"):
        build(config(paths=[str(f) for f in files[:2]], times=[0, 4]))
    with pytest.raises(DataError, match="not declared"):
        build(config(paths=[str(f) for f in files[1:]], times=[0, 4]))


def test_strands_of_one_long_table_are_merged_where_that_is_asked_for(tmp_path):
    rows = [f"chr1,{10 * i + k},{t},{1 + k},5,{s}" for i in range(9) for t in (0, 4) for k, s in enumerate("+-")]
    path = tmp_path / "long.csv"
    path.write_text("chrom,start,time,methylated,coverage,strand\n" + "\n".join(rows) + "\n")
    apart, merged = (
        read_counts(Section("d", {"path": str(path), "merge_strands": m}), "hours", STRANDS["population"]) for m in (False, True)
    )
    assert len(apart.series) == 18 and "strands are kept apart" in apart.notes[0]
    assert len(merged.series) == 9 and not merged.notes and set(merged.series.coverage.ravel()) == {10.0}
