"""The leaky integrator along DNA equals its closed form; a knock-out of one element's input gate is the difference that it makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from seqsci import fit
from seqsci.cells.leaky_bank import LeakyBank
from seqsci.cells.leaky_integrator import LeakyIntegrator
from seqsci.cells.promoter_switch import PromoterSwitch
from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.errors import ParameterError
from seqsci.export.python import python_source
from seqsci.gates.insulator import InsulatorGate
from seqsci.gates.knockout import Closed, Open
from seqsci.gates.silencing import SilencingGate
from seqsci.knockout import knock_out
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.sequences import Sequences

LENGTH = 25_000.0
PLAIN = Model(LeakyIntegrator(), Gaussian()).start_at(decay_length=LENGTH, gain=1.0, basal=0.0)


def locus(rows: int = 40, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Sorted positions [bp] and activities."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(1_000_000, rows, replace=False)), rng.gamma(0.7, 2.0, rows)


def along(model: Model, position: np.ndarray, activity: np.ndarray, **known: np.ndarray) -> np.ndarray:
    """What arrives at each position from its left, its own activity included."""
    table = {"gap_bp": np.diff(position, prepend=position[0]).astype(float), "activity": activity, **known}
    sequences = Sequences({model.mechanism.outcomes[0].name: np.zeros(len(position))}, table)
    return model.filter(sequences).reads[:, 0]


def closed_form(position: np.ndarray, activity: np.ndarray, length: float = LENGTH) -> np.ndarray:
    d = position[:, None] - position[None, :]
    return np.where(d >= 0, np.exp(-np.abs(d) / length), 0.0) @ activity


def test_the_state_is_the_sum_of_decayed_activities() -> None:
    position, activity = locus()
    assert along(PLAIN, position, activity) == pytest.approx(closed_form(position, activity), rel=1e-12)


def test_a_missing_expression_does_not_stop_the_scan() -> None:
    position, activity = locus()
    y = np.full(len(position), np.nan)
    y[-1] = 1.0
    table = {"gap_bp": np.diff(position, prepend=position[0]).astype(float), "activity": activity}
    assert PLAIN.filter(Sequences({"expression": y}, table)).reads[:, 0] == pytest.approx(closed_form(position, activity), rel=1e-12)


def test_the_order_of_empty_positions_does_not_matter() -> None:
    """Decay over irregular gaps is exact: a position without activity may be put in anywhere."""
    position, activity = locus()
    more = np.sort(np.r_[position, position[:-1] + np.diff(position) // 3 + 1])
    spread = np.zeros(len(more))
    spread[np.searchsorted(more, position)] = activity
    found = along(PLAIN, more, spread)[np.searchsorted(more, position)]
    assert found == pytest.approx(along(PLAIN, position, activity), rel=1e-12)


def test_silencing_one_element_takes_away_what_it_sends() -> None:
    position, activity = locus()
    screen = Model(LeakyIntegrator(write=SilencingGate()), Gaussian()).start_at(decay_length=LENGTH, efficacy=1.0)
    whole = along(screen, position, activity, silenced=np.zeros(len(position)))
    for e in (0, 7, 30):
        silenced = np.eye(len(position))[e]
        lost = whole - along(screen, position, activity, silenced=silenced)
        sent = np.where(np.arange(len(position)) >= e, activity[e] * np.exp(-(position - position[e]) / LENGTH), 0.0)
        assert lost == pytest.approx(sent, rel=1e-9, abs=1e-12)


def test_silencing_every_element_is_the_knock_out_of_the_write_gate() -> None:
    position, activity = locus()
    screen = Model(LeakyIntegrator(write=SilencingGate()), Gaussian()).start_at(decay_length=LENGTH, efficacy=1.0)
    states = []
    for model in (screen, knock_out(screen, write=Closed())):
        table = {"gap_bp": np.diff(position, prepend=position[0]).astype(float), "activity": activity, "silenced": np.ones(len(position))}
        states.append(model.filter(Sequences({"expression": np.zeros(len(position))}, table)).states)
    assert np.array_equal(states[0], states[1]) and not states[0].any()


@pytest.mark.parametrize(("gate", "expected"), [(Open(), np.cumsum), (Closed(), np.copy)])
def test_an_open_forget_gate_sums_everything_and_a_closed_one_nothing(gate: object, expected: object) -> None:
    position, activity = locus()
    table = {"gap_bp": np.diff(position, prepend=position[0]).astype(float), "activity": activity}
    path = knock_out(PLAIN, forget=gate).filter(Sequences({"expression": np.zeros(len(position))}, table))  # type: ignore[arg-type]
    assert np.append(path.states[1:, 0], path.last[0, 0]) == pytest.approx(expected(activity), rel=1e-12)  # type: ignore[operator]


def test_an_insulator_multiplies_what_has_to_pass_it() -> None:
    position, activity = locus()
    model = Model(LeakyIntegrator(insulator=InsulatorGate()), Gaussian()).start_at(decay_length=LENGTH)
    wall = np.eye(len(position))[20] * 2
    free, half, reset = (along(model.start_at(insulation=nu), position, activity, boundaries=wall) for nu in (0.0, np.log(2) / 2, 20.0))
    assert free == pytest.approx(closed_form(position, activity), rel=1e-12)
    past = np.where(np.arange(len(position)) >= 20, closed_form(position, np.where(np.arange(len(position)) < 20, activity, 0)), 0.0)
    assert half == pytest.approx(free - past / 2, rel=1e-12)
    assert reset == pytest.approx(free - past, rel=1e-12)


def test_the_bank_cell_reads_what_the_bank_scans() -> None:
    position, activity = locus()
    cell = Model(LeakyBank(), Gaussian()).start_at(exponent=0.7, gain=1.0, basal=0.0)
    d = position[:, None] - position[None, :]
    kernel = DecayBank.log_spaced(exponent=0.7).kernel(d)
    assert along(cell, position, activity) == pytest.approx(np.where(d >= 0, kernel, 0) @ activity, rel=1e-12)


def test_a_switch_is_half_on_at_its_threshold() -> None:
    position, activity = locus()
    arriving = closed_form(position, activity)
    model = Model(PromoterSwitch(), Bernoulli()).start_at(decay_length=LENGTH, threshold=float(arriving[12]), sharpness=3.0)
    on = along(model, position, activity)
    assert on[12] == pytest.approx(0.5, abs=1e-8)
    assert on == pytest.approx(arriving**3 / (arriving**3 + arriving[12] ** 3), rel=1e-6)


def test_a_single_decay_length_is_found_within_5_percent() -> None:
    rng = np.random.default_rng(4)
    truth = PLAIN.start_at(scatter=0.3, gain=1.5, basal=0.2)
    known = {"gap_bp": np.exp(rng.uniform(5.7, 12.6, 3000)), "activity": rng.gamma(0.7, 2.0, 3000)}
    found = fit(truth.start_at(decay_length=8_000.0), truth.simulate(3000, 7, known))
    assert found.value["decay_length"] == pytest.approx(LENGTH, rel=0.05)


def test_decay_lengths_out_of_order_are_refused() -> None:
    with pytest.raises(ParameterError, match="0 < shortest < longest"):
        LeakyBank(5e6, 5e3)


def test_an_exported_cell_scans_as_the_library_does(tmp_path: Path) -> None:
    """One file of Python, printed from the equation, gives the state and the read of every position."""
    position, activity = locus()
    model = Model(LeakyIntegrator(insulator=InsulatorGate()), Gaussian()).start_at(decay_length=LENGTH, insulation=0.4, gain=1.5)
    walls = (np.arange(len(position)) % 5 == 0).astype(float)
    table = {"gap_bp": np.diff(position, prepend=position[0]).astype(float), "activity": activity, "boundaries": walls}
    sequences = Sequences({"expression": np.zeros(len(position))}, table)
    path = tmp_path / "exported.py"
    path.write_text(python_source(model))
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected, state = model.filter(sequences), module.start({n: v[0] for n, v in table.items()})
    for t in range(len(position)):
        known = {n: float(v[t]) for n, v in table.items()}
        assert module.read(state, known)["location"] == pytest.approx(expected.reads[t, 0], rel=1e-12)
        state = module.update(state, known, {"expression": 0.0})
