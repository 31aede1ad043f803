"""One lane of 1e9 positions, streamed from memory maps: seconds, and the peak memory of the process that does it.

Part of `python -m benchmarks.engine`. The arrays (8 GB) are written into a temporary folder first; a fresh process then streams 1e7 and
1e9 positions of them, chunk by chunk, and reports its own peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.engine_timing import Part

POSITIONS = (10**7, 10**9)
PROGRAM = """
import json, sys, time
import numpy as np, torch
from seqsci.engine import linear_scan, scan_chunks
torch.set_num_threads(2)
folder, sizes = sys.argv[1], [int(n) for n in sys.argv[2:]]
f, u = (np.memmap(f"{folder}/{name}", np.float32, "r") for name in "fu")
def stream(n):
    start = time.perf_counter()
    for states, carry in scan_chunks(f[:n], u[:n]):
        pass
    return time.perf_counter() - start, float(carry.state)
stream(sizes[0])
seconds = [min(stream(sizes[0])[0] for _ in range(5)), *(stream(n)[0] for n in sizes[1:])]
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "peak": peak}))
"""


def streamed(seconds: float) -> Part:
    """Peak bytes, and the time a position of the longest over that of the shortest (1: linear in the length)."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for name in "fu":
            with (Path(folder) / name).open("wb") as file:
                for _ in range(-(-POSITIONS[-1] // 10**8)):
                    rng.random(10**8, np.float32).tofile(file)
        command = [sys.executable, "-c", PROGRAM, folder, *map(str, POSITIONS)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    rows: list[tuple[object, ...]] = [(f"{n:.0e}", s, 1e9 * s / n) for n, s in zip(POSITIONS, found["seconds"], strict=True)]
    peak, linearity = found["peak"], rows[-1][2] / rows[0][2]  # type: ignore[operator]
    title = f"One lane streamed from memory maps: peak {peak / 1e6:.0f} MB, time a position {linearity:.2f} of the short one's"
    figures = {"stream_bytes_peak": peak, "stream_seconds": found["seconds"][-1], "stream_linearity": linearity}
    return Part(title, ("positions", "s", "ns a position"), rows, figures)
