"""The declarations that equations bind to: parameters and derived quantities, and the roles of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seqsci.constraints import Constraint
from seqsci.errors import ParameterError, explain


@dataclass(frozen=True)
class Parameter:
    """One scientific parameter, declared once; tables, plots, artefacts and docs read this declaration.

    Attributes:
        name: how equations, tables and users call it.
        constraint: its admissible set.
        default: the value of a Model that was never fitted.
        unit: unit of measure; for ``dimension != 0`` the unit of the outcome to that power replaces it in tables.
        symbol: LaTeX symbol.
        reading: one plain-language clause that says what the number means.
        dimension: power of the outcome's unit that the value carries (a mean return: 1, a variance: 2, a share: 0).
    """

    name: str
    constraint: Constraint
    default: float
    unit: str
    symbol: str
    reading: str
    dimension: int = 0

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ParameterError(explain("a parameter's name must be a Python name", repr(self.name), "letters, digits, _", "rename it"))
        if not self.constraint.contains(self.default):
            raise ParameterError(
                explain(
                    f"default of {self.name} is not admissible", self.default, self.constraint.admissible, "choose a default inside the set"
                )
            )


@dataclass(frozen=True)
class Derived:
    """A quantity computed from parameters (half-life, persistence); its standard error comes from the delta method.

    Attributes:
        name, unit, symbol, reading: as for `Parameter`.
        expression: an equation that binds parameters, gates and ``expected`` by name.
        dimension: power of the outcome's unit.
        constraint: the set its interval is built on (interval = forward(inverse(value) +- z se)).
    """

    name: str
    expression: Callable[..., Any]
    unit: str
    symbol: str
    reading: str
    constraint: Constraint
    dimension: int = 0


@dataclass(frozen=True)
class Role:
    """A named sequence with a unit; the subclass says what it may be used for."""

    name: str
    unit: str = "1"
    symbol: str = ""


@dataclass(frozen=True)
class State(Role):
    """What is remembered from step to step."""


@dataclass(frozen=True)
class Known(Role):
    """What is known at step t before the outcome: elapsed time, calendar, covariates published before t."""


@dataclass(frozen=True)
class Outcome(Role):
    """What is observed at step t; never an argument of ``read``. ``units``: where given, users must state one of them."""

    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Presample(Role):
    """A number per unit, computed from its training data before the first step (a backcast); no parameter enters it."""
