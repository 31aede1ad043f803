"""A bank with weights: every unit's posterior, forecasts of the last unit, and posteriors of new ones."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.errors import DataError, ParameterError, did_you_mean, explain
from seqsci.estimation.mixing import log_mixture
from seqsci.estimation.summary import number
from seqsci.estimation.unit_likelihoods import continued
from seqsci.forecast import Distribution, Mixture, PathForecast, mixed_forecast
from seqsci.frames import continuing
from seqsci.sequences import Sequences

if TYPE_CHECKING:
    from seqsci.estimation.bank import Bank

Array = np.ndarray
SHOWN, LEAST = 12, 5e-5
"""Most components in the printed table, and the smallest weight there."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Where the last unit stands: states after its last row (components, n), that row, and the unit's position among the posteriors."""

    states: Array
    row: Sequences
    unit: int


@dataclass(frozen=True, eq=False)
class FittedBank:
    """A bank with its weights and the posteriors of its units. It forecasts the unit of the last row, as a `Fit` does.

    Attributes:
        bank: the components.
        weights: (components,), shared by all units. They carry no standard errors: a maximum on the edge of the simplex has none.
        log_likelihoods: (units, components) of the rows seen [nats].
        labels: (units,) the code of each unit (its group, its unit, or its number).
        memory: where the last unit stands.
        rows: number of scored rows.
        gap: no weights have a likelihood that is higher by more than this [nats]; NaN where the weights were given.
    """

    bank: Bank
    weights: Array
    log_likelihoods: Array
    labels: Array
    memory: Memory
    rows: int
    gap: float

    @functools.cached_property
    def log_likelihood(self) -> float:
        """``sum_i log sum_k w_k L_ik`` [nats]."""
        return float(log_mixture(self.log_likelihoods, self.weights).sum())

    @functools.cached_property
    def log_posterior(self) -> Array:
        """Logarithm of the posterior (units, components)."""
        with np.errstate(divide="ignore"):
            joint = self.log_likelihoods + np.log(self.weights)
        total = np.logaddexp.reduce(joint, axis=1, keepdims=True)
        if not np.isfinite(total).all():
            first = self.labels[np.argmin(np.isfinite(total[:, 0]))]
            got = f"{int((~np.isfinite(total)).sum())} units, the first {first}"
            raise DataError(explain("no component that carries weight can have made a unit", got, "one at least", "widen the weights"))
        return np.asarray(joint - total)

    @property
    def posterior(self) -> Array:
        """Probability that a unit follows a component (units, components); a unit without observed rows has the weights."""
        return np.asarray(np.exp(self.log_posterior))

    @property
    def effective_components(self) -> float:
        """``1 / sum_k w_k^2``: as many equal weights would be as concentrated."""
        return float(1.0 / np.sum(self.weights**2))

    def component_values(self, name: str) -> Array:
        """A grid parameter, or a derived quantity of the mechanism, of every component (components,)."""
        if name in self.bank.names:
            return np.asarray(self.bank.values[:, self.bank.names.index(name)])
        known = (*self.bank.names, *(d.name for d in self.bank.model.derived))
        if name not in known:
            raise ParameterError(
                explain(f"the bank has no {name!r}{did_you_mean(name, known)}", name, ", ".join(known), "use one of these")
            )
        return np.array([m.derived_values[name] for m in self.bank.components])

    def component_table(self) -> dict[str, Array]:
        """Weight and grid parameters of every component, by column."""
        return {"weight": self.weights, **{n: self.component_values(n) for n in self.bank.names}}

    def mean(self, name: str) -> Array:
        """Posterior mean of a grid parameter or derived quantity (units,)."""
        return self._moments(name, self.posterior)[0]

    def standard_deviation(self, name: str) -> Array:
        """Posterior standard deviation (units,): how much a unit's own rows leave open, given the weights and the grid."""
        return self._moments(name, self.posterior)[1]

    def population(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation of a grid parameter or derived quantity over the mixture's weights."""
        mean, deviation = self._moments(name, self.weights[None])
        return float(mean[0]), float(deviation[0])

    def _moments(self, name: str, weights: Array) -> tuple[Array, Array]:
        values = self.component_values(name)
        table = np.where(weights > 0, values, 0.0)
        mean = (weights * table).sum(1)
        with np.errstate(invalid="ignore"):
            return mean, np.sqrt((weights * np.where(weights > 0, values - mean[:, None], 0.0) ** 2).sum(1))

    def for_unit(self, data: Any, unit: str | None = None) -> FittedBank:
        """The posterior of new units under these weights: nothing is estimated again. Their unit of measure must be that of the bank."""
        outcome, stated = self.bank.model.mechanism.outcomes[0].name, self.memory.row.measure
        own = data.measure.get(outcome) if isinstance(data, Sequences) else getattr(data, "attrs", {}).get("unit")
        wanted, got = stated.get(outcome), unit or own or stated.get(outcome)
        if got != wanted:
            raise DataError(explain(f"{outcome} is in another unit than the bank", got, wanted, "convert the data first"))
        return replace(self.bank.given(self.weights, data, wanted), gap=self.gap)

    def _new(self, rows: Any) -> Sequences:
        return continuing(self.bank.model, self.memory.row, rows)

    def predict_rows(self, rows: Sequences) -> Mixture:
        """One-step-ahead mixtures of the next rows of the last unit: row t weighs components by what they said of the rows before t."""
        new = self._new(rows)
        reads, density, _ = continued(self.bank.components, new, self.memory.states)
        joint = self._joint(density)[:, :-1]
        with np.errstate(invalid="ignore"):
            weights = joint - np.logaddexp.reduce(joint, axis=0)
        if not np.isfinite(weights.max(0, initial=-np.inf)).all():
            raise DataError(explain("no component can have made the new rows", "zero density", "one at least", "widen the grid"))
        model = self.bank.model
        given: dict[str, Array | float] = {
            p.name: np.array([[m.value[p.name]] for m in self.bank.components]) for p in model.observation.parameters
        }
        names = self.bank.components[0].kernel().program.read_names
        given |= {n: reads[:, :, i] for i, n in enumerate(names)}
        return Mixture((Distribution(model.observation, given),), weights)

    def _joint(self, density: Array) -> Array:
        """Log posterior of the last unit before the first new row, before the second, ..., after the last, up to a constant of the row.

        Shapes: density (components, rows) -> (components, rows + 1).
        """
        now = self.log_posterior[self.memory.unit]
        alive = np.isfinite(now)
        if bad := int((alive & (np.isnan(density) | np.isposinf(density)).any(1)).sum()):
            raise DataError(explain("a log density of the new rows is not a number", f"{bad} components", "numbers", "check the rows"))
        return np.asarray(np.cumsum(np.column_stack([now, np.where(alive[:, None], density, 0.0)]), axis=1))

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, Array] | None = None) -> PathForecast:
        """The next steps of the last unit: each path follows a component drawn from the posterior, so parameters are uncertain too."""
        weights = np.exp(self.log_posterior[self.memory.unit])
        return mixed_forecast(self.bank.components, self.memory.states, weights / weights.sum(), horizon, draws, seed, known)

    def update(self, rows: Any) -> FittedBank:
        """New rows of the last unit: its states and its posterior move; the weights and all other posteriors stay."""
        new = self._new(rows)
        if not len(new):
            return self
        _, density, last = continued(self.bank.components, new, self.memory.states)
        self._joint(density)
        table = self.log_likelihoods.copy()
        table[self.memory.unit] += np.where(np.isnan(density), -np.inf, density).sum(1)
        scored = int(np.sum(np.asarray(new.observed, bool) & (new.weight != 0)))
        kept = replace(new.rows(len(new) - 1, len(new)), measure=self.memory.row.measure)
        place = Memory(last, kept, self.memory.unit)
        return replace(self, log_likelihoods=table, memory=place, rows=self.rows + scored)

    def __str__(self) -> str:
        certificate = "weights were given" if np.isnan(self.gap) else f"within {self.gap:.1g} nats of the highest of all weights"
        facts = [
            self.bank.name,
            f"{len(self.labels)} units, {self.rows} rows, log-likelihood {self.log_likelihood:.3f} ({certificate})",
            f"{len(self.bank)} components, {self.effective_components:.1f} effective (1 / sum of squared weights)",
        ]
        declared = {p.name: p for p in self.bank.model.parameters}
        for n in self.bank.names:
            mean, deviation = self.population(n)
            facts.append(f"{n}: mean {number(mean)}, sd {number(deviation)} over the weights [{declared[n].unit}], {declared[n].reading}")
        order = np.argsort(-self.weights, kind="stable")[:SHOWN]
        order = order[self.weights[order] >= LEAST]
        cells = [("weight", *self.bank.names)]
        cells += [(f"{self.weights[k]:.4f}", *(number(v) for v in self.bank.values[k])) for k in order]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
        rest = 1.0 - float(self.weights[order].sum())
        more = [f"{rest:.4f} on {len(self.bank) - len(order)} others"] if len(self.bank) > len(order) else []
        return "\n".join([*facts, *lines, *more])
