"""Sites that differ: each has its own equilibrium and rate, drawn from a distribution that is estimated on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, ParameterError, explain
from seqsci.estimation.mixing import estimate_weights

Array = npt.NDArray[np.float64]
CHUNK = 40_000
"""Sites that are worked on at a time."""
LOWEST = 1e-4
"""Nearest that an equilibrium on the grid comes to 0 or 1: a read that is wrong once in ten thousand."""


@dataclass(frozen=True, eq=False)
class SiteMixture:
    """A prior over sites on a grid of points q = (equilibrium, half-life, initial fraction) with weights ``w_q``.

    The fraction of a site of kind q at time t is ``m_q(t) = z_q + (c_q - z_q) 2^(-t / h_q)``, and the likelihood of its reads is
    ``sum_q w_q prod_t Bin(y_t; n_t, m_q(t))``: the integral over the site's own values, by quadrature. A site's posterior needs its own
    reads only, so sites that were not fitted are forecast the same way (empirical Bayes).

    Attributes:
        equilibrium, half_life, initial: (points,) in [0, 1], > 0 (in the unit of the times), in [0, 1].
        weights: (points,) they add up to one.
        log_likelihood: of the sites fitted [nats, binomial constants left out], NaN where the weights were given; sites: their number.

    Source: Robbins (1956), An empirical Bayes approach to statistics; Kiefer and Wolfowitz (1956), DOI 10.1214/aoms/1177728066.
    """

    equilibrium: Array
    half_life: Array
    initial: Array
    weights: Array
    log_likelihood: float = float("nan")
    sites: int = 0

    def __post_init__(self) -> None:
        z, h, c, w = self.equilibrium, self.half_life, self.initial, self.weights
        shares = ((z >= 0) & (z <= 1) & (c >= 0) & (c <= 1)).all()
        if not (len(z) == len(h) == len(c) == len(w)) or not shares or not (h > 0).all() or (w < 0).any() or abs(w.sum() - 1) > 1e-8:
            got = f"{len(z)} equilibria, {len(h)} half-lives, {len(c)} initial fractions, weights that sum to {w.sum():g}"
            raise ParameterError(
                explain("no prior over sites", got, "shares in [0, 1], half-lives > 0, weights that sum to 1", "correct it")
            )

    def fractions(self, times: npt.ArrayLike) -> Array:
        """(points, times) fraction of each kind of site; inside [0, 1] for every time."""
        kept = np.exp2(-np.asarray(times, float)[None, :] / self.half_life[:, None])
        return np.asarray(kept * self.initial[:, None] + (1 - kept) * self.equilibrium[:, None])

    def log_posterior_chunks(self, series: SiteSeries, pseudo: tuple[Array, Array] | None = None) -> list[tuple[slice, Array, Array]]:
        """By piece of the sites: its rows, the posterior (rows, points) and the log-likelihoods (rows,)."""
        m, n = (series.methylated, series.coverage) if pseudo is None else pseudo
        p = np.clip(self.fractions(series.times), LOWEST, 1 - LOWEST)
        on, off = np.log(p).T, np.log1p(-p).T
        with np.errstate(divide="ignore"):
            prior = np.log(self.weights)
        found = []
        for a in range(0, len(m), CHUNK):
            cut = slice(a, a + CHUNK)
            joint = m[cut] @ on
            joint += (n[cut] - m[cut]) @ off
            joint += prior
            top = joint.max(1, keepdims=True)
            joint -= top
            np.exp(joint, out=joint)
            total = joint.sum(1, keepdims=True)
            joint /= total
            found.append((cut, joint, (top + np.log(total))[:, 0]))
        return found

    def log_likelihoods(self, series: SiteSeries) -> Array:
        """(sites,) log-likelihood of each site's reads [nats, binomial constants left out]."""
        return np.concatenate([log for _, _, log in self.log_posterior_chunks(series)])

    def forecast(self, series: SiteSeries, time: float, pseudo: tuple[Array, Array] | None = None) -> Array:
        """(sites,) expected fraction at ``time`` given the reads in ``series``, or ``pseudo`` (methylated, coverage)."""
        return self._means(series, self.fractions([time])[:, 0], pseudo)

    def site_equilibria(self, series: SiteSeries) -> Array:
        """(sites,) posterior mean of the equilibrium."""
        return self._means(series, self.equilibrium, None)

    def _means(self, series: SiteSeries, value: Array, pseudo: tuple[Array, Array] | None) -> Array:
        return np.concatenate([posterior @ value for _, posterior, _ in self.log_posterior_chunks(series, pseudo)])

    def fit(self, series: SiteSeries, tolerance: float = 1e-2) -> SiteMixture:
        """The weights of highest marginal likelihood on this grid, any shape of prior: EM and Newton steps with a certificate.

        Raises: ConvergenceError where no weights within ``tolerance`` nats of the highest were found.
        """
        p = np.clip(self.fractions(series.times), LOWEST, 1 - LOWEST)
        m, n = series.methylated, series.coverage
        table = m @ np.log(p).T + (n - m) @ np.log1p(-p).T
        found = estimate_weights(table, tolerance=tolerance)
        return replace(self, weights=found.weights, log_likelihood=found.log_likelihood, sites=len(series))


