"""Laws of observation densities."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqsci.equations.checking import check_source
from seqsci.equations.symbolic import symbols
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.parameter import Known, Outcome, State
from seqsci.sequences import Sequences
from seqsci.testing.gates import check_parameter
from seqsci.testing.requirement import require, require_equal, require_pickles
from seqsci.testing.traced import evaluate

Array = np.ndarray
TAILS = 10.0 ** np.arange(-12, 0)
LADDER = np.concatenate([TAILS, [0.25, 0.5, 0.75], 1 - TAILS[::-1][:10]])
DRAWS = 20_000
KS_LIMIT = 1.95
"""sqrt(n) times the largest distance of an empirical from the true cdf exceeds this once in a thousand times."""
DEVIATIONS = 5.0


def check_observation(observation: Observation, given: Mapping[str, float], support: Sequence[float] | None = None) -> None:
    """Raise AssertionError where an observation breaks a law at ``given`` arguments and shape parameters.

    Laws: the density integrates (the mass sums) to 1; ``cdf`` is its integral; ``quantile`` inverts it; ``mean`` and ``variance``
    are its moments; samples made by ``outcome(noise)`` follow it; ``log_density`` and ``outcome`` are the same numbers, with the same
    derivatives, on floats, torch, SymPy and in a compiled kernel; arrays broadcast.

    ``support`` lists the possible outcomes of a discrete observation, increasing (all but 1e-12 of them); None is a density. Choose
    shape parameters for which the fourth moment exists, and arguments for which the density is proper.

    >>> from seqsci.observations.bernoulli import Bernoulli
    >>> check_observation(Bernoulli(), {"probability": 0.3}, support=(0, 1))
    """
    names = [*observation.arguments, *(p.name for p in observation.parameters)]
    label = type(observation).__name__
    require(
        set(given) == set(names),
        f"{label} is checked at values of its arguments and parameters",
        sorted(given),
        sorted(names),
        "pass them all",
    )
    for equation in (observation.log_density, observation.outcome):
        check_source(equation)
    require_pickles(observation)
    for parameter in observation.parameters:
        check_parameter(parameter)
    table = {n: float(given[n]) for n in names}
    claims = _Discrete(observation, table, np.asarray(support, float)) if support is not None else _Continuous(observation, table)
    claims.check(label)
    _samples(claims, label)
    y = claims.typical
    _broadcasts(observation, table, y, label)
    _libraries_agree(observation, table, y, label)
    _kernel_agrees(observation, table, y, label)


@dataclass(frozen=True)
class _Continuous:
    """A density, integrated by Gauss-Legendre between the rungs of a ladder of its own quantiles."""

    observation: Observation
    given: dict[str, float]

    @functools.cached_property
    def rungs(self) -> Array:
        return np.asarray(self.observation.quantile(LADDER, self.given))

    @functools.cached_property
    def nodes(self) -> tuple[Array, Array]:
        x, w = np.polynomial.legendre.leggauss(60)
        half, middle = np.diff(self.rungs)[:, None] / 2, (self.rungs[1:] + self.rungs[:-1])[:, None] / 2
        return middle + half * x, half * w * np.exp(self.observation.log_density(middle + half * x, self.given))

    @property
    def typical(self) -> Array:
        return np.asarray(self.rungs[5:-5])

    def moment(self, center: float, order: int) -> float:
        y, mass = self.nodes
        return float(np.sum((y - center) ** order * mass))

    def check(self, label: str) -> None:
        require(
            bool(np.all(np.diff(self.rungs) > 0)),
            f"{label}: the quantile does not increase",
            self.rungs,
            "increasing values",
            "check quantile",
        )
        pieces = self.nodes[1].sum(1)
        require_equal(f"{label}: the density does not integrate to 1", pieces.sum(), LADDER[-1] - LADDER[0], "check its constant", 1e-6)
        cdf = np.asarray(self.observation.cdf(self.rungs, self.given))
        require_equal(f"{label}: the quantile does not invert the cdf", cdf, LADDER, "check both", 1e-7, 1e-13)
        require_equal(f"{label}: the cdf is not the integral of the density", np.diff(cdf), pieces, "check both", 1e-5, 1e-12)
        _moments(self, label)

    def distance(self, draws: Array) -> float:
        u = np.sort(np.asarray(self.observation.cdf(draws, self.given)))
        steps = np.arange(len(u) + 1) / len(u)
        return float(np.maximum(np.abs(u - steps[1:]), np.abs(u - steps[:-1])).max())


@dataclass(frozen=True)
class _Discrete:
    """A mass on stated points."""

    observation: Observation
    given: dict[str, float]
    support: Array

    @functools.cached_property
    def mass(self) -> Array:
        return np.asarray(np.exp([float(self.observation.log_density(y, self.given)) for y in self.support]))

    @property
    def typical(self) -> Array:
        return np.asarray(self.support[np.unique(np.linspace(0, len(self.support) - 1, 9).astype(int))])

    def moment(self, center: float, order: int) -> float:
        return float(np.sum((self.support - center) ** order * self.mass))

    def check(self, label: str) -> None:
        require_equal(f"{label}: the mass does not sum to 1", self.mass.sum(), 1.0, "check its constant, and the support", 1e-9)
        cdf = np.asarray(self.observation.cdf(self.support, self.given))
        require_equal(f"{label}: the cdf is not the sum of the mass", cdf, np.cumsum(self.mass), "check both", 1e-8, 1e-11)
        below = np.asarray(self.observation.cdf(self.support - 1e-6, self.given))
        require_equal(
            f"{label}: the cdf does not jump at the support", below, np.cumsum(self.mass) - self.mass, "count y <= support", 1e-8, 1e-11
        )
        inside = np.concatenate([[0.0], cdf[:-1]]) + self.mass / 2
        wide = self.mass > 1e-9
        require_equal(
            f"{label}: the quantile does not invert the cdf",
            self.observation.quantile(inside[wide], self.given),
            self.support[wide],
            "check it",
        )
        _moments(self, label)

    def distance(self, draws: Array) -> float:
        require(
            bool(np.isin(draws, self.support).all()),
            "samples leave the support",
            np.setdiff1d(draws, self.support)[:5],
            "outcomes in it",
            "check outcome",
        )
        found = (draws[:, None] <= self.support).mean(0)
        return float(np.abs(found - np.cumsum(self.mass)).max())


_Claims = _Continuous | _Discrete


def _moments(claims: _Claims, label: str) -> None:
    mean, variance = float(claims.observation.mean(claims.given)), float(claims.observation.variance(claims.given))
    scale = max(abs(mean), variance**0.5)
    require_equal(f"{label}: mean is not that of the density", mean, claims.moment(0.0, 1), "check mean", 0.0, 1e-5 * scale)
    require_equal(f"{label}: variance is not that of the density", variance, claims.moment(mean, 2), "check variance", 1e-4)


def _samples(claims: _Claims, label: str) -> None:
    """Samples have the claimed cdf, mean and variance."""
    arrays = {n: np.full(DRAWS, v) for n, v in claims.given.items()}
    draws = np.asarray(claims.observation.sample(arrays, np.random.default_rng(0)), float)
    again = np.asarray(claims.observation.sample(arrays, np.random.default_rng(0)), float)
    require_equal(f"{label}: the same seed gives other samples", again, draws, "draw from the generator that is passed in")
    distance = claims.distance(draws) * DRAWS**0.5
    require(
        distance < KS_LIMIT,
        f"{label}: samples do not follow the cdf",
        f"sqrt(n) D = {distance:.3g}",
        f"< {KS_LIMIT}",
        "check noise and outcome",
    )
    mean, variance = float(claims.observation.mean(claims.given)), float(claims.observation.variance(claims.given))
    spread = (max(claims.moment(mean, 4) - variance**2, 0.0) / DRAWS) ** 0.5 + 1e-9 * variance
    off = abs(draws.mean() - mean) / (variance / DRAWS) ** 0.5
    require(off < DEVIATIONS, f"{label}: samples have another mean", draws.mean(), mean, "check noise and outcome")
    off = abs(((draws - mean) ** 2).mean() - variance) / spread
    require(off < DEVIATIONS, f"{label}: samples have another variance", draws.var(), variance, "check noise and outcome")


def _broadcasts(observation: Observation, given: dict[str, float], y: Array, label: str) -> None:
    arrays = {n: np.full(len(y), v) for n, v in given.items()}
    one_by_one = [float(observation.log_density(float(v), given)) for v in y]
    require_equal(f"{label}: log_density of arrays", observation.log_density(y, arrays), one_by_one, "write it elementwise", 1e-12, 1e-13)
    cdf = np.asarray(observation.cdf(y, arrays))
    require_equal(f"{label}: cdf of arrays", cdf, [float(observation.cdf(np.asarray(v), given)) for v in y], "write it elementwise", 1e-12)
    for name in ("mean", "variance"):
        method = getattr(observation, name)
        require_equal(f"{label}: {name} of arrays", method(arrays), np.full(len(y), method(given)), "write it elementwise", 1e-12)


def _libraries_agree(observation: Observation, given: dict[str, float], y: Array, label: str) -> None:
    """log_density and outcome, with derivatives, on torch and SymPy against floats."""
    named = symbols(["y", *given])
    rest = {n: named[n] for n in given}
    shape = {p.name: given[p.name] for p in observation.parameters}
    noise = np.asarray(observation.noise((len(y),), shape, np.random.default_rng(1)), float)
    for word, equation, points in (("log_density", observation.log_density, y), ("outcome", observation.outcome, noise)):
        traced: Any = equation(named["y"], rest)
        slopes = {n: traced.diff(named[n]) for n in named}
        for point in points:
            at, place = {"y": float(point), **given}, f"{label}.{word} at {float(point):.6g}"
            value = float(equation(float(point), given))
            require_equal(f"{place} traced by SymPy", evaluate(traced, at), value, "keep to the vocabulary", 1e-9, 1e-10)
            leaves = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in at.items()}
            result = torch.as_tensor(equation(leaves["y"], {n: leaves[n] for n in given}), dtype=torch.float64)
            require_equal(f"{place} on torch tensors", result, value, "keep to the vocabulary", 1e-9, 1e-10)
            if result.requires_grad:
                for n, expected in zip(leaves, torch.autograd.grad(result, list(leaves.values()), materialize_grads=True), strict=True):
                    require_equal(f"{place}: derivative by {n}", evaluate(slopes[n], at), expected, "keep to the vocabulary", 1e-7, 1e-8)


class _Asked:
    """A callable that asks for stated names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.__signature__ = inspect.Signature([inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in names])

    def __call__(self, **values: Any) -> dict[str, Any]:
        return {n.removeprefix("given_"): v for n, v in values.items()}


@dataclass(frozen=True)
class _Probe(Mechanism):
    """Hands Known sequences to an observation as they are; its one state stays 0."""

    arguments: tuple[str, ...]

    states = (State("idle"),)
    outcomes = (Outcome("y"),)

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        return tuple(Known(f"given_{n}") for n in self.arguments)

    def start(self) -> float:
        return 0.0

    @property
    def read(self) -> _Asked:  # type: ignore[override]
        return _Asked([k.name for k in self.known])

    def update(self, idle: Any) -> Any:
        return idle


def _kernel_agrees(observation: Observation, given: dict[str, float], y: Array, label: str) -> None:
    shape: dict[str, float] = {p.name: given[p.name] for p in observation.parameters}
    model = Model(_Probe(observation.arguments), observation, tuple(shape.items()))
    known = {f"given_{n}": np.full(len(y), given[n]) for n in observation.arguments}
    density = model.filter(Sequences({"y": y}, known)).density
    require_equal(
        f"{label}: log_density in a compiled kernel", density, observation.log_density(y, given), "keep to the vocabulary", 1e-10, 1e-11
    )
