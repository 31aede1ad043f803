"""How a population is counted and taken from: survey error, survey effort, catch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from seqsci.constraints import Positive, Real
from seqsci.equations.vocabulary import Expression
from seqsci.parameter import Known, Parameter

Values = Mapping[str, Expression]


class SurveyError(ABC):
    """Abstract base of what is said of the error of a log count."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Own parameters."""
        return ()

    @property
    def known(self) -> tuple[Known, ...]:
        """Known sequences."""
        return ()

    @abstractmethod
    def variance(self, values: Values) -> Expression:
        """Variance of the error of a log count."""


@dataclass(frozen=True)
class NoError(SurveyError):
    """Counts are taken as exact."""

    def variance(self, values: Values) -> Expression:
        return 0


@dataclass(frozen=True)
class EstimatedError(SurveyError):
    """One standard deviation for all years, estimated."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("observation_sd", Positive(), 0.15, "log count", r"\sigma_o", "sd of the error of a log count"),)

    def variance(self, values: Values) -> Expression:
        return values["observation_sd"] ** 2


@dataclass(frozen=True)
class GivenError(SurveyError):
    """A standard error of the log count in every year, from the survey (Known ``observation_sd``)."""

    @property
    def known(self) -> tuple[Known, ...]:
        return (Known("observation_sd", "log count", r"\sigma_o"),)

    def variance(self, values: Values) -> Expression:
        return values["observation_sd"] ** 2


class SurveyInput(ABC):
    """Abstract base of what is known of a year and moves the next density or the count."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Own parameters."""
        return ()

    @property
    @abstractmethod
    def known(self) -> tuple[Known, ...]:
        """Known sequences."""

    def of_density(self, values: Values) -> Expression:
        """What is added to next year's log density."""
        return 0

    def of_count(self, values: Values) -> Expression:
        """What is added to this year's log count."""
        return 0


@dataclass(frozen=True)
class Catch(SurveyInput):
    """Catch of a year lowers next year's log density: ``- catch_effect * catch_t``; the loss decays like any deviation from K."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        reading = "drop of next year's log density per unit of catch"
        return (Parameter("catch_effect", Real(), 0.1, "log count per unit of catch", r"\gamma", reading),)

    @property
    def known(self) -> tuple[Known, ...]:
        return (Known("catch", "1", "h"),)

    def of_density(self, values: Values) -> Expression:
        return -values["catch_effect"] * values["catch"]


@dataclass(frozen=True)
class Effort(SurveyInput):
    """Twice the effort finds twice as many: ``+ log_effort_t`` in the log count."""

    @property
    def known(self) -> tuple[Known, ...]:
        return (Known("log_effort", "log effort", r"\log E"),)

    def of_count(self, values: Values) -> Expression:
        return values["log_effort"]
