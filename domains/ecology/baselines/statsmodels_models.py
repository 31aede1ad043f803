"""Damped exponential smoothing and automatic ARIMA by statsmodels; chosen once per series, refitted at every origin from the last fit."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsci.domains.ecology.backtest.protocol import Forecasts, SeriesForecaster, scored, targets
from seqsci.domains.ecology.backtest.student import StudentForecast
from seqsci.domains.ecology.baselines.naive import SMALLEST_SCALE
from seqsci.domains.ecology.baselines.state_space import Interval, Student, titled
from seqsci.domains.ecology.reading.panel import CountPanel

Array = npt.NDArray[np.float64]
FIRST, LATER = 20, 5
"""Most steps of the optimiser on the training window, and at a later refit, which starts from the fit before."""
EARLY = 10
"""Years from whose straight line exponential smoothing starts."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without statsmodels' warnings on starting values and convergence: a fit that ends early is a forecast like any other."""
    from statsmodels.tools.sm_exceptions import ModelWarning

    with warnings.catch_warnings():
        for kind in (ModelWarning, RuntimeWarning, UserWarning):
            warnings.simplefilter("ignore", kind)
        yield


class Fitted(SeriesForecaster, ABC):
    """A statsmodels state-space model with a predictive from the variance of its residuals; series are spread over processes.

    The Student predictive raises the log score of both on the GPDD and salmon panels and hardly moves their CRPS.
    """

    interval: Interval

    @abstractmethod
    def models(self, train: Array) -> Any:
        """A function of log counts that makes the model whose order was chosen on the training window."""

    def at_origins(self, y: Array, first: int, horizon: int) -> StudentForecast:
        from threadpoolctl import threadpool_limits

        mean, deviation = np.empty((len(y) - first, horizon)), np.empty((len(y) - first, horizon))
        residuals = np.empty(len(y) - first)
        with quiet(), threadpool_limits(1):  # its small products wait for one another on several threads
            make = self.models(y[:first])
            parameters = None
            for row, t in enumerate(range(first, len(y))):
                model = make(y[:t])
                start = make(filled(y[:t])).start_params if parameters is None else parameters
                steps = FIRST if parameters is None else LATER
                if len(start):
                    found = model.fit(start, disp=False, maxiter=steps, cov_type="none").params
                    start = found if np.isfinite(found).all() else start
                parameters = start
                made = model.smooth(parameters, cov_type="none")
                ahead = made.get_forecast(horizon)
                mean[row], deviation[row] = ahead.predicted_mean, ahead.se_mean
                residuals[row] = np.isfinite(y[:t]).sum() - made.loglikelihood_burn
        factor, freedom = self.interval.spread(np.ones(len(residuals)), residuals)
        scale = np.maximum(deviation * np.sqrt(factor)[:, None], SMALLEST_SCALE)
        return StudentForecast(mean, scale, np.tile(freedom[:, None], (1, horizon)))

    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """Forecast series after series, on two processes: the Python between the filters holds the interpreter's lock."""
        import time

        from joblib import Parallel, delayed

        clock = time.perf_counter()
        jobs = (delayed(self.at_origins)(panel.values(i), int(panel.first[i]), horizon) for i in range(len(panel)))
        parts = Parallel(n_jobs=2, batch_size=4)(jobs)
        whole = StudentForecast(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("mean", "scale", "freedom")))
        return scored(self.name, whole, targets(panel, horizon), time.perf_counter() - clock)


