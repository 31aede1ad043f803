"""Declarations that population cells share: the log count, density dependence, and what is derived from them."""

from __future__ import annotations

from collections.abc import Callable

from seqsci.constraints import Interval, Positive, Real, UnitInterval
from seqsci.equations.vocabulary import Expression, absolute, exp, log, sqrt
from seqsci.parameter import Derived, Outcome, Parameter

LOG_2 = 0.6931471805599453
LOG_COUNT = Outcome("log_count", "log count", "y")
DEPENDENCE = Parameter(
    "dependence", Interval(-0.999, 0.999), 0.5, "1", r"\phi", "share of a deviation from K that is left after a year (negative: overshoot)"
)
PROCESS_SD = Parameter("process_sd", Positive(), 0.2, "log count", r"\sigma_p", "sd of a year's shock to the log density")

LOG_CAPACITY = Parameter("log_capacity", Real(), 3.0, "log count", "k", "log of the carrying capacity")
FAST_WRITE = Parameter(
    "fast_write", UnitInterval(), 0.8, "1", "i", "share of a surprise that is taken for density; the rest is read as observation error"
)
CAPACITY_HALF_LIFE = Parameter(
    "capacity_half_life", Interval(0.05, 1000.0), 20.0, "years", "H", "years after which half of an old carrying capacity is forgotten"
)


def capacity() -> Derived:
    """The carrying capacity itself."""
    return Derived(
        "carrying_capacity", lambda log_capacity: exp(log_capacity), "count", "K", "density that the population returns to", Positive()
    )


def half_life(dependence: Expression) -> Expression:
    """``log 2 / -log |phi|``: years until half of the size of a deviation is left."""
    return -LOG_2 / log(absolute(dependence))


def stationary_sd(dependence: Expression, process_sd: Expression) -> Expression:
    """``process_sd / sqrt(1 - phi^2)``: how far the log density strays from log K."""
    return process_sd / sqrt(1 - dependence**2)


def of_perturbations(spread: Callable[..., Expression] = stationary_sd) -> tuple[Derived, ...]:
    """Half-life of a perturbation and the spread of the density around K."""
    return (
        Derived("perturbation_half_life", half_life, "years", "t_{1/2}", "years until half of a deviation from K is left", Positive()),
        Derived("stationary_sd", spread, "log count", r"\sigma_\infty", "sd of the log density around log K", Positive()),
    )
