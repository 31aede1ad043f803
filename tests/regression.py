"""A linear regression as a mechanism: no memory, so every result has a closed form or a twin in statsmodels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqsci.constraints import Interval, Positive, Real
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Known, Outcome, Parameter, State
from seqsci.sequences import Sequences

SHARE = Interval(0.0, 10.0)


@dataclass(frozen=True)
class Regression(Mechanism):
    """``y = level + a x1 + b x2 + c x3 + spread e`` with slopes that cannot be negative."""

    states = (State("idle"),)
    known = (Known("x1"), Known("x2"), Known("x3"))
    outcomes = (Outcome("y"),)
    own_parameters = (
        Parameter("level", Real(), 0.0, "1", "m", "expected outcome at zero"),
        Parameter("a", SHARE, 1.0, "1", "a", "slope of x1"),
        Parameter("b", SHARE, 1.0, "1", "b", "slope of x2"),
        Parameter("c", SHARE, 1.0, "1", "c", "slope of x3"),
        Parameter("spread", Positive(), 1.0, "1", r"\sigma", "scatter"),
    )

    def start(self):
        return 0.0

    def read(self, x1, x2, x3, level, a, b, c, spread):
        return {"location": level + a * x1 + b * x2 + c * x3, "scale": spread}

    def update(self, idle):
        return idle


REGRESSION = Model(Regression(), Gaussian())


def regressors(rows: int, seed: int, correlation: float = 0.0) -> dict[str, np.ndarray]:
    """Standard normal columns x1, x2, x3, the first two with a correlation."""
    z = np.random.default_rng(seed).standard_normal((3, rows))
    return {"x1": z[0], "x2": correlation * z[0] + np.sqrt(1 - correlation**2) * z[1], "x3": z[2]}


def draw(rows: int, seed: int, correlation: float = 0.0, **values: float) -> Sequences:
    """Sequences of a regression with these values."""
    known = regressors(rows, seed + 1_000_000, correlation)
    return REGRESSION.start_at(**values).simulate(rows, seed, known)
