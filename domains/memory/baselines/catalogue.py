"""What a model of memory is compared with: the named baselines of recall."""

from __future__ import annotations

from seqsci.domains.memory.backtest.protocol import RecallPredictor
from seqsci.domains.memory.baselines.constant import ConstantRecall
from seqsci.domains.memory.baselines.fsrs_default import DefaultFsrs6
from seqsci.domains.memory.baselines.fsrs_optimizer import OptimisedFsrs6
from seqsci.domains.memory.baselines.gru import GatedRecurrentUnit
from seqsci.domains.memory.baselines.half_life import HalfLife
from seqsci.domains.memory.baselines.half_life_regression import HalfLifeRegression, OriginalLoss, SharedHalfLifeRegression
from seqsci.domains.memory.baselines.moving_average import EstimatedMovingAverage, MovingAverage
from seqsci.domains.memory.baselines.sm2 import SM2, CalibratedSM2


def schedulable(exact: bool = False) -> tuple[RecallPredictor, ...]:
    """Baselines whose forecast needs the card's own past alone, so that they can plan; in the order of what they know.

    ``exact`` lets those that can read fractional days; SM-2 and fsrs-optimizer always read whole days.
    """
    return (
        ConstantRecall(),
        HalfLife(exact),
        HalfLifeRegression(exact),
        HalfLifeRegression(exact, OriginalLoss()),
        SharedHalfLifeRegression(HalfLifeRegression(exact)),
        SM2(),
        CalibratedSM2(),
        CalibratedSM2().or_default(),
        DefaultFsrs6(exact),
        OptimisedFsrs6(),
        OptimisedFsrs6().or_default(),
        GatedRecurrentUnit(exact),
    )


def online() -> tuple[RecallPredictor, ...]:
    """Baselines that are told every outcome of every card at once: a table of their own."""
    return (MovingAverage(), EstimatedMovingAverage(), EstimatedMovingAverage().or_default())


BASELINES: tuple[RecallPredictor, ...] = (*schedulable(), *online())
"""All of them, on the days that they are handed."""
