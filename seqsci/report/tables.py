"""The tables of a run as frames, read when a figure asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seqsci.errors import ArtefactError, MissingExtraError, explain


class Tables(Mapping[str, Any]):
    """The CSV files of a folder as pandas frames, by name without the ending; each is read once, when it is first asked for.

    A column ``series_id`` stays text. Raises `KeyError` for a name that there is not, `ArtefactError` for a file that is no table.

    >>> len(Tables(Path("no such folder")))
    0
    """

    def __init__(self, folder: Path) -> None:
        self._paths = {p.stem: p for p in sorted(folder.glob("*.csv"))}
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = _frame(self._paths[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _frame(path: Path) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("pandas", "fit", "Reading a run's tables") from error
    try:
        return pd.read_csv(path, dtype={"series_id": str})
    except (OSError, ValueError) as error:  # pandas' parser errors and wrong encodings are ValueErrors
        fix = "run `seqsci fit` again, or take a backup"
        raise ArtefactError(explain(f"{path} is corrupt", " ".join(str(error).split())[:120], "a CSV table", fix)) from error
