"""An ecology configuration becomes a study: which counts, what a zero is worth, which model, which comparison, which tables."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.cells.survey import Catch, Effort
from seqsci.domains.ecology import study
from seqsci.domains.ecology.backtest.held_out import Terms, held_out
from seqsci.domains.ecology.backtest.own_model import ModelForecaster
from seqsci.domains.ecology.baselines.naive import RandomWalk
from seqsci.domains.ecology.baselines.regressions import SecondOrder
from seqsci.domains.ecology.models import MODELS, flexible_trend, gompertz, harvested, lagged_capacity
from seqsci.domains.ecology.prepared import prepare, to_sequences
from seqsci.domains.ecology.reading.lynx import lynx
from seqsci.domains.ecology.reading.panel import count_panel
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.errors import ConfigError, DataError
from seqsci.estimation.artefact import load_fit, save
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ClusterSandwich
from seqsci.registry import read_config
from seqsci.study import compare_fit

SMALL = {"history": "hump", "sites": 3, "years": 30, "seed": 4}
QUICK = MaximumLikelihood(min_rows=12, profile_bounds=False)
needs_files = pytest.mark.skipif(not Path(os.environ.get("SEQSCI_DATA") or os.devnull, "ecology").is_dir(), reason="no SEQSCI_DATA/ecology")


def config(**more: object) -> dict[str, object]:
    table = {"name": "mine", "domain": "ecology", "data": {"simulated": SMALL}, "model": "random_walk_capacity"}
    return {**table, "comparison": {"baselines": ["random_walk", "second_order"]}, **more}


def drawn(sites: int = 3, years: int = 30, **values: float) -> pd.DataFrame:
    return Population(**values).frame(HISTORIES["const"], years, sites, 4)


@pytest.fixture(scope="module")
def built() -> study.Study:
    return study.build(config())


@pytest.fixture(scope="module")
def fitted(built: study.Study):
    return built.estimator.fit(built.model, built.sequences())  # type: ignore[union-attr]


def test_several_series_share_the_parameters_and_keep_their_names(built: study.Study, fitted) -> None:
    assert built.units == ("site_01", "site_02", "site_03")
    assert len(fitted.sequences.starts) == 3 and fitted.unit == "log count"
    assert fitted.sequences.index.tolist() == list(range(1980, 2010)) * 3
    alone = study.build(config(data={"simulated": SMALL, "series": "site_02"}))
    assert alone.units == ("site_02",) and len(alone.sequences()) == 30


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"model": "smooth"}, "did you mean 'smooth_capacity'"),
        ({"modle": "gompertz"}, "did you mean 'model'"),
        ({"data": {}}, "ecology/lynx"),
        ({"data": {"source": "salmn"}}, "did you mean 'salmon'"),
        ({"data": {"simulated": {"history": "hmp"}}}, "did you mean 'hump'"),
        ({"data": {"simulated": SMALL, "series": "site_2"}}, "did you mean 'site_02'"),
        ({"comparison": {"baselines": ["randomwalk"]}}, "did you mean 'random_walk'"),
        ({"observation_error": "knwon"}, "none or estimated or given"),
        ({"observation_error": "given"}, "--data.observation_sd_column"),
        ({"model": "gompertz", "observation_error": "estimated"}, "no observation error"),
        ({"model": "harvested"}, "--data.catch_column NAME, --data.effort_column NAME"),
        ({"threshold": 0}, "a count above 0"),
        ({"estimator": {"class_path": "GradientDescent"}}, "MaximumLikelihood"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_right(change: dict[str, object], text: str) -> None:
    with pytest.raises((ConfigError, DataError), match=text):
        study.build(config(**change))


def test_a_zero_is_worth_half_the_least_count_of_its_series_in_the_fit_and_of_the_training_window_in_the_backtest() -> None:
    frame = drawn(1)
    frame.loc[[2, 28], "count"] = 0.0
    frame.loc[29, "count"] = 0.01  # after the training window: in the comparison it must not decide
    ready, panel = prepare(frame), count_panel(frame)
    least = frame["count"][:21][frame["count"][:21] > 0].min()
    assert ready.zero_value == {"site_01": 0.005} and panel.zero_value[0] == least / 2
    assert np.exp(ready.rows["log_count"][2]) == pytest.approx(0.005) and np.exp(panel.log_count[2]) == pytest.approx(least / 2)
    assert "zeros: 2" in ready.summary and "site_01 0.005" in ready.summary
    told = "\n".join(held_out(RandomWalk(), [SecondOrder()], panel, Terms()).heading)
    assert f"first 70 % of its series' years, so that no later count decides: site_01 {least / 2:g}" in told
    assert f"WARNING: site_01: a zero counts as {least / 2:g} there, more than the 0.01 counted in 2009" in told
    frame.loc[29, "count"] = 1e4
    assert "WARNING" not in str(held_out(RandomWalk(), [SecondOrder()], count_panel(frame), Terms()))


def test_series_that_cannot_be_modelled_are_left_out_by_name_and_counted() -> None:
    extra = [("few", [3.0]), ("none", [0.0] * 20), ("late", [0.0] * 20 + [4.0] * 4), ("gone", [np.nan] * 9)]
    rows = [pd.DataFrame({"series_id": n, "year": np.arange(1990, 1990 + len(v)), "count": v}) for n, v in extra]
    rows += [pd.DataFrame({"series_id": "typo", "year": [1990, 1991, 1992, 1993, 19940], "count": 5.0})]
    ready = prepare(pd.concat([drawn(2), *rows]))
    assert ready.names == ("late", "site_01", "site_02") and ready.zero_value == {"late": 2.0}
    assert set(ready.left_out) == {"few", "none", "gone", "typo"}
    for name, words in (("few", "1 observed"), ("none", "every count is zero"), ("typo", "mistyped")):
        assert words in ready.left_out[name] and f"left out: {name}" in ready.summary
    with pytest.raises(DataError, match="few: 1 observed"):
        prepare(pd.concat([r for r in rows if r["series_id"].iloc[0] != "late"]))


def test_what_is_known_of_a_count_may_miss_where_nobody_counted_and_nowhere_else() -> None:
    frame = drawn(1).assign(effort=2.0, catch=1.0)
    frame.loc[5, ["count", "effort"]] = np.nan
    made = to_sequences(harvested(), prepare(frame).rows)
    assert made.known["log_effort"] == pytest.approx(np.log(2.0)) and not made.observed[5]
    with pytest.raises(DataError, match="1 counted years without one, the first 1986"):
        to_sequences(harvested(), prepare(frame.assign(effort=np.where(frame["year"] == 1986, 0.0, frame["effort"]))).rows)
    with pytest.raises(DataError, match="catch in 1985"):
        to_sequences(harvested(), prepare(frame.assign(catch=frame["catch"].where(frame["year"] != 1985))).rows)
    with pytest.raises(DataError, match="whole"):
        to_sequences(MODELS["count_slow_channel"](), prepare(frame).rows)


def test_trend_columns_of_a_window_end_with_it() -> None:
    rows = prepare(drawn(2)).rows
    cut = to_sequences(flexible_trend(2), rows[rows["year"] < 2000], 1999).known["trend_1"]
    whole = to_sequences(flexible_trend(2), rows, 1999).known["trend_1"]
    np.testing.assert_array_equal(cut[:20], whole[:20])
    assert not np.array_equal(whole, to_sequences(flexible_trend(2), rows).known["trend_1"])


@pytest.mark.parametrize("name", ["random_walk_capacity", "adaptive_slow_channel"])
def test_forecasts_of_our_model_do_not_move_when_later_counts_do(name: str) -> None:
    frame = drawn(2)
    later = frame.assign(count=frame["count"].where(frame["year"] < 2007, frame["count"] * 9))
    made = []
    for f in (frame, later):
        ready = prepare(f)
        made.append(ModelForecaster(MODELS[name](), ready.rows, QUICK).forecast(count_panel(f)))
    before = count_panel(frame).year[count_panel(frame).test_rows] <= 2007
    np.testing.assert_array_equal(made[0].mean[before], made[1].mean[before])
    assert not np.array_equal(made[0].mean, made[1].mean)


def test_our_forecast_of_an_exact_ar1_is_the_regression_of_the_baseline_but_for_its_start() -> None:
    frame = drawn(1, 120, observation_sd=0.0)
    panel = count_panel(frame)
    ours = ModelForecaster(gompertz(), prepare(frame).rows, QUICK).forecast(panel)
    from seqsci.domains.ecology.baselines.regressions import Gompertz

    theirs = Gompertz().forecast(panel)
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=0.03)
    np.testing.assert_allclose(ours.log_density, theirs.log_density, atol=0.1)


def test_a_comparison_says_who_wins_and_what_was_left_out(built: study.Study, fitted) -> None:
    made = compare_fit(fitted, built)
    assert [r.model for r in made.scores] == ["random-walk K (ours)", "random walk", "AR(2)"]
    assert {d.score for d in made.differences} == {"log RMSE", "log CRPS", "NLL"}
    text = str(made)
    for words in ("(development data)", "27 one-year-ahead forecasts of 3 series", "4 models were tried", "too short"):
        assert words in text.split("\n\n")[0]
    assert "not compared: bank of two-channel cells" in text and "3 clusters of series, 8 are needed" in text


def test_the_cycle_of_the_lynx_beats_our_model_and_the_text_says_so() -> None:
    frame = lynx()
    ours = ModelForecaster(MODELS["random_walk_capacity"](), prepare(frame).rows, QUICK)
    made = held_out(ours, [RandomWalk(), SecondOrder()], count_panel(frame), Terms())
    lost = {d.score: d for d in made.differences if d.baseline == "AR(2)"}
    assert all(d.outcome == "loss" and d.low > 0 for d in lost.values())
    assert "significantly WORSE than: AR(2) (MSE, CRPS, NLL)" in str(made)


def test_a_model_of_counts_is_left_out_of_densities_of_log_counts_with_its_reason() -> None:
    frame = drawn(1).round({"count": 0})
    ours = ModelForecaster(MODELS["count_slow_channel"](), prepare(frame).rows, QUICK)
    made = held_out(ours, [RandomWalk()], count_panel(frame), Terms())
    assert [r.model for r in made.scores] == ["random walk"] and not made.differences
    assert "not compared: slow channel, counts (ours)" in str(made)


def test_series_too_short_for_a_test_window_are_fitted_and_the_comparison_says_why(tmp_path: Path) -> None:
    drawn(1, 14).to_csv(tmp_path / "short.csv", index=False)
    short = study.build(config(data={"path": str(tmp_path / "short.csv")}))
    assert "observed training years" in short.not_compared
    fit = short.estimator.fit(short.model, short.sequences())  # type: ignore[union-attr]
    with pytest.raises(DataError, match="observed training years"):
        compare_fit(fit, short)


def test_tables_are_those_of_the_inference_and_of_the_forecast(built: study.Study, fitted, capsys: pytest.CaptureFixture[str]) -> None:
    tables = replace(built.tables, horizon=3, threshold=20.0)(fitted)  # type: ignore[type-var, misc]
    assert set(tables) == {"flexibility", "dependence", "verdict", "forecast"}
    assert tables["flexibility"].columns.tolist() == ["terms", "dependence", "low", "high", "open_low", "open_high", "centre"]
    assert tables["verdict"].columns.tolist() == ["name", "fall", "width", "open_high", "kind", "sentence"]
    assert tables["verdict"]["sentence"].item() in capsys.readouterr().out
    assert tables["forecast"].groupby("series_id")["year"].apply(list).to_dict() == {n: [2010, 2011, 2012] for n in built.units}
    assert (tables["forecast"]["threshold"] == 20.0).all()


def test_clusters_reach_the_errors_of_the_fit_and_few_do_not(tmp_path: Path) -> None:
    many = drawn(24).assign(source=lambda f: f["series_id"].str[-1])
    few = many.assign(source=lambda f: f["series_id"].str[-2])
    for frame, robust in ((many, True), (few, False)):
        frame.to_csv(tmp_path / "counts.csv", index=False)
        made = study.build(config(data={"path": str(tmp_path / "counts.csv"), "cluster_column": "source"}))
        assert isinstance(made.estimator, MaximumLikelihood) and isinstance(made.estimator.covariance, ClusterSandwich) is robust
        assert len(np.unique(made.sequences().group)) == frame["source"].nunique()


def test_the_climb_of_a_density_that_follows_k_late_finds_the_basin_where_k_is_all() -> None:
    found = QUICK.fit(lagged_capacity(), to_sequences(lagged_capacity(), prepare(lynx()).rows))
    assert found.log_likelihood > -118.1  # -135.2 where K stands still
    assert found.value["dependence"] == pytest.approx(0.54, abs=0.05)  # as the grid of the inference has it


def test_a_model_with_inputs_is_saved_and_loaded_with_them(tmp_path: Path) -> None:
    frame = drawn(1).assign(effort=2.0, catch=np.arange(30) % 3)
    fit = QUICK.fit(harvested(), to_sequences(harvested(), prepare(frame).rows))
    again = load_fit(save(fit, tmp_path / "model.json"))
    assert again.model == fit.model and again.model.mechanism.inputs == (Catch(), Effort())
    np.testing.assert_array_equal(again.path.density, fit.path.density)


def test_the_shipped_demonstration_is_confounded_and_its_model_wrong() -> None:
    made = study.build(read_config("ecology/drift_demo"))
    fit = replace(made.estimator, profile_bounds=False).fit(made.model, made.sequences())  # type: ignore[arg-type, type-var]
    assert fit.value["dependence"] > 0.9  # the truth is 0.5
    assert made.tables.dependence().verdict.name == "confounded with drift"  # type: ignore[union-attr]


@needs_files
@pytest.mark.parametrize(("name", "series"), [("gpdd", 492), ("salmon", 146)])
def test_published_panels_become_a_task_a_fit_a_series(name: str, series: int) -> None:
    task = study.panel(read_config(f"ecology/{name}"))
    assert task.frame["series_id"].nunique() == series and task.by == "series_id" and task.fewest == 12
