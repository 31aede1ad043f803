"""A memory configuration becomes a study: whose rows, which prior, which comparison; the shipped priors; the figures of a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory import plots, study
from seqsci.domains.memory.backtest.held_out import held_out
from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor
from seqsci.domains.memory.baselines.constant import ConstantRecall
from seqsci.domains.memory.cell_predictor import CellRecall, OwnReviews
from seqsci.domains.memory.fits import NARROWEST, fit_user
from seqsci.domains.memory.models import MODELS, fsrs6, power, sbd
from seqsci.domains.memory.population import ADDITIVE_STABILITY, FSRS_6, PRIORS
from seqsci.domains.memory.reading.files import write_csv
from seqsci.domains.memory.reviews import from_rows
from seqsci.domains.memory.simulator import RandomIntervals, Relearning, simulate_log
from seqsci.errors import ConfigError, DataError, ParameterError
from seqsci.estimation.result import Fit

QUICKLY = ["constant", "moving average"]


@pytest.fixture(scope="module")
def reviews() -> pd.DataFrame:
    """Three users, failed cards seen again on the same day."""
    truth = [sbd().start_at(decay=d) for d in (0.2, 0.3, 0.4)]
    return from_rows(simulate_log(truth, 150, 8, Relearning(RandomIntervals(1, 30)), 1)).frame


@pytest.fixture(scope="module")
def file(reviews: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(from_rows(reviews), tmp_path_factory.mktemp("log") / "reviews.csv")


def config(file: Path | None = None, **more: object) -> dict[str, object]:
    data = {"simulated": {"cards": 40, "reviews": 6, "seed": 2}} if file is None else {"path": str(file), "timezone": "UTC"}
    return {"name": "mine", "domain": "memory", "data": data, "comparison": {"baselines": QUICKLY}, **more}


def of_user(file: Path, **more: object) -> dict[str, object]:
    made = config(file, **more)
    return {**made, "data": {**made["data"], "user": "1"}}  # type: ignore[dict-item]


def test_a_study_holds_one_users_rows_and_the_prior_of_the_others(file: Path, reviews: pd.DataFrame) -> None:
    built = study.build(of_user(file))
    mine = reviews[reviews["user"] == 1]
    assert set(built.frame["user"]) == {1} and len(built.frame) == len(mine)
    assert built.rows is not None and len(built.rows) == (mine["review"] > 0).sum()
    assert built.rows.weight.sum() == mine["scored"].sum()
    assert built.model.prior is not None and built.model.prior.source == "2 other users"


def test_without_other_users_the_shipped_prior_is_taken_and_none_is_none(file: Path) -> None:
    alone = study.build(config())
    assert alone.model.prior == PRIORS["AdditiveStability"]
    assert study.build(config(prior="none")).model.prior is None
    assert study.build(config(model="power")).model.prior is None  # none ships


def test_fractional_days_reach_the_rows(file: Path) -> None:
    made = of_user(file, prior="none")
    whole = study.build(made)
    fractional = study.build({**made, "data": {**made["data"], "days": "fractional"}})  # type: ignore[dict-item]
    assert whole.rows is not None and fractional.rows is not None
    assert (whole.rows.known["elapsed_days"] % 1 == 0).all()
    assert (fractional.rows.known["elapsed_days"] % 1 != 0).mean() > 0.9


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"model": "sdb"}, "did you mean 'sbd'"),
        ({"modell": "sbd"}, "did you mean 'model'"),
        ({"data": {}}, "no reviews"),
        ({"data": {"simulated": {"card": 3}}}, "did you mean 'cards'"),
        ({"data": {"pth": "x"}}, "did you mean 'path'"),
        ({"prior": "populatoin"}, "population"),
        ({"comparison": {"baselines": ["constnt"]}}, "did you mean 'constant'"),
        ({"data": {"path": "x.csv", "card_column": "c"}}, "--data.time_column"),
        ({"estimator": {"class_path": "GradientDescent"}}, "MaximumLikelihood"),
    ],
)
def test_a_wrong_key_or_name_is_told_with_the_place(change: dict[str, object], text: str) -> None:
    with pytest.raises((ConfigError, DataError, ParameterError), match=text):
        study.build({**config(), **change})


def test_several_users_need_a_choice_and_a_wrong_one_is_told(file: Path) -> None:
    with pytest.raises(DataError, match=r"3 users(.|\n)*--data.user"):
        study.build(config(file))
    made = config(file)
    with pytest.raises(DataError, match="no user '7'"):
        study.build({**made, "data": {**made["data"], "user": "7"}})  # type: ignore[dict-item]


def test_a_panel_is_a_fit_a_user_over_its_cards(file: Path, reviews: pd.DataFrame) -> None:
    task = study.panel(config(file))
    assert (task.by, task.within) == ("user", "card_id")
    assert len(task.frame) == (reviews["review"] > 0).sum() and task.frame["user"].nunique() == 3
    assert task.model.mechanism == sbd().mechanism


def test_the_comparison_of_a_study_is_ours_minus_the_baselines_and_its_sign_is_right(file: Path) -> None:
    built, told = study.build(of_user(file)), list[str]()
    assert built.held_out is not None
    found = built.held_out(None, told.append)
    ours, constant = found.scores[0], next(s for s in found.scores if s.model == "constant")
    d = next(d for d in found.differences if d.baseline == "constant")
    assert d.mean == pytest.approx(ours.log_loss - constant.log_loss, abs=1e-12) and d.low < d.mean < d.high
    assert d.mean < 0 and 0 < d.p_value < 1 and (d.p_value < 0.05) == (d.high < 0)
    assert {s.online for s in found.scores} == {0, 1} and any("constant" in line for line in told)
    assert str(found) == str(found.comparison)


@dataclass(frozen=True, eq=False)
class Nosy(RecallPredictor):
    """Tells whose rows it was given, by the constant that it forecasts."""

    seen: tuple[int, ...] = ()

    name = "nosy"
    parameters = 0

    def given_others(self, others: pd.DataFrame) -> Nosy:
        return Nosy(tuple(sorted(others["user"].unique())))

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        assert set(train["user"]) == {1} and self.seen in ((), (0, 2))
        return ConstantRecall().fit(train)


def test_predictors_learn_from_the_others_before_and_never_from_the_user(reviews: pd.DataFrame) -> None:
    mine, others = reviews[reviews["user"] == 1], reviews[reviews["user"] != 1]
    found = held_out([Nosy(), ConstantRecall()], mine, others, False, "development", 3, None)
    assert found.differences[0].mean == 0 and found.differences[0].p_value == 1  # the same forecasts
    assert found.comparison.tried == 5 and math.isfinite(found.scores[0].log_loss)
    alone = held_out([CellRecall(sbd(), OwnReviews()), ConstantRecall()], mine, others.iloc[:0], False, "confirmation", 0, None)
    assert "confirmation" in str(alone)


def test_shipped_priors_name_the_parameters_of_their_models_in_order_and_are_proper() -> None:
    for model, table in ((sbd(), ADDITIVE_STABILITY), (fsrs6(), FSRS_6)):
        prior = PRIORS[type(model.mechanism).__name__]
        assert prior.names == tuple(table) == model.free_names
        assert min(np.sqrt(np.diag(prior.matrix))) >= NARROWEST - 1e-9
        assert "six Anki users" in prior.source
        centre = {p.name: float(p.constraint.forward(table[p.name][0])) for p in model.parameters}
        for p in model.parameters:
            low, high = p.constraint.bounds
            assert low < centre[p.name] < high
        assert model.with_prior(prior).active_prior is not None
        assert 0.5 < CellRecall(model.start_at(**centre)).model.filter(_one_review(model)).reads[0, 0] < 1


def _one_review(model):
    from seqsci.sequences import Sequences

    known = {k.name: np.array([{"elapsed_days": 1.0, "first_grade": 3.0}.get(k.name, 0.0)]) for k in model.mechanism.known}
    return Sequences({o.name: np.ones(1) for o in model.mechanism.outcomes}, known, unit=np.zeros(1, int))


@pytest.fixture(scope="module")
def fit(reviews: pd.DataFrame) -> Fit:
    return fit_user(sbd(), reviews[reviews["user"] == 1])


def test_a_curve_starts_from_the_cards_state_and_goes_through_the_forecast(fit: Fit) -> None:
    p, rows = plots.recall_probability(fit), np.arange(0, len(fit.sequences), 37)
    for row in rows:
        days = fit.sequences.known["elapsed_days"][row]
        drawn = plots.curve(fit, int(row), np.array([0.0, days, days + 5]))
        assert drawn[1] == pytest.approx(p[row], abs=1e-12) and drawn[0] >= drawn[1] > drawn[2]


def test_wilsons_interval_is_that_of_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    passed, count = np.array([0.0, 3.0, 20.0]), np.array([10.0, 10.0, 20.0])
    low, high = plots.wilson(passed, count)
    theirs = np.array([proportion.proportion_confint(p, n, method="wilson") for p, n in zip(passed, count, strict=True)])
    np.testing.assert_allclose(np.c_[low, high], theirs, atol=1e-4)


def test_every_figure_has_a_caption_with_the_numbers_of_the_fit(fit: Fit) -> None:
    pytest.importorskip("matplotlib")
    found = plots.figures(fit, {})
    assert [f.title for f in found] == [
        "Forgetting curves over the data",
        "Calibration, in sample",
        "Stability of the cards",
        "One card's life",
    ]
    assert "150 cards" in found[2].caption
    seen = fit.sequences.weight > 0
    scored = found[1].figure.axes[0].lines[1].get_xdata()  # forecasts of the groups
    assert np.mean(scored) == pytest.approx(plots.recall_probability(fit)[seen].mean(), abs=0.02)
    assert len(plots.figures(fit_user(power(), from_rows(simulate_log(sbd(), 60, 8, RandomIntervals(1, 20), 1)).frame), {})) == 3


def test_a_model_of_something_else_is_refused_by_the_figures() -> None:
    from seqsci.domains.finance.models import garch_normal
    from seqsci.estimation.maximum_likelihood import MaximumLikelihood

    model = garch_normal().start_at(mean=0.0, persistence=0.95, memory=0.9, intercept=0.03)
    other = MaximumLikelihood(starts=1).fit(model, model.simulate(300, 1))
    with pytest.raises(ParameterError, match="not a model of recall"):
        plots.figures(other, {})


def test_every_builder_of_the_manifest_is_a_model_of_recall() -> None:
    for builder in MODELS.values():
        assert {k.name for k in builder().mechanism.known} <= {"elapsed_days", "same_day", "first_grade"}
