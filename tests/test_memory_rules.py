"""One rule for every fit of recall that has a prior or a default, whole days all the way, and no gap that counts as one."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.memory import models
from seqsci.domains.memory.backtest.evaluation import compare
from seqsci.domains.memory.backtest.outliers import KeepAll
from seqsci.domains.memory.backtest.protocol import FittedRecall, RecallPredictor, run
from seqsci.domains.memory.baselines import kept_default
from seqsci.domains.memory.baselines.fsrs_default import DEFAULTS, DefaultFsrs6
from seqsci.domains.memory.baselines.fsrs_optimizer import OptimisedFsrs6, WholeDaysDefaultFsrs6, WholeDaysFsrs6
from seqsci.domains.memory.baselines.sm2 import SM2
from seqsci.domains.memory.cell_predictor import CellRecall, FittedCell, OthersPrior, OwnReviews
from seqsci.domains.memory.fits import posterior_mode, prior_centre, wide_prior
from seqsci.domains.memory.population import PRIORS
from seqsci.domains.memory.simulator import RandomIntervals, Relearning, simulate_log
from seqsci.estimation.prior_rule import EQUAL
from seqsci.evaluate.binary_scores import log_loss
from seqsci.model import Model
from seqsci.prior import Prior
from seqsci.sequences import Sequences
from tests.memory_laws import simulated
from tests.memory_predictors import Fixed, Share

TRUTH = models.sbd().start_at(decay=0.3)
USER = simulate_log(TRUTH, 60, 8, Relearning(RandomIntervals()), 3)


def prior_at(model: Model, width: float, **values: float) -> Prior:
    """Independent normals about values that differ from the model's in those given."""
    wide = wide_prior(model.start_at(**values))
    covariance = np.diag(np.full(len(wide.names), width**2))
    return Prior(wide.names, wide.centre, tuple(map(tuple, covariance.tolist())), "5 other users")


def late_loss(found: FittedRecall, late: np.ndarray) -> float:
    rows = USER.loc[late, "recalled"].to_numpy(float)
    return float(log_loss(rows, found.predict(USER)[late]).sum())


@pytest.mark.parametrize(("width", "decay"), [(0.05, 0.3), (0.05, 0.15), (3.0, 0.3), (3.0, 0.02), (1.0, 3.0)])
def test_a_cell_keeps_its_prior_where_the_fit_to_earlier_reviews_forecasts_the_last_ones_in_time_worse(width: float, decay: float) -> None:
    model = models.sbd().with_prior(prior_at(models.sbd(), width, decay=decay))
    early, late = kept_default.held_out(USER)
    before = USER[early]
    fit, centre = FittedCell(posterior_mode(model, before)), FittedCell(prior_centre(model, before))
    found = CellRecall(model, OwnReviews()).fit(USER)
    if late_loss(fit, late) <= late_loss(centre, late) + EQUAL:
        assert found.default_kept() == "" and found.model.value == pytest.approx(posterior_mode(model, USER).value)
    else:
        assert "worse than the default" in (found.default_kept() or "")
        assert found.model.value == pytest.approx(prior_centre(model, USER).value)


def test_the_rule_of_cells_both_takes_fits_and_keeps_priors() -> None:
    far = models.sbd().with_prior(prior_at(models.sbd(), 1.0, decay=3.0))
    assert CellRecall(far, OwnReviews()).fit(USER).default_kept() == ""
    few = USER[USER["card_id"] < 2]
    true = models.sbd().with_prior(prior_at(TRUTH, 30.0))  # as good as flat: seven numbers from two cards
    assert CellRecall(true, OwnReviews()).fit(few).default_kept()
    assert CellRecall(models.sbd(), OwnReviews()).fit(USER).default_kept() is None


def test_the_prior_is_chosen_without_a_look_at_later_rows() -> None:
    model = models.sbd().with_prior(prior_at(models.sbd(), 1.0, decay=0.6))
    cut = USER["review_time"].quantile(0.6)
    train = USER[USER["review_time"] < cut]
    changed = USER.assign(recalled=1 - USER["recalled"])
    changed.loc[train.index] = train
    one, other = (CellRecall(model, OwnReviews()).fit(frame[frame["review_time"] < cut]) for frame in (USER, changed))
    assert one.model.value == other.model.value and one.default_kept() == other.default_kept()


def test_a_mode_under_a_narrow_prior_is_its_centre_and_free_numbers_outside_it_are_fitted() -> None:
    model = models.sbd().with_prior(prior_at(models.sbd(), 1e-4, decay=0.5))
    assert posterior_mode(model, USER).value == pytest.approx(prior_centre(model, USER).value, rel=1e-3)
    assert prior_centre(model, USER).value["decay"] == pytest.approx(0.5)


