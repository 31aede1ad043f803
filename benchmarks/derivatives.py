"""Which derivatives of c_t = f_t c_{t-1} + u_t are right: the linear scan, and other ways to write it in torch.

python -m benchmarks.derivatives; the last line is one line of JSON, counts by peer. Every cell is computed: a derivative is right where it
is the finite difference of a loop in float64, NaN where it is not finite, silently wrong where it is something else, refused where the
library or Dynamo says that it does not do it (EquationError, NotImplementedError, Unsupported), an error where anything else is raised.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, hessian, jvp, vmap

from benchmarks.engine_timing import Part, child, show
from seqsci.engine import linear_scan
from seqsci.errors import EquationError

Scan = Callable[[Tensor, Tensor, Tensor], Tensor]
Loss = Callable[[Tensor], Tensor]

SHAPE = (2, 6, 3)
GENERATOR = torch.Generator().manual_seed(1)
GATE, DRIVE, WEIGHT = (0.2 + 0.6 * torch.rand(SHAPE, dtype=torch.float64, generator=GENERATOR) for _ in range(3))
START = 0.5 + torch.rand(2, 3, dtype=torch.float64, generator=GENERATOR)
POINT = torch.tensor([0.4, 0.7, 1.1], dtype=torch.float64)
"""All gates, inputs and states are positive: what works with logarithms may take part."""


def loop(f: Tensor, u: Tensor, c0: Tensor) -> Tensor:
    state, states = c0, []
    for t in range(u.shape[1]):
        state = f[:, t] * state + u[:, t]
        states.append(state)
    return torch.stack(states, 1)


def ours(f: Tensor, u: Tensor, c0: Tensor) -> Tensor:
    return linear_scan(f, u, c0)  # type: ignore[return-value]


def logarithms(f: Tensor, u: Tensor, c0: Tensor) -> Tensor:
    """cumsum and logcumsumexp, as minGRU is written."""
    power = f.log().cumsum(1)
    power = torch.cat((torch.zeros_like(power[:, :1]), power), 1)
    inputs = torch.cat((c0.unsqueeze(1), u), 1).log()
    return (power + torch.logcumsumexp(inputs - power, 1)).exp()[:, 1:]


def _combine(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return a[0] * b[0], b[0] * a[1] + b[1]


def associative(f: Tensor, u: Tensor, c0: Tensor) -> Tensor:
    """torch's associative_scan in its generic mode."""
    from torch._higher_order_ops.associative_scan import associative_scan

    power, c = associative_scan(_combine, (f, u), 1, combine_mode="generic")
    return c + power * c0.unsqueeze(1)


