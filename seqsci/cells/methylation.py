"""DNA methylation as a tied gate: what a division or an hour keeps of the old fraction, and the equilibrium that replaces the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Positive, UnitInterval
from seqsci.equations.vocabulary import Expression, log
from seqsci.errors import DataError, explain
from seqsci.gates.base import Gate
from seqsci.gates.elapsed import ElapsedGate
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Known, Outcome, Parameter, State

LOG_2 = 0.6931471805599453
FRACTION = State("methylated_fraction", "1", "m")
COVERAGE = Known("coverage", "reads", "n")
METHYLATED = Outcome("methylated", "reads", "y")
INITIAL = Parameter("initial_fraction", UnitInterval(), 0.5, "1", "c_0", "methylated fraction at the start; free, not the equilibrium")
EQUILIBRIUM = Parameter("equilibrium", UnitInterval(), 0.8, "1", "m^*", "methylated fraction that the site tends to")
MAINTENANCE = Parameter(
    "maintenance", UnitInterval(), 0.95, "1", r"\mu", "probability that a methylated site is methylated after a division"
)
DE_NOVO = Parameter("de_novo", UnitInterval(), 0.05, "1", r"\delta", "probability that an unmethylated site is methylated after a division")


class StrandConvention(ABC):
    """Abstract base: of which strands (mu, delta) speak, and so what a division keeps and writes of the fraction over both strands."""

    @abstractmethod
    def kept(self, maintenance: Expression) -> Expression:
        """Share of the methylated fraction that is methylated after a division."""

    @abstractmethod
    def written(self, de_novo: Expression) -> Expression:
        """Share of the unmethylated fraction that is methylated after a division."""

    @abstractmethod
    def maintenance(self, kept: Expression) -> Expression:
        """Mu of a share kept: the inverse of `kept`."""

    @abstractmethod
    def de_novo(self, written: Expression) -> Expression:
        """Delta of a share written: the inverse of `written`."""


@dataclass(frozen=True)
class PopulationStrands(StrandConvention):
    """(mu, delta) of the fraction itself, old and new strands together: ``m' = mu m + delta (1 - m)``, so ``f = mu - delta``.

    >>> round(PopulationStrands().kept(0.96) - PopulationStrands().written(0.17), 3)
    0.79
    """

    def kept(self, maintenance: Expression) -> Expression:
        return maintenance

    def written(self, de_novo: Expression) -> Expression:
        return de_novo

    def maintenance(self, kept: Expression) -> Expression:
        return kept

    def de_novo(self, written: Expression) -> Expression:
        return written


@dataclass(frozen=True)
class DaughterStrand(StrandConvention):
    """(mu, delta) of the new strand alone, the old one stays: ``m' = (m + mu m + delta (1 - m)) / 2``, so ``f = (1 + mu - delta) / 2``.

    The convention of hairpin-bisulfite studies (Laird et al. 2004, DOI 10.1073/pnas.2536758100).

    >>> round(DaughterStrand().kept(0.96) - DaughterStrand().written(0.17), 3)
    0.895
    """

    def kept(self, maintenance: Expression) -> Expression:
        return (1 + maintenance) / 2

    def written(self, de_novo: Expression) -> Expression:
        return de_novo / 2

    def maintenance(self, kept: Expression) -> Expression:
        return 2 * kept - 1

    def de_novo(self, written: Expression) -> Expression:
        return 2 * written


def check_reads(outcome: Mapping[str, np.ndarray]) -> None:
    """Raise `DataError` where a number of methylated reads is negative or not whole."""
    y = outcome["methylated"]
    wrong = y[(y < 0) | (y != np.rint(y))]
    if len(wrong):
        got = f"{len(wrong)} others, the first {wrong[0]:g}"
        raise DataError(
            explain("methylated holds what is no count", got, "whole numbers >= 0", "pass reads, with their coverage, not fractions")
        )


@dataclass(frozen=True)
class DivisionMethylation(Mechanism):
    r"""The methylated fraction of a site over cell divisions; a row is a division, a row without reads is one that was not sequenced.

        m_{t+1} = a m_t + b (1 - m_t) = f m_t + (1 - f) m*           y_t ~ reads with probability m_t

    ``a`` and ``b`` are mu and delta in the strand convention, ``f = a - b``, ``m* = b / (1 - f)``. Both gates lie in [0, 1], and the new
    fraction is a mean of them with weights m and 1 - m: it stays in [0, 1] for every admissible (mu, delta), and nothing is clipped.
    Closing the forget gate is a cell without maintenance, closing the write gate one without de novo methylation. The outcome never
    enters the state. One time point, or a series at its equilibrium, holds m* alone and says nothing of (mu, delta).

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | maintenance | mu | 1 | [0, 1] | probability that a methylated site is methylated after a division |
    | de_novo | delta | 1 | [0, 1] | probability that an unmethylated site is methylated after a division |
    | initial_fraction | c_0 | 1 | [0, 1] | fraction at the first row |

    Source: Otto and Walbot (1990), Genetics 124, 429-437, DOI 10.1093/genetics/124.2.429; Pfeifer et al. (1990), PNAS 87, 8252, DOI
    10.1073/pnas.87.21.8252.

    >>> [d.name for d in DivisionMethylation(DaughterStrand()).derived]
    ['retention', 'equilibrium', 'half_life']
    """

    strands: StrandConvention = PopulationStrands()

    states = (FRACTION,)
    known = (COVERAGE,)
    outcomes = (METHYLATED,)
    own_parameters = (MAINTENANCE, DE_NOVO, INITIAL)
    references = ("10.1093/genetics/124.2.429", "10.1073/pnas.87.21.8252", "10.1073/pnas.2536758100")

    def retention(self, maintenance: Expression, de_novo: Expression) -> Expression:
        """``f``: share of a deviation from the equilibrium that is left after a division."""
        return self.strands.kept(maintenance) - self.strands.written(de_novo)

    def equilibrium(self, maintenance: Expression, de_novo: Expression) -> Expression:
        """``m*``, the same in both conventions."""
        return de_novo / (1 - maintenance + de_novo)

    def half_life(self, maintenance: Expression, de_novo: Expression) -> Expression:
        """``log 2 / -log f``."""
        return -LOG_2 / log(self.retention(maintenance, de_novo))

    @property
    def derived(self) -> tuple[Derived, ...]:
        return (
            Derived(
                "retention", self.retention, "1", "f", "share of a deviation from the equilibrium left after a division", UnitInterval()
            ),
            Derived("equilibrium", self.equilibrium, "1", "m^*", EQUILIBRIUM.reading, UnitInterval()),
            Derived("half_life", self.half_life, "divisions", "t_{1/2}", "divisions until half of a deviation is left", Positive()),
        )

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        check_reads(outcome)

    def start(self, initial_fraction: Expression) -> Expression:
        return initial_fraction

    def read(self, methylated_fraction: Expression, coverage: Expression) -> dict[str, Expression]:
        return {"probability": methylated_fraction, "coverage": coverage}

    def update(self, methylated_fraction: Expression, maintenance: Expression, de_novo: Expression) -> Gated:
        kept, written = self.strands.kept(maintenance), self.strands.written(de_novo)
        return Gated(forget=kept, write=written, candidate=1 - methylated_fraction)

    def unobserved(self, methylated_fraction: Expression, maintenance: Expression, de_novo: Expression) -> Gated:
        return self.update(methylated_fraction, maintenance, de_novo)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """Gains and losses, slow and fast."""
        for mu, delta in ((0.95, 0.1), (0.99, 0.02), (0.8, 0.3)):
            for initial in (0.1, 0.9):
                yield {"maintenance": mu, "de_novo": delta, "initial_fraction": initial}


@dataclass(frozen=True)
class RelaxingMethylation(Mechanism):
    r"""The methylated fraction of a site over time, at times as irregular as they come: exact for every gap.

        m_t = f m_{t-1} + (1 - f) m*,   f = 2^(-elapsed / half_life)          y_t ~ reads with probability m_t

    ``elapsed`` runs since the row before; in the first row since the moment at which the fraction was ``initial_fraction``. The state is a
    mean of its old value and m*, so it stays in [0, 1]. The unit of time is that of ``forget``; with ``ElapsedGate("divisions")`` the
    derived mu and delta are those of one division, in hours those of one hour, in the strand convention. The outcome never enters the
    state.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | equilibrium | m* | 1 | [0, 1] | methylated fraction that the site tends to |
    | initial_fraction | c_0 | 1 | [0, 1] | fraction at time 0, where ``elapsed`` of the first row counts from |
    | half_life | h | of the gate | > 0 | time until half of a deviation from m* is left |

    Source: Busto-Moner et al. (2020), DOI 10.1371/journal.pcbi.1007195 (after replication); the recursion as `DivisionMethylation`.

    >>> [p.name for p in RelaxingMethylation().parameters]
    ['equilibrium', 'initial_fraction', 'half_life']
    """

    forget: Gate = ElapsedGate("hours")
    strands: StrandConvention = PopulationStrands()

    states = (FRACTION,)
    known = (COVERAGE, Known("elapsed", "unit of the half-life", r"\Delta t"))
    outcomes = (METHYLATED,)
    own_parameters = (EQUILIBRIUM, INITIAL)
    references = ("10.1371/journal.pcbi.1007195", "10.1093/genetics/124.2.429")

    def maintenance(self, forget: Expression, equilibrium: Expression) -> Expression:
        """``mu = 1 - (1 - f)(1 - m*)`` of a unit of time, in the strand convention."""
        return self.strands.maintenance(1 - (1 - forget(elapsed=1.0)) * (1 - equilibrium))

    def de_novo(self, forget: Expression, equilibrium: Expression) -> Expression:
        """``delta = (1 - f) m*`` of a unit of time, in the strand convention."""
        return self.strands.de_novo((1 - forget(elapsed=1.0)) * equilibrium)

    @property
    def derived(self) -> tuple[Derived, ...]:
        return (
            Derived(
                "retention", lambda forget: forget(elapsed=1.0), "1", "f", "share of a deviation left after a unit of time", UnitInterval()
            ),
            Derived(
                "rate",
                lambda forget: -log(forget(elapsed=1.0)),
                "1 / unit of time",
                "k",
                "share of a deviation lost in a short time",
                Positive(),
            ),
            Derived(
                "maintenance",
                self.maintenance,
                "1",
                r"\mu",
                "probability that a methylated site is methylated a unit of time later",
                UnitInterval(),
            ),
            Derived(
                "de_novo",
                self.de_novo,
                "1",
                r"\delta",
                "probability that an unmethylated site is methylated a unit of time later",
                UnitInterval(),
            ),
        )

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        check_reads(outcome)

    def start(self, initial_fraction: Expression) -> Expression:
        return initial_fraction

    def read(
        self, methylated_fraction: Expression, elapsed: Expression, coverage: Expression, forget: Expression, equilibrium: Expression
    ) -> dict[str, Expression]:
        kept = forget(elapsed=elapsed)
        return {"probability": kept * methylated_fraction + (1 - kept) * equilibrium, "coverage": coverage}

    def update(self, elapsed: Expression, forget: Expression, equilibrium: Expression) -> Gated:
        kept = forget(elapsed=elapsed)
        return Gated(forget=kept, write=1 - kept, candidate=equilibrium)

    def unobserved(self, methylated_fraction: Expression, elapsed: Expression, forget: Expression, equilibrium: Expression) -> Expression:
        return self.update(elapsed, forget, equilibrium).next(methylated_fraction)

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, float]]:
        """Gains and losses, slow and fast."""
        for half_life in (2.0, 10.0, 0.5):
            for initial, equilibrium in ((0.2, 0.8), (0.8, 0.3)):
                yield {"half_life": half_life, "initial_fraction": initial, "equilibrium": equilibrium}
