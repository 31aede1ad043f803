"""Cluster-robust covariance: statsmodels' numbers, the plain sandwich for clusters of one row, honest errors where rows depend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import seqsci
from seqsci.domains.finance import models
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.artefact import load_fit, save
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import ClusterSandwich, Sandwich
from seqsci.panel.fitting import fit_panel
from seqsci.sequences import Sequences
from seqsci.study import Study, fit
from tests.regression import REGRESSION, draw

TRUTH = {"level": 0.2, "a": 1.0, "b": 2.0, "c": 0.5, "spread": 1.5}
NAMES = ("level", "a", "b", "c")


def frame(rows: int = 400, users: int = 40, seed: int = 3) -> pd.DataFrame:
    """Rows whose errors share a part within a user; users are scattered over the rows."""
    data, rng = draw(rows, seed, 0.3, **TRUTH), np.random.default_rng(seed)
    user = rng.permutation(np.arange(rows) % users)
    y = data.outcome["y"] + rng.normal(0, 1, users)[user]
    return pd.DataFrame({**data.known, "y": y, "user": [f"u{u}" for u in user]})


def least_squares(table: pd.DataFrame) -> sm.OLS:
    return sm.OLS(table["y"], sm.add_constant(table[["x1", "x2", "x3"]]))


def test_errors_are_those_of_statsmodels_for_a_regression():
    table = frame()
    ours = fit(REGRESSION, table, cluster="user")
    groups = pd.factorize(table["user"])[0]
    theirs = least_squares(table).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    expected = np.asarray(theirs.bse) * np.sqrt(40 / 39)
    np.testing.assert_allclose([ours.standard_error(n) for n in NAMES], expected, rtol=2e-6)
    np.testing.assert_allclose([ours.value[n] for n in NAMES], theirs.params, rtol=1e-5)
    plain = fit(REGRESSION, table)
    assert max(abs(plain.standard_error(n) / e - 1) for n, e in zip(NAMES, expected, strict=True)) > 0.1


def test_clusters_of_one_row_are_the_sandwich_with_its_small_sample_factor():
    data = draw(200, 5, **TRUTH)
    singles = Sequences(data.outcome, data.known, group=np.random.default_rng(0).permutation(200))
    ours, plain = (MaximumLikelihood(covariance=c).fit(REGRESSION, singles) for c in (ClusterSandwich(), Sandwich()))
    np.testing.assert_allclose(ours.covariance_raw, plain.covariance_raw * 200 / 199, rtol=1e-9)


def test_repeated_rows_give_no_information_when_they_are_one_cluster():
    data = draw(100, 6, **TRUTH)
    twice = Sequences(
        {"y": np.tile(data.outcome["y"], 3)}, {n: np.tile(v, 3) for n, v in data.known.items()}, group=np.tile(np.arange(100), 3)
    )
    one, three = (MaximumLikelihood(covariance=c).fit(REGRESSION, d) for c, d in ((Sandwich(), data), (ClusterSandwich(), twice)))
    np.testing.assert_allclose(three.covariance_raw, one.covariance_raw * 100 / 99, rtol=1e-4, atol=1e-7)


def test_rows_that_are_not_scored_do_not_count_as_clusters():
    data = draw(200, 7, **TRUTH)
    group = np.arange(200) // 5
    y, weight = data.outcome["y"].copy(), np.ones(200)
    y[:5], weight[5:10] = np.nan, 0.0
    found = MaximumLikelihood(covariance=ClusterSandwich()).fit(REGRESSION, Sequences({"y": y}, data.known, weight=weight, group=group))
    kept = Sequences({"y": data.outcome["y"][10:]}, {n: v[10:] for n, v in data.known.items()}, group=group[10:])
    same = MaximumLikelihood(covariance=ClusterSandwich()).fit(REGRESSION, kept)
    np.testing.assert_allclose(found.covariance_raw, same.covariance_raw, rtol=1e-6)
    assert "38 clusters" in str(found.summary()) and "38 clusters" in str(same.summary())


def test_a_parameter_on_its_bound_leaves_the_others_their_errors():
    for seed in range(40):
        data = draw(200, 700 + seed, **{**TRUTH, "a": 0.0})
        clustered = Sequences(data.outcome, data.known, group=np.arange(200))
        found = MaximumLikelihood(covariance=ClusterSandwich(), profile_bounds=False).fit(REGRESSION, clustered)
        if found.at_bound == ("a",):
            break
    held = MaximumLikelihood(covariance=Sandwich(), profile_bounds=False).fit(REGRESSION.fix(a=0.0), data)
    for name in ("level", "b", "c", "spread"):
        assert found.standard_error(name) == pytest.approx(held.standard_error(name) * np.sqrt(200 / 199), rel=1e-4)


def test_a_cell_with_memory_in_decimals_has_the_errors_of_percent():
    returns = models.garch_normal().start_at(mean=0.0, persistence=0.9, memory=0.8, intercept=0.1).simulate(1200, 1).outcome["log_return"]
    found = []
    for factor, unit in ((1.0, "percent"), (0.01, "decimal")):
        data = Sequences(
            {"log_return": returns * factor}, unit=np.arange(1200) // 300, group=np.arange(1200) // 20, measure={"log_return": unit}
        )
        found.append(MaximumLikelihood(covariance=ClusterSandwich()).fit(models.garch_normal(), data))
    for name, power in (("mean", 1), ("persistence", 0), ("intercept", 2)):
        assert found[1].standard_error(name) == pytest.approx(found[0].standard_error(name) * 0.01**power, rel=1e-4)


def test_the_summary_names_the_clusters_and_says_when_they_are_few(tmp_path):
    many, few = fit(REGRESSION, frame(), cluster="user"), fit(REGRESSION, frame(users=12), cluster="user")
    assert "cluster-robust sandwich, 40 clusters;" in str(many.summary())
    assert "12 clusters (fewer than 30: errors tend to be too small)" in str(few.summary())
    assert str(load_fit(save(few, tmp_path / "fit.json")).summary()) == str(few.summary())


def test_a_column_that_only_names_clusters_is_no_outcome_and_a_unit_can_be_one():
    returns = pd.DataFrame({"log_return": np.random.default_rng(0).normal(0, 1, 300), "desk": np.arange(300) % 60})
    found = seqsci.fit(models.garch_normal(), returns.drop(columns="desk").assign(desk=returns["desk"]), "percent", cluster="desk")
    assert "60 clusters" in found.provenance.covariance
    units = frame().sort_values("user", kind="stable").rename(columns={"user": "unique_id"})
    again = fit(REGRESSION, units, cluster="unique_id")
    assert len(again.sequences.starts) == 40 and "40 clusters" in again.provenance.covariance
    study = Study("s", REGRESSION, frame(), ())
    assert "40 clusters" in fit(study, cluster="user").provenance.covariance
    assert fit(study).provenance.covariance == "sandwich (robust)"


@pytest.mark.parametrize(
    ("make", "column", "text"),
    [
        (lambda f: f, "users", "did you mean 'user'"),
        (lambda f: f.assign(user="same"), "user", "1 cluster in"),
        (lambda f: f.assign(user=f["user"].where(f.index != 7)), "user", "has gaps"),
        (lambda f: f["y"].to_numpy(), "user", "to read clusters from"),
    ],
)
def test_clusters_that_are_not_there_are_refused(make, column, text):
    with pytest.raises((DataError, ParameterError), match=text):
        fit(REGRESSION, make(frame()), cluster=column)


def test_a_panel_of_single_series_refuses_clusters():
    wide = pd.DataFrame({n: np.random.default_rng(i).normal(0, 1, 300) for i, n in enumerate("ab")})
    with pytest.raises(ParameterError, match="a panel has no clusters"):
        fit_panel(models.garch_normal(), wide, unit="percent", estimator=MaximumLikelihood(covariance=ClusterSandwich()))


def test_errors_are_honest_where_rows_of_a_user_depend_on_each_other():
    """Users differ in their level: the plain sandwich's interval of the common level covers too rarely, the clustered one's does not."""
    covered = np.zeros(2)
    for seed in range(60):
        table = frame(300, 50, seed + 100)
        for i, found in enumerate((fit(REGRESSION, table), fit(REGRESSION, table, cluster="user"))):
            low, high = found.interval("level")
            covered[i] += low <= TRUTH["level"] <= high
    assert covered[0] < 50 < covered[1]  # of 60: expected 44 and 57
