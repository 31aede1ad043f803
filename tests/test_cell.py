"""Laws of the torch module: gradients, refusals, training, and life without numba."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqsci.cell import Cell, NetworkDrive, ScientificParameter, Trace
from seqsci.constraints import Interval, Positive
from seqsci.errors import DataError, EquationError, ParameterError
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Parameter
from tests.hard_cases import AdditiveStability, DrivenCell
from tests.registry import VOLATILITY

DRIVEN = Model(DrivenCell(), Gaussian())


def batch(rows: int = 2, steps: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A gate logit and an outcome, both (rows, steps)."""
    generator = torch.Generator().manual_seed(seed)
    logit, y = (torch.randn(rows, steps, generator=generator, dtype=torch.float64) for _ in range(2))
    return logit, y


def run(cell: Cell, logit: Tensor, y: Tensor, state: Tensor | None = None) -> Trace:
    return cell({"gate_logit": logit}, {"y": y}, state)  # type: ignore[no-any-return]


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_the_backward_pass_is_the_derivative_of_the_forward_pass(backend: str) -> None:
    cell = Cell(DRIVEN, backend)  # type: ignore[arg-type]
    logit, y = (v.requires_grad_() for v in batch())
    state = torch.tensor([[0.3], [-0.2]], dtype=torch.float64, requires_grad=True)

    def everything(*inputs: Tensor) -> Tensor:
        trace = run(cell, inputs[0], inputs[1], inputs[2])
        return trace.states.sum() + trace.log_density.sum() + trace.last.square().sum() + sum(r.sum() for r in trace.reads.values())

    assert torch.autograd.gradcheck(everything, (logit, y, state, *cell.parameters()))


@pytest.mark.parametrize("gap", [False, True])
def test_compiled_gradients_of_parameters_and_presample_numbers_equal_finite_differences(gap: bool) -> None:
    returns = torch.tensor([[0.5, -1.2, 0.1, 2.0], [0.3, 0.4, -0.9, -0.2]], dtype=torch.float64)
    if gap:
        returns[:, 2] = torch.nan
    backcast = torch.tensor([0.8, 1.1], dtype=torch.float64, requires_grad=True)
    cell = Cell(VOLATILITY, "numba")

    def density(*inputs: Tensor) -> Tensor:
        return cell({}, {"log_return": returns}, None, {"backcast": inputs[0]}).log_density.sum()  # type: ignore[no-any-return]

    assert torch.autograd.gradcheck(density, (backcast, *cell.parameters()), atol=1e-6)


@pytest.mark.parametrize("name", ["base", "spread"])
def test_a_second_derivative_through_the_compiled_pass_is_refused_and_not_taken_for_zero(name: str) -> None:
    logit, y = batch()
    compiled, exact = Cell(DRIVEN, "numba"), Cell(DRIVEN, "torch")
    firsts = []
    for cell in (compiled, exact):
        raw = cell.scientific[name].raw
        (first,) = torch.autograd.grad(run(cell, logit, y).log_density.sum(), raw, create_graph=True)
        firsts.append((first, raw))
    (refused, raw), (kept, leaf) = firsts
    assert float(refused.detach()) == pytest.approx(float(kept.detach()), rel=1e-10)
    assert float(torch.autograd.grad(kept, leaf)[0].detach()) != 0.0
    with pytest.raises(EquationError, match=r"no second derivative(.|\n)*backend='torch'"):
        torch.autograd.grad(refused, raw)


def test_gates_are_telemetry_without_gradient() -> None:
    for backend in ("numba", "torch"):
        trace = run(Cell(DRIVEN, backend), *batch())  # type: ignore[arg-type]
        assert trace.states.requires_grad
        assert not trace.gates.requires_grad


def test_a_cell_driven_by_a_network_learns_the_drive() -> None:
    """Outcomes follow a gate that opens where a covariate is positive; the network has to find that out."""
    torch.manual_seed(0)
    covariate = torch.randn(6, 40, 1)
    logit, y = 4.0 * covariate.squeeze(-1).double(), torch.zeros(6, 40, dtype=torch.float64)
    truth = Cell(DRIVEN.start_at(spread=0.3), "torch")
    with torch.no_grad():
        state = torch.ones(6, 1, dtype=torch.float64)
        for t in range(40):
            y[:, t] = state[:, 0] + 0.3 * (1 + state[:, 0] ** 2).sqrt() * torch.randn(6, dtype=torch.float64)
            state = truth.step({"gate_logit": logit[:, t]}, {"y": y[:, t]}, state).last
    drive, cell = NetworkDrive("gate_logit", ("covariate",)), Cell(DRIVEN)
    known = {"covariate": covariate.squeeze(-1)}
    assert torch.equal(drive(known)["gate_logit"], torch.zeros(6, 40, dtype=torch.float64))
    optimiser = torch.optim.Adam([*drive.parameters(), *cell.parameters()], lr=0.02)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss = -cell(drive(known), {"y": y}).log_density.mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    constant = Cell(cell.to_model())
    alone = -float(run(constant, torch.zeros_like(y), y).log_density.mean().detach())
    assert losses[-1] < losses[0] - 0.5
    assert losses[-1] < alone - 0.01
    found = drive({"covariate": torch.tensor([[-1.0, 1.0]])})["gate_logit"].detach()
    assert float(found[0, 1]) > float(found[0, 0]) + 1.0


