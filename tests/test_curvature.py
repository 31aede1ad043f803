"""The Gauss-Newton information: the mean Hessian of a smooth model, and finite where an update has kinks."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.domains.finance import models
from seqsci.estimation.standard_errors import observed_information
from seqsci.sequences import Sequences
from tests.gauss_newton import gauss_newton_information
from tests.registry import ALL_CELLS

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
CELL = models.default().start_at(mean=0.04, persistence=0.97, memory=0.9, rotation=0.4, shift=0.3, intercept=0.03)


def _both(model, rows, seed):
    packed, kernel = model.pack(model.simulate(rows, seed)), model.kernel()

    def score(theta, full):
        found = kernel.score(theta, packed)
        return found.gradient, found.outer

    at = model.kernel_values
    return kernel.information(at, packed), observed_information(score, at, np.zeros(len(at), bool)), score(at, True)[1]


@pytest.mark.parametrize("case", ALL_CELLS, ids=lambda c: c.name)
def test_the_compiled_information_equals_differences_of_the_states(case):
    model, sequences = case.make()
    packed = model.pack(sequences)
    kernel = model.kernel(not packed.observed.all())
    expected = gauss_newton_information(kernel, model.kernel_values, packed)
    np.testing.assert_allclose(kernel.information(model.kernel_values, packed), expected, atol=3e-5 * np.abs(expected).max())


def test_it_has_the_mean_of_the_hessian_and_of_the_outer_product_at_the_truth():
    for model, others in ((GARCH, (0, 1)), (CELL, (1,))):
        newton, hessian, outer = (np.mean([_both(model, 4000, s)[i] for s in range(12)], axis=0) for i in range(3))
        scale = np.sqrt(np.outer(np.diag(newton), np.diag(newton)))
        for i in others:
            assert np.abs(newton - (hessian, outer)[i]).max() < 0.12 * scale.max()
            np.testing.assert_allclose(newton / scale, (hessian, outer)[i] / scale, atol=0.12)


def test_it_is_positive_definite_at_a_kinked_optimum():
    newton, _, _ = _both(CELL, 1500, 3)
    assert np.linalg.eigvalsh(newton / np.sqrt(np.outer(np.diag(newton), np.diag(newton)))).min() > 0


def test_compiled_differences_equal_the_plain_ones_for_smooth_and_rough_parameters() -> None:
    """One fit and a panel use compiled differences; `observed_information` on the exact score is their oracle."""
    from seqsci.estimation.search import Search

    for build in (models.garch_t, models.tarch_t):
        model = build()
        sequences = Sequences({"log_return": model.simulate(800, 3).outcome["log_return"]}, measure={"log_return": "percent"})
        search = Search(model, sequences, 1000)
        raw = search.solve(1, False).raw
        outer, hessian = search.curvature(raw, search.free)

        def score(theta: np.ndarray, full: bool, search=search, raw=raw) -> tuple[np.ndarray, np.ndarray]:
            point = raw.copy()
            point[search.free] = theta
            search.nll(point, full)
            return search._gradient[search.free], search._outer[np.ix_(search.free, search.free)]

        rough = np.array([search.names[i] in search.kernel.program.rough_parameters for i in search.free])
        assert rough.any() == (build is models.tarch_t)
        np.testing.assert_allclose(outer, score(raw[search.free], True)[1], rtol=1e-12)
        expected = observed_information(score, raw[search.free], rough)
        np.testing.assert_allclose(hessian, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
