"""Folds by whole chromosomes, and scores of pairs by models that never saw their chromosome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.enhancer.normalisation import AsTheyAre, Normalisation
from seqsci.domains.genomics.enhancer.protocol import PairPredictor
from seqsci.domains.genomics.genome.splits import ByChromosome, Split, chosen_folds, grouped_folds

Array = npt.NDArray[np.float64]
FOLDS = (
    ("chr11", "chr5", "chr16", "chr21"),
    ("chr19", "chr6", "chr10", "chr15", "chr18"),
    ("chr1", "chr17", "chr12", "chr14"),
    ("chrX", "chr7", "chr3", "chr20", "chr13"),
    ("chr8", "chr2", "chr4", "chr9", "chr22"),
)
"""Five folds of the K562 training table, of 93 to 96 regulated pairs each."""


def chromosome_folds(frame: pd.DataFrame) -> tuple[Split, ...]:
    """The five fixed folds where the table has exactly their chromosomes, else five (or as many as chromosomes) of about equal size."""
    have = set(frame["chrom"].astype(str))
    if have == {c for fold in FOLDS for c in fold}:
        return chosen_folds(frame, ByChromosome(), FOLDS)
    return grouped_folds(frame, ByChromosome(), min(5, len(have)))


def out_of_fold(
    models: Mapping[str, PairPredictor], frame: pd.DataFrame, splits: Sequence[Split], say: Callable[[str], None] = lambda _: None
) -> dict[str, Array]:
    """Score every pair by a model fitted on the other folds (rows,), by the key of the model."""
    found = {}
    for key, model in models.items():
        scores = np.full(len(frame), np.nan)
        for split in splits:
            scores[split.test] = model.fit(frame.iloc[split.train]).predict(frame.iloc[split.test])
        found[key] = scores
        say(model.label)
    return found


def transferred(
    model: PairPredictor, train: pd.DataFrame, test: pd.DataFrame, signals: Sequence[str], normalise: Normalisation | None = None
) -> Array:
    """Scores of another cell type's pairs: its signals are first normalised to the training cell type (rows,)."""
    normalised = (normalise or AsTheyAre()).apply(train, test, signals)
    return model.fit(train).predict(normalised)
