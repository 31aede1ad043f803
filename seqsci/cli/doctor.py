"""seqsci doctor: what is installed, what is missing, what is broken, and how to mend it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from seqsci import __version__
from seqsci.cli.environment import (
    HERE,
    Fault,
    Requirement,
    declared,
    foreign_domains,
    groups_of,
    installation,
    installed,
    modules_of,
    shadows,
)

HELP = "what is installed, missing or broken, and how to mend it"
TOLERANCE = 1e-9
"""Largest difference of a log density between the compiled kernel and the torch loop."""


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(arguments: argparse.Namespace) -> None:
    """Print the findings; exit with 1 where something is broken."""
    print(f"seqsci {__version__} in {HERE}\npython {sys.version.split()[0]} in {sys.executable}\n", flush=True)
    faults = shadows([str(Path.cwd()), *sys.path]) + installation()
    groups = groups_of(declared())
    lines, wrong = packages(groups)
    print("\n".join(lines), flush=True)
    faults += wrong
    fitting = all(installed(r.name) for g in ("core", "fit") for r in groups.get(g, ()))
    with tempfile.TemporaryDirectory() as folder:
        kernel = start(["kernel"], {"SEQSCI_CACHE": folder}) if fitting else None
        wrong, devices = imports(groups)
        faults += wrong
        lines, wrong = kernels(kernel)
    faults += wrong
    print("\n".join(lines))
    print("\n".join(cards(devices)))
    for line, wrong in (cache(), data()):
        print(line)
        faults += wrong
    for other in foreign_domains([str(Path.cwd()), *sys.path]):
        print(f"note     {other} is what a bare `import domains` means; ours is seqsci.domains, so nothing is hidden")
    print()
    for fault in faults:
        print(f"FAULT: {fault.what}\n  fix: {fault.fix}")
    if faults:
        raise SystemExit(1)
    print("no faults: what is installed works")


def packages(groups: dict[str, list[Requirement]]) -> tuple[list[str], list[Fault]]:
    """One line an extra: versions, and the pip command where something is missing; faults where a version does not satisfy us."""
    lines, faults = [], []
    if not groups:
        lines.append("extras   unknown: seqsci is not installed, only imported from a folder: pip install -e .")
    for group, requirements in groups.items():
        have = {r.name: installed(r.name) for r in requirements}
        there = ", ".join(f"{n} {v}" for n, v in have.items() if v)
        missing = ", ".join(n for n, v in have.items() if not v)
        command = "pip install seqsci" if group == "core" else f"pip install 'seqsci[{group}]'"
        if missing and group == "core":
            faults.append(Fault(f"seqsci needs {missing}, which is not installed", command))
        lines.append(f"{group:<8} {there}" + (f"{'; ' if there else ''}MISSING {missing}: {command}" if missing else ""))
        for r in requirements:
            version = have[r.name]
            if version and not r.satisfied_by(version):
                what = f"{r.name} {version} is installed, {group if group == 'core' else f'seqsci[{group}]'} needs {r.specifier}"
                faults.append(Fault(what, f"pip install -U '{r.name}{r.specifier}'"))
    return lines, list(dict.fromkeys(faults))


def start(words: Sequence[str], extra: dict[str, str]) -> subprocess.Popen[str]:
    """A probe in a process of its own, with the import path of this one."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from seqsci.cli.probe import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **extra}
    )


def cards(devices: Sequence[tuple[str, Sequence[int]]]) -> list[str]:
    """CUDA devices with their compute capabilities, and what stands against kernels on them."""
    if not devices:
        return ["device   no CUDA device: everything runs on the CPU"]
    from seqsci.engine.accelerator import obstacle

    lines = []
    for name, (major, minor) in devices:
        reason = obstacle(name, (major, minor), bool(installed("triton")), False)
        lines.append(f"device   {name}, compute capability {major}.{minor}: {'kernels run on it (docs/gpu.md)' if not reason else 'slow'}")
        lines += [f"         {line}" for line in reason.splitlines()]
    return lines


