"""Other projects' linear recurrences on a CUDA card, each with the scan on the same numbers, on a shape and layout that the peer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqsci.engine import linear_scan

Calls = tuple[Callable[[], object], Callable[[], object]]


@dataclass(frozen=True)
class Peer:
    """``prepare`` gives our call and the peer's, or raises ImportError."""

    name: str
    key: str
    shape: str
    prepare: Callable[[], Calls]


def _accelerated_scan() -> Calls:
    """(B, C, T), contiguous in time, T a power of two up to 65,536; gates and inputs in float32."""
    from accelerated_scan.warp import scan

    f, u = torch.rand(8, 1536, 65_536, device="cuda"), torch.randn(8, 1536, 65_536, device="cuda")
    return lambda: linear_scan(f, u, dim=2), lambda: scan(f, u)


def _chunk_hgrn() -> Calls:
    """(B, T, D); the gate as its logarithm, which fla takes as given."""
    from fla.ops.hgrn import chunk_hgrn

    f, u = torch.rand(16, 16_384, 128, device="cuda"), torch.randn(16, 16_384, 128, device="cuda")
    logarithm = f.log()
    return lambda: linear_scan(f, u), lambda: chunk_hgrn(u, logarithm)


PEERS = (
    Peer("accelerated-scan, warp", "gpu_speedup_accelerated_scan", "(8, 1536, 65536) contiguous in time", _accelerated_scan),
    Peer("fla chunk_hgrn", "gpu_speedup_chunk_hgrn", "(16, 16384, 128)", _chunk_hgrn),
)
