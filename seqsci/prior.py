"""What is known of a model's parameters before the data: a Gaussian on the raw scale, stated in natural units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from seqsci.errors import ParameterError, did_you_mean, explain
from seqsci.parameter import Parameter

Array = np.ndarray


@dataclass(frozen=True)
class Prior:
    """``raw ~ N(centre, covariance)`` for the named parameters, where ``value = constraint.forward(raw)``.

    A prior on a rate in [0, 1] is normal in its log odds, one on a positive number in its logarithm, so it never leaves the set.

    Attributes:
        names: the parameters that it says something of.
        centre: (k,) raw values; covariance: (k, k) on the raw scale, as nested tuples.
        source: in words, where it comes from; printed with every fit that uses it.
        unit: of the outcome in which it is stated, where it knows it (a population's); data in another are converted to or refused.
    """

    names: tuple[str, ...]
    centre: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    source: str = "stated"
    unit: str = ""

    def __post_init__(self) -> None:
        k = len(self.names)
        matrix = np.array(self.covariance, float).reshape(-1, k) if k else np.zeros((0, 0))
        sound = matrix.shape == (k, k) and len(self.centre) == k and np.isfinite(matrix).all() and np.isfinite(self.centre).all()
        if not sound or not np.allclose(matrix, matrix.T) or (k and np.linalg.eigvalsh(matrix)[0] <= 0):
            got = f"{k} names, centre of {len(self.centre)}, covariance of shape {matrix.shape}"
            expected = "finite numbers, one centre a name, a symmetric positive definite covariance"
            raise ParameterError(
                explain("the prior is no normal distribution", got, expected, "state it by Model.with_prior(name=(low, high))")
            )

    @classmethod
    def between(cls, parameters: Sequence[Parameter], ranges: Mapping[str, tuple[float, float]], level: float = 0.95) -> Prior:
        """The prior whose central ``level`` of each named parameter lies between the two values; independent parameters.

        Raises `ParameterError` for an unknown name and for ends that do not increase or are not strictly inside the parameter's set.
        """
        known = {p.name: p for p in parameters}
        z = NormalDist().inv_cdf(0.5 + level / 2)
        faults, centre, spread = [], [], []
        for name, ends in ranges.items():
            if name not in known:
                faults.append(f"no parameter {name!r}{did_you_mean(name, known)}")
                continue
            constraint = known[name].constraint
            low, high = constraint.bounds
            try:
                a, b = (float(e) for e in ends)
            except (TypeError, ValueError):
                faults.append(f"{name} = {ends!r} is no pair of numbers")
                continue
            if not low < a < b < high:
                faults.append(f"{name} = ({a:g}, {b:g}) is not an increasing pair strictly inside {constraint.admissible}")
                continue
            first, last = constraint.inverse(a), constraint.inverse(b)
            centre.append((first + last) / 2)
            spread.append((last - first) / (2 * z))
        if faults:
            expected = "name=(low, high), the central 95 % of what is believed"
            raise ParameterError(
                explain("the prior does not fit the model", "; ".join(faults), expected, f"parameters: {', '.join(known)}")
            )
        return cls(tuple(ranges), tuple(centre), _nested(np.diag(np.square(spread))))

    @property
    def matrix(self) -> Array:
        """Covariance on the raw scale (k, k)."""
        return np.array(self.covariance, float).reshape(len(self.names), len(self.names))

    def centres(self, parameters: Sequence[Parameter]) -> dict[str, float]:
        """The centre in natural values (the prior's median)."""
        table = {p.name: p.constraint for p in parameters}
        return {n: float(table[n].forward(r)) for n, r in zip(self.names, self.centre, strict=True)}

    def interval(self, parameters: Sequence[Parameter], name: str, level: float = 0.95) -> tuple[float, float]:
        """Central interval of one parameter in natural values."""
        i = self.names.index(name)
        constraint = {p.name: p.constraint for p in parameters}[name]
        half = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(self.covariance[i][i])
        return float(constraint.forward(self.centre[i] - half)), float(constraint.forward(self.centre[i] + half))

    def rescaled(self, parameters: Sequence[Parameter], factor: float) -> Prior:
        """The prior after the outcome was multiplied by a factor: dimensional parameters move with it."""
        table = {p.name: p for p in parameters}
        centre, stretch = [], []
        for name, raw in zip(self.names, self.centre, strict=True):
            p = table[name]
            if p.dimension == 0 or factor == 1.0:
                centre.append(raw)
                stretch.append(1.0)
                continue
            scale = factor**p.dimension
            moved = p.constraint.inverse(float(p.constraint.forward(raw)) * scale)
            before, after = (math.exp(float(p.constraint.log_jacobian(r))) for r in (raw, moved))
            centre.append(moved)
            stretch.append(before * scale / after)
        return replace(self, centre=tuple(centre), covariance=_nested(self.matrix * np.outer(stretch, stretch)))

    def on(self, names: Sequence[str], free: Sequence[str]) -> tuple[Array, Array]:
        """Centre (n,) and precision (n, n) over the parameters of a kernel; fixed ones leave the prior (it is their marginal)."""
        kept = [i for i, n in enumerate(self.names) if n in free]
        centre, precision = np.zeros(len(names)), np.zeros((len(names), len(names)))
        places = [list(names).index(self.names[i]) for i in kept]
        if kept:
            centre[places] = [self.centre[i] for i in kept]
            precision[np.ix_(places, places)] = np.linalg.inv(self.matrix[np.ix_(kept, kept)])
        return centre, precision


def _nested(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in matrix)
