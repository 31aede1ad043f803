"""The commands on element-gene pairs, as a user types them: what a run holds, what is refused and in which words, and what is claimed."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from seqsci import load_fit
from seqsci.cli import main
from seqsci.domains.genomics.enhancer.baselines import BASELINES
from seqsci.domains.genomics.enhancer.configured import CRISPR
from seqsci.domains.genomics.enhancer.evaluation import STRATA, Evaluation, Stratum, average_precision
from seqsci.domains.genomics.enhancer.folds import chromosome_folds, out_of_fold
from seqsci.domains.genomics.enhancer.held_out import OURS, OutOfFold, held_out, why_not
from seqsci.domains.genomics.enhancer.held_out_text import promise
from seqsci.domains.genomics.enhancer.models import GATED, PairModel
from seqsci.domains.genomics.enhancer.protocol import FittedPairs, PairPredictor
from seqsci.domains.genomics.enhancer.report import figures
from seqsci.domains.genomics.enhancer.screened import PAIRED, columns
from seqsci.domains.genomics.enhancer.simulator import Landscape, simulate_screen
from seqsci.domains.genomics.enhancer.study import build
from seqsci.domains.genomics.enhancer.tables import verdicts
from seqsci.errors import ConfigError, DataError
from seqsci.registry import names
from seqsci.report.tables import Tables
from tests.test_commands import refused, spoken

SMALL = {"seed": 1, "chromosomes": 3, "elements": 300, "genes": 40}
PAIRS = simulate_screen(Landscape(chromosomes=3, elements=300, genes=40), 1).pairs
DATA = os.environ.get("SEQSCI_DATA")
FIT = ("fit", "--config", "genomics/enhancer_pairs", "--no-report")
TABLES = "kernel distances strata studies curves truth verdict pairs"


def written(path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(path, sep="\t", index=False)
    return path


def config(**more: object) -> dict[str, object]:
    found = {"name": "test", "domain": "genomics", "model": "enhancer_gated", "comparison": {"baselines": ["distance", "logistic"]}}
    return {**found, "data": {"simulated": SMALL}, **more}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its report."""
    folder = tmp_path_factory.mktemp("enhancer")
    (folder / "quick.yaml").write_text(yaml.safe_dump({k: v for k, v in config().items() if k != "name"}))
    main(["fit", "--config", str(folder / "quick.yaml"), "--out", str(folder / "runs")])
    return next((folder / "runs").iterdir())


def test_a_run_holds_what_the_figures_and_other_programs_read(run: Path) -> None:
    files = {p.name for p in run.iterdir()}
    assert files >= {f"{n}.csv" for n in (*TABLES.split(), "parameters", "states", "scores", "differences")} | {"report.html"}
    pairs = pd.read_csv(run / "pairs.csv")
    assert len(pairs) == len(PAIRS) and pairs["probability"].between(0, 1).all() and pairs["out_of_fold"].notna().all()
    assert pairs["gene"].tolist() == PAIRS["measuredGeneSymbol"].tolist()


def test_the_fit_is_that_of_the_pair_model_and_its_errors_are_by_gene(run: Path) -> None:
    ours, theirs = load_fit(run / "model.json"), GATED.fit(PAIRS)
    natural = ["intercept", "slope", *(f"by_{c}" for c in columns(GATED))]
    np.testing.assert_allclose([ours.value[n] for n in natural], list(theirs.value.values()), atol=2e-5)
    assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, abs=1e-6)
    own, other = {e.name: e.standard_error for e in ours.estimates()}, [e.standard_error for e in theirs.estimates()]
    np.testing.assert_allclose([own[n] for n in natural], other, rtol=0.02)
    np.testing.assert_allclose(pd.read_csv(run / "pairs.csv")["probability"], theirs.predict(PAIRS), atol=1e-5)


