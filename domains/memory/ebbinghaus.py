"""Ebbinghaus' savings and their replications, with the forgetting functions that have been proposed for them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seqsci.errors import DataError, explain

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray

MINUTES = (19.0, 63.0, 525.0, 1440.0, 2880.0, 8640.0, 44640.0)
"""Retention intervals in minutes as they were in the experiment; the nominal ones are 20 min, 1 h, 9 h, 1 d, 2 d, 6 d, 31 d."""
INTERVALS = ("20 min", "1 h", "9 h", "1 d", "2 d", "6 d", "31 d")
SAVINGS = {
    "Ebbinghaus 1885": (0.582, 0.442, 0.358, 0.337, 0.278, 0.254, 0.211),
    "Mack": (0.544, 0.432, 0.285, 0.316, 0.365, 0.309, 0.258),
    "Seitz": (0.442, 0.325, 0.270, 0.270, 0.286, 0.205, 0.201),
    "Dros 2015": (0.472, 0.373, 0.276, 0.317, 0.230, 0.168, 0.041),
}
"""Savings (share of the first learning time that relearning saves) by subject. Facts, as printed in the sources.

Sources: Ebbinghaus (1885), Ueber das Gedaechtnis, Duncker & Humblot; Murre and Dros (2015), DOI 10.1371/journal.pone.0120644.
"""


class ForgettingFunction(ABC):
    """Savings as a function of the time since learning; ``raw`` are unbounded numbers, ``natural`` what they mean."""

    formula: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    starts: ClassVar[tuple[tuple[float, ...], ...]]

    @abstractmethod
    def natural(self, raw: Array) -> tuple[float, ...]:
        """Parameters in their units (minutes for times), in the order of ``names``."""

    @abstractmethod
    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        """Savings at these times, for natural parameters."""


class ExponentialTrace(ForgettingFunction):
    """One exponential from 1, often and wrongly called the Ebbinghaus curve."""

    formula, names, starts = "exp(-t / S)", ("S",), ((3.0,), (6.0,), (9.0,))

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (math.exp(raw[0]),)

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        return np.asarray(np.exp(-minutes / values[0]))


class ScaledExponential(ForgettingFunction):
    """One exponential from a free level."""

    formula, names, starts = "a exp(-t / S)", ("a", "S"), ((0.4, 6.0), (0.4, 9.0), (0.3, 11.0))

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (float(raw[0]), math.exp(raw[1]))

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        return np.asarray(values[0] * np.exp(-minutes / values[1]))


class RootExponential(ForgettingFunction):
    """An exponential in the root of time."""

    formula, names, starts = "a exp(-b sqrt(t))", ("a", "b"), ((0.4, -6.0), (0.5, -4.0))

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (float(raw[0]), math.exp(raw[1]))

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        return np.asarray(values[0] * np.exp(-values[1] * np.sqrt(minutes)))


class PowerLaw(ForgettingFunction):
    """A power of time, shifted to start at 1 (Wixted and Ebbesen 1997, DOI 10.3758/BF03211316)."""

    formula, names, starts = "(1 + t / tau)^-d", ("tau", "d"), ((-1.0, -2.0), (-5.0, -2.4), (2.0, -1.0))

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (math.exp(raw[0]), math.exp(raw[1]))

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        return np.asarray((1 + minutes / values[0]) ** -values[1])


class LogarithmOfTime(ForgettingFunction):
    """Linear in the logarithm of time; below zero in the end."""

    formula, names, starts = "a - b ln t", ("a", "b"), ((0.6, 0.05),)

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (float(raw[0]), float(raw[1]))

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        return np.asarray(values[0] - values[1] * np.log(minutes))


class Formula1885(ForgettingFunction):
    """Ebbinghaus' own formula of 1885; he gave k = 1.84, c = 1.25 for nominal minutes."""

    formula, names, starts = "k / ((log10 t)^c + k)", ("k", "c"), ((0.6, 0.2), (0.0, -0.2))

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (math.exp(raw[0]), math.exp(raw[1]))

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        return np.asarray(values[0] / (np.log10(minutes) ** values[1] + values[0]))


