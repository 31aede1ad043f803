"""What `seqsci doctor` tries in a process of its own, so that a package that crashes the interpreter is a line of its report.

Prints one JSON object a line on standard output; what packages print on their own goes to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

BROKEN = (ImportError, OSError, AttributeError, RuntimeError, TypeError, ValueError, LookupError, SyntaxError, SystemError)
"""What a broken package raises while it is imported or first used."""


def main(words: Sequence[str]) -> None:
    """``modules a b c`` imports these; ``kernel`` compiles and runs one."""
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for record in modules(words[1:]) if words[0] == "modules" else kernel():
            print(json.dumps(record), file=out, flush=True)


def modules(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Import one module after another: its name, and the error or ""; for torch the CUDA devices and their compute capabilities too."""
    for name in names:
        record: dict[str, Any] = {"module": name, "error": ""}
        try:
            module = importlib.import_module(name)
            if name == "torch":
                cuda = module.cuda
                record["devices"] = [(cuda.get_device_name(i), cuda.get_device_capability(i)) for i in range(cuda.device_count())]
        except BROKEN as error:
            record["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        yield record


def kernel() -> Iterator[dict[str, Any]]:
    """Compile one kernel, run it, and compare its log density with the torch loop's; then load the compiled optimiser."""
    import numpy as np

    from seqsci.cells.volatility import Variance, Volatility
    from seqsci.equations.torch_backend import loop
    from seqsci.model import Model
    from seqsci.observations.gaussian import Gaussian
    from seqsci.sequences import Sequences

    torch: Any = importlib.import_module("torch")
    stage, clock = "compiling a kernel", time.perf_counter()
    try:
        model = Model(Volatility(scale=Variance()), Gaussian()).fix(rotation=0.0, shift=0.0)
        rows = Sequences({"log_return": np.random.default_rng(0).standard_normal(40)})
        density = model.filter(rows).density
        seconds = time.perf_counter() - clock
        stage = "running the torch loop"
        numbers = {n: torch.tensor(v, dtype=torch.float64) for n, v in model.values}
        flags = torch.ones(40, dtype=torch.bool), torch.arange(40) == 0
        begin = {"backcast": torch.full((40,), float(model.presamples(rows)[0, 0]), dtype=torch.float64)}
        oracle = loop(
            model.mechanism, model.observation, numbers, {}, {"log_return": torch.tensor(rows.outcome["log_return"])}, *flags, begin
        )
        apart = float(np.max(np.abs(density - oracle.density.numpy())))
        stage, clock = "loading the compiled optimiser", time.perf_counter()
        importlib.import_module("seqsci.estimation.optimise")
        yield {"error": "", "seconds": seconds, "apart": apart, "optimiser": time.perf_counter() - clock}
    except BROKEN as error:
        yield {"error": f"{stage}: {type(error).__name__}: {error}".splitlines()[0][:300]}
