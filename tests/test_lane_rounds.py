"""A round of the climb on a card: how many operations it launches, how often it waits, and that no fit depends on the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seqsci.estimation import lane_climb
from seqsci.estimation.lane_climb import Climbed, climb

VIEWS = {"permute", "t", "transpose", "unsqueeze", "expand", "view", "slice", "select", "diagonal", "detach", "alias", "_unsafe_view"}
SCORING, SEARCHING = 230, 130
"""Operations of the median round, with fits in Fisher scoring, and without."""


class Counted(TorchDispatchMode):
    """Counts what a card would launch; a mask as an index, and the size of what is found, wait for the card."""

    launched, waits = 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_") and any(i is not None and i.dtype == torch.bool for i in args[1])
        self.waits += masks or name in ("nonzero", "_local_scalar_dense", "masked_select", "is_nonzero")
        self.launched += name not in VIEWS and name != "scalar_tensor"
        return function(*args, **(kwargs or {}))


class Wells:
    """Quartic wells of four parameters, some steep and some flat; notes what was launched since the last answer."""

    def __init__(self, counted: Counted | None = None) -> None:
        self.counted, self.rounds = counted, []

    def __call__(self, raw: Tensor, index: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
        if self.counted is not None:
            self.rounds.append((full, self.counted.launched, self.counted.waits))
        scale = torch.tensor([1.0, 3.0, 10.0, 40.0], dtype=torch.float64)
        away = raw - torch.arange(4)
        value = 0.5 * (scale * away**2).sum(1) + (away**4).sum(1)
        information = torch.diag_embed(scale + 12 * away**2) * (1 + index[:, None, None] % 7)
        gradient = scale * away + 4 * away**3
        if self.counted is not None:
            self.counted.launched, self.counted.waits = 0, 0
        return value, gradient, information


def started(count: int) -> tuple[Tensor, Tensor, Tensor]:
    start = 5 * torch.randn((count, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return start, torch.arange(count), torch.ones_like(start).bool()


def test_a_round_waits_for_the_card_once_and_launches_a_known_number_of_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    plain = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: asked.append(None) or plain(self))
    with Counted() as counted:
        target = Wells(counted)
        climb(target, *started(300), 400, 1e-9)  # type: ignore[arg-type]
    rounds = target.rounds[1:]
    assert len(rounds) > 20 and {full for full, _, _ in rounds} == {True, False}
    assert len(asked) == len(rounds) + 1
    assert all(waits <= 1 for _, _, waits in rounds)  # the places of those that go on, where some are taken out
    assert sum(waits for _, _, waits in rounds) < 0.5 * len(rounds)
    scoring, searching = (int(np.median([launched for full, launched, _ in rounds if full == side])) for side in (True, False))
    print(f"operations of a round: {scoring} with scoring, {searching} without")
    assert scoring <= SCORING and searching <= SEARCHING


def test_a_fit_has_the_same_bits_whoever_climbs_beside_it_and_whenever_others_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    start, index, moving = started(60)
    moving[::5, 2] = False
    start[::10, 2] = torch.inf

    class Fixed(Wells):
        def __call__(self, raw: Tensor, index: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
            return super().__call__(torch.where(torch.isinf(raw), 2.0, raw), index, full)

    def run(some: slice) -> Climbed:
        return climb(Fixed(), start[some], index[some], moving[some], 400, 1e-9)  # type: ignore[arg-type]

    whole = run(slice(None))
    assert whole.converged.all() and torch.isinf(whole.raw[::10, 2]).all()
    np.testing.assert_allclose(whole.raw[1::5].numpy(), np.tile(np.arange(4.0), (12, 1)), atol=1e-4)
    for share in (0.0, 1.0):
        monkeypatch.setattr(lane_climb, "FEW", 0)
        monkeypatch.setattr(lane_climb, "FULL", share)
        again = run(slice(None))
        for name in ("raw", "nll", "evaluations", "converged"):
            assert torch.equal(getattr(again, name), getattr(whole, name))
    for some in (slice(0, 1), slice(7, 31)):
        part = run(some)
        for name in ("raw", "nll", "evaluations", "converged"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[some])


def test_an_information_that_is_not_positive_definite_is_damped_until_the_climb_goes_on_without_it() -> None:
    class Flat(Wells):
        def __call__(self, raw: Tensor, index: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
            value, gradient, information = super().__call__(raw, index, full)
            return value, gradient, torch.where((index == 1)[:, None, None], -information, information)

    told = climb(Flat(), *started(3), 400, 1e-9)  # type: ignore[arg-type]
    assert told.converged.all()
    np.testing.assert_allclose(told.raw.numpy(), np.tile(np.arange(4.0), (3, 1)), atol=1e-4)
