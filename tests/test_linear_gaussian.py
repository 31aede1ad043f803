"""The derived Kalman filter equals an outside implementation, exact diffuse start and missing steps included."""

from __future__ import annotations

import numpy as np
import pytest

from seqsci.model import Model
from seqsci.observations.gaussian import DiffuseGaussian
from seqsci.sequences import Sequences
from tests.hard_cases import SmoothCapacity


def test_exact_diffuse_likelihood_equals_statsmodels():
    sm = pytest.importorskip("statsmodels.tsa.statespace.mlemodel", reason="statsmodels is not installed")
    rng = np.random.default_rng(2)
    y = np.cumsum(rng.normal(0.02, 0.1, 60)) + rng.normal(0, 0.2, 60)
    y[[0, 11, 12, 40]] = np.nan
    phi, process, drift, error = 0.6, 0.25, 0.04, 0.12
    outside = sm.MLEModel(y, k_states=3, k_posdef=2)
    outside["transition"] = np.array([[phi, 0, 0], [0, 1, 1], [0, 0, 1.0]])
    outside["selection"] = np.array([[1.0, 0], [0, 0], [0, 1]])
    outside["state_cov"] = np.diag([process**2, drift**2])
    outside["design"] = np.array([[1.0, 1, 0]])
    outside["obs_cov"] = np.array([[error**2]])
    outside.ssm.initialization = sm.Initialization(3)
    outside.ssm.initialization.set(0, "stationary")
    outside.ssm.initialization.set((1, 3), "diffuse")
    result = outside.ssm.filter()

    model = Model(SmoothCapacity(), DiffuseGaussian()).start_at(dependence=phi, process=process, drift=drift, error=error)
    mine = model.filter(Sequences({"y": y}))
    seen = ~np.isnan(y)
    np.testing.assert_allclose(mine.density[seen], result.llf_obs[seen], rtol=1e-8, atol=1e-8)
    late = np.arange(60) > 15
    np.testing.assert_allclose(mine.states[late, :3], result.predicted_state.T[:60][late], rtol=1e-7, atol=1e-9)
