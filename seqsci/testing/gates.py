"""Laws of gates, and of the parameters that anything declares."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from seqsci.equations.checking import check_source
from seqsci.equations.symbolic import symbols
from seqsci.gates.base import Gate
from seqsci.parameter import Parameter
from seqsci.testing.requirement import require, require_equal, require_pickles
from seqsci.testing.traced import evaluate

EXTREME_SIZES = (0.0, 1e-9, 0.5, 1.0, 30.0, 1e6, 1e12)
EXTREME_KNOWN = (-1e12, -30.0, -0.5, 0.0, 0.5, 30.0, 1e12)
RAW = (-20.0, -5.0, -1.0, 0.0, 1.0, 5.0, 20.0)
DEEP = 12.0


def check_parameter(parameter: Parameter) -> None:
    """Raise AssertionError where a parameter's constraint is not a smooth increasing map of the real line onto its set.

    Laws: every value is inside the set; ``inverse(forward(raw)) = raw`` and ``forward(inverse(value)) = value``, bounds included;
    ``log_jacobian`` is the log of the derivative of ``forward``.

    >>> from seqsci.gates.shock import ShockGate
    >>> for parameter in ShockGate().parameters:
    ...     check_parameter(parameter)
    """
    name, constraint = parameter.name, parameter.constraint
    raw_symbol = symbols(["raw"])["raw"]
    slope = constraint.forward(raw_symbol).diff(raw_symbol)
    values = [float(constraint.forward(raw)) for raw in RAW]
    require(
        all(a < b for a, b in itertools.pairwise(values)),
        f"{name}: forward does not increase",
        values,
        "increasing values",
        "check forward",
    )
    outside = [v for v in values if not constraint.contains(v)]
    require(not outside, f"{name}: forward leaves the set", outside, constraint.admissible, "check forward")
    for raw, value in zip(RAW, values, strict=True):
        expected = math.log(evaluate(slope, {"raw": raw}))
        require_equal(f"{name}: the log jacobian at raw = {raw:g}", constraint.log_jacobian(raw), expected, "check it", 1e-8, 1e-8)
        if abs(raw) <= DEEP:
            require_equal(f"{name}: inverse(forward({raw:g}))", constraint.inverse(value), raw, "make inverse undo forward", 1e-6, 1e-6)
    for value in (parameter.default, *(b for b in constraint.bounds if math.isfinite(b) and constraint.contains(b))):
        with np.errstate(all="ignore"):
            back = float(constraint.forward(constraint.inverse(value)))
        require_equal(f"{name}: forward(inverse({value:g}))", back, value, "make forward undo inverse", 1e-12, 1e-12)


def check_gate(gate: Gate, signals: Mapping[str, Sequence[float]] | None = None) -> None:
    """Raise AssertionError where a gate breaks a law.

    Laws: it pickles; its parameters round-trip; at extreme signals and parameters its opening lies in [0, 1], is the same number on
    floats, torch and SymPy, and has finite derivatives.

    ``signals`` holds admissible extremes by the name of the signal; a signal that is not in it is a size or a time, 0 to 1e12; a known
    sequence of the gate runs from -1e12 to 1e12.

    >>> from seqsci.gates.elapsed import ElapsedGate
    >>> check_gate(ElapsedGate())
    """
    check_source(gate.opening)
    require_pickles(gate)
    for parameter in gate.parameters:
        check_parameter(parameter)
    extremes = {s: tuple((signals or {}).get(s, EXTREME_SIZES)) for s in gate.signals}
    extremes |= {k.name: tuple((signals or {}).get(k.name, EXTREME_KNOWN)) for k in gate.known}
    named = symbols([*extremes, *(p.name for p in gate.parameters)])
    label = type(gate).__name__
    try:
        traced = gate.opening({s: named[s] for s in extremes}, {p.name: named[p.name] for p in gate.parameters})
    except KeyError as error:
        raise AssertionError(f"{label} asks for {error}, which is neither a signal nor a parameter that it declares") from error
    for at in itertools.product(*extremes.values()):
        signal = dict(zip(extremes, at, strict=True))
        for raw in _corners(gate):
            _check_opening(gate, label, signal, raw, traced)


def _corners(gate: Gate) -> Iterator[dict[str, float]]:
    """Raw numbers of the defaults, of each parameter moved over the range, and of all of them moved together."""
    default = {p.name: p.constraint.inverse(p.default) for p in gate.parameters}
    yield default
    for raw in RAW:
        yield dict.fromkeys(default, raw)
        for name in default:
            yield {**default, name: raw}


def _check_opening(gate: Gate, label: str, signal: dict[str, float], raw: dict[str, float], traced: object) -> None:
    value = {p.name: float(p.constraint.forward(raw[p.name])) for p in gate.parameters}
    place = ", ".join(f"{n} = {v:.6g}" for n, v in {**signal, **value}.items()) or "no argument"
    with np.errstate(all="ignore"):
        opening = float(gate.opening(dict(signal), dict(value)))
    require(
        0.0 <= opening <= 1.0, f"{label} leaves its range at {place}", opening, "a value in [0, 1]", "pass it through sigmoid or exp(-size)"
    )
    require_equal(
        f"{label} traced by SymPy, at {place}", evaluate(traced, {**signal, **value}), opening, "keep to the vocabulary", 1e-10, 1e-12
    )
    leaves = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in {**signal, **raw}.items()}
    parameters = {p.name: p.constraint.forward(leaves[p.name]) for p in gate.parameters}
    result = torch.as_tensor(gate.opening({n: leaves[n] for n in signal}, parameters), dtype=torch.float64)
    require_equal(f"{label} on torch tensors, at {place}", result, opening, "keep to the vocabulary", 1e-10, 1e-12)
    if result.requires_grad and all(map(math.isfinite, raw.values())):
        grads = torch.autograd.grad(result, list(leaves.values()), materialize_grads=True)
        bad = [n for n, g in zip(leaves, grads, strict=True) if not bool(torch.isfinite(g))]
        require(
            not bad, f"{label} has no finite derivative at {place}", bad, "finite derivatives", "use the stable words of the vocabulary"
        )
