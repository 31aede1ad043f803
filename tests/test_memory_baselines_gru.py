"""Laws of the recurrent network for recall: time, seeds, disjoint users, its curve, and that it learns."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pytorch_lightning", reason="the train extra is not installed")

import torch

from seqsci.domains.memory.baselines.gru import VALIDATION, FittedGru, GatedRecurrentUnit, PretrainedGru, TunedGru, validation_rows
from seqsci.domains.memory.baselines.gru_training import ForgettingNetwork, batches, forecast, log_loss, new_network
from seqsci.domains.memory.baselines.histories import LEAST, outcomes, scored
from seqsci.domains.memory.baselines.kept_default import KeepDefault
from seqsci.errors import DataError, MissingExtraError, ParameterError
from tests.memory_histories import before, frame_of, regraded, simulated

OTHERS = pd.concat([simulated(150, 7, 20, user="v"), simulated(150, 7, 21, user="w")], ignore_index=True)
HISTORY = simulated(60, 7, 1)
SMALL = GatedRecurrentUnit(hidden=6, epochs=12, patience=3, learning_rate=0.02, tuning=2)


@pytest.fixture(scope="module")
def given() -> KeepDefault:
    return SMALL.given_others(OTHERS)


@pytest.fixture(scope="module")
def fitted(given: KeepDefault) -> FittedGru:
    return given.fitted.fit(before(HISTORY, 0.6))


def test_every_row_but_a_first_review_has_a_probability_inside_the_bounds(fitted: FittedGru) -> None:
    found = fitted.predict(HISTORY)
    first = HISTORY["review"].to_numpy() == 0
    assert np.isnan(found[first]).all() and (found[~first] >= LEAST).all() and (found[~first] <= 1 - LEAST).all()


def test_outcomes_at_and_after_a_time_do_not_move_predictions_up_to_it(fitted: FittedGru) -> None:
    times, plain = HISTORY["review_time"].to_numpy(), fitted.predict(HISTORY)
    for share in (0.3, 0.7):
        cut = int(np.sort(times)[int(share * len(times))])
        moved = fitted.predict(regraded(HISTORY, cut, 4))
        assert np.array_equal(moved[times <= cut], plain[times <= cut], equal_nan=True)
        assert not np.array_equal(moved[times > cut], plain[times > cut], equal_nan=True)


def test_predictions_do_not_depend_on_reviews_that_follow_nor_on_padding(fitted: FittedGru) -> None:
    early = (HISTORY["review_time"] <= HISTORY["review_time"].quantile(0.7)).to_numpy()
    np.testing.assert_allclose(fitted.predict(HISTORY[early]), fitted.predict(HISTORY)[early], rtol=1e-9)
    one = (HISTORY["card_id"] == 5).to_numpy()
    np.testing.assert_allclose(fitted.predict(HISTORY[one]), fitted.predict(HISTORY)[one], rtol=1e-9)


def test_recall_falls_with_elapsed_days_along_a_power_curve(fitted: FittedGru) -> None:
    days = np.array([1.0, 2.0, 5.0, 20.0, 100.0])
    rows = [frame_of([[(0.1, 3), (1.1, 3), (1.1 + d, 3)]]).assign(elapsed_days=[0.0, 1.0, d]) for d in days]
    recall = np.array([fitted.predict(r)[2] for r in rows])
    assert (np.diff(recall) < 0).all()
    # two points give S and d of R = (1 + t / S)^-d; the others must lie on it
    from scipy.optimize import fsolve

    solve = lambda x: -np.exp(x[1]) * np.log1p(days[[0, 4]] / np.exp(x[0])) - np.log(recall[[0, 4]])  # noqa: E731
    stability, decay = np.exp(fsolve(solve, [2.0, -1.0], xtol=1e-12))
    assert recall == pytest.approx((1 + days / stability) ** -decay, rel=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    quick = GatedRecurrentUnit(hidden=4, epochs=2, patience=1)
    first, again = quick.pretrain(OTHERS), quick.pretrain(OTHERS)
    other = GatedRecurrentUnit(hidden=4, epochs=2, patience=1, seed=1).pretrain(OTHERS)
    a, b, c = (torch.cat([p.detach().flatten() for p in n.parameters()]) for n in (first, again, other))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_training_leaves_the_generator_of_torch_as_it_was() -> None:
    before_training = torch.random.get_rng_state()
    new_network(4, 3)
    assert torch.equal(before_training, torch.random.get_rng_state())


def test_tuning_changes_a_copy(given: KeepDefault) -> None:
    kept = {n: v.clone() for n, v in given.default.network.state_dict().items()}
    tuned = given.fitted.fit(HISTORY).network
    assert all(torch.equal(kept[n], v) for n, v in given.default.network.state_dict().items())
    assert any(not torch.equal(kept[n], v) for n, v in tuned.state_dict().items())


def test_pretraining_learns_more_than_a_constant(given: KeepDefault) -> None:
    test = simulated(200, 7, 30)
    rows = scored(test)
    recalled, found = outcomes(test)[rows], given.default.fit(test).predict(test)[rows]
    mean = np.mean(outcomes(OTHERS)[scored(OTHERS)])
    loss, flat = (-np.mean(np.where(recalled == 1, np.log(p), np.log1p(-p))) for p in (found, np.full(len(rows), mean)))
    assert loss < flat - 0.03


def test_a_user_who_differs_from_the_others_is_tuned_and_one_without_reviews_keeps_their_network(given: KeepDefault) -> None:
    forgets = simulated(200, 7, 31, lambda grades, days: 0.15)
    found = given.fit(forgets)
    assert found.kept == "" and np.nanmean(found.predict(forgets)) < np.nanmean(given.default.fit(forgets).predict(forgets))
    empty = given.fit(HISTORY[:0])
    assert "too few" in empty.kept and empty.chosen.network is given.default.network


@pytest.mark.parametrize("grade", [1, 3])
def test_equal_outcomes_are_trained_on(given: KeepDefault, grade: int) -> None:
    frame = HISTORY.assign(grade=grade, recalled=int(grade > 1))
    assert np.isfinite(given.fitted.fit(frame).predict(frame)[scored(frame)]).all()


def test_one_card_can_be_tuned_on(given: KeepDefault) -> None:
    card = frame_of([[(0.2, 3), (1.3, 3), (4.2, 1)]])
    assert np.isfinite(given.fitted.fit(card).predict(card)[1:]).all()


def test_validation_reviews_are_the_last_of_each_users_time_and_no_training_reviews() -> None:
    first, last = validation_rows(OTHERS)
    assert not (first * last).any() and np.flatnonzero(first + last).tolist() == scored(OTHERS).tolist()
    for user in ("v", "w"):
        own, times = (OTHERS["user"] == user).to_numpy(), OTHERS["review_time"].to_numpy()
        assert times[own & (first == 1)].max() < times[own & (last == 1)].min()
        assert last[own].sum() == pytest.approx(VALIDATION * (first + last)[own].sum(), abs=1)


def test_batches_hold_every_row_once_and_nothing_else() -> None:
    ones = np.ones(len(OTHERS))
    made = batches(OTHERS, ones, 2 * ones, exact=True)
    rows = np.concatenate([b.row[b.row >= 0].numpy() for b in made])
    assert sorted(rows.tolist()) == list(range(len(OTHERS)))
    assert sum(float(b.training.sum()) for b in made) == len(OTHERS)
    for b in made:
        inside = b.row >= 0
        np.testing.assert_allclose(b.days[inside].numpy(), OTHERS["elapsed_days_exact"].to_numpy()[b.row[inside].numpy()], rtol=1e-6)
        assert float(b.inputs[~inside].abs().sum()) == 0


def test_the_loss_is_the_log_loss() -> None:
    p, y = torch.tensor([0.3, 0.9, 0.5]), torch.tensor([0.0, 1.0, 1.0])
    expected = -(np.log(0.7) + 2 * np.log(0.9))
    assert float(log_loss(torch.log(p), y, torch.tensor([1.0, 2.0, 0.0]))) == pytest.approx(expected, rel=1e-5)


def test_forecasts_are_those_of_the_network_card_by_card() -> None:
    network = new_network(5, 0).double()
    found = forecast(network, HISTORY, exact=False)
    for _, card in HISTORY.groupby("card_id"):
        (batch,) = batches(card, np.zeros(len(card)), np.zeros(len(card)), exact=False)
        expected = torch.exp(network(batch.inputs.double(), batch.days.double()))[0].detach().numpy()
        np.testing.assert_allclose(found[card.index], expected, rtol=1e-9)


def test_the_number_of_parameters_is_that_of_the_network(given: KeepDefault) -> None:
    assert given.parameters == SMALL.parameters == sum(p.numel() for p in given.default.network.parameters())
    assert GatedRecurrentUnit().parameters == sum(p.numel() for p in ForgettingNetwork(16).parameters())


def test_networks_travel_to_other_processes(given: KeepDefault) -> None:
    there = pickle.loads(pickle.dumps(given))
    assert np.array_equal(there.default.fit(HISTORY).predict(HISTORY), given.default.fit(HISTORY).predict(HISTORY), equal_nan=True)


def test_faults_are_explained(given: KeepDefault, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="given_others"):
        SMALL.fit(HISTORY)
    with pytest.raises(DataError, match="too few scored"):
        SMALL.given_others(OTHERS[:0])
    with pytest.raises(DataError, match="too few scored"):
        TunedGru(given.default.network).fit(HISTORY[:0])
    with pytest.raises(ParameterError):
        GatedRecurrentUnit(hidden=0)
    monkeypatch.setitem(__import__("sys").modules, "pytorch_lightning", None)
    monkeypatch.delitem(__import__("sys").modules, "seqsci.domains.memory.baselines.gru_training")
    monkeypatch.delattr("seqsci.domains.memory.baselines.gru_training")
    with pytest.raises(MissingExtraError, match=r"seqsci\[train\]"):
        PretrainedGru(given.default.network).fit(HISTORY).predict(HISTORY)
