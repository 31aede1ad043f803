"""Predictive distributions: one per row, or a bundle of simulated paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.errors import DataError, explain
from seqsci.model import Model
from seqsci.observations.base import Observation

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Distribution:
    """One predictive distribution per row, all of one family.

    Attributes:
        observation: the family.
        given: its arguments and shape parameters by name, scalars or (rows,) arrays, in the unit of the outcome.
    """

    observation: Observation
    given: Mapping[str, Array | float]

    @property
    def mean(self) -> Array:
        """Expected outcome (rows,)."""
        return self.observation.mean(self.given)

    @property
    def variance(self) -> Array:
        """Variance of the outcome (rows,)."""
        return self.observation.variance(self.given)

    def log_density(self, y: Array) -> Array:
        """Log density of outcomes (rows,)."""
        return np.asarray(self.observation.log_density(y, self.given))

    def cdf(self, y: Array) -> Array:
        """P(outcome <= y) (rows,): uniform where the forecasts are right (PIT)."""
        return self.observation.cdf(y, self.given)

    def quantile(self, probability: float) -> Array:
        """Quantile of each row (rows,); at 0.01 minus this is the one-percent value at risk."""
        return self.observation.quantile(np.asarray(probability), self.given)


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
    from seqsci.equations.tracing import Equations
    from seqsci.sequences import Sequences

    outcome = model.mechanism.outcomes[0].name
    given = {n: np.asarray(v, float) for n, v in (known or {}).items()}
    faults = [k.name for k in model.mechanism.known if given.get(k.name, np.zeros(0)).shape != (horizon,)]
    if horizon < 1 or faults:
        got = f"horizon {horizon}, " + (", ".join(f"{n} {v.shape}" for n, v in given.items()) or "no known sequence")
        need = "horizon >= 1" + (f" and {', '.join(faults)} of shape ({max(horizon, 1)},)" if faults else "")
        raise DataError(explain(f"{model.name} cannot forecast this", got, need, "pass known={name: future values}"))
    inputs = {k.name: np.tile(given[k.name], draws) for k in model.mechanism.known}
    sequences = Sequences({outcome: np.zeros(draws * horizon)}, inputs, unit=np.repeat(np.arange(draws), horizon))
    packed = model.pack(sequences, np.zeros((draws, len(model.mechanism.presamples))), np.tile(state, (draws, 1)))
    noise = model.observation.noise((draws * horizon,), model.shape_values, np.random.default_rng(seed))
    kernel = model.kernel()
    kernel.simulate(model.kernel_values, packed, noise)
    paths = packed.X[:, -1].reshape(draws, horizon)
    moments = model.mechanism.forecast_moments(state, Equations(model.mechanism, model.observation).bound(model.value), horizon)
    if moments is None:
        return PathForecast(paths.mean(0), paths.var(0), paths, False)
    return PathForecast(*moments, paths, True)
