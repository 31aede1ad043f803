"""A run on disk: a fresh folder with what went in and what came out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqsci.errors import ArtefactError, explain
from seqsci.estimation.artefact import save
from seqsci.estimation.result import Fit
from seqsci.evaluate.comparison import Comparison


def fresh(parent: str | Path, name: str) -> Path:
    """A new folder ``parent/name-001``, numbered so that no run overwrites another."""
    base = Path(parent)
    stem = name.replace("/", "-")
    try:
        base.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100_000):
            folder = base / f"{stem}-{number:03d}"
            if not folder.exists():
                folder.mkdir()
                return folder
    except OSError as error:
        raise ArtefactError(
            explain(f"cannot create a run under {base}", error.strerror, "a folder that can be written", "choose another: --out DIR")
        ) from error
    raise ArtefactError(explain(f"{base} is full of runs of {stem}", "99,999 of them", "fewer", "remove old ones"))


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(rows)


def write(folder: Path, config: dict[str, Any], fit: Fit, comparison: Comparison | None) -> None:
    """Write config.yaml, model.json, parameters.csv, states.csv, summary.txt and, of the comparison, scores.csv and differences.csv."""
    import yaml

    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    save(fit, folder / "model.json")
    (folder / "summary.txt").write_text(f"{fit.summary()}\n")
    fields = ("name", "symbol", "value", "standard_error", "low", "high", "unit", "flag", "reading")
    _write(folder / "parameters.csv", fields, [[getattr(e, f) for f in fields] for e in (*fit.estimates(), *fit.derived())])
    path, program = fit.path, fit.model.kernel().program
    names = [
        *(f"state_{s}" for s in program.states),
        *program.read_names,
        *("forget", "write", "candidate")[: path.gates.shape[1]],
        "log_density",
    ]
    index = fit.sequences.index if fit.sequences.index is not None else np.arange(fit.rows)
    table = np.column_stack([path.states, path.reads, path.gates[:, :3], path.density])
    outcome = fit.sequences.outcome[fit.outcome]
    _write(
        folder / "states.csv",
        ["ds", fit.outcome, *names],
        ([str(i)[:10], y, *row] for i, y, row in zip(index, outcome, table, strict=True)),
    )
    if comparison is not None:
        scores = tuple(vars(comparison.scores[0]))
        _write(folder / "scores.csv", scores, [[getattr(r, f) for f in scores] for r in comparison.scores])
        head = ("score", "baseline", "mean", "low", "high", "p_value", "verdict")
        _write(folder / "differences.csv", head, [[getattr(d, f) for f in head] for d in comparison.differences])
        (folder / "comparison.txt").write_text(f"{comparison}\n")
    (folder / "command.json").write_text(json.dumps({"command": sys.argv, "python": sys.version.split()[0]}, indent=1))
