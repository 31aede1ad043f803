"""What a held-out comparison of counts may claim: of few years nothing, of more what a test of the right size says; reasons in a line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from seqsci.domains.ecology.backtest.held_out import Terms, held_out
from seqsci.domains.ecology.backtest.own_model import ModelForecaster
from seqsci.domains.ecology.backtest.year_test import FEWEST_YEARS, TOO_FEW, compare_years
from seqsci.domains.ecology.baselines.naive import HistoricalMean, RandomWalk
from seqsci.domains.ecology.baselines.regressions import SecondOrder
from seqsci.domains.ecology.models import MODELS
from seqsci.domains.ecology.prepared import prepare
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.reading.panel import count_panel
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.evaluate.scores import diebold_mariano

QUICK = MaximumLikelihood(min_rows=12, profile_bounds=False)


@pytest.mark.parametrize("years", [20, 34])
def test_equal_forecasts_of_one_series_are_told_apart_no_more_often_than_said(years: int) -> None:
    rng = np.random.default_rng(years)
    corrected = plain = 0
    for _ in range(2000):
        a, b = rng.normal(size=(2, years)) ** 2
        corrected += compare_years(a - b).p_value < 0.05
        plain += diebold_mariano(a, b).p_value < 0.05
    assert corrected / 2000 <= 0.07 < plain / 2000


def test_the_interval_and_the_p_value_agree_and_the_scale_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        d = rng.normal(0.4, 1.0, 30)
        found, scaled = compare_years(d), compare_years(100 * d)
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
        assert scaled.p_value == pytest.approx(found.p_value) and scaled.low == pytest.approx(100 * found.low)
    assert compare_years(np.zeros(25)).p_value == 1 and compare_years(np.ones(25)).p_value == 0


def test_of_uncorrelated_years_the_test_is_close_to_the_t_test_of_the_mean() -> None:
    d = np.random.default_rng(3).normal(0.1, 1.0, 4000)
    assert compare_years(d).p_value == pytest.approx(ttest_1samp(d, 0).pvalue, abs=0.03)


def test_below_twenty_forecast_years_nobody_wins_or_loses() -> None:
    frame = lynx()
    decided = {}
    for years in (66, 70):  # their last 30 % are 19 and 21 years
        some = frame[frame["year"] > 1934 - years]
        ours = ModelForecaster(MODELS["random_walk_capacity"](), prepare(some).rows, QUICK)
        decided[years] = held_out(ours, [RandomWalk(), SecondOrder(), HistoricalMean()], count_panel(some), Terms())
    few, enough = decided[66], decided[70]
    assert all(d.verdict == TOO_FEW and d.outcome == "tie" for d in few.differences)
    assert any(d.outcome != "tie" for d in enough.differences)
    text = str(few)
    assert f"19 forecast years, {FEWEST_YEARS} are needed" in text and "significantly" not in text
    assert "too few years" not in str(enough) and "significantly" in str(enough)


def test_what_was_not_compared_keeps_its_whole_reason_on_one_line() -> None:
    frame = Population().frame(HISTORIES["const"], 30, 1, 4).round({"count": 0})
    ours = ModelForecaster(MODELS["count_slow_channel"](), prepare(frame).rows, QUICK)
    lines = str(held_out(ours, [RandomWalk()], count_panel(frame), Terms())).splitlines()
    line = next(line for line in lines if line.startswith("not compared: slow channel, counts (ours)"))
    assert "got probabilities of whole counts" in line and "expected densities of log counts" in line
