"""What a reader of the scan's promises would try: numbers as gates, wrong bounds under transforms, masks, laid-out gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from seqsci.engine import elapsed_decay, linear_scan, scan_chunks, scan_pieces
from seqsci.errors import DataError

# torch's own, at the first jvp and while Dynamo traces an autograd function
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:torch",
    "ignore:.*torch.jit.script:DeprecationWarning",
    "ignore:.*should not be instantiated:DeprecationWarning",
)

WRONG = ([0, 3_000_000, 10], [0, 8, 4, 10], [0, 5], [1, 10], [0, 5, 12])


@pytest.mark.parametrize("bounds", WRONG)
@pytest.mark.parametrize("way", ["eager", "grad", "vmap", "jvp", "compile"])
def test_wrong_bounds_are_refused_wherever_the_kernel_runs(bounds, way):
    u = torch.randn(1, 10, 4)

    def run(x):
        return linear_scan(0.5, x, cu_seqlens=torch.tensor(bounds)).sum()

    ways = {
        "eager": lambda: run(u),
        "grad": lambda: torch.func.grad(run)(u),
        "vmap": lambda: torch.vmap(run)(u[None]),
        "jvp": lambda: torch.func.jvp(run, (u,), (u,)),
        "compile": lambda: torch.compile(run, backend="aot_eager")(u),
    }
    with pytest.raises(Exception, match="not increasing from 0 to T"):
        ways[way]()


def test_a_number_is_a_gate_in_double_precision():
    u = torch.ones(2000, dtype=torch.float64)
    for gate in (0.9, 0.999999, -0.3):
        assert torch.equal(linear_scan(gate, u, dim=0), linear_scan(torch.tensor(gate, dtype=torch.float64), u, dim=0))
    (states, _), *_ = scan_chunks(0.9, np.ones(5))
    assert torch.equal(states, linear_scan(torch.tensor(0.9, dtype=torch.float64), torch.ones(5, dtype=torch.float64), dim=0))
    z = torch.ones(50, dtype=torch.complex128)
    assert torch.equal(linear_scan(0.3 + 0.4j, z, dim=0), linear_scan(torch.tensor(0.3 + 0.4j, dtype=torch.complex128), z, dim=0))


@pytest.mark.parametrize("shape", [(3, 400), (40, 2500)])
def test_a_constant_gate_is_scipys_filter(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    ours = linear_scan(0.93, torch.from_numpy(x)[..., None])[..., 0].numpy()
    assert np.abs(ours - lfilter([1.0], [1.0, -0.93], x)).max() < 1e-12


def test_a_number_does_not_widen_and_a_mask_does_not_change_the_dtype():
    mask = torch.rand(2, 4) > 0.3
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        u = torch.ones(2, 4, 3, dtype=dtype)
        for gate in (0.5, torch.tensor(0.5, dtype=torch.float64)):
            assert linear_scan(gate, u).dtype == linear_scan(gate, u, mask=mask).dtype == dtype


def test_a_mask_without_its_last_axis_needs_one_beside_time():
    with pytest.raises(DataError, match="mask does not fit"):
        linear_scan(0.5, torch.ones(5, 5), mask=torch.ones(5, dtype=torch.bool), dim=1)


def test_a_gate_on_another_device_is_refused():
    for f in (torch.tensor(0.5, device="meta"), torch.rand(2, 5, 3, device="meta")):
        with pytest.raises(DataError, match="several devices"):
            linear_scan(f, torch.randn(2, 5, 3))


def test_the_compilers_picture_of_the_layout_is_the_real_one():
    """Expanded and permuted inputs with many lanes: what the operator allocates is what its fake says."""
    u = torch.randn(7, 2, 1).transpose(0, 1).expand(2, 7, 20)
    f = torch.rand(20)
    for reverse in (False, True):
        real = torch.ops.seqsci.linear_scan(f.expand(1, 1, 20), u, torch.zeros(2, 1, 20), None, reverse, "auto")
        assert real.stride() == torch.empty_like(u).stride()
        c = linear_scan(f, u.contiguous())
        found = torch.ops.seqsci.linear_scan_adjoint(f.expand(1, 1, 20), c, torch.zeros(2, 1, 20), u, None, reverse, "auto")
        assert found[1].stride() == torch.empty_like(u).stride()
    w = torch.randn(7, 2, 1)
    leaves = torch.rand(20, requires_grad=True), torch.randn(2, 7, 20, requires_grad=True)

    def loss(f, u):
        return (linear_scan(f, u).sum(-1, keepdim=True).transpose(0, 1) * w).sum()

    eager = torch.autograd.grad(loss(*leaves), leaves)
    compiled = torch.autograd.grad(torch.compile(loss, fullgraph=True, backend="aot_eager")(*leaves), leaves)
    for a, b in zip(eager, compiled, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_lists_numbers_and_arrays_are_taken_or_named():
    u = torch.randn(1, 6, 2)
    assert torch.equal(linear_scan(0.5, u, cu_seqlens=[0, 2, 6]), linear_scan(0.5, u, cu_seqlens=torch.tensor([0, 2, 6])))
    assert torch.equal(linear_scan(0.5, u, 0.0), linear_scan(0.5, u))
    with pytest.raises(DataError, match="not a tensor"):
        linear_scan(0.5, np.ones((1, 6, 2)))
    with pytest.raises(DataError, match="negative"):
        elapsed_decay(torch.ones(3), -1.0)
    with pytest.raises(DataError, match="backwards"):
        elapsed_decay(torch.tensor([1.0, float("nan")]), 1.0)


def test_an_error_of_a_million_bounds_is_short():
    bounds = torch.arange(1_000_001)
    bounds[500_000] = 0
    with pytest.raises(DataError, match="at place 499999") as caught:
        linear_scan(0.5, torch.zeros(1, 1_000_000, 1), cu_seqlens=bounds)
    assert len(str(caught.value)) < 400


def test_streams_take_plain_pieces_and_any_array():
    (states, carry), *_ = scan_pieces([(0.5, np.ones(3))])
    assert states.tolist() == [1.0, 1.5, 1.75] and float(carry.state) == 1.75
    assert next(iter(scan_pieces([(0.5, np.ones(3))], 4.0)))[0].tolist() == [3.0, 2.5, 2.25]
    x = np.arange(10, dtype=np.float32)
    for array in (x[::-1], x.astype(">f4")):
        (found, _), *_ = scan_chunks(0.5, array)
        assert torch.equal(found, linear_scan(0.5, torch.tensor(array.astype(np.float32)), dim=0))


@pytest.mark.parametrize(
    ("gate", "out"),
    [(0.5 + 0.1j, np.zeros(10, np.float32)), (0.5, np.zeros(10, np.int32)), (0.5, np.broadcast_to(np.float32(0), 10))],
)
def test_an_out_that_cannot_hold_the_states_is_refused(gate, out):
    with pytest.raises(DataError, match="out "):
        list(scan_chunks(gate, np.ones(10, np.float32), out=out))
