"""The linear scan against a plain loop in double precision: shapes, layouts, dtypes, gaps, packed sequences, errors."""

from __future__ import annotations

import multiprocessing
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqsci.engine import elapsed_decay, linear_scan
from seqsci.errors import DataError, ParameterError

TOLERANCE = {
    torch.float64: 1e-13,
    torch.float32: 1e-6,
    torch.bfloat16: 8e-3,
    torch.float16: 1e-3,
    torch.complex64: 1e-6,
    torch.complex128: 1e-13,
}


def oracle(f: Tensor, u: Tensor, c0: Tensor, reverse: bool = False, bounds: list[int] | None = None) -> tuple[Tensor, Tensor]:
    """(B, T, D) states and (B, S, D) final states by Python arithmetic on single numbers."""
    wide = torch.complex128 if u.is_complex() or f.is_complex() else torch.float64
    batch, steps, width = u.shape
    bounds = [0, steps] if bounds is None else bounds
    gate, drive, out = f.to(wide).expand(u.shape), u.to(wide), torch.zeros(u.shape, dtype=wide)
    final = torch.zeros(batch, len(bounds) - 1, width, dtype=wide)
    for b in range(batch):
        for s in range(len(bounds) - 1):
            for d in range(width):
                state = c0[b, s, d].to(wide).item()
                order = range(bounds[s], bounds[s + 1])
                for t in reversed(order) if reverse else order:
                    state = gate[b, t, d].item() * state + drive[b, t, d].item()
                    out[b, t, d] = state
                final[b, s, d] = state
    return out, final


def relative(a: Tensor, b: Tensor) -> float:
    """Norm-wise error."""
    if b.numel() == 0:
        return 0.0
    wide = torch.complex128 if b.is_complex() else torch.float64
    return float((a.to(wide) - b).norm() / b.norm().clamp_min(1e-300))


LAYOUTS = {
    "contiguous": lambda x: x,
    "time contiguous": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "time first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "every other": lambda x: torch.stack((x, x), 2).flatten(1, 2)[:, ::2],
    "every other lane": lambda x: torch.stack((x, x), 3).flatten(2, 3)[..., ::2],
}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_scan_is_the_loop(data: st.DataObject) -> None:
    batch = data.draw(st.integers(0, 3), "B")
    steps = data.draw(st.sampled_from([0, 1, 2, 5, 17, 130, 260]), "T")
    width = data.draw(st.sampled_from([0, 1, 2, 9, 16, 33]), "D")
    dtype = data.draw(st.sampled_from(list(TOLERANCE)), "dtype")
    gate = tuple(data.draw(st.sampled_from([n, 1]), "gate") for n in (batch, steps, width))
    reverse = data.draw(st.booleans(), "reverse")
    layouts = [data.draw(st.sampled_from(sorted(LAYOUTS)), "layout") for _ in range(2)]
    backend = data.draw(st.sampled_from(["numba", "torch"]), "backend")
    bounds = None
    if batch == 1 and data.draw(st.booleans(), "packed"):
        bounds = [0, *sorted(data.draw(st.lists(st.integers(0, steps), max_size=5), "bounds")), steps]
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000), "seed"))
    wide = torch.complex128 if dtype.is_complex else torch.float64
    f = LAYOUTS[layouts[0]](((torch.rand(gate, dtype=wide, generator=generator) * 1.2 - 0.3) * (0.7 if dtype.is_complex else 1)).to(dtype))
    u = LAYOUTS[layouts[1]](torch.randn((batch, steps, width), dtype=wide, generator=generator).to(dtype))
    c0 = torch.randn((batch, 1 if bounds is None else len(bounds) - 1, width), dtype=wide, generator=generator).to(dtype)
    packed = None if bounds is None else torch.tensor(bounds)
    start = c0[:, 0] if bounds is None else c0
    c, final = linear_scan(f, u, start, reverse=reverse, cu_seqlens=packed, return_final=True, backend=backend)
    expected, last = oracle(f, u, c0, reverse, bounds)
    assert c.dtype == dtype and c.shape == u.shape and final.shape == start.shape
    assert relative(c, expected) <= TOLERANCE[dtype]
    assert relative(final.reshape(c0.shape), last) <= TOLERANCE[dtype]


