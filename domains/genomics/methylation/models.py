"""The methylation models that ship: per division or per hour, counts binomial or overdispersed."""

from __future__ import annotations

from collections.abc import Callable

from seqsci.cells.methylation import DivisionMethylation, PopulationStrands, RelaxingMethylation, StrandConvention
from seqsci.gates.elapsed import ElapsedGate
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.observations.beta_binomial import BetaBinomial
from seqsci.observations.binomial import Binomial

POPULATION = PopulationStrands()
COUNTS = Binomial()


def per_division(strands: StrandConvention = POPULATION, counts: Observation = COUNTS) -> Model:
    """(mu, delta) of a division and a free initial fraction; a row is a division."""
    return Model(DivisionMethylation(strands), counts, name=f"methylation per division, {type(strands).__name__}")


def per_time(unit: str = "hours", strands: StrandConvention = POPULATION, counts: Observation = COUNTS) -> Model:
    """(half-life, equilibrium) and a free initial fraction at irregular times, in ``unit`` (hours, or divisions that need not be whole)."""
    return Model(RelaxingMethylation(ElapsedGate(unit), strands), counts, name=f"methylation over {unit}")


def per_hour_overdispersed(unit: str = "hours", strands: StrandConvention = POPULATION) -> Model:
    """The same with beta-binomial counts: sites (or blocks of them) differ more than reads do."""
    return per_time(unit, strands, BetaBinomial()).named(f"methylation over {unit}, overdispersed")


MODELS: dict[str, Callable[..., Model]] = {
    "per_division": per_division,
    "per_hour": per_time,
    "per_hour_overdispersed": per_hour_overdispersed,
}
"""Builders by the name that configurations use."""