def test_scores_are_those_of_fits_on_other_chromosomes(run: Path) -> None:
    scores = out_of_fold({"gated": GATED}, PAIRS, chromosome_folds(PAIRS))["gated"]
    np.testing.assert_allclose(pd.read_csv(run / "pairs.csv")["out_of_fold"], scores, atol=1e-7)
    table = pd.read_csv(run / "scores.csv").set_index("model")
    y, d = PAIRS["Regulated"].to_numpy(bool), PAIRS["distanceToTSS"].to_numpy()
    shown = [table[c]["gated bank (ours)"] for c in ("auprc_below_10_kb", "auprc_10_to_100_kb", "auprc_beyond_100_kb")]
    by_hand = [average_precision(y[(d >= a) & (d < b)], scores[(d >= a) & (d < b)]) for _, a, b in STRATA]
    np.testing.assert_allclose(shown, by_hand, atol=1e-12)
    assert table["auprc_pooled"]["random order"] == pytest.approx(y.mean())


def test_strata_and_studies_come_before_the_pooled_number(run: Path) -> None:
    text = (run / "comparison.txt").read_text()
    places = [text.index(w) for w in ("by distance: AUPRC", "by study: AUPRC", "pooled, to be read last", "Paired differences")]
    assert places == sorted(places) and "(development data)" in text.splitlines()[0]
    first = pd.read_csv(run / "differences.csv")["score"]
    assert list(dict.fromkeys(first)) == [f"1 - AUPRC, {n}" for n in ("<10 kb", "10-100 kb", ">100 kb", "pooled")]


def test_figures_are_drawn_from_the_tables_and_left_out_without_them(run: Path, tmp_path: Path) -> None:
    fit = load_fit(run / "model.json")
    found = [f.title for f in figures(fit, Tables(run))]
    assert found == [
        "Precision and recall by distance",
        "AUPRC by distance",
        "AUPRC by study",
        "Decay with distance",
        "Known and estimated",
    ]
    assert figures(fit, Tables(tmp_path)) == []
    page = (run / "report.html").read_text()
    assert (
        "<h2>Outcome</h2>" in page and "State: near" not in page and "AUPRC 10–100 kb" in page and "which decides; p: by its width" in page
    )
    assert "<code>" not in page.split("<details")[0]  # every equation became MathML


