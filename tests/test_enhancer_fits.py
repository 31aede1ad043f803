"""Fits of pairs: against statsmodels, gradients, recovery of known decays, the lesson of one decay length, transfer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import check_grad

from seqsci.domains.genomics.enhancer.contact import BankOfExponent, FreeBank, PowerLaw, SingleDecay
from seqsci.domains.genomics.enhancer.models import GATED, MECHANISM, PairModel
from seqsci.domains.genomics.enhancer.normalisation import AsTheyAre, MatchMean, MatchQuantiles
from seqsci.domains.genomics.enhancer.objectives import Likelihood, Objective, PairwiseRanking, SmoothAveragePrecision
from seqsci.domains.genomics.enhancer.pair_gates import ActivityGate, OutputGate
from seqsci.domains.genomics.enhancer.pairs import labels
from seqsci.domains.genomics.enhancer.recovery import recover_decay_length, recover_exponent, recover_exponent_freely
from seqsci.domains.genomics.enhancer.reference import MatchLogMoments
from seqsci.domains.genomics.enhancer.simulator import Landscape, simulate_pairs, simulate_screen
from seqsci.errors import DataError, ParameterError

SCREEN = simulate_screen(seed=1)
SMALL = simulate_pairs(pairs=600, seed=2)


def test_the_gated_cell_without_a_free_contact_is_a_logistic_regression_with_errors_by_gene() -> None:
    """Estimates and clustered covariance of statsmodels, on the design of the model."""
    fitted = GATED.fit(SCREEN.pairs)
    design = fitted.design
    arriving = GATED.contact.log_contact(design.distance, np.zeros(0))
    X = np.column_stack([np.ones(len(arriving)), arriving, design.gates])
    peer = sm.GLM(labels(SCREEN.pairs).astype(float), X, sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": fitted.gene, "use_correction": False}
    )
    count = fitted.gene.max() + 1
    assert fitted.raw == pytest.approx(peer.params, rel=1e-6, abs=1e-8)
    assert fitted.log_likelihood == pytest.approx(peer.llf, abs=1e-6)
    assert np.sqrt(np.diag(fitted.covariance)) == pytest.approx(peer.bse * np.sqrt(count / (count - 1)), rel=1e-5)


def test_a_screen_is_fitted_back() -> None:
    """Slope, shielding and insulation of the simulated landscape lie in their intervals; powers of both signals are a half."""
    fitted = GATED.fit(SCREEN.pairs)
    _, slope, shielded = SCREEN.landscape.answer
    truth = {"slope": slope, "output_measuredGeneUbiquitousExpressed": shielded}
    truth["per_boundary"] = -slope * SCREEN.landscape.bank.insulation
    found = {e.name: e for e in fitted.estimates(0.99)}
    for name, value in truth.items():
        assert found[name].low < value < found[name].high, found[name]
    for power in fitted.elasticities(0.99)[:2]:
        assert power.low < 0.5 < power.high
    assert "robust to genes" in str(fitted.summary())


@pytest.mark.parametrize("objective", [Likelihood(), SmoothAveragePrecision(0.3), PairwiseRanking(0.3)], ids=lambda o: type(o).__name__)
def test_the_gradient_of_an_objective_is_its_derivative(objective: Objective) -> None:
    rng = np.random.default_rng(0)
    score, regulated = rng.normal(0, 1, 30), rng.uniform(size=30) < 0.3
    error = check_grad(lambda s: objective.loss(s, regulated)[0], lambda s: objective.loss(s, regulated)[1], score)
    assert error < 1e-5


def test_a_sharp_smooth_average_precision_is_average_precision() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    score, regulated = rng.normal(0, 1, 200), rng.uniform(size=200) < 0.2
    loss, _ = SmoothAveragePrecision(1e-4).loss(score, regulated)
    assert 1 - loss == pytest.approx(average_precision_score(regulated, score), abs=1e-4)


@pytest.mark.parametrize("contact", [SingleDecay(), BankOfExponent(), FreeBank(4)], ids=lambda c: type(c).__name__)
def test_scores_have_the_derivatives_that_the_fit_uses(contact: object) -> None:
    from seqsci.domains.genomics.enhancer.design import Design

    model = PairModel(contact)  # type: ignore[arg-type]
    design = Design.of(model, SMALL)
    raw = np.r_[0.2, 1.1, model.contact.start + 0.1]
    for k, column in enumerate(design.jacobian(raw).T):
        step = 1e-6 * np.eye(len(raw))[k]
        assert column == pytest.approx((design.score(raw + step) - design.score(raw - step)) / 2e-6, rel=1e-4, abs=1e-5)


def test_a_fitted_bank_reproduces_the_exponent_of_a_power_law() -> None:
    """Within .05, with one number or with free positive weights."""
    for recovered in (recover_exponent(seeds=2), recover_exponent_freely(seeds=2)):
        assert abs(recovered.mean_error) < 0.05, recovered


@pytest.mark.parametrize("length", [5e3, 3e4, 3e5])
def test_a_single_decay_length_is_found_within_5_percent(length: float) -> None:
    recovered = recover_decay_length(length, seeds=2)
    assert abs(recovered.mean_error) < 0.05 * length, recovered


def test_one_decay_length_fitted_to_a_power_law_moves_with_the_objective_and_a_bank_does_not() -> None:
    """The lesson of a wrong kernel: what it is fitted by decides the number. The right one hardly cares."""
    frame = simulate_pairs(PowerLaw(), 3000, 5, intercept=-2.0)
    objectives = (Likelihood(), SmoothAveragePrecision())
    lengths = [PairModel(SingleDecay(), objective=o).fit(frame).value["decay_length"] for o in objectives]
    powers = [PairModel(BankOfExponent(8, 5e3, 2e7), objective=o).fit(frame).value["exponent"] for o in objectives]
    assert lengths[0] > 2 * lengths[1]
    assert abs(powers[0] - powers[1]) < 0.25


def test_a_ranking_has_errors_and_no_likelihood() -> None:
    frame = simulate_pairs(pairs=800, seed=3, intercept=-2.0)
    fitted = PairModel(BankOfExponent(), None, (ActivityGate(),), SmoothAveragePrecision()).fit(frame)
    assert np.isnan(fitted.log_likelihood) and [e.name for e in fitted.estimates()] == ["exponent", "activity_power"]
    assert all(e.standard_error > 0 for e in fitted.estimates()) and "jackknife" in str(fitted.summary())


def test_the_mechanism_alone_has_at_most_three_fitted_numbers() -> None:
    assert MECHANISM.count == 2 and PairModel(BankOfExponent()).count == 3 and PairModel(SingleDecay()).count == 3


def test_nothing_to_learn_is_an_error() -> None:
    with pytest.raises(DataError, match="0 of 600 pairs regulated"):
        MECHANISM.fit(SMALL.assign(Regulated=False))
    with pytest.raises(DataError, match="nothing to learn from"):
        PairModel(gates=(OutputGate(),)).fit(SMALL.assign(measuredGeneUbiquitousExpressed=True))
    with pytest.raises(DataError, match=r"no signal DHS.RPM \(did you mean 'DNase.RPM'\?\)"):
        MECHANISM.fit(SMALL.rename(columns={"DHS.RPM": "DNase.RPM"}))
    with pytest.raises(ParameterError, match="temperature"):
        SmoothAveragePrecision(0.0)


def test_a_weight_at_its_bound_is_flagged() -> None:
    """Pairs of one decay length leave the longer channels of a free bank without weight."""
    fitted = PairModel(FreeBank(3, 3e4, 3e6)).fit(simulate_pairs(SingleDecay(30_000.0), 20_000, 1))
    flagged = [e for e in fitted.estimates() if e.flag]
    assert flagged and all(np.isnan(e.standard_error) for e in flagged)


def test_normalised_signals_keep_their_ranks_and_take_the_reference_distribution() -> None:
    rng = np.random.default_rng(0)
    reference, given = np.exp(rng.normal(1, 1, 500)), np.exp(rng.normal(-2, 0.3, 400))
    for method in (MatchMean(), MatchQuantiles(), MatchLogMoments()):
        found = method.values(reference, given)
        assert (np.argsort(found) == np.argsort(given)).all()
        assert found.mean() == pytest.approx(reference.mean(), rel=0.25)
    assert np.quantile(MatchQuantiles().values(reference, given), [0.1, 0.5, 0.9]) == pytest.approx(
        np.quantile(reference, [0.1, 0.5, 0.9]), rel=0.02
    )
    logs = np.log(MatchLogMoments().values(reference, given) + 0.05)
    assert (logs.mean(), logs.std()) == pytest.approx((np.log(reference + 0.05).mean(), np.log(reference + 0.05).std()), rel=1e-9)
    frame = pd.DataFrame({"x": given})
    assert np.array_equal(AsTheyAre().apply(frame, frame, ["x"])["x"], given)


def test_a_change_of_depth_does_not_change_transferred_scores() -> None:
    """A cell type with half the reads, everything else equal, gets the scores of the training cell type."""
    from seqsci.domains.genomics.enhancer.folds import transferred

    signals = ["H3K27ac.RPM.expandedRegion", "DHS.RPM"]
    half = SMALL.assign(**{s: SMALL[s] / 2 for s in signals})
    plain = MECHANISM.fit(SMALL).predict(SMALL)
    for method in (MatchMean(), MatchQuantiles()):
        assert transferred(MECHANISM, SMALL, half, signals, method) == pytest.approx(plain, rel=1e-6)
    assert np.abs(transferred(MECHANISM, SMALL, half, signals) / plain - 1).max() > 0.1


def test_the_same_seed_gives_the_same_landscape() -> None:
    small = Landscape(chromosomes=2, elements=50, genes=5)
    assert simulate_screen(small, 4).pairs.equals(simulate_screen(small, 4).pairs)
    with pytest.raises(ParameterError, match="no such landscape"):
        Landscape(elements=10**6)
