"""Genomics: element-gene pairs, methylation after replication, and the scale of a chromosome. Last line: JSON.

python -m benchmarks.genomics            everything
python -m benchmarks.genomics --quick    the same data, seeds and protocol; each part says what it leaves out

The pairs and the methylation need SEQSCI_DATA; without it their keys are absent and the text says so. The parts run alone, too:
benchmarks.genomics_enhancer, benchmarks.genomics_methylation, benchmarks.genomics_scale; benchmarks.genomics_identification (when rates of
methylation are called identified, six minutes) runs alone only. The status is 1 where a promised key is absent
although the data are there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.genomics_enhancer import enhancer
from benchmarks.genomics_methylation import methylation
from benchmarks.genomics_scale import scale

PARTS = {"enhancer": enhancer, "methylation": methylation, "scale": scale}
WITH_DATA = ("enhancer", "methylation")
KEYS = {
    "enhancer": (
        "auprc_mechanism",
        "auprc_gated",
        "auprc_logistic",
        "auprc_boosting",
        "auprc_distance",
        "powerlaw_exponent_error",
        "tau_error",
    ),
    "methylation": ("methyl_nll_hybrid", "methyl_nll_logistic", "methyl_interval", "mu_error", "delta_error"),
    "scale": ("scan_mbase_per_s", "chunk_error", "cache_reads_per_s", "chr1_seconds", "chr1_peak_bytes"),
}


def plain(value: Any) -> Any:
    """Six digits, null for what is no number (JSON has no NaN), element by element."""
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return float(f"{value:.6g}") if math.isfinite(value) else None


def have_data() -> bool:
    """Whether SEQSCI_DATA holds a folder genomics."""
    return bool(folder := os.environ.get("SEQSCI_DATA")) and (Path(folder) / "genomics").is_dir()


def main() -> int:
    """Run the parts and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under two minutes on two quiet cores")
    quick = parser.parse_args().quick
    figures: dict[str, Any] = {}
    for name, part in PARTS.items():
        if name in WITH_DATA and not have_data():
            print(f"{name}: left out, it needs SEQSCI_DATA with a folder genomics\n", flush=True)
            continue
        clock = time.perf_counter()
        text, found = part(quick)
        print(f"{text}\n{name}: {time.perf_counter() - clock:.0f} s\n", flush=True)
        figures |= found
    lacking = [k for name, keys in KEYS.items() if name not in WITH_DATA or have_data() for k in keys if k not in figures]
    if lacking:
        print(f"keys that are absent: {', '.join(lacking)}")
    print(json.dumps({k: plain(v) for k, v in figures.items()}))
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
