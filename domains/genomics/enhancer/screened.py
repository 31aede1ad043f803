"""Models of element-gene pairs as cells: equations and numbers of `models.PairModel`, with the house's fits, reports and artefacts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seqsci.cells.screened_pair import ScreenedPair
from seqsci.domains.genomics.enhancer.models import GATED, MECHANISM, MECHANISM_OF_EXPONENT, PairModel
from seqsci.domains.genomics.enhancer.pairs import distances, labels
from seqsci.gates.logistic import LogisticGate
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.sequences import Sequences

SHORT = {
    "input_H3K27ac_RPM_expandedRegion": "h3k27ac",
    "input_DHS_RPM": "dhs",
    "input_H3K4me1_RPM": "h3k4me1",
    "input_H3K27me3_RPM": "h3k27me3",
    "input_CTCF_RPM": "ctcf",
    "output_measuredGeneUbiquitousExpressed": "ubiquitous",
    "per_boundary": "boundaries",
}
"""Names of the gates' columns in the cell (logs of the signals; 0 or 1; a count)."""


def columns(pairs: PairModel) -> tuple[str, ...]:
    """Names of the known columns of a pair model's gates."""
    return tuple(SHORT.get(g.name, g.name) for g in pairs.gates)


def mechanism() -> Model:
    """The bank alone: exponent 1, two fitted numbers."""
    return Model(ScreenedPair(), Bernoulli(), name="bank of leaky integrators").fix(exponent=1.0)


def mechanism_of_exponent() -> Model:
    """The bank with a fitted exponent: three numbers."""
    return Model(ScreenedPair(), Bernoulli(), name="bank, exponent fitted")


def gated() -> Model:
    """The bank with gates on seven columns."""
    return Model(ScreenedPair(gate=LogisticGate(columns(GATED))), Bernoulli(), name="gated bank").fix(exponent=1.0)


MODELS = {"enhancer_bank": mechanism, "enhancer_bank_exponent": mechanism_of_exponent, "enhancer_gated": gated}
"""Builders by the name that configurations use."""
PAIRED = {"enhancer_bank": MECHANISM, "enhancer_bank_exponent": MECHANISM_OF_EXPONENT, "enhancer_gated": GATED}
"""The pair model with the same likelihood, for out-of-fold scores."""


def to_sequences(pairs: PairModel, frame: pd.DataFrame) -> Sequences:
    """A labelled frame as sequences: a unit is a pair, a group is a gene, so that errors can be robust to genes."""
    n = len(frame)
    activity = np.ones(n) if pairs.activity is None else np.exp(pairs.activity.log(frame))
    known = {"distance_bp": distances(frame), "activity": activity}
    known |= {c: g.values(frame) for c, g in zip(columns(pairs), pairs.gates, strict=True)}
    genes = np.unique(frame["measuredGeneSymbol"].astype(str), return_inverse=True)[1]
    return Sequences({"regulated": labels(frame).astype(float)}, known, unit=np.arange(n), group=genes)
