"""Sites in blocks whose reads depend on each other and whose coverage shifts over time: static, or relaxing at a known rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from seqsci.domains.genomics.methylation.series import BLOCK_BP, SiteSeries
from seqsci.errors import DataError, explain

SPACING_BP = 100


@dataclass(frozen=True)
class BlockedSites:
    """Sites of 1 Mb blocks at irregular times; the fraction of site i at time t is ``z_i (1 - lost 2^(-t / half_life))``.

    Equilibria ``z_i`` scatter around the level of their block, and levels between blocks. With ``lost`` 0 no site ever changes.

    Args:
        coverage: mean reads of a site and time.
        correlation: of two reads of one block and time: a beta-distributed fraction that all sites of the block share, without a bias.
        drift: standard deviation over blocks of the logarithm of the last coverage over the first.
        drift_with_level: what is added to that logarithm in blocks above the mean level, and taken from it in those below.
        lost: share of the equilibrium that is missing at time 0.
        half_life: of what is missing, in hours.
        times: in hours, increasing.
        level: mean over blocks of the logit of the equilibrium.

    Raises: DataError for values outside these sets.

    >>> s = BlockedSites().draw(blocks=3, sites=4, seed=0)
    >>> s.coverage.shape, len(np.unique(s.block))
    ((12, 4), 3)
    """

    coverage: float = 8.0
    correlation: float = 0.0
    drift: float = 0.0
    drift_with_level: float = 0.0
    lost: float = 0.0
    half_life: float = 2.0
    times: tuple[float, ...] = (0.0, 1.0, 4.0, 16.0)
    level: float = 1.0

    def __post_init__(self) -> None:
        increasing = bool(np.all(np.diff(self.times) > 0)) and len(self.times) > 1 and self.times[0] >= 0
        positive = self.coverage > 0 and self.half_life > 0 and self.drift >= 0
        if not (increasing and positive and 0 <= self.correlation < 1 and 0 <= self.lost <= 1):
            need = "coverage and half-life > 0, drift >= 0, correlation in [0, 1), lost in [0, 1], two times or more that increase from 0"
            raise DataError(explain("these sites cannot be simulated", self, need, "change the value"))

    def draw(self, blocks: int = 12, sites: int = 50, seed: int = 0) -> SiteSeries:
        """Reads of so many blocks with so many sites each; the same seed gives the same bits."""
        rng = np.random.default_rng(seed)
        level = rng.normal(self.level, 1.0, blocks)
        equilibrium = special.expit(np.repeat(level, sites) + rng.normal(0.0, 1.0, blocks * sites))
        slope = self.drift * rng.normal(size=blocks) + self.drift_with_level * np.sign(level - self.level)
        depth = self.coverage * np.exp(slope[:, None] * np.linspace(-0.5, 0.5, len(self.times)))
        coverage = rng.poisson(np.repeat(depth, sites, 0))
        fraction = equilibrium[:, None] * (1 - self.lost * np.exp2(-np.asarray(self.times) / self.half_life))
        if self.correlation:
            shared, size = rng.uniform(size=(blocks, len(self.times))).repeat(sites, 0), 1 / self.correlation - 1
            fraction = np.clip(stats.beta.ppf(shared, size * fraction, size * (1 - fraction)), 0.0, 1.0)
        position = np.repeat(np.arange(blocks) * BLOCK_BP, sites) + np.tile(np.arange(sites) * SPACING_BP, blocks)
        reads = rng.binomial(coverage, fraction)
        return SiteSeries(position, np.full(len(position), "sim", object), reads, coverage, np.asarray(self.times), "hours")
