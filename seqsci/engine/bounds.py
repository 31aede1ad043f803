"""Bounds of packed sequences: what is refused."""

from __future__ import annotations

import torch
from torch import Tensor

from seqsci.errors import DataError, explain


def check_form(bounds: Tensor, batch: int) -> None:
    """Raise `DataError` where bounds are no vector of integers, or there is a batch beside them."""
    if bounds.ndim != 1 or bounds.shape[0] < 2 or bounds.is_floating_point() or bounds.is_complex() or bounds.dtype == torch.bool:
        got = f"{tuple(bounds.shape)} of {bounds.dtype}"
        raise DataError(explain("cu_seqlens are not bounds", got, "(S + 1,) integers from 0 to T", "pass the cumulative lengths after a 0"))
    if batch != 1:
        fix = "concatenate them along time"
        raise DataError(explain("packed sequences in a batch", f"batch {batch}", "axes before dim of size 1", fix))


def check_values(bounds: Tensor, steps: int) -> None:
    """Raise `DataError` where bounds do not increase from 0 to the number of steps; every kernel asks, since it trusts them with memory."""
    falls = bounds[1:] < bounds[:-1]
    if int(bounds[0]) == 0 and int(bounds[-1]) == steps and not bool(falls.any()):
        return
    got = f"from {int(bounds[0])} to {int(bounds[-1])}"
    if bool(falls.any()):
        at = int(falls.nonzero()[0, 0])
        got += f", {int(bounds[at])} before {int(bounds[at + 1])} at place {at}"
    raise DataError(explain("cu_seqlens are not increasing from 0 to T", got, f"0 ... {steps}", "pass cumulative lengths"))
