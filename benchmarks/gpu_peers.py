"""Other projects' linear recurrences on a CUDA card, each with the scan on the same numbers, on a shape and layout that the peer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_timing import Card
from seqsci.engine import linear_scan

Run = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Peer:
    """A peer on a shape; ``load`` gives its forward pass of gates and inputs, or raises ImportError.

    Attributes:
        shape, dim: of gates and inputs, and the axis of time.
        gate: what the peer takes for a gate.
        key: of the published ratio of forward times.
        gradient: whether its gradient is right, and is timed.
    """

    name: str
    shape: tuple[int, ...]
    dim: int
    load: Callable[[], Run]
    key: str | None = None
    gate: Callable[[Tensor], Tensor] = Tensor.clone
    gradient: bool = True

    def measured(self, card: Card) -> tuple[float, ...]:
        """Seconds: the peer's and ours forward, then with gradient, 0 where that is not timed; checked against each other first."""
        theirs = self.load()
        shape = card.shape(*self.shape)
        f, u, g = (draw(shape, device=card.device) for draw in (torch.rand, torch.randn, torch.ones))
        gate = self.gate(f)
        ours: Run = lambda f, u: linear_scan(f, u, dim=self.dim)  # type: ignore[assignment, return-value]  # noqa: E731
        with torch.no_grad():
            gap = float((theirs(gate, u) - ours(f, u)).norm() / ours(f, u).norm())
            if not gap < 1e-3:
                raise ValueError(f"computes something else: {gap:.1e} from the scan")
            found = [card.seconds([lambda: theirs(gate, u)], graph=False), card.seconds([lambda: ours(f, u)], graph=False)]
        if not self.gradient:
            return (*found, 0.0, 0.0)
        for run, leaves in ((theirs, (gate, u)), (ours, (f, u))):
            found.append(card.seconds([_both(run, leaves, g)], graph=False))
        return tuple(found)


def _both(run: Run, leaves: tuple[Tensor, Tensor], g: Tensor) -> Callable[[], object]:
    own = [x.detach().clone().requires_grad_(True) for x in leaves]
    return lambda: torch.autograd.grad(run(*own), own, g)


def _warp() -> Run:
    from accelerated_scan.warp import scan

    return scan  # type: ignore[no-any-return]


def _scalar() -> Run:
    from accelerated_scan.scalar import scan

    return scan  # type: ignore[no-any-return]


def _chunk_hgrn() -> Run:
    from fla.ops.hgrn import chunk_hgrn

    return lambda g, x: chunk_hgrn(x, g)[0]  # type: ignore[no-any-return]


def _recurrent_hgrn() -> Run:
    from fla.ops.hgrn import fused_recurrent_hgrn

    return lambda g, x: fused_recurrent_hgrn(x, g)[0]  # type: ignore[no-any-return]


def _torchlpc() -> Run:
    from torchlpc import sample_wise_lpc

    return lambda a, x: sample_wise_lpc(x, a[..., None])  # type: ignore[no-any-return]


def _associative_scan() -> Run:
    from torch._higher_order_ops.associative_scan import associative_scan

    def combine(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return a[0] * b[0], b[0] * a[1] + b[1]

    def run(f: Tensor, u: Tensor) -> Any:
        return associative_scan(combine, (f, u), dim=1, combine_mode="pointwise")[1]

    return torch.compile(run, fullgraph=True)


PEERS = (
    Peer("accelerated-scan, warp", (8, 1536, 65_536), 2, _warp, "gpu_speedup_accelerated_scan"),
    Peer("accelerated-scan, Triton", (8, 1536, 65_536), 2, _scalar),
    Peer("fla chunk_hgrn", (16, 16_384, 128), 1, _chunk_hgrn, "gpu_speedup_chunk_hgrn", torch.log),
    Peer("fla fused_recurrent_hgrn", (16, 16_384, 128), 1, _recurrent_hgrn, None, torch.log),
    Peer("torchlpc", (1024, 16_384), 1, _torchlpc, None, torch.neg),
    Peer("torch associative_scan, compiled", (16, 16_384, 128), 1, _associative_scan, gradient=False),
)
