"""A run on disk: a fresh folder with what went in and what came out."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import seqsci
from seqsci.errors import ArtefactError, DataError, MissingExtraError, explain
from seqsci.estimation.artefact import save
from seqsci.estimation.result import Fit
from seqsci.estimation.smoother import smooth
from seqsci.evaluate.comparison import Comparison
from seqsci.linear_gaussian import LinearGaussian

Array = np.ndarray


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
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text)
        os.replace(temporary, path)
    except OSError as error:
        fix = "choose another: --out DIR"
        raise ArtefactError(explain(f"cannot write {path}", error.strerror, "a folder that can be written", fix)) from error


def write_config(folder: Path, config: Mapping[str, Any], seed: int | None = None, data: str | None = None) -> None:
    """Write config.yaml and command.json: what was asked for, before anything is computed; a relative path of data is made absolute."""
    import yaml

    table = dict(config)
    if isinstance(table.get("data"), dict) and table["data"].get("path"):
        table["data"] = {**table["data"], "path": str(Path(table["data"]["path"]).absolute())}
    write_text(folder / "config.yaml", yaml.safe_dump(table, sort_keys=False))
    write_text(folder / "command.json", json.dumps(made_by(seed) | {"data_hash": data}, indent=1))


def made_by(seed: int | None = None) -> dict[str, Any]:
    """Command line, seed and versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "numpy", "numba", "scipy", "pandas", "pytorch-lightning"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    versions = {"seqsci": seqsci.__version__, **found}
    return {"command": sys.argv, "python": sys.version.split()[0], "seed": seed, "versions": versions}


def write_fit(
    folder: Path, fit: Fit, weights: Mapping[str, Array] | None = None, seed: int | None = None, units: Sequence[str] = ()
) -> None:
    """Write model.json, model.safetensors, parameters.csv, states.csv and summary.txt.

    states.csv has a row a step: ``ds``, the outcome, states and reads before it; of a linear Gaussian model ``filtered_X`` and
    ``filtered_X_sd``, given the outcomes up to and with the row, ``smoothed_X`` and ``smoothed_X_sd``, given all of the unit;
    ``series_id`` where there are several units and ``units`` names them, in their order.
    model.safetensors holds the raw parameters under the names of `seqsci.Cell` (``cell.scientific.NAME.raw``) and, where a network drives
    the model, its weights (``drive.*``).
    """
    save(fit, folder / "model.json", made_by(seed) | {"data_hash": fit.data_hash})
    raw = {p.name: p.constraint.inverse(fit.value[p.name]) for p in fit.model.kernel_parameters if p.name not in fit.model.fixed}
    tensors = {f"cell.scientific.{n}.raw": np.array(v, float) for n, v in raw.items()}
    tensors |= {f"drive.{n}": v for n, v in (weights or {}).items()}
    write_tensors(folder / "model.safetensors", tensors)
    write_text(folder / "summary.txt", f"{fit.summary()}\n")
    fields = ("name", "symbol", "value", "standard_error", "low", "high", "unit", "flag", "reading")
    _write(folder / "parameters.csv", fields, [[getattr(e, f) for f in fields] for e in (*fit.estimates(), *fit.derived())])
    path, program = fit.path, fit.model.kernel().program
    names = [
        *(f"state_{s}" for s in program.states),
        *program.read_names,
        *("forget", "write", "candidate")[: path.gates.shape[1]],
        *(k.name for k in fit.model.mechanism.known),
        "log_density",
    ]
    index = fit.sequences.index if fit.sequences.index is not None else np.arange(len(fit.sequences))
    known = [fit.sequences.known[k.name] for k in fit.model.mechanism.known]
    table = np.column_stack([path.states, path.reads, path.gates[:, :3], *known, path.density])
    outcome = fit.sequences.outcome[fit.outcome]
    estimated = _estimated(fit)
    table = np.column_stack([table, *estimated.values()])
    named = _unit_of_rows(fit, units)
    head = [*(["series_id"] if named else []), "ds", fit.outcome, *names, *estimated]
    labels = zip(*([named] if named else []), _labels(index), outcome, strict=True)
    _write(folder / "states.csv", head, ([*label, *row] for label, row in zip(labels, table, strict=True)))


