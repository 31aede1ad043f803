"""Gompertz density dependence: the log density returns to log K by a constant share a year."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.population import DEPENDENCE, LOG_CAPACITY, LOG_COUNT, PROCESS_SD, capacity, of_perturbations
from seqsci.equations.vocabulary import Expression, sqrt
from seqsci.mechanism import Mechanism
from seqsci.parameter import State


@dataclass(frozen=True)
class Gompertz(Mechanism):
    r"""Density dependence in logarithms, with process noise and no observation error.

        x_t = k + phi (x_{t-1} - k) + N(0, process_sd^2)         x_1 ~ N(k, process_sd^2 / (1 - phi^2))

    This is AR(1) around log K (statsmodels' SARIMAX(1, 0, 0), by test). A missing year moves the mean and adds its variance. Where K
    drifts, phi takes the drift for persistence: see `seqsci.cells.drifting_capacity`.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | dependence | phi | 1 | [-0.999, 0.999] | share of a deviation from K that is left after a year |
    | log_capacity | k | log count | real | log of the carrying capacity |
    | process_sd | sigma_p | log count | > 0 | sd of a year's shock to the log density |

    Source: Gompertz dynamics as in Dennis et al. (2006), DOI 10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2.

    >>> [d.name for d in Gompertz().derived]
    ['carrying_capacity', 'perturbation_half_life', 'stationary_sd']
    """

    states = (State("log_density", "log count", "x"), State("uncertainty", "log count^2", "v"))
    outcomes = (LOG_COUNT,)
    own_parameters = (DEPENDENCE, LOG_CAPACITY, PROCESS_SD)
    own_derived = (capacity(), *of_perturbations())
    references = ("10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2",)

    def start(self, dependence: Expression, log_capacity: Expression, process_sd: Expression) -> tuple[Expression, ...]:
        return log_capacity, process_sd**2 / (1 - dependence**2)

    def read(
        self, log_density: Expression, uncertainty: Expression, dependence: Expression, log_capacity: Expression, process_sd: Expression
    ) -> dict[str, Expression]:
        location = log_capacity + dependence * (log_density - log_capacity)
        return {"location": location, "scale": sqrt(dependence**2 * uncertainty + process_sd**2)}

    def update(self, log_count: Expression) -> tuple[Expression, ...]:
        return log_count, 0.0

    def unobserved(self, location: Expression, scale: Expression) -> tuple[Expression, ...]:
        return location, scale**2

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """The mean of the log counts, and half or nearly all of a deviation left."""
        y = outcome["log_count"]
        for phi in (0.5, 0.95):
            yield {"dependence": phi, "log_capacity": float(np.mean(y)), "process_sd": float(np.std(y)) * math.sqrt(1 - phi**2)}
