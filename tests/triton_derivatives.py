"""Derivatives of the Triton scan against those of a loop of torch operations; run by test_engine_triton.py, as triton_laws.py is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.func import grad, hessian, jacfwd, jvp, vmap

from seqsci.engine import linear_scan
from tests.triton_laws import DEVICE

U = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).to(DEVICE)
QUIET = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


def scanned(x: Tensor) -> Tensor:
    return linear_scan(x, U).sin().sum()  # type: ignore[union-attr]


def looped(x: Tensor) -> Tensor:
    f, state, total = x.expand(U.shape), torch.zeros_like(U[:, 0]), torch.zeros((), dtype=x.dtype, device=DEVICE)
    for t in range(U.shape[1]):
        state = f[:, t] * state + U[:, t]
        total = total + state.sin().sum()
    return total


EAGER = {
    "jvp": lambda l, x: jvp(l, (x,), (torch.ones_like(x),))[1],
    "hessian (forward over reverse)": lambda l, x: hessian(l)(x),
    "vmap of grad": lambda l, x: vmap(grad(l))(torch.stack([x, 1.5 * x])),
    "third (jacfwd of hessian)": lambda l, x: jacfwd(hessian(l))(x),
}


@QUIET
@pytest.mark.parametrize("name", EAGER)
def test_a_derivative_is_that_of_the_loop(name: str) -> None:
    x = torch.rand(3, dtype=torch.float64, generator=torch.Generator().manual_seed(7)).to(DEVICE)
    got, expected = EAGER[name](scanned, x), EAGER[name](looped, x)  # type: ignore[no-untyped-call]
    assert float(expected.abs().max()) > 1e-3
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@QUIET
@pytest.mark.parametrize(("dtype", "packed"), [(torch.float64, False), (torch.float64, True), (torch.complex128, True)], ids=str)
def test_gradients_of_both_orders_are_differences(dtype: torch.dtype, packed: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    bounds = torch.tensor([0, 2, 2, 4], device=DEVICE) if packed else None
    start = (1, 3, 1) if packed else (1, 1)
    f, u, c0 = (torch.randn(s, dtype=dtype, generator=generator).to(DEVICE).requires_grad_(True) for s in ((1, 4, 1), (1, 4, 1), start))

    def both(f: Tensor, u: Tensor, c0: Tensor) -> tuple[Tensor, Tensor]:
        return linear_scan(f, u, c0, reverse=packed, cu_seqlens=bounds, return_final=True)  # type: ignore[return-value]

    assert gradcheck(both, (f, u, c0), check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(both, (f, u, c0), fast_mode=True)


@QUIET
def test_a_compiled_gradient_is_that_of_eager_mode() -> None:
    torch._dynamo.reset()
    x = torch.rand(3, dtype=torch.float64).to(DEVICE).requires_grad_(True)
    (got,) = torch.autograd.grad(torch.compile(scanned, backend="aot_eager", fullgraph=True)(x), x)
    (expected,) = torch.autograd.grad(looped(x), x)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_the_operators_layout_is_that_of_their_fakes() -> None:
    f, u, c0 = (torch.rand(s, dtype=torch.float64, device=DEVICE) for s in ((1, 1, 20), (2, 5, 20), (2, 1, 20)))
    for laid in (u, u.transpose(0, 1).contiguous().transpose(0, 1), u[:, :, :1].expand(2, 5, 20)):
        assert torch.ops.seqsci.linear_scan(f, laid, c0, None, False, "auto").stride() == torch.empty_like(laid).stride()
        df, adjoint, dc0 = torch.ops.seqsci.linear_scan_adjoint(f, u, c0, laid, None, True, "auto")
        assert adjoint.stride() == torch.empty_like(laid).stride() and df.is_contiguous() and df.shape == f.shape and dc0.is_contiguous()
