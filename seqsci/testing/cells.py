"""Laws of cells: batches, streaming, the torch back end, saved parameters, knock-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from seqsci.cell import Cell, Trace
from seqsci.equations.tracing import Equations
from seqsci.gates.base import Gate
from seqsci.gates.knockout import Closed, Frozen, Open
from seqsci.knockout import knock_out
from seqsci.model import Model
from seqsci.sequences import Sequences
from seqsci.testing.requirement import require, require_equal

BACKENDS: tuple[Literal["numba", "torch"], ...] = ("numba", "torch")
STEPS = 7
FIELDS = ("states", "gates", "log_density", "last")


@dataclass(frozen=True)
class Windows:
    """Overlapping windows of sequences as a batch: known and outcome (B, T), presample numbers (B,)."""

    known: dict[str, Tensor]
    outcome: dict[str, Tensor]
    presample: dict[str, Tensor]

    @classmethod
    def of(cls, model: Model, sequences: Sequences, count: int, gap: bool) -> Windows:
        """``count`` windows; with ``gap`` the outcomes of their second row are missing, without it none is."""
        firsts = np.linspace(0, len(sequences) - STEPS, count).astype(int)
        rows = firsts[:, None] + np.arange(STEPS)
        fill = {n: float(np.nanmean(sequences.outcome[n])) for n in (o.name for o in model.mechanism.outcomes)}
        outcome = {n: torch.tensor(np.nan_to_num(sequences.outcome[n], nan=v)[rows]) for n, v in fill.items()}
        if gap:
            for values in outcome.values():
                values[:, 1] = torch.nan
        known = {k.name: torch.tensor(sequences.column(k.name)[rows]) for k in model.mechanism.known}
        typical = model.mechanism.typical_presample(model.value)
        spread = 1 + 0.1 * torch.arange(count, dtype=torch.float64)
        return cls(known, outcome, {n: v * spread for n, v in typical.items()})

    def part(self, rows: slice, steps: slice = slice(None)) -> Windows:
        """Some windows, some of their steps."""
        known, outcome = ({n: v[rows, steps].clone() for n, v in d.items()} for d in (self.known, self.outcome))
        return Windows(known, outcome, {n: v[rows] for n, v in self.presample.items()})

    def run(self, cell: Cell, state: Tensor | None = None) -> Trace:
        """The cell over the windows."""
        return cell(self.known, self.outcome, state, self.presample)  # type: ignore[no-any-return]


def _gradients(cell: Cell, windows: Windows, state: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """Gradients of the summed log density: of each window's inputs (B, T, m) and of the parameters."""
    inputs = [v.requires_grad_() for v in (*windows.known.values(), *windows.outcome.values())]
    leaves = [*inputs, *cell.parameters()]
    total = windows.run(cell, state).log_density.sum()
    grads = torch.autograd.grad(total, leaves, materialize_grads=True)
    return torch.stack(grads[: len(inputs)], -1), list(grads[len(inputs) :])


def _batches(model: Model) -> list[int]:
    """Batch sizes that a mix-up of dimensions would show at: one, the number of states, the number of steps, another."""
    return sorted({1, len(model.mechanism.states), STEPS, 3})


def batched_equals_per_sample(model: Model, sequences: Sequences) -> None:
    """A batch gives each window what it gets alone, in values and gradients, from the start equation and from given states."""
    fix = "write the equations elementwise"
    for backend in BACKENDS:
        cell = Cell(model, backend)
        windows = Windows.of(model, sequences, max(_batches(model)), gap=True)
        given = windows.run(cell).last.detach()
        for state in (None, given):
            alone, grads = [], []
            for b in range(len(given)):
                own = None if state is None else state[b : b + 1]
                part = windows.part(slice(b, b + 1))
                alone.append(part.run(cell, own))
                grads.append(_gradients(cell, part, own))
            for size in _batches(model):
                law = f"a batch of {size} differs from its samples ({backend}, state {'given' if state is not None else 'started'}) in"
                part, own = windows.part(slice(0, size)), None if state is None else state[:size]
                trace = part.run(cell, own)
                for field in FIELDS:
                    expected = torch.cat([getattr(a, field) for a in alone[:size]])
                    require_equal(f"{law} {field}", getattr(trace, field), expected, fix, 1e-12, 1e-13)
                for name, read in trace.reads.items():
                    require_equal(f"{law} {name}", read, torch.cat([a.reads[name] for a in alone[:size]]), fix, 1e-12, 1e-13)
                dx, dp = _gradients(cell, part, own)
                require_equal(f"{law} input gradients", dx, torch.cat([g[0] for g in grads[:size]]), fix, 1e-9, 1e-11)
                for i, (name, got) in enumerate(zip((n for n, _ in cell.named_parameters()), dp, strict=True)):
                    expected = torch.stack([g[1][i] for g in grads[:size]]).sum()
                    require_equal(f"{law} the gradient of {name}", got, expected, fix, 1e-8, 1e-9)


