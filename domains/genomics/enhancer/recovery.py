"""Whether fits find what pairs were simulated from: the exponent of a power law, a single decay length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqsci.domains.genomics.enhancer.contact import BankOfExponent, FreeBank, PowerLaw, SingleDecay
from seqsci.domains.genomics.enhancer.models import PairModel
from seqsci.domains.genomics.enhancer.simulator import simulate_pairs

LOW_BP, HIGH_BP = 2e4, 1e6
"""Between them the exponent of a fitted kernel is measured."""


@dataclass(frozen=True)
class Recovered:
    """A known quantity, what fits of several seeds found, and its error: that of their mean, and the largest."""

    name: str
    truth: float
    found: tuple[float, ...]

    @property
    def mean_error(self) -> float:
        """Mean found minus truth."""
        return float(np.mean(self.found)) - self.truth

    @property
    def largest_error(self) -> float:
        """Largest absolute error of one fit."""
        return float(np.max(np.abs(np.array(self.found) - self.truth)))


def recover_exponent(exponent: float = 1.024, pairs: int = 40_000, seeds: int = 3) -> Recovered:
    """Pairs follow a power law; a bank with weights ``tau^-gamma`` is fitted, and its kernel's exponent from 20 kb to 1 Mb read off."""
    contact, found = BankOfExponent(8, 5e3, 2e7), []
    for seed in range(seeds):
        fitted = PairModel(contact).fit(simulate_pairs(PowerLaw(exponent), pairs, seed))
        found.append(contact.bank(fitted.value["exponent"]).mean_exponent(LOW_BP, HIGH_BP))
    return Recovered("exponent, one number", exponent, tuple(found))


def recover_exponent_freely(exponent: float = 1.024, pairs: int = 40_000, seeds: int = 3) -> Recovered:
    """The same with a bank of six whose weights are all free and positive."""
    contact, found = FreeBank(6, 3e3, 5e6), []
    for seed in range(seeds):
        value = PairModel(contact).fit(simulate_pairs(PowerLaw(exponent), pairs, seed)).value
        weights = np.array([value[p.name] for p in contact.parameters])
        found.append(contact.bank(weights).mean_exponent(LOW_BP, HIGH_BP))
    return Recovered("exponent, free weights", exponent, tuple(found))


def recover_decay_length(decay_length: float = 30_000.0, pairs: int = 40_000, seeds: int = 3) -> Recovered:
    """Pairs follow one decay length; one is fitted [bp]."""
    truth, found = SingleDecay(decay_length), []
    for seed in range(seeds):
        found.append(PairModel(SingleDecay()).fit(simulate_pairs(truth, pairs, seed)).value["decay_length"])
    return Recovered("decay length", decay_length, tuple(found))
