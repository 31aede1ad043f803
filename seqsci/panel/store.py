"""Finished rows of a panel in a Parquet file, by the hash of what they were made from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import ArtefactError, MissingExtraError, explain
from seqsci.panel.units import Units


@dataclass(frozen=True)
class Store:
    """A Parquet file of finished rows, or nothing where ``path`` is None. A row counts only for the same data, model and estimator."""

    path: Path | None
    signature: str

    def _key(self, units: Units, position: int) -> str:
        digest = hashlib.blake2b(self.signature.encode(), digest_size=16)
        cut = units.rows(position)
        for values in (units.outcome[cut], units.reset[cut], *(v[cut] for v in units.known.values())):
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(repr(units.ids[position]).encode())
        return digest.hexdigest()

    def read(self, units: Units) -> dict[int, dict[str, Any]]:
        """Rows by position that are finished already; raises `ArtefactError` for a file that cannot be read."""
        if self.path is None or not self.path.exists():
            return {}
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
        return {i: known[key] for i in range(len(units)) if (key := self._key(units, i)) in known}

    def write(self, units: Units, results: dict[int, dict[str, Any]]) -> None:
        """Write all finished rows, whole or not at all."""
        if self.path is None or not results:
            return
        table = pd.DataFrame([{"_key": self._key(units, i), **row} for i, row in sorted(results.items())])
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            table.to_parquet(temporary, index=False)
            os.replace(temporary, self.path)
        except ImportError as error:
            raise MissingExtraError("pyarrow", "data", "Storing a panel") from error
        except OSError as error:
            fix = "choose another"
            raise ArtefactError(explain(f"cannot write {self.path}", error.strerror, "a folder that can be written", fix)) from error