def test_keys_name_the_parameters_and_fixed_ones_are_not_among_them() -> None:
    cell = Cell(VOLATILITY.fix(rotation=0.0, persistence=0.97))
    free = {"mean", "shift", "intercept", "memory", "degrees_of_freedom"}
    assert set(cell.state_dict()) == {f"scientific.{n}.raw" for n in free}
    assert {n for n, _ in cell.named_parameters()} == set(cell.state_dict())
    assert all(p.dtype == torch.float64 and p.ndim == 0 and getattr(p, "no_weight_decay", False) for p in cell.parameters())
    assert set(cell.values()) == {p.name for p in VOLATILITY.parameters}
    assert cell.to_model().fixed == {"rotation", "persistence"}


def test_a_scientific_parameter_refuses_inadmissible_values_and_keeps_the_old_one() -> None:
    parameter = ScientificParameter(Parameter("share", Interval(0.0, 1.0), 0.5, "1", "s", "share"), 0.25)
    assert float(parameter.value.detach()) == pytest.approx(0.25, rel=1e-15)
    for value in (-0.1, 1.1, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match=r"share: value outside(.|\n)*\[0, 1\]"):
            parameter.assign(value)
    assert float(parameter.value.detach()) == pytest.approx(0.25, rel=1e-15)
    parameter.assign(0.75)
    assert float(parameter.value.detach()) == pytest.approx(0.75, rel=1e-15)
    with pytest.raises(ParameterError):
        ScientificParameter(Parameter("size", Positive(), 1.0, "1", "s", "size"), -1.0)


def test_an_optimiser_cannot_leave_the_admissible_set() -> None:
    cell = Cell(VOLATILITY, "torch")
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.fill_(60.0)
    for name, value in cell.to_model().values:
        low, high = next(p for p in VOLATILITY.parameters if p.name == name).constraint.bounds
        assert low <= value <= high


def test_a_cell_starts_at_its_model_and_gives_it_back() -> None:
    model = Cell(VOLATILITY).to_model()
    assert model.value == pytest.approx(VOLATILITY.value, rel=1e-12)
    assert model.mechanism == VOLATILITY.mechanism


def test_what_a_cell_lacks_is_named() -> None:
    with pytest.raises(DataError, match="gate_logit"):
        Cell(DRIVEN)({}, {"y": torch.zeros(1, 3)})
    with pytest.raises(ParameterError, match="auto, numba, torch or triton"):
        Cell(DRIVEN, "cuda")  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("hole", ["recalled", "grade"])
def test_a_step_is_missing_where_any_of_its_outcomes_is(backend: str, hole: str) -> None:
    cell = Cell(Model(AdditiveStability(), Bernoulli()), backend)  # type: ignore[arg-type]
    known = {"elapsed_days": torch.ones(1, 3, dtype=torch.float64), "first_grade": torch.full((1, 3), 3.0, dtype=torch.float64)}
    outcome = {"recalled": torch.ones(1, 3, dtype=torch.float64), "grade": torch.full((1, 3), 3.0, dtype=torch.float64)}
    outcome[hole][0, 1] = torch.nan
    trace = cell(known, outcome)
    assert torch.isfinite(trace.states).all()
    assert float(trace.log_density.detach()[0, 1]) == 0.0
    assert torch.equal(trace.states[0, 1], trace.states[0, 2])
    assert not torch.equal(trace.states[0, 0], trace.states[0, 1])


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_an_outcome_that_is_declared_unobserved_never_enters(backend: str) -> None:
    logit, y = batch()
    observed = torch.ones(2, 5, dtype=torch.bool)
    observed[:, 2] = False
    junk = y.clone()
    junk[:, 2] = 99.0
    cell = Cell(DRIVEN, backend)  # type: ignore[arg-type]
    one, two = (cell({"gate_logit": logit}, {"y": v}, None, None, observed) for v in (y, junk))
    assert torch.equal(one.states, two.states)
    assert torch.equal(one.log_density, two.log_density)
    full = torch.ones(2, 5, dtype=torch.bool)
    junk[:, 2] = torch.nan
    three = cell({"gate_logit": logit}, {"y": junk}, None, None, full)
    assert torch.equal(three.states, one.states)


BARE = """
import sys
for name in ("numba", "scipy", "pandas"):
    sys.modules[name] = None
import torch
from seqsci.cell import Cell
from seqsci.cells.volatility import Volatility
from seqsci.errors import MissingExtraError
from seqsci.model import Model
from seqsci.observations.student_t import StudentT

model = Model(Volatility(), StudentT())
returns = torch.tensor([[0.5, -1.2, 0.1, 2.0], [0.3, float("nan"), -0.9, -0.2]], dtype=torch.float64, requires_grad=True)
cell = Cell(model)
trace = cell({}, {"log_return": returns})
trace.log_density.sum().backward()
grads = [returns.grad, *(p.grad for p in cell.parameters())]
assert all(torch.isfinite(g).all() for g in grads), grads
assert all(g.abs().sum() > 0 for g in grads), grads
assert returns.grad[1, 1] == 0
try:
    Cell(model, "numba")({}, {"log_return": returns})
except MissingExtraError as error:
    assert "pip install 'seqsci[fit]'" in str(error), error
else:
    raise SystemExit("the compiled pass ran without numba")
print("ran")
"""


def test_a_cell_runs_forward_and_backward_without_numba() -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-W", "error", "-c", BARE], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "ran", done.stderr
