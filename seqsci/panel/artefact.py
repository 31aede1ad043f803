"""A panel on disk: one Parquet file with the table, the states, and the model in its metadata."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import ArtefactError, DataError, MissingExtraError, explain
from seqsci.estimation.artefact import described_model, described_prior, model_of, prior_of
from seqsci.panel.result import Panel, Population
from seqsci.panel.updating import with_states

FORMAT, KEY, STATE = "seqsci panel, version 1", b"seqsci", "state_after_"


def save_panel(panel: Panel, path: str | Path) -> Path:
    """Write a panel; the file appears complete or not at all.

    Columns are those of the table and ``state_after_NAME``, the state after the last row of each series in the unit of estimation, so that
    a loaded panel can be updated. The data are not kept. Raises `ArtefactError` where the folder cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data", "Saving a panel") from error
    target = Path(path)
    try:
        panel = with_states(panel)
    except DataError:  # fits of several sequences have no single state; the table is kept all the same
        panel = dataclasses.replace(panel, states=None)
    table = panel.table.copy()
    if panel.states is not None:
        for j, state in enumerate(panel.model.mechanism.states):
            table[STATE + state.name] = np.asarray(panel.states)[:, j]
    p = panel.population
    content: dict[str, Any] = {"format": FORMAT, "model": described_model(panel.model), "unit": panel.unit, "by": panel.by}
    if p is not None:
        facts = {"log_likelihood": p.log_likelihood, "units": p.units, "rounds": p.rounds, "converged": p.converged}
        content["population"] = {"prior": described_prior(p.prior), "table": p.table.reset_index().to_dict("list"), **facts}
    if panel.last_dates is not None:
        content["last_dates"] = [None if d is None else str(d) for d in panel.last_dates]
        content["date_kind"] = next((str(np.asarray(d).dtype) for d in panel.last_dates if d is not None), None)
    whole = pa.Table.from_pandas(table, preserve_index=False)
    whole = whole.replace_schema_metadata({**(whole.schema.metadata or {}), KEY: json.dumps(content).encode()})
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(whole, temporary)
        os.replace(temporary, target)
    except OSError as error:
        fix = "create it or choose another"
        raise ArtefactError(explain(f"cannot write {target}", error.strerror or error, "a folder that can be written", fix)) from error
    return target


def load_panel(path: str | Path) -> Panel:
    """Read a panel; it has no data, but its states: it can be updated and forecast. Raises `ArtefactError` for another or a broken file."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data", "Loading a panel") from error
    source = Path(path)
    try:
        whole = pq.read_table(source)
    except Exception as error:
        fix = "check the path, or fit again"
        raise ArtefactError(explain(f"{source} cannot be read", str(error)[:120], "a file of save_panel", fix)) from error
    metadata = (whole.schema.metadata or {}).get(KEY)
    content = json.loads(metadata) if metadata else {}
    if content.get("format") != FORMAT:
        got = content.get("format") or f"columns {', '.join(whole.column_names[:5])}"
        raise ArtefactError(explain(f"{source} is no panel", got, FORMAT, "name a file of save_panel"))
    table = whole.to_pandas()
    model = model_of(content["model"], source)
    names = [STATE + s.name for s in model.mechanism.states]
    states = table[names].to_numpy(float) if all(n in table for n in names) else None
    table = table.drop(columns=[n for n in names if n in table])
    population, dates = None, None
    if (p := content.get("population")) is not None:
        prior = prior_of(p["prior"])
        if prior is not None:
            frame = pd.DataFrame(p["table"]).set_index("parameter")
            population = Population(prior, frame, p["log_likelihood"], p["units"], p["rounds"], p["converged"])
    if content.get("last_dates") is not None:
        dates = np.array([None if d is None else _date(d, content["date_kind"]) for d in content["last_dates"]], dtype=object)
    return Panel(table, model, content["unit"], None, content["by"], population, states, dates)


def _date(text: str, kind: str) -> Any:
    return np.array(text).astype(kind)[()]
