"""Launches the generated Triton kernels of a model on lanes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqsci.equations import triton_passes
from seqsci.equations.quadrature import JACOBIANS, NODES
from seqsci.equations.triton_backend import LaneWriter
from seqsci.equations.triton_cache import load, require_triton
from seqsci.errors import ParameterError, explain
from seqsci.kernel import Kernel
from seqsci.lanes.layout import Lanes

BLOCK = 32
"""Lanes of a program on the card: one warp, so that no lane waits for another at a barrier."""
INTERPRETED_BLOCK = 1024
"""Most lanes of a program in the interpreter, whose time is that of the programs and steps."""


@dataclass(frozen=True)
class LanePass:
    """A forward pass in planes: states (n, T, lanes), reads, gates, density (T, lanes), last states (n, sequences)."""

    states: Tensor
    reads: Tensor
    gates: Tensor
    density: Tensor
    last: Tensor


@dataclass(frozen=True)
class LaneScore:
    """By position: nll (C,), gradient (C, k) and outer products (C, k, k); on the raw scale with natural values and slopes (C, k)."""

    nll: Tensor
    gradient: Tensor
    outer: Tensor | None
    natural: Tensor
    slope: Tensor


class LaneKernel:
    """The Triton kernels of a program, written and compiled at first use; on CPU tensors Triton's interpreter runs them."""

    def __init__(self, kernel: Kernel) -> None:
        require_triton()
        self.program, self.constraints, self.label = kernel.program, kernel.constraints, kernel.label
        self.n, self.k = kernel.n, kernel.k

    @functools.cached_property
    def _sources(self) -> dict[str, str]:
        return {}

    def source(self, name: str) -> str:
        """The text of one kernel."""
        if name not in self._sources:
            writer = LaneWriter(self.program)
            self._sources[name] = {
                "score": lambda: writer.score(),
                "objective": lambda: writer.score(self.constraints),
                "states": lambda: triton_passes.states(writer),
                "adjoint": lambda: triton_passes.adjoint(writer),
                "information": lambda: triton_passes.information(writer),
            }[name]()
        return self._sources[name]

    def score(self, parameters: Tensor, lanes: Lanes, index: Tensor | None = None, full: bool = True) -> LaneScore:
        """Score at natural parameters (C, k) of the lanes ``index`` (C,), or of all."""
        return self._scored("score", parameters, lanes, index, full)

    def objective(self, raw: Tensor, lanes: Lanes, index: Tensor | None = None, full: bool = True) -> LaneScore:
        """Score at raw parameters (C, k); infinite ones are bounds."""
        return self._scored("objective", raw, lanes, index, full)

    def _scored(self, name: str, values: Tensor, lanes: Lanes, index: Tensor | None, full: bool) -> LaneScore:
        count, k = values.shape[0], self.k
        nll, gradient = values.new_empty(count), values.new_empty((k, count))
        triangle = values.new_zeros((k * (k + 1) // 2 if full else 1, count))
        more = (values.new_empty((k, count)), values.new_empty((k, count))) if name == "objective" else ()
        outputs = (nll, gradient, triangle, *more)
        self._launch(name, values, lanes, index, outputs, {"FULL": full})
        natural, slope = (m.t() for m in more) if more else (values, torch.ones_like(values))
        return LaneScore(nll, gradient.t(), square(triangle, k) if full else None, natural, slope)

    def information(self, parameters: Tensor, lanes: Lanes, index: Tensor | None = None) -> Tensor:
        """Gauss-Newton information (C, k, k) at natural parameters (C, k)."""
        triangle = parameters.new_zeros((self.k * (self.k + 1) // 2, parameters.shape[0]))
        self._launch("information", parameters, lanes, index, (triangle,), {})
        return square(triangle, self.k)

    def states(self, parameters: Tensor, lanes: Lanes) -> LanePass:
        """Filter all lanes at natural parameters (lanes, k), or (k,) for all."""
        p, shape = self.program, lanes.flags.shape
        sizes = (self.n, 0.0), (len(p.reads), 0.0), (3 * len(p.gates), torch.nan), (1, 0.0)
        planes = [parameters.new_full((count, *shape), value) for count, value in sizes]
        last = torch.zeros_like(lanes.S0)
        self._launch("states", self._each(parameters, lanes), lanes, None, (*planes, last), {})
        return LanePass(planes[0], planes[1], planes[2], planes[3][0], last)

    def adjoint(
        self, parameters: Tensor, lanes: Lanes, states: Tensor, cotangents: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients by inputs (inputs, T, lanes), parameters (lanes, k), presamples and first states.

        ``cotangents``: those of states, reads, log density and last states, in the planes of `LanePass`.
        """
        out = [torch.zeros_like(lanes.X), parameters.new_zeros((self.k, len(lanes))), torch.zeros_like(lanes.Q), torch.zeros_like(lanes.S0)]
        given = (states, *cotangents)
        self._launch("adjoint", self._each(parameters, lanes), lanes, None, (*[g.contiguous() for g in given], *out), {})
        return out[0], out[1].t(), out[2], out[3]

    def _each(self, parameters: Tensor, lanes: Lanes) -> Tensor:
        return parameters.expand(len(lanes), self.k) if parameters.ndim == 1 else parameters

    def _launch(
        self, name: str, values: Tensor, lanes: Lanes, index: Tensor | None, arrays: tuple[Tensor, ...], switches: dict[str, bool]
    ) -> None:
        count = values.shape[0]
        if values.device != lanes.X.device:
            got = f"parameters on {values.device}, data on {lanes.X.device}"
            raise ParameterError(explain("parameters and data are on different devices", got, "one device", "move them: .to(device)"))
        if not count or not lanes.steps:
            return
        index = torch.arange(count, device=values.device) if index is None else index
        interpret = values.device.type != "cuda"
        block = min(INTERPRETED_BLOCK, max(2, 1 << (count - 1).bit_length())) if interpret else BLOCK
        programs = -(-count // block)
        lengths = torch.zeros(programs * block, dtype=torch.int32, device=values.device)
        lengths[:count] = lanes.lengths[index]
        steps = lengths.view(programs, block).amax(1)
        weight = lanes.X if lanes.weight is None else lanes.weight
        nodes = _nodes(values.device)
        sizes = (lanes.flags.numel(), len(lanes), count, lanes.Q.shape[1])
        data = (lanes.X, lanes.flags, weight, lanes.Q, lanes.S0, lanes.first, steps, index, *nodes, *sizes)
        known = {**switches, "WEIGHTED": lanes.weight is not None, "SEVERAL": lanes.several, "GIVEN": lanes.given, "BLOCK": block}
        self._run(name, programs, (values.t().contiguous(), *data, *arrays), known, interpret)

    def _run(self, name: str, programs: int, arguments: tuple[Any, ...], known: dict[str, Any], interpret: bool) -> None:
        kernel = load(self.source(name), name, self.label, interpret)
        if interpret:
            with np.errstate(all="ignore"):
                kernel[(programs,)](*arguments, **known)
            return
        with torch.cuda.device(arguments[0].device):
            kernel[(programs,)](*arguments, **known, num_warps=1, enable_fp_fusion=True)


@functools.lru_cache(maxsize=256)
def lane_kernel(kernel: Kernel) -> LaneKernel:
    """The Triton kernels of a model's kernel, written once."""
    return LaneKernel(kernel)


@functools.lru_cache(maxsize=16)
def _nodes(device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(NODES).to(device), torch.from_numpy(JACOBIANS).to(device)


@functools.lru_cache(maxsize=64)
def _square(k: int, device: torch.device) -> Tensor:
    place = np.zeros((k, k), np.int64)
    for number, (a, b) in enumerate(zip(*np.tril_indices(k), strict=True)):
        place[a, b] = place[b, a] = number
    return torch.from_numpy(place.reshape(-1)).to(device)


def square(triangle: Tensor, k: int) -> Tensor:
    """Symmetric matrices (C, k, k) from planes of their lower triangles."""
    found: Tensor = triangle[_square(k, triangle.device)]
    return found.t().reshape(-1, k, k)
