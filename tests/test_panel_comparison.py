"""Comparisons over many series: intervals that hold where series share shocks, tests equal to the single ones, the set of the best."""

from __future__ import annotations

import builtins
import importlib

import numpy as np
import pandas as pd
import pytest

from seqsci import compare
from seqsci.baselines.ewma import ExponentialSmoothing
from seqsci.domains.finance import models
from seqsci.errors import DataError, MissingExtraError, ParameterError
from seqsci.evaluate import confidence_set, joint_bootstrap
from seqsci.evaluate.backtest import Path
from seqsci.evaluate.compare import losses
from seqsci.evaluate.confidence_set import model_confidence_set
from seqsci.evaluate.joint_bootstrap import Estimate, Grid, joint_estimate, joint_resamples
from seqsci.evaluate.many_tests import diebold_mariano_many, holm
from seqsci.evaluate.panel_backtest import PanelBacktest, PanelProtocol, backtest_panel
from seqsci.evaluate.panel_comparison import compare_panel
from seqsci.evaluate.panel_verdict import PanelDifference, verdict_of
from seqsci.evaluate.resampling import (
    automatic_block_length,
    block_bootstrap_interval,
    stationary_bootstrap_counts,
    stationary_bootstrap_means,
)
from seqsci.evaluate.scores import diebold_mariano


def grid_of(present: np.ndarray) -> Grid:
    """The grid of a table (dates, series) of what is there."""
    code, date = np.nonzero(present.T)
    return Grid.of(code, date)


def made(shifts: dict[str, float], series: int = 12, dates: int = 250, seed: int = 0) -> PanelBacktest:
    """A backtest of forecasts of known quality: normal outcomes of variance one with a common shock, variances exp(shift) too large."""
    rng = np.random.default_rng(seed)
    y = (0.7 * rng.standard_normal(dates) + np.sqrt(0.51) * rng.standard_normal((series, dates))).ravel()
    paths = {}
    for name, shift in shifts.items():
        h = np.full(len(y), np.exp(shift))
        density = -0.5 * (np.log(2 * np.pi * h) + y**2 / h)
        below = {q: y < z * np.sqrt(h) for q, z in ((0.01, -2.3263), (0.05, -1.6449))}
        paths[name] = Path(name, np.zeros(len(y)), h, density, below, 1.0)
    failures = pd.DataFrame(columns=["predictor", "unique_id", "reason"])
    days = np.tile(pd.date_range("2020-01-01", periods=dates).to_numpy(), series)
    code = np.repeat(np.arange(series), dates)
    protocol = PanelProtocol(60, None, "from row 500 of each series on", "confirmation", 0, 0)
    names = tuple(f"s{i}" for i in range(series))
    return PanelBacktest(names, code, days, y, paths, failures, protocol, np.zeros(series), 1.0, True, {})


def test_counts_are_the_rows_that_the_bootstrap_of_a_mean_draws() -> None:
    x = np.random.default_rng(0).normal(size=83)
    counts = stationary_bootstrap_counts(83, 4.7, 500, 3)
    assert (counts.sum(1) == 83).all() and counts.min() == 0
    np.testing.assert_allclose(counts @ x / 83, stationary_bootstrap_means(x, 4.7, 500, 3), rtol=0, atol=1e-14)


def test_of_one_series_mean_and_median_have_its_own_block_bootstrap_interval() -> None:
    noise = np.random.default_rng(1).normal(size=401)
    x = 0.1 + noise[1:] + 0.5 * noise[:-1]
    found = joint_estimate(grid_of(np.ones((400, 1), bool)), x, seed=5)
    single = block_bootstrap_interval(x, seed=5)
    assert found.block == automatic_block_length(x)
    for estimate in (found.mean, found.median):
        assert estimate.value == pytest.approx(x.mean())
        assert (estimate.low, estimate.high) == pytest.approx((single.low, single.high), abs=1e-12)


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_resamples_are_those_of_stacked_dates_whatever_the_blocks_of_work(share: float, monkeypatch) -> None:
    rng = np.random.default_rng(2)
    present = rng.random((40, 7)) < share
    present[0] = present[:, 0] = True
    values = rng.normal(size=(40, 7))
    grid, rows = grid_of(present), values.T[present.T]
    expected = []
    for count in stationary_bootstrap_counts(40, 3.0, 30, 0):
        drawn = np.repeat(np.arange(40), count)
        stacked = np.where(present[drawn], values[drawn], np.nan)
        expected.append((np.nanmean(stacked), np.nanmedian(np.nanmean(stacked, axis=0))))
    for columns, cells in ((256, 2**23), (3, 80)):
        monkeypatch.setattr(joint_bootstrap, "COLUMNS", columns)
        monkeypatch.setattr(joint_bootstrap, "CELLS", cells)
        np.testing.assert_allclose(np.transpose(joint_resamples(grid, rows, 3.0, 30, 0)), expected, rtol=1e-12)


