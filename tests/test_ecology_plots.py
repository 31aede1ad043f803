"""Figures of a population fit show what the run's tables hold, and their captions say it in numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from seqsci.domains.ecology import models, plots
from seqsci.domains.ecology.channels import channels
from seqsci.domains.ecology.horizons import forecast_counts
from seqsci.domains.ecology.simulator import HISTORIES, Population
from seqsci.errors import DataError, ParameterError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.estimation.smoother import smooth
from seqsci.evaluate.residuals import residual_tests, residuals
from seqsci.model import Model
from seqsci.plots import residual_figures, svg
from seqsci.sequences import Sequences


def fitted(model: Model, sites: int, missing: float = 0.0, history: str = "rw") -> tuple[Fit, list[str]]:
    frame = Population().frame(HISTORIES[history], sites=sites, seed=1, missing=missing)
    codes, names = pd.factorize(frame["series_id"])
    y = np.log(frame["count"].to_numpy())
    y = np.round(np.exp(y)) if model.mechanism.outcomes[0].name == "count" else y
    rows = Sequences({model.mechanism.outcomes[0].name: y}, unit=codes, index=frame["year"].to_numpy())
    return MaximumLikelihood(min_rows=20, starts=2, profile_bounds=False).fit(model, rows), [str(n) for n in names]


@pytest.fixture(scope="module")
def one() -> Fit:
    return fitted(models.random_walk_capacity(), 1, 0.15)[0]


@pytest.fixture(scope="module")
def many() -> tuple[Fit, dict[str, pd.DataFrame]]:
    fit, names = fitted(models.random_walk_capacity(), 12)
    return fit, {"forecast": forecast_counts(fit, 5, draws=500, names=names)}


FLEXIBILITY = pd.DataFrame(
    {
        "terms": [2, 4, 6],
        "dependence": [0.95, 0.8, 0.5],
        "low": [0.9, 0.4, -0.5],
        "high": [0.99, 1.0, 1.0],
        "open_low": [False, False, True],
        "open_high": [False, True, True],
        "centre": [0.95, 0.8, 0.5],
    }
)
DEPENDENCE = pd.DataFrame({"model": ["naive AR(1)", "constant"], "dependence": [0.77, 0.9]})
VERDICT = pd.DataFrame({"sentence": ["phi is confounded with drift of the carrying capacity: it falls."]})


def test_the_channel_is_the_smoothed_k_with_its_band_and_missing_years_are_shaded(one: Fit) -> None:
    drawn = plots.capacity_figure(one, {})
    axis = drawn.figure.axes[0]
    k, sd = smooth(one).state("log_capacity")
    np.testing.assert_allclose(axis.lines[0].get_ydata(), np.exp(k))
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isclose(band.max(), np.exp(k + 1.96 * sd).max()) and np.isclose(band.min(), np.exp(k - 1.96 * sd).min())
    gaps = int((one.sequences.observed == 0).sum())
    assert gaps > 2 and len(axis.patches) == gaps and f"{gaps} years without a count" in drawn.caption
    assert axis.get_yscale() == "log"


def test_the_filtered_density_is_that_of_the_smoother_module(one: Fit) -> None:
    found, names = smooth(one), smooth(one).names
    density = channels(one, {})[0].density
    np.testing.assert_allclose(np.log(density), found.filtered[:, names.index("signal")], rtol=1e-6)


def test_the_table_of_states_is_read_and_not_computed_again(one: Fit) -> None:
    table = pd.DataFrame(smooth(one).columns())
    table["smoothed_signal"] += 1.0
    np.testing.assert_allclose(channels(one, {"states": table})[0].capacity, np.e * channels(one, {})[0].capacity)


@pytest.mark.parametrize("name", ["gompertz", "ricker", "slow_channel", "adaptive_slow_channel", "count_slow_channel", "smooth_capacity"])
def test_every_kind_of_model_has_its_channels(name: str) -> None:
    fit, _ = fitted(models.MODELS[name](), 1, 0.1)
    found = channels(fit, {})[0]
    assert np.isfinite(found.capacity).all() and np.isfinite(found.density).all()
    assert 0.2 < found.capacity[-1] / np.nanmedian(found.count) < 5
    assert [f.title for f in plots.figures(fit, {})] == ["Counts and carrying capacity"]


def test_many_series_are_nine_panels_and_the_rest_is_counted(many: tuple[Fit, dict[str, pd.DataFrame]]) -> None:
    fit, tables = many
    for drawn in plots.figures(fit, tables):
        assert len(drawn.figure.axes) == 9 and "3 of 12 are not" in drawn.caption
        titles = {axis.get_title(loc="left") for axis in drawn.figure.axes}
        assert titles < {f"site_{i:02d}" for i in range(1, 13)}
        assert "<svg" in svg(drawn)


def test_the_fan_holds_the_table_and_the_caption_its_risk(one: Fit) -> None:
    table = forecast_counts(one, 10, threshold=60.0, draws=1000)
    drawn = plots.forecast_figure(one, {"forecast": table})
    assert drawn is not None
    axis = drawn.figure.axes[0]
    outer = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isclose(outer.max(), table["high95"].max()) and np.isclose(outer.min(), table["low95"].min())
    risk = float(table["quasi_extinction"].iloc[-1])
    assert f"{risk:.3f}".lstrip("0") in drawn.caption and "60 (dotted)" in drawn.caption
    counts = next(line for line in axis.lines if line.get_marker() == "o").get_xdata()
    assert len(counts) == 30


def test_the_verdict_is_the_first_sentence_and_open_ends_are_arrows() -> None:
    drawn = plots.flexibility_figure({"flexibility": FLEXIBILITY, "dependence": DEPENDENCE, "verdict": VERDICT})
    assert drawn is not None and drawn.caption.startswith("Phi is confounded with drift of the carrying capacity: it falls.")
    arrows = {line.get_marker(): len(line.get_xdata()) for line in drawn.figure.axes[0].lines if line.get_marker() in ("^", "v")}
    assert arrows == {"^": 2, "v": 1} and "0.77" in drawn.caption
    dashed = [line for line in drawn.figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == [0.77]


def test_a_figure_without_its_table_is_left_out(one: Fit) -> None:
    assert plots.flexibility_figure({}) is None and plots.forecast_figure(one, {}) is None
    assert len(plots.figures(one, {"flexibility": FLEXIBILITY})) == 2


def test_residual_diagnostics_work_over_many_series(many: tuple[Fit, dict[str, pd.DataFrame]]) -> None:
    found = residuals(many[0])
    assert found.units == 12 and np.isfinite(found.normal).all() and abs(found.normal.std() - 1) < 0.15
    assert {c.title for c in residual_figures(found)} == {"Quantile plot", "PIT histogram"}
    with pytest.raises(DataError, match="residual tests take one series"):  # the report says so in a note
        residual_tests(found)


def test_another_model_is_refused(one: Fit) -> None:
    from dataclasses import replace

    from seqsci.domains.finance.models import garch_normal

    with pytest.raises(ParameterError, match="not a model of counts"):
        plots.figures(replace(one, model=garch_normal()), {})
