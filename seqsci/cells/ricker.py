"""Ricker density dependence: the growth rate falls with the density itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.population import LOG_CAPACITY, LOG_COUNT, PROCESS_SD, capacity, half_life
from seqsci.constraints import Positive
from seqsci.equations.vocabulary import Expression, exp, sqrt
from seqsci.mechanism import Mechanism
from seqsci.parameter import Derived, Parameter, State


def _dependence(growth_rate: Expression) -> Expression:
    return 1 - growth_rate


@dataclass(frozen=True)
class Ricker(Mechanism):
    r"""Density dependence in the density, with process noise and no observation error; use it with `DiffuseGaussian`.

        x_t = x_{t-1} + r (1 - e^{x_{t-1} - k}) + N(0, process_sd^2)

    The first observed year starts the series and is not scored, so for years without gaps the estimates are least squares of the
    growth x_t - x_{t-1} on the density. A missing year moves the mean by the equation and its variance by the slope there.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | growth_rate | r | 1/year | > 0 | growth of a small population in logarithms; above 2 the population cycles |
    | log_capacity | k | log count | real | log of the carrying capacity |
    | process_sd | sigma_p | log count | > 0 | sd of a year's shock to the log density |

    Source: Ricker (1954), Stock and recruitment, DOI 10.1139/f54-039.

    >>> [p.name for p in Ricker().parameters]
    ['growth_rate', 'log_capacity', 'process_sd']
    """

    states = (State("log_density", "log count", "x"), State("uncertainty", "log count^2", "v"), State("unseen", "1", "u"))
    outcomes = (LOG_COUNT,)
    own_parameters = (
        Parameter("growth_rate", Positive(), 0.5, "1/year", "r", "growth of a small population in logarithms; above 2 it cycles"),
        LOG_CAPACITY,
        PROCESS_SD,
    )
    own_derived = (
        capacity(),
        Derived(
            "perturbation_half_life",
            lambda growth_rate: half_life(_dependence(growth_rate)),
            "years",
            "t_{1/2}",
            "years until half of a small deviation from K is left",
            Positive(),
        ),
    )
    references = ("10.1139/f54-039",)

    def start(self, log_capacity: Expression) -> tuple[Expression, ...]:
        return log_capacity, 0.0, 1.0

    def read(
        self,
        log_density: Expression,
        uncertainty: Expression,
        unseen: Expression,
        growth_rate: Expression,
        log_capacity: Expression,
        process_sd: Expression,
    ) -> dict[str, Expression]:
        pressure = growth_rate * exp(log_density - log_capacity)
        scale = sqrt((1 - pressure) ** 2 * uncertainty + process_sd**2)
        return {"location": log_density + growth_rate - pressure, "scale": scale, "diffuse_variance": unseen}

    def update(self, log_count: Expression) -> tuple[Expression, ...]:
        return log_count, 0.0, 0.0

    def unobserved(self, log_density: Expression, unseen: Expression, location: Expression, scale: Expression) -> tuple[Expression, ...]:
        """The first count is still to come while ``unseen``; afterwards the mean follows the equation."""
        return location + unseen * (log_density - location), scale**2 * (1 - unseen), unseen

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """Least squares of growth on density where it makes sense, then fixed guesses."""
        y = outcome["log_count"]
        for rate in (0.5, 0.05):
            yield {"growth_rate": rate, "log_capacity": float(np.mean(y)), "process_sd": max(float(np.std(np.diff(y))), 1e-3)}
