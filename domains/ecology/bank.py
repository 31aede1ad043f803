"""The bank of two-channel cells: one prior over many small population models, learned from many series, and a posterior per series."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from seqsci.domains.ecology.backtest.protocol import THREADS, CountForecaster, Forecasts
from seqsci.domains.ecology.bank_kernel import NODES, filtered, forecast_series, tabulate
from seqsci.domains.ecology.bank_series import SeriesBank
from seqsci.domains.ecology.reading.panel import CountPanel
from seqsci.errors import DataError, ParameterError, explain

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CellGrid:
    """A grid of two-channel cells. All combinations are cells, except that drift and trend are left out at ``dependence = 1``.

    ``x_t = phi x_{t-1} + (1 - phi) k_{t-1} + N(0, s^2)``, ``k_t = k_{t-1} + b + N(0, lam s^2)``, ``b ~ N(0, tau s^2)``,
    ``y_t = x_t + N(0, rho s^2)``, y the log count; the level has a flat prior, ``x_1 - k_1 ~ N(0, s^2 / (1 - phi^2))``.
    The forecast of a cell is ``t_{2a+n}(m, F (2b + R) / (2a + n))`` with ``R <- delta R + e^2 / F`` and ``n <- delta n + 1``.

    | attribute | symbol | unit | set | reading |
    |---|---|---|---|---|
    | dependence | phi | 1 | [-1, 1] | share of a deviation from K that is left after a year |
    | drift | lam | 1 | >= 0 | variance of a yearly step of log K, in process variances |
    | error | rho | 1 | >= 0 | variance of the observation error, in process variances |
    | trend | tau | 1 | >= 0 | prior variance of the yearly slope of log K, in process variances |
    | forget | delta | 1 | (0, 1] | what a squared surprise weighs a year later; 1 is a constant scale |
    | floor | b | log count^2 | > 0 | prior scale of the process variance: its prior is inverse gamma (a, b) |
    | freedom | a | 1 | > 0.5 | prior shape of the process variance |

    The default grid and (a, b, delta) were chosen on training windows of the GPDD panel, by the likelihood of the windows of other data
    sources (-1.0389 nats a row; -1.0525 with the best single (a, b, delta), which lies inside a grid of 8 x 6 x 6). Widening it changes
    that by less than .0005: delta down to .35, b to .0025 and .8, rho to 16, lam to 1, tau to .03, phi to -.85.

    Raises: ParameterError for values outside these sets.
    """

    dependence: tuple[float, ...] = (-0.6, -0.3, 0.0, 0.3, 0.55, 0.75, 0.9, 1.0)
    drift: tuple[float, ...] = (0.0, 0.02, 0.2)
    error: tuple[float, ...] = (0.0, 0.3, 1.0, 4.0)
    trend: tuple[float, ...] = (0.0, 0.005)
    forget: tuple[float, ...] = (1.0, 0.8, 0.55)
    floor: tuple[float, ...] = (0.01, 0.04, 0.16, 0.5)
    freedom: float = 1.5

    def __post_init__(self) -> None:
        limits = {
            "dependence": (-1.0, 1.0),
            "drift": (0.0, np.inf),
            "error": (0.0, np.inf),
            "trend": (0.0, np.inf),
            "forget": (1e-6, 1.0),
            "floor": (1e-12, np.inf),
        }
        faults = [
            f"{n} = {getattr(self, n)}" for n, (a, b) in limits.items() if not all(a <= v <= b for v in getattr(self, n) or (np.nan,))
        ]
        faults += [] if 0.5 < self.freedom < np.inf else [f"freedom = {self.freedom}"]
        if faults:
            expected = (
                "dependence in [-1, 1], drift, error, trend >= 0, forget in (0, 1], floor > 0, freedom > 0.5, one value each at least"
            )
            raise ParameterError(explain("the grid of cells is not usable", "; ".join(faults), expected, "correct it"))

    @property
    def cells(self) -> Array:
        """(7, cells): phi, lam, rho, tau, delta, 2 b, 2 a; cells of one delta follow one another."""
        points = []
        for delta, b, phi, rho in itertools.product(self.forget, self.floor, self.dependence, self.error):
            slow = ((0.0, 0.0),) if phi == 1.0 else itertools.product(self.drift, self.trend)
            points += [(phi, lam, rho, tau, delta, 2.0 * b, 2.0 * self.freedom) for lam, tau in slow]
        return np.ascontiguousarray(np.array(points).T)


CONSTANT_SCALE = CellGrid(forget=(1.0,))
"""Ablation: the process variance does not adapt (delta = 1)."""
CONSTANT_CAPACITY = CellGrid(drift=(0.0,), trend=(0.0,))
"""Ablation: no slow channel, K is constant."""
ONE_SCALE = CellGrid(forget=(0.75,), floor=(0.05,), freedom=1.0)
"""Ablation: one (a, b, delta) for all series, the best of a grid by the training likelihood of the GPDD panel."""


def folds(clusters: tuple[str, ...], number: int) -> npt.NDArray[np.int64]:
    """Return the fold of each series, clusters kept whole: the largest first, each to the fold with the fewest series.

    >>> folds(("a", "b", "a", "c"), 2).tolist()
    [0, 1, 0, 1]
    """
    names, inverse, size = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    if number < 2 or len(names) < number:
        got = f"{len(names)} clusters, {number} folds"
        raise DataError(explain("too few clusters to cross-fit", got, "2 or more folds, a cluster each at least", "pass fewer folds"))
    filled, place = np.zeros(number), np.zeros(len(names), np.int64)
    for j in np.lexsort((names, -size)):
        place[j] = int(np.argmin(filled))
        filled[place[j]] += size[j]
    return np.asarray(place[inverse], np.int64)


def training_table(panel: CountPanel, cells: Array) -> Array:
    """Log-likelihoods of the training windows (series, cells) [nats]."""

    def one(i: int) -> Array:
        return np.asarray(filtered(panel.values(i)[: panel.first[i]], cells)[3])

    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(one, range(len(panel)))))


def pooled_weights(table: Array, rounds: int) -> Array:
    """Return weights of the cells (cells,) after some rounds of EM from even ones; stopped early, they stay spread out.

    Formula: ``w_k <- mean_i w_k L_ik / sum_j w_j L_ij``. At the maximum a few cells would carry all weight (Lindsay 1983) and the
    likelihood of series left out would be lower. 0 rounds are even weights.
    """
    likelihood = np.exp(table - table.max(1, keepdims=True))
    weights = np.full(table.shape[1], 1.0 / table.shape[1])
    for _ in range(rounds):
        weights = weights * ((1.0 / (likelihood @ weights)) @ likelihood) / len(table)
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class PopulationBank:
    """A bank to be fitted: its grid, and how its prior is learned from training windows.

    Attributes:
        grid: the cells; freedoms: values of ``a`` of which the one with the largest cross-fitted training likelihood is taken.
        rounds: rounds of EM; 0 keeps even weights, so that nothing is pooled.
        parts: folds, by cluster, of the cross-fitted training likelihood.
        label: name in tables.
    """

    grid: CellGrid = field(default_factory=CellGrid)
    freedoms: tuple[float, ...] = (1.0, 1.5, 2.5)
    rounds: int = 8
    parts: int = 4
    label: str = "bank of two-channel cells"

    def fit(self, panel: CountPanel) -> FittedPopulationBank:
        """Learn the prior weights (and ``a``) from the training windows of a panel; its test windows are not read.

        Raises: DataError where several values of ``a`` are to be compared and there are fewer clusters than ``parts``.
        """
        return self.concluded(self.tables(panel), panel.cluster)

    def tables(self, panel: CountPanel) -> dict[float, Array]:
        """By value of ``a``, the log-likelihoods of the training windows (series, cells) [nats]."""
        return {a: training_table(panel, replace(self.grid, freedom=a).cells) for a in self.freedoms or (self.grid.freedom,)}

    def concluded(self, tables: dict[float, Array], clusters: tuple[str, ...]) -> FittedPopulationBank:
        """The bank whose ``a`` and weights the series of these tables (series, cells) want."""
        value = {a: self._cross_fitted(clusters, table) if len(tables) > 1 else 0.0 for a, table in tables.items()}
        chosen = max(value, key=lambda a: value[a])
        weights = pooled_weights(tables[chosen], self.rounds)
        return FittedPopulationBank(replace(self.grid, freedom=chosen), np.log(np.maximum(weights, 1e-300)), self.label)

    def _cross_fitted(self, clusters: tuple[str, ...], table: Array) -> float:
        """Log-likelihood of each fold's training windows under weights from the other folds [nats]."""
        fold, total = folds(clusters, self.parts), 0.0
        for part in range(self.parts):
            weights = np.log(np.maximum(pooled_weights(table[fold != part], self.rounds), 1e-300))
            total += float(special.logsumexp(table[fold == part] + weights, axis=1).sum())
        return total


