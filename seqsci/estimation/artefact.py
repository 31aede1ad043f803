"""A fit on disk: one JSON file that holds declarations, estimates, covariance, data and provenance; written whole or not at all."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqsci.errors import ArtefactError, explain
from seqsci.estimation import json_file
from seqsci.estimation.profile import Profile
from seqsci.estimation.provenance import Provenance
from seqsci.estimation.result import Fit
from seqsci.gates.base import Gate
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.base import Observation
from seqsci.prior import Prior
from seqsci.sequences import Sequences

FORMAT = "seqsci fit, version 1"


def _describe(thing: Any) -> Any:
    """A frozen dataclass as class path and fields, a tuple as a list of such; plain values as they are."""
    if isinstance(thing, tuple):
        return [_describe(t) for t in thing]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        kind = type(thing)
        return {
            "class": f"{kind.__module__}:{kind.__qualname__}",
            "fields": {f.name: _describe(getattr(thing, f.name)) for f in dataclasses.fields(thing)},
        }
    return thing


def _build(description: Any, path: Path) -> Any:
    """The object of a description. Only dataclasses are built, so nothing else can be called by a file."""
    if isinstance(description, list):  # a tuple, when it was written: mechanisms can be hashed
        return tuple(_build(d, path) for d in description)
    if not isinstance(description, dict) or "class" not in description:
        return description
    module, _, name = str(description["class"]).partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ArtefactError(
            explain(
                f"{path} needs a class that is not there", description["class"], "an importable class", "install the package that made it"
            )
        ) from error
    known = isinstance(kind, type) and (issubclass(kind, Mechanism | Observation | Gate) or module.startswith("seqsci."))
    if not known or not dataclasses.is_dataclass(kind):
        raise ArtefactError(
            explain(
                f"{path} names something that is not a mechanism, gate or observation",
                description["class"],
                "a dataclass",
                "do not use this file",
            )
        )
    make: Any = kind
    return make(**{k: _build(v, path) for k, v in description["fields"].items()})


def _array(values: Any) -> Any:
    return None if values is None else [None if isinstance(v, float) and np.isnan(v) else v for v in np.asarray(values).tolist()]


def described_prior(prior: Prior | None) -> dict[str, Any] | None:
    """A prior as plain values."""
    return None if prior is None else dataclasses.asdict(prior)


def prior_of(table: Mapping[str, Any] | None) -> Prior | None:
    """The prior of a description."""
    if table is None:
        return None
    return Prior(
        tuple(table["names"]), tuple(table["centre"]), tuple(map(tuple, table["covariance"])), table["source"], table.get("unit", "")
    )


def described_model(model: Model) -> dict[str, Any]:
    """A model as plain values."""
    return {
        "mechanism": _describe(model.mechanism),
        "observation": _describe(model.observation),
        "name": model.name,
        "values": model.value,
        "fixed": sorted(model.fixed),
        "prior": described_prior(model.prior),
    }


def model_of(table: Mapping[str, Any], source: Path) -> Model:
    """The model of a description; raises `ArtefactError` where it holds something else."""
    mechanism, observation = _build(table["mechanism"], source), _build(table["observation"], source)
    if (
        not isinstance(mechanism, Mechanism)
        or not isinstance(observation, Observation)
        or any(not isinstance(g, Gate) for g in mechanism.gates.values())
    ):
        raise ArtefactError(
            explain(f"{source} does not hold a model", type(mechanism).__name__, "a Mechanism and an Observation", "do not use this file")
        )
    values, fixed = tuple(table["values"].items()), frozenset(table["fixed"])
    return Model(mechanism, observation, values, fixed, table["name"], prior_of(table.get("prior")))


def save(fit: Fit, path: str | Path, run: Mapping[str, Any] | None = None) -> Path:
    """Write a fit; the file appears complete or not at all. Raises `ArtefactError` where the folder cannot be written.

    ``run`` holds what else a reader wants to know of its making (versions, seed, command line); plain values only.
    """
    target = Path(path)
    s = fit.sequences
    content = {
        "format": FORMAT,
        **described_model(fit.model),
        "free_names": fit.free_names,
        "at_bound": fit.at_bound,
        "covariance_raw": [_array(row) for row in fit.covariance_raw],
        "log_likelihood": fit.log_likelihood,
        "rows": fit.rows,
        "seen": fit.seen,
        "prior_kept": fit.prior_kept,
        "driven_by": list(fit.driven_by),
        "presamples": fit.presamples.tolist(),
        "profiles": {n: [list(p.values), list(p.roots)] for n, p in fit.profiles.items()},
        "data_hash": fit.data_hash,
        "provenance": dataclasses.asdict(fit.provenance),
        "run": dict(run or {}),
        "sequences": {
            "outcome": {n: _array(v) for n, v in s.outcome.items()},
            "known": {n: _array(v) for n, v in s.known.items()},
            **{n: _array(getattr(s, n)) for n in ("observed", "weight", "reset", "unit", "group")},
            "index": None if s.index is None else [str(v) for v in s.index],
            "index_type": None if s.index is None else str(s.index.dtype),
            "measure": dict(s.measure),
        },
    }
    return json_file.write(target, "fit", content)


def load_fit(path: str | Path) -> Fit:
    """Read a fit; raises `ArtefactError` for a missing, truncated or foreign file."""
    source = Path(path)
    table = json_file.read(source, "fit", FORMAT, "seqsci")
    model = model_of(table, source)
    s = table["sequences"]
    index = None if s["index"] is None else np.array(s["index"]).astype(s["index_type"])

    def numbers(values: list[Any]) -> np.ndarray:
        return np.array([np.nan if v is None else v for v in values], float)

    sequences = Sequences(
        {n: numbers(v) for n, v in s["outcome"].items()},
        {n: numbers(v) for n, v in s["known"].items()},
        np.array(s["observed"], bool),
        np.array(s["weight"], float),
        np.array(s["reset"], bool),
        np.array(s["unit"]),
        np.array(s["group"]),
        index,
        s["measure"],
    )
    k = len(table["free_names"])
    return Fit(
        model,
        tuple(table["free_names"]),
        np.array([numbers(row) for row in table["covariance_raw"]], float).reshape(k, k),
        tuple(table["at_bound"]),
        table["log_likelihood"],
        table["rows"],
        sequences,
        np.array(table["presamples"], float).reshape(len(sequences.starts), -1),
        Provenance(**table["provenance"]),
        seen=table["seen"],
        driven_by=tuple(table.get("driven_by", ())),
        prior_kept=table.get("prior_kept", ""),
        stored_profiles={n: Profile(tuple(v), tuple(r)) for n, (v, r) in table["profiles"].items()},
    )
