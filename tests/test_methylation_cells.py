"""Methylation cells and counts: closed forms, published values, conversions, and a state that stays in [0, 1] by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seqsci.cells.methylation import DaughterStrand, DivisionMethylation, PopulationStrands, RelaxingMethylation
from seqsci.domains.genomics.methylation.models import per_division, per_time
from seqsci.equations.count_quantiles import beta_binomial_quantile
from seqsci.equations.numba_counts import beta_binomial_quantile as compiled
from seqsci.equations.symbolic import latex
from seqsci.errors import DataError
from seqsci.gates.constant import ConstantGate
from seqsci.gates.knockout import Closed
from seqsci.knockout import knock_out
from seqsci.observations.beta_binomial import BetaBinomial
from seqsci.observations.binomial import Binomial
from seqsci.sequences import Sequences

SHARE = st.floats(0.0, 1.0)
STRANDS = (PopulationStrands(), DaughterStrand())


def rows(count: int, **known: np.ndarray) -> Sequences:
    return Sequences({"methylated": np.zeros(count)}, {"coverage": np.full(count, 10.0), **known})


@pytest.mark.parametrize(("strands", "f", "half_life"), [(PopulationStrands(), 0.79, 2.9), (DaughterStrand(), 0.895, 6.2)])
def test_fmr1_of_laird_2004_has_the_published_equilibrium_and_half_life(strands, f, half_life):
    values = per_division(strands).start_at(maintenance=0.96, de_novo=0.17).derived_values
    assert values["retention"] == pytest.approx(f, abs=1e-12)
    assert values["equilibrium"] == pytest.approx(0.81, abs=5e-3)
    assert values["half_life"] == pytest.approx(half_life, abs=0.05)


@settings(max_examples=60, deadline=None)
@given(SHARE, SHARE, SHARE)
def test_the_fraction_stays_in_the_unit_interval_for_every_mu_and_delta(mu, delta, initial):
    for strands in STRANDS:
        path = per_division(strands).start_at(maintenance=mu, de_novo=delta, initial_fraction=initial).filter(rows(60)).states[:, 0]
        assert (path >= 0).all() and (path <= 1).all()


@settings(max_examples=60, deadline=None)
@given(SHARE, SHARE, st.floats(1e-3, 1e3), st.lists(st.floats(0.0, 1e4), min_size=1, max_size=30))
def test_the_fraction_stays_in_the_unit_interval_over_every_gap(equilibrium, initial, half_life, gaps):
    model = per_time().start_at(equilibrium=equilibrium, initial_fraction=initial, half_life=half_life)
    found = model.filter(rows(len(gaps), elapsed=np.array(gaps)))
    low, high = min(equilibrium, initial), max(equilibrium, initial)
    for path in (found.states[:, 0], found.reads[:, 0]):
        assert (path >= low - 1e-15).all() and (path <= high + 1e-15).all() and (path >= 0).all() and (path <= 1).all()


@pytest.mark.parametrize("strands", STRANDS, ids=lambda s: type(s).__name__)
def test_divisions_follow_the_tied_gate_in_closed_form(strands):
    model = per_division(strands).start_at(maintenance=0.93, de_novo=0.12, initial_fraction=0.1)
    f, z = (model.derived_values[n] for n in ("retention", "equilibrium"))
    found = model.filter(rows(40)).states[:, 0]
    np.testing.assert_allclose(found, z + (0.1 - z) * f ** np.arange(40), rtol=1e-12)
    same = 0.1
    for value in found:
        assert value == pytest.approx(same, rel=1e-12)
        same = f * same + (1 - f) * z


def test_irregular_times_are_exact_and_missing_rows_only_pass_time():
    gaps = np.array([0.5, 0.5, 3.0, 12.0, 0.0, 31.7])
    model = per_time().start_at(equilibrium=0.84, initial_fraction=0.6, half_life=1.77)
    found = model.filter(rows(6, elapsed=gaps)).reads[:, 0]
    np.testing.assert_allclose(found, 0.84 + (0.6 - 0.84) * 2 ** (-np.cumsum(gaps) / 1.77), rtol=1e-13)
    y = np.array([1.0, np.nan, np.nan, 3.0, np.nan, 2.0])
    gone = Sequences({"methylated": y}, {"coverage": np.full(6, 10.0), "elapsed": gaps})
    np.testing.assert_allclose(model.filter(gone).reads[:, 0], found, rtol=1e-13)


@pytest.mark.parametrize("strands", STRANDS, ids=lambda s: type(s).__name__)
def test_conversions_go_both_ways(strands):
    there = per_division(strands).start_at(maintenance=0.91, de_novo=0.23).derived_values
    back = per_time("divisions", strands).start_at(half_life=there["half_life"], equilibrium=there["equilibrium"]).derived_values
    assert back["maintenance"] == pytest.approx(0.91, rel=1e-12)
    assert back["de_novo"] == pytest.approx(0.23, rel=1e-12)
    assert back["rate"] == pytest.approx(np.log(2) / there["half_life"], rel=1e-12)


def test_without_de_novo_methylation_the_fraction_decays_by_maintenance_alone():
    model = per_division(DaughterStrand()).start_at(maintenance=0.9, de_novo=0.4, initial_fraction=0.8)
    path = knock_out(model, None, Closed()).filter(rows(12)).states[:, 0]
    np.testing.assert_allclose(path, 0.8 * 0.95 ** np.arange(12), rtol=1e-12)


def test_another_gate_may_forget():
    assert [p.name for p in RelaxingMethylation(ConstantGate()).parameters][:2] == ["equilibrium", "initial_fraction"]


def test_equations_print_as_latex_with_their_symbols():
    text = " ".join(latex(DivisionMethylation(), Binomial()))
    assert r"\mu" in text and r"\delta" in text


def test_negative_or_broken_counts_are_refused():
    for wrong in (-1.0, 0.5):
        with pytest.raises(DataError, match="no count"):
            DivisionMethylation().check({"methylated": np.array([2.0, wrong])}, "reads")


@pytest.mark.parametrize(("n", "p", "rho"), [(7.0, 0.3, 0.0), (40.0, 0.93, 0.0), (25.0, 0.6, 0.2), (400.0, 0.1, 0.01), (9.0, 0.5, 0.9)])
def test_counts_given_coverage_are_those_of_scipy(n, p, rho):
    theirs = stats.binom(n, p) if rho == 0 else stats.betabinom(int(n), p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho)
    ours = Binomial() if rho == 0 else BetaBinomial()
    table = {"probability": p, "coverage": n} | ({} if rho == 0 else {"overdispersion": rho})
    y, u = np.arange(n + 1), np.linspace(0.003, 0.997, 60)
    np.testing.assert_allclose(ours.log_density(y, table), theirs.logpmf(y), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.cdf(y + 0.5, table), theirs.cdf(y), rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(ours.quantile(u, table), theirs.ppf(u))
    assert ours.variance(table) == pytest.approx(theirs.var())
    np.testing.assert_array_equal([compiled(v, n, p, rho) for v in u], beta_binomial_quantile(u, n, p, rho))


def test_counts_at_the_ends_of_the_unit_interval_have_their_limits():
    for observation, extra in ((Binomial(), {}), (BetaBinomial(), {"overdispersion": 0.2})):
        for p, y in ((0.0, 0.0), (1.0, 6.0)):
            assert observation.log_density(y, {"probability": p, "coverage": 6.0, **extra}) == pytest.approx(0.0, abs=1e-12)
            assert observation.quantile(np.array(0.4), {"probability": p, "coverage": 6.0, **extra}) == y
        assert observation.log_density(0.0, {"probability": 0.4, "coverage": 0.0, **extra}) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(beta_binomial_quantile(0.5, -1.0, 0.5, 0.0))
