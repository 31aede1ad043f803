"""A model of drift that is far more likely than the one to be quoted, and says something else of phi."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqsci.domains.ecology.inference.drift import Drift
from seqsci.domains.ecology.inference.observation_error import ObservationError
from seqsci.domains.ecology.inference.profile import Estimate, estimate_dependence
from seqsci.domains.ecology.inference.sites import Site

Array = np.ndarray
FAR = 6.0
"""Nats by which a model must be more likely to count as a rival: one variance ratio more is worth 1.9 at the 5 % level."""


@dataclass(frozen=True)
class Rival:
    """What contradicts a headline: model, its phi with the interval, by how many nats it is more likely; ``str()`` is the sentence."""

    model: str
    dependence: float
    low: float
    high: float
    gain: float

    def __str__(self) -> str:
        says = f"phi {self.dependence:.2f}, between {self.low:.2f} and {self.high:.2f}"
        return f"The model {self.model} is more likely by {self.gain:.0f} nats and contradicts this interval: {says}."


@dataclass(frozen=True)
class Beside(Drift):
    """A model of drift with the regressors of another one swept out as well, so that both are densities of the same contrasts."""

    drift: Drift
    other: Drift

    @property
    def label(self) -> str:
        return self.drift.label

    @property
    def level_ratios(self) -> tuple[float, ...]:
        return self.drift.level_ratios

    @property
    def slope_ratios(self) -> tuple[float, ...]:
        return self.drift.slope_ratios

    def regressors(self, years: int) -> Array:
        """The other's columns, and those of the model that are no combination of them."""
        columns = self.other.regressors(years)
        for new in self.drift.regressors(years).T:
            left = new - columns @ np.linalg.lstsq(columns, new, rcond=None)[0]
            if left @ left > 1e-9 * (new @ new):
                columns = np.column_stack([columns, new])
        return columns


def find_rival(
    sites: Sequence[Site], headline: tuple[Drift, Estimate], others: Sequence[tuple[Drift, Estimate]], error: ObservationError
) -> Rival | None:
    """The likeliest of the other models whose interval is disjoint from the headline's and that is `FAR` more likely, or None.

    Restricted likelihoods of models with different regressors are densities of different contrasts, and their difference moves with the
    unit. So both are evaluated anew with all regressors of both swept out; the intervals stay those of each model alone. A model
    with a covariate is not looked at: its regressor moves with phi.
    """
    drift, own = headline
    found: list[Rival] = []
    for other, e in others:
        if other.covariate is not None or (e.low <= own.high and own.low <= e.high):
            continue
        pair = [estimate_dependence(sites, d, error).log_likelihood for d in (Beside(other, drift), Beside(drift, other))]
        if pair[0] - pair[1] > FAR:
            found.append(Rival(e.model, e.dependence, e.low, e.high, pair[0] - pair[1]))
    return max(found, key=lambda r: r.gain, default=None)
