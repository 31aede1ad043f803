"""Population cells against statsmodels: ARIMA(1,1,1), and the exact diffuse Kalman filter and smoother. The last line is JSON.

python -m benchmarks.ecology_exactness

`arima_error` (wanted: at most 1e-10) is the largest difference of a forecast or log density of the simple cell, fast gate open and slow
gate settled, to ARIMA(1,1,1); `kalman_error` (at most 1e-8) that of two-channel cells to the exact diffuse filter, and `smoother_error`
(1e-8) that of their smoothed states. The tests check every case alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.cells.capacity_laws import CapacityLaw, ConstantCapacity, LaggedRandomWalkCapacity, RandomWalkCapacity, SmoothCapacity
from seqsci.cells.drifting_capacity import DriftingCapacity
from seqsci.cells.survey import EstimatedError, GivenError, NoError, SurveyError
from seqsci.domains.ecology.models import arima
from seqsci.estimation.smoother import smoothed_states
from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian
from seqsci.sequences import Sequences

Array = np.ndarray
PHI, PROCESS, DRIFT, ERROR, HALF_LIFE = 0.6, 0.25, 0.08, 0.15, 4.0
GAPS = [0, 11, 12, 40, 59]
YEARS = 60
STEP = DRIFT**2
GOALS = {"arima_error": 1e-10, "kalman_error": 1e-8, "smoother_error": 1e-8}


@dataclass(frozen=True)
class Case:
    """A law of log K with the matrices that statsmodels gets for it: deviation first (stationary), then the diffuse components."""

    law: CapacityLaw
    values: dict[str, float]
    transition: list[list[float]]
    noise: list[list[float]]
    design: list[float]


CASES = {
    "constant": Case(ConstantCapacity(), {}, [[PHI, 0], [0, 1]], [[PROCESS**2, 0], [0, 0]], [1, 1]),
    "random walk": Case(RandomWalkCapacity(), {"capacity_sd": DRIFT}, [[PHI, 0], [0, 1]], [[PROCESS**2, 0], [0, STEP]], [1, 1]),
    "lagged random walk": Case(
        LaggedRandomWalkCapacity(), {"capacity_sd": DRIFT}, [[PHI, 0], [0, 1]], [[PROCESS**2 + STEP, -STEP], [-STEP, STEP]], [1, 1]
    ),
    "smooth": Case(
        SmoothCapacity(),
        {"slope_sd": DRIFT},
        [[PHI, 0, 0], [0, 1, 1], [0, 0, 1]],
        [[PROCESS**2, 0, 0], [0, 0, 0], [0, 0, STEP]],
        [1, 1, 0],
    ),
}
ERRORS: dict[str, tuple[SurveyError, Array | float]] = {
    "estimated": (EstimatedError(), ERROR),
    "none": (NoError(), 0.0),
    "given": (GivenError(), 0.05 + 0.02 * (np.arange(YEARS) % 7)),
}


def counts(rows: int = YEARS) -> Array:
    """Log counts with gaps, the first and the last year among them."""
    rng = np.random.default_rng(2)
    y = 4 + np.cumsum(rng.normal(-0.02, 0.1, rows)) + rng.normal(0, 0.2, rows)
    y[GAPS] = np.nan
    return y


def cell(law: CapacityLaw, error: SurveyError, **values: float) -> Model:
    return Model(DriftingCapacity(law, error), DiffuseGaussian()).start_at(dependence=PHI, process_sd=PROCESS, **values)


def outside(y: Array, case: Case, error: Array | float) -> Any:
    """statsmodels' exact diffuse filter and smoother."""
    import statsmodels.tsa.statespace.mlemodel as sm

    m = len(case.transition)
    found = sm.MLEModel(y, k_states=m, k_posdef=m)
    found["transition"], found["selection"], found["state_cov"] = np.array(case.transition, float), np.eye(m), np.array(case.noise, float)
    found["design"] = np.array([case.design], float)
    found["obs_cov"] = np.array([[error**2]]) if np.ndim(error) == 0 else np.asarray(error)[None, None] ** 2
    found.ssm.initialization = sm.Initialization(m)
    spread = case.noise[0][0] / (1 - case.transition[0][0] ** 2)
    found.ssm.initialization.set(0, "known", constant=[0.0], stationary_cov=[[spread]])
    found.ssm.initialization.set((1, m), "diffuse")
    return found.ssm.smooth()


def _apart(a: Array, b: Array) -> float:
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


@dataclass(frozen=True)
class Gap:
    """Largest differences to statsmodels: of filtering (log densities, forecasts, their variances), of smoothed means and variances."""

    filtered: float
    smoothed: float = 0.0


