"""What a panel of fits launches on a card is compiled before the first fit, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqsci.domains.finance import models
from seqsci.equations.triton_cache import load
from seqsci.lanes.launch import LaneKernel
from seqsci.model import Model
from seqsci.panel.card import Card
from seqsci.panel.fitting import PANEL, fit_panel
from seqsci.panel.job import Job
from tests.test_panel_memory import bowl

pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
GARCH = models.garch_normal()
VALUES = np.random.default_rng(0).normal(size=(60, 8))
WIDE = pd.DataFrame(VALUES, columns=list("abcdefgh"))
GAPS = WIDE.mask(np.eye(60, 8, -9, dtype=bool) & (np.arange(8) < 3))
LONG = WIDE.melt(var_name="unique_id", value_name="y")
CARDS = LONG.assign(card=np.where(LONG["unique_id"] == "a", np.arange(len(LONG)) // 20, 0))
WEIGHTS = LONG.assign(weight=np.where((LONG["unique_id"] == "a") & (LONG.index % 7 == 0), 0.0, 1.0))
CASES: dict[str, tuple[Model, pd.DataFrame, dict[str, Any], int]] = {
    "plain": (GARCH, WIDE, {}, 2),
    "one with gaps": (GARCH, GAPS, {}, 4),
    "all with gaps": (GARCH, GAPS[list("abc")], {}, 2),
    "several sequences, or one": (GARCH, CARDS, {"within": "card"}, 4),
    "several sequences": (GARCH, CARDS[CARDS["unique_id"] == "a"], {"within": "card"}, 2),
    "weights, or none": (GARCH, WEIGHTS, {}, 4),
    "rows held out": (GARCH.with_prior(memory=(0.7, 0.95)), WIDE, {}, 4),
    "information": (models.default(), WIDE, {}, 3),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("memory", [1e9, 1e5])
def test_every_kernel_of_a_panel_is_compiled_before_its_fits(case: str, memory: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model, frame, how, count = CASES[case]
    launched: list[tuple[Any, ...]] = []
    before: list[set[tuple[Any, ...]]] = []
    run = Job.run

    def recorded(self: LaneKernel, name: str, programs: int, arguments: tuple[Any, ...], known: dict[str, Any], interpret: bool) -> None:
        kinds = tuple(getattr(a, "dtype", None) for a in arguments)
        launched.append((self.source(name), {k: v for k, v in known.items() if k != "BLOCK"}.__repr__(), kinds))
        bowl(self, name, programs, arguments, known, interpret)

    def noted(self: Job, positions: list[int]) -> Any:
        before.append(set(launched))
        return run(self, positions)

    monkeypatch.setattr(LaneKernel, "_run", recorded)
    monkeypatch.setattr(Job, "run", noted)
    estimator = replace(PANEL, evaluations=30, min_rows=20)
    fit_panel(model, frame, unit="percent", estimator=estimator, device=Card("interpreter", memory=memory), **how)
    assert set(launched) == before[0]
    assert len(before[0]) == count


def test_the_length_of_the_data_compiles_nothing() -> None:
    card = LaneKernel(GARCH.kernel())
    for name in ("objective", "states", "adjoint", "information"):
        kernel = load(card.source(name), name, card.label, interpret=False)
        kinds = {p.name: (p.annotation_type, p.do_not_specialize) for p in kernel.params}
        assert kinds["END"] == ("i64", True)
        assert all(kinds[n] == ("", True) for n in ("COUNT", "LANES", "SEQUENCES"))
