"""Packed sequences as lanes: padded, time-major, on a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqsci.equations.triton_backend import BEGINS, ENDS, OBSERVED, PRESENT
from seqsci.kernel import Packed

Array = np.ndarray


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
        """Lay packed rows out: lane i has rows offsets[i] .. offsets[i + 1] and sequences places[i] .. places[i + 1]."""

        def there(values: Array) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        bounds, first = there(offsets.astype(np.int64)), there(places.astype(np.int64))
        lengths = torch.diff(bounds)
        lanes, steps = len(offsets) - 1, int(np.diff(offsets).max(initial=0))
        number = torch.repeat_interleave(torch.arange(lanes, device=device), lengths)
        target = (torch.arange(len(data.X), device=device) - bounds[number]) * lanes + number

        def laid(values: Tensor) -> Tensor:
            plane = torch.zeros(steps * lanes, dtype=values.dtype, device=device)
            plane[target] = values
            return plane.view(steps, lanes)

        X = torch.stack([laid(there(data.X[:, i])) for i in range(data.X.shape[1])])
        begins, observed = there(data.reset).bool(), there(data.observed).bool()
        ends = torch.ones_like(begins)
        ends[:-1] = begins[1:]
        flags = laid((PRESENT + OBSERVED * observed + BEGINS * begins + ENDS * ends).to(torch.uint8))
        weight = None if bool((data.weight == 1).all()) else laid(there(data.weight))
        several = bool((np.diff(places) > 1).any())
        return cls(X, flags, weight, there(data.Q.T), there(data.S0.T), bool(data.given), first, several, lengths)

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
