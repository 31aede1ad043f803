"""The simple population cell for small counts: the two tied gates work in logarithms, the count itself scatters as a count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.cells.population import CAPACITY_HALF_LIFE, DEPENDENCE, FAST_WRITE
from seqsci.cells.slow_channel import PERTURBATION, STATES, SlowStart, WarmUp, kept, lost, missing, observed, prediction
from seqsci.equations.vocabulary import Expression, exp, log, maximum
from seqsci.errors import DataError, explain
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Outcome


@dataclass(frozen=True)
class CountSlowChannel(Mechanism):
    r"""`SlowChannel` for whole counts, zeros included: m, x and k are logarithms, the forecast is a count with mean e^m.

        y_t ~ negative binomial with mean e^{m_t},   e_t = log max(y_t, 1/2) - m_t

    The fast gate reads a zero as half an animal; the likelihood takes it as the zero it is. Use it with `NegativeBinomial`. The first
    count starts the series and is not scored.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | dependence, fast_write, capacity_half_life | phi, i, H | | | as in `SlowChannel` |

    Source: as `SlowChannel`; Hilbe (2011), DOI 10.1017/CBO9780511973420, for the density.

    >>> CountSlowChannel().outcomes[0].name
    'count'
    """

    slow_start: SlowStart = WarmUp()

    states = STATES
    outcomes = (Outcome("count", "count", "y"),)
    own_parameters = (DEPENDENCE, FAST_WRITE, CAPACITY_HALF_LIFE)
    own_derived = (PERTURBATION,)
    references = ("10.1002/9781118619193", "10.1017/CBO9780511973420")

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        """Raise `DataError` where a count is negative or no whole number."""
        y = outcome["count"]
        wrong = y[(y < 0) | (y != np.rint(y))]
        if len(wrong):
            got, fix = f"{len(wrong)} others, the first {wrong[0]:g}", "use a cell of log counts for indices and densities"
            raise DataError(explain("count holds what is no count", got, "whole numbers >= 0", fix))

    def start(self, capacity_half_life: Expression) -> tuple[Expression, ...]:
        return 0.0, 0.0, self.slow_start.years(kept(capacity_half_life), lost(capacity_half_life)), 1.0

    def read(self, log_density: Expression, log_capacity: Expression, unseen: Expression, dependence: Expression) -> dict[str, Expression]:
        location = prediction(log_density, log_capacity, dependence)
        return {"mean": exp(location), "diffuse_variance": unseen, "location": location}

    def update(
        self,
        log_density: Expression,
        log_capacity: Expression,
        memory_years: Expression,
        unseen: Expression,
        count: Expression,
        location: Expression,
        fast_write: Expression,
        capacity_half_life: Expression,
    ) -> tuple[Gated, Gated, Gated, Expression]:
        states = (log_density, log_capacity, memory_years, unseen)
        return observed(states, log(maximum(count, 0.5)), location, fast_write, capacity_half_life)

    def unobserved(
        self,
        log_density: Expression,
        log_capacity: Expression,
        memory_years: Expression,
        unseen: Expression,
        location: Expression,
        capacity_half_life: Expression,
    ) -> tuple[Gated, Gated, Gated, Expression]:
        return missing((log_density, log_capacity, memory_years, unseen), location, capacity_half_life)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """A slow and a fast capacity."""
        for phi, years in ((0.5, 20.0), (0.7, 2.0), (0.9, 50.0)):
            yield {"dependence": phi, "fast_write": 0.5, "capacity_half_life": years}
