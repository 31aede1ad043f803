"""Fits of the cells of memory: recovery, identification, priors from other users, forecasts of recall."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory import models
from seqsci.domains.memory.cell_predictor import AsPublished, CellRecall, OthersPooled, OthersPrior, OwnReviews
from seqsci.domains.memory.fits import NARROWEST, fit_pooled, fit_user, fit_users, prior_of_others, wide_prior
from seqsci.domains.memory.recovery import recovery_study
from seqsci.domains.memory.simulator import DesiredRetention, RandomIntervals, Relearning, simulate_log
from seqsci.errors import DataError


@pytest.fixture(scope="module")
def users() -> pd.DataFrame:
    """Five users who differ in how quickly they forget."""
    rng = np.random.default_rng(1)
    truth = [models.sbd().start_at(decay=float(0.3 * np.exp(rng.normal(0, 0.4)))) for _ in range(5)]
    return simulate_log(truth, 80, 8, Relearning(RandomIntervals()), 4)


def test_random_intervals_give_sbd_back_without_flags() -> None:
    found = recovery_study(models.sbd(), reviews=20_000, seed=1)
    raw_error = np.log(found["estimate"] / found["truth"])
    assert (found["flag"] == "").all()
    assert (np.abs(raw_error) < 4 * found["standard_error"]).all()
    assert (np.abs(found.loc[["grade_ratio", "gap_root", "decay", "lapse_power"], "error"]) < 0.1).all()


def test_a_scheduler_hides_how_growth_depends_on_recall_and_the_fit_says_so() -> None:
    found = recovery_study(models.fsrs6().start_at(reversion=0.1), DesiredRetention(0.9), reviews=20_000, seed=1)
    assert found.loc["spacing", "flag"] and found.loc["growth", "flag"]
    assert not found.loc["first_good", "flag"]


def test_standard_errors_exist_where_a_scheduler_drove_the_log() -> None:
    found = recovery_study(models.sbd(), DesiredRetention(0.9), reviews=6000, seed=0)
    assert np.isfinite(found["standard_error"]).all()


def test_the_prior_of_others_is_the_mean_and_spread_of_their_modes(users: pd.DataFrame) -> None:
    prior = prior_of_others(models.sbd(), users)
    assert prior.names == models.sbd().free_names and "5 other users" in prior.source
    spread = np.sqrt(np.diag(prior.matrix))
    assert (spread >= NARROWEST).all()
    wide = models.sbd().with_prior(wide_prior(models.sbd()))
    modes = fit_users(wide, users).table
    i = prior.names.index("decay")
    constraint = {p.name: p.constraint for p in models.sbd().parameters}["decay"]
    raw = np.array([constraint.inverse(v) for v in modes["decay"]])
    assert prior.centre[i] == pytest.approx(raw.mean(), abs=1e-6)
    assert spread[i] ** 2 == pytest.approx(1.2 * raw.var(ddof=1) + NARROWEST**2, rel=1e-6)
    with pytest.raises(DataError, match="prior from other users"):
        prior_of_others(models.sbd(), users[users["user"] == 0])


def test_published_values_on_a_bound_make_a_proper_wide_prior() -> None:
    prior = wide_prior(models.fsrs6())
    assert np.isfinite(prior.centre).all() and len(prior.centre) == 21


def test_a_pooled_fit_is_one_set_of_parameters(users: pd.DataFrame) -> None:
    table = fit_pooled(models.sbd(), users).table
    assert table["decay"].nunique() == 1
    assert 0.15 < table["decay"].iloc[0] < 0.6


@pytest.mark.parametrize("learning", [AsPublished(), OwnReviews(), OthersPooled(), OthersPrior()])
def test_a_forecast_reads_only_what_came_before_and_first_reviews_have_none(users: pd.DataFrame, learning: object) -> None:
    one, others = users[users["user"] == 0], users[users["user"] != 0]
    predictor = CellRecall(models.sbd(), learning).given_others(others)  # type: ignore[arg-type]
    cut = one["review_time"].quantile(0.7)
    fitted = predictor.fit(one[one["review_time"] < cut])
    p = fitted.predict(one)
    first = (one["review"] == 0).to_numpy()
    assert np.isnan(p[first]).all() and ((p[~first] > 0) & (p[~first] < 1)).all()
    early = one["review_time"].to_numpy() < cut
    np.testing.assert_array_equal(fitted.predict(one[early]), p[early])
    changed = one.copy()
    changed.loc[~early, ["grade", "recalled"]] = [1, 0]
    now = fitted.predict(changed)
    np.testing.assert_array_equal(now[early], p[early])
    firsts_after = ~early & np.r_[True, early[:-1]] & ~first
    np.testing.assert_array_equal(now[firsts_after], p[firsts_after])
    assert predictor.parameters == (7 if learning.fitted else 0)  # type: ignore[attr-defined]
    assert set(fitted.values()) == set(models.sbd().free_names)


def test_a_small_user_gains_from_the_prior_of_others(users: pd.DataFrame) -> None:
    truth = models.sbd().start_at(decay=0.25)
    small = simulate_log(truth, 12, 8, Relearning(RandomIntervals()), 9)
    alone = fit_user(models.sbd().with_prior(wide_prior(models.sbd())), small)
    prior = prior_of_others(models.sbd(), users)
    informed = fit_user(models.sbd().with_prior(prior), small)
    fresh = simulate_log(truth, 400, 8, RandomIntervals(), 10)
    y = fresh.loc[fresh["review"] > 0, "recalled"].to_numpy()

    def loss(model: object) -> float:
        p = CellRecall(model, AsPublished()).fit(fresh).predict(fresh)[fresh["review"] > 0]  # type: ignore[arg-type]
        return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))

    assert loss(informed.model) < loss(alone.model) + 1e-3
    assert loss(informed.model) < loss(truth) + 0.02
