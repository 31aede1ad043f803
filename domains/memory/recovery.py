"""Whether a cell's parameters are found again in logs that were simulated from it, and which ones a log cannot tell."""

from __future__ import annotations

import pandas as pd

from seqsci.domains.memory.fits import QUICK
from seqsci.domains.memory.sequences import to_sequences
from seqsci.domains.memory.simulator import Answers, RandomIntervals, Schedule, simulate_log
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model

SPREAD = RandomIntervals(0.003, 300.0, fractions=True)
"""From four minutes to ten months: gaps that no scheduler would choose, which hold every part of the equation apart."""
MIXED = Answers(first=(0.4, 0.1, 0.3, 0.2), recalled=(0.2, 0.6, 0.2))


def recovery_study(
    model: Model,
    schedule: Schedule = SPREAD,
    reviews: int = 20_000,
    per_card: int = 10,
    seed: int = 0,
    estimator: MaximumLikelihood = QUICK,
) -> pd.DataFrame:
    """Simulate a log from a model, fit the model to it, and say what came back: a row a free parameter.

    All reviews after the first are scored here, same-day ones too. Columns: truth, estimate, error (relative), standard_error (relative
    to the truth), low, high (95 %), and flag: "at bound"; "weak" (in a weak direction of the fit, or without a standard error); or "".
    """
    frame = simulate_log(model, reviews // per_card, per_card + 1, schedule, seed, MIXED)
    frame["scored"] = (frame["review"] > 0).astype(int)
    exact = isinstance(schedule, RandomIntervals) and schedule.fractions
    fit = estimator.fit(model, to_sequences(frame, exact=exact))
    weak = {name for direction in fit.weak_directions for name in direction.parameters}
    rows = []
    for estimate in fit.estimates():
        if estimate.name not in model.free_names:
            continue
        truth, lost = model.value[estimate.name], not estimate.standard_error > 0
        flag = "at bound" if estimate.name in fit.at_bound else "weak" if estimate.name in weak or lost else ""
        error, spread = estimate.value / truth - 1, estimate.standard_error / abs(truth)
        rows.append((estimate.name, truth, estimate.value, error, spread, estimate.low, estimate.high, flag))
    names = ["parameter", "truth", "estimate", "error", "standard_error", "low", "high", "flag"]
    return pd.DataFrame(rows, columns=names).set_index("parameter")