@pytest.mark.parametrize("shape", [(1, 300_000, 1), (2, 150_001, 1), (1, 140_000, 3)])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_row_split_in_time_is_the_row(shape: tuple[int, int, int], reverse: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    f, u = torch.rand(shape, generator=generator).double(), torch.randn(shape, generator=generator).double()
    many = linear_scan(f, u, reverse=reverse)
    fine = f.flip(1) if reverse else f
    lane = (u.flip(1) if reverse else u)[0, :, 0]
    state, expected = 0.0, []
    for gate, drive in zip(fine[0, :, 0].tolist(), lane.tolist(), strict=True):
        state = gate * state + drive
        expected.append(state)
    got = many[0, :, 0].flip(0) if reverse else many[0, :, 0]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("reverse", [False, True])
def test_short_sequences_in_a_long_row_are_written(reverse: bool) -> None:
    u = torch.randn(1, 200_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    bounds = torch.tensor([0, 1, 3, 199_999, 200_000])
    c = linear_scan(0.5, u, cu_seqlens=bounds, reverse=reverse)
    parts = [linear_scan(0.5, part, reverse=reverse, backend="torch") for part in u[:, [0, 1, 2, -1]].split([1, 2, 1], 1)]
    torch.testing.assert_close(c[:, [0, 1, 2, -1]], torch.cat(parts, 1), rtol=1e-13, atol=1e-13)


def test_a_growing_row_split_in_time_overflows_where_the_loop_does() -> None:
    u = torch.zeros(1, 200_000, 1, dtype=torch.float64)
    quiet = linear_scan(2.0, u)
    assert torch.equal(quiet, u)
    u[0, 100_000] = 1.0
    c = linear_scan(2.0, u)[0, :, 0]
    assert torch.equal(c[:100_000], torch.zeros(100_000, dtype=torch.float64))
    assert c[100_000 + 1023] == 2.0**1023 and bool(torch.isinf(c[100_000 + 1024 :]).all())


def test_the_result_is_the_same_for_any_number_of_threads() -> None:
    f, u = torch.rand(1, 1_000_000, 1), torch.randn(1, 1_000_000, 1)
    before = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(linear_scan(f, u))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@pytest.mark.parametrize("shape", [(1, 9000, 16), (1, 6000, 47), (3, 3000, 33), (1, 70, 5000), (5, 9000, 7), (1, 20_000, 9), (300, 700, 1)])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_shares_of_threads_cover_everything(shape: tuple[int, int, int], threads: int) -> None:
    f, u = torch.rand(shape[2], dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        got = linear_scan(f, u)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(got, linear_scan(f, u, backend="torch"), rtol=1e-13, atol=1e-13)


def test_the_layout_of_the_input_is_kept() -> None:
    u = torch.randn(3, 4, 50).transpose(1, 2)
    assert linear_scan(0.5, u).stride() == u.stride()


@pytest.mark.parametrize("width", [3, 40])
def test_nan_stays_in_its_lane(width: int) -> None:
    u = torch.randn(2, 300, width)
    clean = linear_scan(0.9, u)
    u[1, 7, 2] = torch.nan
    c = linear_scan(0.9, u)
    assert bool(c[1, 7:, 2].isnan().all())
    keep = torch.ones_like(c, dtype=torch.bool)
    keep[1, 7:, 2] = False
    assert torch.equal(c[keep], clean[keep])


def test_a_missing_step_keeps_the_state_whatever_lies_there() -> None:
    f, u = torch.rand(2, 9, 3), torch.randn(2, 9, 3)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, [0, 4, 5]] = False
    u[:, 4], f[:, 5] = torch.nan, torch.nan
    u.requires_grad_(True)
    c = linear_scan(f, u, torch.ones(2, 3), mask=mask)
    assert torch.equal(c[:, 0], torch.ones(2, 3)) and torch.equal(c[:, 5], c[:, 3])
    left_out = linear_scan(f[:, mask[0]], u[:, mask[0]], torch.ones(2, 3))
    torch.testing.assert_close(c[:, mask[0]], left_out)
    c.sum().backward()
    assert u.grad is not None and bool(u.grad.isfinite().all()) and bool((u.grad[:, 4] == 0).all())


def test_packed_sequences_are_the_sequences_one_by_one() -> None:
    f, u, lengths = torch.rand(12, 20), torch.randn(12, 20), [3, 0, 4, 5]
    bounds = torch.tensor([0, 3, 3, 7, 12])
    c0 = torch.randn(4, 20)
    c, final = linear_scan(f, u, c0, dim=0, cu_seqlens=bounds, return_final=True)
    parts = [linear_scan(a, b, s, dim=0) for a, b, s in zip(f.split(lengths), u.split(lengths), c0, strict=True)]
    assert torch.equal(c, torch.cat(parts))
    assert torch.equal(final[1], c0[1]) and torch.equal(final[3], c[-1])


def test_any_axis_can_be_time() -> None:
    u, f = torch.randn(2, 5, 3, 4), torch.rand(3, 1)
    c = linear_scan(f, u, dim=1)
    for dim in (0, 2, 3, -1):
        moved = linear_scan(f.expand(u.shape).movedim(1, dim), u.movedim(1, dim), dim=dim)
        torch.testing.assert_close(moved, c.movedim(1, dim))


@pytest.mark.parametrize("f", [0.0, 0.5, 0.999, 1.0, None])
def test_float32_rounds_once_a_step(f: float | None) -> None:
    generator = torch.Generator().manual_seed(3)
    u = torch.rand((1, 65_536, 2), generator=generator)
    gate = torch.rand(u.shape, generator=generator) if f is None else torch.tensor(f)
    exact = linear_scan(gate.double(), u.double())
    assert relative(linear_scan(gate, u), exact) <= 1e-7


def test_bfloat16_is_the_exact_state_rounded() -> None:
    f, u = torch.full((1, 10_000, 20), 0.999).bfloat16(), torch.randn(1, 10_000, 20).bfloat16()
    exact = linear_scan(f.double(), u.double())
    assert relative(linear_scan(f, u), exact.bfloat16().double()) <= 1e-5


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(9, 300, 1), (3, 40, 33), (2, 50, 3)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_compiled_rows_are_those_of_the_torch_loop_to_the_last_bit(dtype: torch.dtype, shape: tuple[int, int, int], reverse: bool) -> None:
    f, u = torch.rand(shape).to(dtype), torch.randn(shape).to(dtype)
    for gate in (f, f[:, :1]):
        assert torch.equal(linear_scan(gate, u, reverse=reverse), linear_scan(gate, u, reverse=reverse, backend="torch"))


def test_bfloat16_inputs_give_float32_states_where_asked() -> None:
    f, u = torch.full((1, 10_000, 20), 0.999).bfloat16().requires_grad_(True), torch.randn(1, 10_000, 20).bfloat16()
    c = linear_scan(f, u, dtype=torch.float32)
    exact = linear_scan(f.double(), u.double())
    assert c.dtype == torch.float32 and relative(c.detach(), exact.detach()) <= 1e-7
    (df,) = torch.autograd.grad(c.sum(), f)
    assert df.dtype == torch.bfloat16 and bool(df.isfinite().all())


def test_irregular_gaps_decay_by_elapsed_time() -> None:
    elapsed = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    c = linear_scan(elapsed_decay(elapsed, 0.3), torch.zeros(3, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64), dim=0)
    torch.testing.assert_close(c, torch.exp(-0.3 * elapsed.cumsum(0)))
    with pytest.raises(DataError, match="backwards"):
        elapsed_decay(-elapsed, 0.3)


X = torch.randn(2, 5, 3)
WRONG = {
    "do not broadcast": lambda: linear_scan(torch.rand(4), X),
    "integer dtype": lambda: linear_scan(0.5, torch.ones(2, 5, 3, dtype=torch.int64)),
    "cannot have this dtype": lambda: linear_scan(0.5, X, dtype=torch.int64),
    "expected: complex": lambda: linear_scan(0.5, X * 1j, dtype=torch.float32),
    "several devices": lambda: linear_scan(0.5, X, torch.zeros(2, 3, device="meta")),
    "c0 does not fit": lambda: linear_scan(0.5, X, torch.zeros(2, 4)),
    "mask does not fit": lambda: linear_scan(0.5, X, mask=torch.ones(5, 2, dtype=torch.bool)),
    "mask is not boolean": lambda: linear_scan(0.5, X, mask=torch.ones(2, 5)),
    "no such axis": lambda: linear_scan(0.5, torch.ones(4)),
    "packed sequences in a batch": lambda: linear_scan(0.5, X, cu_seqlens=torch.tensor([0, 5])),
    "not increasing": lambda: linear_scan(0.5, X[:1], cu_seqlens=torch.tensor([0, 4, 2, 5])),
    "from 0 to T": lambda: linear_scan(0.5, X[:1], cu_seqlens=torch.tensor([0, 4])),
    "not bounds": lambda: linear_scan(0.5, X[:1], cu_seqlens=torch.tensor([0.0, 5.0])),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_call_is_explained(text: str) -> None:
    with pytest.raises(DataError, match=text):
        WRONG[text]()


def test_shapes_that_do_not_broadcast_are_both_named() -> None:
    with pytest.raises(DataError, match=r"f \(4,\), u \(2, 5, 3\)"):
        linear_scan(torch.rand(4), X)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ParameterError, match="unknown backend"):
        linear_scan(0.5, X, backend="cuda")  # type: ignore[arg-type]


def test_concurrent_callers_get_their_own_results() -> None:
    inputs = [torch.randn(4, 20_000, 8) for _ in range(4)]
    expected = [linear_scan(0.9, u) for u in inputs]
    right = [False] * 4

    def call(i: int) -> None:
        right[i] = all(torch.equal(linear_scan(0.9, inputs[i]), expected[i]) for _ in range(5))

    workers = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert all(right)


def _child(queue: object) -> None:
    u = torch.from_numpy(np.ones((1, 400_000, 1)))  # torch.ones would start torch's own threads, which do not outlive a fork
    queue.put(float(linear_scan(0.5, u)[0, -1, 0]))  # type: ignore[attr-defined]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_worker_gets_threads_of_its_own() -> None:
    linear_scan(0.5, torch.ones(1, 400_000, 1))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=_child, args=(queue,))
    worker.start()
    assert queue.get(timeout=30) == 2.0
    worker.join(30)
    assert worker.exitcode == 0


def test_a_sequence_of_one_step_beside_a_long_one_is_computed():
    """The kernel of long rows cuts off the first step of a row; a row that has no other is still a row."""
    u, f = torch.randn(1, 300_001, 1), torch.rand(1, 300_001, 1)
    for bounds in ([0, 1, 300_001], [0, 300_000, 300_001]):
        packed = linear_scan(f, u, cu_seqlens=torch.tensor(bounds))
        apart = [linear_scan(f[:, a:b], u[:, a:b]) for a, b in pairwise(bounds)]
        assert torch.allclose(packed, torch.cat(apart, 1), atol=1e-6)