@dataclass(frozen=True, eq=False)
class FittedPopulationBank(CountForecaster):
    """A bank with its prior; it forecasts series that it has or has not seen, whose weights move every year, without a refit.

    Attributes:
        grid: the cells, with ``a`` as chosen; log_prior: (cells,) log weights.
    """

    grid: CellGrid
    log_prior: Array
    label: str = "bank of two-channel cells"

    @property
    def name(self) -> str:
        return self.label

    def for_series(self, y: Array) -> SeriesBank:
        """The bank after the log counts of one series (years,), NaN = missing; see `SeriesBank`."""
        return SeriesBank(self.grid.cells, self.log_prior, np.asarray(y, float))

    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """Scored forecasts of the test windows."""
        clock = time.perf_counter()
        cells = self.grid.cells
        longest = int(np.diff(panel.offsets).max())
        tables, group = student_tables(self.grid, longest), np.searchsorted(-np.array(sorted(self.grid.forget, reverse=True)), -cells[4])

        def one(i: int) -> Array:
            return np.asarray(forecast_series(panel.values(i), int(panel.first[i]), horizon, cells, self.log_prior, group, tables))

        with ThreadPoolExecutor(THREADS) as pool:
            found = np.concatenate(list(pool.map(one, range(len(panel)))))
        return Forecasts(self.name, found[..., 0], found[..., 1], found[..., 2], found[..., 3], time.perf_counter() - clock)


