"""Recovery of the cells of memory: simulator and likelihood agree, intervals cover, errors are the least possible, flags are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqsci.domains.memory.fits import QUICK
from seqsci.domains.memory.models import fsrs6, fsrs7, power, sbd
from seqsci.domains.memory.recovery import (
    LOOSE,
    MIXED,
    SPREAD,
    flags,
    recovery_study,
    recovery_table,
    score_and_information,
    simulated_reviews,
)
from seqsci.domains.memory.sequences import to_sequences
from seqsci.domains.memory.simulator import DesiredRetention, RandomIntervals, Relearning, simulate_log
from seqsci.model import Model

LOGS = 30
TODAY_AGAIN = Relearning(DesiredRetention())
OFF_BOUND = fsrs6().start_at(reversion=0.1)
MEMORY_MODELS = {"SBD": sbd(), "FSRS-6": OFF_BOUND, "FSRS-7": fsrs7(), "power trace": power()}
SCHEDULES = {"random": SPREAD, "whole days": RandomIntervals(), "same day again": TODAY_AGAIN}


def zero_mean(scores: np.ndarray) -> float:
    """P-value of Hotelling's test that rows (logs, k) have mean zero, over the directions that carry anything."""
    logs = len(scores)
    values, vectors = np.linalg.eigh(np.corrcoef(scores.T))
    z = (scores / scores.std(axis=0, ddof=1)) @ vectors[:, values > 1e-8]
    k = z.shape[1]
    t2 = logs * z.mean(axis=0) @ np.linalg.inv(np.cov(z.T)) @ z.mean(axis=0)
    return float(stats.f.sf(t2 * (logs - k) / (k * (logs - 1)), k, logs - k))


@pytest.mark.parametrize("name", MEMORY_MODELS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_score_at_the_truth_has_mean_zero(name: str, schedule: str) -> None:
    model = MEMORY_MODELS[name]
    found = [score_and_information(model, simulated_reviews(model, SCHEDULES[schedule], 2000, 8, seed))[0] for seed in range(100)]
    scores = np.array(found)
    assert zero_mean(scores[:, scores.std(axis=0) > 0]) > 1e-4


def test_a_log_that_calls_another_review_same_day_is_found_out() -> None:
    scores = []
    for seed in range(100):
        frame = simulate_log(OFF_BOUND, 500, 9, RandomIntervals(0.003, 300, fractions=True), seed, MIXED)
        frame["scored"] = (frame["review"] > 0).astype(int)
        frame["same_day"] = ((frame["review"] > 0) & (frame["elapsed_days_exact"] < 1)).astype(int)  # 24 hours, not the date
        scores.append(score_and_information(OFF_BOUND, to_sequences(frame, exact=True))[0])
    assert zero_mean(np.array(scores)) < 1e-6


def test_the_information_is_the_variance_of_the_score() -> None:
    found = [score_and_information(sbd(), simulated_reviews(sbd(), reviews=800, per_card=8, seed=seed)) for seed in range(300)]
    scores, information = np.array([s for s, _ in found]), np.mean([i for _, i in found], axis=0)
    np.testing.assert_allclose(scores.var(axis=0) / np.diag(information), 1.0, atol=0.35)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"random": recovery_table(sbd(), logs=LOGS), "scheduler": recovery_table(sbd(), DesiredRetention(), logs=LOGS)}


@pytest.mark.parametrize("design", ("random", "scheduler"))
def test_intervals_hold_the_truth_as_often_as_they_say(tables: dict[str, pd.DataFrame], design: str) -> None:
    for covered in tables[design]["coverage"]:
        assert stats.binomtest(round(covered * LOGS), LOGS, 0.95).pvalue > 1e-3
    assert tables[design]["score_z"].abs().max() < 4


@pytest.mark.parametrize("design", ("random", "scheduler"))
def test_no_estimator_without_bias_could_be_closer(tables: dict[str, pd.DataFrame], design: str) -> None:
    table = tables[design]
    np.testing.assert_allclose(table["standard_error"] / table["bound"], 1.0, atol=0.1)
    # a standard deviation of 30 estimates
    low, high = np.sqrt(stats.chi2.ppf([1e-4, 1 - 1e-4], LOGS - 1) / (LOGS - 1))
    assert (table["spread"] / table["bound"]).between(low * 0.9, high * 1.1).all()


def test_random_gaps_are_not_flagged_and_what_a_scheduler_hides_is(tables: dict[str, pd.DataFrame]) -> None:
    random, scheduler = tables["random"], tables["scheduler"]
    assert (random["bound"] < LOOSE).all() and (random["flagged"] == 0).all()
    hidden = scheduler["bound"] > LOOSE
    assert set(scheduler.index[hidden]) == {"own_growth", "brittleness"}
    assert (scheduler.loc[hidden, "flagged"] >= 0.8).all() and (scheduler.loc[~hidden, "flagged"] == 0).all()


