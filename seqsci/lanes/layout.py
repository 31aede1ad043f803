"""Packed sequences as lanes: padded, time-major, on a device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqsci.equations.triton_backend import BEGINS, ENDS, OBSERVED, PRESENT
from seqsci.kernel import Packed

Array = np.ndarray
ROWS = 2**21
"""Rows that are moved to the device at a time, so that hardly more is held there than the lanes themselves."""
MOVED = 48
"""Most bytes that a row takes on the device while it is moved: values, flags, its place."""


@dataclass(frozen=True, eq=False)
class Lanes:
    """Data of many fits, a lane each; see `seqsci.equations.triton_backend`.

    Attributes:
        X: (inputs, T, lanes); flags: (T, lanes) bits; weight: (T, lanes), or None where all are 1.
        Q: (presamples, sequences); S0: (states, sequences); given: sequences start from S0.
        first: (lanes + 1,) number of the first sequence of each lane; several: whether a lane has more than one.
        lengths: (lanes,) steps.
    """

    X: Tensor
    flags: Tensor
    weight: Tensor | None
    Q: Tensor
    S0: Tensor
    given: bool
    first: Tensor
    several: bool
    lengths: Tensor

    def __len__(self) -> int:
        return int(self.lengths.shape[0])

    @property
    def steps(self) -> int:
        """Steps of the longest lane."""
        return int(self.flags.shape[0])

    @classmethod
    def of(cls, data: Packed, offsets: Array, places: Array, device: torch.device) -> Lanes:
        """Lay packed rows out: lane i has rows offsets[i] .. offsets[i + 1] and sequences places[i] .. places[i + 1].

        Every lane begins with a sequence.
        """

        def there(values: Array) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        lengths, lanes, inputs = np.diff(offsets), len(offsets) - 1, data.X.shape[1]
        steps = int(lengths.max(initial=0))
        weights = data.weight[:1] if data.weight.strides == (0,) else data.weight
        X = torch.zeros((inputs, steps, lanes), dtype=torch.float64, device=device)
        flags = torch.zeros((steps, lanes), dtype=torch.uint8, device=device)
        weight = None if bool((weights == 1).all()) else torch.zeros((steps, lanes), dtype=torch.float64, device=device)
        for some in _parts(offsets):
            rows, own = slice(int(offsets[some.start]), int(offsets[some.stop])), there(lengths[some])
            even = bool((lengths[some] == lengths[some.start]).all())
            target = None if even else _targets(own, some.start, lanes)

            def lay(plane: Tensor, values: Tensor, some: slice = some, target: Tensor | None = target) -> None:
                if target is None:
                    plane[: values.shape[0] // (some.stop - some.start), some] = values.view(some.stop - some.start, -1).t()
                else:
                    plane.view(-1)[target] = values

            begins, observed = there(data.reset[rows]).bool(), there(data.observed[rows]).bool()
            bits = PRESENT + OBSERVED * observed.to(torch.uint8) + BEGINS * begins.to(torch.uint8)
            bits[:-1] += ENDS * begins[1:].to(torch.uint8)
            bits[-1:] += ENDS
            lay(flags, bits)
            for i in range(inputs):
                lay(X[i], there(data.X[rows, i]))
            if weight is not None:
                lay(weight, there(data.weight[rows]))
        several = bool((np.diff(places) > 1).any())
        sizes = there(lengths.astype(np.int64))
        return cls(X, flags, weight, there(data.Q.T), there(data.S0.T), bool(data.given), there(places.astype(np.int64)), several, sizes)

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors take."""
        tensors = (self.X, self.flags, self.weight, self.Q, self.S0, self.first, self.lengths)
        return sum(t.nbytes for t in tensors if t is not None)

    @classmethod
    def batch(cls, x: Tensor, seen: Tensor, Q: Tensor, S0: Tensor, given: bool) -> Lanes:
        """Equally long sequences x (B, T, inputs), observed where seen (B, T), a lane each; Q (B, presamples), S0 (B, states)."""
        count, steps = seen.shape
        flags = torch.full((steps, count), PRESENT, dtype=torch.uint8, device=seen.device) + OBSERVED * seen.t().to(torch.uint8)
        flags[0] += BEGINS
        flags[-1] += ENDS
        X = x.detach().permute(2, 1, 0).contiguous()
        first = torch.arange(count + 1, device=seen.device)
        lengths = torch.full((count,), steps, device=seen.device)
        return cls(X, flags.contiguous(), None, Q.detach().t().contiguous(), S0.detach().t().contiguous(), given, first, False, lengths)

    def packed(self, planes: Tensor) -> Tensor:
        """Planes (c, T, lanes) as rows (N, c) in the order of the packed data."""
        present = (self.flags.t() & PRESENT).bool()
        return planes.permute(2, 1, 0)[present]


def _parts(offsets: Array) -> Iterator[slice]:
    """Ranges of lanes of about `ROWS` rows together, at least one lane each, none empty."""
    first, count = 0, len(offsets) - 1
    while first < count:
        after = max(int(np.searchsorted(offsets, offsets[first] + ROWS, side="right")) - 1, first + 1)
        if offsets[after] > offsets[first]:
            yield slice(first, after)
        first = after


def _targets(lengths: Tensor, first: int, lanes: int) -> Tensor:
    """Places in a plane (steps, lanes) of the rows of some lanes, the first of which is lane ``first``."""
    number = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    step = torch.arange(len(number), device=lengths.device) - (torch.cumsum(lengths, 0) - lengths)[number]
    return step.mul_(lanes).add_(number).add_(first)
