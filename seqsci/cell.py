"""A mechanism as a torch module: raw parameters in float64, differentiable passes, and drives that feed it."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from seqsci.constraints import Constraint
from seqsci.equations.torch_backend import loop
from seqsci.errors import DataError, EquationError, ParameterError, explain
from seqsci.lanes.device import compiles, one_device
from seqsci.model import Model
from seqsci.parameter import Parameter

Backend = Literal["auto", "numba", "torch", "triton"]


@dataclass(frozen=True)
class Trace:
    """What a cell went through.

    Attributes:
        states: (B, T, n) states before each step; what a forecast of that step may use.
        gates: (B, T, 3 g) forget, write and candidate of each gated state; telemetry, without gradient.
        reads: by name, (B, T) arguments of the observation.
        log_density: (B, T) log density of the outcome; 0 where it is missing.
        last: (B, n) states after the last step, to go on from.
    """

    states: Tensor
    gates: Tensor
    reads: dict[str, Tensor]
    log_density: Tensor
    last: Tensor


class ScientificParameter(nn.Module):
    """One parameter: ``raw`` is what an optimiser moves, `value` what people read; an assignment outside the set is refused."""

    def __init__(self, declaration: Parameter, value: float) -> None:
        super().__init__()
        self.declaration = declaration
        self.raw = nn.Parameter(torch.tensor(declaration.constraint.inverse(value), dtype=torch.float64))
        self.raw.no_weight_decay = True  # type: ignore[attr-defined]

    @property
    def constraint(self) -> Constraint:
        """The admissible set."""
        return self.declaration.constraint

    @property
    def value(self) -> Tensor:
        """The natural value, differentiable."""
        return torch.as_tensor(self.constraint.forward(self.raw))

    def assign(self, value: float) -> None:
        """Set the natural value; raises `ParameterError` outside the set."""
        try:
            raw = self.constraint.inverse(value)
        except ParameterError as error:
            raise ParameterError(f"{self.declaration.name}: {error}") from error
        with torch.no_grad():
            self.raw.fill_(raw)


class _KernelPass(torch.autograd.Function):
    """Compiled states with the compiled adjoint as backward."""

    @staticmethod
    def forward(
        ctx: Any, model: Model, x: Tensor, p: Tensor, q: Tensor, s0: Tensor, flags: tuple[np.ndarray, np.ndarray, int]
    ) -> tuple[Tensor, ...]:
        from seqsci.kernel import Packed

        observed, reset, given = flags
        packed = Packed(_array(x), observed, np.ones(len(observed)), reset, _array(q), _array(s0), given)
        kernel = model.kernel(not observed.all())
        result = kernel.states(_array(p), packed)
        ctx.save_for_backward(x, p, q, s0)
        ctx.kernel, ctx.packed, ctx.p, ctx.states = kernel, packed, _array(p), result.states
        outputs = tuple(torch.from_numpy(a) for a in (result.states, result.reads, result.density, result.last, result.gates))
        ctx.mark_non_differentiable(outputs[-1])
        return outputs

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_Adjoint.apply(ctx, *ctx.saved_tensors, *cotangents), None  # type: ignore[no-untyped-call]


class _Adjoint(torch.autograd.Function):
    """The compiled adjoint of a pass; it depends on the pass's inputs, so its own derivative is refused, not taken for zero."""

    @staticmethod
    def forward(ctx: Any, first: Any, x: Tensor, p: Tensor, q: Tensor, s0: Tensor, *cotangents: Tensor) -> tuple[Tensor, ...]:
        ds, dr, dl, de, _ = (_array(c) for c in cotangents)
        return tuple(torch.from_numpy(g) for g in first.kernel.adjoint(first.p, first.packed, first.states, (ds, dr, dl, de)))

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        fix = "Cell(model, backend='torch')"
        raise EquationError(explain("a compiled pass has no second derivative", "a derivative of its gradient", "first derivatives", fix))


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float64)


