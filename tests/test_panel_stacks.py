"""Panels by the stack: units of equal length are looked at together, to the bits of one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqsci import fit_panel
from seqsci.cells.volatility import Volatility
from seqsci.constraints import Interval, Positive, Real
from seqsci.domains.finance import models
from seqsci.errors import DataError, ParameterError
from seqsci.panel import stretches
from seqsci.panel.fitting import PANEL
from seqsci.panel.job import Job
from seqsci.panel.rows import Rows, patterns
from seqsci.panel.stretches import Stretches
from seqsci.panel.units import to_units

GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.95, memory=0.85, intercept=0.06)


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    """Sound series, and every way to be none."""
    values = TRUTH.simulate(14 * 120, 1).outcome["log_return"].reshape(14, 120)
    frame = pd.DataFrame(values.T, index=pd.date_range("2020-01-01", periods=120), columns=[f"s{i}" for i in range(14)])
    frame["s0"], frame["s1"] = np.nan, 1.5
    frame.iloc[7, 2] = np.inf
    frame.iloc[30:, 3] = np.nan
    frame["s4"] /= 1000
    frame.iloc[:40, 5] = np.nan
    frame.iloc[100:, 6] = np.nan
    frame.iloc[[50, 70], 7] = np.nan
    frame.iloc[[3, 4, 90], 8] = np.nan
    frame["s9"] = frame["s9"].round(0)
    frame["s10"] = frame["s10"].abs() + 3
    frame.iloc[[10, 20], 11] = np.nan
    return frame


def shapes(wide: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
    long = wide.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    cards = long.rename(columns={"unique_id": "card"}).assign(unique_id=np.repeat(np.arange(7), 240))
    weight = np.random.default_rng(3).choice([0.0, 0.5, 1.0], len(long))
    return {
        "wide": (wide, {}),
        "long": (long.sample(frac=1, random_state=0).sort_values("ds", kind="stable"), {}),
        "cards": (cards, {"within": "card"}),
        "weights": (long.assign(weight=weight), {}),
    }


@pytest.mark.parametrize("shape", ["wide", "long", "cards", "weights"])
def test_a_table_is_the_same_however_many_units_are_looked_at_together(
    shape: str, wide: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, how = shapes(wide)[shape]

    def table() -> pd.DataFrame:
        return fit_panel(GARCH, frame, unit="percent", threads=1, **how).table.drop(columns="seconds")

    together = table()
    assert {"ok", "failed"} == set(together["status"])
    monkeypatch.setattr(stretches, "ROWS", 50)
    pd.testing.assert_frame_equal(table(), together, check_exact=True)
    monkeypatch.setattr(Volatility, "stacked", False)
    pd.testing.assert_frame_equal(table(), together, check_exact=True)


@pytest.mark.parametrize("build", [models.garch_normal, models.tarch_t])
@pytest.mark.parametrize("rows", [1, 7, 75, 76, 1000])
def test_what_volatility_says_of_a_stack_is_what_it_says_of_each(build: Any, rows: int) -> None:
    mechanism, rng = build().mechanism, np.random.default_rng(rows)
    stack = rng.standard_t(4, (6, rows))
    backcast, guesses = mechanism.presample({"log_return": stack}, {}), list(mechanism.starting_values({"log_return": stack}))
    for i, y in enumerate(stack):
        assert mechanism.presample({"log_return": y.copy()}, {})["backcast"] == backcast["backcast"][i]
        for one, every in zip(mechanism.starting_values({"log_return": y.copy()}), guesses, strict=True):
            assert one == {n: np.broadcast_to(v, 6)[i] for n, v in every.items()}


@pytest.mark.parametrize(("bad", "told"), [(30.0, "like basis points"), (0.001, "like decimals"), (None, "prices")])
def test_a_check_of_a_stack_finds_the_one_and_names_its_size(bad: float | None, told: str) -> None:
    stack = np.random.default_rng(0).normal(size=(5, 200))
    stack[3] = np.abs(stack[3]) + 5 if bad is None else stack[3] * bad
    with pytest.raises(DataError, match=told) as alone:
        GARCH.mechanism.check({"log_return": stack[3]}, "percent")
    with pytest.raises(DataError, match=told) as together:
        GARCH.mechanism.check({"log_return": stack}, "percent")
    assert str(together.value) == str(alone.value)
    GARCH.mechanism.check({"log_return": stack[:3]}, "percent")


def test_a_sound_panel_asks_its_mechanism_once_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("check", "presample", "starting_values"):
        plain = getattr(Volatility, name)
        monkeypatch.setattr(Volatility, name, lambda self, *a, name=name, plain=plain: calls.append(name) or plain(self, *a))
    units = to_units(GARCH, pd.DataFrame(np.random.default_rng(0).normal(size=(60, 400))), unit="percent")
    job = Job.of(GARCH, units, PANEL)
    groups, failed = job.sound(list(range(400)))
    batch = job.batch(groups[0][1])
    assert not failed and job.points(batch).shape == (400, 2, 4)
    assert sorted(calls) == ["check", "presample", "starting_values"]


@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_stacks_hold_every_observed_row_of_every_stretch_once(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "ROWS", rows)
    rng = np.random.default_rng(2)
    y = np.where(rng.random(200) < 0.15, np.nan, rng.normal(size=200))
    y[40:44] = np.nan
    starts = np.array([0, 10, 20, 30, 44, 40, 60, 60, 150, 100])
    cuts = Stretches(starts, starts + np.array([10, 10, 10, 10, 0, 4, 30, 30, 50, 7]))
    found: dict[int, np.ndarray] = {}
    for stack in cuts.stacks(np.flatnonzero(np.isnan(y))):
        for place, values in zip(stack.which.tolist(), stack.of(y), strict=True):
            assert place not in found
            found[place] = values
    assert sorted(found) == list(range(len(cuts)))
    for place, (a, b) in enumerate(zip(cuts.starts, cuts.stops, strict=True)):
        np.testing.assert_array_equal(found[place], y[a:b][~np.isnan(y[a:b])])
    np.testing.assert_array_equal(cuts.joined(y), np.concatenate([y[a:b] for a, b in zip(cuts.starts, cuts.stops, strict=True)]))
    assert cuts.hold(np.array([41, 42])).tolist() == [a <= 41 < b for a, b in zip(cuts.starts, cuts.stops, strict=True)]


def test_many_values_have_the_inverses_of_each_and_one_outside_is_named() -> None:
    for constraint, values in ((Real(), [-2.0, 3.0]), (Positive(), [0.0, 1e-9, 7.0]), (Interval(-1.0, 1.0), [-1.0, 0.3, 1.0])):
        assert constraint.inverses(np.array(values)) == [constraint.inverse(v) for v in values]
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match="outside its admissible set"):
            Positive().inverses(np.array([1.0, wrong]))


def test_rows_are_their_records_and_flags_have_their_patterns() -> None:
    records = {3: {"status": "ok", "mean": 0.5, "rows": 7}, 1: {"status": "failed", "rows": 2}, 8: {"status": "ok", "mean": 1.5, "rows": 9}}
    assert {i: r for part in Rows.of(records) for i, r in part.records().items()} == records
    flags = np.random.default_rng(0).random((50, 3)) < 0.4
    kinds, which = patterns(flags)
    np.testing.assert_array_equal(kinds[which], flags)
    assert len(kinds) == len(np.unique(flags, axis=0)) and len(patterns(flags[:0])[0]) == 0
