"""Everything that must keep the laws: a new gate, cell, observation or baseline is a file in seqsci and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seqsci.bank_predictor import BankPredictor
from seqsci.cells.methylation import DaughterStrand
from seqsci.cells.survey import GivenError, NoError
from seqsci.cells.volatility import Variance, Volatility
from seqsci.constraints import Positive
from seqsci.domains.ecology import models as ecology
from seqsci.domains.finance.baselines import BASELINES
from seqsci.domains.genomics.methylation import models as methylation
from seqsci.domains.memory import models as memory
from seqsci.domains.memory.sequences import to_sequences as review_sequences
from seqsci.domains.memory.simulator import RandomIntervals, Relearning, simulate_log
from seqsci.estimation.bank import Bank
from seqsci.gates.base import Gate
from seqsci.gates.constant import ConstantGate
from seqsci.gates.distance import DistanceGate
from seqsci.gates.driven import DrivenGate
from seqsci.gates.elapsed import ElapsedGate
from seqsci.gates.insulator import InsulatorGate
from seqsci.gates.knockout import Closed, Frozen, Open
from seqsci.gates.logistic import LogisticGate
from seqsci.gates.power import PowerGate
from seqsci.gates.shock import ShockGate
from seqsci.gates.silencing import SilencingGate
from seqsci.linear_gaussian import LinearGaussian, StateSpace
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.beta_binomial import BetaBinomial
from seqsci.observations.binomial import Binomial
from seqsci.observations.gaussian import DiffuseGaussian, Gaussian
from seqsci.observations.location_scale_t import LocationScaleT
from seqsci.observations.negative_binomial import NegativeBinomial
from seqsci.observations.skew_t import SkewT
from seqsci.observations.student_t import StudentT
from seqsci.parameter import Parameter
from seqsci.predictor import ModelPredictor, Predictor
from seqsci.sequences import Sequences
from tests.hard_cases import hard_case
from tests.registry_genomics import ENHANCER, ENHANCER_BANK, SCREEN, SWITCH, along_dna, methylated_reads, positions, read_depths, screened


class CellCase(NamedTuple):
    """A model with sequences that it fits to; compiled once in a session, so few rows but several kernels."""

    name: str
    make: Callable[[], tuple[Model, Sequences]]


@dataclass(frozen=True)
class LocalLevel(LinearGaussian):
    """A random walk seen with noise: two states, so few that its kernels compile quickly."""

    components = ("level",)
    own_parameters = (
        Parameter("step", Positive(), 0.3, "1", r"\sigma_k", "sd of a step of the level"),
        Parameter("error", Positive(), 0.5, "1", r"\sigma_o", "sd of the observation error"),
    )

    def matrices(self, step: Any, error: Any) -> StateSpace:
        return StateSpace(((1,),), ((step**2,),), (1,), error**2, (0,), ((4.0,),))


def level() -> tuple[Model, Sequences]:
    """A local level with missing steps."""
    y = np.cumsum(np.random.default_rng(3).normal(0, 0.3, 60))
    y[[0, 7, 8, 50]] = np.nan
    return Model(LocalLevel(), Gaussian()), Sequences({"y": y}, unit=np.repeat([0, 1], [40, 20]))


class ObservationCase(NamedTuple):
    """An observation, values of its arguments and parameters, and the possible outcomes where they are discrete."""

    observation: Observation
    given: dict[str, float]
    support: tuple[float, ...] | None = None


def returns(rows: int, missing: tuple[int, ...] = (), units: int = 1) -> Sequences:
    """Fat-tailed returns in percent."""
    values = np.random.default_rng(3).standard_t(5, rows) * 0.8
    values[list(missing)] = np.nan
    return Sequences({"log_return": values}, unit=np.repeat(np.arange(units), rows // units), measure={"log_return": "percent"})


VOLATILITY = Model(Volatility(), StudentT()).start_at(
    mean=0.03, rotation=0.35, shift=0.2, memory=0.88, persistence=0.96, intercept=0.04, degrees_of_freedom=6.0
)
SHOCK_VARIANCE = Model(Volatility(Variance(), ShockGate()), SkewT()).start_at(
    mean=0.03, rotation=0.3, shift=0.2, memory=0.9, persistence=0.95, intercept=0.05, shock_slope=-0.1, skewness=-0.2
)
DRIVEN = Model(Volatility(forget=DrivenGate()), Gaussian()).start_at(
    mean=0.03, rotation=0.3, shift=0.2, memory=0.9, persistence=0.95, intercept=0.05
)


def driven() -> tuple[Model, Sequences]:
    """Volatility whose gate follows a known sequence."""
    plain = returns(60, (3, 40), units=2)
    return DRIVEN, plain.with_known({"gate_drive": np.random.default_rng(8).normal(0, 1, 60)})


INSIDE_FSRS7 = {"transition_rate": 4.0, "transition_share": 0.8, "slow_base": 0.6}
"""Parameters of FSRS whose published value lies on a bound, moved inside."""


def reviews(model: Model, exact: bool = False) -> tuple[Model, Sequences]:
    """Twelve cards seen seven times, some on the same day."""
    frame = simulate_log(memory.sbd(), 12, 8, Relearning(RandomIntervals(), 0.7), seed=7)
    return model, review_sequences(frame, exact)


def counts(model: Model) -> tuple[Model, Sequences]:
    """Log counts of two populations, with missing years and with what the model knows of each year."""
    rng = np.random.default_rng(5)
    y = 3 + np.cumsum(rng.normal(0, 0.25, 60))
    y[[0, 7, 8, 50]] = np.nan
    known = {k.name: 0.2 + 0.1 * np.abs(rng.normal(0, 1, 60)) for k in model.mechanism.known}
    return model, Sequences({"log_count": y}, known, unit=np.repeat([0, 1], [40, 20]))


def yearly(*names: str) -> dict[str, np.ndarray]:
    """What is known of 2000 years."""
    rng = np.random.default_rng(8)
    return {n: rng.gamma(2.0, 0.5, 2000) for n in names}


TWO_CHANNELS = {"dependence": 0.6, "process_sd": 0.3, "observation_sd": 0.2}


def whole_counts(model: Model) -> tuple[Model, Sequences]:
    """The same populations as small whole counts, zeros among them."""
    _, logs = counts(model)
    return model, Sequences({"count": np.floor(np.exp(logs.outcome["log_count"] - 2))}, unit=logs.unit)


def gaps(rows: int) -> dict[str, np.ndarray]:
    """Gaps between an hour and eight years, log-uniform."""
    return {"elapsed_days": np.exp(np.random.default_rng(8).uniform(-3, 8, rows))}


LOCATION_SCALE = {"location": 0.3, "scale": 1.7}

ALL_GATES: tuple[Gate, ...] = (
    ConstantGate(),
    ElapsedGate(),
    ShockGate(),
    PowerGate(),
    DrivenGate(),
    DistanceGate(),
    InsulatorGate(),
    SilencingGate(),
    LogisticGate(("boundaries",)),
    Open(),
    Closed(),
    Frozen(0.25),
)

ALL_CELLS = (
    CellCase("volatility", lambda: (VOLATILITY, returns(80, (3, 50), units=2))),
    CellCase("volatility_shock_variance", lambda: (SHOCK_VARIANCE, returns(60, (3, 40), units=2))),
    CellCase("volatility_driven", driven),
    CellCase("additive_stability", lambda: hard_case("additive_stability")),
    CellCase("linear_gaussian", level),
    CellCase("leaky_bank", lambda: hard_case("leaky_bank")),
    CellCase("driven_cell", lambda: hard_case("driven_cell")),
    CellCase("forgetting_power", lambda: reviews(memory.power())),
    CellCase("sbd", lambda: reviews(memory.sbd())),
    CellCase("fsrs6", lambda: reviews(memory.fsrs6().start_at(reversion=0.1))),
    CellCase("gompertz", lambda: counts(ecology.gompertz())),
    CellCase("ricker", lambda: counts(ecology.ricker())),
    CellCase("slow_channel", lambda: counts(ecology.slow_channel())),
    CellCase("slow_channel_settled", lambda: counts(ecology.arima().free(["fast_write"]).start_at(fast_write=0.7))),
    CellCase("adaptive_slow_channel", lambda: counts(ecology.adaptive_slow_channel())),
    CellCase("count_slow_channel", lambda: whole_counts(ecology.count_slow_channel())),
    CellCase("gompertz_state_space", lambda: counts(ecology.gompertz_state_space())),
    CellCase("lagged_capacity", lambda: counts(ecology.lagged_capacity(GivenError()))),
    CellCase("harvested", lambda: counts(ecology.harvested(NoError()))),
    CellCase("leaky_integrator", lambda: along_dna(ENHANCER)),
    CellCase("leaky_integrator_screen", lambda: along_dna(SCREEN)),
    CellCase("promoter_switch", lambda: along_dna(SWITCH)),
    CellCase("screened_pair", screened),
    CellCase("leaky_integrators", lambda: along_dna(ENHANCER_BANK)),
    CellCase("methylation_division", lambda: methylated_reads(methylation.per_division(DaughterStrand()))),
    CellCase("methylation_hour", lambda: methylated_reads(methylation.per_hour_overdispersed())),
    CellCase("fsrs7", lambda: reviews(memory.fsrs7().start_at(**INSIDE_FSRS7), exact=True)),
)

ALL_OBSERVATIONS = (
    ObservationCase(Gaussian(), LOCATION_SCALE),
    ObservationCase(DiffuseGaussian(), {**LOCATION_SCALE, "diffuse_variance": 0.0}),
    ObservationCase(StudentT(), {**LOCATION_SCALE, "degrees_of_freedom": 6.0}),
    ObservationCase(LocationScaleT(), {**LOCATION_SCALE, "degrees_of_freedom": 6.0, "diffuse_variance": 0.0}),
    ObservationCase(SkewT(), {**LOCATION_SCALE, "degrees_of_freedom": 6.0, "skewness": -0.4}),
    ObservationCase(SkewT(), {**LOCATION_SCALE, "degrees_of_freedom": 40.0, "skewness": 0.8}),
    ObservationCase(NegativeBinomial(), {"mean": 7.5, "dispersion": 0.3, "diffuse_variance": 0.0}, support=tuple(range(140))),
    ObservationCase(NegativeBinomial(), {"mean": 0.4, "dispersion": 2.5, "diffuse_variance": 0.0}, support=tuple(range(80))),
    ObservationCase(Bernoulli(), {"probability": 0.3}, support=(0.0, 1.0)),
    ObservationCase(Binomial(), {"probability": 0.83, "coverage": 12.0}, support=tuple(range(13))),
    ObservationCase(Binomial(), {"probability": 0.02, "coverage": 200.0}, support=tuple(range(40))),
    ObservationCase(BetaBinomial(), {"probability": 0.83, "coverage": 12.0, "overdispersion": 0.1}, support=tuple(range(13))),
    ObservationCase(BetaBinomial(), {"probability": 0.4, "coverage": 30.0, "overdispersion": 0.7}, support=tuple(range(31))),
)

ALL_MODELS: tuple[Predictor, ...] = (
    ModelPredictor(Model(Volatility(), StudentT())),
    BankPredictor(Bank(VOLATILITY, {"memory": [0.8, 0.9, 0.95], "persistence": [0.9, 0.96, 0.99]}), pseudo_count=1.0),
)

ALL_BASELINES: tuple[Predictor, ...] = BASELINES
"""The baselines that a comparison offers."""


class RecoveryCase(NamedTuple):
    """A shipped cell at values that its rows identify, and its known sequences."""

    name: str
    model: Model
    rows: int
    known: Callable[[], dict[str, np.ndarray] | None] = lambda: None


ALL_RECOVERED = (
    RecoveryCase("volatility", VOLATILITY, 4000),
    RecoveryCase("volatility_shock_variance", SHOCK_VARIANCE, 6000),
    RecoveryCase("volatility_driven", DRIVEN, 3000, lambda: {"gate_drive": np.random.default_rng(8).normal(0, 1, 3000)}),
    RecoveryCase("gompertz", ecology.gompertz().start_at(dependence=0.6, process_sd=0.25), 600),
    RecoveryCase("ricker", ecology.ricker().start_at(growth_rate=0.6, process_sd=0.25), 600),
    RecoveryCase("slow_channel", ecology.slow_channel().start_at(fast_write=0.7, capacity_half_life=8.0), 3000),
    RecoveryCase("adaptive_slow_channel", ecology.adaptive_slow_channel().start_at(fast_write=0.7, capacity_half_life=8.0), 4000),
    RecoveryCase("random_walk_capacity", ecology.random_walk_capacity().start_at(**TWO_CHANNELS), 4000),
    RecoveryCase("smooth_capacity", ecology.smooth_capacity().start_at(**TWO_CHANNELS), 3000),
    RecoveryCase(
        "methylation_division",
        methylation.per_division().start_at(maintenance=0.998, de_novo=0.008, initial_fraction=0.1),
        1500,
        lambda: {"coverage": read_depths(1500)["coverage"]},
    ),
    RecoveryCase("methylation_hour", methylation.per_time().start_at(initial_fraction=0.2), 1500, lambda: read_depths(1500)),
    RecoveryCase("harvested", ecology.harvested(NoError()), 2000, lambda: yearly("catch", "log_effort")),
    RecoveryCase("covariate_capacity", ecology.covariate_capacity().start_at(**TWO_CHANNELS), 2000, lambda: yearly("capacity_covariate")),
    RecoveryCase("leaky_integrator", ENHANCER, 2000, lambda: positions(2000)),
    RecoveryCase("leaky_integrator_screen", SCREEN, 4000, lambda: positions(4000)),
    RecoveryCase("promoter_switch", SWITCH, 4000, lambda: positions(4000)),
    RecoveryCase("leaky_integrators", ENHANCER_BANK, 3000, lambda: positions(3000)),
    RecoveryCase(
        "forgetting",
        memory.exponential().fix(learned_at_first=0.9),
        4000,
        lambda: {"elapsed_days": np.random.default_rng(8).gamma(0.7, 20.0, 4000)},
    ),
    RecoveryCase(
        "forgetting_power",
        memory.power().fix(learned_at_first=0.9),
        6000,
        lambda: {"elapsed_days": np.exp(np.random.default_rng(8).uniform(-3, 8, 6000))},
    ),
)
"""Every shipped cell with every gate of its own: what is simulated is found again."""

ALL_BACKENDS = ("numba", "torch")
