"""Linear Gaussian state spaces as mechanisms: the Kalman filter is derived from the matrices, exact diffuse start included."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seqsci.equations.vocabulary import Expression, sqrt, where
from seqsci.errors import EquationError, explain
from seqsci.mechanism import Mechanism
from seqsci.parameter import Outcome, State

DIFFUSE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class StateSpace:
    """Matrices of ``y_t = d_t + Z a_t + e_t, e ~ N(0, H)`` and ``a_{t+1} = c_t + T a_t + n_t, n ~ N(0, Q)``, as nested tuples.

    Attributes:
        transition: T, m rows of m.
        state_variance: Q, m rows of m, symmetric.
        design: Z, m entries.
        observation_variance: H.
        mean: a_1, m entries (0 where diffuse).
        variance: P_1 of the proper part, m rows of m, symmetric (0 where diffuse).
        observation_input: d, what is added to the observation (a known offset); 0 = nothing.
        state_input: c, m entries added to the next state (a known input); empty = nothing.
    """

    transition: Sequence[Sequence[Expression]]
    state_variance: Sequence[Sequence[Expression]]
    design: Sequence[Expression]
    observation_variance: Expression
    mean: Sequence[Expression]
    variance: Sequence[Sequence[Expression]]
    observation_input: Expression = 0
    state_input: Sequence[Expression] = ()


class ByName:
    """A callable whose arguments are asked for by name."""

    def __init__(self, names: Sequence[str], function: Callable[[dict[str, Expression]], Any]) -> None:
        self.__signature__ = inspect.Signature([inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in dict.fromkeys(names)])
        self._function = function

    def __call__(self, **values: Expression) -> Any:
        return self._function(values)


def _dot(a: Sequence[Expression], b: Sequence[Expression]) -> Expression:
    total: Expression = 0
    for x, y in zip(a, b, strict=True):
        if not (_is_zero(x) or _is_zero(y)):
            total = total + x * y
    return total


def _entry(prefix: str, names: Sequence[str], i: int, j: int) -> str:
    return f"{prefix}_{names[min(i, j)]}_{names[max(i, j)]}"


def kalman_states(components: Sequence[str], reach: Sequence[bool]) -> tuple[State, ...]:
    """The states of a Kalman filter: means, the upper triangle of their variance, and of its infinite part where that can reach.

    >>> [s.name for s in kalman_states(("level",), (True,))]
    ['level', 'variance_level_level', 'diffuse_level_level']
    """
    m = len(components)
    pairs = [(i, j) for i in range(m) for j in range(i, m)]
    names = [*components, *(_entry("variance", components, i, j) for i, j in pairs)]
    names += [_entry("diffuse", components, i, j) for i, j in pairs if reach[i] and reach[j]]
    return tuple(State(n, symbol=n.replace("_", r"\_")) for n in names)


def _is_zero(x: Expression) -> bool:
    return isinstance(x, int | float) and float(x) == 0.0


class LinearGaussian(Mechanism):
    """Abstract base of linear Gaussian mechanisms: a subclass declares ``components``, ``diffuse`` and writes ``matrices``.

    States are the predicted mean, the upper triangle of its variance and, where a component is diffuse, of the diffuse part
    of the variance. Regression coefficients added as diffuse components make the likelihood the restricted one (REML).
    Components may be declared on the class, or be a property of an instance whose parts decide about them. ``diffuse_reach`` says
    which components an infinite variance can ever reach (default: all); a narrower one makes for fewer states and smaller kernels.
    Use it with `Gaussian`, or with `DiffuseGaussian` where a component is diffuse.

    Source: Durbin and Koopman (2012), Time Series Analysis by State Space Methods, 5.2 and 6.4,
    DOI 10.1093/acprof:oso/9780199641178.001.0001.
    """

    abstract: ClassVar[bool] = True
    several_modes: ClassVar[bool] = True
    components: ClassVar[tuple[str, ...]] = ()
    diffuse: ClassVar[tuple[bool, ...]] = ()
    diffuse_reach: ClassVar[tuple[bool, ...]] = ()
    outcomes: ClassVar[tuple[Outcome, ...]] = (Outcome("y", symbol="y"),)
    states: ClassVar[tuple[State, ...]] = ()
    start: Callable[..., Any] = lambda: ()
    read: Callable[..., Any] = dict
    update: Callable[..., Any] = lambda: ()

    matrices: Callable[..., StateSpace]

    def __init_subclass__(cls) -> None:
        if isinstance(cls.components, tuple):
            reach = cls.diffuse_reach if cls.diffuse_reach else (any(cls.diffuse),) * len(cls.components)
            cls.states = kalman_states(cls.components, reach)
        super().__init_subclass__()

    @property
    def _reach(self) -> tuple[bool, ...]:
        return self.diffuse_reach if self.diffuse_reach else (any(self.diffuse),) * self._size

    @property
    def _size(self) -> int:
        return len(self.components)

    def _arguments(self) -> list[str]:
        return list(inspect.signature(self.matrices).parameters)

    def state_space(self, values: Mapping[str, Expression]) -> StateSpace:
        """The matrices at values of parameters and known sequences by name."""
        return self.matrices(**{n: values[n] for n in self._arguments()})

    def _unpack(self, values: dict[str, Expression]) -> tuple[list[Expression], list[list[Expression]], list[list[Expression]]]:
        m, names = self._size, self.components
        mean = [values[n] for n in names]

        spread = [[values[_entry("diffuse", names, i, j)] if self._reach[i] and self._reach[j] else 0 for j in range(m)] for i in range(m)]
        return mean, [[values[_entry("variance", names, i, j)] for j in range(m)] for i in range(m)], spread

    def _pack(
        self, mean: Sequence[Expression], variance: Sequence[Sequence[Expression]], diffuse: Sequence[Sequence[Expression]]
    ) -> tuple[Expression, ...]:
        m = self._size
        upper = [variance[i][j] for i in range(m) for j in range(i, m)]
        more = [diffuse[i][j] for i in range(m) for j in range(i, m) if self._reach[i] and self._reach[j]]
        return (*mean, *upper, *more)

    def _start(self, values: dict[str, Expression]) -> tuple[Expression, ...]:
        space, m = self.state_space(values), self._size
        return self._pack(
            space.mean, space.variance, [[1 if i == j and self.diffuse and self.diffuse[i] else 0 for j in range(m)] for i in range(m)]
        )

    def _read(self, values: dict[str, Expression]) -> dict[str, Expression]:
        space = self.state_space(values)
        mean, variance, diffuse = self._unpack(values)
        z = space.design
        reads = {
            "location": _dot(z, mean) + space.observation_input,
            "scale": sqrt(_dot(z, [_dot(row, z) for row in variance]) + space.observation_variance),
        }
        if any(self.diffuse):
            reads["diffuse_variance"] = _dot(z, [_dot(row, z) for row in diffuse])
        return reads

    def _predict(
        self, space: StateSpace, mean: Sequence[Expression], variance: list[list[Expression]], diffuse: list[list[Expression]]
    ) -> tuple[Expression, ...]:
        t, m = space.transition, self._size

        def sandwich(p: list[list[Expression]]) -> list[list[Expression]]:
            half = [[_dot(t[i], [p[r][j] for r in range(m)]) for j in range(m)] for i in range(m)]
            return [[_dot(half[i], t[j]) for j in range(m)] for i in range(m)]

        moved = sandwich(variance)
        total = [[moved[i][j] + space.state_variance[i][j] for j in range(m)] for i in range(m)]
        moved_mean = [_dot(row, mean) for row in t]
        if len(space.state_input):
            moved_mean = [a + c for a, c in zip(moved_mean, space.state_input, strict=True)]
        self._check_reach(t)
        return self._pack(moved_mean, total, sandwich(diffuse) if any(self.diffuse) else diffuse)

    def _check_reach(self, transition: Sequence[Sequence[Expression]]) -> None:
        """Raise `EquationError` where the transition takes an infinite variance to a component that was said to be out of its reach."""
        names = self.components
        pairs = [(i, j) for i in range(self._size) for j in range(self._size) if self._reach[j] and not self._reach[i]]
        faults = [f"{names[j]} -> {names[i]}" for i, j in pairs if not _is_zero(transition[i][j])]
        if faults:
            expected, fix = f"0 there, as diffuse_reach = {self._reach} says", "widen diffuse_reach"
            raise EquationError(explain(f"the transition of {type(self).__name__} spreads what is diffuse", faults, expected, fix))

    def _update(self, values: dict[str, Expression]) -> tuple[Expression, ...]:
        space, m = self.state_space(values), self._size
        mean, variance, diffuse = self._unpack(values)
        z, f = space.design, values["scale"] ** 2
        v = values[self.outcomes[0].name] - values["location"]
        cross = [_dot(row, z) for row in variance]
        ordinary_mean = [mean[i] + cross[i] * v / f for i in range(m)]
        ordinary = [[variance[i][j] - cross[i] * cross[j] / f for j in range(m)] for i in range(m)]
        if not any(self.diffuse):
            return self._predict(space, ordinary_mean, ordinary, diffuse)
        f_inf = values["diffuse_variance"]
        still = f_inf > DIFFUSE_TOLERANCE
        g = where(still, f_inf, 1.0)
        spread = [_dot(row, z) for row in diffuse]
        first_mean = [mean[i] + spread[i] * v / g for i in range(m)]
        first = [
            [variance[i][j] - (cross[i] * spread[j] + spread[i] * cross[j]) / g + spread[i] * spread[j] * f / g**2 for j in range(m)]
            for i in range(m)
        ]
        near = [[self._reach[i] and self._reach[j] for j in range(m)] for i in range(m)]
        rest = [[diffuse[i][j] - spread[i] * spread[j] / g if near[i][j] else 0 for j in range(m)] for i in range(m)]
        chosen = [[where(still, first[i][j], ordinary[i][j]) for j in range(m)] for i in range(m)]
        kept = [[where(still, rest[i][j], diffuse[i][j]) if near[i][j] else 0 for j in range(m)] for i in range(m)]
        return self._predict(space, [where(still, a, b) for a, b in zip(first_mean, ordinary_mean, strict=True)], chosen, kept)

    def _bind_equations(self) -> tuple[ByName, ByName, ByName, ByName]:
        names = [s.name for s in self.states]
        arguments = self._arguments()
        reads = ["location", "scale", *(["diffuse_variance"] if any(self.diffuse) else [])]
        return (
            ByName(arguments, self._start),
            ByName([*names, *arguments], self._read),
            ByName([*names, *arguments, *reads, self.outcomes[0].name], self._update),
            ByName([*names, *arguments], lambda values: self._predict(self.state_space(values), *self._unpack(values))),
        )

    def __getattribute__(self, name: str) -> Any:
        if name in ("start", "read", "update", "unobserved"):
            return object.__getattribute__(self, "_bind_equations")()[("start", "read", "update", "unobserved").index(name)]
        return object.__getattribute__(self, name)