def student_tables(grid: CellGrid, longest: int) -> Array:
    """Tables of the Student distribution function by number of innovations and value of ``forget`` (descending), (n, groups, 2, nodes)."""
    place = np.linspace(-1.0, 1.0, NODES)[1:-1]
    ratio = place / (1.0 - np.abs(place))
    tables = np.empty((longest, len(grid.forget), 2, NODES))
    for g, delta in enumerate(sorted(grid.forget, reverse=True)):
        n = 0.0
        for count in range(longest):
            nu = 2.0 * grid.freedom + n
            tables[count, g] = tabulate(np.r_[0.0, special.stdtr(nu, np.sqrt(nu) * ratio), 1.0], nu)
            n = delta * n + 1.0
    return tables


@dataclass(frozen=True)
class CrossFittedBank(CountForecaster):
    """A bank whose prior for a series is learned from the training windows of other clusters only.

    Attributes:
        bank: what is fitted; parts: folds by cluster.
    """

    bank: PopulationBank = field(default_factory=PopulationBank)
    parts: int = 5

    @property
    def name(self) -> str:
        return self.bank.label

    def forecast(self, panel: CountPanel, horizon: int = 1) -> Forecasts:
        """Each fold by the bank fitted to the others. Raises: DataError for fewer clusters than folds."""
        clock = time.perf_counter()
        fold, series = folds(panel.cluster, self.parts), panel.test_series
        arrays = [np.full((len(series), horizon), np.nan) for _ in range(4)]
        tables = self.bank.tables(panel)
        for part in range(self.parts):
            others = np.flatnonzero(fold != part)
            clusters = tuple(panel.cluster[i] for i in others)
            bank = self.bank.concluded({a: table[others] for a, table in tables.items()}, clusters)
            made = bank.forecast(panel.some(fold == part), horizon)
            for array, values in zip(arrays, (made.mean, made.log_density, made.crps, made.pit), strict=True):
                array[fold[series] == part] = values
        return Forecasts(self.name, arrays[0], arrays[1], arrays[2], arrays[3], time.perf_counter() - clock)
