"""A fast density around a carrying capacity that drifts slowly: two channels, one Kalman filter."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.cells.capacity_laws import CapacityLaw, LaggedRandomWalkCapacity, RandomWalkCapacity
from seqsci.cells.population import DEPENDENCE, LOG_COUNT, PROCESS_SD, of_perturbations, stationary_sd
from seqsci.cells.survey import EstimatedError, SurveyError, SurveyInput
from seqsci.equations.vocabulary import Expression, sqrt
from seqsci.linear_gaussian import ByName, LinearGaussian, StateSpace, kalman_states
from seqsci.parameter import Derived, Known, Parameter, State


@dataclass(frozen=True)
class DriftingCapacity(LinearGaussian):
    r"""Log density returns to a moving log carrying capacity; both are filtered at once.

        d_t = phi d_{t-1} + N(0, process_sd^2)                  deviation from K (fast)
        k_t by its law, its level diffuse                       log K (slow): `seqsci.cells.capacity_laws`
        y_t = k_t + d_t + log effort_t + N(0, error^2)          log count

    The start of d is its stationary law. Diffuse slow components are coefficients of 1 and t (or of trend columns) that are integrated
    out, whatever phi is, so the likelihood is the restricted one (REML) and its maxima may be compared along phi. A missing year only
    spreads both channels. With phi = 0 and a random walk this is the local level model; without drift the Gompertz state-space model
    of Dennis et al.; without either error AR(1). Use it with `DiffuseGaussian`.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | dependence | phi | 1 | [-0.999, 0.999] | share of a deviation from K that is left after a year |
    | process_sd | sigma_p | log count | > 0 | sd of a year's shock to the density |
    | of the law | | | | capacity_sd, slope_sd or capacity_effect |
    | of the error | | | | observation_sd, where it is estimated |

    Source: Durbin and Koopman (2012), 3.2 and 5, DOI 10.1093/acprof:oso/9780199641178.001.0001; Dennis et al. (2006),
    DOI 10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2.

    >>> from seqsci.cells.capacity_laws import SmoothCapacity
    >>> [p.name for p in DriftingCapacity(SmoothCapacity()).parameters]
    ['dependence', 'process_sd', 'slope_sd', 'observation_sd']
    """

    capacity: CapacityLaw = RandomWalkCapacity()
    error: SurveyError = EstimatedError()
    inputs: tuple[SurveyInput, ...] = ()

    outcomes = (LOG_COUNT,)
    simpler = "use at most 3 trend terms, or for phi the grid of seqsci.domains.ecology.inference, which compiles no derivatives"
    references = ("10.1093/acprof:oso/9780199641178.001.0001", "10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2")

    @property
    def components(self) -> tuple[str, ...]:  # type: ignore[override]
        """The deviation and the slow components."""
        return ("deviation", *self.capacity.components)

    @property
    def diffuse(self) -> tuple[bool, ...]:  # type: ignore[override]
        """The slow components that have no prior."""
        return (False, *(sd is None for sd in self.capacity.prior_sd))

    @property
    def diffuse_reach(self) -> tuple[bool, ...]:  # type: ignore[override]
        """No other component ever has an infinite variance."""
        return self.diffuse

    @functools.cached_property
    def states(self) -> tuple[State, ...]:  # type: ignore[override]
        """Means and variances of the components."""
        return kalman_states(self.components, self.diffuse_reach)

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        """What the law, the error and the inputs read."""
        return (*self.capacity.known, *self.error.known, *(k for i in self.inputs for k in i.known))

    @functools.cached_property
    def own_parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Those of the density, of the law, of the error and of the inputs."""
        own = (*self.capacity.parameters, *self.error.parameters, *(p for i in self.inputs for p in i.parameters))
        return (DEPENDENCE, PROCESS_SD, *own)

    @property
    def own_derived(self) -> tuple[Derived, ...]:  # type: ignore[override]
        """Half-life of a perturbation and the spread around K, which K's own steps widen where the density follows them late."""
        if isinstance(self.capacity, LaggedRandomWalkCapacity):
            return of_perturbations(
                lambda dependence, process_sd, capacity_sd: stationary_sd(dependence, sqrt(process_sd**2 + capacity_sd**2))
            )
        return of_perturbations()

    @property
    def matrices(self) -> Any:  # type: ignore[override]
        """The state space, a callable that asks for parameters and known values by name."""
        return ByName([*(p.name for p in self.own_parameters), *(k.name for k in self.known)], self._matrices)

    def _matrices(self, values: Mapping[str, Expression]) -> StateSpace:
        slow, phi, shock = self.capacity.slow(values), values["dependence"], values["process_sd"] ** 2
        n = len(slow.design)
        late: tuple[Expression, ...] = tuple(slow.lag) or (0,) * n
        noise = [shock + sum(late) if any(map(_is_something, late)) else shock, *(-c if _is_something(c) else 0 for c in late)]
        rows = [[0, *row] for row in slow.transition]
        starts = [noise[0] / (1 - phi**2), *(0 if sd is None else sd**2 for sd in self.capacity.prior_sd)]
        counts = [i.of_count(values) for i in self.inputs]
        return StateSpace(
            transition=[[phi, *(0,) * n], *rows],
            state_variance=[noise, *([noise[1 + i], *row] for i, row in enumerate(slow.variance))],
            design=(1, *slow.design),
            observation_variance=self.error.variance(values),
            mean=(0,) * (n + 1),
            variance=[[(start if i == j else 0) for j in range(n + 1)] for i, start in enumerate(starts)],
            observation_input=sum(counts, start=slow.offset),
            state_input=(sum(i.of_density(values) for i in self.inputs), *(0,) * n) if self.inputs else (),
        )

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """Little, much and hardly any persistence; the yearly changes are given to shocks, to errors, or to the drift of K.

        The last one gives them to K alone, whose steps a density that follows it late dampens: without it the climb of the lynx counts
        ends 17 nats below the maximum.
        """
        spread = max(float(np.std(np.diff(outcome["log_count"]))), 1e-3)
        estimated = {p.name for p in self.own_parameters}
        for phi, process, error, drift in (
            (0.5, 0.7, 0.4, 0.2),
            (0.9, 0.8, 0.2, 0.05),
            (0.1, 0.5, 0.5, 0.4),
            (0.7, 0.3, 0.6, 0.1),
            (0.5, 0.1, 0.1, 2.0),
        ):
            values = {"dependence": phi, "process_sd": process * spread, "observation_sd": error * spread}
            values |= {"capacity_sd": drift * spread, "slope_sd": 0.2 * drift * spread, "capacity_effect": 0.0, "catch_effect": 0.0}
            yield {n: v for n, v in values.items() if n in estimated}


def _is_something(x: Expression) -> bool:
    return not (isinstance(x, int) and float(x) == 0.0)
