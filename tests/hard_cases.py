"""Five mechanisms that together stretch every seam of the core; used by several tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqsci.cells.volatility import Volatility
from seqsci.constraints import Interval, Positive, Real
from seqsci.equations.vocabulary import exp, log, minimum, power, sigmoid, sqrt, where
from seqsci.gates.base import Gate
from seqsci.gates.elapsed import ElapsedGate
from seqsci.linear_gaussian import LinearGaussian, StateSpace
from seqsci.mechanism import Gated, Mechanism
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import DiffuseGaussian, Gaussian
from seqsci.observations.student_t import StudentT
from seqsci.parameter import Known, Outcome, Parameter, State
from seqsci.sequences import Sequences


@dataclass(frozen=True)
class AdditiveStability(Mechanism):
    """SBD (open-spaced-repetition/srs-benchmark, models/sbd.py): irregular gaps, a branch on the grade, a state shared with the loss."""

    states = (State("stability"), State("ease"), State("lapses"))
    known = (Known("elapsed_days"), Known("first_grade"))
    outcomes = (Outcome("recalled"), Outcome("grade"))
    own_parameters = (
        Parameter("low", Real(), 0.5, "1", "L", "log stability of a failed first review"),
        Parameter("high", Real(), 2.5, "1", "H", "log stability of an easy first review"),
        Parameter("curvature", Positive(), 2.0, "1", "k", "curvature of the gap"),
        Parameter("log_decay", Real(), -1.0, "1", r"\alpha", "log decay"),
        Parameter("lapse_power", Positive(), 0.6, "1", "c", "power of lapses"),
        Parameter("gain", Real(), 0.3, "1", "v", "gain"),
        Parameter("offset", Positive(), 0.4, "1", r"\delta", "offset of lapses"),
    )

    def _ease_step(self, low, high):
        return exp((high - low) / 3)

    def start(self, first_grade, low, high):
        return (
            exp(low) * power(self._ease_step(low, high), first_grade - 1),
            first_grade - 1,
            where(first_grade < 3, (3 - first_grade) / 2, 0.0),
        )

    def _gain(self, stability, ease, elapsed_days, low, high, curvature, gain):
        return power(elapsed_days, 1 / curvature) + exp(gain / curvature) * power(self._ease_step(low, high), -ease / 2) * sqrt(stability)

    def read(self, stability, ease, lapses, elapsed_days, low, high, curvature, log_decay, lapse_power, gain, offset):
        a = self._gain(stability, ease, elapsed_days, low, high, curvature, gain)
        beta = exp(log_decay) * power(offset + lapses, lapse_power)
        return {"probability": power(1 + a / stability, -beta), "gained": a}

    def update(self, stability, lapses, recalled, grade, probability, gained, lapse_power):
        passed = recalled > 0.5
        new = where(passed, stability + gained, stability * power(1 - probability, lapse_power))
        return new, grade - 1, minimum(lapses + where(grade < 3, (3 - grade) / 2, 0.0), 50.0)


@dataclass(frozen=True)
class SmoothCapacity(LinearGaussian):
    """A fast density around a smooth carrying capacity (level and slope): three components, exact diffuse start of the slow ones."""

    components = ("density", "level", "slope")
    diffuse = (False, True, True)
    own_parameters = (
        Parameter("dependence", Interval(-1.0, 1.0), 0.5, "1", r"\phi", "share of a deviation that is left after a year"),
        Parameter("process", Positive(), 0.2, "1", r"\sigma_p", "sd of the fast noise"),
        Parameter("drift", Positive(), 0.05, "1", r"\sigma_k", "sd of the slope's noise"),
        Parameter("error", Positive(), 0.1, "1", r"\sigma_o", "sd of the observation error"),
    )

    def matrices(self, dependence, process, drift, error):
        return StateSpace(
            transition=((dependence, 0, 0), (0, 1, 1), (0, 0, 1)),
            state_variance=((process**2, 0, 0), (0, 0, 0), (0, 0, drift**2)),
            design=(1, 1, 0),
            observation_variance=error**2,
            mean=(0, 0, 0),
            variance=((process**2 / (1 - dependence**2), 0, 0), (0, 0, 0), (0, 0, 0)),
        )


@dataclass(frozen=True)
class ProperCapacity(LinearGaussian):
    """The same with a proper start of every component: nine states, no diffuse part."""

    components = ("density", "level", "slope")
    own_parameters = SmoothCapacity.own_parameters

    def matrices(self, dependence, process, drift, error):
        space = SmoothCapacity().matrices(dependence, process, drift, error)
        variance = ((space.variance[0][0], 0, 0), (0, 1.0, 0), (0, 0, 0.01))
        return StateSpace(space.transition, space.state_variance, space.design, space.observation_variance, (0, 0, 0), variance)


@dataclass(frozen=True)
class LeakyBank(Mechanism):
    """Two leaky integrators over irregular gaps, emptied at each reset of a unit."""

    fast: Gate = ElapsedGate()

    states = (State("short"), State("long"))
    known = (Known("elapsed"), Known("signal"))
    outcomes = (Outcome("expression"),)
    own_parameters = (
        Parameter("ratio", Positive(), 4.0, "1", "r", "ratio of the two half-lives"),
        Parameter("weight", Positive(), 0.7, "1", "w", "weight of the short one"),
        Parameter("spread", Positive(), 0.5, "1", r"\sigma", "scatter"),
    )

    def start(self):
        return 0.0, 0.0

    def read(self, short, long, weight, spread):
        return {"location": weight * short + long, "scale": spread}

    def update(self, signal, elapsed, fast, ratio):
        return (
            Gated(forget=fast(elapsed=elapsed), write=1 - fast(elapsed=elapsed), candidate=signal),
            Gated(forget=fast(elapsed=elapsed / ratio), write=1, candidate=signal),
        )

    def unobserved(self, short, long, signal, elapsed, fast, ratio):
        return (
            Gated(forget=fast(elapsed=elapsed), write=1 - fast(elapsed=elapsed), candidate=signal),
            Gated(forget=fast(elapsed=elapsed / ratio), write=1, candidate=signal),
        )


@dataclass(frozen=True)
class DrivenCell(Mechanism):
    """A moving average whose forget gate is driven by a Known logit, made elsewhere by a network."""

    states = (State("average"),)
    known = (Known("gate_logit"),)
    outcomes = (Outcome("y"),)
    own_parameters = (
        Parameter("base", Real(), 1.0, "1", "b", "logit of the undriven gate"),
        Parameter("spread", Positive(), 1.0, "1", r"\sigma", "scatter"),
    )

    def start(self, base):
        return 0.1 * base

    def read(self, average, spread):
        return {"location": average, "scale": spread * sqrt(1 + average**2)}

    def update(self, y, gate_logit, base):
        keep = sigmoid(base + gate_logit)
        return Gated(forget=keep, write=1 - keep, candidate=y + log(1 + y**2))


def _volatility(rng):
    model = Model(Volatility(), StudentT()).start_at(mean=0.03, rotation=0.35, shift=0.2, memory=0.88, persistence=0.96, intercept=0.04)
    returns = rng.standard_t(5, 120) * 0.8
    return model, Sequences({"log_return": returns}, unit=np.repeat([0, 1], 60))


def _stability(rng):
    grade = rng.choice([1.0, 2.0, 3.0, 4.0], 90, p=[0.2, 0.1, 0.6, 0.1])
    known = {"elapsed_days": rng.gamma(1.2, 4.0, 90) + 0.1, "first_grade": np.repeat(rng.choice([1.0, 3.0, 4.0], 9), 10)}
    weight = (rng.random(90) < 0.8).astype(float)
    outcome = {"recalled": (grade > 1).astype(float), "grade": grade}
    return Model(AdditiveStability(), Bernoulli()), Sequences(outcome, known, weight=weight, unit=np.repeat(np.arange(9), 10))


def _capacity(rng, mechanism, observation):
    y = np.cumsum(rng.normal(0, 0.2, 60)) + 0.02 * np.arange(60)
    y[[0, 7, 8, 30]] = np.nan
    return Model(mechanism, observation), Sequences({"y": y}, unit=np.repeat([0, 1], [40, 20]))


def _bank(rng):
    known = {"elapsed": rng.gamma(1.0, 6.0, 80), "signal": rng.normal(1, 1, 80)}
    y = rng.normal(0, 1, 80)
    y[[3, 50]] = np.nan
    reset = np.zeros(80, bool)
    reset[[0, 11, 37, 60]] = True
    return Model(LeakyBank(), Gaussian()), Sequences({"expression": y}, known, reset=reset)


def _driven(rng):
    return Model(DrivenCell(), Gaussian()), Sequences(
        {"y": rng.normal(0, 1, 70)}, {"gate_logit": rng.normal(0, 1, 70)}, unit=np.repeat([0, 1], 35)
    )


CASES = {
    "student_t_sigma": _volatility,
    "additive_stability": _stability,
    "smooth_capacity": lambda rng: _capacity(rng, SmoothCapacity(), DiffuseGaussian()),
    "proper_capacity": lambda rng: _capacity(rng, ProperCapacity(), Gaussian()),
    "leaky_bank": _bank,
    "driven_cell": _driven,
}


def hard_case(name: str) -> tuple[Model, Sequences]:
    """A model and sequences for it, seeded."""
    return CASES[name](np.random.default_rng(3))
