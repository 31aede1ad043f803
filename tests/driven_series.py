"""A simulated volatility whose gate is driven by a known input."""

from __future__ import annotations

import numpy as np

from seqsci.domains.finance import models
from seqsci.sequences import Sequences

MODEL = models.driven_gate().fix(shift=0.0, rotation=0.0).named("driven")
TRUTH = MODEL.start_at(mean=0.0, persistence=0.98, memory=0.9, intercept=0.02, degrees_of_freedom=8.0)


def driven_series(rows: int, seed: int) -> Sequences:
    """Returns whose gate closes wherever a covariate is high."""
    covariate = np.sign(np.sin(np.arange(rows) / 7.0)) + 0.1 * np.random.default_rng(seed).normal(size=rows)
    simulated = TRUTH.simulate(rows, seed, known={"gate_drive": -1.5 * (covariate > 0)})
    known = {"gate_drive": np.zeros(rows), "covariate": covariate}
    return Sequences(simulated.outcome, known, measure={"log_return": "percent"})
