"""Training, its command line and its report: what a user waits for, and whether an interrupted run goes on to the same bits.

python -m benchmarks.training [--quick]; the last line is one line of JSON. --quick trains fewer epochs for the speed and the resume.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "seqsci.cli"]


def run(*words: str) -> tuple[int, str, str, float]:
    """Exit code, output, errors and seconds of one command in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr, time.perf_counter() - start


def messages(folder: Path) -> dict[str, float]:
    """Lines of the help, and of the longest answer to a wrong value and to an unknown option."""
    wrong = ("--estimator.epochs=abc", "--trainer.max_epochs=abc", "--comparison.refit=abc", "--trainer.accelerator=abacus")
    unknown = ("--trainer.max_epoch=3", "--estimator.epoch=3", "--configg=x", "--data.kin=prices")
    base = ("fit", "--config", "finance/sp500_drive", "--out", str(folder))
    lines = {}
    for kind, options in (("wrong_value", wrong), ("unknown_option", unknown)):
        answers = [run(*base, option) for option in options]
        assert all(code != 0 for code, *_ in answers)
        lines[f"{kind}_lines"] = float(max(len(err.strip().splitlines()) for _, _, err, _ in answers))
    return {"help_lines": float(len(run("fit", "--help")[1].splitlines())), **lines}


def start(folder: Path) -> float:
    """Seconds from the start of the command to the first training step, kernels compiled before; the fastest of three."""
    best = np.inf
    for _ in range(3):
        clock = time.perf_counter()
        words = ("fit", "--config", "finance/sp500_drive", "--no-compare", "--no-report", "--out", str(folder), "--trainer.max_epochs=1")
        process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("seqsci: training on"):
                best = min(best, time.perf_counter() - clock)
        process.wait()
    return float(best)


def resume(folder: Path, epochs: int) -> float:
    """Largest difference of any weight between a run killed with SIGKILL and resumed, and one that was not."""
    from seqsci.rundir import read_tensors

    base = ("fit", "--config", "finance/sp500_drive", "--no-compare", "--no-report")
    killed = folder / "killed"
    process = subprocess.Popen(
        [*COMMAND, *base, "--out", str(killed), "--trainer.max_epochs=100000"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    )
    checkpoint = killed / "finance-sp500_drive-001" / "checkpoints" / "last.ckpt"
    while not checkpoint.exists():
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    import torch

    np.seterr(invalid="ignore")
    reached = int(torch.load(checkpoint, weights_only=True)["epoch"]) + 1
    most = f"--trainer.max_epochs={reached + epochs}"
    assert run("fit", "--resume", str(checkpoint.parent.parent), "--no-compare", "--no-report", most)[0] == 0
    assert run(*base, "--out", str(folder / "whole"), most)[0] == 0
    names = [folder / where / "finance-sp500_drive-001" / "model.safetensors" for where in ("killed", "whole")]
    a, b = (read_tensors(n) for n in names)
    return max(float(np.where(a[n] == b[n], 0.0, np.abs(a[n] - b[n])).max()) for n in b)  # equal infinities are equal


def report(folder: Path) -> dict[str, float]:
    """Size of the S&P 500 report, and seconds to write it in a fresh process and again."""
    assert run("fit", "--config", "finance/sp500", "--no-compare", "--no-report", "--out", str(folder))[0] == 0
    code = (
        "import sys, time; from pathlib import Path; a = time.perf_counter(); from seqsci.report import write_report\n"
        "p = write_report(Path(sys.argv[1])); b = time.perf_counter(); write_report(Path(sys.argv[1]))\n"
        "print(p.stat().st_size, b - a, time.perf_counter() - b)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "finance-sp500-001")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    size, cold, warm = (float(v) for v in done.stdout.split()[-3:])
    return {"report_bytes": size, "report_seconds": cold, "report_again_seconds": warm}


def speed(epochs: int) -> dict[str, float]:
    """Epochs a second of a drive of 64 units on the 5,000 days, beside the passes alone, the torch loop and an LSTM of 64 units."""
    import torch

    from seqsci.cell import Cell
    from seqsci.data.datamodule import collate
    from seqsci.study import load
    from seqsci.training.gradient import DriveSpec, GradientDescent

    study = load("finance/sp500_drive")
    sequences, spec = study.sequences(), DriveSpec(study.covariates, 64)

    def seconds(count: int) -> float:
        clock = time.perf_counter()
        GradientDescent(spec, epochs=count).train(study.model, sequences)
        return time.perf_counter() - clock

    seconds(2)
    ours = epochs / min(seconds(10 + epochs) - seconds(10) for _ in range(2))
    forecaster, data = GradientDescent(spec).prepare(study.model, sequences)
    batch = collate([data._dataset("training")[0]])

    def step(module: object) -> float:
        clock = time.perf_counter()
        forecaster.loss(batch).backward()
        return time.perf_counter() - clock

    passes = 1 / min(step(None) for _ in range(30))
    forecaster.cell = Cell(forecaster.cell.to_model(), backend="torch")
    loop = 1 / step(None)
    lstm = torch.nn.LSTM(2, 64, batch_first=True)
    x = torch.randn(1, batch.weight.shape[1], 2)

    def black_box() -> float:
        clock = time.perf_counter()
        lstm(x)[0].square().mean().backward()
        return time.perf_counter() - clock

    black = 1 / min(black_box() for _ in range(5))
    print(f"\ndrive of 64 units before the volatility cell, {len(sequences):,} days           epochs/s   ratio")
    for name, value in (("Lightning, with validation each epoch", ours), ("forward and adjoint alone (the limit)", passes)):
        print(f"  {name:<58}{value:>10.1f}{value / ours:>8.2f}")
    for name, value in (
        ("the same cell as a torch loop, passes alone", loop),
        ("nn.LSTM(2, 64), passes alone (another computation)", black),
    ):
        print(f"  {name:<58}{value:>10.3f}{value / ours:>8.4f}")
    return {"epochs_per_second": ours, "passes_per_second": passes, "loop_passes_per_second": loop, "lstm_passes_per_second": black}


def main() -> None:
    """Run everything and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    clock = time.perf_counter()
    figures = speed(50 if quick else 200)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures |= {"start_seconds": start(folder / "start"), **messages(folder / "messages"), **report(folder / "report")}
        figures["resume_max_difference"] = resume(folder, 20 if quick else 60)
    goals = {
        "help_lines": 60, "wrong_value_lines": 5, "unknown_option_lines": 5, "resume_max_difference": 0, "report_bytes": 400_000,
        "report_seconds": 5, "start_seconds": 8,
    }  # fmt: skip
    print("\nfigure                        found        goal")
    for key, goal in goals.items():
        print(f"  {key:<24}{figures[key]:>12,.4g}  <= {goal:,}{'' if figures[key] <= goal else '   MISSED'}")
    missed = "" if figures["epochs_per_second"] >= 20 else "   MISSED"
    print(f"  {'epochs_per_second':<24}{figures['epochs_per_second']:>12,.4g}  >= 20{missed}")
    imports = {
        "import_lightning_seconds": "import pytorch_lightning",
        "import_report_seconds": "import matplotlib.figure, jinja2, numba, sympy, scipy.special, pandas",
    }
    for key, code in imports.items():
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        figures[key] = time.perf_counter() - begin
        print(f"  of which in a fresh process: {code}: {figures[key]:.2f} s")
    figures["seconds"] = round(time.perf_counter() - clock, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