class TwoExponentials(ForgettingFunction):
    """A fast and a slow exponential whose shares add to 1."""

    formula, names = "w exp(-t / S1) + (1 - w) exp(-t / S2)", ("w", "S1", "S2")
    starts = ((0.6, 3.0, 11.0), (0.6, 2.5, 9.5), (0.7, 5.0, 12.0))

    def natural(self, raw: Array) -> tuple[float, ...]:
        return (float(raw[0]), math.exp(raw[1]), math.exp(raw[2]))

    def at(self, minutes: Array, values: Sequence[float]) -> Array:
        w, fast, slow = values
        return np.asarray(w * np.exp(-minutes / fast) + (1 - w) * np.exp(-minutes / slow))


FUNCTIONS: tuple[ForgettingFunction, ...] = (
    ExponentialTrace(),
    ScaledExponential(),
    RootExponential(),
    PowerLaw(),
    LogarithmOfTime(),
    Formula1885(),
    TwoExponentials(),
)


@dataclass(frozen=True)
class SavingsFit:
    """A least-squares fit: ``r2`` is 1 - RSS / TSS (below zero: worse than the mean), ``aic`` n log(RSS / n) + 2 (k + 1)."""

    function: ForgettingFunction
    values: tuple[float, ...]
    rss: float
    r2: float
    aic: float

    def at(self, minutes: Array) -> Array:
        """Fitted savings at these times."""
        return self.function.at(np.asarray(minutes, float), self.values)


def fit_savings(function: ForgettingFunction, savings: Sequence[float], minutes: Sequence[float] = MINUTES) -> SavingsFit:
    """Fit a forgetting function by unweighted least squares, the best of its starts.

        RSS = sum (Q_i - Q(t_i))^2,  AIC = n log(RSS / n) + 2 (k + 1): the residual variance is a parameter as well

    Args: savings (n,) shares, minutes (n,) times in minutes. Raises `DataError` for fewer than k + 1 finite points or times below 1 minute.
    Source of the criterion: Akaike (1974), DOI 10.1109/TAC.1974.1100705.

    >>> round(fit_savings(Formula1885(), SAVINGS["Ebbinghaus 1885"]).r2, 3)
    0.981
    """
    from scipy.optimize import least_squares

    q, t = np.asarray(savings, float), np.asarray(minutes, float)
    k = len(function.names)
    if q.shape != t.shape or q.ndim != 1 or len(q) < k + 1 or not np.isfinite(q).all() or not (t >= 1).all():
        got = f"{q.shape} savings at {t.shape} times"
        raise DataError(explain("these savings cannot be fitted", got, f"{k + 1} or more finite pairs, minutes >= 1", "check both columns"))

    def residual(raw: Array) -> Array:
        return np.asarray(function.at(t, function.natural(raw)) - q)

    found = [least_squares(residual, np.array(s), xtol=1e-14, ftol=1e-14, gtol=1e-14) for s in function.starts]
    best = min(found, key=lambda r: float(r.cost))
    rss = 2 * float(best.cost)
    r2 = 1 - rss / float(np.sum((q - q.mean()) ** 2))
    aic = len(q) * math.log(rss / len(q)) + 2 * (k + 1) if rss > 0 else -math.inf
    return SavingsFit(function, function.natural(best.x), rss, r2, aic)


def savings_table() -> pd.DataFrame:
    """R2 and AIC of every function on every subject: rows are formulas, columns (subject, "R2" | "AIC")."""
    import pandas as pd

    rows = {}
    for function in FUNCTIONS:
        fits = {name: fit_savings(function, q) for name, q in SAVINGS.items()}
        rows[function.formula] = {(name, key): value for name, f in fits.items() for key, value in (("R2", f.r2), ("AIC", f.aic))}
    return pd.DataFrame.from_dict(rows, orient="index")
