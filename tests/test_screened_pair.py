"""The cell of an element-gene pair is the closed form of a bank with one element, and its fit is the logistic regression of that form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from seqsci import fit
from seqsci.cells.leaky_bank import LeakyBank
from seqsci.cells.screened_pair import ScreenedPair
from seqsci.errors import ParameterError
from seqsci.gates.logistic import LogisticGate
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.sequences import Sequences

RNG = np.random.default_rng(4)
PAIRS = 900
DISTANCE, ACTIVITY = np.exp(RNG.uniform(7, 13.5, PAIRS)), RNG.gamma(0.7, 2.0, PAIRS) + 0.05
CTCF = RNG.binomial(2, 0.3, PAIRS).astype(float)
KNOWN = {"distance_bp": DISTANCE, "activity": ACTIVITY, "ctcf": CTCF}
MODEL = Model(ScreenedPair(gate=LogisticGate(("ctcf",))), Bernoulli())
TRUE = MODEL.start_at(intercept=-0.5, slope=0.9, exponent=1.0, by_ctcf=-0.8)
SEEN = TRUE.simulate_like(Sequences({"regulated": np.zeros(PAIRS)}, KNOWN, unit=np.arange(PAIRS)), 11)


def arriving(distance: np.ndarray, activity: np.ndarray, exponent: float = 1.0) -> np.ndarray:
    """What arrives, written out."""
    lengths = np.geomspace(5e3, 5e6, 4)
    weights = lengths**-exponent / (lengths**-exponent).sum()
    return activity * (np.exp(-distance[:, None] / lengths) * weights).sum(1)


def test_what_arrives_is_what_a_bank_of_leaky_integrators_carries_from_the_element_to_the_promoter() -> None:
    bank = Model(LeakyBank(), Gaussian()).start_at(basal=0.0, gain=1.0, exponent=0.8)
    probability = MODEL.start_at(slope=1.0, intercept=0.0, exponent=0.8, by_ctcf=0.0).filter(SEEN).reads[:, 0]
    for i in range(5):
        walk = Sequences({"expression": np.zeros(2)}, {"gap_bp": np.array([0.0, DISTANCE[i]]), "activity": np.array([ACTIVITY[i], 0.0])})
        assert probability[i] / (1 - probability[i]) == pytest.approx(bank.filter(walk).reads[1, 0], rel=1e-12)


def test_its_fit_is_the_logistic_regression_of_the_closed_form() -> None:
    found = fit(MODEL.fix(exponent=1.0), SEEN)
    columns = np.column_stack([np.ones(PAIRS), np.log(arriving(DISTANCE, ACTIVITY)), CTCF])
    y = SEEN.outcome["regulated"]

    def loss(b: np.ndarray) -> float:
        odds = columns @ b
        return float((np.logaddexp(0, odds) - y * odds).sum())

    direct = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8}).x
    got = [found.value[n] for n in ("intercept", "slope", "by_ctcf")]
    np.testing.assert_allclose(got, direct, atol=2e-5)
    assert found.log_likelihood == pytest.approx(-loss(direct), abs=1e-7)


def test_the_exponent_is_recovered_within_its_interval() -> None:
    found = fit(MODEL, SEEN)
    low, high = found.interval("exponent", 0.99)
    assert low < 1.0 < high < 2.5


def test_a_column_whose_name_is_no_name_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"H3K27ac\.RPM"):
        LogisticGate(("H3K27ac.RPM",))
    with pytest.raises(ParameterError, match="ctcf"):
        LogisticGate(("ctcf", "ctcf"))


def test_decay_lengths_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ParameterError, match="shortest < longest"):
        ScreenedPair(shortest=1e5, longest=1e4)
