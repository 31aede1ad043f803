"""One series under a bank: forecasts up to many years ahead, paths, and the probability of quasi-extinction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.domains.ecology.backtest.student import student_cdf, student_log_density
from seqsci.domains.ecology.bank_kernel import filtered
from seqsci.errors import DataError, ParameterError, explain
from seqsci.quantile_search import smallest_reaching

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StudentMixture:
    """Mixtures of Student distributions of log counts, one per year ahead.

    Attributes:
        weights: (cells,); means, scales: (cells, horizon) [log count]; freedom: (cells,) degrees of freedom.
    """

    weights: Array
    means: Array
    scales: Array
    freedom: Array

    @property
    def mean(self) -> Array:
        """(horizon,) [log count]."""
        return np.asarray(self.weights @ self.means)

    def cdf(self, y: Array) -> Array:
        """P(log count <= y), (horizon,)."""
        return np.asarray(self.weights @ student_cdf((np.asarray(y) - self.means) / self.scales, self.freedom[:, None]))

    def log_density(self, y: Array) -> Array:
        """Log density at log counts (horizon,) [nats]."""
        each = student_log_density((np.asarray(y) - self.means) / self.scales, self.freedom[:, None]) - np.log(self.scales)
        return np.asarray(special.logsumexp(each, axis=0, b=self.weights[:, None]))

    def quantile(self, probability: float) -> Array:
        """Log count that is not exceeded with this probability (horizon,); it lies between the cells' quantiles."""
        ends = self.means + self.scales * special.stdtrit(self.freedom, probability)[:, None]
        return np.asarray(smallest_reaching(self.cdf, probability, ends.min(0), ends.max(0)))


