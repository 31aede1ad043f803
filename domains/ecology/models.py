"""The population models that ship: one fast channel, and a carrying capacity that stands, drifts, bends or follows something measured."""

from __future__ import annotations

from seqsci.cells.adaptive_slow_channel import AdaptiveSlowChannel
from seqsci.cells.capacity_laws import (
    CapacityLaw,
    ConstantCapacity,
    CovariateCapacity,
    FlexibleTrend,
    LaggedRandomWalkCapacity,
    RandomWalkCapacity,
    SmoothCapacity,
)
from seqsci.cells.count_slow_channel import CountSlowChannel
from seqsci.cells.drifting_capacity import DriftingCapacity
from seqsci.cells.gompertz import Gompertz
from seqsci.cells.ricker import Ricker
from seqsci.cells.slow_channel import Settled, SlowChannel, WarmUp
from seqsci.cells.survey import Catch, Effort, EstimatedError, SurveyError, SurveyInput
from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian, Gaussian
from seqsci.observations.location_scale_t import LocationScaleT
from seqsci.observations.negative_binomial import NegativeBinomial

ERROR = EstimatedError()


def _drifting(law: CapacityLaw, name: str, error: SurveyError, inputs: tuple[SurveyInput, ...] = ()) -> Model:
    return Model(DriftingCapacity(law, error, inputs), DiffuseGaussian(), name=name)


def gompertz() -> Model:
    """Gompertz density dependence around a constant K, counts exact: AR(1), the naive analysis."""
    return Model(Gompertz(), Gaussian(), name="Gompertz")


def ricker() -> Model:
    """Ricker density dependence around a constant K, counts exact."""
    return Model(Ricker(), DiffuseGaussian(), name="Ricker")


def slow_channel() -> Model:
    """The simple cell: two tied gates, the slow one warming up."""
    return Model(SlowChannel(WarmUp()), DiffuseGaussian(), name="slow channel")


def arima() -> Model:
    """The simple cell that is ARIMA(1, 1, 1): fast gate open, slow gate settled."""
    return Model(SlowChannel(Settled()), DiffuseGaussian()).fix(fast_write=1.0).named("ARIMA(1,1,1) (ours)")


def adaptive_slow_channel() -> Model:
    """The simple cell with a Student-t forecast whose scale is remembered."""
    return Model(AdaptiveSlowChannel(WarmUp()), LocationScaleT(), name="slow channel, adaptive t")


def count_slow_channel() -> Model:
    """The simple cell for small whole counts."""
    return Model(CountSlowChannel(WarmUp()), NegativeBinomial(), name="slow channel, counts")


def gompertz_state_space(error: SurveyError = ERROR) -> Model:
    """Constant K with observation error (Dennis et al. 2006), by REML."""
    return _drifting(ConstantCapacity(), "Gompertz state space", error)


def random_walk_capacity(error: SurveyError = ERROR) -> Model:
    """K wanders."""
    return _drifting(RandomWalkCapacity(), "random-walk K", error)


def lagged_capacity(error: SurveyError = ERROR) -> Model:
    """K wanders, and the density follows a year late."""
    return _drifting(LaggedRandomWalkCapacity(), "random-walk K, lagged", error)


def smooth_capacity(error: SurveyError = ERROR) -> Model:
    """K has a level and a slope that changes slowly: for directional change, wrong for a hump."""
    return _drifting(SmoothCapacity(), "smooth K", error)


def flexible_trend(terms: int = 2, error: SurveyError = ERROR) -> Model:
    """K bends along ``terms`` cosines of `seqsci.domains.ecology.trends.cosine_trend`, with coefficients per site.

    A fit takes up to three terms, which compile in about half a minute; more are refused, since their derivatives compile for minutes or
    never. Seven terms are filtered, simulated and smoothed all the same, and `seqsci.domains.ecology.inference` estimates phi with them.
    """
    return _drifting(FlexibleTrend(terms), f"flexible trend, {terms} terms", error)


def covariate_capacity(error: SurveyError = ERROR) -> Model:
    """K follows the known ``capacity_covariate`` with an estimated coefficient."""
    return _drifting(CovariateCapacity(), "K from a covariate", error)


def harvested(error: SurveyError = ERROR) -> Model:
    """K wanders, catch lowers the next density, and counts are corrected for effort (known ``catch`` and ``log_effort``)."""
    return _drifting(RandomWalkCapacity(), "random-walk K, harvested", error, (Catch(), Effort()))


MODELS = {
    "gompertz": gompertz,
    "ricker": ricker,
    "slow_channel": slow_channel,
    "arima": arima,
    "adaptive_slow_channel": adaptive_slow_channel,
    "count_slow_channel": count_slow_channel,
    "gompertz_state_space": gompertz_state_space,
    "random_walk_capacity": random_walk_capacity,
    "lagged_capacity": lagged_capacity,
    "smooth_capacity": smooth_capacity,
    "flexible_trend": flexible_trend,
    "covariate_capacity": covariate_capacity,
    "harvested": harvested,
}
"""Builders by the name that configurations use."""