def imports(groups: dict[str, list[Requirement]]) -> tuple[list[Fault], list[tuple[str, Sequence[int]]]]:
    """Faults of packages that cannot be imported, and the CUDA devices with their compute capabilities."""
    owner = {m: r for requirements in groups.values() for r in requirements for m in modules_of(r.name)}
    faults, devices, rest = [], list[tuple[str, Sequence[int]]](), list(owner)
    while rest:
        probe = start(["modules", *rest], {})
        text, errors = probe.communicate()
        records = [json.loads(line) for line in text.splitlines()]
        devices += [(name, capability) for r in records for name, capability in r.get("devices", [])]
        broken = {r["module"]: r["error"] for r in records if r["error"]}
        rest = rest[len(records) :]
        if rest:
            last = (errors.strip().splitlines() or [f"exit {probe.returncode}"])[-1]
            broken[rest.pop(0)] = f"the interpreter ends ({probe.returncode}): {last}"
        for module, error in broken.items():
            r = owner[module]
            faults.append(
                Fault(f"{r.name} is installed but cannot be imported: {error}", f"pip install --force-reinstall '{r.name}{r.specifier}'")
            )
    return faults, devices


def kernels(probe: subprocess.Popen[str] | None) -> tuple[list[str], list[Fault]]:
    """Whether kernels compile and run here, and say what the torch loop says."""
    if probe is None:
        return ["kernels  not tried: the extra `fit` is incomplete; equations run in the torch loop"], []
    text, errors = probe.communicate()
    fix = "pip install --force-reinstall numba llvmlite; if it stays, file an issue with this output"
    if not text.strip():
        last = (errors.strip().splitlines() or ["no message"])[-1]
        return ["kernels  do not run"], [Fault(f"compiling a kernel ended the interpreter ({probe.returncode}): {last}", fix)]
    found = json.loads(text.splitlines()[-1])
    if found["error"]:
        return ["kernels  do not run"], [Fault(found["error"], fix)]
    line = f"kernels  compiled and run in {found['seconds']:.1f} s, {found['apart']:.0e} from the torch loop"
    line += f"; optimiser loaded in {found['optimiser']:.1f} s"
    faults = [] if found["apart"] < TOLERANCE else [Fault(f"a compiled kernel is {found['apart']:.1e} from the torch loop", fix)]
    return [line], faults


def cache() -> tuple[str, list[Fault]]:
    """Where compiled kernels are kept, how many, and whether the folder can be written."""
    from seqsci.cli.cache import describe
    from seqsci.equations.numba_cache import directory

    base = directory()
    if base.name.startswith("seqsci-cache-") and base.parent == Path(tempfile.gettempdir()):
        what = "the kernel cache cannot be written, so kernels are compiled again after each reboot"
        return f"cache    {describe(base)}, temporary", [Fault(what, "export SEQSCI_CACHE=/a/folder/that/can/be/written")]
    blocked = [p for p in (base, base / "__pycache__") if p.exists() and not os.access(p, os.W_OK)]
    faults = [Fault(f"{p} cannot be written, so kernels are compiled in every process", f"chmod u+w {p}") for p in blocked]
    return f"cache    {describe(base)}, {'not writable' if blocked else 'writable'}", faults


def data() -> tuple[str, list[Fault]]:
    """Whether SEQSCI_DATA names a folder."""
    folder = os.environ.get("SEQSCI_DATA")
    if not folder:
        return "data     SEQSCI_DATA is not set (a folder of data sets that are not shipped)", []
    if not Path(folder).is_dir():
        return f"data     SEQSCI_DATA={folder}", [Fault(f"SEQSCI_DATA={folder} is not a folder", "unset SEQSCI_DATA, or correct it")]
    return f"data     SEQSCI_DATA={folder}", []