def test_twenty_thousand_reviews_at_random_gaps_give_five_of_seven_parameters_within_ten_per_cent(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["random"]
    near = stats.norm.ppf(0.75) * table["bound"] <= 0.1  # the median error of the best unbiased estimator
    assert set(table.index[~near]) == {"own_growth", "brittleness"}
    assert (table.loc[["grade_ratio", "gap_root", "decay", "lapse_power"], "median_error"] < 0.1).all()


def bound(schedule: RandomIntervals, reviews: int = 20_000) -> np.ndarray:
    found = [score_and_information(sbd(), simulated_reviews(sbd(), schedule, reviews, seed=seed))[1] for seed in range(2)]
    return np.sqrt(np.diag(np.linalg.inv(np.mean(found, axis=0))))


def test_wider_gaps_hold_every_parameter_better_and_four_times_the_reviews_twice_as_well() -> None:
    wide = bound(SPREAD)
    assert (wide < bound(RandomIntervals(0.003, 300, fractions=True)) * 1.01).all()
    np.testing.assert_allclose(bound(SPREAD, 5000) / wide, 2.0, rtol=0.15)


@pytest.mark.parametrize("schedule", (SPREAD, DesiredRetention()), ids=["random", "scheduler"])
def test_the_maximum_is_not_local(schedule: RandomIntervals | DesiredRetention) -> None:
    gains = []
    for seed in range(12):
        s = simulated_reviews(sbd(), schedule, 5000, 10, seed)
        found, warm = QUICK.fit(sbd(), s), replace(QUICK, warm=True).fit(sbd(), s)
        assert found.log_likelihood == pytest.approx(warm.log_likelihood, abs=0.01)
        gains.append(2 * (found.log_likelihood - log_likelihood(sbd(), s)))
    assert min(gains) >= 0
    assert stats.kstest(gains, stats.chi2(7).cdf).pvalue > 1e-3


def log_likelihood(model: Model, s) -> float:
    return float(model.filter(s).density @ s.weight)


def test_a_flag_looks_at_the_fit_alone() -> None:
    s = simulated_reviews(sbd(), DesiredRetention(), 6000)
    fit = QUICK.fit(sbd(), s)
    said, rows = flags(fit), {e.name: e for e in fit.estimates()}
    assert set(said) == set(sbd().free_names)
    weak = {n for d in fit.weak_directions for n in d.parameters}
    for name, flag in said.items():
        assert (flag == "loose") == (rows[name].standard_error > LOOSE * rows[name].value and name not in weak)
    assert said["own_growth"] in ("weak", "loose")
    assert flags(QUICK.fit(sbd().fix(own_growth=1.0), s)).keys() == set(sbd().free_names) - {"own_growth"}
    study = recovery_study(sbd(), DesiredRetention(), 6000)
    assert study["flag"].to_dict() == said


def test_a_parameter_without_information_and_one_at_its_bound_are_told() -> None:
    frame = simulate_log(OFF_BOUND, 1000, 6, RandomIntervals(), 0)  # no review on the same day
    said = flags(QUICK.fit(OFF_BOUND, to_sequences(frame)))
    assert said["same_day_saturation"] == "not identified" and said["first_good"] == ""
    fit = QUICK.fit(sbd(), to_sequences(simulate_log(sbd().start_at(lapse_power=0.0), 60, 6, SPREAD, 3)))
    assert [n for n, f in flags(fit).items() if f == "at bound"] == list(fit.at_bound)


def test_every_column_that_the_simulator_used_stands_in_its_log() -> None:
    frame = simulate_log(sbd(), 300, 8, RandomIntervals(0.01, 30, fractions=True), 2)
    later = frame[frame["review"] > 0]
    assert 0.02 < (later["same_day"] != (later["elapsed_days_exact"] < 1)).mean() < 0.4  # a night is shorter than a day
    assert (later["same_day"] == (later["elapsed_days"] == 0)).all()
    gaps = later["review_time"].to_numpy() - frame.loc[later.index - 1, "review_time"].to_numpy()
    np.testing.assert_allclose(later["elapsed_days_exact"], gaps / 86_400_000, atol=1e-7)
    assert (frame["lapses"] == frame.groupby("card_id")["grade"].transform(lambda g: (g == 1).cumsum() - (g == 1))).all()
    assert (frame["recalled"] == (frame["grade"] > 1)).all()
