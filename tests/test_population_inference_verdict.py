"""The public call on frames: a small confounding study, gaps, zeros, clusters, tables, and every refusal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.ecology_confounding import PHI, flags, study
from seqsci.domains.ecology.inference.density_dependence import density_dependence
from seqsci.domains.ecology.inference.design import design_table, fitted_population
from seqsci.domains.ecology.inference.drift import ConstantCapacity, FlexibleTrend
from seqsci.domains.ecology.inference.naive import naive_dependence
from seqsci.domains.ecology.inference.observation_error import UNKNOWN, GivenObservationError, NoObservationError
from seqsci.domains.ecology.inference.profile import estimate_dependence
from seqsci.domains.ecology.inference.sites import Site, read_sites
from seqsci.domains.ecology.inference.verdict import CONFOUNDED, IDENTIFIED, LOOSE, VerdictRule
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.errors import DataError

REPLICATES = 10


@pytest.fixture(scope="module")
def studies():
    return {name: study(name, REPLICATES, seed=500) for name in ("const", "exp", "hump", "hump2")}


@pytest.fixture(scope="module")
def result():
    return density_dependence(Population().frame(HISTORIES["hump"], seed=1), covariate="log_capacity")


def test_the_naive_regression_is_sure_of_a_wrong_phi_under_drift_and_errors_push_the_other_way(studies) -> None:
    assert studies["exp"]["naive"].bias > 0.15 and studies["exp"]["naive"].coverage <= 0.1
    assert studies["const"]["naive"].bias < -0.15


def test_smooth_capacity_removes_the_bias_of_a_decline_but_not_of_a_hump(studies) -> None:
    for name in ("const", "exp"):
        c = studies[name]["smooth"]
        assert abs(c.bias) < 0.12 and c.coverage >= 0.75 and 0.3 < c.width < 0.65
    assert studies["hump2"]["smooth"].coverage < 0.75


def test_constant_and_exponential_capacity_are_one_result_for_smooth_capacity() -> None:
    paths, capacity = Population().draw(HISTORIES["exp"], 40, 10, seed=3)
    flat = paths - capacity
    straight = [
        density_dependence(frame_of(p), terms=(2, 6)).models[2]
        for p in (flat[0], flat[0] + np.linspace(0, -1.386, 40) * np.arange(10)[:, None])
    ]
    assert straight[0].dependence == pytest.approx(straight[1].dependence, abs=1e-6)


def test_six_trend_terms_cover_phi_whatever_capacity_did(studies) -> None:
    for cells in studies.values():
        assert abs(cells["flexible"].bias) < 0.3 and cells["flexible"].coverage >= 0.75 and cells["flexible"].width < 0.95


def test_the_flag_fires_on_humps_and_is_quiet_without_drift_or_under_a_straight_one(studies) -> None:
    fired = {name: flags(cells)["flag"] for name, cells in studies.items()}
    assert fired["const"] <= 0.2 and fired["exp"] <= 0.25
    assert fired["hump"] >= 0.5 and fired["hump2"] >= 0.5


def test_capacity_itself_as_covariate_is_a_remedy_and_a_noisy_one_is_not(studies) -> None:
    assert abs(studies["hump"]["covariate"].bias) < 0.07 and studies["hump"]["covariate"].coverage >= 0.75
    assert studies["hump"]["noisy"].bias > 0.08 and studies["hump"]["noisy"].coverage < 0.5


def test_one_site_does_not_identify_anything() -> None:
    found = density_dependence(Population().frame(HISTORIES["const"], sites=1, seed=4))
    assert found.verdict.name == LOOSE and found.headline.open_high


def test_many_exact_counts_identify() -> None:
    found = density_dependence(Population(observation_sd=0).frame(HISTORIES["const"], seed=2), NoObservationError(), terms=(2, 6))
    assert found.verdict.name == IDENTIFIED and found.headline.low < PHI < found.headline.high < 1


def frame_of(paths: np.ndarray) -> pd.DataFrame:
    sites, years = paths.shape
    return pd.DataFrame(
        {
            "series_id": np.repeat([f"s{i:02d}" for i in range(sites)], years),
            "year": np.tile(np.arange(years), sites),
            "count": np.exp(paths).ravel(),
        }
    )


def test_an_absent_row_is_a_missing_year_and_order_does_not_matter() -> None:
    frame = Population().frame(HISTORIES["const"], sites=5, seed=6, missing=0.25)
    dense = density_dependence(frame, terms=(2, 6))
    sparse = density_dependence(frame.dropna(subset=["count"]).sample(frac=1, random_state=1), terms=(2, 6))
    assert dense.to_frame().equals(sparse.to_frame())


def test_a_zero_is_half_the_smallest_positive_count_of_its_series() -> None:
    frame = Population().frame(HISTORIES["const"], sites=2, seed=6)
    frame.loc[[3, 50], "count"] = 0.0
    first, second = read_sites(frame)
    for site, rows, at in ((first, frame[:40], 3), (second, frame[40:], 10)):
        assert site.log_count[at] == pytest.approx(np.log(rows["count"][rows["count"] > 0].min() / 2))


def test_series_of_one_source_widen_the_interval_they_do_not_narrow_it() -> None:
    once = Population().frame(HISTORIES["const"], sites=30, years=40, seed=3).assign(source=lambda f: f["series_id"])
    twice = pd.concat([once, once.assign(series_id="copy " + once["series_id"])])
    plain = density_dependence(twice, terms=(2, 6)).headline
    clustered = density_dependence(twice, cluster="source", terms=(2, 6)).headline
    assert plain.inflation == 1 and clustered.inflation >= 1 and clustered.width >= plain.width
    constant = [density_dependence(twice, NoObservationError(), cluster=c, terms=(2, 6)).models[0] for c in (None, "source")]
    assert constant[1].inflation > 1.3 and constant[1].width > 1.1 * constant[0].width
    with pytest.raises(DataError, match="too few clusters"):
        density_dependence(twice[twice["source"] < "site_04"], cluster="source")


def test_where_sites_share_their_shocks_the_jackknife_restores_coverage_that_independence_loses() -> None:
    shared, _ = Population(observation_sd=0).draw(HISTORIES["const"], 40, 20, 60, seed=8)
    rng = np.random.default_rng(8)
    covered = np.zeros(2)
    for x in shared:
        sites = [Site(f"{c}_{i}", str(c), 1, x[c] + rng.normal(0, 0.2, 40)) for c in range(20) for i in range(5)]
        for i, clustered in enumerate((False, True)):
            e = estimate_dependence(sites, ConstantCapacity(), UNKNOWN, clustered)
            covered[i] += e.low <= PHI <= e.high
    assert covered[0] / 60 < 0.9 and covered[1] / 60 >= 0.87 and covered[1] >= covered[0] + 4


def test_known_errors_of_counting_tell_more_than_unknown_ones() -> None:
    frame = Population().frame(HISTORIES["const"], sites=8, seed=3).assign(observation_sd=0.2)
    unknown, known = (density_dependence(frame, *e, terms=(2, 6)).headline for e in ((), (GivenObservationError(),)))
    assert known.width < unknown.width and known.observation_sd == pytest.approx(0.2) and known.process_sd == pytest.approx(0.2, abs=0.05)


def test_the_result_prints_every_model_and_the_reason_of_its_verdict(result) -> None:
    text = str(result)
    assert result.verdict.name == CONFOUNDED and f"falls by {result.verdict.fall:.2f} (limit of a fall: 0.25)" in text
    for model in ("naive AR(1)", "constant K", "random-walk K, lagged", "smooth K", "K from log_capacity", "7 trend terms"):
        assert model in text and model in result.to_frame().index
    assert result.flexibility["terms"].tolist() == [2, 3, 4, 5, 6, 7]
    table = result.to_frame()
    assert (table["low"] <= table["dependence"]).all() and (table["dependence"] <= table["high"]).all()
    assert result.flexibility["centre"].iloc[0] - result.flexibility["centre"].iloc[4] == pytest.approx(result.verdict.fall)


def test_a_stricter_rule_changes_the_verdict_and_not_the_estimates(result) -> None:
    few, many = dict(result.trend)[2], dict(result.trend)[6]
    assert VerdictRule(fall=result.verdict.fall + 0.01, widest=1.5).judge(few, replace(many, open_high=False)).name == IDENTIFIED
    assert VerdictRule(fall=result.verdict.fall + 0.01, widest=1.5).judge(few, many).name == LOOSE
    assert VerdictRule(fall=result.verdict.fall + 0.01, widest=0.01).judge(few, many).name == LOOSE


def test_more_sites_and_years_narrow_the_interval_of_a_design() -> None:
    table = design_table(Population(), sites=(2, 30), years=(20, 80), replicates=4).set_index(["sites", "years"])["width"]
    assert table[2, 20] > table[30, 20] > table[30, 80] and table[2, 20] > table[2, 80]


def test_the_design_starts_from_fitted_values(result) -> None:
    population = fitted_population(result)
    assert population.dependence == result.headline.centre and population.process_sd == result.headline.process_sd
    with pytest.raises(DataError, match="at least 2"):
        design_table(population, replicates=1)
    with pytest.raises(DataError, match="too short"):
        design_table(population, years=(8,), sites=(2,), replicates=2)


def test_the_naive_interval_of_one_site_is_that_of_the_regression() -> None:
    from scipy.stats import linregress, t

    y = Population().draw(HISTORIES["const"], 40, 1)[0][0, 0]
    found, peer = naive_dependence([Site("a", "a", 1, y)]), linregress(y[:-1], y[1:])
    assert found.dependence == pytest.approx(peer.slope)
    assert found.width == pytest.approx(2 * t.ppf(0.975, 37) * peer.stderr)


def test_a_site_without_consecutive_years_has_no_regression_and_the_models_use_it_all_the_same() -> None:
    frame = Population().frame(HISTORIES["const"], sites=3, years=50, seed=9)
    gaps = frame[(frame["series_id"] != "site_02") | (frame["year"] % 2 == 0)]
    found, without = (density_dependence(f, terms=(2, 6)) for f in (gaps, gaps[gaps["series_id"] != "site_02"]))
    assert np.isnan(found.naive.slopes[1]) and found.naive.dependence == pytest.approx(without.naive.dependence)
    assert found.headline.sites == 3 and found.headline.log_likelihood != pytest.approx(without.headline.log_likelihood, abs=0.1)
    alone = density_dependence(gaps[gaps["series_id"] == "site_02"], terms=(2, 6))
    assert np.isnan(alone.naive.dependence) and np.isfinite(alone.headline.dependence)


def test_the_verdict_says_where_no_density_dependence_is_not_excluded(result) -> None:
    assert result.headline.open_high and "phi = 1) is not excluded" in str(result.verdict)
    exact = density_dependence(Population(observation_sd=0).frame(HISTORIES["const"], seed=2), NoObservationError(), terms=(2, 6))
    assert not exact.headline.open_high and "excludes 1, no density dependence" in str(exact.verdict)


GOOD = Population().frame(HISTORIES["const"], sites=2, years=30, seed=9)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (GOOD.iloc[:0], "no rows"),
        (GOOD.iloc[:1], "site_01: 1 observed years"),
        (GOOD.assign(count=np.nan), "site_01: 0 observed years; site_02: 0 observed years"),
        (GOOD[GOOD["year"] < 1991], "site_01: 11 observed years"),
        (GOOD.assign(count=3.0), "every count is 3"),
        (GOOD.assign(count=-GOOD["count"]), "a negative count"),
        (GOOD.assign(count=0.0), "no positive count"),
        (GOOD.assign(count=np.inf), "not a finite number"),
        (GOOD.assign(year=GOOD["year"] + 0.5), "not a whole number"),
        (pd.concat([GOOD, GOOD[:1]]), "year 1980 twice"),
        (GOOD.rename(columns={"count": "counts"}), "no column 'count' (did you mean 'counts'?)"),
        (GOOD.assign(year=np.nan), "rows without series_id or year"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_with_the_reason(frame: pd.DataFrame, text: str) -> None:
    with pytest.raises(DataError) as caught:
        density_dependence(frame)
    assert text in str(caught.value) and "fix:" in str(caught.value)


def test_covariates_and_errors_with_holes_are_refused() -> None:
    hole = GOOD.copy()
    hole.loc[5, "log_capacity"] = np.nan
    with pytest.raises(DataError, match="site_01: log_capacity is missing in 1985"):
        density_dependence(hole, covariate="log_capacity")
    with pytest.raises(DataError, match="log_capacity does not vary"):
        density_dependence(GOOD, covariate="log_capacity")
    with pytest.raises(DataError, match="an observed year without observation_sd"):
        density_dependence(GOOD.assign(observation_sd=np.nan), GivenObservationError())
    with pytest.raises(DataError, match="2 values of source"):
        density_dependence(GOOD.assign(source=GOOD["year"] % 2), cluster="source")


def test_a_trend_without_terms_and_a_rule_upside_down_are_refused() -> None:
    with pytest.raises(DataError, match="no terms"):
        FlexibleTrend(0)
    with pytest.raises(DataError, match="1 <= few < many"):
        VerdictRule(few=6, many=2)
    with pytest.raises(DataError, match="below one"):
        density_dependence(GOOD, terms=(0, 2))
