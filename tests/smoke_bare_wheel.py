"""What must work with the wheel and its core dependencies alone: run by .ci/run with `python -I` from a folder outside the source root."""

import importlib
import importlib.util
import sys
import sysconfig
from pathlib import Path

HEAVY = ("torch", "pandas", "numba", "scipy", "pytorch_lightning", "matplotlib")


def loaded() -> list[str]:
    return [name for name in HEAVY if name in sys.modules]


def import_is_light() -> None:
    """`import seqsci` loads none of the heavy packages and comes from the installed wheel."""
    seqsci = importlib.import_module("seqsci")
    assert not loaded(), f"import seqsci loaded {loaded()}"
    site = Path(sysconfig.get_paths()["purelib"]).resolve()
    where = Path(seqsci.__file__ or "").resolve()
    assert site in where.parents, f"seqsci comes from {where}, not from the wheel in {site}"


def manifest_travels() -> None:
    """The finance domain is in the wheel; its manifest needs neither torch nor an extra."""
    importlib.import_module("seqsci.domains.finance.manifest")
    assert not loaded(), f"the manifest loaded {loaded()}"


def extras_are_absent() -> None:
    """Proof that this environment is bare: otherwise the other checks say nothing."""
    present = [name for name in HEAVY if name != "torch" and importlib.util.find_spec(name) is not None]
    assert not present, f"not a bare environment: {present} installed"


def forward_and_backward() -> None:
    """A cell runs forward and backward by the torch loop, without numba."""
    import torch

    from seqsci.cell import Cell
    from seqsci.cells.volatility import Volatility
    from seqsci.model import Model
    from seqsci.observations.student_t import StudentT

    returns = torch.tensor([[0.5, -1.2, 0.1, 2.0], [0.3, float("nan"), -0.9, -0.2]], dtype=torch.float64, requires_grad=True)
    cell = Cell(Model(Volatility(), StudentT()))
    trace = cell({}, {"log_return": returns})
    trace.log_density.sum().backward()
    gradients = {"input": returns.grad, **{name: p.grad for name, p in cell.named_parameters()}}
    bad = [name for name, g in gradients.items() if g is None or not bool(torch.isfinite(g).all()) or not bool(g.abs().sum() > 0)]
    assert not bad, f"no finite gradient of {bad}"
    step = cell.step({}, {"log_return": returns.detach()[:, 0]}, trace.last.detach())
    assert bool(torch.isfinite(step.last).all()), "streaming does not go on from the last state"


def scan_and_layer() -> None:
    """The linear scan and the gated layer run on torch alone, with gradients."""
    import torch

    from seqsci import GatedLayer, linear_scan

    f, u = torch.rand(2, 5, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(linear_scan, (f, u)), "the scan's gradient is wrong"
    layer = GatedLayer(features=3, width=4, context=10)
    h, state = layer(u.detach().float())
    h.sum().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in layer.parameters() if p.numel()), "no gradient"
    assert bool(torch.isfinite(layer.step(u.detach().float()[:, 0], state)[0]).all()), "the layer's step does not go on"


if __name__ == "__main__":
    for check in (extras_are_absent, import_is_light, manifest_travels, forward_and_backward, scan_and_layer):
        check()
        print(f"ok  {check.__name__}")
