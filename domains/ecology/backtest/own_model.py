"""A model of ours as a forecaster of a panel: one set of parameters for all series, refitted as the calendar goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.ecology.backtest.protocol import CountForecaster, Forecasts, scored, targets
from seqsci.domains.ecology.backtest.student import StudentForecast
from seqsci.domains.ecology.prepared import to_sequences
from seqsci.domains.ecology.reading.panel import CountPanel
from seqsci.errors import ConvergenceError, DataError, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.forecast import one_step
from seqsci.model import Model

Array = npt.NDArray[np.float64]
FEWEST_FREE = 3.0
"""Degrees of freedom of a forecast, at least."""


@dataclass(frozen=True, eq=False)
class ModelForecaster(CountForecaster):
    """Forecasts one year ahead by a model of log counts whose parameters the series share.

    At the first test year and then every ``refit`` years the parameters are estimated from all rows of all series before that calendar
    year; between refits only the state moves. A Gaussian forecast of scale s becomes a Student one with v = n - q degrees of freedom
    and scale ``s sqrt(n / v)``: n counts (less one a series, which starts its level), q estimated parameters.

    Attributes:
        model: of log counts; rows: the frame of the panel's series with known columns; estimator: how it is fitted; refit: [years].
    """

    model: Model
    rows: pd.DataFrame
    estimator: MaximumLikelihood
    refit: int = 1

    @property
    def name(self) -> str:
        return f"{self.model.name} (ours)"

    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """One year ahead, NaN beyond. Raises: DataError for a model of counts, or a panel of other rows than ``rows``."""
        clock = time.perf_counter()
        if self.model.mechanism.outcomes[0].name != "log_count":
            got = "probabilities of whole counts"
            raise DataError(explain(f"{self.name} is not scored here", got, "densities of log counts", "compare a model of log counts"))
        if len(self.rows) != len(panel.year) or not np.array_equal(self.rows["year"].to_numpy(), panel.year):
            raise DataError(explain("rows and panel do not match", len(self.rows), f"the panel's {len(panel.year)} rows", "align them"))
        rows = self.rows.assign(log_count=panel.log_count)
        tested = np.zeros(len(rows), bool)
        tested[panel.test_rows] = True
        origins = np.unique(panel.year[tested])[:: self.refit]
        mean, scale, freedom = (np.full(len(rows), np.nan) for _ in range(3))
        fit: Fit | None = None
        for i, origin in enumerate(origins):
            until = origins[i + 1] if i + 1 < len(origins) else panel.year.max() + 1
            fit = self._fitted(rows[panel.year < origin], int(origin), fit)
            seen = panel.year < until
            now = tested[seen] & (panel.year[seen] >= origin)
            parts = self._forecast(fit, rows[seen], int(origin))
            for array, values in zip((mean, scale, freedom), parts, strict=True):
                array[np.flatnonzero(seen)[now]] = values[now]
        at = panel.test_rows
        whole = StudentForecast(*(np.pad(v[at, None], ((0, 0), (0, horizon - 1)), constant_values=np.nan) for v in (mean, scale, freedom)))
        return scored(self.name, whole, targets(panel, horizon), time.perf_counter() - clock)

    def _fitted(self, rows: pd.DataFrame, origin: int, before: Fit | None) -> Fit:
        """The model on the rows before a year, climbed from the estimates of the refit before as well."""
        quick = replace(self.estimator, profile_bounds=False)
        sequences = to_sequences(self.model, rows, origin - 1)
        if before is None:
            return quick.fit(self.model, sequences)
        start = self.model.start_at(**{n: v for n, v in before.value.items() if n in self.model.free_names})
        try:
            return replace(quick, warm=True).fit(start, sequences)
        except ConvergenceError:
            print(f"note: {self.name} did not converge on the rows before {origin}; the estimates of the refit before it stay", flush=True)
            return before

    def _forecast(self, fit: Fit, rows: pd.DataFrame, origin: int) -> tuple[Array, Array, Array]:
        """Location, scale and degrees of freedom of every row, each from the rows of its series before it."""
        sequences = to_sequences(self.model, rows, origin - 1)
        reads = fit.model.filter(sequences, fit.model.presamples(sequences)).reads
        given = one_step(fit.model, reads, fit.model.kernel().program.read_names).given
        location, scale = (np.broadcast_to(np.asarray(given[n], float), len(rows)) for n in ("location", "scale"))
        if "degrees_of_freedom" in given:
            return location, scale, np.broadcast_to(np.asarray(given["degrees_of_freedom"], float), len(rows))
        counts = float(fit.rows - len(fit.sequences.starts))
        free = max(counts - fit.parameter_count, FEWEST_FREE)
        return location, scale * np.sqrt(max(counts / free, 1.0)), np.full(len(rows), free)
