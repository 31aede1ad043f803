"""Every derivative of the scan is right or refused: never a silent zero. Run with -s for the table of derivative and result."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from seqsci.engine import linear_scan
from seqsci.errors import EquationError

# torch loads its forward-mode decompositions through its own deprecated torch.jit.script
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

GATES = {"full": (2, 5, 3), "per channel": (3,), "per step": (1, 5, 1), "number": ()}


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("packed", [False, True], ids=["single", "packed"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("gate", GATES)
def test_first_and_second_derivatives_are_finite_differences(gate: str, reverse: bool, packed: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    batch = 1 if packed else 2
    shape = (batch, 5, 3) if gate == "full" else GATES[gate]
    bounds = torch.tensor([0, 2, 2, 5]) if packed else None
    c0 = torch.randn((1, 3, 3) if packed else (2, 3), dtype=dtype, requires_grad=True)
    inputs = (torch.randn(shape, dtype=dtype, requires_grad=True), torch.randn(batch, 5, 3, dtype=dtype, requires_grad=True), c0)

    def both(f: Tensor, u: Tensor, c0: Tensor) -> tuple[Tensor, Tensor]:
        return linear_scan(f, u, c0, reverse=reverse, cu_seqlens=bounds, return_final=True)  # type: ignore[return-value]

    assert gradcheck(both, inputs, check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(both, inputs, check_fwd_over_rev=True, fast_mode=True)


U = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
WEIGHT = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(6))


def scanned(x: Tensor) -> Tensor:
    return (linear_scan(x, U).sin() * WEIGHT).sum()


def looped(x: Tensor) -> Tensor:
    f, state, total = x.expand(U.shape), torch.zeros(2, 3, dtype=x.dtype), torch.zeros((), dtype=x.dtype)
    for t in range(U.shape[1]):
        state = f[:, t] * state + U[:, t]
        total = total + (state.sin() * WEIGHT[:, t]).sum()
    return total


def _dual(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(function(forward_ad.make_dual(x, torch.ones_like(x)))).tangent
    assert tangent is not None
    return tangent


def _batched(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_(True)
    cotangents = torch.stack([torch.tensor(1.0, dtype=x.dtype), torch.tensor(2.0, dtype=x.dtype)])
    return torch.autograd.grad(function(x), x, cotangents, is_grads_batched=True)[0]


def _stack(x: Tensor) -> Tensor:
    return torch.stack([x, 1.5 * x])


def compiled(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    torch._dynamo.reset()
    return torch.compile(function, backend="aot_eager", fullgraph=True)  # type: ignore[no-any-return]


Derivative = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
EAGER: dict[str, Derivative] = {
    "grad": lambda l, x: grad(l)(x),
    "jvp": lambda l, x: jvp(l, (x,), (torch.ones_like(x),))[1],
    "dual numbers": _dual,
    "batched cotangents": _batched,
    "hessian (forward over reverse)": lambda l, x: hessian(l)(x),
    "jacfwd of jacfwd": lambda l, x: jacfwd(jacfwd(l))(x),
    "jacrev of jacrev": lambda l, x: jacrev(jacrev(l))(x),
    "jacrev of jacfwd": lambda l, x: jacrev(jacfwd(l))(x),
    "vmap": lambda l, x: vmap(l)(_stack(x)),
    "vmap of grad": lambda l, x: vmap(grad(l))(_stack(x)),
    "vmap of hessian": lambda l, x: vmap(hessian(l))(_stack(x)),
    "grad of vmap": lambda l, x: grad(lambda y: vmap(l)(y).sum())(_stack(x)),
    "third (jacfwd of hessian)": lambda l, x: jacfwd(hessian(l))(x),
    "fourth (jacfwd of jacfwd of hessian)": lambda l, x: jacfwd(jacfwd(hessian(l)))(x),
}
WHOLE: dict[str, Derivative] = {
    "grad": lambda l, x: grad(l)(x),
    "jacrev": lambda l, x: jacrev(l)(x),
    "vmap": lambda l, x: vmap(l)(_stack(x)),
    "jvp": lambda l, x: jvp(l, (x,), (torch.ones_like(x),))[1],
    "vmap of grad": lambda l, x: vmap(grad(l))(_stack(x)),
    "hessian (forward over reverse)": lambda l, x: hessian(l)(x),
}
REFUSED = {"jvp", "vmap of grad", "hessian (forward over reverse)"}


@pytest.mark.parametrize("shape", [(2, 6, 3), (3,), (1, 6, 1), (1,)], ids=str)
@pytest.mark.parametrize("name", EAGER)
def test_a_derivative_in_eager_mode_is_that_of_the_loop(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) == 3 and name.startswith(("third", "fourth")):
        shape = (1, 6, 1)
    x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    got, expected = EAGER[name](scanned, x), EAGER[name](looped, x)
    error = float((got - expected).abs().max())
    print(f"\n{name:40} {shape!s:12} error {error:.1e} of {float(expected.abs().max()):.1e}", end="")
    assert float(expected.abs().max()) > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", WHOLE)
def test_a_compiled_derivative_is_that_of_the_loop_or_refused(name: str) -> None:
    x = torch.rand(3, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    expected = WHOLE[name](looped, x)
    try:
        got = compiled(lambda y: WHOLE[name](scanned, y))(x)
    except Exception as error:  # noqa: BLE001 - Dynamo's own errors have no common public base
        print(f"\ncompiled {name:40} refused: {type(error).__name__}", end="")
        assert name in REFUSED
        return
    print(f"\ncompiled {name:40} error {float((got - expected).abs().max()):.1e}", end="")
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_compiled_module_trains_as_in_eager_mode() -> None:
    x, c0 = torch.rand(3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    results = []
    for way in (lambda g: g, compiled):
        leaves = [y.clone().requires_grad_(True) for y in (x, U, c0)]
        c, final = way(lambda f, u, c0: linear_scan(f, u, c0, return_final=True))(*leaves)  # type: ignore[arg-type, misc, call-arg]
        results.append(torch.autograd.grad((c.sin() * WEIGHT).sum() + (final**2).sum(), leaves))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_inductor_gives_the_gradient_of_eager_mode() -> None:
    torch._dynamo.reset()
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(torch.compile(scanned, fullgraph=True)(x), x)
    (expected,) = torch.autograd.grad(scanned(x), x)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


class _Module(torch.nn.Module):
    def forward(self, f: Tensor, u: Tensor) -> Tensor:
        return linear_scan(f, u) * 2  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_exported_program_computes_and_trains() -> None:
    f = torch.rand(3, dtype=torch.float64, requires_grad=True)
    program = torch.export.export(_Module(), (f.detach(), U))
    got = program.module()(f, U)
    torch.testing.assert_close(got, _Module()(f, U))
    (a,), (b,) = torch.autograd.grad((got * WEIGHT).sum(), f), torch.autograd.grad((_Module()(f, U) * WEIGHT).sum(), f)
    torch.testing.assert_close(a, b)


def test_the_operators_pass_torchs_own_check() -> None:
    f, u, c0 = (torch.rand(s, dtype=torch.float64, requires_grad=True) for s in ((1, 1, 3), (2, 5, 3), (2, 1, 3)))
    torch.library.opcheck(torch.ops.seqsci.linear_scan.default, (f, u, c0, None, False, "auto"))
    g = torch.rand(2, 5, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.seqsci.linear_scan_adjoint.default, (f, u, c0, g, None, True, "auto"))


RAW: dict[str, Callable[[Callable[[Tensor], Tensor], Tensor], object]] = {
    "jvp": lambda l, x: jvp(l, (x,), (torch.ones_like(x),)),
    "dual numbers": _dual,
    "grad of jvp": lambda l, x: grad(lambda y: jvp(l, (y,), (torch.ones_like(y),))[1])(x),
    "jvp of jvp": lambda l, x: jvp(lambda y: jvp(l, (y,), (torch.ones_like(y),))[1], (x,), (torch.ones_like(x),)),
    "jvp of vmap": lambda l, x: jvp(lambda y: vmap(l)(y).sum(), (_stack(x),), (_stack(x),)),
    "vmap of jvp": lambda l, x: vmap(lambda y: jvp(l, (y,), (torch.ones_like(y),))[1])(_stack(x)),
    "jacfwd": lambda l, x: jacfwd(l)(x),
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("way", ["operator", "adjoint", "exported"])
def test_forward_mode_through_a_registered_operator_is_refused(way: str, name: str) -> None:
    x, c0 = torch.rand(1, 1, 3, dtype=torch.float64), torch.zeros(2, 1, 3, dtype=torch.float64)
    program = torch.export.export(_Module(), (x, U)).module() if way == "exported" else None
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "operator": lambda y: torch.ops.seqsci.linear_scan(y, U, c0, None, False, "auto").sum(),
        "adjoint": lambda y: torch.ops.seqsci.linear_scan_adjoint(y, U, c0, U, None, False, "auto")[1].sum(),
        "exported": lambda y: program(y, U).sum(),  # type: ignore[misc]
    }
    with pytest.raises(EquationError, match="no forward-mode derivative"):
        RAW[name](functions[way], x)


def test_the_second_derivative_of_the_registered_operators_is_that_of_eager_mode() -> None:
    x, c0 = torch.rand(1, 1, 3, dtype=torch.float64, requires_grad=True), torch.zeros(2, 1, 3, dtype=torch.float64)
    results = []
    for scan in (lambda: torch.ops.seqsci.linear_scan(x, U, c0, None, False, "auto"), lambda: linear_scan(x, U)):
        (first,) = torch.autograd.grad((scan().sin() * WEIGHT).sum(), x, create_graph=True)
        results.append((first, *torch.autograd.grad((first**2).sum(), x)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_fake_tensors_have_the_shape_dtype_and_strides_of_the_real_ones() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    u = torch.randn(2, 3, 5).transpose(1, 2)
    real = linear_scan(0.5, u)
    with FakeTensorMode() as mode:
        fake = linear_scan(torch.rand(3), mode.from_tensor(u))
    assert fake.shape == real.shape and fake.stride() == real.stride() and fake.dtype == real.dtype  # type: ignore[union-attr]


def test_vmap_over_bounds_is_refused() -> None:
    bounds = torch.tensor([[0, 2, 5], [0, 3, 5]])
    with pytest.raises(EquationError, match="bounds"):
        vmap(lambda b: linear_scan(torch.tensor(0.5), torch.ones(1, 5, 2), cu_seqlens=b))(bounds)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_narrow_gradients_are_those_of_double_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    leaves = [x.to(dtype).requires_grad_(True) for x in (torch.rand(40), torch.randn(2, 300, 40))]
    wide = [x.detach().double().requires_grad_(True) for x in leaves]
    got = torch.autograd.grad(linear_scan(*leaves).sum(), leaves)  # type: ignore[union-attr]
    expected = torch.autograd.grad(linear_scan(*wide).sum(), wide)  # type: ignore[union-attr]
    for a, b in zip(got, expected, strict=True):
        assert float((a.double() - b).norm() / b.norm()) <= (1e-6 if dtype == torch.float32 else 1e-2)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x.contiguous(),
    "time contiguous": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "time first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "every other lane": lambda x: torch.stack((x, x), 3).flatten(2, 3)[..., ::2],
    "one lane for all": lambda x: x[..., :1].expand(x.shape),
}


def _gradients(backend: str, f: Tensor, u: Tensor, c0: Tensor, g: Tensor, reverse: bool, bounds: Tensor | None) -> tuple[Tensor, ...]:
    leaves = [x.detach().requires_grad_(True) for x in (f, u, c0)]
    start = leaves[2][:, 0] if bounds is None else leaves[2]
    c = linear_scan(leaves[0], leaves[1], start, reverse=reverse, cu_seqlens=bounds, backend=backend)  # type: ignore[arg-type]
    return torch.autograd.grad(c, leaves, g)  # type: ignore[arg-type]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_compiled_gradients_are_those_of_the_torch_loop(data: st.DataObject) -> None:
    batch, steps = data.draw(st.integers(0, 3), "B"), data.draw(st.sampled_from([0, 1, 2, 9, 130]), "T")
    width = data.draw(st.sampled_from([0, 1, 2, 7, 16, 35]), "D")
    dtype = data.draw(st.sampled_from([torch.float64, torch.complex128, torch.float32]), "dtype")
    gate = tuple(data.draw(st.sampled_from([n, 1]), "gate") for n in (batch, steps, width))
    reverse, layout = data.draw(st.booleans(), "reverse"), [data.draw(st.sampled_from(sorted(LAYOUTS)), "layout") for _ in range(3)]
    bounds = None
    if batch == 1 and data.draw(st.booleans(), "packed"):
        bounds = torch.tensor([0, *sorted(data.draw(st.lists(st.integers(0, steps), max_size=4), "bounds")), steps])
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000), "seed"))
    f, u, c0, g = (
        torch.randn(s, dtype=dtype, generator=generator)
        for s in (gate, (batch, steps, width), (batch, 1 if bounds is None else len(bounds) - 1, width), (batch, steps, width))
    )
    f, u, g = (LAYOUTS[name](x) for name, x in zip(layout, (0.5 * f, u, g), strict=True))
    got = _gradients("numba", f, u, c0, g, reverse, bounds)
    expected = _gradients("torch", f, u, c0, g, reverse, bounds)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape and a.dtype == dtype
        assert float((a - b).norm()) <= (1e-5 if dtype == torch.float32 else 1e-12) * max(float(b.norm()), 1.0)


SHARED = {
    "number": (1, 1, 1),
    "per lane": (1, 1, 0),
    "per step": (1, 0, 1),
    "per row": (0, 1, 1),
    "per step and lane": (1, 0, 0),
    "none": (0, 0, 0),
}


@pytest.mark.parametrize("shape", [(3, 3000, 33), (1, 150_001, 1), (40, 3001, 1), (2, 70_000, 2)], ids=str)
@pytest.mark.parametrize("gate", SHARED)
def test_the_gradient_of_a_shared_gate_is_the_sum_and_the_same_for_any_number_of_threads(gate: str, shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(4)
    kept = tuple(n if k == 0 else 1 for n, k in zip(shape, SHARED[gate], strict=True))
    u, g = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    f, c0 = torch.rand(kept, generator=generator, dtype=torch.float64), torch.randn(shape[0], 1, shape[2], dtype=torch.float64)
    whole = _gradients("numba", f.expand(shape), u, c0, g, True, None)[0]
    axes = [axis for axis, k in enumerate(SHARED[gate]) if k]
    expected = whole.sum(axes, keepdim=True) if axes else whole
    before = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(_gradients("numba", f, u, c0, g, True, None)[0])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(results[0], expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@pytest.mark.parametrize("gate", [(), (40,), (1, 500, 1), (20, 1, 1)], ids=str)
def test_the_gradient_of_a_shared_gate_takes_no_memory_of_its_own(gate: tuple[int, ...]) -> None:
    u = torch.randn(20, 500, 40)
    f = torch.rand(gate, requires_grad=True)
    c = linear_scan(f, u)
    g = torch.ones_like(u)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        torch.autograd.grad(c, f, g)  # type: ignore[arg-type]
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in profile.events())
    assert u.nbytes <= allocated <= 1.2 * u.nbytes  # the adjoint itself
