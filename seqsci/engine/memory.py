"""Memory for results: a large one asks for large pages, as NumPy's do, because the faults of small ones cost more than a scan."""

from __future__ import annotations

import ctypes
import mmap
import sys

import torch
from torch import Tensor

LARGE = 1 << 22
"""Bytes from which large pages are asked for; NumPy's threshold."""

_PAGE = mmap.PAGESIZE
_ADVICE: int | None = getattr(mmap, "MADV_HUGEPAGE", None)
_advise = ctypes.CDLL(None).madvise if _ADVICE is not None and sys.platform == "linux" else None
if _advise is not None:
    _advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def empty(u: Tensor) -> Tensor:
    """Memory for the states: laid out as ``u`` if that is dense, else as (B, T, D)."""
    return torch.empty_like(u, memory_format=torch.preserve_format)


def allocate(u: Tensor, layout: torch.memory_format = torch.preserve_format) -> Tensor:
    """`empty` for a compiled kernel, in large pages where the system grants them: a hint about this memory alone, and no promise."""
    out = torch.empty_like(u, memory_format=layout)
    size = out.numel() * out.element_size()
    if size >= LARGE and _advise is not None:
        address = out.data_ptr()
        low, high = -(-address // _PAGE) * _PAGE, (address + size) // _PAGE * _PAGE
        _advise(low, high - low, _ADVICE)  # refused where the system has no large pages: nothing is lost
    return out
