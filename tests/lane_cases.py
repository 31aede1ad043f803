"""Small sequences as lanes, on the card where there is one, else on CPU tensors for Triton's interpreter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqsci.engine.accelerator import installed
from seqsci.kernel import Kernel, Packed
from seqsci.lanes.device import device_of
from seqsci.lanes.launch import LaneKernel
from seqsci.lanes.layout import Lanes
from seqsci.model import Model
from seqsci.sequences import Sequences
from tests.triton_interpreter import quicken

DEVICE = "cuda" if torch.cuda.is_available() else "interpreter"
if DEVICE == "interpreter" and installed():
    quicken()


def shortened(sequences: Sequences, rows: int) -> Sequences:
    """The first rows of every unit."""
    ends = [*sequences.starts[1:], len(sequences)]
    kept = np.concatenate([np.arange(a, min(a + rows, b)) for a, b in zip(sequences.starts, ends, strict=True)])
    s, flags = sequences, (sequences.observed.astype(bool)[kept], sequences.weight[kept], sequences.reset.astype(bool)[kept])
    columns = ({n: v[kept] for n, v in table.items()} for table in (s.outcome, s.known))
    return Sequences(*columns, *flags, s.unit[kept], s.group[kept], None, s.measure)


@dataclass(frozen=True, eq=False)
class LaneCase:
    """Packed data, the same as lanes, and both kernels."""

    model: Model
    data: Packed
    lanes: Lanes
    kernel: Kernel
    card: LaneKernel
    offsets: np.ndarray

    @classmethod
    def of(cls, model: Model, data: Packed, together: int = 1) -> LaneCase:
        """Lanes of so many sequences each."""
        kernel = model.kernel(not data.observed.all())
        starts = np.append(np.flatnonzero(data.reset), len(data.X))
        places = np.unique(np.append(np.arange(0, len(starts), together), len(starts) - 1))
        lanes = Lanes.of(data, starts[places], places, device_of(DEVICE))
        return cls(model, data, lanes, kernel, LaneKernel(kernel), starts[places])

    @property
    def parameters(self) -> Tensor:
        return torch.from_numpy(self.model.kernel_values).to(self.lanes.X.device)

    @property
    def repeated(self) -> Tensor:
        return self.parameters.expand(len(self.lanes), self.kernel.k)

    def planes(self, rows: np.ndarray) -> Tensor:
        """Rows (N, c) as planes (c, T, lanes)."""
        found = np.zeros((rows.shape[1], *self.lanes.flags.shape))
        for lane, (a, b) in enumerate(zip(self.offsets, self.offsets[1:], strict=False)):
            found[:, : b - a, lane] = rows[a:b].T
        return torch.from_numpy(found).to(self.lanes.X.device)

    def alone(self, lane: int) -> Packed:
        """The data of one lane."""
        d, a, b = self.data, self.offsets[lane], self.offsets[lane + 1]
        number = np.cumsum(d.reset) - 1
        q = slice(number[a], number[b - 1] + 1)
        return Packed(d.X[a:b].copy(), d.observed[a:b], d.weight[a:b].copy(), d.reset[a:b], d.Q[q].copy(), d.S0[q].copy(), d.given)


def host(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().cpu())
