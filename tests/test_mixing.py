"""Weights of a mixture: EM never falls, and its certificate is that of the global maximum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from seqsci.errors import ConvergenceError, DataError, ParameterError
from seqsci.estimation.mixing import EM_STEPS, estimate_weights, log_mixture


def table(units=300, components=25, seed=0):
    """Normal outcomes of two classes under normals on a grid."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.5], units, p=[0.3, 0.7]) + rng.normal(0, 0.8, units)
    return -0.5 * ((x[:, None] - np.linspace(-3, 3, components)) / 0.8) ** 2


@pytest.mark.parametrize("pseudo_count", [0.0, 0.01, 1.0, 30.0])
def test_the_objective_never_falls_and_the_certificate_holds(pseudo_count):
    lik = table()
    found = estimate_weights(lik, pseudo_count)
    assert min(np.diff(found.trace)) >= -1e-15 * abs(found.trace[0]) and found.trace[-1] > found.trace[0]
    assert found.weights.min() >= 0 and found.weights.sum() == pytest.approx(1, abs=1e-12)
    with np.errstate(divide="ignore"):
        inverse = np.where(found.weights > 0, pseudo_count / np.maximum(found.weights, 1e-300), 0.0)
    slope = np.exp(lik - log_mixture(lik, found.weights)[:, None]).sum(0) + inverse
    assert slope.max() - (len(lik) + pseudo_count * lik.shape[1]) <= 1e-6
    prior = pseudo_count * np.log(found.weights).sum() if pseudo_count else 0.0
    assert found.trace[-1] == pytest.approx(found.log_likelihood + prior, rel=1e-10)


@pytest.mark.parametrize("pseudo_count", [0.0, 1.0])
def test_no_general_optimiser_finds_better_weights(pseudo_count):
    lik = table(120, 6)

    def loss(raw):
        w = np.exp(raw - np.logaddexp.reduce(raw))
        return -log_mixture(lik, w).sum() - (pseudo_count * np.log(w).sum() if pseudo_count else 0.0)

    found = estimate_weights(lik, pseudo_count)
    theirs = min(optimize.minimize(loss, r, method="BFGS").fun for r in np.random.default_rng(1).normal(0, 1, (4, 6)))
    assert -found.trace[-1] <= theirs + 1e-6
    if pseudo_count:
        assert -found.trace[-1] == pytest.approx(theirs, abs=1e-5)


def test_the_first_steps_are_those_of_em_by_hand():
    lik, a = table(50, 4), 0.5
    w, n = np.full(4, 0.25), 50 + 4 * a
    by_hand = []
    for _ in range(EM_STEPS):
        by_hand.append(log_mixture(lik, w).sum() + a * np.log(w).sum())
        joint = np.exp(lik) * w
        w = ((joint / joint.sum(1, keepdims=True)).sum(0) + a) / n
    np.testing.assert_allclose(estimate_weights(lik, a).trace[:EM_STEPS], by_hand, rtol=1e-12)


def test_two_classes_that_are_far_apart_have_the_weights_of_their_counts():
    lik = np.where(np.arange(100)[:, None] < 30, [0.0, -500.0, -700.0], [-500.0, 0.0, -800.0])
    np.testing.assert_allclose(estimate_weights(lik).weights, [0.3, 0.7, 0.0], atol=1e-7)


def test_nothing_underflows():
    lik = table() - 1e6
    lik[0, 1:] = -np.inf
    lik[1, :] -= np.linspace(0, 5000, lik.shape[1])
    found = estimate_weights(lik)
    assert np.isfinite(found.log_likelihood) and np.isfinite(found.trace).all() and found.weights[0] > 0
    assert found.log_likelihood == pytest.approx(estimate_weights(lik + 1e6).log_likelihood - 1e6 * len(lik), rel=1e-12)


def test_the_order_of_units_and_components_means_nothing():
    lik, rng = table(pseudo := 200, 12), np.random.default_rng(3)
    rows, columns = rng.permutation(pseudo), rng.permutation(12)
    one, two = estimate_weights(lik, 0.1, 1e-10), estimate_weights(lik[rows][:, columns], 0.1, 1e-10)
    np.testing.assert_allclose(two.weights, one.weights[columns], atol=1e-7)
    assert two.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)


def test_a_repeated_component_changes_no_likelihood():
    lik = table()
    again = estimate_weights(np.column_stack([lik, lik[:, ::3]]))
    assert again.log_likelihood == pytest.approx(estimate_weights(lik).log_likelihood, abs=2e-6)


def test_a_unit_that_says_nothing_changes_no_weights():
    lik = table()
    with_it = estimate_weights(np.vstack([lik, np.zeros((5, lik.shape[1]))]), 0.0, 1e-9)
    np.testing.assert_allclose(with_it.weights, estimate_weights(lik, 0.0, 1e-9).weights, atol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_component_without_a_number_is_named(value):
    lik = table()
    lik[3, 7] = value
    with pytest.raises(DataError, match="number 7"):
        estimate_weights(lik)


def test_a_unit_that_no_component_can_have_made_is_named():
    lik = table()
    lik[11] = -np.inf
    with pytest.raises(DataError, match="number 11"):
        estimate_weights(lik)


def test_wrong_settings_and_a_gap_that_is_not_reached_are_told():
    with pytest.raises(ParameterError, match="pseudo_count"):
        estimate_weights(table(), -1.0)
    with pytest.raises(ConvergenceError, match="gap"):
        estimate_weights(table(), 0.0, 1e-6, most=1)
