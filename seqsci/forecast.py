"""Predictive distributions: one per row, of one family or a mixture, or a bundle of simulated paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqsci.errors import DataError, ParameterError, explain
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.quantile_search import smallest_reaching

Array = np.ndarray


class Predictive(ABC):
    """Abstract base of predictive distributions, one per row."""

    @property
    @abstractmethod
    def mean(self) -> Array:
        """Expected outcome (rows,)."""

    @property
    @abstractmethod
    def variance(self) -> Array:
        """Variance of the outcome (rows,)."""

    @abstractmethod
    def log_density(self, y: Array) -> Array:
        """Log density (or log mass) of outcomes (rows,)."""

    @abstractmethod
    def cdf(self, y: Array) -> Array:
        """P(outcome <= y) (rows,): uniform where the forecasts are right (PIT)."""

    @abstractmethod
    def quantile(self, probability: float) -> Array:
        """The smallest y with cdf(y) >= probability (rows,); at 0.01 minus this is the one-percent value at risk."""


@dataclass(frozen=True, eq=False)
class Distribution(Predictive):
    """One predictive distribution per row, all of one family.

    Attributes:
        observation: the family.
        given: its arguments and shape parameters by name, scalars or (rows,) arrays, in the unit of the outcome.
    """

    observation: Observation
    given: Mapping[str, Array | float]

    @property
    def mean(self) -> Array:
        return self.observation.mean(self.given)

    @property
    def variance(self) -> Array:
        return self.observation.variance(self.given)

    def log_density(self, y: Array) -> Array:
        return np.asarray(self.observation.log_density(y, self.given))

    def cdf(self, y: Array) -> Array:
        return self.observation.cdf(y, self.given)

    def quantile(self, probability: float) -> Array:
        return self.observation.quantile(np.asarray(probability), self.given)


@dataclass(frozen=True, eq=False)
class Mixture(Predictive):
    """A mixture of distributions, row by row: ``F(y) = sum_k w_k F_k(y)``.

    The mean is ``m = sum_k w_k m_k``, the variance ``sum_k w_k (v_k + (m_k - m)^2)``; the density is added up in logarithms; a
    quantile is found between the smallest and the largest quantile of the components.

    Attributes:
        components: distributions of the same rows. One whose arguments have the shape (j, rows) stands for j components of one family.
        log_weights: (components, rows), or (components, 1) where all rows have the same; -inf leaves a component out.

    Raises `ParameterError` where the weights of a row do not add up to one.

    >>> from seqsci.observations.gaussian import Gaussian
    >>> near, far = (Distribution(Gaussian(), {"location": np.array([m]), "scale": 1.0}) for m in (-1.0, 3.0))
    >>> both = Mixture.of((near, far), [0.25, 0.75])
    >>> both.mean, both.variance, both.cdf(both.quantile(0.1))
    (array([2.]), array([4.]), array([0.1]))
    """

    components: tuple[Predictive, ...]
    log_weights: Array

    def __post_init__(self) -> None:
        weights = np.asarray(self.log_weights, float)
        if weights.ndim != 2 or not len(self.components) or not np.allclose(np.exp(weights).sum(0), 1.0, rtol=0, atol=1e-8):
            got = f"shape {weights.shape}, sums {np.exp(weights).sum(0)[:3] if weights.ndim else weights}"
            need = "shape (components, rows) or (components, 1), sums of 1"
            raise ParameterError(explain("the weights of a mixture are not usable", got, need, "normalise them: w / w.sum(0)"))
        object.__setattr__(self, "log_weights", weights)

    @classmethod
    def of(cls, components: Sequence[Predictive], weights: Sequence[float] | Array) -> Mixture:
        """The mixture with these weights, (components,) or (components, rows)."""
        table = np.asarray(weights, float)
        with np.errstate(divide="ignore"):
            return cls(tuple(components), np.log(table[:, None] if table.ndim == 1 else table))

    def _each(self, of: Callable[[Predictive], Array]) -> Array:
        """A quantity of every component (components, rows)."""
        return np.concatenate([np.atleast_2d(of(c)) for c in self.components])

    def _averaged(self, values: Array) -> Array:
        weights = np.exp(self.log_weights)
        return np.asarray(np.where(weights > 0, weights * values, 0.0).sum(0))

    @property
    def mean(self) -> Array:
        return self._averaged(self._each(lambda c: c.mean))

    @property
    def variance(self) -> Array:
        means = self._each(lambda c: c.mean)
        return self._averaged(self._each(lambda c: c.variance) + (means - self._averaged(means)) ** 2)

    def log_density(self, y: Array) -> Array:
        table = self.log_weights + self._each(lambda c: c.log_density(y))
        return np.asarray(np.logaddexp.reduce(np.where(self.log_weights > -np.inf, table, -np.inf), axis=0))

    def cdf(self, y: Array) -> Array:
        return self._averaged(self._each(lambda c: c.cdf(y)))

    def quantile(self, probability: float) -> Array:
        ends, inside = self._each(lambda c: c.quantile(probability)), self.log_weights > -np.inf
        low, high = np.where(inside, ends, np.inf).min(0), np.where(inside, ends, -np.inf).max(0)
        return smallest_reaching(self.cdf, probability, low, high)


@dataclass(frozen=True, eq=False)
class PathForecast:
    """A forecast of several steps from one origin.

    Attributes:
        mean, variance: (horizon,) of each step's outcome; in closed form where the mechanism has one (``closed_form``), else of the paths.
        paths: (draws, horizon) simulated outcomes, for quantiles and for any functional of the path.
    """

    mean: Array
    variance: Array
    paths: Array
    closed_form: bool

    def quantile(self, probability: float) -> Array:
        """Quantile of each step over the paths (horizon,)."""
        return np.asarray(np.quantile(self.paths, probability, axis=0))


def one_step(model: Model, reads: Array, names: tuple[str, ...]) -> Distribution:
    """The distributions of the rows whose reads (rows, r) were filtered: row t uses outcomes before t."""
    given: dict[str, Array | float] = {**model.shape_values, **{n: reads[:, i] for i, n in enumerate(names)}}
    return Distribution(model.observation, given)


def forecast(model: Model, state: Array, horizon: int, draws: int, seed: int, known: Mapping[str, Array] | None = None) -> PathForecast:
    """Forecast ``horizon`` steps from a state (n,): simulated paths, and moments in closed form where the mechanism offers them.

    ``known`` holds (horizon,) values of every known sequence; raises `DataError` where one is missing or has another length.
    """
    from seqsci.sequences import Sequences

    outcome = model.mechanism.outcomes[0].name
    given = {n: np.asarray(v, float) for n, v in (known or {}).items()}
    faults = [k.name for k in model.mechanism.known if given.get(k.name, np.zeros(0)).shape != (horizon,)]
    if horizon < 1 or faults:
        got = f"horizon {horizon}, " + (", ".join(f"{n} {v.shape}" for n, v in given.items()) or "no known sequence")
        need = "horizon >= 1" + (f" and {', '.join(faults)} of shape ({max(horizon, 1)},)" if faults else "")
        values = "..." if horizon == 1 else f"..., {horizon} values"
        template = ", ".join(f"{k.name!r}: np.array([{values}])" for k in model.mechanism.known)
        fix = f"predict({max(horizon, 1)}, known={{{template}}})" if template else "a horizon of at least 1"
        raise DataError(explain(f"{model.name} cannot forecast this", got, need, fix))
    inputs = {k.name: np.tile(given[k.name], draws) for k in model.mechanism.known}
    sequences = Sequences({outcome: np.zeros(draws * horizon)}, inputs, unit=np.repeat(np.arange(draws), horizon))
    packed = model.pack(sequences, np.zeros((draws, len(model.mechanism.presamples))), np.tile(state, (draws, 1)))
    noise = model.observation.noise((draws * horizon,), model.shape_values, np.random.default_rng(seed))
    kernel = model.kernel()
    kernel.simulate(model.kernel_values, packed, noise)
    paths = packed.X[:, -1].reshape(draws, horizon)
    moments = closed_moments(model, state, horizon)
    if moments is None:
        return PathForecast(paths.mean(0), paths.var(0), paths, False)
    return PathForecast(*moments, paths, True)


def closed_moments(model: Model, state: Array, horizon: int) -> tuple[Array, Array] | None:
    """Mean and variance (horizon,) of the next outcomes in closed form, or None where the mechanism has none."""
    from seqsci.equations.tracing import Equations

    return model.mechanism.forecast_moments(state, Equations(model.mechanism, model.observation).bound(model.value), horizon)


def mixed_forecast(
    models: Sequence[Model], states: Array, weights: Array, horizon: int, draws: int, seed: int, known: Mapping[str, Array] | None = None
) -> PathForecast:
    """Forecast from a mixture of models: each path is simulated by one of them, drawn with its weight.

    Numbers of paths are within one of ``draws * weight`` (systematic draws, in random order). Moments are those of the mixture, of
    closed moments of the models where these exist, else of the paths.

    Shapes: models (k,), states (k, n), weights (k,) that add up to one. Raises `DataError` as `forecast` does.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(models)]))
    chosen = np.searchsorted(np.cumsum(weights)[:-1], (np.arange(draws) + rng.uniform()) / draws, side="right")
    chosen = chosen if len(models) == 1 else rng.permutation(chosen)
    paths = np.empty((draws, horizon))
    for k in sorted({int(k) for k in chosen}):
        own = int(np.random.SeedSequence([seed, k]).generate_state(1, np.uint64)[0]) if len(models) > 1 else seed
        mine = np.flatnonzero(chosen == k)
        paths[mine] = forecast(models[k], states[k], horizon, len(mine), own, known).paths
    parts = [(k, closed_moments(models[k], states[k], horizon)) for k in range(len(models)) if weights[k] > 0]
    moments = [m for _, m in parts if m is not None]
    if len(moments) < len(parts):
        return PathForecast(paths.mean(0), paths.var(0), paths, False)
    share = np.array([weights[k] for k, _ in parts])[:, None]
    means, variances = (np.array([m[i] for m in moments]) for i in (0, 1))
    mean = (share * means).sum(0)
    return PathForecast(mean, (share * (variances + (means - mean) ** 2)).sum(0), paths, True)