def two_channel_gap(name: str, error: str) -> Gap:
    """A two-channel cell on counts with gaps."""
    case, (survey, sd), y = CASES[name], ERRORS[error], counts()
    values = case.values | ({"observation_sd": ERROR} if error == "estimated" else {})
    data = Sequences({"log_count": y}, {"observation_sd": sd} if isinstance(sd, np.ndarray) else {})
    model, theirs, seen = cell(case.law, survey, **values), outside(y, case, sd), ~np.isnan(y)
    ours, proper, m = model.filter(data), np.arange(YEARS) > 3, len(case.design)
    parts = [_apart(ours.density[seen], theirs.llf_obs[seen]), _apart(ours.reads[proper, 0], theirs.forecasts[0][proper])]
    parts.append(_apart(ours.reads[proper, 1] ** 2, theirs.forecasts_error_cov[0, 0][proper]))
    found = smoothed_states(model, data)
    variance = np.array([np.diag(theirs.smoothed_state_cov[:, :, t]) for t in range(YEARS)])
    after = [_apart(found.smoothed[:, :m], theirs.smoothed_state.T), _apart(found.smoothed_sd[:, :m] ** 2, variance)]
    return Gap(max(parts), max(after))


def nile_gap() -> Gap:
    """The local level model of the flow of the Nile, in log units: a cell without dependence whose K wanders."""
    from statsmodels.datasets import nile
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    y = np.log(nile.load_pandas().data["volume"].to_numpy(float))
    level, drift = 0.13, 0.04
    model = UnobservedComponents(y, "llevel", use_exact_diffuse=True)
    model.ssm.tolerance = 0.0  # it would stop its recursion of the variance at 1e-9
    theirs = model.filter([level**2, drift**2])
    ours = cell(RandomWalkCapacity(), NoError()).start_at(dependence=0.0, process_sd=level, capacity_sd=drift)
    found = ours.filter(Sequences({"log_count": y}))
    return Gap(max(_apart(found.density, theirs.llf_obs), _apart(found.reads[1:, 0], theirs.forecasts[0][1:])))


def arima_gap(rows: int = 400) -> tuple[float, float]:
    """Simple cell minus ARIMA(1,1,1), at most: from the same start in every year; and with ARIMA's stationary start once it is forgotten.

    phi_1 = phi f, theta_1 = -f, f = 2^(-1/H): (1 - phi f L)(1 - L) y = (1 - f L) e.
    """
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    y = 3 + np.cumsum(np.random.default_rng(4).normal(0, 0.3, rows))
    f, sd = 2 ** (-1 / HALF_LIFE), 0.3
    ours = arima().start_at(dependence=PHI, capacity_half_life=HALF_LIFE, error_sd=sd).filter(Sequences({"log_count": y}))
    change = ours.reads[1:, 0] - y[:-1]
    same, stationary = (SARIMAX(y, order=(1, 1, 1), simple_differencing=True) for _ in range(2))
    for model in (same, stationary):
        model.ssm.tolerance = 0.0
    load = np.array([1.0, -f])
    same.ssm.initialize_known(np.zeros(2), sd**2 * np.outer(load, load))  # the first count starts the series: no change, no error before
    values = [PHI * f, -f, sd**2]
    a, b = same.filter(values), stationary.filter(values)
    forgotten = slice(250, None)
    return max(_apart(change, a.forecasts[0]), _apart(ours.density[1:], a.llf_obs)), _apart(change[forgotten], b.forecasts[0][forgotten])


def exactness(quick: bool = False) -> tuple[str, dict[str, float]]:
    """The text to print and the figures of the last line; a quick run is the same run."""
    gaps = {f"{name} K, error {error}": two_channel_gap(name, error) for name in CASES for error in ERRORS}
    nile, (same, stationary) = nile_gap(), arima_gap()
    figures = {
        "arima_error": max(same, stationary),
        "kalman_error": max(nile.filtered, *(g.filtered for g in gaps.values())),
        "smoother_error": max(g.smoothed for g in gaps.values()),
    }
    lines = ["Exactness: largest difference to statsmodels of log densities, forecasts and variances; of smoothed means and variances"]
    singles = {"simple cell, ARIMA(1,1,1), same start": same, "the same, stationary start, from year 250": stationary}
    lines += [f"{text:<46}{value:.1e}" for text, value in {**singles, "local level, the Nile": nile.filtered}.items()]
    lines += [f"{name:<46}{g.filtered:.1e}   {g.smoothed:.1e}" for name, g in gaps.items()]
    lines += [f"{'met   ' if figures[k] <= v else 'MISSED'} {k:28}{figures[k]:.1e}   wanted at most {v:g}" for k, v in GOALS.items()]
    return "\n".join(lines), figures


if __name__ == "__main__":
    report, values_ = exactness()
    print(report)
    print(json.dumps(values_))
