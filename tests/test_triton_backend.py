"""Laws of the generated Triton kernels: they are the compiled CPU kernels, lane by lane; they compile for a card that is not here."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import sympy as sp
import torch

from seqsci.domains.finance import models
from seqsci.equations import functions
from seqsci.equations.triton_backend import define
from seqsci.equations.triton_cache import load
from seqsci.equations.triton_printing import TritonPrinter
from seqsci.errors import EquationError
from seqsci.kernel import Kernel
from seqsci.lanes import launch
from seqsci.lanes.layout import Lanes
from seqsci.model import Model
from seqsci.testing.kernels import _oracle
from tests.lane_cases import DEVICE, LaneCase, host, shortened
from tests.registry import ALL_CELLS, CellCase, level

pytest.importorskip("triton", reason="Triton is not installed: pip install 'seqsci[gpu]'")
ROWS = 9
CELLS = {c.name: c for c in ALL_CELLS}


def close(got: object, expected: np.ndarray, what: str, rtol: float = 1e-10) -> None:
    """Equal relative to the largest entry, NaN where NaN."""
    found = host(got) if isinstance(got, torch.Tensor) else np.asarray(got)
    size = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * size, err_msg=what)


def cotangents(case: LaneCase, found: launch.LanePass) -> list[np.ndarray]:
    rng, n = np.random.default_rng(0), len(case.data.X)
    return [rng.normal(size=s) for s in ((n, case.kernel.n), (n, len(found.reads)), (n, 1), case.data.S0.shape)]


def passes_agree(case: LaneCase) -> launch.LanePass:
    found, expected = case.card.states(case.parameters, case.lanes), case.kernel.states(case.model.kernel_values, case.data)
    for name in ("states", "reads", "gates"):
        close(case.lanes.packed(getattr(found, name)), getattr(expected, name), name)
    close(case.lanes.packed(found.density[None])[:, 0], expected.density, "density")
    close(found.last.t(), expected.last, "last")
    w = cotangents(case, found)
    ds, dr, dl, de = *(case.planes(v) for v in w[:3]), torch.from_numpy(w[3].T.copy()).to(case.lanes.X.device)
    dx, dp, dq, ds0 = case.card.adjoint(case.parameters, case.lanes, found.states, (ds, dr, dl[0], de))
    w[2] = w[2][:, 0]
    expected_gradients = case.kernel.adjoint(case.model.kernel_values, case.data, expected.states, tuple(w))  # type: ignore[arg-type]
    for got, want, what in zip(
        (case.lanes.packed(dx), dp.sum(0), dq.t(), ds0.t()), expected_gradients, "dX dP dQ dS0".split(), strict=True
    ):
        close(got, want, what)
    return found


def scores_agree(case: LaneCase) -> launch.LaneScore:
    found = case.card.score(case.repeated, case.lanes)
    for lane in range(len(case.lanes)):
        expected = case.kernel.score(case.model.kernel_values, case.alone(lane))
        close(found.nll[lane], np.array(expected.nll), "nll")
        close(found.gradient[lane], expected.gradient, "gradient")
        assert found.outer is not None
        close(found.outer[lane], expected.outer, "outer products")
    return found


@pytest.mark.parametrize("cell", ALL_CELLS, ids=lambda c: c.name)
def test_every_mechanism_has_the_states_gradients_and_scores_of_the_other_back_ends(cell: CellCase) -> None:
    model, sequences = cell.make()
    short = shortened(sequences, ROWS)
    case = LaneCase.of(model, model.pack(short))
    found, score, oracle = passes_agree(case), scores_agree(case), _oracle(model, short)
    close(case.lanes.packed(found.states), host(oracle.stacked("states")), "states of the torch loop")
    density, weight = oracle.stacked("density"), torch.from_numpy(short.weight.copy())
    close(case.lanes.packed(found.density[None])[:, 0], host(density), "density of the torch loop")
    leaves = [oracle.parameters[p.name] for p in model.kernel_parameters]
    gradient = torch.stack(torch.autograd.grad(-(density * weight).sum(), leaves, materialize_grads=True))
    close(score.gradient.sum(0), host(gradient), "score of the torch loop", 1e-9)


@pytest.mark.parametrize("given", [False, True])
def test_lanes_of_several_sequences_weights_and_first_states_and_any_number_of_programs(
    given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "INTERPRETED_BLOCK", 2)
    model, sequences = CELLS["additive_stability"].make()
    rng = np.random.default_rng(1)
    weight = rng.choice([0.0, 0.5, 1.0, 2.0], len(sequences))
    packed = model.pack(
        replace(sequences, weight=weight), initial=rng.uniform(0.5, 2.0, (9, len(model.mechanism.states))) if given else None
    )
    case = LaneCase.of(model, packed, together=2)
    assert case.lanes.several and len(case.lanes) == 5
    passes_agree(case)
    scores_agree(case)


def test_a_position_may_name_any_lane_and_the_raw_scale_is_that_of_the_objective() -> None:
    model, sequences = level()
    case = LaneCase.of(model, model.pack(shortened(sequences, ROWS)))
    raw = np.array([[-1.0, 0.3], [0.2, -0.5], [-np.inf, 0.1]])
    index = torch.tensor([1, 0, 1], device=case.lanes.X.device)
    found = case.card.objective(torch.from_numpy(raw).to(index.device), case.lanes, index)
    for c, lane in enumerate((1, 0, 1)):
        g, outer, natural, slope = np.zeros(2), np.zeros((2, 2)), np.zeros(2), np.zeros(2)
        nll = case.kernel.objective_function(raw[c], *case.alone(lane).arguments, g, outer, np.zeros((0, 2)), natural, slope)
        close(found.nll[c], np.array(nll), "nll")
        for got, want in ((found.gradient, g), (found.outer, outer), (found.natural, natural), (found.slope, slope)):
            assert got is not None
            close(got[c], want, "objective")


def test_lanes_may_have_parameters_of_their_own() -> None:
    model, sequences = level()
    case = LaneCase.of(model, model.pack(shortened(sequences, ROWS)))
    values = np.array([[0.2, 0.9], [1.1, 0.4]])
    own = torch.from_numpy(values).to(case.lanes.X.device)
    found = case.card.states(own, case.lanes)
    ones = tuple(torch.ones_like(v) for v in (found.states, found.reads, found.density, found.last))
    dp = case.card.adjoint(own, case.lanes, found.states, ones)[1]  # type: ignore[arg-type]
    for lane in range(2):
        alone = case.kernel.states(values[lane], case.alone(lane))
        close(found.last[:, lane], alone.last[0], "last")
        weights = tuple(np.ones_like(v) for v in (alone.states, alone.reads, alone.density, alone.last))
        close(dp[lane], case.kernel.adjoint(values[lane], case.alone(lane), alone.states, weights)[1], "dP")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["linear_gaussian", "forgetting_power"])
def test_the_gauss_newton_information_is_that_of_the_cpu(name: str) -> None:
    model, sequences = CELLS[name].make()
    case = LaneCase.of(model, model.pack(shortened(sequences, 5)))
    found = case.card.information(case.repeated, case.lanes)
    for lane in range(len(case.lanes)):
        close(found[lane], case.kernel.information(model.kernel_values, case.alone(lane)), "information")


def test_a_fault_of_one_lane_stays_in_it() -> None:
    model, sequences = level()
    packed = model.pack(shortened(sequences, ROWS))
    clean = LaneCase.of(model, packed)
    poisoned = LaneCase.of(model, replace(packed, X=packed.X.copy()))
    poisoned.lanes.X[0, 3, 0] = torch.nan
    a, b = clean.card.score(clean.repeated, clean.lanes), poisoned.card.score(poisoned.repeated, poisoned.lanes)
    assert torch.isnan(b.nll[0]) and torch.equal(a.nll[1], b.nll[1]) and torch.equal(a.gradient[1], b.gradient[1])


REACH = np.concatenate([-np.logspace(2.5, -18, 60), [0.0], np.logspace(-18, 2.5, 60)])
ABOVE = np.concatenate([np.logspace(-8, 8, 150), np.linspace(0.5, 12, 80)])
FUNCTIONS = (
    ("log1p", np.log1p, np.concatenate([ABOVE, -np.logspace(-18, -0.001, 60), [0.0, -1.0, np.inf]])),
    ("expm1", np.expm1, np.append(REACH, [800.0, -np.inf])),
    ("sigmoid", scipy.special.expit, np.append(REACH, [np.inf, -np.inf])),
    ("softplus", lambda x: np.logaddexp(0.0, x), np.append(REACH, [np.inf, -np.inf, np.nan])),
    ("sign", np.sign, REACH),
    ("loggamma", scipy.special.gammaln, ABOVE),
    ("digamma", scipy.special.digamma, ABOVE),
    ("trigamma", lambda x: scipy.special.polygamma(1, x), ABOVE),
)


@pytest.mark.parametrize(("name", "expected", "x"), FUNCTIONS, ids=lambda v: v if isinstance(v, str) else "")
def test_functions_that_triton_lacks_are_those_of_scipy(name: str, expected: object, x: np.ndarray) -> None:
    lines = ["at = tl.arange(0, BLOCK)", "x = tl.load(X + at, mask=at < COUNT, other=1.0)"]
    lines += [f"tl.store(OUT + at, {name}(x), mask=at < COUNT)"]
    kernel = load(define("apply", "X, OUT, COUNT, BLOCK: tl.constexpr", lines), "apply", name, DEVICE != "cuda")
    values = torch.from_numpy(x).to("cuda" if DEVICE == "cuda" else "cpu")
    out = torch.empty_like(values)
    with np.errstate(all="ignore"):
        kernel[(1,)](values, out, len(x), BLOCK=512)
        want = expected(x)  # type: ignore[operator]
    atol = 1e-12 if name in ("loggamma", "digamma") else 1e-300  # both have zeros
    np.testing.assert_allclose(host(out), want, rtol=1e-12, atol=atol)


def test_a_function_without_a_form_on_the_card_is_refused_by_name() -> None:
    x, c = sp.Symbol("x", real=True), sp.Symbol("c0", real=True)
    node = functions.NegativeBinomialQuantile(x, 2.0, 0.5)
    with pytest.raises(EquationError, match=r"NegativeBinomialQuantile(.|\n)*loggamma(.|\n)*device="):
        TritonPrinter({x: "x_"}).doprint(node + 1)
    program = Model(*_level()).kernel().program
    broken = replace(program, log_density=program.log_density + functions.NegativeBinomialQuantile(c, 2.0, program.parameters[0]))
    with pytest.raises(EquationError, match="NegativeBinomialQuantile"):
        launch.LaneKernel(Kernel(broken, ())).source("score")


def _level() -> tuple[object, object]:
    model, _ = level()
    return model.mechanism, model.observation


def test_numbers_are_worked_out_in_double_precision() -> None:
    x = sp.Symbol("x", real=True)
    text = TritonPrinter({x: "x_"}).doprint(
        functions.LogGamma(sp.Rational(5, 2)) * x + functions.Where(x > 0, sp.Float("0.1"), sp.Float("0.3"))
    )
    assert repr(float(scipy.special.gammaln(2.5)))[:14] in text
    assert "tl.full((BLOCK,), 0.1, tl.float64)" in text
    assert "tl.full((BLOCK,), 1e-09, tl.float64)" in TritonPrinter({x: "x_"}).doprint(functions.Where(x > sp.Float("1e-9"), x, 0))


TYPES = {
    "FLAGS": "*u8",
    "FIRST": "*i64",
    "INDEX": "*i64",
    "STEPS": "*i32",
    "END": "i64",
    "LANES": "i32",
    "COUNT": "i32",
    "SEQUENCES": "i32",
}
COMPILED = (
    ("garch", lambda: models.garch_normal().kernel(), ("objective", "states", "adjoint")),
    ("student_t_volatility", lambda: models.garch_t().kernel(gaps=True), ("objective", "adjoint", "information")),
    ("kalman", lambda: Model(*_level()).kernel(gaps=True), ("objective", "states", "adjoint")),
    ("memory", lambda: CELLS["sbd"].make()[0].kernel(), ("score", "adjoint")),
)


@pytest.mark.parametrize(("name", "make", "kernels"), COMPILED, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("several", [False, True])
def test_kernels_compile_for_a_card_that_is_not_here(name: str, make: object, kernels: tuple[str, ...], several: bool) -> None:
    """The compiler finds what the interpreter forgives: a type that changes in a loop, a call that the card lacks, single precision."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    card = launch.LaneKernel(make())  # type: ignore[operator]
    for kernel in kernels if not several else kernels[:1]:
        function = load(card.source(kernel), kernel, card.label, interpret=False)
        switches = {"BLOCK": 32, "FULL": True, "WEIGHTED": several, "SEVERAL": several, "GIVEN": False}
        signature, constants = {}, {}
        for n, p in inspect.signature(function.fn).parameters.items():
            signature[n] = "constexpr" if "constexpr" in str(p.annotation) else TYPES.get(n, "*fp64")
            constants |= {n: switches[n]} if signature[n] == "constexpr" else {}
        options = {"num_warps": 1, "enable_fp_fusion": True}
        source = ASTSource(fn=function, signature=signature, constexprs=constants)
        built = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        assert ".target sm_90" in built.asm["ptx"] and "f32" not in built.asm["ttir"]
        numbers = np.array([float(v) for v in re.findall(r"([-+0-9.]+(?:[eE][-+]\d+)?)> : tensor<\S*f64>", built.asm["ttir"])])
        narrow = numbers[(numbers == numbers.astype(np.float32)) & (numbers * 1024 % 1 != 0)]
        assert len(numbers) > 2 and not len(narrow), "a literal went through single precision"


def test_lanes_hold_the_packed_rows_in_their_order() -> None:
    model, sequences = CELLS["additive_stability"].make()
    packed = model.pack(sequences)
    case = LaneCase.of(model, packed, together=4)
    np.testing.assert_array_equal(host(case.lanes.packed(case.lanes.X)), packed.X)
    assert int(case.lanes.lengths.sum()) == len(packed.X) and case.lanes.steps == int(case.lanes.lengths.max())
    assert isinstance(case.lanes, Lanes)
