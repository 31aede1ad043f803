"""Passages with known (mu, delta): reads of many sites over cell divisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqsci.cells.methylation import PopulationStrands, StrandConvention
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, explain

SPACING_BP = 100.0
RUN = 20
"""Sites of a run, where runs are set apart."""


@dataclass(frozen=True)
class Passages:
    """A culture that is sequenced over divisions: ``m' = a m + b (1 - m)`` at each site, reads binomial with Poisson coverage.

    Args:
        maintenance, de_novo: mu and delta in the strand convention, in [0, 1].
        initial_fraction: mean of the fraction at division 0.
        spread: correlation of two molecules of one site at division 0 (0: all sites alike; the fractions are beta distributed).
        coverage: mean reads of a site and time.
        divisions: last division that is sequenced.
        every: divisions between two samples.
        strands: of which strands (mu, delta) speak.

    Raises: DataError for values outside these sets.
    Source: Otto and Walbot (1990), DOI 10.1093/genetics/124.2.429.

    >>> Passages(divisions=20, every=5).draw(3, seed=0).times.tolist()
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """

    maintenance: float = 0.96
    de_novo: float = 0.17
    initial_fraction: float = 0.2
    spread: float = 0.1
    coverage: float = 10.0
    divisions: int = 20
    every: int = 1
    strands: StrandConvention = PopulationStrands()

    def __post_init__(self) -> None:
        shares = (self.maintenance, self.de_novo, self.initial_fraction)
        if not (all(0 <= v <= 1 for v in shares) and 0 <= self.spread < 1 and self.coverage > 0 and 1 <= self.every <= self.divisions):
            got = f"mu, delta, c0 {shares}, spread {self.spread}, coverage {self.coverage}, a sample every {self.every} of {self.divisions}"
            need = "shares in [0, 1], spread in [0, 1), coverage > 0, 1 <= every <= divisions"
            raise DataError(explain("this culture cannot be simulated", got, need, "change the value"))

    @property
    def equilibrium(self) -> float:
        """``m* = delta / (1 - mu + delta)``; NaN where nothing moves."""
        lost = 1 - self.maintenance + self.de_novo
        return self.de_novo / lost if lost > 0 else float("nan")

    def fractions(self, initial: np.ndarray) -> np.ndarray:
        """(sites, divisions + 1) true fractions from those at division 0."""
        a, b = self.strands.kept(self.maintenance), self.strands.written(self.de_novo)
        path = [np.asarray(initial, float)]
        for _ in range(self.divisions):
            path.append(a * path[-1] + b * (1 - path[-1]))
        return np.stack(path, 1)

    def draw(self, sites: int = 1000, seed: int = 0, runs_apart: int = 0) -> SiteSeries:
        """Reads of so many sites, about 100 bp apart; the same seed gives the same bits.

        Args:
            runs_apart: bp between runs of `RUN` neighbouring sites (as CpG islands lie), so that few sites span many blocks; 0: one run.
        """
        rng = np.random.default_rng(seed)
        c0 = self.initial_fraction
        size = (1 - self.spread) / self.spread if self.spread > 0 else np.inf
        fixed = not (0 < c0 < 1 and np.isfinite(size))
        initial = np.full(sites, c0) if fixed else rng.beta(c0 * size, (1 - c0) * size, sites)
        times = np.arange(0, self.divisions + 1, self.every)
        coverage = rng.poisson(self.coverage, (sites, len(times)))
        methylated = rng.binomial(coverage, self.fractions(initial)[:, times])
        position = np.cumsum(2 + rng.geometric(1 / SPACING_BP, sites)) + np.arange(sites) // RUN * runs_apart
        return SiteSeries(position, np.full(sites, "sim", object), methylated, coverage, times, "divisions")
