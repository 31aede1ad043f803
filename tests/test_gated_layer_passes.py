"""The gated layer's ways to compute: fused and composed passes, derivatives, vmap, compilation, autocast."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from seqsci.cells import layer_passes
from seqsci.engine import launch
from tests.layers import FORMS, SHORT, made


@pytest.mark.skipif(not launch.available(), reason="needs numba")
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("width", [1, 20, 300])
def test_fused_passes_are_the_composed_ones_with_their_gradients(form, width, monkeypatch):
    layer = made(width=width, **form)
    x, c = torch.randn(3, 30, 6, requires_grad=True), torch.randn(3, width, requires_grad=True)
    leaves = [x, c, *layer.parameters()]

    def run() -> list[torch.Tensor]:
        torch.manual_seed(1)
        h, last = layer(x, c)
        found = torch.autograd.grad((h, last), leaves, (torch.randn(h.shape), torch.randn(last.shape)))
        return [h, last, *found]

    fused = run()
    assert "Fused" in type(layer(x, c)[0].grad_fn).__name__
    monkeypatch.setattr(launch, "available", lambda: False)
    plain = run()
    assert "Fused" not in type(layer(x, c)[0].grad_fn).__name__
    for a, b in zip(fused, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=3e-6 * max(1.0, float(b.detach().abs().max())))


@pytest.mark.skipif(not launch.available(), reason="needs numba")
def test_the_compiled_exponential_is_the_exponential_and_keeps_a_nan():
    from seqsci.cells.layer_kernels import exponential

    for x in np.linspace(-86, 87, 4001, dtype=np.float32):
        assert exponential(x) == pytest.approx(math.exp(float(x)), rel=3e-7)
    assert math.isnan(exponential(np.float32("nan"))) and 0 < exponential(np.float32(-1e30)) < 1e-37


def test_fused_passes_are_not_taken_where_operations_have_to_be_seen():
    x = torch.randn(1, 2, 3)
    assert layer_passes.fusable(x) == launch.available()
    assert not layer_passes.fusable(x.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer_passes.fusable(x)
    assert not torch.func.vmap(lambda y: torch.tensor(layer_passes.fusable(y)).expand(1))(x).any()


def test_threads_do_not_change_the_result():
    layer, x = made(width=300), torch.randn(5, 400, 6)
    threads = torch.get_num_threads()
    try:
        found = []
        for n in (1, 3):
            torch.set_num_threads(n)
            layer.zero_grad()
            product = layer(x)[0]
            found.append(product.detach().clone())
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_gradients_of_first_and_second_order_in_double_precision(form):
    layer = made(3, 4, 9, **(form | {"rank": 1 if form["rank"] == 2 else 99})).double()
    x, c = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    names = [n for n, _ in layer.named_parameters()]
    values = list(layer.parameters())

    def run(x, c, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x, c))

    assert torch.autograd.gradcheck(run, (x, c, *values))
    assert torch.autograd.gradgradcheck(run, (x, c, *values), gen_non_contig_grad_outputs=True)


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_the_second_derivative_through_fused_passes_is_that_in_double_precision(form):
    layer = made(**form)
    x = torch.randn(2, 15, 6)

    def penalty(layer, x):
        x = x.requires_grad_(True)
        h, last = layer(x)
        (g,) = torch.autograd.grad(h.square().sum() + last.sum(), x, create_graph=True)
        return torch.autograd.grad(g.square().sum(), list(layer.parameters()), allow_unused=True)

    for a, b in zip(penalty(layer, x.clone()), penalty(copy.deepcopy(layer).double(), x.double()), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=2e-5 * float(b.detach().abs().max()))


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_an_ensemble_under_vmap_is_its_members_with_their_gradients(form):
    members = [made(seed=s, **form) for s in range(3)]
    stacked, buffers = torch.func.stack_module_state(members)
    base, x = copy.deepcopy(members[0]), torch.randn(2, 10, 6)

    def loss(values, x):
        h, last = torch.func.functional_call(base, (values, buffers), (x,))
        return h.square().sum() + last.sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None))(stacked, x)
    for s, member in enumerate(members):
        h, last = member(x)
        (h.square().sum() + last.sum()).backward()
        for name, p in member.named_parameters():
            if p.numel():
                torch.testing.assert_close(found[name][s], p.grad, rtol=1e-4, atol=2e-5)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_batched_cotangent_and_forward_mode_are_right():
    layer = made()
    x = torch.randn(1, 5, 6, requires_grad=True)
    h, _ = layer(x)
    eye = torch.eye(h.numel()).view(-1, *h.shape)
    (rows,) = torch.autograd.grad(h, x, eye, is_grads_batched=True, retain_graph=True)
    jacobian = torch.func.jacfwd(lambda x: layer(x)[0])(x.detach())
    torch.testing.assert_close(rows.view(*h.shape, *x.shape), jacobian, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("form", [FORMS[0], FORMS[15]], ids=str)
def test_a_compiled_layer_is_the_layer(form):
    layer, x = made(**form), torch.randn(2, 12, 6)
    mask = torch.rand(2, 12) < 0.7
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for keywords in ({}, {"mask": mask}):
        leaves = list(layer.parameters())
        got, want = (torch.autograd.grad(f(x, **keywords)[0].square().sum(), leaves) for f in (compiled, layer))
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", SHORT, ids=str)
def test_under_autocast_gates_and_scan_are_float32_and_outputs_bfloat16(form):
    layer, x = made(64, 128, 2000, **form), torch.randn(2, 3000, 64)
    want, want_last = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        h, last = layer(x)
        gates = layer.gates(x)
        step, state = layer.step(x[:, 0])
    assert h.dtype == step.dtype == torch.bfloat16 and last.dtype == gates.forget.dtype == torch.float32
    assert state.dtype == torch.float64
    error = float(((h.float() - want).norm() / want.norm()).detach())
    assert error < 0.01, error
    assert float(((last - want_last).norm() / want_last.norm()).detach()) < 0.01
    h.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in layer.parameters())


def test_a_bfloat16_gate_would_lose_long_half_lives():
    """Why gates stay in float32: between 0.996 and 1 there is no number of bfloat16, so half-lives end near 177 steps."""
    below_one = float(torch.nextafter(torch.tensor(1.0, dtype=torch.bfloat16), torch.tensor(0.0, dtype=torch.bfloat16)))
    assert -math.log(2) / math.log(below_one) == pytest.approx(177, abs=1)
    layer = made(width=64, context=5000)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(layer.gates(torch.zeros(1, 1, 6)).half_life.max()) == pytest.approx(5000, rel=1e-3)


def test_bfloat16_parameters_keep_a_wide_state():
    layer = made(width=16).bfloat16()
    h, last = layer(torch.randn(2, 9, 6, dtype=torch.bfloat16))
    assert h.dtype == torch.bfloat16 and last.dtype == torch.float32
    assert layer(torch.randn(2, 9, 6, dtype=torch.bfloat16), last)[1].dtype == torch.float32
