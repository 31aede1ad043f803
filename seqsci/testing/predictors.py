"""Laws of predictors: our models and every baseline."""

from __future__ import annotations

import numpy as np

from seqsci.forecast import Predictive
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences
from seqsci.testing.kernels import replaced_from
from seqsci.testing.requirement import require, require_equal

PROBABILITIES = (0.01, 0.25, 0.5, 0.99)
HORIZON, PATHS = 4, 2000


def check_predictor(predictor: Predictor, sequences: Sequences) -> None:
    """Raise AssertionError where a predictor breaks a law on sequences of one unit; it is fitted to the first two thirds of them.

    Laws: replacing outcomes from row t on leaves every distribution up to and including row t bit-equal; taking rows in and
    predicting the next gives what predicting all of them at once gives; log densities are finite, cdfs and quantiles agree; a fit
    and a prediction leave the predictor and the fitted predictor as they were; paths ahead have the stated size and seed.
    """
    split = 2 * len(sequences) // 3
    train, rows = sequences.rows(0, split), sequences.rows(split, len(sequences))
    name = predictor.name
    require(bool(name) and isinstance(name, str), "a predictor has a name", repr(name), "a short text", "return one from name")
    fitted = predictor.fit(train)
    _distributions(fitted, rows, name)
    _time_contract(fitted, rows, name)
    _updates(fitted, rows, name)
    _paths(fitted, name)
    again = predictor.fit(train)
    require_equal(
        f"{name}: a second fit differs", described(again, rows), described(fitted, rows), "take every seed from a field", 1e-9, 1e-12
    )


def described(fitted: FittedPredictor, rows: Sequences) -> np.ndarray:
    """Mean, variance and quantiles of the next rows, (rows, 2 + quantiles)."""
    distribution = fitted.predict_rows(rows)
    columns = [distribution.mean, distribution.variance, *(distribution.quantile(p) for p in PROBABILITIES)]
    return np.column_stack([np.broadcast_to(c, (len(rows),)) for c in columns])


def _distributions(fitted: FittedPredictor, rows: Sequences, name: str) -> None:
    distribution: Predictive = fitted.predict_rows(rows)
    seen = np.asarray(rows.observed, bool)
    y = np.where(seen, next(iter(rows.outcome.values())), np.nanmean(next(iter(rows.outcome.values()))))
    for what, values in (("mean", distribution.mean), ("variance", distribution.variance), ("log density", distribution.log_density(y))):
        require(
            np.shape(values) == (len(rows),), f"{name}: {what} of the next rows", np.shape(values), (len(rows),), "return one value a row"
        )
        require(bool(np.isfinite(values).all()), f"{name}: {what} of the next rows", values, "finite values", "check the rows it is given")
    require(bool((distribution.variance >= 0).all()), f"{name}: variance", distribution.variance.min(), ">= 0", "check variance")
    for p in PROBABILITIES:
        quantile = distribution.quantile(p)
        low, high = distribution.cdf(quantile - 1e-9 * (1 + abs(quantile))), distribution.cdf(quantile + 1e-9 * (1 + abs(quantile)))
        inside = (low <= p + 1e-6) & (high >= p - 1e-6)
        require(
            bool(inside.all()), f"{name}: cdf at the quantile of {p}", (low[~inside][:1], high[~inside][:1]), f"{p} between", "check both"
        )


def _time_contract(fitted: FittedPredictor, rows: Sequences, name: str) -> None:
    before = described(fitted, rows)
    for t in sorted({0, 1, len(rows) // 2, len(rows) - 1}):
        after = described(fitted, replaced_from(rows, t))
        law = f"{name}: predictions up to row {t} see outcomes from row {t} on"
        require_equal(law, after[: t + 1], before[: t + 1], "predict row t from the rows before it alone")


def _updates(fitted: FittedPredictor, rows: Sequences, name: str) -> None:
    whole = described(fitted, rows)
    for t in (1, len(rows) // 2, len(rows) - 1):
        law = f"{name}: update with {t} rows, then predict"
        moved = fitted.update(rows.rows(0, t))
        require_equal(law, described(moved, rows.rows(t, len(rows))), whole[t:], "carry the whole memory over in update", 1e-10, 1e-12)
    in_steps = fitted.update(rows.rows(0, 2)).update(rows.rows(2, 5))
    law = f"{name}: update twice, then predict"
    require_equal(law, described(in_steps, rows.rows(5, len(rows))), whole[5:], "carry the whole memory over in update", 1e-10, 1e-12)
    require_equal(f"{name}: update or predict_rows changed the predictor", described(fitted, rows), whole, "return a new object")


def _paths(fitted: FittedPredictor, name: str) -> None:
    ahead, again = (fitted.predict(HORIZON, PATHS, seed=1) for _ in range(2))
    for what, values, shape in (
        ("mean", ahead.mean, (HORIZON,)),
        ("variance", ahead.variance, (HORIZON,)),
        ("paths", ahead.paths, (PATHS, HORIZON)),
    ):
        require(np.shape(values) == shape, f"{name}: {what} of a forecast", np.shape(values), shape, "honour horizon and draws")
        require(bool(np.isfinite(values).all()), f"{name}: {what} of a forecast", values, "finite values", "check predict")
    require_equal(f"{name}: the same seed gives other paths", again.paths, ahead.paths, "make the generator from seed")
    other = fitted.predict(HORIZON, PATHS, seed=2).paths
    require(
        not np.array_equal(other, ahead.paths),
        f"{name}: another seed gives the same paths",
        "equal paths",
        "other paths",
        "make the generator from seed",
    )
    off = np.abs(ahead.paths.mean(0) - ahead.mean) / (ahead.paths.std(0) / PATHS**0.5)
    require(bool((off < 5).all()), f"{name}: paths and mean disagree", ahead.paths.mean(0), ahead.mean, "simulate what is forecast")
