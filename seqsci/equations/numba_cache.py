"""Generated modules on disk: written once, imported lazily, compiled code kept beside them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from seqsci.errors import MissingExtraError

_LOADED: dict[str, ModuleType] = {}


def directory() -> Path:
    """Folder of the generated modules: ``SEQSCI_CACHE``, else the user's cache folder, else a temporary one if that is read-only."""
    chosen = os.environ.get("SEQSCI_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "seqsci"
    try:
        base.mkdir(parents=True, exist_ok=True)
        if os.access(base, os.W_OK):
            return base
    except OSError:
        pass
    fallback = Path(tempfile.gettempdir()) / f"seqsci-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


def _toolchain() -> str:
    """What compiled code depends on besides its own source."""
    import llvmlite
    import numba

    functions = Path(__file__).with_name("numba_functions.py").read_bytes()
    return f"{sys.version_info[:3]} numba {numba.__version__} llvmlite {llvmlite.__version__} {hashlib.sha256(functions).hexdigest()[:16]}"


def load(source: str, function: str, label: str) -> Any:
    """Return a compiled function of a generated module; says so on stderr when it has to be compiled first."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("numba", "fit", "A compiled kernel") from error
    key = hashlib.sha256((source + _toolchain()).encode()).hexdigest()[:20]
    module = _LOADED.get(key)
    if module is None:
        path = directory() / f"kernel_{key}.py"
        done = path.with_suffix(".compiled")
        if not path.exists():
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
            with os.fdopen(handle, "w") as stream:
                stream.write(source)
            os.replace(temporary, path)
        first = not done.exists()
        if first:
            print(f"seqsci: compiling {function} of {label} once ...", file=sys.stderr, end="", flush=True)
        clock = time.perf_counter()
        spec = importlib.util.spec_from_file_location(f"seqsci_generated_{key}", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot import the generated module {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module  # cached code is rebuilt by importing its module by name
        spec.loader.exec_module(module)
        if first:
            done.touch()
            print(f" {time.perf_counter() - clock:.1f} s", file=sys.stderr, flush=True)
        _LOADED[key] = module
    return getattr(module, function)
