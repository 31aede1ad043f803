"""Models and sequences of the genomics domain that the registry's laws run on."""

from __future__ import annotations

import numpy as np

from seqsci.cells.leaky_bank import LeakyBank
from seqsci.cells.leaky_integrator import LeakyIntegrator
from seqsci.cells.promoter_switch import PromoterSwitch
from seqsci.cells.screened_pair import ScreenedPair
from seqsci.gates.insulator import InsulatorGate
from seqsci.gates.logistic import LogisticGate
from seqsci.gates.silencing import SilencingGate
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.sequences import Sequences


def positions(rows: int) -> dict[str, np.ndarray]:
    """Elements along DNA: gaps from 0.3 to 300 kb, activities, boundaries passed and elements silenced."""
    rng = np.random.default_rng(8)
    return {
        "gap_bp": np.exp(rng.uniform(5.7, 12.6, rows)),
        "activity": rng.gamma(0.7, 2.0, rows) + 0.05,
        "boundaries": rng.binomial(2, 0.2, rows).astype(float),
        "silenced": rng.binomial(1, 0.3, rows).astype(float),
    }


def along_dna(model: Model) -> tuple[Model, Sequences]:
    """Two chromosomes with promoters seen at four of five positions."""
    known = positions(60)
    y = model.simulate(60, 3, known).outcome[model.mechanism.outcomes[0].name].copy()
    y[::5] = np.nan
    return model, Sequences(
        {model.mechanism.outcomes[0].name: y}, {k.name: known[k.name] for k in model.mechanism.known}, unit=np.repeat([0, 1], [40, 20])
    )


ENHANCER = Model(LeakyIntegrator(), Gaussian()).start_at(basal=0.4, gain=1.3, scatter=0.5, decay_length=20_000.0)
SCREEN = Model(LeakyIntegrator(insulator=InsulatorGate(), write=SilencingGate()), Gaussian()).start_at(scatter=0.5, decay_length=40_000.0)
SWITCH = Model(PromoterSwitch(), Bernoulli()).start_at(threshold=1.5, sharpness=1.5, decay_length=20_000.0)
ENHANCER_BANK = Model(LeakyBank(), Gaussian()).start_at(basal=0.4, gain=1.3, scatter=0.1, exponent=0.8)

PAIRS = Model(ScreenedPair(gate=LogisticGate(("boundaries",))), Bernoulli()).start_at(
    slope=0.7, intercept=-0.3, exponent=0.9, by_boundaries=-0.4
)


def screened() -> tuple[Model, Sequences]:
    """Pairs of an element and a promoter, a unit each."""
    table = positions(40)
    known = {"distance_bp": table["gap_bp"], "activity": table["activity"], "boundaries": table["boundaries"]}
    drawn = PAIRS.simulate_like(Sequences({"regulated": np.zeros(40)}, known, unit=np.arange(40)), 3)
    return PAIRS, drawn


def methylated_reads(model: Model) -> tuple[Model, Sequences]:
    """Reads of two sites at 30 times each, some not sequenced."""
    rng = np.random.default_rng(6)
    n = rng.poisson(9, 60) + 1.0
    y = np.floor(n * np.clip(0.8 - 0.6 * np.exp(-np.tile(np.arange(30), 2) / 8) + rng.normal(0, 0.05, 60), 0.02, 0.98))
    y[[4, 30, 31, 50]] = np.nan
    known = {"coverage": n, "elapsed": rng.gamma(1.5, 1.0, 60)}
    return model, Sequences({"methylated": y}, {k.name: known[k.name] for k in model.mechanism.known}, unit=np.repeat([0, 1], 30))


def read_depths(rows: int) -> dict[str, np.ndarray]:
    """Coverages of so many rows, and gaps of some hours."""
    rng = np.random.default_rng(8)
    return {"coverage": rng.poisson(60, rows) + 1.0, "elapsed": rng.gamma(1.5, 0.02, rows)}
