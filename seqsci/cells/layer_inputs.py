"""What the gated layer takes: one explained error for each input that does not fit."""

from __future__ import annotations

import torch
from torch import Tensor

from seqsci.errors import DataError, explain


def check_input(x: Tensor, weight: Tensor, axes: int) -> None:
    """(B, T, features), or (B, features) of a step, in the dtype of the weights; autocast brings all but float64 together."""
    expected = f"{'(B, T, features)' if axes == 3 else '(B, features)'} with features = {weight.shape[1]}"
    _check_tensor("the input", x, expected)
    if x.ndim != axes or x.shape[-1] != weight.shape[1]:
        raise DataError(explain("the input does not fit the layer", tuple(x.shape), expected, "batch first, features last"))
    if x.dtype == weight.dtype:
        return
    cast = x.is_floating_point() and torch.float64 not in (x.dtype, weight.dtype) and torch.is_autocast_enabled(x.device.type)
    if not cast:
        fix = f"pass x.to({weight.dtype}), or convert the layer with layer.to(dtype)"
        raise DataError(explain("the input has another dtype than the weights", x.dtype, weight.dtype, fix))


def check_state(state: Tensor, rows: int, width: int) -> None:
    """(rows, width) of a floating dtype."""
    _check_tensor("the state", state, f"{(rows, width)} of a floating dtype")
    if state.shape != (rows, width):
        raise DataError(explain("the state does not fit", tuple(state.shape), (rows, width), "pass one state of `width` a sequence"))
    if not state.is_floating_point():
        fix = "pass the state that the layer returned, or state.float()"
        raise DataError(explain("the state does not have a floating dtype", state.dtype, "float32, float64 or narrower", fix))


def check_mask(mask: Tensor, shape: torch.Size) -> None:
    """One boolean a step."""
    _check_tensor("mask", mask, f"{tuple(shape)} of torch.bool")
    if mask.shape != shape or mask.dtype != torch.bool:
        got = f"{tuple(mask.shape)} of {mask.dtype}"
        raise DataError(explain("mask does not fit", got, f"{tuple(shape)} of torch.bool", "pass one boolean a step"))


def packed_rows(cu_seqlens: Tensor) -> int:
    """How many sequences the bounds separate; whether they go from 0 to T the scan checks."""
    expected = "(S + 1,) integers from 0 to T"
    _check_tensor("cu_seqlens", cu_seqlens, expected)
    if cu_seqlens.ndim != 1 or cu_seqlens.shape[0] < 2:
        raise DataError(explain("cu_seqlens are not bounds", tuple(cu_seqlens.shape), expected, "pass the cumulative lengths after a 0"))
    return cu_seqlens.shape[0] - 1


def _check_tensor(name: str, value: object, expected: str) -> None:
    if not isinstance(value, Tensor):
        raise DataError(explain(f"{name} is not a tensor", type(value).__name__, f"a tensor {expected}", "pass torch.as_tensor(...)"))
