"""What the gated layer refuses, the precision of its states, and the marks that keep weight decay off its half-lives."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from seqsci.cell import parameter_groups
from seqsci.cells.layer import GatedLayer
from seqsci.cells.layer_block import GatedBlock
from seqsci.engine import launch
from seqsci.errors import DataError, ParameterError
from tests.layers import SHORT, made

X, STEP = torch.zeros(2, 3, 6), torch.zeros(2, 6)
BIASES = {"forget_bias", "write_bias", "read_bias"}


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: GatedLayer(0, 3, 5), ParameterError),
        (lambda: GatedLayer(2, 0, 5), ParameterError),
        (lambda: GatedLayer(2, 3, 0.5), ParameterError),
        (lambda: GatedLayer(2, 3, math.nan), ParameterError),
        (lambda: GatedLayer(2, 3, math.inf), ParameterError),
        (lambda: GatedLayer(2, 1, math.inf), ParameterError),
        (lambda: GatedLayer(2, 3, 5, rank=0), ParameterError),
        (lambda: made()(torch.zeros(2, 3, 5)), DataError),
        (lambda: made()(torch.zeros(3, 6)), DataError),
        (lambda: made()(X.tolist()), DataError),
        (lambda: made()(X.double()), DataError),
        (lambda: made()(X.bfloat16()), DataError),
        (lambda: made()(X.long()), DataError),
        (lambda: made().double()(X), DataError),
        (lambda: made().step(STEP.double()), DataError),
        (lambda: made().gates(X.double()), DataError),
        (lambda: made()(X, torch.zeros(3, 20)), DataError),
        (lambda: made()(X, torch.zeros(2, 1, 20)), DataError),
        (lambda: made()(X, torch.zeros(2, 20, dtype=torch.complex64)), DataError),
        (lambda: made()(X, torch.zeros(2, 20, dtype=torch.int64)), DataError),
        (lambda: made()(X, torch.zeros(2, 20, dtype=torch.bool)), DataError),
        (lambda: made()(X, [[0.0] * 20] * 2), DataError),
        (lambda: made()(X, mask=torch.ones(2, 3)), DataError),
        (lambda: made()(X, mask=torch.ones(2, 4, dtype=torch.bool)), DataError),
        (lambda: made()(X, mask=[[True] * 3] * 2), DataError),
        (lambda: made()(X[:1], torch.zeros(1, 20), cu_seqlens=torch.tensor([0, 1, 3])), DataError),
        (lambda: made()(X, cu_seqlens=torch.tensor([0, 3])), DataError),
        (lambda: made()(X[:1], cu_seqlens=[0, 3]), DataError),
        (lambda: made()(X[:1], cu_seqlens=torch.tensor(3)), DataError),
        (lambda: made()(X[:1], cu_seqlens=torch.tensor([0])), DataError),
        (lambda: made()(X[:1], cu_seqlens=torch.tensor([0.0, 3.0])), DataError),
        (lambda: made()(X[:1], cu_seqlens=torch.tensor([[0, 3]])), DataError),
        (lambda: made().step(torch.zeros(2, 1, 6)), DataError),
        (lambda: made().step(STEP, torch.zeros(1, 20)), DataError),
        (lambda: made().step(STEP, torch.zeros(2, 20, dtype=torch.complex64)), DataError),
        (lambda: made().step(STEP, torch.zeros(2, 20, dtype=torch.int64)), DataError),
        (lambda: made().step(STEP, mask=torch.ones(2)), DataError),
        (lambda: made().step(STEP, mask=torch.ones(3, dtype=torch.bool)), DataError),
        (lambda: made().step(STEP, mask=torch.ones(1, dtype=torch.bool)), DataError),
        (lambda: made().step(STEP, mask=torch.ones(2, 1, dtype=torch.bool)), DataError),
        (lambda: made().step(STEP, mask=[True, True]), DataError),
        (lambda: made().gates(STEP), DataError),
        (lambda: GatedBlock(made(), hidden=0), ParameterError),
        (lambda: GatedBlock(made())(torch.zeros(2, 3, 5)), DataError),
        (lambda: GatedBlock(made())(X.double()), DataError),
        (lambda: GatedBlock(made()).step(STEP, mask=torch.ones(2)), DataError),
    ],
)
def test_what_does_not_fit_is_explained(call, kind):
    with pytest.raises(kind, match=r"got:[\s\S]*expected:[\s\S]*fix:"):
        call()


def test_autocast_takes_narrow_inputs_and_refuses_what_it_does_not_cast():
    layer = made()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(X.bfloat16())[0].dtype == torch.bfloat16
        for x in (X.double(), X.long()):
            with pytest.raises(DataError, match="fix:"):
                layer(x)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("form", SHORT, ids=str)
def test_a_state_given_in_float64_is_carried_and_given_back_in_float64(form, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(launch, "available", lambda: False)
    layer = made(context=1e6, **form)
    x = torch.randn(2, 30, 6)
    c = torch.full((2, 20), 1 / 3, dtype=torch.float64).requires_grad_()
    whole, last = layer(x, c)
    assert whole.dtype == torch.float32 and last.dtype == torch.float64
    state, pieces = c, []
    for t in range(0, 30, 10):
        h, state = layer(x[:, t : t + 10], state)
        pieces.append(h)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-6)
    quiet = torch.zeros(2, 30, 6)  # a decay alone, which tells double precision from rounding
    decayed = c * layer.gates(quiet).forget.double().prod(1)
    torch.testing.assert_close(layer(quiet, c)[1], decayed, rtol=1e-13, atol=0)
    torch.testing.assert_close(layer(quiet[:, 9:], layer(quiet[:, :9], c)[1])[1], decayed, rtol=1e-13, atol=0)
    mixed, state = layer.step(x[:, 0], c)
    _, state = layer(x[:, 1:], state, mask=torch.ones(2, 29, dtype=torch.bool))
    torch.testing.assert_close(mixed, whole[:, 0], rtol=0, atol=1e-7)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-6)
    assert state.dtype == torch.float64
    narrow, narrow_last = layer(x, c.float())
    assert narrow_last.dtype == layer(x)[1].dtype == torch.float32
    torch.testing.assert_close(narrow_last.double(), last, rtol=1e-6, atol=1e-6)
    leaves = [c, *layer.parameters()]
    got = torch.autograd.grad(whole.square().sum() + last.square().sum(), leaves)
    want = torch.autograd.grad(narrow.square().sum() + narrow_last.square().sum(), leaves)
    for a, b, leaf in zip(got, want, leaves, strict=True):
        assert a.dtype == leaf.dtype
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5 * float(b.abs().max()))
    packed, ends = layer(x.reshape(1, 60, 6), c, cu_seqlens=torch.tensor([0, 30, 60]))
    torch.testing.assert_close(packed.view_as(whole), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(ends, last, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_the_dtype_of_a_state_is_float32_unless_it_was_given_wider(dtype):
    layer, c = made(), torch.ones(2, 20, dtype=dtype)
    want = torch.float64 if dtype == torch.float64 else torch.float32
    assert layer(X, c)[1].dtype == layer(X[:, :0], c)[1].dtype == want
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(X, c)[1].dtype == want
    assert layer.step(STEP, c)[1].dtype == torch.float64
    assert made().double()(X.double(), c)[1].dtype == torch.float64


@pytest.mark.skipif(not launch.available(), reason="needs numba")
def test_a_second_derivative_goes_through_a_state_in_float64():
    layer, c = made(), torch.rand(2, 20, dtype=torch.float64).requires_grad_()
    h, last = layer(torch.randn(2, 5, 6), c)
    assert "Fused" in type(h.grad_fn).__name__
    (g,) = torch.autograd.grad(h.square().sum() + last.square().sum(), c, create_graph=True)
    (second,) = torch.autograd.grad(g.sum(), c)
    assert second.dtype == torch.float64 and bool((second > 0).all())


def marked(module: nn.Module) -> set[str]:
    decayed = parameter_groups(module, 0.1, 1e-3, 1e-4)[0]
    assert decayed["lr"] == 1e-4
    return {name.split(".")[-1] for name, p in module.named_parameters() if any(p is q for q in decayed["params"])}


@pytest.mark.parametrize("assign", [False, True])
def test_a_loaded_layer_keeps_the_marks(assign):
    source = made(tied=False, read=True)
    for module, state in (
        (made(seed=5, tied=False, read=True), source.state_dict()),
        (GatedBlock(made(seed=5, tied=False, read=True)), GatedBlock(source).state_dict()),
    ):
        twin = copy.deepcopy(module)
        for loaded in (module, twin):
            loaded.load_state_dict(state, assign=assign)
            assert marked(loaded) == BIASES
    with torch.device("meta"):
        empty = made(tied=False, read=True)
    empty.load_state_dict(source.state_dict(), assign=True)
    assert marked(empty) == BIASES
    assert torch.equal(empty(X)[0], source(X)[0])


def test_a_layer_made_without_memory_is_set_and_marked_by_reset_parameters():
    with torch.device("meta"):
        layer = made(tied=False, read=True)
    layer.to_empty(device="cpu")
    layer.reset_parameters()
    assert marked(layer) == BIASES
    torch.testing.assert_close(layer.half_lives(), made().half_lives())


def test_dense_gates_have_no_mix_and_take_saved_layers_that_had_an_empty_one():
    layer = made(rank=99)
    assert layer.mix is None and all(p.numel() for p in layer.parameters())
    assert set(layer.state_dict()) == {"weight", "candidate_bias", "forget_bias"}
    other, block = made(seed=5, rank=99), GatedBlock(made(seed=5, rank=99))
    saved = layer.state_dict()
    other.load_state_dict(saved | {"mix": torch.empty(0, 20, 0)})
    block.load_state_dict(GatedBlock(layer).state_dict() | {"layer.mix": torch.empty(0, 20, 0)})
    assert torch.equal(other.weight, layer.weight) and torch.equal(block.layer.weight, layer.weight)
    with pytest.raises(RuntimeError, match="mix"):
        other.load_state_dict(saved | {"mix": torch.zeros(1, 20, 2)})
