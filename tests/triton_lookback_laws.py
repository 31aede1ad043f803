"""Laws of the Triton scan of few lanes, whose programs wait for one another; run by test_engine_triton.py like triton_laws.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqsci.engine import linear_scan
from seqsci.errors import SeqsciError
from tests.triton_laws import CARD, DEVICE, both, error, inputs, pytestmark  # noqa: F401


class Spy:
    """A kernel that tells how many columns of lanes it was given to walk again."""

    def __init__(self, kernel: Any) -> None:
        self.kernel, self.again = kernel, []  # type: ignore[var-annotated]

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def launch(*args: Any, **known: Any) -> None:
            if known["AGAIN"]:
                self.again.append(int(args[7][: grid[0]].sum()))
            self.kernel[grid](*args, **known)

        return launch


@pytest.mark.parametrize("case", ["one lane", "few lanes", "packed lanes"])
@pytest.mark.parametrize("gate", [torch.nan, -torch.inf, 1e7])
def test_a_gate_that_is_not_finite_is_what_the_loop_makes_of_it(case: str, gate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqsci.engine import triton_launch

    if case == "packed lanes" and gate == 1e7 and not CARD:
        pytest.skip("slow in the interpreter, which -inf goes through alike")
    spy = Spy(triton_launch.tiles)
    monkeypatch.setattr(triton_launch, "tiles", spy)
    shape = (1, 100_000, 1 if case == "one lane" else 3) if CARD else (1, 100, 1 if case == "one lane" else 3)
    bounds = torch.tensor([0, 41, 50, shape[1]], device=DEVICE) if case == "packed lanes" else None
    f, u, c0, g = inputs(shape, shape, torch.float64, 1 if bounds is None else 3, 5)
    f[0, 40, 0], f[0, 39, 0] = gate, 0.0  # beside a gate of 0 a product is not a number, and the state is one
    got, expected = both(f, u, c0 if bounds is not None else c0[:, 0], g, cu_seqlens=bounds)
    for a, b in zip(got, expected, strict=True):
        known = b.isfinite()
        assert torch.equal(a.cpu().isfinite(), known) and torch.equal(a.cpu().isnan(), b.isnan())
        assert error(a.cpu()[known], b[known]) <= 1e-10
    assert len(spy.again) == 2 and spy.again == ([0, 0] if gate != gate else [1, 1])


@pytest.mark.parametrize("width", [1, 3, 40 if CARD else 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_infinite_state_stays_infinite_where_products_of_gates_underflow(width: int, dtype: torch.dtype) -> None:
    steps = 20_000 if CARD else 60
    f = torch.full((1, steps, width), 1e-3 if CARD else 1e-40 if dtype == torch.float32 else 1e-100, dtype=dtype, device=DEVICE)
    u = torch.ones_like(f)
    start = torch.ones(1, width, dtype=dtype, device=DEVICE)
    start[0, 0] = torch.inf
    c = linear_scan(f, u, start)[0]
    assert bool((c[:, 0] == torch.inf).all()) and bool(c[:, 1:].isfinite().all())
    u[0, 3, 0] = -torch.inf
    c = linear_scan(f, u)[0]
    assert bool(c[:3].isfinite().all()) and bool((c[3:, 0] == -torch.inf).all()) and bool(c[:, 1:].isfinite().all())


@pytest.mark.parametrize("gate", ["all", "lane", "step"])
def test_a_growing_gate_that_is_shared_has_the_gradient_of_the_loop(gate: str) -> None:
    """Its columns are walked after all, and sums of chunks that were written before are taken back."""
    shape = (2, 600 if CARD else 90, 3)
    sizes = {"all": (1, 1, 1), "lane": (1, 1, 3), "step": (1, shape[1], 1)}[gate]
    _, u, c0, g = inputs(shape, shape, torch.float64, 1, 9)
    got, expected = both(torch.full(sizes, 1.3, dtype=torch.float64, device=DEVICE), u, c0[:, 0], g)
    for a, b in zip(got, expected, strict=True):
        assert error(a, b) <= 1e-12


def test_a_tile_that_never_comes_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first program draws the second number: what waits for the first tile gives up, and its column is walked."""
    from seqsci.engine import triton_launch, triton_lookback

    class Late:
        def __getitem__(self, grid: tuple[int, ...]) -> Any:
            def launch(*args: Any, **known: Any) -> None:
                args[10].fill_(1)  # TICKET
                triton_lookback.chained[(grid[0] - 1,)](*args, **known)

            return launch

    spy = Spy(triton_launch.tiles)
    monkeypatch.setattr(triton_launch, "tiles", spy)
    monkeypatch.setattr(triton_launch, "chained", Late())
    if not CARD:
        monkeypatch.setattr(triton_lookback, "PATIENCE", 3)
    shape = (1, 40_000, 1) if CARD else (1, 150, 1)
    f, u, c0, g = inputs(shape, shape, torch.float64, 1, 7)
    got, expected = both(f, u, c0[:, 0], g)
    assert spy.again == [1, 1]
    for a, b in zip(got, expected, strict=True):
        assert error(a, b) <= 1e-12


def test_more_programs_than_a_launch_has_are_refused() -> None:
    from seqsci.engine import triton_launch

    f, c0 = torch.empty(1, 1, 1, device="meta"), torch.empty(2**31, 1, 3, device="meta")
    with pytest.raises(SeqsciError, match=r"more programs(.|\n)*cut the batch"):
        triton_launch.scan(f, torch.empty(2**31, 2, 3, device="meta"), c0, None, False)
