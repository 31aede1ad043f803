"""How a carrying capacity moves from year to year: the slow channel of a population cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsci.constraints import Positive, Real
from seqsci.equations.vocabulary import Expression
from seqsci.errors import ParameterError, explain
from seqsci.parameter import Known, Parameter

Values = Mapping[str, Expression]


@dataclass(frozen=True)
class Slow:
    """The slow block of a state space.

    Attributes:
        transition, variance: T and Q of the slow components.
        design: what of each component is in log K.
        offset: what is added to log K and is known.
        lag: minus the covariance of the density's noise with each component's (a density that follows K a year late); empty = none.
    """

    transition: Sequence[Sequence[Expression]]
    variance: Sequence[Sequence[Expression]]
    design: Sequence[Expression]
    offset: Expression = 0
    lag: Sequence[Expression] = ()


class CapacityLaw(ABC):
    """Abstract base of the laws of log K: named components and the equations that move them."""

    @property
    @abstractmethod
    def components(self) -> tuple[str, ...]:
        """Names of the slow components."""

    @property
    def prior_sd(self) -> tuple[float | None, ...]:
        """Standard deviation of each component before the first year; None (the default for all) is a diffuse start."""
        return (None,) * len(self.components)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The law's own parameters."""
        return ()

    @property
    def known(self) -> tuple[Known, ...]:
        """Known sequences that the law reads."""
        return ()

    @abstractmethod
    def slow(self, values: Values) -> Slow:
        """The slow block at these parameters and known values."""


LEVEL = "log_capacity"
CAPACITY_SD = Parameter("capacity_sd", Positive(), 0.1, "log count", r"\sigma_k", "sd of a year's step of log K")
SLOPE_SD = Parameter("slope_sd", Positive(), 0.02, "log count/year", r"\sigma_\mu", "sd of a year's change of the slope of log K")
EFFECT = Parameter("capacity_effect", Real(), 0.5, "log count per unit of the covariate", r"\beta", "change of log K per unit of covariate")


def _diagonal(entries: Sequence[Expression]) -> tuple[tuple[Expression, ...], ...]:
    return tuple(tuple(e if i == j else 0 for j in range(len(entries))) for i, e in enumerate(entries))


@dataclass(frozen=True)
class ConstantCapacity(CapacityLaw):
    """``k_t = k``: the capacity of the Gompertz state-space model of Dennis et al. (2006).

    DOI 10.1890/0012-9615(2006)76[323:EDDPNA]2.0.CO;2.

    >>> ConstantCapacity().components
    ('log_capacity',)
    """

    @property
    def components(self) -> tuple[str, ...]:
        return (LEVEL,)

    def slow(self, values: Values) -> Slow:
        return Slow(((1,),), ((0,),), (1,))


@dataclass(frozen=True)
class RandomWalkCapacity(CapacityLaw):
    """``k_t = k_{t-1} + N(0, capacity_sd)``: a capacity that wanders.

    >>> [p.name for p in RandomWalkCapacity().parameters]
    ['capacity_sd']
    """

    @property
    def components(self) -> tuple[str, ...]:
        return (LEVEL,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (CAPACITY_SD,)

    def slow(self, values: Values) -> Slow:
        return Slow(((1,),), ((values["capacity_sd"] ** 2,),), (1,))


@dataclass(frozen=True)
class LaggedRandomWalkCapacity(CapacityLaw):
    """A random walk that the density follows a year late: ``x_t = phi x_{t-1} + (1 - phi) k_{t-1} + noise``.

    The deviation d = x - k then loses K's own step, so its noise and that of K are correlated.

    >>> LaggedRandomWalkCapacity().components
    ('log_capacity',)
    """

    @property
    def components(self) -> tuple[str, ...]:
        return (LEVEL,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (CAPACITY_SD,)

    def slow(self, values: Values) -> Slow:
        step = values["capacity_sd"] ** 2
        return Slow(((1,),), ((step,),), (1,), lag=(step,))


@dataclass(frozen=True)
class SmoothCapacity(CapacityLaw):
    """``k_t = k_{t-1} + mu_{t-1}, mu_t = mu_{t-1} + N(0, slope_sd)``: a capacity that changes direction slowly.

    With ``slope_sd`` near 0 log K is a straight line: K grows or declines exponentially.

    >>> SmoothCapacity().components
    ('log_capacity', 'capacity_slope')
    """

    @property
    def components(self) -> tuple[str, ...]:
        return (LEVEL, "capacity_slope")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (SLOPE_SD,)

    def slow(self, values: Values) -> Slow:
        return Slow(((1, 1), (0, 1)), _diagonal((0, values["slope_sd"] ** 2)), (1, 0))


@dataclass(frozen=True)
class CovariateCapacity(CapacityLaw):
    """``k_t = k + capacity_effect * capacity_covariate_t``: a capacity that follows something that was measured.

    >>> [k.name for k in CovariateCapacity().known]
    ['capacity_covariate']
    """

    @property
    def components(self) -> tuple[str, ...]:
        return (LEVEL,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (EFFECT,)

    @property
    def known(self) -> tuple[Known, ...]:
        return (Known("capacity_covariate", "1", "z"),)

    def slow(self, values: Values) -> Slow:
        return Slow(((1,),), ((0,),), (1,), offset=values["capacity_effect"] * values["capacity_covariate"])


@dataclass(frozen=True)
class FlexibleTrend(CapacityLaw):
    """``k_t = k + sum_j b_j trend_j(t)`` with a coefficient b_j per site and term; the level is diffuse, ``b_j ~ N(0, coefficient_sd)``.

    The coefficients have a vague prior rather than a diffuse start: over their first years smooth columns are so nearly collinear that a
    filter cannot tell an infinite variance from rounding (with four cosines over 60 years it ends in noise). A prior of 10 log counts
    leaves the restricted likelihood as it is, up to a constant and less than 0.01 nats.

    Args:
        terms: number of columns ``trend_1 ... trend_terms``; `seqsci.domains.ecology.trends.cosine_trend` makes them.
        coefficient_sd: prior sd of a coefficient, log count per unit of its column.

    Raises `ParameterError` for less than one term, or a prior sd that is not positive.

    >>> FlexibleTrend(2).components
    ('log_capacity', 'trend_coefficient_1', 'trend_coefficient_2')
    """

    terms: int = 2
    coefficient_sd: float = 10.0

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise ParameterError(explain("a trend without terms", self.terms, "terms >= 1", "use ConstantCapacity"))
        if not self.coefficient_sd > 0:
            raise ParameterError(explain("a prior without spread", self.coefficient_sd, "coefficient_sd > 0", "use ConstantCapacity"))

    @property
    def components(self) -> tuple[str, ...]:
        return (LEVEL, *(f"trend_coefficient_{j}" for j in range(1, self.terms + 1)))

    @property
    def prior_sd(self) -> tuple[float | None, ...]:
        return (None, *(self.coefficient_sd for _ in range(self.terms)))

    @property
    def known(self) -> tuple[Known, ...]:
        return tuple(Known(f"trend_{j}", "1", rf"c_{{{j}}}") for j in range(1, self.terms + 1))

    def slow(self, values: Values) -> Slow:
        still = (0,) * (self.terms + 1)
        return Slow(_diagonal((1,) * (self.terms + 1)), _diagonal(still), (1, *(values[k.name] for k in self.known)))
