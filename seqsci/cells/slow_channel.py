"""The simple population cell: a fast tied gate for the density, a slow tied gate for the carrying capacity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.population import CAPACITY_HALF_LIFE, DEPENDENCE, FAST_WRITE, LOG_2, LOG_COUNT, half_life
from seqsci.constraints import Positive
from seqsci.equations.vocabulary import Expression, exp, expm1
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Parameter, State

STATES = (
    State("log_density", "log count", "x"),
    State("log_capacity", "log count", "k"),
    State("memory_years", "years", "w"),
    State("unseen", "1", "u"),
)
PERTURBATION = Derived(
    "perturbation_half_life", half_life, "years", "t_{1/2}", "years until half of a deviation from K is left", Positive()
)


class SlowStart(ABC):
    """Abstract base of how the slow gate starts: the number of years that log K remembers before the first."""

    @abstractmethod
    def years(self, kept: Expression, lost: Expression) -> Expression:
        """``w_0``, from f and 1 - f of the slow gate."""


@dataclass(frozen=True)
class Settled(SlowStart):
    """The gate has its constant value from the second year on: ``w = 1 / (1 - f)``. With an open fast gate this is ARIMA(1, 1, 1)."""

    def years(self, kept: Expression, lost: Expression) -> Expression:
        return 1 / lost


@dataclass(frozen=True)
class WarmUp(SlowStart):
    """Log K starts as a running mean of the densities: ``w_0 = 0``, and the gate closes to its constant value as years go by."""

    def years(self, kept: Expression, lost: Expression) -> Expression:
        return 0.0


def kept(capacity_half_life: Expression) -> Expression:
    """``f = 2^(-1/H)``: share of log K that a year leaves."""
    return exp(-LOG_2 / capacity_half_life)


def lost(capacity_half_life: Expression) -> Expression:
    """``1 - f``, accurate for a long half-life."""
    return -expm1(-LOG_2 / capacity_half_life)


def prediction(log_density: Expression, log_capacity: Expression, dependence: Expression) -> Expression:
    """``m_t = k_{t-1} + phi (x_{t-1} - k_{t-1})``."""
    return log_capacity + dependence * (log_density - log_capacity)


def observed(
    states: tuple[Expression, Expression, Expression, Expression],
    y: Expression,
    location: Expression,
    fast_write: Expression,
    capacity_half_life: Expression,
) -> tuple[Gated, Gated, Gated, Expression]:
    """The four states after a count: x by the fast gate, k by the slow one, w, and the end of the start."""
    log_density, _, memory_years, unseen = states
    write = fast_write + (1 - fast_write) * unseen  # the first count starts both channels
    x = location + write * (y - location)
    years = kept(capacity_half_life) * memory_years + 1
    slow = 1 / years + (1 - 1 / years) * unseen
    return (
        Gated(1 - write, write, y, leak=(1 - write) * (location - log_density)),
        Gated(1 - slow, slow, x),
        Gated(kept(capacity_half_life), 1, 1),
        0.0 * unseen,
    )


def missing(
    states: tuple[Expression, Expression, Expression, Expression], location: Expression, capacity_half_life: Expression
) -> tuple[Gated, Gated, Gated, Expression]:
    """The four states after a year without a count: the fast gate is shut and k follows the forecast; before the first, nothing moves."""
    log_density, _, memory_years, unseen = states
    begun = 1 - unseen
    years = kept(capacity_half_life) * memory_years + 1
    slow = begun / years
    return (
        Gated(1, 0, 0, leak=begun * (location - log_density)),
        Gated(1 - slow, slow, location),
        Gated(1 - begun * lost(capacity_half_life), begun, 1),
        unseen,
    )


@dataclass(frozen=True)
class SlowChannel(Mechanism):
    r"""Two tied gates: the density forgets by phi a year, the carrying capacity by half in H years.

        m_t = k_{t-1} + phi (x_{t-1} - k_{t-1})                  forecast
        x_t = (1 - i) m_t + i y_t                                fast gate; i = 1 in the first year, 0 in a missing one
        k_t = k_{t-1} + (x_t - k_{t-1}) / w_t                    slow gate; w_t = f w_{t-1} + 1, f = 2^(-1/H)
        y_t ~ N(m_t, error_sd^2)

    With `Settled`, w = 1 / (1 - f) and k_t = f k_{t-1} + (1 - f) x_t. Then with i = 1 it is ARIMA(1, 1, 1) exactly:
    (1 - phi f L)(1 - L) y = (1 - f L) e. It nests the random walk (phi = 1) and simple exponential smoothing (phi = 0). The first year
    starts the series and is not scored; use it with `DiffuseGaussian`. The scale does not widen over a gap, unlike that of
    `seqsci.cells.drifting_capacity.DriftingCapacity`. A half-life that was fitted for forecasts is one of the smoother that forecasts
    best, and need not be that of a carrying capacity.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | dependence | phi | 1 | [-0.999, 0.999] | share of a deviation from K that is left after a year |
    | fast_write | i | 1 | [0, 1] | share of a surprise that is taken for density; the rest is read as observation error |
    | capacity_half_life | H | years | [0.05, 1000] | years after which half of an old carrying capacity is forgotten |
    | error_sd | s | log count | > 0 | sd of the one-year forecast error |

    Source: Box and Jenkins' ARIMA(1, 1, 1) in another parametrisation; DOI 10.1002/9781118619193.

    >>> [p.name for p in SlowChannel().parameters]
    ['dependence', 'fast_write', 'capacity_half_life', 'error_sd']
    """

    slow_start: SlowStart = WarmUp()

    states = STATES
    outcomes = (LOG_COUNT,)
    own_parameters = (
        DEPENDENCE,
        FAST_WRITE,
        CAPACITY_HALF_LIFE,
        Parameter("error_sd", Positive(), 0.3, "log count", "s", "sd of the one-year forecast error"),
    )
    own_derived = (PERTURBATION,)
    references = ("10.1002/9781118619193",)

    def start(self, capacity_half_life: Expression) -> tuple[Expression, ...]:
        return 0.0, 0.0, self.slow_start.years(kept(capacity_half_life), lost(capacity_half_life)), 1.0

    def read(
        self, log_density: Expression, log_capacity: Expression, unseen: Expression, dependence: Expression, error_sd: Expression
    ) -> dict[str, Expression]:
        return {"location": prediction(log_density, log_capacity, dependence), "scale": error_sd, "diffuse_variance": unseen}

    def update(
        self,
        log_density: Expression,
        log_capacity: Expression,
        memory_years: Expression,
        unseen: Expression,
        log_count: Expression,
        location: Expression,
        fast_write: Expression,
        capacity_half_life: Expression,
    ) -> tuple[Gated, Gated, Gated, Expression]:
        states = (log_density, log_capacity, memory_years, unseen)
        return observed(states, log_count, location, fast_write, capacity_half_life)

    def unobserved(
        self,
        log_density: Expression,
        log_capacity: Expression,
        memory_years: Expression,
        unseen: Expression,
        location: Expression,
        capacity_half_life: Expression,
    ) -> tuple[Gated, Gated, Gated, Expression]:
        return missing((log_density, log_capacity, memory_years, unseen), location, capacity_half_life)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """A slow and a fast capacity, with the spread of the yearly changes."""
        spread = max(float(np.std(np.diff(outcome["log_count"]))), 1e-3)
        for phi, years in ((0.5, 20.0), (0.7, 2.0), (0.9, 50.0)):
            yield {"dependence": phi, "fast_write": 0.8, "capacity_half_life": years, "error_sd": spread}
