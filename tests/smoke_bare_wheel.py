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
    # >>> FILL IN: import a cell, run it on a short float64 sequence, call backward(), check finite gradients of input and parameters.


if __name__ == "__main__":
    for check in (extras_are_absent, import_is_light, manifest_travels, forward_and_backward):
        check()
        print(f"ok  {check.__name__}")
