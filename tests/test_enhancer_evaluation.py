"""Scores of pairs against scikit-learn, strata before pooled numbers, folds that share no chromosome, and the real table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from seqsci.domains.genomics.enhancer.baselines import ABC_NUMERATOR, BANK_UNFITTED, BASELINES, INVERSE_DISTANCE
from seqsci.domains.genomics.enhancer.curves import curve, interval_figure, strata_figure, study_figure
from seqsci.domains.genomics.enhancer.evaluation import Evaluation, average_precision, recall_at_precision
from seqsci.domains.genomics.enhancer.folds import FOLDS, chromosome_folds, out_of_fold
from seqsci.domains.genomics.enhancer.models import GATED
from seqsci.domains.genomics.enhancer.pairs import read_pairs
from seqsci.domains.genomics.enhancer.simulator import Landscape, simulate_screen
from seqsci.errors import DataError

SCREEN = simulate_screen(Landscape(chromosomes=5, elements=300, genes=30), seed=1).pairs
DATA = os.environ.get("SEQSCI_DATA")
FILE = "genomics/enhancer_crispr/EPCrisprBenchmark_combined_data.training_K562.GRCh38.tsv.gz"
real = pytest.mark.skipif(not DATA or not (Path(DATA) / FILE).is_file(), reason="needs SEQSCI_DATA")


@pytest.mark.parametrize("digits", [1, 8])
def test_average_precision_and_recall_are_those_of_scikit_learn(digits: int) -> None:
    """With many ties and with none."""
    rng = np.random.default_rng(0)
    y, s = rng.uniform(size=400) < 0.15, np.round(rng.normal(0, 1, 400), digits)
    assert average_precision(y, s) == pytest.approx(average_precision_score(y, s), abs=1e-12)
    precision, recall, _ = precision_recall_curve(y, s)
    for least in (0.05, 0.2, 0.7):
        assert recall_at_precision(y, s, least) == pytest.approx(recall[precision >= least].max(), abs=1e-12)


def test_a_weight_of_two_is_a_row_twice() -> None:
    rng = np.random.default_rng(1)
    y, s, w = rng.uniform(size=80) < 0.3, np.round(rng.normal(0, 1, 80), 1), rng.integers(0, 3, 80)
    assert average_precision(y, s, w) == pytest.approx(average_precision(np.repeat(y, w), np.repeat(s, w)), abs=1e-12)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="1 not finite"):
        average_precision([1, 0], [np.nan, 1.0])


def test_no_chromosome_is_on_both_sides_and_every_pair_is_tested_once() -> None:
    splits = chromosome_folds(SCREEN)
    tested = np.concatenate([s.test for s in splits])
    assert np.array_equal(np.sort(tested), np.arange(len(SCREEN)))
    chrom = SCREEN["chrom"].to_numpy()
    assert all(not set(chrom[s.train]) & set(chrom[s.test]) for s in splits)


def test_scores_of_a_fold_do_not_depend_on_its_labels() -> None:
    splits = chromosome_folds(SCREEN)
    before = out_of_fold({"gated": GATED}, SCREEN, splits)["gated"]
    flipped = SCREEN.assign(Regulated=np.where(np.isin(np.arange(len(SCREEN)), splits[0].test), False, SCREEN["Regulated"]))
    after = out_of_fold({"gated": GATED}, flipped, splits[:1])["gated"]
    assert np.array_equal(before[splits[0].test], after[splits[0].test])


def test_strata_and_studies_come_before_the_pooled_number_and_add_up() -> None:
    scores = {"bank": BANK_UNFITTED.predict(SCREEN), "distance": INVERSE_DISTANCE.predict(SCREEN)}
    found = Evaluation(SCREEN, scores, draws=100)
    for parts in (found.strata(), found.by_study()):
        assert sum(p.pairs for p in parts) == len(SCREEN)
        assert sum(p.regulated for p in parts) == SCREEN["Regulated"].sum()
    text = found.text()
    assert text.index("by distance") < text.index("by study") < text.index("pooled") and "prevalence" in text
    span = found.interval("bank", "distance")
    assert span.low < span.value < span.high
    assert span.value == pytest.approx(found.pooled().precision["bank"] - found.pooled().precision["distance"])


def test_intervals_that_draw_genes_are_wider_where_genes_repeat_themselves() -> None:
    """Every pair ten times: rows pretend to be more data, genes do not."""
    rng = np.random.default_rng(0)
    frame = SCREEN.iloc[:400].assign(row=np.arange(400))
    many = pd.concat([frame] * 10, ignore_index=True)
    score = np.tile(BANK_UNFITTED.predict(frame) * np.exp(rng.normal(0, 1, 400)), 10)
    many["alone"] = np.arange(len(many))
    found = Evaluation(many, {"bank": score}, draws=300)
    gene, row = found.interval("bank", cluster="row"), found.interval("bank", cluster="alone")
    assert gene.high - gene.low > 2 * (row.high - row.low)


def test_every_baseline_ranks_better_than_chance() -> None:
    splits = chromosome_folds(SCREEN)
    scores = out_of_fold(BASELINES, SCREEN, splits)
    whole = Evaluation(SCREEN, scores, draws=10).pooled()
    assert all(v > 2 * whole.prevalence for v in whole.precision.values()), whole


@real
def test_the_numbers_of_the_crispr_benchmark() -> None:
    """Whole chromosomes held out: the mechanism is above 1/distance, the gated cell is level with the logistic regression."""
    frame = read_pairs(Path(str(DATA)) / FILE, "hg38")
    assert len(frame) == 10_356 and frame["Regulated"].sum() == 471
    splits = chromosome_folds(frame)
    assert [int(frame["Regulated"].to_numpy()[s.test].sum()) for s in splits] == [96, 93, 93, 94, 95] and len(splits) == len(FOLDS)
    models = {"mechanism": BANK_UNFITTED, "gated": GATED, "distance": INVERSE_DISTANCE, "power": ABC_NUMERATOR}
    models["logistic"] = BASELINES["logistic"]
    found = Evaluation(frame, out_of_fold(models, frame, splits), draws=200)
    level = found.pooled().precision
    assert level["distance"] == pytest.approx(0.438, abs=0.001) and level["power"] == pytest.approx(0.519, abs=0.001)
    assert level["mechanism"] >= 0.51 and found.interval("mechanism", "distance").low > 0
    assert level["gated"] >= 0.58 and level["gated"] > level["logistic"] - 0.005


def test_curves_enclose_the_area_that_the_table_shows() -> None:
    score = BANK_UNFITTED.predict(SCREEN)
    recall, precision = curve(SCREEN["Regulated"].to_numpy(bool), score)
    assert float((np.diff(recall) * precision[1:]).sum()) == pytest.approx(average_precision(SCREEN["Regulated"], score), abs=1e-12)
    found = Evaluation(SCREEN, {"bank": score, "distance": INVERSE_DISTANCE.predict(SCREEN)}, draws=20)
    assert [len(f(found).figure.axes) for f in (strata_figure, study_figure, interval_figure)] == [3, 2, 1]
    with pytest.raises(DataError, match="7 models"):
        strata_figure(Evaluation(SCREEN, {str(i): score for i in range(7)}))
