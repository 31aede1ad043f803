"""An exported file is the model: the same numbers as the library, from a file that needs nothing but its language."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsci import cli
from seqsci.constraints import Positive, Real
from seqsci.domains.memory.planning.intervals import next_interval
from seqsci.equations.vocabulary import absolute, equal, exp, expm1, log, log1p, loggamma, maximum, sigmoid, softplus, sqrt, where
from seqsci.errors import ConfigError, EquationError
from seqsci.estimation.artefact import save
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.export.javascript import javascript_source
from seqsci.export.python import python_source
from seqsci.mechanism import Gated, Mechanism
from seqsci.model import Model
from seqsci.observations.bernoulli import Bernoulli
from seqsci.parameter import Known, Outcome, Parameter, State
from seqsci.sequences import Sequences
from tests.hard_cases import hard_case
from tests.memory_cells import SHIPPED

NODE = shutil.which("node")
ROWS, UNITS = 10_000, 500
RUNNER = """
const m = require(process.argv[2]);
const job = JSON.parse(require("fs").readFileSync(0, "utf8"));
const out = [];
let state;
for (const r of job.rows) {
  if (r.first) state = m.start(r.known);
  const read = m.read(state, r.known);
  out.push([...job.states.map((n) => state[n]), ...job.reads.map((n) => read[n])]);
  state = m.update(state, r.known, r.outcome);
}
const intervals = job.intervals.map((i) => m.next_interval(i.state, i.known, i.retention));
console.log(JSON.stringify({ out, intervals }));
"""


@dataclass(frozen=True)
class EveryWord(Mechanism):
    """Every word of the vocabulary, under names that are words of both languages or of the files themselves."""

    states = (State("function"), State("v0"))
    known = (Known("math"), Known("f"))
    outcomes = (Outcome("known"), Outcome("outcome"))
    own_parameters = (
        Parameter("new", Positive(), 0.7, "days", "n", "a parameter with a unit"),
        Parameter("state", Real(), -0.3, "1", "s", 'another */ one """ with quotes'),
    )

    def start(self, math: Any, new: Any) -> Any:
        return new * sqrt(1 + math**2), log1p(absolute(math))

    def read(self, function: Any, v0: Any, f: Any, state: Any) -> Any:
        return {"probability": 0.001 + 0.998 * sigmoid(function / 3 + state * v0 - loggamma(2 + f**2) / 9)}

    def update(self, function: Any, v0: Any, known: Any, outcome: Any, math: Any, f: Any, new: Any) -> Any:
        write = where(equal(outcome, 3), expm1(-new), maximum(log(1 + softplus(f)), 0.2))
        return Gated(0.7, write, absolute(f) - known), where(math < f, exp(-absolute(v0)), 1 / (1 + new * math**2))


