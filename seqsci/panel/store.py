"""Finished rows of a panel in a Parquet file, by the hash of what they were made from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import ArtefactError, MissingExtraError, explain
from seqsci.panel.rows import Rows
from seqsci.panel.units import Units

COUNTS = ("rows", "evaluations")


@dataclass(frozen=True)
class Store:
    """A Parquet file of finished rows, or nothing where ``path`` is None. A row counts only for the same data, model and estimator."""

    path: Path | None
    signature: str
    others: list[dict[str, Any]] = field(default_factory=list)

    def check(self) -> None:
        """Raise before anything is computed where the file could not be written in the end."""
        if self.path is None:
            return
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("pyarrow", "data", "Storing a panel") from error
        if not self.path.parent.is_dir() or not os.access(self.path.parent, os.W_OK):
            got = f"{self.path.parent} " + ("cannot be written" if self.path.parent.is_dir() else "does not exist")
            raise ArtefactError(explain(f"cannot write {self.path}", got, "a folder that can be written", "create it or choose another"))

    def _key(self, units: Units, position: int) -> str:
        digest = hashlib.blake2b(self.signature.encode(), digest_size=16)
        cut = units.rows(position)
        weight = () if units.weight is None else (units.weight,)
        for values in (v[cut] for v in (units.outcome, units.reset, *units.known.values(), *units.more.values(), *weight)):
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(repr(units.ids[position]).encode())
        return digest.hexdigest()

    def read(self, units: Units) -> list[Rows]:
        """Rows by position that are finished already; raises `ArtefactError` for a file that cannot be read."""
        if self.path is None or not self.path.exists():
            return []
        try:
            table = pd.read_parquet(self.path)
        except ImportError as error:
            raise MissingExtraError("pyarrow", "data", "Storing a panel") from error
        except Exception as error:
            what = f"{self.path} cannot be read"
            expected = "a Parquet file that fit_panel wrote"
            raise ArtefactError(explain(what, f"{error}"[:120], expected, "remove it, or name another")) from error
        if "_key" not in table.columns:
            got = list(table.columns)[:5]
            raise ArtefactError(explain(f"{self.path} is no store of a panel", got, "a column _key", "name another file"))
        rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
        known = {row.pop("_key"): row for row in rows}
        keys = {self._key(units, i): i for i in range(len(units)) if i not in units.reasons}
        self.others.extend({"_key": key, **row} for key, row in known.items() if key not in keys)
        found = {i: known[key] for key, i in keys.items() if key in known}
        return Rows.of({i: _plain(row) for i, row in found.items()})

    def write(self, units: Units, results: list[Rows]) -> None:
        """Write all finished rows, whole or not at all."""
        if self.path is None:
            return
        records = {i: record for part in results for i, record in part.records().items()}
        rows = [{"_key": self._key(units, i), **row} for i, row in sorted(records.items()) if i not in units.reasons]
        if not rows:
            return
        table = pd.DataFrame([*self.others, *rows])
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            table.to_parquet(temporary, index=False)
            os.replace(temporary, self.path)
        except ImportError as error:
            raise MissingExtraError("pyarrow", "data", "Storing a panel") from error
        except OSError as error:
            fix = "choose another"
            raise ArtefactError(explain(f"cannot write {self.path}", error.strerror, "a folder that can be written", fix)) from error


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A stored row as it was: what a table has widened is narrowed again, and a failed row has no estimates."""
    kept = row if row["status"] == "ok" else {n: v for n, v in row.items() if not pd.isna(v)}
    return {n: int(v) if n in COUNTS else v for n, v in kept.items()}