def test_a_label_says_which_prior_a_fit_is_under() -> None:
    sbd = models.sbd()
    assert CellRecall(sbd, OwnReviews()).name == "SBD, own reviews"
    assert CellRecall(sbd.with_prior(PRIORS["AdditiveStability"]), OwnReviews()).name == "SBD, prior of six Anki users"
    assert CellRecall(sbd.with_prior(prior_at(sbd, 1.0)), OwnReviews()).name == "SBD, others' prior" == CellRecall(sbd, OthersPrior()).name
    assert CellRecall(sbd.with_prior(wide_prior(sbd)), OwnReviews()).name == "SBD, prior: wide, about the model's values"


@dataclass(frozen=True)
class Ruled(RecallPredictor):
    """Keeps a default in some folds, as its training rows are many or few."""

    name: str = "ruled"
    parameters: int = 1
    most: int = 40

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return kept_default.FittedOrDefault(Fixed(0.7), "why not" if int(train["scored"].sum()) < self.most else "")


def test_the_table_says_the_rule_and_in_how_many_folds_a_prior_was_kept() -> None:
    frame = simulated(users=2, cards=12, reviews=9)
    sizes = [int(rows["scored"].sum()) for _, rows in frame.groupby("user")]
    test = run([Share(), Ruled(most=min(sizes) // 2)], frame, outliers=KeepAll())
    kept = sum(1 for folds in test.ran["ruled"].default_kept.values() for k in folds if k)
    assert 0 < kept < 10
    page = str(compare(test, "share", tried=2))
    assert f"ruled: {kept} of 10" in page and "before the last 30% in time" in page
    assert "share: " not in page.split("prior or default kept")[1].splitlines()[0]
    assert "one rule for every fit" not in str(compare(run([Share()], frame, outliers=KeepAll()), "share", tried=1))


def test_fsrs_optimizer_forecasts_on_the_days_that_it_was_trained_on() -> None:
    frame = simulated(users=1)
    exact = frame.assign(elapsed_days=frame["elapsed_days_exact"])
    assert not np.allclose(frame["elapsed_days"], exact["elapsed_days"])
    whole = WholeDaysFsrs6(DEFAULTS).predict(frame)
    np.testing.assert_array_equal(WholeDaysFsrs6(DEFAULTS).predict(exact), whole)
    np.testing.assert_array_equal(DefaultFsrs6().fit(frame).predict(frame), whole)
    np.testing.assert_array_equal(WholeDaysDefaultFsrs6().fit(exact).predict(exact), whole)
    assert not np.array_equal(DefaultFsrs6().fit(exact).predict(exact), whole, equal_nan=True)
    assert isinstance(OptimisedFsrs6().or_default().default, WholeDaysDefaultFsrs6)


def test_a_fitted_fsrs_optimizer_does_not_see_fractional_days() -> None:
    pytest.importorskip("fsrs_optimizer")
    frame = simulated(users=1, cards=40)
    exact = frame.assign(elapsed_days=frame["elapsed_days_exact"])
    one, other = OptimisedFsrs6().fit(frame), OptimisedFsrs6().fit(exact)
    assert one.parameters == other.parameters
    np.testing.assert_array_equal(one.predict(frame), other.predict(exact))


def test_a_table_of_fractional_days_says_which_rows_see_whole_ones() -> None:
    frame = simulated(users=1, cards=20)
    names = "SM-2; FSRS-6, fsrs-optimizer"
    predictors = [Share(), SM2(), Renamed("FSRS-6, fsrs-optimizer", WholeDaysDefaultFsrs6()), DefaultFsrs6()]
    pages = [str(compare(run(predictors, frame, outliers=KeepAll(), exact=exact), "share", tried=4)) for exact in (True, False)]
    assert f"fitted and forecast on whole days all the same: {names}\n" in pages[0] and "all the same" not in pages[1]


@dataclass(frozen=True)
class Renamed(RecallPredictor):
    name: str = ""
    inner: RecallPredictor = SM2()
    parameters: int = 0

    @property
    def whole_days(self) -> bool:
        return self.inner.whole_days

    def fit(self, train: pd.DataFrame) -> FittedRecall:
        return self.inner.fit(train)


def sbd_path(days: float, **values: float) -> float:
    known = {"elapsed_days": [days], "same_day": [0.0], "first_grade": [3.0]}
    path = models.sbd().start_at(**values).filter(Sequences({"recalled": [1.0], "grade": [3.0]}, known))
    return float(path.reads[0, list(models.sbd().kernel().program.read_names).index("gained")])


@pytest.mark.parametrize("root", [0.5, 2.0, 20.0])
def test_no_gap_adds_nothing_to_what_a_card_gains(root: float) -> None:
    p = models.sbd().start_at(gap_root=root).value
    own = p["own_growth"] ** (1 / root) / p["grade_ratio"] * np.sqrt(p["again_stability"] * p["grade_ratio"] ** 2)
    assert sbd_path(0.0, gap_root=root) == pytest.approx(own, rel=1e-12)
    assert sbd_path(1.0, gap_root=root) == pytest.approx(own + 1, rel=1e-12)


def test_slopes_at_no_gap_are_finite_and_right() -> None:
    known = {"elapsed_days": np.array([0.0, 0.0, 3.0]), "same_day": np.array([1.0, 1.0, 0.0]), "first_grade": np.full(3, 3.0)}
    rows = Sequences({"recalled": np.array([1.0, 0.0, 1.0]), "grade": np.array([3.0, 1.0, 3.0])}, known)
    for root in (0.5, 2.0, 20.0):
        model = models.sbd().start_at(gap_root=root)
        packed, kernel, values = model.pack(rows), model.kernel(), np.array(model.kernel_values, float)
        slope = kernel.score(values, packed, per_row=False).gradient
        assert np.isfinite(slope).all()
        for i, v in enumerate(values):
            h = 1e-6 * max(abs(v), 1e-3)
            ends = [kernel.score(np.where(np.arange(len(values)) == i, v + s * h, values), packed, per_row=False).nll for s in (1, -1)]
            assert slope[i] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4, abs=1e-6)


def test_the_interval_of_a_derived_interval_ends_where_days_do() -> None:
    derived = next(d for d in models.sbd().derived if d.name == "good_interval")
    assert derived.constraint.bounds == (0.0, 36500.0)
    assert derived.constraint.forward(50.0) <= 36500.0


def test_a_row_without_weight_may_have_no_density() -> None:
    from seqsci.domains.memory.sequences import to_sequences
    from seqsci.estimation.identifiability import _log_likelihood
    from seqsci.estimation.maximum_likelihood import MaximumLikelihood

    fit = MaximumLikelihood(starts=1, profile_bounds=False).fit(models.sbd(), to_sequences(USER))
    density = fit.model.filter(fit.fitted_rows, fit.presamples).density
    broken = Stub(fit, np.where(np.asarray(fit.fitted_rows.weight) == 0, -np.inf, density))
    assert (broken.density == -np.inf).any()
    assert _log_likelihood(cast(object, broken), {}) == pytest.approx(fit.log_likelihood)  # type: ignore[arg-type]


class Stub:
    """A fit whose model gives stated densities."""

    def __init__(self, fit: object, density: np.ndarray) -> None:
        self.fitted_rows, self.presamples, self.density, self.model = fit.fitted_rows, fit.presamples, density, self  # type: ignore[attr-defined]

    def start_at(self, **values: float) -> Stub:
        return self

    def filter(self, rows: object, presamples: object) -> Stub:
        return self


def test_slopes_are_finite_where_recall_is_certain_to_the_last_digit() -> None:
    known = {"elapsed_days": np.array([0.0, 0.0, 3.0]), "same_day": np.array([1.0, 1.0, 0.0]), "first_grade": np.full(3, 4.0)}
    rows = Sequences({"recalled": np.array([1.0, 0.0, 1.0]), "grade": np.array([3.0, 1.0, 3.0])}, known, weight=np.array([0.0, 0.0, 1.0]))
    model = models.sbd().start_at(gap_root=0.5, own_growth=1e-6, again_stability=1300.0, decay=1e-3)
    assert model.filter(rows).reads[1, 0] == 1.0 and np.isneginf(model.filter(rows).density[1])
    score = model.kernel().score(np.array(model.kernel_values, float), model.pack(rows), per_row=False)
    assert np.isfinite(score.nll) and np.isfinite(score.gradient).all()


def test_the_loss_of_training_leaves_rows_without_weight_out() -> None:
    torch = pytest.importorskip("torch")
    forecaster = pytest.importorskip("seqsci.training.forecaster")

    class Stated(forecaster.Forecaster):  # type: ignore[misc, name-defined]
        def forward(self, batch: object) -> object:
            return SimpleNamespace(log_density=torch.tensor([-np.inf, -1.0, -3.0]))

    batch = SimpleNamespace(weight=torch.tensor([0.0, 1.0, 1.0]), observed=torch.ones(3))
    assert float(Stated(models.sbd()).loss(batch)) == 2.0