@dataclass(frozen=True)
class DampedSmoothing(Fitted):
    """Exponential smoothing with additive errors and a damped trend, ETS(A,Ad,N), fitted by statsmodels; it copes with missing years.

    Level and trend start from a line through the first ten years. Estimated or concentrated out, they made the forecasts worse.
    Source: Hyndman, Koehler, Ord & Snyder (2008), Forecasting with Exponential Smoothing, DOI 10.1007/978-3-540-71918-2.
    """

    interval: Interval = Student()

    @property
    def name(self) -> str:
        return titled("damped ETS", self.interval)

    def models(self, train: Array) -> Any:
        from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

        def make(y: Array) -> Any:
            early = filled(y)[:EARLY]
            slope, level = np.polyfit(np.arange(1, len(early) + 1), early, 1)
            known = {"initialization_method": "known", "initial_level": level, "initial_trend": slope}
            return ExponentialSmoothing(y, trend=True, damped_trend=True, concentrate_scale=True, **known)

        return make


@dataclass(frozen=True)
class AutomaticArima(Fitted):
    """ARIMA(p, d, q), d <= 2, p, q <= 3, by statsmodels: d by KPSS at 5 %, then p, q with the least corrected AIC of a stepwise search.

    The search runs once, on the training window; at every later origin the parameters are refitted from those of the year before.
    A constant is included at d = 0 (and at d = 1 where it wants it). Source: Hyndman & Khandakar (2008), J. Statistical Software
    27(3), DOI 10.18637/jss.v027.i03.
    """

    most: int = 3
    interval: Interval = Student()

    @property
    def name(self) -> str:
        return titled("auto-ARIMA", self.interval)

    def models(self, train: Array) -> Any:
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        d = differences(train[np.isfinite(train)])
        scores: dict[tuple[int, int, bool], float] = {}

        def maker(p: int, q: int, constant: bool) -> Any:
            def make(y: Array) -> Any:
                trend = "c" if constant else None
                return SARIMAX(y, order=(p, d, q), trend=trend, concentrate_scale=True)

            return make

        def criterion(p: int, q: int, constant: bool) -> float:
            if not (0 <= p <= self.most and 0 <= q <= self.most):
                return np.inf
            if (p, q, constant) not in scores:
                model = maker(p, q, constant)(train)
                start = maker(p, q, constant)(filled(train)).start_params
                made = model.fit(start, disp=False, maxiter=FIRST, cov_type="none") if len(start) else model.smooth(start, cov_type="none")
                scores[p, q, constant] = float(made.aicc) if np.isfinite(made.aicc) else np.inf
            return scores[p, q, constant]

        constants = (True,) if d == 0 else (False, True) if d == 1 else (False,)
        at = min(((p, q, c) for p, q in ((0, 0), (1, 0), (0, 1), (2, 2)) for c in constants[:1]), key=lambda o: criterion(*o))
        while True:
            p, q, _ = at
            near = [(p + i, q + j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) if i * j >= 0 for k in constants]
            best = min([at, *near], key=lambda o: criterion(*o))
            if best == at:
                return maker(*at)
            at = best


def filled(y: Array) -> Array:
    """The series with its gaps filled in by straight lines, for starting values only.

    >>> filled(np.array([1.0, np.nan, 3.0, np.nan]))
    array([1., 2., 3., 3.])
    """
    rows, seen = np.arange(len(y)), np.isfinite(y)
    return np.asarray(np.interp(rows, rows[seen], y[seen]))


def differences(values: Array, most: int = 2) -> int:
    """How often to difference a series: until the KPSS test of a constant level does not reject at 5 % (statistic <= 0.463).

    Source: Kwiatkowski, Phillips, Schmidt & Shin (1992), J. Econometrics 54, 159-178, DOI 10.1016/0304-4076(92)90104-Y.

    >>> differences(np.random.default_rng(0).normal(size=60)), differences(np.arange(60.0) + np.random.default_rng(0).normal(size=60))
    (0, 1)
    """
    for d in range(most):
        n = len(values)
        e = values - values.mean()
        lags = int(4 * (n / 100) ** 0.25)
        variance = float(e @ e) + 2 * sum((1 - j / (lags + 1)) * float(e[j:] @ e[:-j]) for j in range(1, lags + 1))
        if variance <= 0 or float(np.square(np.cumsum(e)).sum()) / (n * variance) <= 0.463:
            return d
        values = np.diff(values)
    return most
