"""What the scan's Triton kernels ask of a card, read off their machine code: no card is needed, and nothing is timed.

python -m benchmarks.gpu_code [--quick]; the last line is one line of JSON. Kernels are compiled for compute capability 9.0 and
disassembled. Instructions are counted a warp and number (the loop of a program that walks, the whole of one that looks back, without its
waiting); times the numbers that a copy at 4.3 TB/s would move on 132 multiprocessors at 1.755 GHz (an H200, as its makers and a device
copy give it) they are instructions a clock, of which a multiprocessor issues 4 at most, and rarely more than 2 to 3.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine_timing import Part, show
from seqsci.engine import accelerator
from tests.triton_targets import compiled, recorded

COPY, PROCESSORS, CLOCK = 4.3e12, 132, 1.755e9
REGISTERS = 65_536
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(.*?);")
CASES: dict[str, tuple[torch.dtype, tuple[int, int, int]]] = {
    "float32, 8 x 1024 lanes": (torch.float32, (8, 1024, 1024)),
    "float32, 64 x 1024 lanes": (torch.float32, (64, 512, 1024)),
    "float32, 16 x 128 lanes": (torch.float32, (16, 16_384, 128)),
    "float32, one lane": (torch.float32, (1, 1 << 20, 1)),
    "bfloat16, 8 x 1024 lanes": (torch.bfloat16, (8, 1024, 1024)),
    "float64, 8 x 1024 lanes": (torch.float64, (8, 512, 1024)),
    "complex64, 64 lanes": (torch.complex64, (1, 4096, 64)),
}


@dataclass(frozen=True)
class Demand:
    """Of one kernel: registers a thread, bytes spilled, and instructions a warp and number."""

    looks: bool
    registers: int
    spilled: int
    instructions: float

    def a_clock(self, words: int, size: int) -> float:
        """Instructions a clock and multiprocessor at the speed of a copy."""
        return self.instructions * COPY / (words * size) / PROCESSORS / CLOCK / 32


def launches(dtype: torch.dtype, shape: tuple[int, int, int]) -> Iterator[tuple[Any, tuple[tuple[Any, ...], dict[str, Any]]]]:
    """The kernels of the forward and of the backward pass, with their arguments."""
    from seqsci.engine import triton_launch

    processors, triton_launch.processors = triton_launch.processors, lambda device: PROCESSORS  # type: ignore[assignment]
    kernels = (triton_launch.tiles, triton_launch.chained)
    u = torch.empty(shape, dtype=dtype)
    try:
        for backward in (False, True):
            with recorded(triton_launch) as walks, recorded(triton_launch, "chained") as waits:
                if backward:
                    triton_launch.adjoint(u, u, u[:, :1], u, None, False)
                else:
                    triton_launch.scan(u, u, u[:, :1], None, False)
            looks = bool(waits.launches)
            yield kernels[looks], (waits if looks else walks).launches[0]
    finally:
        triton_launch.processors = processors


def counted(binary: Path, looks: bool) -> int:
    """Instructions of the first loop, or of the whole kernel."""
    from triton.backends import nvidia

    tool = Path(nvidia.__file__).parent / "bin" / "nvdisasm"
    text = subprocess.run([str(tool), "-c", str(binary)], capture_output=True, text=True, check=True).stdout
    labels: dict[str, int] = {}
    code: list[str] = []
    for line in text.splitlines():
        if label := re.match(r"^\.(L_x_\d+):", line.strip()):
            labels[label[1]] = len(code)
        elif found := INSTRUCTION.search(line):
            code.append(found[1])
    if looks:
        return len(code)
    back = [(labels[m[1]], place) for place, what in enumerate(code) if (m := re.search(r"BRA.*`\(\.(L_x_\d+)\)", what)) and m[1] in labels]
    start, end = next((start, end) for start, end in back if start < end)
    return end + 1 - start


def demand(kernel: Any, launch: tuple[tuple[Any, ...], dict[str, Any]]) -> Demand:
    """Compile a launch for a card that is not there, and count."""
    known, looks = launch[1], "ROWS" in launch[1]
    with tempfile.TemporaryDirectory() as folder:
        found = compiled(kernel, launch, 90, Path(folder))
        number = counted(Path(folder) / "kernel.cubin", looks)
    return Demand(looks, found.registers, found.stack, number / (known["BT"] * known["BD"] / 32 / known["num_warps"]))


def code(quick: bool) -> Part:
    """The table."""
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float | None] = {}
    for name, (dtype, shape) in list(CASES.items())[: 3 if quick else None]:
        for backward, (kernel, launch) in enumerate(launches(dtype, shape)):
            found = demand(kernel, launch)
            clock = found.a_clock(5 if backward else 3, dtype.itemsize)
            label = f"{name}, {'adjoint' if backward else 'forward'}"
            rows.append((label, "looks back" if found.looks else "walks", found.registers, found.spilled, found.instructions, clock))
            figures[re.sub(r"\W+", "_", label)] = clock
    return Part("Machine code, compute capability 9.0", ("", "", "registers", "spilled", "instructions", "a clock"), rows, figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three cases")
    quick = parser.parse_args().quick
    if not accelerator.installed():
        sys.exit("benchmarks.gpu_code compiles Triton kernels, and Triton is not installed: pip install 'seqsci[gpu]'")
    part = code(quick)
    show(part)
    print(json.dumps({k: float(f"{v:.3g}") for k, v in part.figures.items() if v is not None}))


if __name__ == "__main__":
    main()
