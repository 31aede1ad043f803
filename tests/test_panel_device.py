"""Panels and cells on a card: the CPU's tables, gradients and refusals, by the kernels of the card (interpreted where there is none)."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from seqsci.cell import Cell
from seqsci.domains.finance import models
from seqsci.engine.accelerator import obstacle
from seqsci.equations import triton_printing
from seqsci.errors import DeviceError, EquationError, MissingExtraError, ParameterError
from seqsci.estimation.lane_climb import Target, climb
from seqsci.estimation.lane_solve import curvature
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.optimise import evaluate
from seqsci.estimation.search import Search
from seqsci.lanes.device import compiles, device_of, one_device
from seqsci.lanes.launch import LaneKernel, lane_kernel
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.panel.batch import Task
from seqsci.panel.card import Card
from seqsci.panel.fitting import fit_panel
from seqsci.panel.job import Job
from seqsci.panel.pooling import EmpiricalBayes, Partial
from seqsci.panel.units import to_units
from tests.hard_cases import DrivenCell
from tests.lane_cases import DEVICE, LaneCase, host
from tests.registry import VOLATILITY, returns

ROOT = Path(__file__).parent.parent
GARCH = models.garch_normal().fix(mean=0.0)
BRIEF = MaximumLikelihood(starts=2, min_rows=20, profile_bounds=False)
triton = pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a card")


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    truth = GARCH.start_at(persistence=0.9, memory=0.6, intercept=0.1)
    frame = pd.DataFrame(truth.simulate(6 * 23, 23).outcome["log_return"].reshape(6, 23).T, columns=list("abcdef"))
    frame.loc[21:, "a"] = np.nan
    frame.loc[5, "b"] = np.nan
    frame["e"] = 1.5
    frame.loc[10:, "f"] = np.nan
    return frame


def test_a_panel_on_the_card_is_the_panel_of_the_cpu(wide: pd.DataFrame) -> None:
    model = GARCH.fix(persistence=0.9)
    expected = fit_panel(model, wide, unit="percent", estimator=BRIEF).table
    found = fit_panel(model, wide, unit="percent", estimator=BRIEF, device=Card(DEVICE, memory=1e9)).table
    exact = ["unique_id", "status", "reason", "converged", "rows", "at_bound"]
    pd.testing.assert_frame_equal(found[exact], expected[exact])
    assert (found["status"] == ["ok"] * 4 + ["failed"] * 2).all()
    np.testing.assert_allclose(found["log_likelihood"], expected["log_likelihood"], rtol=1e-6)
    for name in model.free_names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(found[f"se_{name}"], expected[f"se_{name}"], rtol=1e-3)


@pytest.mark.parametrize("model", [models.tarch_t(), VOLATILITY], ids=["rough_mean", "newton"])
def test_kinked_likelihoods_have_the_information_of_the_cpu(model: Model) -> None:
    """Central differences where one parameter moves a kink, the Gauss-Newton form where all do; at a point with a pinned parameter."""
    sequences = returns(12)
    case, search = LaneCase.of(model, model.pack(sequences)), Search(model, sequences, 100)
    raw = search.start
    pinned = search.names.index("memory")
    raw[pinned] = math.inf
    free = np.array([i for i in search.free if i != pinned])
    outer, hessian = search.curvature(raw, free)
    card = Card(DEVICE)
    task = Task.of(model, 2, math.inf, 100, 2)
    assert task.rough.any() and task.newton == bool(task.rough.all())
    target = Target(case.card, case.lanes, None, None)
    rules = card._rules(_Counted(1), task, case.kernel, task.free)  # type: ignore[arg-type]
    moving = rules.moving.clone()[None]
    moving[0, pinned] = False
    point = torch.from_numpy(raw).to(moving.device)[None]
    got_outer, got, natural, _ = curvature(target, point, torch.zeros(1, dtype=torch.int64, device=moving.device), moving, rules)
    np.testing.assert_allclose(host(got_outer)[0][np.ix_(free, free)], outer, rtol=1e-8, atol=1e-8 * np.abs(outer).max())
    np.testing.assert_allclose(host(got)[0][np.ix_(free, free)], hessian, rtol=1e-5, atol=1e-6 * np.abs(hessian).max())
    assert not host(got)[0][pinned].any() and float(natural[0, pinned]) == 1.0


class _Counted:
    """What the rules ask of a batch."""

    def __init__(self, fits: int) -> None:
        self.count, self.spread = np.full(fits, 12.0), np.full(fits, -np.inf)

    def spreads(self, model: Model) -> np.ndarray:
        return self.spread


def test_a_prior_is_the_penalty_of_the_cpu_and_does_not_pull_what_it_does_not_name() -> None:
    model = GARCH.with_prior(memory=(0.5, 0.95))
    case = LaneCase.of(model, model.pack(returns(16, units=2)))
    task = Task.of(model, 2, math.inf, 100, 3)
    place = [torch.from_numpy(v).to(case.lanes.X.device) for v in (task.centre, task.precision)]
    raw = np.array([[3.0, -3.0, 1.5], [np.inf, -2.0, 0.5]])
    assert set(task.names) == {"persistence", "intercept", "memory"}
    raw = np.ascontiguousarray(raw[:, [("persistence", "intercept", "memory").index(n) for n in task.names]])
    value, gradient, info = Target(case.card, case.lanes, *place)(
        torch.from_numpy(raw).to(place[0].device), torch.arange(2, device=place[0].device), True
    )
    for u in range(2):
        g, h, n = np.zeros(3), np.zeros((3, 3)), np.zeros(3)
        data = case.alone(u).arguments
        want = evaluate(case.kernel.objective_function, task.centre, task.precision, raw[u], *data, g, h, np.zeros((0, 3)), n, n.copy())
        assert info is not None
        for got, expected in ((value[u], want), (gradient[u], g), (info[u], h)):
            np.testing.assert_allclose(host(got), expected, rtol=1e-9)


class _Valley:
    """Rosenbrock's valley, the same for every lane but its floor; NaN beyond a wall for some of them."""

    def __call__(self, raw: Tensor, index: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
        x, y = raw[:, 0], raw[:, 1]
        slope = torch.stack([2 * (x - 1) - 40 * x * (y - x**2), 20 * (y - x**2)], 1)
        first = torch.stack([torch.stack([1 + 0 * x, -(20**0.5) * x * 2], 1), torch.stack([0 * x, 20**0.5 + 0 * x], 1)], 2)
        value = (x - 1) ** 2 + 10 * (y - x**2) ** 2 + index
        return torch.where((index == 2) & (x > 5), torch.nan, value), slope, first @ first.transpose(1, 2)


def test_every_fit_of_a_climb_ends_by_itself_and_those_that_cannot_start_are_told() -> None:
    start = torch.tensor([[-1.2, 1.0], [1.0, 1.0], [6.0, 0.0], [0.5, -3.0], [2.0, 2.0]], dtype=torch.float64)
    moving = torch.ones_like(start).bool()
    moving[3, 0], moving[4] = False, False
    told = climb(_Valley(), start, torch.arange(5), moving, 400, 1e-12)  # type: ignore[arg-type]
    assert told.converged.tolist() == [True, True, False, True, True]
    np.testing.assert_allclose(told.raw[:2], np.ones((2, 2)), atol=1e-4)
    assert told.raw[3].tolist() == pytest.approx([0.5, 0.25], abs=1e-6) and torch.equal(told.raw[4], start[4])
    assert int(told.evaluations[4]) == 1 and int(told.evaluations[0]) > int(told.evaluations[1])
    assert not climb(_Valley(), start[:1], torch.arange(1), moving[:1], 2, 1e-12).converged.any()  # type: ignore[arg-type]


def run(cell: Cell, inputs: dict[str, Tensor], state: Tensor | None) -> tuple[list[Tensor], Tensor]:
    trace = cell({"gate_logit": inputs["gate_logit"]}, {"y": inputs["y"]}, state)
    outputs = [trace.states, trace.log_density, trace.last, *trace.reads.values()]
    return [*outputs, trace.gates], torch.stack(
        [(o * torch.linspace(0.5, 2, o.numel(), dtype=o.dtype, device=o.device).view(o.shape)).sum() for o in outputs]
    ).sum()


@pytest.mark.parametrize("given", [False, True])
def test_a_cell_on_the_card_has_the_outputs_and_gradients_of_the_torch_loop(given: bool) -> None:
    place = device_of(DEVICE)
    found = []
    for backend in ("triton", "torch"):
        generator = torch.Generator().manual_seed(0)
        inputs = {n: torch.randn(3, 6, generator=generator, dtype=torch.float64).to(place) for n in ("gate_logit", "y")}
        inputs["y"][1, 2] = torch.nan
        inputs["gate_logit"].requires_grad_()
        state = torch.full((3, 1), 0.4, dtype=torch.float64, device=place).requires_grad_() if given else None
        cell = Cell(Model(DrivenCell(), Gaussian()), backend).to(place)  # type: ignore[arg-type]
        outputs, total = run(cell, inputs, state)
        leaves = [inputs["gate_logit"], *cell.parameters(), *([state] if state is not None else [])]
        found.append([*outputs, *torch.autograd.grad(total, leaves)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(host(a), host(b), rtol=1e-9, atol=1e-11)


def test_a_second_derivative_on_the_card_is_refused_and_the_loop_has_it() -> None:
    place = device_of(DEVICE)
    inputs = {n: torch.randn(2, 4, dtype=torch.float64, device=place) for n in ("gate_logit", "y")}
    cell = Cell(Model(DrivenCell(), Gaussian()), "triton").to(place)
    raw = next(cell.parameters())
    (first,) = torch.autograd.grad(run(cell, inputs, None)[1], raw, create_graph=True)
    with pytest.raises(EquationError, match=r"no second derivative(.|\n)*backend='torch'"):
        torch.autograd.grad(first, raw)


def test_tensors_on_several_devices_are_named() -> None:
    cell = Cell(Model(DrivenCell(), Gaussian()))
    y = torch.zeros(1, 3, dtype=torch.float64)
    with pytest.raises(DeviceError, match=r"several devices(.|\n)*gate_logit on meta(.|\n)*\.to\(device\)"):
        cell({"gate_logit": y.to("meta")}, {"y": y})
    assert one_device({"a": y}) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cpu", "mps", "gpu", "cuda:99", 3.5])
def test_a_device_that_is_none_is_refused_with_what_is(name: Any) -> None:
    with pytest.raises(DeviceError, match=r"got:(.|\n)*fix:(.|\n)*device"):
        fit_panel(GARCH, pd.DataFrame({"a": [1.0]}), unit="percent", device=name)


@no_card
def test_without_a_card_the_error_says_so() -> None:
    with pytest.raises(DeviceError, match=r"no CUDA card(.|\n)*leave device= out"):
        fit_panel(GARCH, pd.DataFrame({"a": [1.0]}), unit="percent", device="cuda")


def test_an_old_card_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_available", True), ("device_count", 1), ("current_device", 0), ("get_device_name", "Tesla P100")):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (6, 0))
    with pytest.raises(DeviceError, match=r"too old(.|\n)*Tesla P100, compute capability 6.0"):
        device_of("cuda")


def test_a_cell_on_a_card_without_triton_says_once_that_it_runs_as_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    assert obstacle("H200", (9, 0), True, False, "the cell") == ""
    assert (
        "the cell runs as a slow loop" in (text := obstacle("H200", (9, 0), False, False, "the cell"))
        and "pip install 'seqsci[gpu]'" in text
    )
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (6, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla P100")
    with pytest.warns(RuntimeWarning, match=r"slow loop(.|\n)*Tesla P100") as told:
        assert not compiles(torch.device("cuda", 0)) and not compiles(torch.device("cuda", 0))
    assert len(told) == 1 and not compiles(torch.device("cpu"))


def test_memory_that_runs_out_is_an_error_that_says_how_to_chunk_and_no_failed_row(
    wide: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(LaneKernel, "objective", full)
    monkeypatch.setattr(Card, "compile", lambda *_: None)
    told = r"too little memory for 3 series of up to 23 rows(.|\n)*memory="
    with pytest.raises(DeviceError, match=told):
        fit_panel(GARCH, wide[list("acd")], unit="percent", estimator=BRIEF, device=DEVICE)
    job = Job.of(GARCH, to_units(GARCH, wide[list("acd")], unit="percent"), BRIEF, Card(DEVICE))
    with pytest.raises(DeviceError, match=told):
        job.batch([0, 1, 2]).evaluate(job.task, np.zeros((3, 3)), False)


def test_a_fault_of_one_unit_is_its_row_and_no_other(wide: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def solve(self: Card, batch: Any, task: Any, points: Any, kernel: Any, errors: Any, free: np.ndarray) -> tuple[np.ndarray, ...]:
        sizes.append(len(batch))
        if np.isclose(batch.data.X, 12.5).any():
            raise ValueError("broken")
        u, n, eye = len(batch), len(task.names), np.repeat(np.eye(len(free))[None], len(batch), 0)
        none, yes, zero = np.zeros((u, n)), np.ones(u, bool), np.zeros(u)
        return none, zero, yes, ~yes, zero, none.astype(bool), eye, eye, none, none + 1

    frame = wide[["c", "d"]].copy()
    frame[["g", "h"]] = frame[["c", "d"]]
    frame.loc[3, "g"] = 12.5
    monkeypatch.setattr(Card, "solve", solve)
    table = fit_panel(GARCH, frame, unit="percent", estimator=BRIEF, device=Card(DEVICE, memory=1e9)).table
    assert table["reason"].tolist() == ["", "", "ValueError: broken", ""] and sizes == [4, 2, 2, 1, 1]


def test_an_equation_without_a_form_on_the_card_is_an_error_before_any_fit(wide: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(triton_printing._CALLS, "exp")
    lane_kernel.cache_clear()
    with pytest.raises(EquationError, match=r"no form on the card(.|\n)*exp"):
        fit_panel(GARCH, wide, unit="percent", estimator=BRIEF, device=DEVICE)


def test_pooling_on_a_card_is_refused(wide: pd.DataFrame) -> None:
    with pytest.raises(ParameterError, match="pooling runs on the CPU"):
        fit_panel(GARCH, wide, unit="percent", estimator=EmpiricalBayes(Partial()), device=DEVICE)


def test_without_triton_the_card_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(MissingExtraError, match=r"seqsci\[gpu\]"):
        Card("interpreter")


CPU = """
import sys, numpy as np, pandas as pd, torch
from seqsci import fit_panel, Cell
from seqsci.domains.finance import models
model = models.garch_normal()
y = pd.DataFrame({"a": np.random.default_rng(0).normal(size=60)})
fit_panel(model, y, unit="percent")
Cell(model)({}, {"log_return": torch.randn(1, 5, dtype=torch.float64)}).log_density.sum().backward()
loaded = [m for m in sys.modules if m.split(".")[0] == "triton" or "triton_functions" in m]
assert not loaded, loaded
"""


def test_the_cpu_never_imports_triton() -> None:
    done = subprocess.run([sys.executable, "-c", CPU], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
