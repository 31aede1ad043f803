"""Student and Gaussian forecasts of log counts and their scores in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]


def student_cdf(z: npt.ArrayLike, freedom: npt.ArrayLike) -> Array:
    """Return the standard Student distribution function; with infinite degrees of freedom it is the normal one.

    Shapes: broadcast.

    >>> student_cdf([0.0, 1.0], [3.0, np.inf]).round(4)
    array([0.5   , 0.8413])
    """
    x, nu = np.broadcast_arrays(np.asarray(z, float), np.asarray(freedom, float))
    normal = np.isinf(nu)
    return np.asarray(np.where(normal, special.ndtr(x), special.stdtr(np.where(normal, 1.0, nu), x)))


def student_log_density(z: npt.ArrayLike, freedom: npt.ArrayLike) -> Array:
    """Return the log density of the standard Student distribution [nats]; normal where the degrees of freedom are infinite.

    Formula: ``log G((v+1)/2) - log G(v/2) - log(pi v)/2 - (v+1)/2 log(1 + z^2/v)``. Shapes: broadcast.

    >>> student_log_density(0.0, np.inf).round(4)
    np.float64(-0.9189)
    """
    x, nu = np.broadcast_arrays(np.asarray(z, float), np.asarray(freedom, float))
    normal = np.isinf(nu)
    v = np.where(normal, 1.0, nu)
    student = special.gammaln((v + 1) / 2) - special.gammaln(v / 2) - np.log(np.pi * v) / 2 - (v + 1) / 2 * np.log1p(x**2 / v)
    return np.asarray(np.where(normal, -(x**2) / 2 - np.log(2 * np.pi) / 2, student))


def student_crps(z: npt.ArrayLike, freedom: npt.ArrayLike) -> Array:
    """Return the continuous ranked probability score of the standard Student distribution (of the normal one at infinite freedom).

    Formula: ``z (2 F - 1) + 2 f (v + z^2)/(v - 1) - 2 sqrt(v)/(v - 1) B(1/2, v - 1/2)/B(1/2, v/2)^2``; infinite for ``v <= 1``. That of
    location m and scale s is s times this at ``z = (y - m)/s``.

    Parameters: ``z``, standardised outcome; ``freedom`` v (> 1). Shapes: broadcast.
    Source: Jordan, Krüger & Lerch (2019), J. Statistical Software 90(12), DOI 10.18637/jss.v090.i12.

    >>> student_crps(0.0, [4.0, np.inf]).round(4)
    array([0.2637, 0.2337])
    """
    x, nu = np.broadcast_arrays(np.asarray(z, float), np.asarray(freedom, float))
    cdf, density = student_cdf(x, nu), np.exp(student_log_density(x, nu))
    normal = np.isinf(nu)
    v = np.where(normal | (nu <= 1.0), 2.0, nu)
    spread = 2.0 * np.sqrt(v) / (v - 1.0) * np.exp(special.betaln(0.5, v - 0.5) - 2.0 * special.betaln(0.5, v / 2.0))
    student = x * (2.0 * cdf - 1.0) + 2.0 * density * (v + x**2) / (v - 1.0) - spread
    gaussian = x * (2.0 * cdf - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi)
    return np.asarray(np.where(normal, gaussian, np.where(nu <= 1.0, np.inf, student)))


@dataclass(frozen=True, eq=False)
class StudentForecast:
    """Student distributions of log counts, Gaussian where ``freedom`` is infinite; NaN where there is no forecast.

    Attributes:
        mean: location [log count]; scale [log count]; freedom: degrees of freedom. All of one shape, (origins, horizons).
    """

    mean: Array
    scale: Array
    freedom: Array

    def standardised(self, y: Array) -> Array:
        """``(y - mean) / scale``."""
        return np.asarray((y - self.mean) / self.scale)

    def log_density(self, y: Array) -> Array:
        """Log score [nats], higher is better."""
        return student_log_density(self.standardised(y), self.freedom) - np.log(self.scale)

    def crps(self, y: Array) -> Array:
        """Continuous ranked probability score [log count], lower is better."""
        return student_crps(self.standardised(y), self.freedom) * self.scale

    def cdf(self, y: Array) -> Array:
        """P(log count <= y)."""
        return student_cdf(self.standardised(y), self.freedom)

    def quantile(self, probability: float) -> Array:
        """Log count that is not exceeded with this probability."""
        normal = np.isinf(self.freedom)
        student = special.stdtrit(np.where(normal, 1.0, self.freedom), probability)
        return np.asarray(self.mean + self.scale * np.where(normal, special.ndtri(probability), student))
