"""A bank: one model at many values of its parameters, mixed with weights that are estimated on many units."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.errors import ParameterError, did_you_mean, explain
from seqsci.estimation.fitted_bank import FittedBank, Memory
from seqsci.estimation.mixing import checked, estimate_weights
from seqsci.estimation.unit_likelihoods import unit_likelihoods
from seqsci.frames import to_sequences
from seqsci.model import Model

Array = np.ndarray
MOST = 5000
"""Most components of a bank."""


@dataclass(frozen=True)
class Bank:
    """A mixture of copies of a model over a grid of parameters: unit i follows component k with probability ``w_k``.

    Formula: ``p(unit i) = sum_k w_k L_ik`` with ``L_ik`` the likelihood of the unit under the model at the k-th point of the grid. The
    weights are estimated on all units together, and each unit has its own posterior ``r_ik = w_k L_ik / sum_j w_j L_ij``. Parameters that
    are not on the grid stay at the model's values, fixed or not; they are not estimated: pass ``fit.model``, or put them on the grid.

    Attributes:
        model: what is copied.
        grid: values by parameter name, of which all combinations are taken; or a sequence of points, each a mapping of the same names.
            Afterwards it is the tuple of the points.
        name: for tables.

    Raises `ParameterError` for unknown names, values outside their sets, repeated points, none, or more than 5,000.
    Source: Kiefer and Wolfowitz (1956), Annals of Mathematical Statistics 27, 887-906, DOI 10.1214/aoms/1177728066.

    >>> from seqsci.cells.volatility import Volatility
    >>> from seqsci.observations.student_t import StudentT
    >>> bank = Bank(Model(Volatility(), StudentT()), {"memory": [0.8, 0.9], "persistence": [0.95, 0.97, 0.99]})
    >>> len(bank), bank.names, bank.values[-1]
    (6, ('memory', 'persistence'), array([0.9 , 0.99]))
    """

    model: Model
    grid: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]]
    name: str = ""

    def __post_init__(self) -> None:
        points = _points(self.model, self.grid)
        object.__setattr__(self, "grid", points)
        object.__setattr__(self, "name", self.name or f"bank of {len(points)} x {self.model.name}")

    def __len__(self) -> int:
        return len(self.grid)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters on the grid."""
        return tuple(n for n, _ in self._points[0])

    @property
    def _points(self) -> tuple[tuple[tuple[str, float], ...], ...]:
        return self.grid  # type: ignore[return-value]

    @property
    def values(self) -> Array:
        """Parameters of every component (components, names)."""
        return np.array([[v for _, v in point] for point in self._points])

    @functools.cached_property
    def components(self) -> tuple[Model, ...]:
        """The model at each point; grid parameters are free in it, so that all components share their compiled passes."""
        base = self.model.free(self.names)
        return tuple(base.start_at(**dict(point)) for point in self._points)

    @property
    def uniform(self) -> Array:
        """Equal weights (components,)."""
        return np.full(len(self), 1.0 / len(self))

    def fit(
        self, data: Any, unit: str | None = None, pseudo_count: float = 0.0, tolerance: float = 1e-6, threads: int | None = None
    ) -> FittedBank:
        """Estimate the weights by EM on all units of the data, and return them with every unit's posterior.

        A unit is what one posterior belongs to: a ``group`` of the sequences where they have several, else a ``unit`` where they have
        several, else each stretch from ``reset`` to ``reset``. Rows of weight 0 move the states and are not counted.

        Args:
            data: as `seqsci.fit` takes it; unit: of the outcome, if the data do not say.
            pseudo_count: units added to every component, >= 0. With 0 the weights are the maximum likelihood on the grid: few components
                carry them, and a single unit gives all to its best component; with 1 a single unit has a posterior over the grid.
            tolerance: the log-likelihood is within that many nats of the highest of all weights.
            threads: over which components are spread; default: one a processor.

        Raises: DataError for data that do not fit, that no component can have made, or a component whose likelihood is no number;
            ConvergenceError where the tolerance is not reached.
        """
        table, labels, memory, rows = self._likelihoods(data, unit, threads)
        found = estimate_weights(table, pseudo_count, tolerance)
        return FittedBank(self, found.weights, table, labels, memory, rows, found.gap)

    def given(self, weights: Sequence[float] | Array, data: Any, unit: str | None = None, threads: int | None = None) -> FittedBank:
        """The posteriors of units under weights that are known (estimated elsewhere, or `uniform`)."""
        known = np.asarray(weights, float)
        if known.shape != (len(self),) or not (np.isfinite(known).all() and (known >= 0).all() and abs(known.sum() - 1) < 1e-8):
            got = f"shape {known.shape}, smallest {known.min(initial=np.inf):g}, sum {known.sum():g}"
            need = f"({len(self)},), none negative, sum 1"
            raise ParameterError(explain("these are no weights of the bank", got, need, "pass fitted.weights, or bank.uniform"))
        table, labels, memory, rows = self._likelihoods(data, unit, threads)
        return FittedBank(self, known / known.sum(), table, labels, memory, rows, float("nan"))

    def _likelihoods(self, data: Any, unit: str | None, threads: int | None) -> tuple[Array, Array, Memory, int]:
        sequences = to_sequences(self.model, data, unit)
        table, labels, place, states = unit_likelihoods(self.components, sequences, threads)
        rows = int(np.sum(np.asarray(sequences.observed, bool) & (sequences.weight != 0)))
        return checked(table), labels, Memory(states, sequences.rows(len(sequences) - 1, len(sequences)), place), rows


def _points(model: Model, grid: Any) -> tuple[tuple[tuple[str, float], ...], ...]:
    """The points of a grid, checked; all faults are told at once."""
    faults: list[str] = []
    if isinstance(grid, Mapping):
        axes = {n: tuple(np.atleast_1d(np.asarray(v, float)).tolist()) for n, v in grid.items()}
        many = int(np.prod([len(v) for v in axes.values()])) if axes else 0
        names: tuple[str, ...] = tuple(axes)
        table = [tuple(zip(names, p, strict=True)) for p in itertools.product(*axes.values())] if 0 < many <= MOST else []
        seen = axes
    else:
        rows = [dict(p) for p in grid]
        many, names = len(rows), tuple(rows[0]) if rows else ()
        odd = [i for i, r in enumerate(rows) if set(r) != set(names)]
        if odd:
            faults.append(f"point {odd[0]} has {', '.join(rows[odd[0]]) or 'no name'}, the first one {', '.join(names)}")
        table = [tuple((n, float(r[n])) for n in names) for r in rows if set(r) == set(names)]
        seen = {n: tuple(dict.fromkeys(dict(p)[n] for p in table)) for n in names}
    if not many or not names:
        faults.append("an empty grid")
    if many > MOST:
        faults.append(f"{many:,} points")
    known = {p.name: p for p in model.parameters}
    for name, values in seen.items():
        if name not in known:
            faults.append(f"no parameter {name!r}{did_you_mean(name, known)}; this model has {', '.join(known)}")
            continue
        faults += [
            f"{name} = {v:g} is outside {known[name].constraint.admissible}" for v in values if not known[name].constraint.contains(v)
        ]
    if len(set(table)) < len(table):
        faults.append(f"{len(table) - len(set(table))} repeated points")
    if faults:
        need = f"1 to {MOST:,} different points with the same declared parameters, inside their sets"
        raise ParameterError(explain(f"the grid does not fit {model.name}", "; ".join(faults), need, "correct the grid"))
    return tuple(table)
