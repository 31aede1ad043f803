"""The gated layer's accuracy against double precision, at every scale of the input."""

from __future__ import annotations

import copy
import math
from itertools import product

import numpy as np
import pytest
import torch

from seqsci.cells.layer import GatedLayer
from seqsci.engine import launch
from tests.layers import made

KINDS = [{"tied": t, "bounded": b, "read": not t} for t, b in product((True, False), (True, False))]


def passes(layer: GatedLayer, x: torch.Tensor, c: torch.Tensor) -> list[torch.Tensor]:
    """Outputs, last state, and gradients with respect to input, state and every parameter, for the same cotangents in any precision."""
    x, c = x.detach().requires_grad_(), c.detach().requires_grad_()
    h, last = layer(x, c)
    generator = torch.Generator().manual_seed(1)
    cotangents = [torch.randn(t.shape, generator=generator).to(t.dtype) for t in (h, last)]
    return [h.detach(), last.detach(), *torch.autograd.grad((h, last), [x, c, *layer.parameters()], cotangents)]


def errors(got: list[torch.Tensor], want: list[torch.Tensor]) -> np.ndarray:
    """Norm-wise relative errors."""
    return np.array([float((a.double() - b).norm() / b.norm()) for a, b in zip(got, want, strict=True)])


@pytest.mark.skipif(not launch.available(), reason="needs numba")
@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e-3, 1.0, 30.0])
@pytest.mark.parametrize("form", KINDS, ids=str)
def test_fused_passes_are_accurate_relative_to_their_size(form, scale, monkeypatch):
    layer = made(rank=4, **form)
    x, c = scale * torch.randn(3, 20, 6), scale * torch.randn(3, 20)
    want = passes(copy.deepcopy(layer).double(), x.double(), c.double())
    fused = errors(passes(layer, x, c), want)
    monkeypatch.setattr(launch, "available", lambda: False)
    plain = errors(passes(layer, x, c), want)
    assert bool((fused[:2] <= 1e-6).all()), fused
    # Logits near 30 are rounded to 2e-6 before any gate is taken: there gradients are held to torch's own operations in float32.
    assert bool((fused <= (np.maximum(1e-6, 1.5 * plain) if scale > 1 else 1e-6)).all()), (fused, plain)


@pytest.mark.skipif(not launch.available(), reason="needs numba")
def test_the_compiled_tanh_is_accurate_relative_to_its_size_and_keeps_a_nan():
    from seqsci.cells.layer_kernels import tanh

    sizes = np.concatenate((np.geomspace(1e-37, 100, 3001), np.linspace(0.05, 5, 3001))).astype(np.float32)
    for x in (*sizes, *-sizes):
        assert tanh(x) == pytest.approx(math.tanh(float(x)), rel=4e-7)
    assert (
        math.isnan(tanh(np.float32("nan"))) and tanh(np.float32("inf")) == 1 and tanh(np.float32("-inf")) == -1 and tanh(np.float32(0)) == 0
    )
