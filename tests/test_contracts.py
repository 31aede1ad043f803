"""Everything in the registry keeps every law of seqsci.testing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seqsci.gates.base import Gate
from seqsci.model import Model
from seqsci.predictor import Predictor
from seqsci.sequences import Sequences
from seqsci.testing import MODEL_LAWS, check_gate, check_observation, check_predictor, check_recovery
from seqsci.testing.cells import BACKENDS
from tests.registry import (
    ALL_BACKENDS,
    ALL_BASELINES,
    ALL_CELLS,
    ALL_GATES,
    ALL_MODELS,
    ALL_OBSERVATIONS,
    ALL_RECOVERED,
    VOLATILITY,
    CellCase,
    ObservationCase,
    RecoveryCase,
)


@pytest.mark.parametrize("gate", ALL_GATES, ids=repr)
def test_every_gate_keeps_the_laws(gate: Gate) -> None:
    check_gate(gate)


@pytest.mark.parametrize("case", ALL_OBSERVATIONS, ids=lambda c: type(c.observation).__name__)
def test_every_observation_keeps_the_laws(case: ObservationCase) -> None:
    check_observation(*case)


@pytest.mark.parametrize("law", MODEL_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("case", ALL_CELLS, ids=lambda c: c.name)
def test_every_cell_keeps_the_laws(case: CellCase, law: Callable[[Model, Sequences], None]) -> None:
    law(*case.make())


@pytest.mark.parametrize("predictor", (*ALL_MODELS, *ALL_BASELINES), ids=lambda p: p.name)
def test_every_predictor_keeps_the_laws(predictor: Predictor) -> None:
    simulated = VOLATILITY.simulate(600, seed=1).outcome
    check_predictor(predictor, Sequences(simulated, measure={"log_return": "percent"}))


@pytest.mark.parametrize("case", ALL_RECOVERED, ids=lambda c: c.name)
def test_a_fit_recovers_what_was_simulated(case: RecoveryCase) -> None:
    check_recovery(case.model, case.rows, case.known())


def test_the_laws_of_cells_run_on_every_back_end() -> None:
    assert BACKENDS == ALL_BACKENDS