def grid(equilibria: Sequence[float], half_lives: Sequence[float], ratios: Sequence[float]) -> SiteMixture:
    """All combinations, with even weights; the initial fraction of a site is ``ratio * equilibrium``.

    Raises: ParameterError for values outside their sets.

    >>> len(grid([0.1, 0.9], [1.0, 4.0, 16.0], [0.5]).weights)
    6
    """
    z, h, r = (v.ravel() for v in np.meshgrid(equilibria, half_lives, ratios, indexing="ij"))
    return SiteMixture(z, h, z * r, np.full(len(z), 1 / max(len(z), 1)))


def beta_nodes(count: int) -> tuple[Array, Array]:
    """Nodes in (0, 1) and weights of a quadrature for densities that may rise without limit at the ends: Legendre's in ``z = sin^2``."""
    x, w = np.polynomial.legendre.leggauss(count)
    angle = (x + 1) * np.pi / 4
    return np.asarray(np.sin(angle) ** 2), np.asarray(w * np.pi / 4 * np.sin(2 * angle))


@dataclass(frozen=True)
class EquilibriumPrior:
    """Equilibria from a mixture of two beta densities, unmethylated and methylated sites; one of them alone with ``share`` = 0.

    ``p(z) = share Beta(z; low_mean low_size, ...) + (1 - share) Beta(z; high_mean high_size, ...)``, half-lives with ``rate_weights`` on
    ``half_lives``, initial fraction ``ratio * z``.

    | attribute | symbol | unit | set | reading |
    |---|---|---|---|---|
    | share | pi | 1 | [0, 1] | share of unmethylated sites |
    | low_mean, high_mean | | 1 | (0, 1) | mean equilibrium of the two kinds |
    | low_size, high_size | a + b | 1 | > 0 | how alike the sites of a kind are |
    | ratio | c_0 / z | 1 | [0, 1] | what of the equilibrium is there at time 0 |
    | half_lives, rate_weights | h | time | > 0 | rate classes and the shares of sites in them |
    """

    share: float
    low_mean: float
    low_size: float
    high_mean: float
    high_size: float
    ratio: float
    half_lives: tuple[float, ...]
    rate_weights: tuple[float, ...]

    def mixture(self, nodes: int = 24) -> SiteMixture:
        """The prior on a grid of quadrature nodes and rate classes."""
        z, w = beta_nodes(nodes)
        density = self.share * _beta(z, self.low_mean, self.low_size) + (1 - self.share) * _beta(z, self.high_mean, self.high_size)
        weight = density * w
        weight = np.outer(weight / weight.sum(), self.rate_weights).ravel()
        return replace(grid(z.tolist(), self.half_lives, [self.ratio]), weights=weight / weight.sum())


def _beta(z: Array, mean: float, size: float) -> Array:
    a, b = mean * size, (1 - mean) * size
    return np.asarray(np.exp((a - 1) * np.log(z) + (b - 1) * np.log1p(-z) - special.betaln(a, b)))


def fit_prior(series: SiteSeries, half_lives: Sequence[float], kinds: int = 2, nodes: int = 24) -> tuple[EquilibriumPrior, float]:
    """The prior of highest marginal likelihood with one or two kinds of sites, and its log-likelihood [nats, constants left out].

    Raises: DataError for fewer than three times (equilibrium, ratio and rate need three) or fewer than 50 sites.
    """
    if len(series.times) < 3 or len(series) < 50 or kinds not in (1, 2):
        got = f"{len(series.times)} times, {len(series)} sites, {kinds} kinds"
        raise DataError(explain("a prior over sites cannot be estimated", got, "3 times, 50 sites, 1 or 2 kinds at least", "add samples"))
    rates = len(half_lives)

    def prior(raw: Array) -> EquilibriumPrior:
        share = float(special.expit(raw[0])) if kinds == 2 else 0.0
        low, high, ratio = (float(special.expit(v)) for v in raw[1:4])
        weights = special.softmax(np.r_[0.0, raw[6:]])
        return EquilibriumPrior(
            share, low, float(np.exp(raw[4])), high, float(np.exp(raw[5])), ratio, tuple(half_lives), tuple(weights.tolist())
        )

    def loss(raw: Array) -> float:
        return -float(prior(raw).mixture(nodes).log_likelihoods(series).sum()) / len(series)

    bounds = [(-6, 6), (-6, 0), (0, 6), (-6, 6), (-1, 5), (-1, 5), *[(-6, 6)] * (rates - 1)]
    found = optimize.minimize(loss, np.r_[-1.0, -2.0, 2.0, 0.5, 1.5, 1.5, np.zeros(rates - 1)], bounds=bounds, method="L-BFGS-B")
    return prior(found.x), -float(found.fun) * len(series)
