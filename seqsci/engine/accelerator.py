"""Whether the Triton kernels take a tensor: a card they can be compiled for, and Triton; what does not fit is said once, not passed over.

Triton is imported by the first scan of a CUDA tensor. With SEQSCI_TRITON_INTERPRET=1 in the environment CPU tensors run the same kernels
through Triton's interpreter: for tests, and very slow.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from seqsci.errors import SeqsciError, explain

P = ParamSpec("P")
R = TypeVar("R")

INTERPRET = os.environ.get("SEQSCI_TRITON_INTERPRET", "") == "1"
"""Whether CPU tensors go to Triton's interpreter."""

KINDS = (torch.float32, torch.bfloat16, torch.float64, torch.complex64, torch.complex128)
"""Dtypes that the kernels read."""

OLDEST, OLDEST_BFLOAT16 = (7, 0), (8, 0)
"""Compute capabilities."""


class DeviceMemoryError(SeqsciError, torch.OutOfMemoryError):
    """The card has no room for the scan; the text says how to go through it in chunks."""


def installed() -> bool:
    """Whether Triton is there; it is not imported."""
    return importlib.util.find_spec("triton") is not None


def takes(u: Tensor) -> bool:
    """Whether the Triton kernels run on this tensor. A card or an installation that cannot is named in a warning, once."""
    if u.dtype not in KINDS:
        return False
    if u.is_cuda:
        reason = _obstacle(u.device.index, u.dtype == torch.bfloat16)
        if reason:
            _say(reason)
        return not reason
    return INTERPRET and u.is_cpu and _interpreter()


@functools.cache
def _obstacle(device: int, bfloat16: bool) -> str:
    """What stands against Triton on this card; empty where nothing does."""
    return obstacle(torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device), installed(), bfloat16)


def obstacle(name: str, capability: tuple[int, int], triton: bool, bfloat16: bool, what: str = "the scan") -> str:
    """What stands against Triton on a card of this compute capability, for the scan or for a cell; empty where nothing does."""
    oldest = OLDEST_BFLOAT16 if bfloat16 else OLDEST
    if not triton:
        return explain(f"{what} runs as a slow loop on this GPU", "Triton is not installed", "triton", "pip install 'seqsci[gpu]'")
    if capability < oldest:
        what += " in bfloat16" if bfloat16 else ""
        got = f"{name}, compute capability {capability[0]}.{capability[1]}"
        fix = "pass x.float(), with dtype=torch.float32" if bfloat16 and capability >= OLDEST else "run on the CPU, or on a newer card"
        return explain(f"{what} runs as a slow loop on this GPU", got, f"{oldest[0]}.{oldest[1]} or later", fix)
    return ""


@functools.cache
def _say(reason: str) -> None:
    warnings.warn(reason, RuntimeWarning, stacklevel=2)


@functools.cache
def _interpreter() -> bool:
    """Prepare the interpreter, whose switch Triton reads where a kernel is defined."""
    os.environ["TRITON_INTERPRET"] = "1"
    return installed()


def explained(run: Callable[P, R]) -> Callable[P, R]:
    """`run`, with a card that is full explained; ``u`` or the states are its second argument."""

    @functools.wraps(run)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(*args, **kwargs)
        except torch.OutOfMemoryError as error:
            shape = tuple(args[1].shape) if isinstance(args[1], Tensor) else ()
            got = f"{shape}: {str(error).splitlines()[0][:200]}"
            fix = "go through time in chunks: seqsci.engine.scan_chunks, or linear_scan(..., return_final=True) where a gradient is wanted"
            raise DeviceMemoryError(explain("the GPU has no memory for this scan", got, "room for states in u's shape", fix)) from error

    return guarded
