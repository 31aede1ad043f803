"""FSRS-6 and FSRS-7 as equations: equal to the field's implementations and to their published definition."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from seqsci.domains.memory import models
from seqsci.domains.memory.fsrs_check import RandomReviews, fsrs6_forward_error, ours, parameter_sets
from seqsci.sequences import Sequences

PEERS = {"py-fsrs": "fsrs", "fsrs-optimizer": "fsrs_optimizer"}


@pytest.mark.parametrize("peer", PEERS)
def test_fsrs6_equals_its_implementations_in_stability_difficulty_and_probability(peer: str) -> None:
    pytest.importorskip(PEERS[peer])
    found = fsrs6_forward_error(reviews=2000)[peer]
    assert found["stability"] < 1e-5 and found["difficulty"] < 1e-5 and found["probability"] < 1e-5


def test_a_peer_that_is_not_installed_is_left_out() -> None:
    installed = {name for name, module in PEERS.items() if importlib.util.find_spec(module)}
    assert set(fsrs6_forward_error(reviews=80, sets=1)) == installed


def fsrs6_by_hand(w: list[float], days: np.ndarray, grades: np.ndarray) -> np.ndarray:
    """(reviews - 1, 3): S, D and R before each review after the first, in the field's numbering."""
    first = [w[4] - np.exp(w[5] * (r - 1)) + 1 for r in range(1, 5)]
    S, D, rows = w[grades[0] - 1], min(max(first[grades[0] - 1], 1), 10), []
    for t, r in zip(days[1:].tolist(), grades[1:].tolist(), strict=True):
        R = (1 + (0.9 ** (-1 / w[20]) - 1) * t / S) ** -w[20]
        rows.append((S, D, R))
        if t < 1:
            up = np.exp(w[17] * (r - 3 + w[18])) * S ** -w[19]
            new = S * (max(up, 1) if r >= 2 else up)
        elif r > 1:
            share = {2: w[15], 3: 1.0, 4: w[16]}[r]
            new = S * (1 + np.exp(w[8]) * (11 - D) * S ** -w[9] * (np.exp(w[10] * (1 - R)) - 1) * share)
        else:
            new = min(w[11] * D ** -w[12] * ((S + 1) ** w[13] - 1) * np.exp(w[14] * (1 - R)), S / np.exp(w[17] * w[18]))
        D = w[7] * first[3] + (1 - w[7]) * (D - w[6] * (r - 3) * (10 - D) / 9)
        S, D = min(max(new, 0.001), 36500), min(max(D, 1), 10)
    return np.array(rows)


def test_fsrs6_is_its_published_definition_at_many_parameters() -> None:
    rng = np.random.default_rng(3)
    for values in parameter_sets(8, rng):
        cards = RandomReviews.draw(160, rng)
        found = ours(models.fsrs6().start_at(**values), cards)
        expected = np.array([fsrs6_by_hand(list(values.values()), d, g) for d, g in zip(cards.days, cards.grades, strict=True)])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1.1e-6)  # at t = 0 recall is 1 - 1e-6, not 1


def fsrs7_by_hand(w: list[float], days: np.ndarray, grades: np.ndarray) -> np.ndarray:
    """(reviews - 1, 3): S, D and p before each review after the first; both minima and maxima of the definition are kept."""
    first = [w[4] - np.exp(w[5] * (r - 1)) + 1 for r in range(1, 5)]
    S, D, rows = w[grades[0] - 1], min(max(first[grades[0] - 1], 1), 10), []

    def curve(t: float, S: float) -> float:
        one, two = ((1 + (w[29 + j] ** (-1 / w[27 + j]) - 1) * t / S) ** -w[27 + j] for j in (0, 1))
        u, v = w[31] * S ** -w[33], w[32] * S ** w[34]
        return float((u * one + v * two) / (u + v))

    def after(b: int, S: float, D: float, R: float, r: int) -> float:
        fail = min(S, w[b + 3] * D ** -w[b + 4] * ((S + 1) ** w[b + 5] - 1) * np.exp((1 - R) * w[b + 6]))
        share = w[b + 7] if r == 2 else w[b + 8] if r == 4 else 1.0
        grown = S * (1 + np.exp(w[b] - 1.5) * (11 - D) * S ** -w[b + 1] * (np.exp((1 - R) * w[b + 2]) - 1) * share)
        return float(max(fail, grown) if r > 1 else fail)

    for t, r in zip(days[1:].tolist(), grades[1:].tolist(), strict=True):
        R = curve(t, S)
        rows.append((S, D, min(max(R, 0.0001), 0.9999)))
        q = 1 - w[26] * np.exp(-w[25] * t)
        new = q * after(7, S, D, R, r) + (1 - q) * after(16, S, D, R, r)
        D = 0.01 * first[3] + 0.99 * (D - w[6] * (r - 3) * (10 - D) / 9)
        S, D = min(max(new, 0.0001), 36500), min(max(D, 1), 10)
    return np.array(rows)


def test_fsrs7_is_its_published_definition_on_fractional_days() -> None:
    rng = np.random.default_rng(5)
    for k in range(4):
        values = {}
        for p in models.fsrs7().parameters:
            raw = float(np.clip(p.constraint.inverse(p.default), -5.0, 5.0)) + rng.normal(0, 0.5)
            values[p.name] = p.default if k == 0 else float(p.constraint.forward(raw))
        model = models.fsrs7().start_at(**values)
        for _ in range(20):
            days, grades = np.exp(rng.uniform(-7, 5, 12)), rng.choice([1, 2, 3, 4], 12, p=[0.25, 0.15, 0.45, 0.15])
            known = {"elapsed_days": days[1:], "first_grade": np.full(11, grades[0])}
            path = model.filter(Sequences({"recalled": grades[1:] > 1, "grade": grades[1:]}, known))
            expected = fsrs7_by_hand(list(values.values()), days, grades)
            np.testing.assert_allclose(np.column_stack([path.states, path.reads[:, 0]]), expected, rtol=1e-8, atol=1e-10)


def test_the_stability_of_fsrs6_is_the_gap_of_ninety_percent() -> None:
    known = {"elapsed_days": [2.3065], "same_day": [0.0], "first_grade": [3.0]}
    path = models.fsrs6().filter(Sequences({"recalled": [1.0], "grade": [3.0]}, known))
    assert path.reads[0, 0] == pytest.approx(0.9, abs=1e-12)
    half = models.fsrs6().derived_values["good_half_life"]
    later = models.fsrs6().filter(Sequences({"recalled": [1.0], "grade": [3.0]}, {**known, "elapsed_days": [half]}))
    assert later.reads[0, 0] == pytest.approx(0.5, abs=1e-12)
