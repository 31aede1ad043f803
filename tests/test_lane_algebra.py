"""Small matrices of very many fits: the inverses of LAPACK, matrix by matrix, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqsci.estimation.lane_algebra import inverted, product
from tests.lane_cases import DEVICE

PLACE = "cuda" if DEVICE == "cuda" else "cpu"


def definite(count: int, n: int, spread: float) -> np.ndarray:
    """Positive definite matrices with eigenvalues over so many powers of ten, then each row and column in a unit of its own."""
    rng = np.random.default_rng(n)
    turned = np.linalg.qr(rng.normal(size=(count, n, n)))[0]
    values = 10 ** rng.uniform(-spread, 0.0, (count, n))
    unit = 10 ** rng.uniform(-3, 3, (count, n))
    return np.einsum("cij,cj,ckj->cik", turned, values, turned) * unit[:, :, None] * unit[:, None, :]


@pytest.mark.parametrize("n", [1, 2, 4, 7, 21])
def test_inverses_are_those_of_lapack_in_any_units(n: int) -> None:
    matrix = definite(40, n, 4.0)
    found, good = inverted(torch.from_numpy(matrix).to(PLACE))
    assert good.all()
    expected = np.linalg.inv(matrix)
    size = np.sqrt(np.einsum("cii,cjj->cij", expected, expected))
    np.testing.assert_array_less(np.abs(found.cpu().numpy() - expected) / size, 1e-10)


def test_a_matrix_has_the_same_bits_in_whatever_batch() -> None:
    matrix = torch.from_numpy(definite(300, 4, 5.0)).to(PLACE)
    whole = inverted(matrix)[0]
    for part in (slice(0, 1), slice(17, 60), slice(299, 300)):
        assert torch.equal(inverted(matrix[part])[0], whole[part])
    again = matrix.repeat(300, 1, 1)  # 90,000 matrices: more than the batched libraries take
    assert torch.equal(inverted(again)[0], whole.repeat(300, 1, 1))


@pytest.mark.parametrize("n", [1, 3, 6])
def test_what_is_not_positive_definite_is_told_apart(n: int) -> None:
    matrix = definite(6, n, 2.0)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))[0]
    scale = np.ones(n)
    scale[-1] = -1e-3
    matrix[1] = turned * scale @ turned.T
    matrix[2] = np.nan
    matrix[3, 0, -1] = matrix[3, -1, 0] = np.inf
    matrix[4] = 0.0
    _, good = inverted(torch.from_numpy(matrix).to(PLACE))
    assert good.tolist() == [True, False, False, False, False, True]


def test_products_are_those_of_each() -> None:
    rng = np.random.default_rng(1)
    matrix, vector = rng.normal(size=(30, 5, 5)), rng.normal(size=(30, 5))
    found = product(torch.from_numpy(matrix), torch.from_numpy(vector)).numpy()
    np.testing.assert_allclose(found, np.einsum("cij,cj->ci", matrix, vector), rtol=1e-12, atol=1e-14)


def test_a_scoring_step_that_would_climb_is_not_taken_but_damped() -> None:
    """At information of rank one and the least damping, rounding leaves inverses that are not positive definite."""
    from seqsci.estimation.lane_climb import SCORING, _score, _State

    fits, n = 2000, 9
    rng = np.random.default_rng(0)
    score = torch.from_numpy(rng.normal(size=(fits, n)) * 10 ** rng.uniform(-2, 2, (fits, n)))
    zero, point = torch.zeros(fits, dtype=torch.float64), torch.zeros((fits, n), dtype=torch.float64)
    whole, info = torch.zeros(fits, dtype=torch.int64), score[:, :, None] * score[:, None, :]
    state = _State(
        point.clone(), zero.clone(), 0.7 * score, info, info.clone(), zero + 1e-9, point.clone(),
        *[zero.clone() for _ in range(4)], *[whole.clone() for _ in range(3)], whole + SCORING, whole < 0, whole < 0, point == 0,
        whole.clone(), whole.clone(),
    )  # fmt: skip
    _score(state, 100)
    slope = (state.step * state.g).sum(1)
    assert 0 < int(state.ready.sum()) < fits and bool((slope[state.ready] <= 0).all())
    assert bool((state.damping[~state.ready] > 1e-7).all()) and bool((state.damping[state.ready] == 1e-9).all())
    while not state.ready.all():
        left = ~state.ready
        _score(state, 100)
        assert bool((state.damping[left] >= 1e-9).all())
    assert bool(((state.step * state.g).sum(1) <= 0).all())
