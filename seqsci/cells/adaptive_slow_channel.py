"""The simple population cell whose forecast scale is remembered too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.population import CAPACITY_HALF_LIFE, DEPENDENCE, FAST_WRITE, LOG_COUNT
from seqsci.cells.slow_channel import PERTURBATION, STATES, SlowStart, WarmUp, kept, lost, missing, observed, prediction
from seqsci.constraints import Interval, Positive, UnitInterval
from seqsci.equations.vocabulary import Expression, log, sqrt
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Parameter, State


def _memory(scale_memory: Expression) -> Expression:
    return -0.6931471805599453 / log(scale_memory)


@dataclass(frozen=True)
class AdaptiveSlowChannel(Mechanism):
    r"""`SlowChannel` with a Student-t forecast whose scale follows the size of past surprises.

        e_t = y_t - m_t                                          m, x, k as in `SlowChannel`
        S_t = delta S_{t-1} + e_t^2,   n_t = delta n_{t-1} + 1   both held in a missing year
        y_t ~ t with 2 a + n_{t-1} degrees of freedom, location m_t, scale^2 (2 b + S_{t-1}) / (2 a + n_{t-1})

    That is the predictive law of a normal surprise whose variance has an inverse gamma(a, b) prior and old evidence fades by delta a
    year. Use it with `LocationScaleT`. The first count starts the series: it is not scored and brings no surprise.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | dependence, fast_write, capacity_half_life | phi, i, H | | | as in `SlowChannel` |
    | prior_shape | a | 1 | [0.05, 50] | half the number of years that the prior scale counts for |
    | prior_size | b | log count^2 | > 0 | a times the typical squared surprise before any was seen |
    | scale_memory | delta | 1 | [0, 1] | share of the evidence on the scale that a year leaves |

    Source: West and Harrison (1997), Bayesian Forecasting and Dynamic Models, 10.8 (discounted variance learning),
    DOI 10.1007/b98971.

    >>> [s.name for s in AdaptiveSlowChannel().states][-2:]
    ['squared_surprises', 'surprises']
    """

    slow_start: SlowStart = WarmUp()

    states = (*STATES, State("squared_surprises", "log count^2", "S"), State("surprises", "1", "n"))
    outcomes = (LOG_COUNT,)
    own_parameters = (
        DEPENDENCE,
        FAST_WRITE,
        CAPACITY_HALF_LIFE,
        Parameter("prior_shape", Interval(0.05, 50.0), 1.0, "1", "a", "half the number of years that the prior scale counts for"),
        Parameter("prior_size", Positive(), 0.1, "log count^2", "b", "prior_shape times the typical squared surprise before any was seen"),
        Parameter("scale_memory", UnitInterval(), 0.9, "1", r"\delta", "share of the evidence on the scale that a year leaves"),
    )
    own_derived = (
        PERTURBATION,
        Derived("scale_half_life", _memory, "years", "", "years until half of the evidence on the scale has faded", Positive()),
    )
    references = ("10.1007/b98971", "10.1002/9781118619193")

    def start(self, capacity_half_life: Expression) -> tuple[Expression, ...]:
        return 0.0, 0.0, self.slow_start.years(kept(capacity_half_life), lost(capacity_half_life)), 1.0, 0.0, 0.0

    def read(
        self,
        log_density: Expression,
        log_capacity: Expression,
        unseen: Expression,
        squared_surprises: Expression,
        surprises: Expression,
        dependence: Expression,
        prior_shape: Expression,
        prior_size: Expression,
    ) -> dict[str, Expression]:
        evidence = 2 * prior_shape + surprises
        return {
            "location": prediction(log_density, log_capacity, dependence),
            "scale": sqrt((2 * prior_size + squared_surprises) / evidence),
            "degrees_of_freedom": evidence,
            "diffuse_variance": unseen,
        }

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
        scale_memory: Expression,
    ) -> tuple[Gated | Expression, ...]:
        four = observed((log_density, log_capacity, memory_years, unseen), log_count, location, fast_write, capacity_half_life)
        begun = 1 - unseen
        return (*four, Gated(scale_memory, begun, (log_count - location) ** 2), Gated(scale_memory, begun, 1))

    def unobserved(
        self,
        log_density: Expression,
        log_capacity: Expression,
        memory_years: Expression,
        unseen: Expression,
        squared_surprises: Expression,
        surprises: Expression,
        location: Expression,
        capacity_half_life: Expression,
    ) -> tuple[Gated | Expression, ...]:
        four = missing((log_density, log_capacity, memory_years, unseen), location, capacity_half_life)
        return (*four, squared_surprises, surprises)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """A slow and a fast capacity, with the spread of the yearly changes."""
        spread = max(float(np.var(np.diff(outcome["log_count"]))), 1e-6)
        for phi, years in ((0.5, 20.0), (0.7, 2.0), (0.9, 50.0)):
            fixed = {"prior_shape": 1.0, "prior_size": spread, "scale_memory": 0.9}
            yield {"dependence": phi, "fast_write": 0.8, "capacity_half_life": years, **fixed}
