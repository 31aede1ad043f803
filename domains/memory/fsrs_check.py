"""FSRS-6 beside its own implementations: states and probabilities of py-fsrs and fsrs-optimizer on random reviews."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from seqsci.domains.memory.models import fsrs6
from seqsci.model import Model
from seqsci.sequences import Sequences

Array = np.ndarray
CARD = 8
"""Reviews of a card."""


@dataclass(frozen=True, eq=False)
class RandomReviews:
    """Cards of equal length: elapsed whole days and grades, both (cards, reviews); the first review has no gap."""

    days: Array
    grades: Array

    @classmethod
    def draw(cls, reviews: int, rng: np.random.Generator) -> RandomReviews:
        """A fifth of the gaps are on the same day, the rest log-uniform between a day and half a year."""
        size = -(-reviews // CARD), CARD
        days = np.where(rng.random(size) < 0.2, 0, np.exp(rng.uniform(0, np.log(180), size)).astype(int))
        days[:, 0] = 0
        return cls(days, rng.choice([1, 2, 3, 4], size, p=[0.2, 0.15, 0.5, 0.15]))


def ours(model: Model, reviews: RandomReviews) -> Array:
    """(cards, reviews - 1, 3): stability and difficulty after a review, and probability of recall before the next one."""
    cards = len(reviews.days)

    def flat(values: Array) -> Array:
        return values.reshape(-1).astype(float)

    days, grades = reviews.days[:, 1:], reviews.grades[:, 1:]
    known = {"elapsed_days": flat(days), "same_day": flat(days == 0), "first_grade": flat(np.repeat(reviews.grades[:, :1], CARD - 1, 1))}
    outcome = {"recalled": flat(grades > 1), "grade": flat(grades)}
    path = model.filter(Sequences(outcome, known, unit=np.repeat(np.arange(cards), CARD - 1)))
    return np.column_stack([path.states, path.reads[:, 0]]).reshape(cards, CARD - 1, 3)


def by_py_fsrs(parameters: Mapping[str, float], reviews: RandomReviews) -> Array:
    """The same by py-fsrs; it has no upper bound of the stability."""
    fsrs = importlib.import_module("fsrs")
    scheduler = fsrs.Scheduler(parameters=tuple(parameters.values()), enable_fuzzing=False)
    found = np.zeros((len(reviews.days), CARD - 1, 3))
    for c, (days, grades) in enumerate(zip(reviews.days.tolist(), reviews.grades.tolist(), strict=True)):
        now, card = datetime(2020, 1, 1, tzinfo=UTC), fsrs.Card()
        for r, (gap, grade) in enumerate(zip(days, grades, strict=True)):
            now += timedelta(days=gap)
            if r:
                found[c, r - 1] = card.stability, card.difficulty, scheduler.get_card_retrievability(card, now)
            card, _ = scheduler.review_card(card, fsrs.Rating(grade), now)
    return found


def by_fsrs_optimizer(parameters: Mapping[str, float], reviews: RandomReviews) -> Array:
    """The same by fsrs-optimizer's torch module, in double precision (it holds single-precision parameters)."""
    torch, peer = importlib.import_module("torch"), importlib.import_module("fsrs_optimizer.fsrs_optimizer")
    peer.Optimizer()  # sets the lower bound of the stability for whole days
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        module = peer.FSRS(list(parameters.values())).double()
        inputs = torch.tensor(np.stack([reviews.days.T, reviews.grades.T], -1), dtype=torch.float64)
        with torch.no_grad():
            states = module(inputs)[0][:-1]
            recall = peer.power_forgetting_curve(inputs[1:, :, 0], states[..., 0], -module.w[20])
        return np.asarray(torch.cat([states, recall[..., None]], -1).transpose(0, 1).numpy())
    finally:
        torch.set_default_dtype(default)


def parameter_sets(count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """The defaults and random sets about them on the raw scale, in the single precision that fsrs-optimizer holds."""
    model, sets = fsrs6(), []
    for i in range(count):
        values = {}
        for p in model.parameters:
            raw = float(np.clip(p.constraint.inverse(p.default), -6.0, 6.0)) + rng.normal(0, 0.7)
            value = p.default if i == 0 else float(p.constraint.forward(raw))
            lowest = 0.01 if p.name == "same_day_saturation" else p.constraint.bounds[0]  # fsrs-optimizer's bound
            values[p.name] = float(np.clip(np.float64(np.float32(value)), lowest, p.constraint.bounds[1]))
        sets.append(values)
    return sets


def fsrs6_forward_error(reviews: int = 10_000, seed: int = 0, sets: int = 5) -> dict[str, dict[str, float]]:
    """Largest differences from each installed peer over random reviews: of S (relative where S > 1), D and p.

    ``reviews`` are split over ``sets`` parameter sets, the published defaults first. A peer that is not installed is left out. Rows of a
    card after a stability above 36,500 days are left out for py-fsrs, which lets it grow.
    """
    rng, peers, found = np.random.default_rng(seed), {"py-fsrs": by_py_fsrs, "fsrs-optimizer": by_fsrs_optimizer}, {}
    drawn = [(values, RandomReviews.draw(reviews // sets, rng)) for values in parameter_sets(sets, rng)]
    for name, peer in peers.items():
        worst = np.zeros(3)
        for values, cards in drawn:
            try:
                theirs = peer(values, cards)
            except ModuleNotFoundError:
                break
            mine = ours(fsrs6().start_at(**values), cards)
            kept = np.cumprod(theirs[..., 0] < 36500, axis=1).astype(bool)
            scale = np.stack([np.maximum(mine[..., 0], 1.0), np.ones(mine.shape[:2]), np.ones(mine.shape[:2])], -1)
            worst = np.maximum(worst, (np.abs(mine - theirs) / scale)[kept].max(0))
        else:
            found[name] = dict(zip(("stability", "difficulty", "probability"), worst.tolist(), strict=True))
    return found
