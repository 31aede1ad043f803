"""Whether a cell's parameters are found again in logs that were simulated from it, and which ones a log cannot tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqsci.domains.memory.fits import QUICK
from seqsci.domains.memory.sequences import to_sequences
from seqsci.domains.memory.simulator import Answers, RandomIntervals, Schedule, simulate_log
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.model import Model
from seqsci.sequences import Sequences

SPREAD = RandomIntervals(0.0007, 25_000.0, fractions=True)
"""From one minute to seventy years: gaps that no scheduler would choose. Of 2,034 designs of 20,000 reviews that were tried (ends of the
gaps, grades, reviews a card) those like it hold the parameter of SBD that is held worst as well as any: to 22 %."""
MIXED = Answers(first=(0.35, 0.05, 0.5, 0.1), recalled=(0.1, 0.4, 0.5))
LOOSE = 0.25
"""Standard error of a positive parameter over its estimate, from which it is flagged: the ends of the 95 % interval then differ by a
factor of exp(4 * 0.25) = 2.7. `Fit.weak_directions` speaks up at a factor of 7."""


def flags(fit: Fit) -> dict[str, str]:
    """What a fit says against reading its free parameters, a word each, "" where nothing.

    | flag | from |
    |---|---|
    | at bound | the estimate sits on the end of its set |
    | not identified | the likelihood has no curvature in it |
    | weak | it is part of a weak direction (`Fit.weak_directions`) |
    | loose | it is positive, and its standard error is more than `LOOSE` of it |

    Only the fit is looked at, no truth: this serves for logs of real users.
    """
    weak = {name for direction in fit.weak_directions for name in direction.parameters}
    positive = {p.name for p in fit.model.parameters if p.constraint.bounds[0] >= 0}
    found = {}
    for e in fit.estimates():
        if e.name in fit.at_bound:
            found[e.name] = "at bound"
        elif e.name in fit.free_names:
            loose = e.name in positive and e.standard_error > LOOSE * e.value
            lost = not e.standard_error > 0
            found[e.name] = "not identified" if lost else "weak" if e.name in weak else "loose" if loose else ""
    return found


def simulated_reviews(
    model: Model, schedule: Schedule = SPREAD, reviews: int = 20_000, per_card: int = 10, seed: int = 0, answers: Answers = MIXED
) -> Sequences:
    """A log drawn from the model, as sequences: ``per_card`` scored reviews after each card's first, same-day ones too."""
    frame = simulate_log(model, reviews // per_card, per_card + 1, schedule, seed, answers)
    frame["scored"] = (frame["review"] > 0).astype(int)
    return to_sequences(frame, exact=isinstance(schedule, RandomIntervals) and schedule.fractions)


def recovery_study(
    model: Model,
    schedule: Schedule = SPREAD,
    reviews: int = 20_000,
    per_card: int = 10,
    seed: int = 0,
    estimator: MaximumLikelihood = QUICK,
) -> pd.DataFrame:
    """Simulate a log from a model, fit the model to it, and say what came back: a row a free parameter.

    Columns: truth, estimate, error (relative), standard_error (relative to the truth), low, high (95 %), and flag (`flags`).
    """
    fit = estimator.fit(model, simulated_reviews(model, schedule, reviews, per_card, seed))
    said, rows = flags(fit), []
    for e in (e for e in fit.estimates() if e.name in model.free_names):
        truth = model.value[e.name]
        rows.append((e.name, truth, e.value, e.value / truth - 1, e.standard_error / abs(truth), e.low, e.high, said[e.name]))
    names = ["parameter", "truth", "estimate", "error", "standard_error", "low", "high", "flag"]
    return pd.DataFrame(rows, columns=names).set_index("parameter")


def score_and_information(model: Model, sequences: Sequences) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient (k,) of the log-likelihood and Fisher information (k, k) of the free parameters, at the model's values.

    The information is the sum over reviews of that given what came before, ``grad R grad R' / (R (1 - R))``. At the truth the gradient has
    mean zero and this variance, and no unbiased estimator has standard errors below the root of the inverse's diagonal (Cramer and Rao).
    """
    kernel, data = model.kernel(), model.pack(sequences)
    parameters = model.kernel_parameters
    values = np.array([model.value[p.name] for p in parameters])
    free = [i for i, p in enumerate(parameters) if p.name in model.free_names]
    gradient = -kernel.score(values, data).gradient
    return gradient[free], kernel.information(values, data)[np.ix_(free, free)]


def recovery_table(model: Model, schedule: Schedule = SPREAD, logs: int = 30, reviews: int = 20_000, per_card: int = 10) -> pd.DataFrame:
    """`recovery_study` over the seeds 0, 1, ..., a row a free parameter, all relative to the truth.

    | column | meaning |
    |---|---|
    | bound | least standard error of any unbiased estimator on this design (Cramer and Rao), from the mean information of the logs |
    | standard_error | median of those that the fits report |
    | spread | standard deviation of the estimates |
    | median_error | median of the absolute errors; two thirds of the bound where the estimator is as good as can be |
    | coverage | share of the 95 % intervals that hold the truth |
    | score_z | mean of the score at the truth over its standard error: beyond 3 says that likelihood and simulator disagree |
    | flagged | share of the logs in which the fit flags it (`flags`) |
    """
    studies = [recovery_study(model, schedule, reviews, per_card, seed) for seed in range(logs)]
    at_truth = [score_and_information(model, simulated_reviews(model, schedule, reviews, per_card, seed)) for seed in range(logs)]
    order = [p.name for p in model.kernel_parameters if p.name in model.free_names]
    truth = np.array([abs(model.value[n]) for n in order])
    score, information = np.array([s for s, _ in at_truth]), np.mean([i for _, i in at_truth], axis=0)
    error = pd.concat([t["error"] for t in studies], axis=1)
    inside = pd.concat([(t["low"] <= t["truth"]) & (t["truth"] <= t["high"]) for t in studies], axis=1)
    table = pd.DataFrame({"truth": studies[0]["truth"]})
    table["bound"] = pd.Series(np.sqrt(np.diag(np.linalg.inv(information))) / truth, order)
    table["standard_error"] = pd.concat([t["standard_error"] for t in studies], axis=1).median(axis=1)
    table["spread"], table["median_error"] = error.std(axis=1), error.abs().median(axis=1)
    table["coverage"] = inside.mean(axis=1)
    table["score_z"] = pd.Series(score.mean(axis=0) / (score.std(axis=0, ddof=1) / np.sqrt(logs)), order)
    table["flagged"] = pd.concat([t["flag"] != "" for t in studies], axis=1).mean(axis=1)
    return table