def operator(f: Tensor, u: Tensor, c0: Tensor) -> Tensor:
    """The higher-order operator beneath associative_scan, which its pointwise mode runs; along its first axis."""
    from torch._higher_order_ops.associative_scan import associative_scan_op

    def combine(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> list[Tensor]:
        return [a * c, c * b + d]

    power, c = associative_scan_op(combine, [f.movedim(1, 0), u.movedim(1, 0)], ())
    return (c + power * c0).movedim(0, 1)


def lpc(f: Tensor, u: Tensor, c0: Tensor) -> Tensor:
    """torchlpc, of order one, rows of (batch, channel)."""
    import torchlpc

    rows, steps = (x.movedim(1, 2).reshape(-1, x.shape[1]) for x in (f, u)), u.shape[1]
    gate, drive = rows
    c = torchlpc.sample_wise_lpc(drive, -gate.unsqueeze(2), c0.reshape(-1, 1))
    return c.reshape(u.shape[0], -1, steps).movedim(2, 1)


PEERS: dict[str, Scan] = {
    "linear_scan": ours,
    "associative_scan": associative,
    "associative_scan_op": operator,
    "torchlpc": lpc,
    "logcumsumexp": logarithms,
    "loop": loop,
}


def states(scan: Scan) -> Loss:
    """All states; gates and inputs depend on the argument."""
    return lambda x: (scan(GATE * x / (1 + x), DRIVE * (1 + x), START).sin() * WEIGHT).sum()


def final(scan: Scan) -> Loss:
    """The last state alone."""
    return lambda x: (scan(GATE * x / (1 + x), DRIVE * (1 + x), START)[:, -1].sin() * WEIGHT[:, 0]).sum()


def initial(scan: Scan) -> Loss:
    """The states as a function of the initial one."""
    return lambda x: (scan(GATE, DRIVE, START * x).sin() * WEIGHT).sum()


def changed(gate: float | None, drive: float | None) -> Callable[[Scan], Loss]:
    """As `states`, with one gate or one input of every lane replaced."""
    at = (torch.arange(SHAPE[1]) == 2).view(1, -1, 1)

    def of(scan: Scan) -> Loss:
        def loss(x: Tensor) -> Tensor:
            f = GATE * x / (1 + x) if gate is None else torch.where(at, gate * x, GATE * x / (1 + x))
            u = DRIVE * (1 + x) if drive is None else torch.where(at, drive * x, DRIVE * (1 + x))
            return (scan(f, u, START).sin() * WEIGHT).sum()

        return loss

    return of


def slope(loss: Loss, x: Tensor) -> Tensor:
    """Central differences."""
    return torch.stack([(loss(x + h) - loss(x - h)) / 2e-5 for h in 1e-5 * torch.eye(3, dtype=x.dtype)])


def curvature(loss: Loss, x: Tensor) -> Tensor:
    """Central differences of central differences."""
    steps = 1e-3 * torch.eye(3, dtype=x.dtype)
    return torch.stack(
        [torch.stack([(loss(x + a + b) - loss(x + a - b) - loss(x - a + b) + loss(x - a - b)) / 4e-6 for a in steps]) for b in steps]
    )


def _backward(loss: Loss, x: Tensor, **kept: bool) -> Tensor:
    leaf = x.clone().requires_grad_(True)
    return torch.autograd.grad(loss(leaf), leaf, **kept)[0]


def _twice(loss: Loss, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_(True)
    (first,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    return torch.autograd.grad(first.sum(), leaf)[0]


def _export(loss: Loss, x: Tensor) -> Tensor:
    class Module(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return loss(x)

    return _backward(torch.export.export(Module(), (x,)).module(), x)


def _fake(loss: Loss, x: Tensor) -> Tensor:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        out = loss(mode.from_tensor(x))
    return torch.zeros(out.shape, dtype=out.dtype)


def _stack(x: Tensor) -> Tensor:
    return torch.stack((x, 1.5 * x))


Case = tuple[Callable[[Scan], Loss], Callable[[Loss, Tensor], Tensor], Callable[[Loss, Tensor], Tensor]]
CASES: dict[str, Case] = {
    "backward": (states, _backward, slope),
    "double backward": (states, _twice, lambda l, x: curvature(l, x).sum(0)),
    "jvp": (states, lambda l, x: jvp(l, (x,), (torch.ones_like(x),))[1], lambda l, x: slope(l, x).sum()),
    "vmap": (states, lambda l, x: vmap(l)(_stack(x)), lambda l, x: torch.stack([l(y) for y in _stack(x)])),
    "func.grad": (states, lambda l, x: grad(l)(x), slope),
    "vmap of grad": (states, lambda l, x: vmap(grad(l))(_stack(x)), lambda l, x: torch.stack([slope(l, y) for y in _stack(x)])),
    "func.hessian": (states, lambda l, x: hessian(l)(x), curvature),
    "torch.compile, fullgraph": (states, lambda l, x: _backward(torch.compile(l, backend="aot_eager", fullgraph=True), x), slope),
    "jvp in torch.compile": (
        states,
        lambda l, x: torch.compile(lambda y: jvp(l, (y,), (torch.ones_like(y),))[1], backend="aot_eager", fullgraph=True)(x),
        lambda l, x: slope(l, x).sum(),
    ),
    "torch.export": (states, _export, slope),
    "fake tensors": (states, _fake, lambda l, x: torch.zeros_like(l(x))),
    "final-state gradient": (final, _backward, slope),
    "initial-state gradient": (initial, _backward, slope),
    "backward, a gate of 0": (changed(0.0, None), _backward, slope),
    "backward, a gate below 0": (changed(-0.5, None), _backward, slope),
    "backward, an input of 0": (changed(None, 0.0), _backward, slope),
}


def judge(case: Case, scan: Scan) -> str:
    of, derivative, difference = case
    expected = difference(of(loop), POINT)
    torch._dynamo.reset()
    try:
        got = derivative(of(scan), POINT)
    except (EquationError, NotImplementedError, torch._dynamo.exc.Unsupported):
        return "refused"
    except Exception:  # noqa: BLE001 - whatever a peer raises is its result
        return "error"
    if not bool(got.isfinite().all()):
        return "NaN"
    close = got.shape == expected.shape and torch.allclose(got.detach(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    return "right" if close else "silently wrong"


def column(name: str) -> dict[str, str]:
    """The cells of one peer; empty where it is not installed."""
    warnings.simplefilter("ignore")
    if name == "torchlpc":
        try:
            import torchlpc  # noqa: F401
        except ImportError:
            return {}
    return {case: judge(CASES[case], PEERS[name]) for case in CASES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", choices=PEERS, help="print the cells of one peer as JSON")
    peer = parser.parse_args().peer
    if peer is not None:
        print(json.dumps(column(peer)))
        return
    columns: dict[str, dict[str, str]] = {name: dict(child("benchmarks.derivatives", "--peer", name)) for name in PEERS}  # type: ignore[misc]
    rows: list[tuple[object, ...]] = [(case, *(columns[name].get(case, "not installed") for name in PEERS)) for case in CASES]
    show(Part("Derivatives, against finite differences in float64", ("derivative", *PEERS), rows))
    kinds = ("right", "silently wrong", "NaN", "refused", "error")
    print(json.dumps({name: {k: list(cells.values()).count(k) for k in kinds} if cells else None for name, cells in columns.items()}))


if __name__ == "__main__":
    main()