def cell_back_ends_agree(model: Model, sequences: Sequences) -> None:
    """The compiled cell equals the torch cell in values and gradients, with and without a missing step, started and given a state."""
    fix = "keep to the vocabulary, and report this"
    compiled, reference = Cell(model, "numba"), Cell(model, "torch")
    for gap in (True, False):
        windows = Windows.of(model, sequences, 3, gap)
        given = windows.run(reference).last.detach()
        for state in (None, given):
            law = f"cells disagree ({'a' if gap else 'no'} missing step, state {'given' if state is not None else 'started'}) on"
            one, two = windows.run(compiled, state), windows.run(reference, state)
            for field in FIELDS:
                require_equal(f"{law} {field}", getattr(one, field), getattr(two, field), fix, 1e-11, 1e-12)
            require(list(one.reads) == list(two.reads), f"{law} names of reads", list(one.reads), list(two.reads), fix)
            for name in one.reads:
                require_equal(f"{law} {name}", one.reads[name], two.reads[name], fix, 1e-11, 1e-12)
            if not gap:
                continue
            (dx, dp), (ex, ep) = (_gradients(c, windows.part(slice(None)), state) for c in (compiled, reference))
            require_equal(f"{law} input gradients", dx, ex, fix, 1e-8, 1e-10)
            require_equal(f"{law} parameter gradients", torch.stack(dp), torch.stack(ep), fix, 1e-8, 1e-9)


def streaming_equals_forward(model: Model, sequences: Sequences) -> None:
    """`Cell.step` one by one gives what `Cell.forward` gives at once."""
    for backend in BACKENDS:
        cell = Cell(model, backend)
        windows = Windows.of(model, sequences, 3, gap=True)
        whole = windows.run(cell)
        trace = windows.part(slice(None), slice(0, 1)).run(cell)
        pieces = [trace]
        for t in range(1, STEPS):
            known, outcome = ({n: v[:, t] for n, v in d.items()} for d in (windows.known, windows.outcome))
            trace = cell.step(known, outcome, trace.last)
            pieces.append(trace)
        law = f"streaming differs from forward ({backend}) in"
        for field in ("states", "gates", "log_density"):
            expected = torch.cat([getattr(p, field) for p in pieces], 1)
            require_equal(f"{law} {field}", getattr(whole, field), expected, "carry trace.last", 1e-12, 1e-13)
        require_equal(f"{law} the last state", whole.last, trace.last, "carry trace.last", 1e-12, 1e-13)


def parameters_survive_saving(model: Model, sequences: Sequences) -> None:
    """A state_dict loaded into a fresh cell gives the same model; its keys name the parameters."""
    cell = Cell(model)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.25)
    fresh = Cell(model)
    fresh.load_state_dict(cell.state_dict())
    names = {p.name for p in model.kernel_parameters if p.name not in model.fixed}
    keys = {f"scientific.{n}.raw" for n in names}
    require(set(cell.state_dict()) == keys, "keys of a saved cell", sorted(cell.state_dict()), sorted(keys), "report this")
    require(
        fresh.to_model() == cell.to_model(),
        "a saved cell comes back different",
        fresh.to_model().values,
        cell.to_model().values,
        "report this",
    )
    moved = [n for n in names if fresh.to_model().value[n] == model.value[n]]
    require(not moved, "a parameter does not follow its raw number", moved, "another value", "check the constraint's forward map")


def knock_outs_have_their_closed_form(model: Model, sequences: Sequences) -> None:
    """With gates stuck at constants, each gated state is ``forget * state + write * candidate + leak``, step by step."""
    states = [s.name for s in model.mechanism.states]
    windows = Windows.of(model, sequences, 2, gap=False)
    gated = windows.run(Cell(model, "torch")).gates.shape[-1] > 0
    cases: tuple[tuple[Gate | None, Gate | None], ...] = ((Closed(), None), (Open(), Closed()), (Frozen(0.25), Frozen(0.5)))
    for forget, write in cases if gated else ():
        knocked = knock_out(model, forget, write)
        trace = windows.run(Cell(knocked, "torch"))
        path = torch.cat([trace.states, trace.last[:, None]], 1).detach()
        values = {n: torch.tensor(v, dtype=torch.float64) for n, v in model.values}
        for t in range(STEPS):
            now = {n: path[:, t, i] for i, n in enumerate(states)}
            known, outcome = ({n: v[:, t] for n, v in d.items()} for d in (windows.known, windows.outcome))
            reads = {n: v[:, t].detach() for n, v in trace.reads.items()}
            step = Equations(model.mechanism, model.observation).update(values, now, known, outcome, reads)
            for i, (name, gate) in enumerate(zip(states, step.gates, strict=True)):
                if gate is None:
                    continue
                f = gate.forget if forget is None else float(forget.opening({}, {}))
                w = gate.write if write is None else float(write.opening({}, {}))
                expected = torch.as_tensor(f * now[name] + w * gate.candidate + gate.leak)
                law = f"{name} with forget = {forget}, write = {write} at step {t}"
                require_equal(law, path[:, t + 1, i], expected.expand(2), "return a Gated from update", 1e-12, 1e-13)


def gates_stay_in_range(model: Model, sequences: Sequences) -> None:
    """Forget and write of every gated state lie in [0, 1] along the sequences."""
    gates = model.filter(sequences).gates
    both = gates.reshape(len(gates), -1, 3)[:, :, :2]
    out = both[(both < 0) | (both > 1)]
    require(not len(out), "a gate leaves [0, 1]", out[:5], "forget and write in [0, 1]", "move what exceeds 1 into the candidate")


CELL_LAWS = (
    batched_equals_per_sample,
    cell_back_ends_agree,
    streaming_equals_forward,
    parameters_survive_saving,
    knock_outs_have_their_closed_form,
    gates_stay_in_range,
)
