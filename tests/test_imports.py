"""Who may import whom: one table, proven by reading every import; imports inside functions count, those for type checkers do not."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import seqsci

PACKAGE = Path(seqsci.__file__).parent
DOMAINS = (PACKAGE / "domains").resolve()

LAYERS = (
    ("errors",),
    ("equations.vocabulary", "equations.functions", "equations.quadrature"),
    ("constraints", "equations.count_quantiles"),
    ("parameter", "sequences", "dates", "quantile_search"),
    ("gates", "observations", "prior"),
    ("mechanism",),
    ("linear_gaussian",),
    ("cells", "equations", "engine"),
    ("kernel", "cells.layer_kernels"),
    ("model", "lanes", "cells.layer_passes"),
    ("cell", "forecast", "frames", "knockout", "cells.layer"),
    ("estimation", "data", "cells.layer_block", "tasks"),
    ("predictor", "panel"),
    ("bank_predictor",),
    ("baselines", "evaluate"),
    ("registry", "rundir", "plots", "inference"),
    ("report", "training", "rank_histogram", "export"),
    ("study",),
    ("domains",),
    ("cli", "testing"),
)
"""Lowest first. A part is a module or a package (the longest name counts); it imports lower parts and itself, never its siblings."""

FRIENDS = {"equations.vocabulary": ("equations.functions",)}
"""Siblings that may be imported all the same: the vocabulary hands SymPy expressions to its own nodes."""

LAYER = {"cells.layer", "cells.layer_inputs", "cells.layer_passes", "cells.layer_kernels"}
POPULATION = {"cells.population", "cells.capacity_laws", "cells.survey", "cells.slow_channel"}
ALONG_DNA = {"cells.along_dna", "cells.leaky_integrator"}
FLAT = {
    "cells": {"cells.volatility_scale", *LAYER, *POPULATION, *ALONG_DNA},
    "gates": {"gates.base", "gates.constant"},
    "observations": {"observations.base", "observations.student_t"},
    "baselines": {"baselines.series"},
}
"""Packages of a file a thing: their modules import these of their own, and no others."""

THIRD_PARTY = {
    "pytorch_lightning": ("training", "data", "cli", "domains.memory.baselines.gru_training"),  # a black-box rival, not a mechanism of ours
    "arch": ("domains.finance", "evaluate"),
    "Bio": ("domains.genomics",),
    "matplotlib": ("plots", "domains.*.plots"),
    "torch": (
        "equations.vocabulary",
        "equations.count_quantiles",
        "equations.tracing",
        "equations.torch_backend",
        "cell",
        "lanes",
        "estimation.lane_algebra",
        "estimation.lane_climb",
        "estimation.lane_solve",
        "panel.card",
        "cells.layer",
        "cells.layer_block",
        "cells.layer_inputs",
        "cells.layer_passes",
        "engine",
        "tasks",
        "data",
        "training",
        "cli",
        "testing",
        "domains.memory.baselines.gru_training",
    ),
    "sympy": ("equations", "testing"),
    "numba": (
        "equations.numba_functions",
        "equations.numba_counts",
        "equations.numba_cache",
        "estimation.optimise",
        "estimation.fused",
        "estimation.fused_panel",
        "domains.ecology.inference.kernel",
        "cells.layer_kernels",
        "engine",
        "domains.ecology.bank_kernel",
        "domains.genomics.enhancer.bank_kernel",
        "domains.genomics.enhancer.ranking_kernel",
        "domains.genomics.genome.scan_kernel",
        "domains.genomics.methylation.neighbours",
        "domains.ecology.baselines",
    ),
    "triton": ("engine", "equations.triton_functions", "equations.triton_cache"),
    "statsmodels": ("domains.ecology.baselines.statsmodels_models",),
    "pandas": ("frames", "data", "domains", "panel", "evaluate", "report.tables"),
}
"""Packages that only these parts import (a star stands for one name)."""


def name_of(path: Path, root: Path, prefix: str) -> str:
    parts = [*prefix.split(), *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def sources() -> dict[str, str]:
    """Source by module, named without the leading ``seqsci.``; the package itself is ''."""
    found = {name_of(p, PACKAGE, ""): p.read_text() for p in PACKAGE.rglob("*.py") if "domains" not in p.relative_to(PACKAGE).parts}
    return found | {name_of(p, DOMAINS, "domains"): p.read_text() for p in DOMAINS.rglob("*.py")}


def _for_type_checkers(tree: ast.AST) -> set[ast.AST]:
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports when it runs."""
    tree = ast.parse(source)
    skipped = _for_type_checkers(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{home}.{alias.name}"
                yield node.lineno, inner if inner.removeprefix("seqsci.") in sources() else home


def part_of(module: str) -> str | None:
    """The part of the table that a module belongs to."""
    fitting = [part for layer in LAYERS for part in layer if module == part or module.startswith(f"{part}.")]
    return max(fitting, key=len, default=None)


def layer_of(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


def direction_faults(modules: Mapping[str, str]) -> list[str]:
    faults = []
    for module, source in sorted(modules.items()):
        own = part_of(module)
        if own is None:
            faults += [f"{module} has no place in the table"] if module else []
            continue
        for line, full in imports(source):
            if full.startswith("."):
                faults.append(f"{module}:{line} imports {full} relatively")
            target = full.removeprefix("seqsci.")
            other = part_of(target) if full.startswith("seqsci.") else None
            if other is None or other == own:
                continue
            if layer_of(other) > layer_of(own):
                faults.append(f"{module}:{line} imports {target}, which lies above it")
            elif layer_of(other) == layer_of(own) and other not in FRIENDS.get(own, ()):
                faults.append(f"{module}:{line} imports its sibling {target}")
    return faults


def flat_faults(modules: Mapping[str, str]) -> list[str]:
    faults = []
    for module, source in sorted(modules.items()):
        package = module.split(".")[0]
        for line, full in imports(source):
            target = full.removeprefix("seqsci.")
            if package in FLAT and target.startswith(f"{package}.") and target not in FLAT[package]:
                faults.append(f"{module}:{line} imports its sibling {target}")
    return faults


def domain_faults(modules: Mapping[str, str]) -> list[str]:
    """Domains import only themselves among the domains, never by the bare name; nothing else names one in an import."""
    faults = []
    for module, source in sorted(modules.items()):
        own = ".".join(module.split(".")[:2])
        for line, full in imports(source):
            foreign = full.startswith("seqsci.domains") and not (full.removeprefix("seqsci.") + ".").startswith(f"{own}.")
            if foreign or full.split(".")[0] == "domains":
                faults.append(f"{module}:{line} imports {full}")
    return faults


def _allowed(module: str, places: tuple[str, ...]) -> bool:
    names = module.split(".")
    return any(
        all(p in ("*", n) for p, n in zip(place.split("."), names, strict=False)) and len(names) >= place.count(".") + 1 for place in places
    )


def third_party_faults(modules: Mapping[str, str]) -> list[str]:
    return [
        f"{module}:{line} imports {full}"
        for module, source in sorted(modules.items())
        for line, full in imports(source)
        if (package := full.split(".")[0]) in THIRD_PARTY and not _allowed(module, THIRD_PARTY[package])
    ]


def root_faults(modules: Mapping[str, str]) -> list[str]:
    """Uses of the package itself other than its version: its lazy names would hide the direction of an import."""
    faults = []
    for module, source in sorted(modules.items()):
        tree = ast.parse(source)
        skipped = _for_type_checkers(tree)
        for node in ast.walk(tree):
            if node in skipped:
                continue
            if isinstance(node, ast.ImportFrom) and node.module == "seqsci":
                names = [alias.name for alias in node.names if alias.name not in sources()]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "seqsci":
                names = [node.attr]
            else:
                continue
            faults += [f"{module}:{node.lineno} takes {name} from seqsci" for name in names if name != "__version__"]
    return faults


def circle_faults(modules: Mapping[str, str]) -> list[str]:
    """Circles of imports, inside packages too."""
    graph = {
        m: {full.removeprefix("seqsci.") for _, full in imports(source) if full.startswith("seqsci.")} for m, source in modules.items()
    }
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return [f"a circle: {' <- '.join(error.args[1])}"]
    return []


CHECKS = (direction_faults, flat_faults, domain_faults, third_party_faults, root_faults, circle_faults)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_imports_point_down_the_table(check: object) -> None:
    faults = check(sources())  # type: ignore[operator]
    assert not faults, "\n".join(faults)


PLANTED = (
    (direction_faults, "errors", "from seqsci.model import Model", "lies above it"),
    (direction_faults, "kernel", "def f():\n    from seqsci.estimation.result import Fit", "lies above it"),
    (direction_faults, "cell", "from seqsci.frames import x", "sibling"),
    (direction_faults, "cells.bank", "from seqsci import engine", "sibling"),
    (direction_faults, "model", "from .kernel import Kernel", "relatively"),
    (direction_faults, "novelty", "", "no place"),
    (flat_faults, "gates.learned", "from seqsci.gates.shock import ShockGate", "sibling"),
    (flat_faults, "cells.bank", "from seqsci.cells.volatility import Volatility", "sibling"),
    (domain_faults, "cli", "import seqsci.domains.finance.manifest", "imports seqsci.domains"),
    (domain_faults, "domains.memory.data", "from seqsci.domains.finance.data import read_returns", "imports seqsci.domains.finance"),
    (domain_faults, "domains.finance.study", "from domains.finance import data", "imports domains"),
    (third_party_faults, "study", "import matplotlib.pyplot as plt", "matplotlib"),
    (third_party_faults, "domains.memory.data", "from Bio import SeqIO", "Bio"),
    (third_party_faults, "baselines.garch", "def f():\n    import arch", "arch"),
    (third_party_faults, "estimation.result", "from pytorch_lightning import Trainer", "pytorch_lightning"),
    (circle_faults, "sequences", "from seqsci.sequences import Sequences", "sequences <- sequences"),
    (root_faults, "study", "import seqsci\nx = seqsci.fit", "takes fit"),
    (root_faults, "model", "from seqsci import Cell", "takes Cell"),
)


@pytest.mark.parametrize(("check", "module", "source", "text"), PLANTED, ids=lambda v: v if isinstance(v, str) and "\n" not in v else None)
def test_a_wrong_import_is_found(check: object, module: str, source: str, text: str) -> None:
    faults = check({module: source})  # type: ignore[operator]
    assert any(text in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("check", "module", "source"),
    [
        (direction_faults, "errors", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from seqsci.model import Model"),
        (third_party_faults, "domains.memory.plots", "import matplotlib"),
        (third_party_faults, "plots", "import matplotlib"),
        (domain_faults, "domains.memory.study", "from seqsci.domains.memory import data"),
        (root_faults, "study", "import seqsci\nx = seqsci.__version__"),
    ],
)
def test_a_right_import_is_let_through(check: object, module: str, source: str) -> None:
    assert not check({module: source})  # type: ignore[operator]


LIGHT = """
import sys, {module}
heavy = {{"torch", "pandas", "numba", "scipy", "sympy", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "module", ["seqsci", "seqsci.cells.volatility", "seqsci.linear_gaussian", "seqsci.observations.skew_t", "seqsci.registry"]
)
def test_declaring_a_mechanism_loads_nothing_heavy(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT.format(module=module)], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr


def test_a_heavy_import_would_be_noticed() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT.format(module="seqsci.cell")], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert "torch" in done.stderr


def test_a_circle_through_functions_is_found_and_one_for_type_checkers_is_not() -> None:
    lazy = "def f():\n    from seqsci.estimation.summary import Summary"
    for_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from seqsci.estimation.summary import Summary"
    back = "from seqsci.estimation.result import Fit"
    assert circle_faults({"estimation.result": lazy, "estimation.summary": back})
    assert not circle_faults({"estimation.result": for_types, "estimation.summary": back})
