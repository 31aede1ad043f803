"""Laws of compiled models: back ends and gradients, the time contract, padding, missing steps, units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqsci.equations.torch_backend import LoopResult, loop
from seqsci.model import Model
from seqsci.sequences import Sequences
from seqsci.testing.requirement import require, require_equal

Array = np.ndarray


@dataclass(frozen=True)
class _Oracle:
    """The torch loop over packed sequences, unit by unit, with everything that can be differentiated."""

    parts: tuple[LoopResult, ...]
    parameters: dict[str, Tensor]
    columns: dict[str, Tensor]
    presamples: Tensor

    def stacked(self, field: str) -> Tensor:
        """One field of every unit, packed again."""
        return torch.cat([getattr(p, field) for p in self.parts])

    @property
    def last(self) -> Tensor:
        """Last states (units, n)."""
        return torch.stack([p.last for p in self.parts])


def _oracle(model: Model, sequences: Sequences) -> _Oracle:
    mechanism = model.mechanism
    p = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in model.values}
    names = [*(k.name for k in mechanism.known), *(o.name for o in mechanism.outcomes)]
    columns = {n: torch.tensor(np.nan_to_num(sequences.column(n), nan=0.5), requires_grad=True) for n in names}
    q = torch.tensor(model.presamples(sequences), requires_grad=True)
    seen = torch.tensor(np.asarray(sequences.observed, bool))
    ends = [*sequences.starts[1:], len(sequences)]
    parts = []
    for unit, (a, b) in enumerate(zip(sequences.starts, ends, strict=True)):
        known = {k.name: columns[k.name][a:b] for k in mechanism.known}
        outcome = {o.name: columns[o.name][a:b] for o in mechanism.outcomes}
        before = {r.name: q[unit, i].expand(b - a) for i, r in enumerate(mechanism.presamples)}
        parts.append(loop(mechanism, model.observation, p, known, outcome, seen[a:b], torch.zeros(b - a, dtype=torch.bool), before))
    return _Oracle(tuple(parts), p, columns, q)


def back_ends_agree(model: Model, sequences: Sequences) -> None:
    """Compiled states, reads, gates, log densities and last states equal the float64 torch loop."""
    compiled, oracle = model.filter(sequences), _oracle(model, sequences)
    fix = "keep to the vocabulary, and report this"
    for field in ("states", "reads", "gates", "density"):
        require_equal(f"the back ends disagree on {field}", getattr(compiled, field), oracle.stacked(field), fix, 1e-11, 1e-12)
    require_equal("the back ends disagree on last states", compiled.last, oracle.last, fix, 1e-11, 1e-12)


def gradients_agree(model: Model, sequences: Sequences) -> None:
    """The compiled adjoint equals autograd through the torch loop, for inputs, parameters and presample numbers."""
    packed = model.pack(sequences)
    kernel = model.kernel(not packed.observed.all())
    passed, oracle = kernel.states(model.kernel_values, packed), _oracle(model, sequences)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=a.shape) for a in (passed.states, passed.reads, passed.density, passed.last)]
    outputs = [oracle.stacked("states"), oracle.stacked("reads"), oracle.stacked("density"), oracle.last]
    total = torch.stack([(v * torch.tensor(w)).sum() for v, w in zip(outputs, weights, strict=True)]).sum()
    kept = [oracle.parameters[p.name] for p in model.kernel_parameters]
    leaves = [*kept, *oracle.columns.values(), oracle.presamples]
    expected = [g.numpy() for g in torch.autograd.grad(total, leaves, materialize_grads=True)]
    dx, dp, dq, _ = kernel.adjoint(model.kernel_values, packed, passed.states, tuple(weights))  # type: ignore[arg-type]
    atol = 1e-11 * max(1.0, *(float(np.abs(g).max(initial=0.0)) for g in expected))
    k, fix = len(kept), "keep to the vocabulary, and report this"
    require_equal("adjoint and autograd disagree on parameters", dp, expected[:k], fix, 1e-9, atol)
    require_equal("adjoint and autograd disagree on inputs", dx, np.stack(expected[k:-1], 1), fix, 1e-9, atol)
    require_equal("adjoint and autograd disagree on presample numbers", dq, expected[-1], fix, 1e-9, atol)


def score_agrees(model: Model, sequences: Sequences) -> None:
    """The likelihood is the weighted sum of log densities, its score equals autograd, its rows add up and make the outer products."""
    packed, oracle = model.pack(sequences), _oracle(model, sequences)
    kernel = model.kernel(not packed.observed.all())
    score = kernel.score(model.kernel_values, packed, per_row=True)
    weight = np.asarray(sequences.weight)
    by_hand = -float(weight @ np.where(weight != 0, kernel.states(model.kernel_values, packed).density, 0.0))
    require_equal("the likelihood is not the weighted sum of log densities", score.nll, by_hand, "report this", 1e-11, 1e-11)
    nll = -(oracle.stacked("density") * torch.tensor(weight)).sum()
    leaves = [oracle.parameters[p.name] for p in model.kernel_parameters]
    expected = np.array([float(g) for g in torch.autograd.grad(nll, leaves, materialize_grads=True)])
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    require_equal("score and autograd disagree", score.gradient, expected, "keep to the vocabulary, and report this", 1e-8, 1e-9 * scale)
    require_equal("the rows of the score do not add up", score.rows.sum(0), score.gradient, "report this", 1e-10, 1e-9 * scale)
    outer = score.rows.T @ (score.rows / np.where(weight == 0, 1.0, weight)[:, None])
    require_equal(
        "outer products are not those of the rows", score.outer, outer, "report this", 1e-8, 1e-9 * np.abs(outer).max(initial=1.0)
    )


def time_contract(model: Model, sequences: Sequences) -> None:
    """Other admissible values of the outcomes from row t on leave states and reads up to and including t bit-equal."""
    presamples = model.presamples(sequences)
    before = model.filter(sequences, presamples)
    fix = "read only states and Known sequences before the outcome"
    for t in sorted({0, 1, len(sequences) // 2, len(sequences) - 1}):
        after = model.filter(replaced_from(sequences, t), presamples)
        for field in ("states", "reads"):
            got, expected = getattr(after, field)[: t + 1], getattr(before, field)[: t + 1]
            require_equal(f"{field} up to row {t} see outcomes from row {t} on", got, expected, fix)
        require_equal(f"log densities before row {t} see outcomes from row {t} on", after.density[:t], before.density[:t], fix)


def replaced_from(sequences: Sequences, start: int) -> Sequences:
    """The same sequences with the outcomes of observed rows from ``start`` on replaced by other values that occur in them."""
    rows = np.flatnonzero(np.asarray(sequences.observed))
    late = rows[rows >= start]
    outcome = {n: v.copy() for n, v in sequences.outcome.items()}
    for name, values in sequences.outcome.items():
        pool = np.unique(values[rows])
        place = np.searchsorted(pool, values[late])
        outcome[name][late] = pool[(place + max(1, len(pool) // 2)) % len(pool)]
    return replace(sequences, outcome=outcome)


def padding_is_invisible(model: Model, sequences: Sequences) -> None:
    """Unobserved rows of weight 0 at the end change no earlier value, no presample number and no likelihood."""
    pad = 5

    def padded(values: Any, fill: float) -> Array:
        return np.concatenate([np.asarray(values, float), np.full(pad, fill)])

    s = sequences
    longer = replace(
        s,
        outcome={n: padded(v, np.nan) for n, v in s.outcome.items()},
        known={n: padded(v, v[-1]) for n, v in s.known.items()},
        observed=padded(s.observed, 0).astype(bool),
        weight=padded(s.weight, 0.0),
        reset=padded(s.reset, 0).astype(bool),
        unit=padded(s.unit, np.asarray(s.unit)[-1]).astype(int),
        group=padded(s.group, np.asarray(s.group)[-1]).astype(int),
        index=None,
    )
    require_equal("padding changes presample numbers", model.presamples(longer), model.presamples(s), "compute them from observed rows")
    kernel = model.kernel(gaps=True)
    values, data, more = model.kernel_values, model.pack(s), model.pack(longer)
    short, long = kernel.states(values, data), kernel.states(values, more)
    for field in ("states", "reads", "gates", "density"):
        require_equal(f"padding changes earlier {field}", getattr(long, field)[: len(s)], getattr(short, field), "report this")
    require_equal("padding is scored", long.density[len(s) :], np.zeros(pad), "report this")
    a, b = kernel.score(values, data), kernel.score(values, more)
    require_equal("padding changes the likelihood", b.nll, a.nll, "report this")
    require_equal("padding changes the score", b.gradient, a.gradient, "report this")


def missing_outcomes_never_enter(model: Model, sequences: Sequences) -> None:
    """Whatever stands in the outcome of an unobserved row changes nothing; such a row has no log density and no gates."""
    seen = np.asarray(sequences.observed, bool).copy()
    seen[len(seen) // 3] = seen[-2] = False
    filled = {n: np.nan_to_num(v, nan=0.5) for n, v in sequences.outcome.items()}
    presamples = model.presamples(sequences)
    results = []
    for junk in (0.5, -7.0):
        outcome = {n: np.where(seen, v, junk) for n, v in filled.items()}
        packed = model.pack(replace(sequences, outcome=outcome, observed=seen), presamples)
        results.append(
            (model.kernel(gaps=True).states(model.kernel_values, packed), model.kernel(gaps=True).score(model.kernel_values, packed))
        )
    (one, score), (two, other) = results
    for field in ("states", "reads", "density", "last"):
        require_equal(f"{field} see the outcome of an unobserved row", getattr(two, field), getattr(one, field), "report this")
    require_equal("the score sees the outcome of an unobserved row", other.gradient, score.gradient, "report this")
    require_equal("an unobserved row has a log density", one.density[~seen], np.zeros(int((~seen).sum())), "report this")
    require(np.isnan(one.gates[~seen]).all(), "an unobserved row has gates", one.gates[~seen], "NaN", "report this")


def units_are_independent(model: Model, sequences: Sequences) -> None:
    """Each unit alone gives the states, reads and log densities that it has among the others."""
    kernel, whole = model.kernel(gaps=True), model.pack(sequences)
    together = kernel.states(model.kernel_values, whole)
    for u, (a, b) in enumerate(zip(sequences.starts, [*sequences.starts[1:], len(sequences)], strict=True)):
        alone = kernel.states(model.kernel_values, model.pack(sequences.rows(int(a), int(b))))
        for field in ("states", "reads", "gates", "density"):
            require_equal(f"unit {u} alone has other {field}", getattr(alone, field), getattr(together, field)[a:b], "report this")
        require_equal(f"unit {u} alone has another last state", alone.last[0], together.last[u], "report this")


KERNEL_LAWS = (
    back_ends_agree,
    gradients_agree,
    score_agrees,
    time_contract,
    padding_is_invisible,
    missing_outcomes_never_enter,
    units_are_independent,
)
