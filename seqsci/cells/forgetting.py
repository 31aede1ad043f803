"""Forgetting between study events: a trace that fades over the gap and is written anew where an event opens the input gate."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import UnitInterval
from seqsci.equations.vocabulary import Expression, where
from seqsci.gates.base import Gate
from seqsci.gates.elapsed import ElapsedGate
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Known, Outcome, Parameter, State


@dataclass(frozen=True)
class Forgetting(Mechanism):
    r"""A memory trace that decays between study events; each event opens the input gate by as much as is learned.

        p_t = guess + (1 - guess) f(dt) c_{t-1}                         before the outcome
        c_t = (1 - i_t) f(dt) c_{t-1} + i_t,   i_t = learned_by_recall or learned_by_lapse

    ``forget`` is the forgetting curve: `ElapsedGate` is the exponential that is often called Ebbinghaus' (his own data refuse it),
    `PowerGate` the power law. With guess = 0 and all that is learned = 1, p is the curve itself: recall depends on the last gap alone.
    The half-life is the same at every event, so the cell cannot represent memories that become more stable: a teaching example.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | learned_at_first | i_1 | [0, 1] | share that the first study event writes |
    | learned_by_recall | i_+ | [0, 1] | share of what is missing that a successful recall writes |
    | learned_by_lapse | i_- | [0, 1] | share of what is missing that is written after a lapse |
    | guess | g | [0, 1] | probability of an answer without any memory |
    | half_life, decay | h, d | | of the forgetting curve, days |

    Source: Ebbinghaus (1885), Ueber das Gedaechtnis; Murre and Dros (2015), DOI 10.1371/journal.pone.0120644.

    >>> from seqsci.gates.power import PowerGate
    >>> [p.name for p in Forgetting(PowerGate()).parameters][-2:]
    ['half_life', 'decay']
    """

    forget: Gate = ElapsedGate("days")

    states = (State("retained", symbol="c"),)
    known = (Known("elapsed_days", "days", r"\Delta t"),)
    outcomes = (Outcome("recalled", symbol="y"),)
    own_parameters = (
        Parameter("learned_at_first", UnitInterval(), 0.9, "1", "i_1", "share that the first study event writes"),
        Parameter("learned_by_recall", UnitInterval(), 0.9, "1", "i_+", "share of what is missing that a successful recall writes"),
        Parameter("learned_by_lapse", UnitInterval(), 0.8, "1", "i_-", "share of what is missing that is written after a lapse"),
        Parameter("guess", UnitInterval(), 0.1, "1", "g", "probability of an answer without any memory"),
    )
    own_derived = (
        Derived(
            "kept_for_a_day", lambda forget: forget(elapsed=1.0), "1", "f(1)", "share of the trace that is left after a day", UnitInterval()
        ),
        Derived(
            "kept_for_a_month",
            lambda forget: forget(elapsed=30.0),
            "1",
            "f(30)",
            "share of the trace that is left after 30 days",
            UnitInterval(),
        ),
    )
    references = ("10.1371/journal.pone.0120644", "10.1111/j.1467-9280.1991.tb00175.x")

    def start(self, learned_at_first: Expression) -> Expression:
        return learned_at_first

    def read(self, retained: Expression, elapsed_days: Expression, forget: Expression, guess: Expression) -> dict[str, Expression]:
        return {"probability": guess + (1 - guess) * forget(elapsed=elapsed_days) * retained}

    def update(
        self,
        elapsed_days: Expression,
        recalled: Expression,
        forget: Expression,
        learned_by_recall: Expression,
        learned_by_lapse: Expression,
    ) -> Gated:
        opened = where(recalled > 0.5, learned_by_recall, learned_by_lapse)
        return Gated(forget=(1 - opened) * forget(elapsed=elapsed_days), write=opened, candidate=1)
