"""A model: a mechanism, an observation, and a value for every parameter; what people fit, simulate and ship."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from seqsci.errors import DataError, ParameterError, did_you_mean, explain
from seqsci.kernel import Kernel, Packed, Pass, kernel_of
from seqsci.mechanism import Mechanism
from seqsci.observations.base import Observation
from seqsci.parameter import Derived, Parameter
from seqsci.prior import Prior
from seqsci.sequences import Sequences

Array = np.ndarray
FOLDABLE = (-1.0, 0.0, 1.0)
"""Fixed values that are written into the equation itself, so that it simplifies (and may lose its kinks)."""


@dataclass(frozen=True)
class Model:
    """A frozen model. ``fix``, ``start_at`` and ``free`` return changed copies; estimation never changes it.

    >>> from seqsci.cells.volatility import Volatility
    >>> from seqsci.observations.student_t import StudentT
    >>> Model(Volatility(), StudentT()).fix(shift=0.0).free_names[:3]
    ('mean', 'persistence', 'rotation')
    """

    mechanism: Mechanism
    observation: Observation
    values: tuple[tuple[str, float], ...] = ()
    fixed: frozenset[str] = field(default_factory=frozenset)
    name: str = ""
    prior: Prior | None = None

    def __post_init__(self) -> None:
        table = {p.name: p.default for p in self.parameters}
        table.update(self._checked(dict(self.values)))
        object.__setattr__(self, "values", tuple(table.items()))
        object.__setattr__(self, "name", self.name or f"{type(self.mechanism).__name__} + {type(self.observation).__name__}")

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter in the kernels' order: the mechanism's, its gates', the observation's."""
        return (*self.mechanism.parameters, *self.observation.parameters)

    @property
    def derived(self) -> tuple[Derived, ...]:
        """Quantities computed from the parameters."""
        return self.mechanism.derived

    @property
    def free_names(self) -> tuple[str, ...]:
        """Names of the parameters that an estimation may move."""
        return tuple(p.name for p in self.parameters if p.name not in self.fixed)

    @property
    def value(self) -> dict[str, float]:
        """Values by name."""
        return dict(self.values)

    def _checked(self, values: Mapping[str, float]) -> dict[str, float]:
        known = {p.name: p for p in self.parameters}
        faults = []
        for name, value in values.items():
            if name not in known:
                faults.append(f"no parameter {name!r}{did_you_mean(name, known)}; this model has {', '.join(known)}")
            elif not known[name].constraint.contains(float(value)):
                faults.append(f"{name} = {value:g} is outside {known[name].constraint.admissible}")
        if faults:
            raise ParameterError(
                explain(
                    f"values do not fit {self.name or type(self.mechanism).__name__}",
                    "; ".join(faults),
                    "declared parameters inside their sets",
                    "correct the names and values",
                )
            )
        return {n: float(v) for n, v in values.items()}

    def fix(self, **values: float) -> Model:
        """Set parameters and keep estimation from moving them."""
        return replace(self, values=tuple({**self.value, **values}.items()), fixed=self.fixed | set(values))

    def start_at(self, **values: float) -> Model:
        """Set parameters without fixing them: the values of an unfitted model, and one start of an estimation."""
        return replace(self, values=tuple({**self.value, **values}.items()))

    def free(self, names: Iterable[str]) -> Model:
        """Let estimation move these parameters again."""
        return replace(self, fixed=self.fixed - set(names))

    def named(self, name: str) -> Model:
        """The same model under another name."""
        return replace(self, name=name)

    def with_prior(self, prior: Prior | None = None, /, **ranges: tuple[float, float]) -> Model:
        """The model with a prior, for small data: ``model.with_prior(memory=(0.8, 0.97))`` believes 95 % between the two values.

        A `Prior` may be given instead (a panel's ``population``, say); without any argument the prior is taken off. The model's values
        move to the prior's centre. A fit is then the posterior mode, and the prior is kept where the fit is worse on rows held out.
        """
        if ranges:
            prior = Prior.between(self.parameters, ranges)
        if prior is None:
            return replace(self, prior=None)
        if unknown := [n for n in prior.names if n not in {p.name for p in self.parameters}]:
            have = ", ".join(p.name for p in self.parameters)
            raise ParameterError(
                explain(f"the prior is of another model: {unknown}", ", ".join(prior.names), have, "take a prior of this model")
            )
        centres = {n: v for n, v in prior.centres(self.parameters).items() if n not in self.fixed}
        return replace(self.start_at(**centres), prior=prior)

    @property
    def active_prior(self) -> Prior | None:
        """The prior, where it says something of a free parameter."""
        return self.prior if self.prior is not None and any(n not in self.fixed for n in self.prior.names) else None

    @functools.cached_property
    def folded(self) -> tuple[tuple[str, float], ...]:
        """Fixed parameters at -1, 0 or 1: written into the equation."""
        return tuple((n, v) for n, v in self.values if n in self.fixed and v in FOLDABLE)

    @functools.cached_property
    def kernel_parameters(self) -> tuple[Parameter, ...]:
        """The parameters that the kernel takes (all but the folded ones), in its order."""
        gone = {n for n, _ in self.folded}
        return tuple(p for p in self.parameters if p.name not in gone)

    @property
    def kernel_values(self) -> Array:
        """Values of `kernel_parameters`."""
        table = self.value
        return np.array([table[p.name] for p in self.kernel_parameters])

    def kernel(self, gaps: bool = False) -> Kernel:
        """The compiled passes; ``gaps`` chooses the variant that has the equation of a missing step."""
        return kernel_of(self.mechanism, self.observation, self.folded, gaps)

    def pack(self, sequences: Sequences, presamples: Array | None = None, initial: Array | None = None) -> Packed:
        """Sequences in the kernels' form; presamples (units, q) are computed from the rows unless given."""
        names = [*(k.name for k in self.mechanism.known), *(o.name for o in self.mechanism.outcomes)]
        faults = [n for n in names if n not in {**sequences.known, **sequences.outcome}]
        if faults:
            have = sorted({**sequences.known, **sequences.outcome})
            raise DataError(
                explain(
                    f"{self.name} needs columns that are not there",
                    f"columns {have}",
                    f"also {faults}",
                    "add them, or name them in from_frame(roles=...)",
                )
            )
        X = np.column_stack([sequences.column(n) for n in names])
        units = int(np.sum(sequences.reset))
        Q = self.presamples(sequences) if presamples is None else np.ascontiguousarray(presamples, float)
        S0 = np.zeros((units, len(self.mechanism.states))) if initial is None else np.ascontiguousarray(initial, float)
        flags = (sequences.observed, sequences.weight, sequences.reset)
        return Packed(np.ascontiguousarray(X), *flags, Q, S0, int(initial is not None))

    def presamples(self, sequences: Sequences) -> Array:
        """The mechanism's presample numbers, one row a unit, from the observed rows of each unit."""
        starts = [*sequences.starts, len(sequences)]
        table = np.zeros((len(starts) - 1, len(self.mechanism.presamples)))
        if not self.mechanism.presamples:
            return table
        for u, (a, b) in enumerate(itertools.pairwise(starts)):
            seen = np.asarray(sequences.observed[a:b], bool)
            outcome = {n: v[a:b][seen] for n, v in sequences.outcome.items()}
            known = {n: v[a:b][seen] for n, v in sequences.known.items()}
            found = self.mechanism.presample(outcome, known)
            table[u] = [found[q.name] for q in self.mechanism.presamples]
        return table

    def filter(self, sequences: Sequences, presamples: Array | None = None, initial: Array | None = None) -> Pass:
        """States, reads, gates and log densities along the sequences at the model's values."""
        packed = self.pack(sequences, presamples, initial)
        return self.kernel(not packed.observed.all()).states(self.kernel_values, packed)

    def simulate(
        self, rows: int, seed: int, known: Mapping[str, Array] | None = None, presample: Mapping[str, float] | None = None
    ) -> Sequences:
        """Sequences of one unit drawn from the model; the same seed gives the same bits."""
        name = self._simulated
        inputs = {k.name: np.asarray((known or {})[k.name], float) for k in self.mechanism.known}
        sequences = Sequences({name: np.zeros(rows)}, inputs)
        given = {q.name: 0.0 for q in self.mechanism.presamples} | dict(presample if presample is not None else self._typical_presample())
        packed = self.pack(sequences, np.array([[given[q.name] for q in self.mechanism.presamples]]))
        noise = self.observation.noise((rows,), self.shape_values, np.random.default_rng(seed))
        self.kernel().simulate(self.kernel_values, packed, noise)
        return Sequences({name: packed.X[:, -1].copy()}, inputs)

    def simulate_like(self, sequences: Sequences, seed: int, presamples: Array | None = None) -> Sequences:
        """Sequences of the same make (units, known sequences, weights, groups, index, missing steps) with outcomes drawn from the model.

        ``presamples`` (units, q) start the units; they are computed from the given rows where absent. At a missing step the states move
        as the mechanism's ``unobserved`` says, so the draws follow the law that the likelihood states.
        """
        name = self._simulated
        packed = self.pack(sequences, presamples)
        noise = self.observation.noise((len(sequences),), self.shape_values, np.random.default_rng(seed))
        self.kernel(not packed.observed.all()).simulate(self.kernel_values, packed, noise)
        return replace(sequences, outcome={name: np.where(packed.observed == 1, packed.X[:, -1], np.nan)})

    @property
    def _simulated(self) -> str:
        """Name of the only outcome; raises `DataError` where there are several."""
        if len(self.mechanism.outcomes) != 1:
            raise DataError(
                explain(
                    "simulation needs a single outcome",
                    [o.name for o in self.mechanism.outcomes],
                    "one outcome",
                    "simulate a model whose other outcomes are known sequences",
                )
            )
        return self.mechanism.outcomes[0].name

    def _typical_presample(self) -> dict[str, float]:
        return self.mechanism.typical_presample(self.value)

    @property
    def shape_values(self) -> dict[str, float]:
        """Values of the observation's own parameters."""
        return {p.name: self.value[p.name] for p in self.observation.parameters}

    @functools.cached_property
    def derived_values(self) -> dict[str, float]:
        """Derived quantities at the model's values."""
        from seqsci.equations.tracing import Equations, bind

        bound = Equations(self.mechanism, self.observation).bound(self.value)
        with np.errstate(all="ignore"):
            return {d.name: float(bind(d.expression, bound, d.name)) for d in self.derived}
