"""Whether density dependence is identified, too loose to tell, or confounded with a drift of carrying capacity."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.domains.ecology.inference.profile import Estimate
from seqsci.domains.ecology.inference.rival import Rival
from seqsci.errors import DataError, explain

IDENTIFIED, LOOSE, CONFOUNDED = "identified", "not identified", "confounded with drift"


@dataclass(frozen=True)
class VerdictRule:
    """How a verdict is reached from estimates along trend flexibility.

    1. confounded with drift: the centre of phi falls by more than ``fall`` between ``few`` and ``many`` trend terms. A trend that cannot
       bend leaves the bends of K in the deviations, where they pass for persistence; given terms to take them up, phi falls.
    2. not identified: the 95 % interval with ``many`` terms is wider than ``widest``, or open at its upper end, so that a population
       without density dependence (phi = 1) is not excluded, however narrow it is (that of a pure random walk is piled up at 1); or
       another model of K is more likely by far and its interval disjoint (`seqsci.domains.ecology.inference.rival`).
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

    def judge(self, few: Estimate, many: Estimate, rival: Rival | None = None) -> Verdict:
        """The verdict from the estimates with few and with many trend terms, and the model that contradicts the latter, if one does."""
        drop = few.centre - many.centre
        loose = many.width > self.widest or many.open_high or rival is not None
        return Verdict(CONFOUNDED if drop > self.fall else LOOSE if loose else IDENTIFIED, drop, many.width, many.open_high, self, rival)


@dataclass(frozen=True)
class Verdict:
    """A verdict with what it rests on: the fall of phi's centre along flexibility, the width of the interval with many terms.

    open_high: that interval does not exclude phi = 1, a population without density dependence. rival: the model that contradicts it.
    """

    name: str
    fall: float
    width: float
    open_high: bool
    rule: VerdictRule
    rival: Rival | None = None

    def __str__(self) -> str:
        r = self.rule
        turn = f"falls by {self.fall:.2f}" if self.fall >= 0 else f"rises by {-self.fall:.2f}"
        steps = f"from {r.few} to {r.many} trend terms the centre of phi {turn} (limit of a fall: {r.fall:g})"
        wide = f"with {r.many} terms its 95 % interval is {self.width:.2f} wide (limit {r.widest:g})"
        end = "no density dependence (phi = 1) is not excluded"
        wide_open = f"{wide}, and {end}" if self.open_high else wide
        reading = {
            IDENTIFIED: f"phi is identified: {steps}, and {wide} and excludes 1, no density dependence.",
            LOOSE: f"phi is not identified: {f'{end}; ' if self.open_high else ''}{wide}; {steps}. "
            "More sites or years, or known errors of counting, would tell more.",
            CONFOUNDED: f"phi is confounded with drift of the carrying capacity: {steps}; {wide_open}. "
            "A model whose K cannot bend takes the bends for persistence: do not quote it.",
        }
        return reading[self.name] + (f" {self.rival}" if self.rival is not None else "")


RULE = VerdictRule()
"""The default: a fall of 0.25 from two to six trend terms; an interval of 0.8 that ends below 1."""