def test_a_series_that_a_resample_misses_is_absent_from_its_median() -> None:
    present = np.ones((30, 3), bool)
    present[1:, 2] = False
    grid = grid_of(present)
    means, medians = joint_resamples(grid, np.where(np.arange(61) == 60, 9.0, np.repeat([1.0, 2.0, 0.0], [30, 30, 1])), 1.0, 200, 0)
    drawn = stationary_bootstrap_counts(30, 1.0, 200, 0)[:, 0] > 0
    np.testing.assert_allclose(medians, np.where(drawn, 2.0, 1.5))
    assert 0 < drawn.sum() < 200 and np.isfinite(means).all()


def covered(estimate: Estimate) -> bool:
    return estimate.low <= 0.0 <= estimate.high


def test_the_joint_interval_covers_where_series_share_shocks_and_an_independent_one_does_not() -> None:
    series, dates, replicates = 20, 400, 200
    rng, grid = np.random.default_rng(4), grid_of(np.ones((dates, series), bool))
    mean = median = independent = 0
    for k in range(replicates):
        common, own = rng.normal(size=(dates + 1, 1)), rng.normal(size=(dates, series))
        d = (common[1:] + 0.4 * common[:-1] + own).T.ravel()
        found = joint_estimate(grid, d, 400, k)
        mean += covered(found.mean)
        median += covered(found.median)
        each = d.reshape(series, dates)
        error = np.sqrt(sum(diebold_mariano(x, np.zeros(dates)).standard_error ** 2 for x in each)) / series
        independent += abs(d.mean()) < 1.96 * error
    assert 0.89 <= mean / replicates <= 0.98
    assert 0.89 <= median / replicates <= 0.98
    assert independent / replicates < 0.60


def test_many_diebold_mariano_tests_are_the_single_ones() -> None:
    rng = np.random.default_rng(6)
    counts = [300, 2, 27, 26, 1, 3375, 50]
    parts = [rng.normal(0.1, 1.0, n).cumsum() * 0.1 + rng.normal(size=n) for n in counts]
    parts[-1] = np.zeros(50)
    error, p = diebold_mariano_many(np.concatenate(parts), np.cumsum([0, *counts]))
    for i, x in enumerate(parts):
        if len(x) > 1:
            single = diebold_mariano(x, np.zeros(len(x)))
            assert (error[i], p[i]) == pytest.approx((single.standard_error, single.p_value), rel=1e-9, abs=1e-15)
    assert p[4] == 1.0 and p[-1] == 1.0
    assert diebold_mariano_many(np.full(10, 0.5), np.array([0, 10]))[1][0] == 0.0


def test_holm_rejects_as_in_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).beta(0.3, 3.0, 200)
    np.testing.assert_array_equal(holm(p, 0.05), multipletests(p, 0.05, "holm")[0])
    assert 0 < holm(p).sum() < (p < 0.05).sum()


def test_the_confidence_set_keeps_the_best_and_drops_a_clearly_worse_one() -> None:
    rng = np.random.default_rng(7)
    common = rng.standard_normal((400, 1)) ** 2
    good = common + 0.3 * rng.normal(size=(400, 3)) + np.array([0.0, 0.01, 0.3])
    table = np.column_stack([good, good[:, 0], good[:, 2] + 1e-9])
    found = model_confidence_set(table, ["best", "near", "worse", "twin", "worse twin"], "MSE")
    assert found.included == ("best", "near", "twin") and found.p_values["worse"] == found.p_values["worse twin"] < 0.01
    assert found == model_confidence_set(table, ["best", "near", "worse", "twin", "worse twin"], "MSE")
    shaky = np.column_stack([table[:, 0], table[:, 0] + rng.normal(1e-5, 1e-4, 400), table[:, 2]])
    assert model_confidence_set(shaky, ["a", "b", "c"], "MSE").p_values["b"] == 1.0
    assert set(model_confidence_set(np.tile(common, 3), ["a", "b", "c"], "MSE").p_values.values()) == {1.0}
    with pytest.raises(DataError, match="rows and models"):
        model_confidence_set(table, ["best"], "MSE")


def test_the_confidence_set_holds_a_model_that_is_as_good_as_the_best_ninety_times_in_a_hundred() -> None:
    rng = np.random.default_rng(8)
    kept = [len(model_confidence_set(rng.normal(size=(200, 3)), ["a", "b", "c"], "MSE", resamples=200).included) == 3 for _ in range(60)]
    assert np.mean(kept) >= 0.8


