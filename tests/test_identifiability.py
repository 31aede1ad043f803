"""Weak identification is told before a number is read: where data are short or silent, not where they are plenty, and the cost is true."""

from __future__ import annotations

import csv
import html
import math
from dataclasses import replace

import numpy as np
import pytest

from seqsci.domains.finance import models
from seqsci.estimation.artefact import load_fit, save
from seqsci.estimation.identifiability import COST, weak_parameters
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.report.page import write_report
from seqsci.rundir import write
from seqsci.sequences import Sequences
from tests.registry import VOLATILITY

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.95, memory=0.88, intercept=0.05)


def fitted(truth: Model, rows: int, seed: int, model: Model | None = None):
    values = truth.simulate(rows, seed).outcome["log_return"]
    return MaximumLikelihood().fit(model or truth, Sequences({"log_return": values}, measure={"log_return": "percent"}))


@pytest.fixture(scope="module")
def silent():
    """Hardly any volatility is passed on, so that the data say next to nothing of its memory."""
    return fitted(GARCH.start_at(persistence=0.05, memory=0.6, intercept=1.0), 5000, 2)


def test_plenty_of_data_raise_no_alarm():
    for fit in (fitted(GARCH, 5000, 1), fitted(VOLATILITY, 5000, 1)):
        assert fit.weak_directions == () and weak_parameters(fit) == frozenset()
        assert "WEAKLY" not in str(fit.summary()) and all("weakly" not in e.flag for e in fit.estimates())


def test_most_short_series_raise_one():
    alarms = [bool(fitted(GARCH, 100, seed).weak_directions) for seed in range(12)]
    assert sum(alarms) >= 8


def test_persistence_and_intercept_trade_off_where_shocks_leave_no_trace(silent):
    pair = next(d for d in silent.weak_directions if set(d.parameters) >= {"persistence", "intercept"})
    assert pair.inflation > 5 and pair.loadings[0] * pair.loadings[1] < 0
    assert "persistence [" in pair.text and "trade off" in pair.text and "correlation -" in pair.text
    assert "annualised_volatility" in pair.readable and "annualised_volatility" in pair.text
    assert "memory" in weak_parameters(silent)


def test_memory_near_one_raises_an_alarm():
    fit = fitted(GARCH.start_at(memory=0.995), 2000, 2)
    assert {"persistence", "memory"} <= weak_parameters(fit)
    assert next(e for e in fit.estimates() if e.name == "memory").flag == "at bound, weakly identified"


def test_the_step_costs_what_the_text_says(silent):
    """Against the score kernel, another compiled pass than the one that chose the step."""
    packed = silent.model.pack(silent.sequences, silent.presamples)
    kernel = silent.model.kernel()
    told = [d for d in silent.weak_directions if d.values]
    assert told
    for direction in told:
        there = silent.model.start_at(**dict(direction.values))
        cost = kernel.score(silent.model.kernel_values, packed).nll - kernel.score(there.kernel_values, packed).nll
        assert -cost == pytest.approx(direction.cost, abs=1e-6) and direction.cost <= COST + 1e-9
        assert f"costs {direction.cost:.2g} log-likelihood" in direction.text
        moved = max(abs(there.value[n] - silent.value[n]) / abs(silent.value[n]) for n in direction.parameters)
        assert moved > 0.05


def test_what_may_be_read_stays_within_its_errors_along_the_step(silent):
    for direction in silent.weak_directions:
        for name in direction.readable:
            there = silent.model.start_at(**dict(direction.values)).derived_values[name]
            assert abs(there - silent.model.derived_values[name]) <= 2 * silent.standard_error(name)
            assert silent.standard_error(name) <= 0.1 * abs(silent.model.derived_values[name])


def test_inflation_is_that_of_two_correlated_estimates(silent):
    """Two parameters with correlation r: the information scaled to a unit diagonal has the eigenvalues 1 - r and 1 + r."""
    r, spread = -0.98, np.array([1.5, 1.5])
    names = ("persistence", "intercept")
    other = silent.model.start_at(persistence=0.5).fix(mean=silent.value["mean"], memory=silent.value["memory"])
    fit = replace(
        silent, model=other, free_names=names, covariance_raw=np.array([[1, r], [r, 1]]) * np.outer(spread, spread), profile_bounds=False
    )
    (found,) = fit.weak_directions
    assert found.inflation == pytest.approx(1 / math.sqrt(1 - abs(r))) and set(found.parameters) == set(names)
    assert np.abs(found.loadings) == pytest.approx([1 / math.sqrt(2)] * 2)
    assert found.standard_error == pytest.approx(1.5 * math.sqrt((1 + abs(r)) / 2))  # along the long axis of the ellipse
    narrow = replace(fit, covariance_raw=fit.covariance_raw / 100)
    assert narrow.weak_directions == ()  # as correlated, but the numbers are known


def test_a_parameter_without_information_is_named_as_not_identified(silent):
    covariance = silent.covariance_raw.copy()
    covariance[2], covariance[:, 2] = np.nan, np.nan
    fit = replace(silent, covariance_raw=covariance)
    first = fit.weak_directions[0]
    assert first.parameters == (silent.free_names[2],) and math.isinf(first.inflation) and "no curvature" in first.text
    assert next(e for e in fit.estimates() if e.name == silent.free_names[2]).flag == "not identified"


def test_the_warning_stands_before_the_table_in_every_rendering(silent):
    summary = silent.summary()
    text, page, latex = str(summary), summary.html(), summary.latex()
    assert text.index("WEAKLY IDENTIFIED") < text.index("std. error")
    assert page.index("Weakly identified") < page.index("<thead>")
    assert latex.index("Weakly identified") < latex.index(r"\midrule") and latex.count(r"\begin") == latex.count(r"\end")
    row = next(line for line in text.splitlines() if line.startswith("memory"))
    assert "weakly identified" in row


def test_a_fit_that_was_saved_warns_in_the_same_words(silent, tmp_path):
    again = load_fit(save(silent, tmp_path / "fit.json"))
    assert [d.text for d in again.weak_directions] == [d.text for d in silent.weak_directions] != []


def test_the_report_of_a_run_warns_before_its_table(silent, tmp_path):
    pytest.importorskip("jinja2")
    write(tmp_path, {"domain": "finance", "name": "silent"}, silent, None)
    text = html.unescape(write_report(tmp_path).read_text())
    warning = next(d.text for d in silent.weak_directions if "trade off" in d.text)
    assert 0 < text.index(warning) < text.index('<section id="parameters">')
    assert "WEAKLY identified: see the warning at the top" in text
    flags = {r["name"]: r["flag"] for r in csv.DictReader((tmp_path / "parameters.csv").read_text().splitlines())}
    assert "weakly identified" in flags["memory"].split(", ") and flags["mean"] == ""
    assert "WEAKLY IDENTIFIED" in (tmp_path / "summary.txt").read_text()