@dataclass(frozen=True)
class QuasiExtinction:
    """Probability that a population falls to a threshold within some years, with the 95 % interval of the simulation alone.

    Attributes:
        probability, low, high; by_year: (years,) probability that it has happened by then.
    """

    probability: float
    low: float
    high: float
    by_year: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SeriesBank:
    """The posterior of one series: weights of the cells, their states and scales after its last year.

    Attributes:
        cells: (7, cells), see `seqsci.domains.ecology.bank.CellGrid`; log_prior: (cells,).
        y: (years,) log counts, NaN = missing; missing years before the first count are dropped, those after the last one count.
    """

    cells: Array
    log_prior: Array
    y: Array
    weights: Array = field(init=False)
    _states: Array = field(init=False)
    _squares: Array = field(init=False)
    _freedom: Array = field(init=False)

    def __post_init__(self) -> None:
        y = np.asarray(self.y, float)
        if y.ndim != 1 or not np.isfinite(y).any() or np.isinf(y).any():
            got = f"shape {y.shape}, {int(np.isinf(y).sum())} infinite"
            fix = "pass np.log(count), with a positive value for zeros and NaN for missing years"
            raise DataError(explain("the bank cannot read these log counts", got, "one series, one finite value at least", fix))
        y = np.ascontiguousarray(y[int(np.argmax(np.isfinite(y))) :])
        states, squares, n, likelihood = filtered(y, self.cells)
        log_posterior = self.log_prior + likelihood
        kept = log_posterior > log_posterior.max() - 20.0
        weights = np.exp(log_posterior[kept] - log_posterior[kept].max())
        parts = {
            "y": y,
            "cells": self.cells,
            "weights": weights / weights.sum(),
            "_states": np.vstack([states, self.cells])[:, kept],
            "_squares": (self.cells[5] + squares)[kept],
            "_freedom": (self.cells[6] + n)[kept],
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def update(self, y: npt.ArrayLike) -> SeriesBank:
        """The posterior after more years of log counts; the prior stays."""
        return SeriesBank(self.cells, self.log_prior, np.r_[self.y, np.asarray(y, float)])

    @property
    def dependence(self) -> tuple[float, float]:
        """Mean and sd of phi under the posterior: the share of a deviation from K that is left after a year."""
        phi = self._states[9]
        mean = float(self.weights @ phi)
        return mean, float(np.sqrt(self.weights @ (phi - mean) ** 2))

    def predict(self, horizon: int = 1) -> StudentMixture:
        """Log counts 1..horizon years ahead; parameters are uncertain, because every cell keeps its posterior weight.

        The process variance stays what the last year left of it: with ``forget < 1`` it would drift on, which is ignored.
        """
        if horizon < 1:
            raise ParameterError(explain("a forecast of no year", f"horizon = {horizon}", ">= 1", "pass horizon=1"))
        x, k, b, xx, xk, kk, xb, kb, bb = (row.copy() for row in self._states[:9])
        phi, drift, error = self._states[9:12]
        p, q = phi, 1.0 - phi
        means, factors = np.empty((len(phi), horizon)), np.empty((len(phi), horizon))
        for h in range(horizon):
            x, k = p * x + q * k, k + b
            xx, xk, kk = p * p * xx + 2 * p * q * xk + q * q * kk + 1.0, p * (xk + xb) + q * (kk + kb), kk + 2 * kb + bb + drift
            xb, kb = p * xb + q * kb, kb + bb
            means[:, h], factors[:, h] = x, xx + error
        scales = np.sqrt(factors * (self._squares / self._freedom)[:, None])
        return StudentMixture(self.weights, means, scales, self._freedom)

    def paths(self, horizon: int, draws: int = 5000, seed: int = 0) -> tuple[Array, Array]:
        """Simulated log densities x and log counts y, (draws, horizon) each: cell, process variance, state and noise are drawn."""
        if horizon < 1 or draws < 1:
            raise ParameterError(explain("no paths to draw", f"horizon = {horizon}, draws = {draws}", ">= 1", "pass more"))
        rng = np.random.default_rng(seed)
        cell = rng.choice(len(self.weights), draws, p=self.weights)
        sd = np.sqrt(self._squares[cell] / (2.0 * rng.gamma(self._freedom[cell] / 2.0)))
        x, k, b, xx, xk, kk, xb, kb, bb, phi, drift, error = self._states[:12, cell]
        covariance = np.moveaxis(np.array([[xx, xk, xb], [xk, kk, kb], [xb, kb, bb]]), 2, 0)
        values, vectors = np.linalg.eigh(covariance)
        noise = np.einsum("nij,nj,nj->ni", vectors, np.sqrt(np.maximum(values, 0.0)), rng.standard_normal((draws, 3)))
        x, k, b = x + sd * noise[:, 0], k + sd * noise[:, 1], b + sd * noise[:, 2]
        density, count = np.empty((draws, horizon)), np.empty((draws, horizon))
        for h in range(horizon):
            e = rng.standard_normal((3, draws)) * sd
            x, k = phi * x + (1.0 - phi) * k + e[0], k + b + np.sqrt(drift) * e[1]
            density[:, h], count[:, h] = x, x + np.sqrt(error) * e[2]
        return density, count

    def quasi_extinction(self, threshold: float, horizon: int, draws: int = 20_000, seed: int = 0) -> QuasiExtinction:
        """Return the probability that the population (not its noisy count) is at or below a threshold in any of the next years.

        Args:
            threshold: abundance [unit of the counts], > 0; horizon: [years].

        The interval is Wilson's and is about the number of draws; what is not known of the population is in the probability itself.
        Raises: ParameterError unless the threshold is positive and finite.
        """
        if not 0.0 < threshold < np.inf:
            raise ParameterError(explain("the threshold is no abundance", threshold, "> 0, in the unit of the counts", "pass another"))
        density, _ = self.paths(horizon, draws, seed)
        fallen = np.maximum.accumulate(density <= np.log(threshold), axis=1).mean(0)
        p, z = float(fallen[-1]), 1.959964
        centre, half = p + z * z / (2 * draws), z * np.sqrt(p * (1 - p) / draws + z * z / (4 * draws**2))
        low, high = (centre - half) / (1 + z * z / draws), (centre + half) / (1 + z * z / draws)
        return QuasiExtinction(p, float(low), float(high), tuple(float(v) for v in fallen))
