"""Genomics at the scale of a chromosome: leaky scans, random reads of a cached genome, a bank over chr1. Last line: JSON.

python -m benchmarks.genomics_scale [--quick]      --quick: shorter signals and fewer reads; chr1 is the whole one all the same

Signals and sequences are random. Rates are per second of processor time, best of several, as other work may share the machine; chr1 is
wall time in a process of its own, which reports its processor time and its peak memory as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from seqsci.domains.genomics.genome.cache import build_cache
from seqsci.domains.genomics.genome.streaming import LeakyScan, scan_track
from seqsci.domains.genomics.genome.tracks import ArrayTrack
from seqsci.domains.genomics.reading.indexed_fasta import IndexedFasta

CHR1 = 248_956_422
ONE, BANK = LeakyScan((300_000.0,), (1.0,)), LeakyScan.log_spaced(5e3, 5e6, 4)
REPEATS = 5
READ = 1_000
PROGRAM = """
import json, sys, time
import numpy as np
from seqsci.domains.genomics.genome.streaming import LeakyScan, scan_track
from seqsci.domains.genomics.genome.tracks import ArrayTrack
folder, size = sys.argv[1], int(sys.argv[2])
bank = LeakyScan.log_spaced(5e3, 5e6, 4)
scan_track(ArrayTrack(np.ones(1000, np.float32)), bank, np.empty(1000, np.float32))
signal = np.memmap(f"{folder}/signal.f32", np.float32, "r", shape=(size,))
out = np.memmap(f"{folder}/bank.f32", np.float32, "w+", shape=(size,))
start, used = time.perf_counter(), time.process_time()
scan_track(ArrayTrack(signal), bank, out)
seconds, used = time.perf_counter() - start, time.process_time() - used
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "used": used, "peak": peak}))
"""


def best(call: Callable[[], object]) -> float:
    """Seconds of processor time, the least of several calls after a first one."""
    call()
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def scans(size: int) -> tuple[list[str], dict[str, float]]:
    """One integrator and a bank of four, beside SciPy and a copy of the signal."""
    signal = np.random.default_rng(0).random(size, np.float32)
    out, wide, track = np.zeros(size, np.float32), signal.astype(np.float64), ArrayTrack(signal)
    decay = float(ONE.decay[0])
    rows = {
        "one integrator, one side": best(lambda: scan_track(track, ONE, out, right=False)),
        "bank of 4, one side": best(lambda: scan_track(track, BANK, out, right=False)),
        "bank of 4, both sides": best(lambda: scan_track(track, BANK, out)),
        "scipy.signal.lfilter, one integrator, float64": best(lambda: lfilter([1.0], [1.0, -decay], wide)),
        "memory: the signal copied once": best(lambda: np.copyto(out, signal)),
    }
    rate = {name: size / seconds / 1e6 for name, seconds in rows.items()}
    lines = [f"{name:<50}{r:10,.0f} Mbase/s" for name, r in rate.items()]
    names = ("scan_mbase_per_s", "bank_mbase_per_s", "bank_both_mbase_per_s", "lfilter_mbase_per_s", "copy_mbase_per_s")
    return lines, dict(zip(names, rate.values(), strict=True))


def chunk_error(size: int) -> float:
    """Largest difference, relative to the largest value, of both sides in chunks of several lengths and in one piece, in float64."""
    track = ArrayTrack(np.random.default_rng(1).random(size, np.float32))
    whole, out = np.empty(size), np.empty(size)
    scan_track(track, BANK, whole, chunk=size)
    errors = []
    for chunk in (1_009, 65_536, size // 3):
        scan_track(track, BANK, out, chunk=chunk)
        errors.append(float(np.abs(out - whole).max() / whole.max()))
    return max(errors)


def reads(bases: int, count: int) -> tuple[list[str], dict[str, float]]:
    """Random reads of 1 kb: the cache, with a copy of each read, and pyfaidx on the same file."""
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "genome.fa"
        letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, bases)].reshape(-1, 100)
        fasta.write_bytes(b">chr1\n" + np.column_stack([letters, np.full(len(letters), 10, np.uint8)]).tobytes())
        start = time.perf_counter()
        cache = build_cache(fasta, Path(folder) / "cache")
        built = time.perf_counter() - start
        indexed, starts = IndexedFasta(str(fasta)), rng.integers(0, bases - READ, count).tolist()
        faidx = indexed._open.get()

        def cached() -> None:
            for s in starts:
                cache.codes("chr1", s, s + READ).copy()

        def by_pyfaidx() -> None:
            for s in starts:
                faidx.fetch("chr1", s + 1, s + READ)

        same = all(np.array_equal(cache.codes("chr1", s, s + READ), indexed.codes("chr1", s, s + READ)) for s in starts[:50])
        assert same, "the two readers disagree"
        ours, theirs = count / best(cached), count / best(by_pyfaidx)
    lines = [
        f"{'cache, 1 kb random reads with a copy':<50}{ours:10,.0f} reads/s",
        f"{'pyfaidx, 1 kb random reads':<50}{theirs:10,.0f} reads/s",
        f"{'cache built':<50}{bases / built / 1e6:10,.0f} Mbase/s",
    ]
    return lines, {"cache_reads_per_s": ours, "pyfaidx_reads_per_s": theirs, "cache_build_mbase_per_s": bases / built / 1e6}


def chromosome() -> tuple[list[str], dict[str, float]]:
    """A bank of four over every base of a human chr1, both sides, from one memory map of float32 into another."""
    with tempfile.TemporaryDirectory() as folder:
        block = np.random.default_rng(3).random(1 << 22, np.float32)
        with (Path(folder) / "signal.f32").open("wb") as file:
            for lo in range(0, CHR1, len(block)):
                block[: min(len(block), CHR1 - lo)].tofile(file)
        command = [sys.executable, "-c", PROGRAM, folder, str(CHR1)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    line = f"{'chr1, bank of 4, both sides, two threads':<50}{found['seconds']:10.2f} s ({found['used']:.2f} of processors)"
    line += f", peak {found['peak'] / 1e6:,.0f} MB of the whole process"
    return [line], {"chr1_seconds": found["seconds"], "chr1_processor_seconds": found["used"], "chr1_peak_bytes": found["peak"]}


def scale(quick: bool) -> tuple[str, dict[str, float]]:
    """All parts as a text and as figures."""
    lines, figures = scans(10_000_000 if quick else 100_000_000)
    figures["chunk_error"] = chunk_error(1_000_000 if quick else 10_000_000)
    lines.append(f"{'chunks of 1,009 to a third against one piece':<50}{figures['chunk_error']:10.1e} of the largest value")
    for part in (lambda: reads(10_000_000 if quick else 100_000_000, 50_000 if quick else 200_000), chromosome):
        text, found = part()
        lines, figures = lines + text, figures | found
    return "Scale (rates a second of processor time)\n" + "\n".join(lines), figures


def main() -> None:
    """Run it and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter signals and fewer reads")
    text, figures = scale(parser.parse_args().quick)
    print(f"{text}\n{json.dumps(figures)}")


if __name__ == "__main__":
    main()
