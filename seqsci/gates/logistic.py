"""A gate whose log odds are a weighted sum of known columns: what opens or shields beyond the mechanism's own signal."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.constraints import Real
from seqsci.equations.vocabulary import Expression, sigmoid
from seqsci.errors import ParameterError, explain
from seqsci.gates.base import Gate
from seqsci.parameter import Known, Parameter


@dataclass(frozen=True)
class LogisticGate(Gate):
    """``g = sigmoid(sum_j beta_j x_j)``, of known columns x_j: half open where all columns are zero.

    Every column gets a parameter ``by_COLUMN``. Where the logit of the gate is added to log odds, each beta_j adds to them linearly.

    | parameter | symbol | unit | set | reading |
    |---|---|---|---|---|
    | by_COLUMN | beta_j | log odds | real | log odds of the gate per unit of the column |

    Attributes: columns: names of the known sequences, Python names.
    Raises `ParameterError` for a name that is no Python name, or that occurs twice.

    >>> [p.name for p in LogisticGate(("ctcf",)).parameters]
    ['by_ctcf']
    """

    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        bad = [c for c in self.columns if not c.isidentifier() or self.columns.count(c) > 1]
        if bad:
            raise ParameterError(explain("columns of a gate", ", ".join(bad), "different Python names", "rename the columns"))

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        """A known sequence a column."""
        return tuple(Known(c, "1", f"x_{{{i + 1}}}") for i, c in enumerate(self.columns))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(f"by_{c}", Real(), 0.0, "log odds", rf"\beta_{{{i + 1}}}", f"log odds of the gate per unit of {c.replace('_', ' ')}")
            for i, c in enumerate(self.columns)
        )

    def opening(self, signals: dict[str, Expression], parameters: dict[str, Expression]) -> Expression:
        total: Expression = 0.0
        for c in self.columns:
            total = total + parameters[f"by_{c}"] * signals[c]
        return sigmoid(total)