class Cell(nn.Module):
    """Wraps a `Model` once: ``forward(known, outcome, state) -> Trace``; parameters live under ``scientific.NAME.raw``.

    ``backend="auto"`` takes compiled kernels: numba's on the CPU, Triton's on a CUDA card, and the torch loop where they are not installed
    (of "triton", the kernels on CPU tensors are interpreted, for tests). All run in float64 and agree to rounding. Raises `DeviceError`
    where parameters and inputs are on several devices.
    """

    def __init__(self, model: Model, backend: Backend = "auto") -> None:
        super().__init__()
        if backend not in get_args(Backend):
            raise ParameterError(explain("unknown backend", backend, "auto, numba, torch or triton", "pass one of them"))
        self.model = model
        self.backend = backend
        self.scientific = nn.ModuleDict(
            {p.name: ScientificParameter(p, model.value[p.name]) for p in model.kernel_parameters if p.name not in model.fixed}
        )

    def values(self) -> dict[str, Tensor]:
        """Natural values of every parameter; fixed ones are constants."""
        free = {n: m.value for n, m in self.scientific.items() if isinstance(m, ScientificParameter)}
        device = next(self.parameters()).device if free else torch.device("cpu")
        return {n: free.get(n, torch.tensor(v, dtype=torch.float64, device=device)) for n, v in self.model.values}

    def to_model(self) -> Model:
        """The model at the current values."""
        return self.model.start_at(**{n: float(v.detach()) for n, v in self.values().items()})

    def forward(
        self,
        known: Mapping[str, Tensor],
        outcome: Mapping[str, Tensor],
        state: Tensor | None = None,
        presample: Mapping[str, Tensor] | None = None,
        observed: Tensor | None = None,
    ) -> Trace:
        """Run over (B, T) sequences from ``state`` (B, n), or from the start equation at ``presample`` numbers (B,)."""
        mechanism = self.model.mechanism
        inputs = {**known, **outcome}
        names = [*(k.name for k in mechanism.known), *(o.name for o in mechanism.outcomes)]
        missing = [n for n in names if n not in inputs]
        if missing:
            raise DataError(explain("the cell lacks inputs", sorted(inputs), names, f"pass {missing}"))
        columns = {n: inputs[n].to(torch.float64) for n in names}
        placed = {**columns, **(presample or {}), **({} if state is None else {"state": state})}
        device = one_device({**placed, **{f"the parameter {n}": v for n, v in self.named_parameters()}})
        batch, steps = columns[names[-1]].shape
        finite = ~torch.isnan(torch.stack([columns[o.name] for o in mechanism.outcomes])).any(0)
        seen = finite if observed is None else observed & finite
        typical = mechanism.typical_presample(self.model.value)
        plain: Any = {"dtype": torch.float64, "device": device}
        q = {r.name: (presample or {}).get(r.name, torch.full((batch,), typical[r.name], **plain)) for r in mechanism.presamples}
        backend = self._chosen(device)
        if backend == "torch":
            return self._loop(columns, q, state, seen)
        p = torch.stack([v for n, v in self.values().items() if n in {k.name for k in self.model.kernel_parameters}])
        stacked_q = torch.stack(list(q.values()), 1) if q else torch.zeros((batch, 0), **plain)
        s0 = torch.zeros((batch, len(mechanism.states)), **plain) if state is None else state
        if backend == "triton":
            return self._lanes(torch.stack([columns[n] for n in names], -1), p, stacked_q.double(), s0.double(), seen, state is not None)
        x = torch.stack([columns[n].reshape(-1) for n in names], 1)
        reset = np.zeros((batch, steps), np.uint8)
        reset[:, :1] = 1
        flags = (np.ascontiguousarray(seen.reshape(-1).numpy(), dtype=np.uint8), reset.reshape(-1), int(state is not None))
        states, reads, density, last, gates = _KernelPass.apply(self.model, x, p, stacked_q, s0, flags)  # type: ignore[no-untyped-call]
        shape = (batch, steps, -1)
        by_name = dict(zip(self.model.kernel().program.read_names, reads.reshape(shape).unbind(-1), strict=True))
        return Trace(states.reshape(shape), gates.reshape(batch, steps, gates.shape[-1]), by_name, density.reshape(batch, steps), last)

    def _chosen(self, device: torch.device) -> str:
        """The back end for tensors of a device."""
        if self.backend != "auto":
            return self.backend
        if device.type == "cpu":
            return "numba" if importlib.util.find_spec("numba") is not None else "torch"
        return "triton" if compiles(device) else "torch"

    def _lanes(self, x: Tensor, p: Tensor, q: Tensor, s0: Tensor, seen: Tensor, given: bool) -> Trace:
        from seqsci.lanes.differentiable import passed
        from seqsci.lanes.launch import lane_kernel

        kernel = lane_kernel(self.model.kernel(not bool(seen.all())))
        states, reads, density, last, gates = passed(kernel, x, p, q, s0, seen, given)
        return Trace(states, gates, dict(zip(kernel.program.read_names, reads.unbind(-1), strict=True)), density, last)

    def _loop(self, columns: Mapping[str, Tensor], q: Mapping[str, Tensor], state: Tensor | None, seen: Tensor) -> Trace:
        mechanism = self.model.mechanism
        known = {k.name: columns[k.name] for k in mechanism.known}
        outcome = {o.name: columns[o.name] for o in mechanism.outcomes}
        reset = torch.zeros_like(seen)
        stretched = {n: v[:, None].expand(seen.shape) for n, v in q.items()}
        result = loop(mechanism, self.model.observation, self.values(), known, outcome, seen, reset, stretched, state)
        return Trace(
            result.states, result.gates, dict(zip(result.read_names, result.reads.unbind(-1), strict=True)), result.density, result.last
        )

    def step(self, known: Mapping[str, Tensor], outcome: Mapping[str, Tensor], state: Tensor) -> Trace:
        """One step of streaming: (B,) inputs and a (B, n) state; go on from ``trace.last``."""
        return self.forward({n: v[:, None] for n, v in known.items()}, {n: v[:, None] for n, v in outcome.items()}, state)


