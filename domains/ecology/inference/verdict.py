"""Whether density dependence is identified, too loose to tell, or confounded with a drift of carrying capacity."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.domains.ecology.inference.profile import Estimate
from seqsci.errors import DataError, explain

IDENTIFIED, LOOSE, CONFOUNDED = "identified", "not identified", "confounded with drift"


@dataclass(frozen=True)
class VerdictRule:
    """How a verdict is reached from estimates along trend flexibility.

    1. confounded with drift: the centre of phi falls by more than ``fall`` between ``few`` and ``many`` trend terms. A trend that cannot
       bend leaves the bends of K in the deviations, where they pass for persistence; given terms to take them up, phi falls.
    2. not identified: the 95 % interval with ``many`` terms is wider than ``widest``.
    3. identified otherwise.

    The centre (mean of phi with the profile likelihood as weights) stands in for the maximum, which wanders where the likelihood is flat.
    Chosen among a dozen statistics and three falls on 150 simulated panels a history, of other seeds than those of the benchmark (40 years,
    20 sites, phi 0.5, observation sd 0.2). It fires for about a fifth of panels whose K declines linearly or walks at random. A K that
    bends faster than ``many`` terms can follow is mostly not seen, and where a hump is missed the interval covers less than it says.
    """

    few: int = 2
    many: int = 6
    fall: float = 0.25
    widest: float = 0.8

    def __post_init__(self) -> None:
        if not (1 <= self.few < self.many and self.fall > 0 and self.widest > 0):
            expected = "1 <= few < many, fall > 0, widest > 0"
            raise DataError(explain("this rule cannot give a verdict", self, expected, "change the value"))

    def judge(self, few: Estimate, many: Estimate) -> Verdict:
        """The verdict from the estimates with few and with many trend terms."""
        drop = few.centre - many.centre
        name = CONFOUNDED if drop > self.fall else LOOSE if many.width > self.widest else IDENTIFIED
        return Verdict(name, drop, many.width, many.open_high, self)


@dataclass(frozen=True)
class Verdict:
    """A verdict with what it rests on: the fall of phi's centre along flexibility, the width of the interval with many terms.

    open_high: that interval does not exclude phi = 1, a population without density dependence.
    """

    name: str
    fall: float
    width: float
    open_high: bool
    rule: VerdictRule

    def __str__(self) -> str:
        r = self.rule
        turn = f"falls by {self.fall:.2f}" if self.fall >= 0 else f"rises by {-self.fall:.2f}"
        steps = f"from {r.few} to {r.many} trend terms the centre of phi {turn} (limit of a fall: {r.fall:g})"
        wide = f"with {r.many} terms its 95 % interval is {self.width:.2f} wide (limit {r.widest:g})"
        wide += " and does not exclude 1, no density dependence" if self.open_high else ""
        reading = {
            IDENTIFIED: f"phi is identified: {steps}, and {wide}.",
            LOOSE: f"phi is not identified: {wide}; {steps}. More sites or years, or known errors of counting, would narrow it.",
            CONFOUNDED: f"phi is confounded with drift of the carrying capacity: {steps}; {wide}. "
            "A model whose K cannot bend takes the bends for persistence: do not quote it.",
        }
        return reading[self.name]


RULE = VerdictRule()
"""The default: a fall of 0.25 from two to six trend terms; an interval of 0.8."""