def _estimated(fit: Fit) -> dict[str, Array]:
    """Columns of the filtered and smoothed states of a linear Gaussian fit; none, with a note, where a unit cannot end its diffuse start.

    Before anything is known of a state its filtered sd is inf and its mean nan.
    """
    if not isinstance(fit.model.mechanism, LinearGaussian):
        return {}
    try:
        found = smooth(fit)
    except DataError as error:
        print(f"seqsci: states.csv has no filtered and smoothed states: {str(error).splitlines()[0]}", file=sys.stderr)
        return {}
    return replace(found, filtered=np.where(np.isinf(found.filtered_sd), np.nan, found.filtered)).columns()


def _unit_of_rows(fit: Fit, units: Sequence[str]) -> list[str]:
    """Name of the unit of every row; empty for a single unit, or where the units have no names."""
    starts = np.asarray(fit.sequences.reset, bool)
    if not units or starts.sum() == 1:
        return []
    if len(units) != starts.sum():
        got = f"{len(units)} names, {int(starts.sum())} units"
        raise ArtefactError(explain("names of units do not fit the rows", got, "a name a unit", "pass units= in the order of the rows"))
    return [units[i] for i in np.cumsum(starts) - 1]


def write_tables(folder: Path, tables: Mapping[str, Any]) -> None:
    """Write frames as NAME.csv, each whole or not at all; the sentences of a table ``verdict`` come first in summary.txt, too."""
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False, na_rep="nan", lineterminator="\n"))
    summary = folder / "summary.txt"
    if "verdict" in tables and "sentence" in tables["verdict"] and summary.is_file():
        told = "\n".join(map(str, tables["verdict"]["sentence"]))
        write_text(summary, f"{told}\n\n{summary.read_text()}")


def _labels(index: Array) -> list[str]:
    """Dates without a time where all are midnights, with it otherwise; other labels as they are."""
    if index.dtype.kind != "M":
        return [str(i) for i in index]
    days = index.astype("datetime64[D]")
    whole = bool((days == index)[~np.isnat(index)].all())
    return [str(i) for i in (days if whole else index)]


def write_tensors(path: Path, tensors: Mapping[str, Array]) -> None:
    """Write a safetensors file whole or not at all."""
    try:
        from safetensors.numpy import save as encode
    except ImportError as error:
        raise MissingExtraError("safetensors", "fit", "Writing weights") from error
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(encode({n: np.ascontiguousarray(v) for n, v in tensors.items()}))
    os.replace(temporary, path)


def read_tensors(path: Path) -> dict[str, Array]:
    """Read a safetensors file; raises `ArtefactError` where it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        fix = "fit again, or take a backup"
        raise ArtefactError(explain(f"{path} cannot be read", str(error)[:120], "a safetensors file of a run", fix)) from error


def write_history(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write metrics.csv, whole or not at all: a row an epoch."""
    names = list(dict.fromkeys(n for row in rows for n in row))
    lines = [",".join(names), *(",".join(f"{row[n]:.17g}" if n in row else "" for n in names) for row in rows)]
    write_text(folder / "metrics.csv", "\n".join(lines) + "\n")


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write scores.csv, differences.csv and comparison.txt."""
    scores = tuple(vars(comparison.scores[0]))
    _write(folder / "scores.csv", scores, [[getattr(r, f) for f in scores] for r in comparison.scores])
    head = ("score", "baseline", "mean", "low", "high", "p_value", "verdict")
    _write(folder / "differences.csv", head, [[getattr(d, f) for f in head] for d in comparison.differences])
    write_text(folder / "comparison.txt", f"{comparison}\n")


def write(folder: Path, config: Mapping[str, Any], fit: Fit, comparison: Comparison | None) -> None:
    """Everything that a fit without training writes."""
    write_config(folder, config)
    write_fit(folder, fit)
    if comparison is not None:
        write_comparison(folder, comparison)