def parameter_groups(
    module: nn.Module, weight_decay: float, learning_rate: float, scientific_learning_rate: float | None = None
) -> list[dict[str, Any]]:
    """Optimiser groups that keep weight decay off scientific parameters (and off biases and other vectors).

    A decay pulls a raw parameter to 0, which is the middle of its admissible set: a half-life would drift without any evidence.

    >>> from seqsci.cells.volatility import Volatility
    >>> from seqsci.observations.gaussian import Gaussian
    >>> [g["weight_decay"] for g in parameter_groups(Cell(Model(Volatility(), Gaussian())), 0.1, 1e-3)]
    [0.0]
    """
    scientific: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    for p in module.parameters():
        if p.requires_grad:
            (scientific if getattr(p, "no_weight_decay", False) else decayed if p.ndim > 1 else plain).append(p)
    groups = (
        {"params": scientific, "weight_decay": 0.0, "lr": learning_rate if scientific_learning_rate is None else scientific_learning_rate},
        {"params": plain, "weight_decay": 0.0, "lr": learning_rate},
        {"params": decayed, "weight_decay": weight_decay, "lr": learning_rate},
    )
    return [g for g in groups if g["params"]]


class Drive(nn.Module, ABC):
    """Abstract base: turns known columns (B, T) by name into Known sequences (B, T) of a mechanism; networks enter a mechanism here.

    It is trained through the exact adjoint of the cell it feeds. No standard errors are claimed for its weights.
    """

    @abstractmethod
    def forward(self, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Known sequences by name, float64."""


class NetworkDrive(Drive):
    """``name_t = w2 tanh(W1 (x_t - center) / scale + b1) + b2``, zero at initialisation so that it starts as no drive.

    Args:
        name: of the Known sequence that it feeds.
        inputs: names of the known columns that it reads.
        hidden: width of the hidden layer.
    """

    def __init__(self, name: str, inputs: tuple[str, ...], hidden: int = 16) -> None:
        super().__init__()
        if not inputs or hidden < 1:
            raise ParameterError(explain("a drive without inputs or units", (inputs, hidden), "at least one of each", "name known columns"))
        self.name, self.inputs = name, tuple(inputs)
        self.center = nn.Buffer(torch.zeros(len(inputs)))
        self.scale = nn.Buffer(torch.ones(len(inputs)))
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(len(inputs), hidden), nn.Tanh(), last)

    def standardise(self, known: Mapping[str, np.ndarray]) -> None:
        """Set center and scale to mean and standard deviation of the inputs; pass training rows only."""
        columns = np.column_stack([known[n] for n in self.inputs])
        spread = columns.std(0)
        self.center.copy_(torch.from_numpy(columns.mean(0)))
        self.scale.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))

    def forward(self, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``{name: network(inputs)}`` in float64."""
        missing = [n for n in self.inputs if n not in known]
        if missing:
            raise DataError(explain("the drive lacks inputs", sorted(known), list(self.inputs), f"add the known columns {missing}"))
        x = torch.stack([known[n] for n in self.inputs], -1).to(self.center.dtype)
        return {self.name: self.layers((x - self.center) / self.scale).squeeze(-1).to(torch.float64)}
