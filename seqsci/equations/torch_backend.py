"""The float64 torch loop: the oracle of every other back end, and the only one that a bare install needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from seqsci.equations.tracing import Equations
from seqsci.mechanism import Mechanism
from seqsci.observations.base import Observation


@dataclass(frozen=True)
class LoopResult:
    """Everything stacked over time.

    states (..., T, n), reads (..., T, r), density (..., T), last (..., n), gates (..., T, 3 g) with NaN at missing steps.
    """

    states: Tensor
    reads: Tensor
    density: Tensor
    last: Tensor
    gates: Tensor
    read_names: tuple[str, ...]


def _full(value: object, shape: torch.Size, like: Tensor) -> Tensor:
    return torch.broadcast_to(torch.as_tensor(value, dtype=like.dtype, device=like.device), shape)


def loop(
    mechanism: Mechanism,
    observation: Observation,
    parameters: Mapping[str, Tensor],
    known: Mapping[str, Tensor],
    outcome: Mapping[str, Tensor],
    observed: Tensor,
    reset: Tensor,
    presample: Mapping[str, Tensor],
    initial: Tensor | None = None,
) -> LoopResult:
    """Run the equations step by step over the last dimension of (..., T) sequences; autograd sees every operation.

    ``observed`` and ``reset`` are (..., T) booleans; at a reset the states come from ``start`` (from ``initial`` (..., n) at t = 0
    where given). ``presample`` holds (..., T) sequences (the unit's number repeated), so that packed units fit in one row.
    """
    equations = Equations(mechanism, observation)
    reference = next(iter(outcome.values()))
    shape = reference.shape[:-1]
    now: tuple[Tensor, ...] = ()
    states, reads, density, gates = [], [], [], []
    for t in range(reference.shape[-1]):
        k = {n: v[..., t] for n, v in known.items()}
        y = {n: v[..., t] for n, v in outcome.items()}
        if t == 0 or bool(reset[..., t].any()):
            q = {n: v[..., t] for n, v in presample.items()}
            fresh = tuple(_full(s, shape, reference) for s in equations.start(parameters, k, q))
            if t == 0:
                now = fresh if initial is None else tuple(initial[..., i] for i in range(initial.shape[-1]))
            else:
                now = tuple(torch.where(reset[..., t], f, c) for f, c in zip(fresh, now, strict=True))
        named = dict(zip(equations.state_names, now, strict=True))
        read = equations.read(parameters, named, k)
        states.append(torch.stack(now, -1))
        reads.append(torch.stack([_full(v, shape, reference) for v in read.values()], -1))
        seen = observed[..., t]
        safe = {n: torch.where(seen, v, torch.ones_like(v)) for n, v in y.items()}
        full = _full(equations.log_density(parameters, read, safe), shape, reference)
        density.append(torch.where(seen, full, torch.zeros_like(full)))
        step = equations.update(parameters, named, k, safe, read)
        new = [_full(s, shape, reference) for s in step.states]
        flat = [_full(v, shape, reference).detach() for g in step.gates if g is not None for v in (g.forget, g.write, g.candidate)]
        gates.append(torch.stack([torch.where(seen, v, torch.nan) for v in flat], -1) if flat else reference.new_zeros((*shape, 0)))
        if bool(seen.all()):
            now = tuple(new)
        else:
            missing = [_full(s, shape, reference) for s in equations.unobserved(parameters, named, k, read)]
            now = tuple(torch.where(seen, a, b) for a, b in zip(new, missing, strict=True))
    return LoopResult(
        torch.stack(states, -2), torch.stack(reads, -2), torch.stack(density, -1), torch.stack(now, -1), torch.stack(gates, -2), tuple(read)
    )
