"""The baselines of annual counts by the name that configurations use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from seqsci.domains.ecology.backtest.protocol import SeriesForecaster
from seqsci.domains.ecology.baselines.empirical_dynamics import Simplex, SMap
from seqsci.domains.ecology.baselines.naive import HistoricalMean, RandomWalk, RandomWalkDrift
from seqsci.domains.ecology.baselines.regressions import Gompertz, GompertzTrend, Ricker, SecondOrder
from seqsci.domains.ecology.baselines.state_space import DriftingCapacity, GompertzStateSpace, LocalLevel, Student
from seqsci.domains.ecology.baselines.statsmodels_models import AutomaticArima, DampedSmoothing

BASELINES: Mapping[str, Callable[[], SeriesForecaster]] = MappingProxyType(
    {
        "random_walk": RandomWalk,
        "random_walk_drift": RandomWalkDrift,
        "historical_mean": HistoricalMean,
        "gompertz": Gompertz,
        "gompertz_trend": GompertzTrend,
        "second_order": SecondOrder,
        "ricker": Ricker,
        "local_level": LocalLevel,
        "local_level_student": lambda: LocalLevel(Student()),
        "gompertz_state_space": GompertzStateSpace,
        "gompertz_state_space_student": lambda: GompertzStateSpace(Student()),
        "drifting_capacity": DriftingCapacity,
        "drifting_capacity_student": lambda: DriftingCapacity(Student()),
        "simplex": Simplex,
        "s_map": SMap,
        "damped_smoothing": DampedSmoothing,
        "automatic_arima": AutomaticArima,
    }
)
"""Builders by name; all of them learn from the series' own past only."""
SLOW = ("damped_smoothing", "automatic_arima")
"""Those that take minutes on the 488 series of the GPDD panel."""