def every_word(rows: int) -> tuple[Model, Sequences]:
    rng = np.random.default_rng(11)
    outcome = {"known": rng.integers(0, 2, rows).astype(float), "outcome": rng.integers(1, 5, rows).astype(float)}
    unit = np.repeat(np.arange(UNITS), rows // UNITS)
    return Model(EveryWord(), Bernoulli()), Sequences(outcome, {"math": rng.normal(0, 4, rows), "f": rng.normal(0, 40, rows)}, unit=unit)


def reviews(rows: int) -> tuple[Model, Sequences]:
    """Random reviews of many cards at parameters off their defaults, same-day ones and very late ones among them."""
    rng = np.random.default_rng(7)
    model = hard_case("additive_stability")[0].start_at(low=-0.9, high=3.1, curvature=3.3, log_decay=-1.7, lapse_power=0.41, gain=1.2)
    grade = rng.choice([1.0, 2.0, 3.0, 4.0], rows, p=[0.2, 0.1, 0.6, 0.1])
    gap = np.where(rng.random(rows) < 0.1, 0.0, np.exp(rng.uniform(-7, 8, rows)))
    first = np.repeat(rng.choice([1.0, 2.0, 3.0, 4.0], UNITS), rows // UNITS)
    unit = np.repeat(np.arange(UNITS), rows // UNITS)
    outcome = {"recalled": (grade > 1).astype(float), "grade": grade}
    return model, Sequences(outcome, {"elapsed_days": gap, "first_grade": first}, unit=unit)


def shipped(rows: int, name: str) -> tuple[Model, Sequences]:
    """A model that ships, at its defaults, with the same reviews and their same-day column."""
    s = reviews(rows)[1]
    known = {**s.known, "same_day": (s.known["elapsed_days"] < 1).astype(float)}
    model = SHIPPED[name]
    return model, Sequences(s.outcome, {k.name: known[k.name] for k in model.mechanism.known}, unit=s.unit)


def plain(rows: int, name: str) -> tuple[Model, Sequences]:
    return hard_case(name)


def folded(rows: int) -> tuple[Model, Sequences]:
    """Parameters that are written into the equations."""
    model, s = every_word(rows)
    return model.fix(new=1.0, state=0.0), s


CASES = {
    "folded": folded,
    "reviews": reviews,
    "every word": every_word,
    "driven cell": lambda rows: plain(rows, "driven_cell"),
    **{name: functools.partial(shipped, name=name) for name in SHIPPED},
}


def module_of(text: str, path: Path) -> Any:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(model: Model, s: Sequences) -> list[dict[str, Any]]:
    columns = {"known": s.known, "outcome": s.outcome}
    tables = {role: [dict(zip(c, map(float, row), strict=True)) for row in zip(*c.values(), strict=True)] for role, c in columns.items()}
    return [{"first": bool(f), "known": k, "outcome": o} for f, k, o in zip(s.reset, tables["known"], tables["outcome"], strict=True)]


def library(model: Model, s: Sequences) -> np.ndarray:
    path = model.filter(s)
    return np.column_stack([path.states, path.reads])


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.isfinite(expected).all()
    assert np.abs(found - expected).max() <= 1e-9 * max(1.0, np.abs(expected).max())
    assert (np.abs(found - expected) <= 1e-9 * np.maximum(np.abs(expected), 1e-3)).all()


@pytest.mark.parametrize("case", CASES)
def test_the_python_file_gives_the_numbers_of_the_library(case: str, tmp_path: Path) -> None:
    model, s = CASES[case](ROWS)
    m = module_of(python_source(model), tmp_path / "model.py")
    program, found, state = model.kernel().program, [], {}
    for row in rows_of(model, s):
        state = m.start(row["known"]) if row["first"] else state
        read = m.read(state, row["known"])
        found.append([*(state[x.name] for x in program.states), *(read[n] for n in program.read_names)])
        state = m.update(state, row["known"], row["outcome"])
    close(np.array(found), library(model, s))


def javascript(model: Model, s: Sequences, intervals: list[Any], folder: Path) -> Any:
    if NODE is None:
        pytest.skip("node is not installed")
    (folder / "model.js").write_text(javascript_source(model))
    (folder / "run.js").write_text(RUNNER)
    program = model.kernel().program
    states = [x.name for x in program.states]
    job = {"rows": rows_of(model, s), "states": states, "reads": list(program.read_names), "intervals": intervals}
    done = subprocess.run([NODE, "run.js", "./model.js"], input=json.dumps(job), capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_the_javascript_file_gives_the_numbers_of_the_library(case: str, tmp_path: Path) -> None:
    model, s = CASES[case](ROWS)
    close(np.array(javascript(model, s, [], tmp_path)["out"]), library(model, s))


def asked(model: Model, s: Sequences) -> list[dict[str, Any]]:
    """Cards and retentions, those out of reach among them."""
    path, rng = model.filter(s), np.random.default_rng(2)
    chosen = rng.choice(len(s), 200, replace=False)
    names = [x.name for x in model.kernel().program.states]
    return [
        {"state": dict(zip(names, map(float, path.states[i]), strict=True)), "known": {}, "retention": float(r)}
        for i, r in zip(chosen, rng.uniform(0.3, 0.999, 200), strict=True)
    ]


def test_intervals_of_both_files_hold_the_retention_and_say_what_is_out_of_reach(tmp_path: Path) -> None:
    model, s = reviews(ROWS)
    cards = asked(model, s)
    m = module_of(python_source(model), tmp_path / "model.py")
    found = [m.next_interval(c["state"], c["known"], c["retention"]) for c in cards]
    assert 20 < sum(f["reachable"] for f in found) < 200
    for card, f in zip(cards, found, strict=True):
        best = m.probability(card["state"], {"elapsed_days": 0.0})
        assert f["largest_retention"] == best and f["reachable"] == (best >= card["retention"])
        if not f["reachable"]:
            assert math.isnan(f["interval"])
        elif f["capped"]:
            assert f["interval"] == 36500 and m.probability(card["state"], {"elapsed_days": 36500.0}) >= card["retention"]
        else:
            assert m.probability(card["state"], {"elapsed_days": f["interval"]}) == pytest.approx(card["retention"], abs=1e-9)
    if NODE is not None:
        theirs = javascript(model, s.rows(0, 1), cards, tmp_path)["intervals"]
        for a, b in zip(found, theirs, strict=True):
            assert (a["reachable"], a["capped"]) == (b["reachable"], b["capped"])
            assert a["interval"] == pytest.approx(b["interval"], rel=1e-8) if a["reachable"] else b["interval"] is None


@pytest.mark.parametrize("name", SHIPPED)
def test_intervals_of_a_shipped_model_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    model, s = shipped(ROWS, name)
    cards = [{**c, "known": {"same_day": 0.0}} for c in asked(model, s)]
    m = module_of(python_source(model), tmp_path / "model.py")
    found = [m.next_interval(c["state"], c["known"], c["retention"]) for c in cards]
    states = {n: np.array([c["state"][n] for c in cards]) for n in cards[0]["state"]}
    theirs = next_interval(model, states, np.array([c["retention"] for c in cards]))
    assert [f["reachable"] for f in found] == theirs.reachable.tolist() and theirs.reachable.sum() > 20
    assert [f["capped"] for f in found] == theirs.capped.tolist()
    days = np.array([f["interval"] for f in found])
    np.testing.assert_allclose(days[theirs.reachable], theirs.days[theirs.reachable], rtol=1e-6)


def test_the_same_model_gives_the_same_text_whatever_the_hash_seed() -> None:
    code = (
        "from tests.hard_cases import hard_case\nfrom seqsci.export.python import python_source\n"
        "from seqsci.export.javascript import javascript_source\nm, _ = hard_case('additive_stability')\n"
        "print(python_source(m), javascript_source(m))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1 and "next_interval" in texts.pop()


def test_a_file_states_every_parameter_with_its_unit_and_imports_nothing_else() -> None:
    model, _ = every_word(UNITS)
    text = python_source(model.fix(new=1.0))
    assert "new = 1.0, days: a parameter with a unit (fixed, written into the equations)" in text
    assert [line for line in text.splitlines() if "import " in line] == ["import math"]
    assert "require(" not in javascript_source(model).split("*/", 1)[1]
    reviewed = python_source(hard_case("additive_stability")[0])
    assert "next_interval(state, {}, 0.9)" in reviewed and 'start({"first_grade": ...})' in reviewed
    assert "next_interval" not in text  # no elapsed_days among its known sequences


def test_a_model_with_a_presample_or_an_integral_is_refused() -> None:
    with pytest.raises(EquationError, match=r"cannot be exported\n  got: .*presample numbers"):
        python_source(hard_case("student_t_sigma")[0])


def test_intervals_in_an_unknown_time_are_refused() -> None:
    model, _ = hard_case("additive_stability")
    with pytest.raises(ConfigError, match="did you mean 'elapsed_days'"):
        python_source(model, "elapsed_day")
    assert "The first_grade after which" in python_source(model, "first_grade")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, s = hard_case("additive_stability")
    fixed = model.fix(**{n: v for n, v in model.values if n not in ("low", "log_decay")})
    folder = tmp_path_factory.mktemp("run")
    save(MaximumLikelihood(starts=1).fit(fixed, s), folder / "model.json")
    return folder


def test_the_command_writes_the_fit_and_says_where_it_comes_from(run: Path, capsys: Any, tmp_path: Path) -> None:
    from seqsci.estimation.artefact import load_fit

    fit = load_fit(run / "model.json")
    cli.main(["export", str(run), "--to", "python"])
    assert f"model written to {run / 'model.py'}" in capsys.readouterr().out
    m = module_of((run / "model.py").read_text(), tmp_path / "copy.py")
    assert {p.name: fit.value[p.name] for p in fit.model.kernel_parameters} == m.PARAMETERS
    assert fit.data_hash in m.__doc__ and f"{fit.log_likelihood:.6f}" in m.__doc__
    cli.main(["export", str(run / "model.json"), "--to", "anki-js", "--out", str(tmp_path / "x.js")])
    assert "function next_interval" in (tmp_path / "x.js").read_text()
    assert not list(tmp_path.glob("*.tmp"))


def test_a_fit_is_annotated_as_its_model(run: Path) -> None:
    from seqsci.domains.memory.planning.states import annotate
    from seqsci.estimation.artefact import load_fit
    from tests.memory_cells import log_of

    fit = load_fit(run / "model.json")
    np.testing.assert_array_equal(annotate(fit, log_of()).to_numpy(float), annotate(fit.model, log_of()).to_numpy(float))


def test_an_existing_file_stays_unless_forced_and_typos_are_refused(run: Path, capsys: Any, tmp_path: Path) -> None:
    target = tmp_path / "mine.py"
    target.write_text("mine")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["export", str(run), "--to", "python", "--out", str(target)])
    assert stopped.value.code == 1 and "exists already" in capsys.readouterr().err and target.read_text() == "mine"
    cli.main(["export", str(run), "--to", "python", "--out", str(target), "--force"])
    assert "def update" in target.read_text()
    with pytest.raises(SystemExit):
        cli.main(["export", str(run), "--to", "pyton", "--out", str(tmp_path / "n.py")])
    assert "did you mean 'python'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["export", str(run), "--to", "python", "--out", str(tmp_path / "no" / "n.py")])
    assert "cannot write" in capsys.readouterr().err
