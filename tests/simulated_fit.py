"""A fit of a right model to many simulated rows."""

from __future__ import annotations

import numpy as np

from seqsci.domains.finance import models
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.sequences import Sequences

GARCH = models.garch_normal().start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
ROWS = 5000


def simulated_fit() -> Fit:
    """A GARCH fitted to its own simulation."""
    dates = np.datetime64("2000-01-03") + np.arange(ROWS)
    returns = GARCH.simulate(ROWS, seed=3).outcome["log_return"]
    data = Sequences({"log_return": returns}, index=dates, measure={"log_return": "percent"})
    return MaximumLikelihood(starts=1, profile_bounds=False).fit(GARCH, data)