def test_compare_repeats_the_comparison_and_sets_runs_side_by_side(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pd.read_csv(run / "scores.csv").drop(columns="seconds")
    assert "Held-out comparison over 3 folds of whole chromosomes" in spoken(capsys, "compare", run)[0]
    pd.testing.assert_frame_equal(pd.read_csv(run / "scores.csv").drop(columns="seconds"), before)
    head = spoken(capsys, "compare", run, run)[0].splitlines()[0]
    assert "AUPRC <10 kb" in head and "pooled" in head


def test_known_parameters_are_set_beside_their_estimates(run: Path) -> None:
    table = pd.read_csv(run / "truth.csv").set_index("name")
    assert table["truth"]["by_boundaries"] == pytest.approx(-1.1 * 0.15) and table["truth"]["slope"] == 1.1
    said = pd.read_csv(run / "verdict.csv").set_index("sentence")["kind"]
    known = said[said.index.str.contains("of 9 known parameters lie in their 95 % intervals")]
    assert known.tolist() == ["statement"]  # of the fit, which beats nobody by it
    assert set(said[said.index.str.contains("promise no links")]) <= {"warning"}


def test_show_and_list_know_every_configuration_of_enhancers(capsys: pytest.CaptureFixture[str]) -> None:
    listed = spoken(capsys, "list")[0]
    for name in ("genomics/enhancer_crispr", "genomics/enhancer_demo", "genomics/enhancer_pairs"):
        assert name in names() and name in listed and "log odds per e-fold of what arrives" in spoken(capsys, "show", name)[0]


def test_a_regression_gets_the_columns_of_the_model_that_it_is_compared_with(tmp_path: Path) -> None:
    few = written(tmp_path / "few.tsv", PAIRS.drop(columns=["H3K4me1.RPM", "H3K27me3.RPM", "CTCF.RPM", "boundaries"]))
    study = build(config(model="enhancer_bank", data={"path": str(few)}))
    assert study.held_out is not None
    made = study.held_out(None, None)  # type: ignore[arg-type]  # out-of-fold scores need no fit
    assert "logistic, same features" in [r.model for r in made.scores] and "not compared" not in str(made)
    activity = np.log(PAIRS["H3K27ac.RPM.expandedRegion"] + 0.05) / 2 + np.log(PAIRS["DHS.RPM"] + 0.05) / 2
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, scores = np.column_stack([np.log(PAIRS["distanceToTSS"]), activity]), PAIRS["Regulated"].to_numpy(bool), np.zeros(len(PAIRS))
    for split in chromosome_folds(PAIRS):
        by_hand = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(x[split.train], y[split.train])
        scores[split.test] = by_hand.predict_proba(x[split.test])[:, 1]
    shown = {r.model: r.auprc_pooled for r in made.scores}["logistic, same features"]
    assert shown == pytest.approx(average_precision(y, scores), abs=1e-9)


class Broken(PairPredictor):
    """A baseline that cannot run."""

    @property
    def label(self) -> str:
        return "broken"

    def fit(self, frame: pd.DataFrame) -> FittedPairs:
        raise DataError("it needs Hi-C")


def test_a_baseline_that_cannot_run_is_left_out_with_its_reason_and_ours_is_not() -> None:
    text = str(held_out(OutOfFold(PAIRS, GATED, "ours", {"distance": BASELINES["distance"], "hic": Broken()}, draws=50)))
    assert "not compared: broken: it needs Hi-C" in text and "1/distance" in text
    with pytest.raises(DataError, match="Hi-C"):
        held_out(OutOfFold(PAIRS, Broken(), "ours", {}, draws=50))


def test_an_interval_of_all_models_at_once_is_that_of_one_by_one() -> None:
    scores = {OURS: PAIRS["activity"].to_numpy(), "d": -PAIRS["distanceToTSS"].to_numpy(float)}
    found, drawn = Evaluation(PAIRS, scores, 100), Evaluation(PAIRS, scores, 100).resampled((OURS, "d"))
    one, lead = found.interval("d"), found.interval(OURS, "d")
    assert (one.low, one.high) == pytest.approx(tuple(np.quantile(drawn["d"], [0.025, 0.975])))
    assert (lead.low, lead.high) == pytest.approx(tuple(np.quantile(drawn[OURS] - drawn["d"], [0.025, 0.975])))


def test_a_model_that_is_worse_is_called_worse_by_distance_pooled_and_by_study() -> None:
    backwards = OutOfFold(PAIRS, BASELINES["distance"], "1/d (ours)", {"logistic": BASELINES["logistic"]}, draws=100)
    made = held_out(backwards)
    assert {d.outcome for d in made.differences} == {"loss"} and "WORSE than: logistic, same features (<10 kb, " in str(made)
    scored, strata, studies, pooled = backwards()
    kinds = {s: k for k, s in verdicts(scored, strata, studies, pooled)}
    assert [k for s, k in kinds.items() if "at a loss of accuracy" in s] == ["loss"]
    assert sum("In the study" in s for s in kinds) == 2 and "BEHIND: first study" in str(made)


def test_no_link_is_promised_where_no_model_finds_one() -> None:
    near, far = Stratum("<10 kb", 90, 40, {"a": 0.9}, {"a": 0.8, "b": 0.0}), Stratum(">100 kb", 900, 30, {"a": 0.1}, {"a": 0.0, "b": 0.04})
    said = promise([near, far], ["a", "b"])
    assert said.startswith("at 70% precision no model finds a tenth") and "(>100 kb: 4% of 30)" in said and "promise no links" in said
    assert "promise no" not in promise([near], ["a", "b"])


def test_pairs_of_one_chromosome_are_fitted_and_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = PAIRS[PAIRS["chrom"] == "chr1"]
    data = written(tmp_path / "one.tsv", one)
    out = spoken(capsys, *FIT, "--data.path", data, "--model", "enhancer_bank", "--out", tmp_path / "runs")[0]
    assert "no held-out comparison: all pairs lie on one chromosome" in out and "note: no strata.csv" in out
    split = PAIRS.assign(Regulated=PAIRS["Regulated"] & (PAIRS["chrom"] == "chr2"))
    assert "no pair regulated is left to fit on without chr2" in why_not(split)


def mixed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(genome_build=np.where(np.arange(len(frame)) < 9, "hg19", "hg38"))


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda f: f.rename(columns={"Regulated": "regulated"}), (), "Regulated (did you mean 'regulated'?)"),
        (lambda f: f.rename(columns={"DHS.RPM": "DHS.rpm"}), (), "no signal DHS.RPM (did you mean 'DHS.rpm'?)"),
        (lambda f: f.rename(columns={"distanceToTSS": "distance_to_TSS"}), (), "did you mean 'distance_to_TSS'?"),
        (lambda f: f.assign(Regulated=False), (), "0 of 3530 pairs regulated"),
        (lambda f: f.assign(Regulated=True), (), "3530 of 3530 pairs regulated"),
        (lambda f: f.head(0), (), "has no pairs"),
        (lambda f: f.assign(chromEnd=f["chromStart"]), (), "line 2: chromEnd"),
        (mixed, (), "hg19, hg38"),
        (lambda f: f.assign(genome_build="hg19"), ("--data.build", "GRCh38"), "GRCh38, hg19 (data.build GRCh38)"),
        (lambda f: f.assign(**{"CTCF.RPM": 1.0}), (), "ctcf is 0.0487902 in all 3,530 pairs"),
        (lambda f: f, ("--model", "enhancer_gate"), "did you mean 'enhancer_gated'?"),
    ],
)
def test_what_is_no_table_of_pairs_is_refused_in_words(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = written(tmp_path / "pairs.tsv", change(PAIRS))
    assert words in refused(capsys, *FIT, "--data.path", data, "--out", tmp_path / "runs", *options)
    assert not list((tmp_path / "runs").glob("*"))  # nothing half-written


def test_a_path_or_a_source_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "pairs.tsv", PAIRS.head(20))
    assert "did you mean 'pairs.tsv'?" in refused(capsys, *FIT, "--data.path", tmp_path / "pair.tsv", "--out", tmp_path / "runs")
    assert "a folder" in refused(capsys, *FIT, "--data.path", tmp_path, "--out", tmp_path / "runs")
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress((tmp_path / "pairs.tsv").read_bytes())[:200])
    assert "cannot be read" in refused(capsys, *FIT, "--data.path", tmp_path / "cut.tsv.gz", "--out", tmp_path / "runs")
    assert "enhancer_demo" in refused(capsys, *FIT, "--out", tmp_path / "runs")
    monkeypatch.delenv("SEQSCI_DATA", raising=False)
    said = refused(capsys, "fit", "--config", "genomics/enhancer_crispr", "--out", tmp_path / "runs")
    assert "SEQSCI_DATA is not set" in said and "EngreitzLab/CRISPR_comparison" in said
    for wrong, words in (
        ({"data": {"source": "crispr_k526"}}, "did you mean 'crispr_k562'?"),
        ({"data": {"source": "crispr_k562", "build": "hg19"}}, "contradicts the source"),
        ({"data": {"simulated": {"sites": 3}}}, "sites"),
        ({"data": {"simulated": {"genes": -3}}}, "genes"),
        ({"comparison": {"baselines": ["logistics"]}}, "did you mean 'logistic'?"),
        ({"comparison": {"refit": 1}}, "refit"),
        ({"horizon": 3}, "horizon"),
    ):
        with pytest.raises(ConfigError) as stop:
            build(config(**wrong))
        assert words in str(stop.value)


@pytest.mark.slow
@pytest.mark.skipif(not DATA or not (Path(DATA) / CRISPR).is_file(), reason="needs SEQSCI_DATA")
def test_on_the_benchmark_the_gated_cell_is_level_with_the_regression_and_no_more() -> None:
    study = build(config(data={"source": "crispr_k562"}))
    assert study.held_out is not None
    fit = study.estimator.fit(study.model, study.sequences())
    made = study.held_out(fit, None)
    pooled = next(d for d in made.differences if d.baseline.startswith("logistic") and d.score.endswith("pooled"))
    assert abs(pooled.mean) < 0.005 and pooled.outcome == "tie"
    assert isinstance(PAIRED["enhancer_gated"], PairModel) and "BEHIND: Nasser2021: logistic" in str(made)