def test_who_loses_over_many_series_is_told_so() -> None:
    test = made({"right": 0.0, "wide": 0.5, "far": 1.5, "same": 0.0})
    ahead, behind = compare_panel(test), compare_panel(test, ours="far")
    for score in ("QLIKE", "NLL"):
        found = ahead.difference(score, "far")
        assert (found.verdict, found.outcome, found.won, found.worse) == ("we are better", "win", 1.0, 0) and found.better == 12
        mirror = behind.difference(score, "right")
        assert (mirror.verdict, mirror.outcome, mirror.won, mirror.worse) == ("WE ARE WORSE", "loss", 0.0, 12)
        assert mirror.mean.value == pytest.approx(-found.mean.value) and mirror.mean.low == pytest.approx(-found.mean.high)
        same = ahead.difference(score, "same")
        assert (same.verdict, same.outcome, same.won, same.better, same.worse) == ("equal to four decimals", "tie", 0.0, 0, 0)
        members = ahead.confidence_set(score).included
        assert {"right", "same"} <= set(members) and "far" not in members
    assert "significantly WORSE than, in mean or median: right (QLIKE)" in str(behind)


def test_losses_are_those_of_the_single_comparison_and_the_mean_is_over_rows() -> None:
    test = made({"right": 0.0, "wide": 0.5})
    d = losses(test, "right")["QLIKE"] - losses(test, "wide")["QLIKE"]
    np.testing.assert_allclose(d, -0.5 + test.y**2 * (1 - np.exp(-0.5)))
    found = compare_panel(test).difference("QLIKE", "wide")
    assert found.mean.value == pytest.approx(d.mean())
    assert found.median.value == pytest.approx(np.median(d.reshape(12, 250).mean(1)))


def test_words_follow_the_intervals_and_a_split_verdict_names_both() -> None:
    better, worse, none, same = Estimate(-1, -2, -0.5), Estimate(1, 0.5, 2), Estimate(-1, -3, 1), Estimate(1e-6, -1e-5, 2e-5)
    assert [verdict_of(e) for e in (better, worse, none, same)] == [
        "we are better", "WE ARE WORSE", "no significant difference", "equal to four decimals",
    ]  # fmt: skip
    for mean, median, outcome in ((better, worse, "loss"), (worse, better, "loss"), (better, none, "tie"), (better, better, "win")):
        found = PanelDifference("MSE", "b", mean, median, 1.0, 3, 0.5, 0, 0)
        assert found.outcome == outcome and (";" in found.verdict) == (mean != median)


def test_the_text_states_rows_dates_label_and_number_tried() -> None:
    test = made({"right": 0.0, "a <b>": 0.5})
    found = compare_panel(test, tried=9)
    text = str(found)
    assert "over 12 series (confirmation data): 3,000 one-step-ahead forecasts on 250 dates, 2020-01-01 to 2020-09-06" in text
    assert "9 models were tried" in text and "7 of the models tried are not among these" in text and "Holm" in text
    html = found._repr_html_()
    assert "a &lt;b&gt;" in html and "<b>" not in html and html.count("<table") == 3
    with pytest.raises(ParameterError, match="fewer models tried"):
        compare_panel(test, tried=1)
    with pytest.raises(ParameterError, match="did you mean 'right'"):
        compare_panel(test, ours="rihgt")


def test_compare_takes_a_backtest_of_a_panel_and_the_order_of_its_series_does_not_matter() -> None:
    truth = models.garch_normal().start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
    values = truth.simulate(4 * 300, 1).outcome["log_return"].reshape(4, 300)
    frame = pd.DataFrame(values.T, index=pd.date_range("2010-01-01", periods=300), columns=list("abcd"))
    frame.iloc[:30, 1] = np.nan
    slow, quick = ExponentialSmoothing(), ExponentialSmoothing(0.8, "quick")
    tests = [backtest_panel(slow, f, baselines=[quick], unit="percent") for f in (frame, frame.iloc[:, ::-1])]
    found, turned = (compare(test, tried_before=3) for test in tests)
    assert found.tried == 5 and len(found.backtest.series) == 4
    for a, b in zip(found.differences, turned.differences, strict=True):
        for x, y in ((a.mean, b.mean), (a.median, b.median)):
            assert (x.value, x.low, x.high) == pytest.approx((y.value, y.low, y.high), rel=1e-9, abs=1e-12)
        assert (a.won, a.better, a.worse) == (b.won, b.better, b.worse)
    with pytest.raises(DataError, match="baselines of a panel have run"):
        compare(found.backtest, [quick])


def test_rows_of_a_series_must_be_together_and_there_must_be_dates() -> None:
    with pytest.raises(DataError, match="not together"):
        Grid.of(np.array([0, 1, 0]), np.arange(3))
    with pytest.raises(DataError, match="too few dates"):
        joint_estimate(Grid.of(np.arange(3), np.zeros(3)), np.arange(3.0))


def test_without_arch_the_set_names_the_package(monkeypatch) -> None:
    real = importlib.import_module

    def missing(name: str, *rest: object) -> object:
        if name == "arch.bootstrap":
            raise builtins.ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(confidence_set.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"needs arch, .*seqsci\[finance\]"):
        model_confidence_set(np.random.default_rng(0).normal(size=(50, 2)), ["a", "b"], "MSE")
