"""Shipped priors: where six Anki users' parameters lie and how far apart, for somebody who has only their own reviews.

Made by `seqsci.domains.memory.fits.prior_of_others` from 57,376 reviews of six users: independent normals on the raw scale of each
parameter. It was estimated on these users, so it is of no use in a backtest of them: there, the prior of the other five is taken.
"""

from __future__ import annotations

from seqsci.prior import Prior

SOURCE = "six Anki users, 57,376 reviews"

ADDITIVE_STABILITY: dict[str, tuple[float, float]] = {
    "again_stability": (-10.742, 3.742),
    "grade_ratio": (-4.525, 0.893),
    "gap_root": (-2.469, 0.993),
    "decay": (-4.987, 0.731),
    "lapse_power": (-2.167, 0.405),
    "own_growth": (-7.308, 0.852),
    "brittleness": (-4.874, 0.586),
}
"""Centre and standard deviation by parameter, on the raw scale."""

FSRS_6: dict[str, tuple[float, float]] = {
    "first_again": (-5.749, 0.639),
    "first_hard": (-4.148, 0.617),
    "first_good": (-3.181, 1.415),
    "first_easy": (-2.403, 0.200),
    "first_difficulty": (0.712, 0.323),
    "difficulty_spread": (-1.040, 0.418),
    "difficulty_step": (1.675, 0.857),
    "reversion": (-4.587, 1.668),
    "growth": (0.041, 0.520),
    "saturation": (-1.861, 1.284),
    "spacing": (-1.299, 0.862),
    "lapse_scale": (-0.533, 0.376),
    "lapse_difficulty": (-1.225, 0.231),
    "lapse_stability": (-0.531, 0.479),
    "lapse_surprise": (-0.075, 0.506),
    "hard_penalty": (-0.128, 0.826),
    "easy_bonus": (-1.535, 0.304),
    "same_day_grade": (-0.748, 0.782),
    "same_day_shift": (-3.127, 0.328),
    "same_day_saturation": (-2.230, 0.335),
    "decay": (-2.528, 1.620),
}


def _prior(table: dict[str, tuple[float, float]]) -> Prior:
    centre, deviation = zip(*table.values(), strict=True)
    rows = tuple(tuple(d * d if i == j else 0.0 for j in range(len(table))) for i, d in enumerate(deviation))
    return Prior(tuple(table), tuple(centre), rows, SOURCE)


PRIORS = {"AdditiveStability": _prior(ADDITIVE_STABILITY), "FSRS6": _prior(FSRS_6)}
"""By mechanism."""
