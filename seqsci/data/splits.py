"""How rows are cut into windows and split in time; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.errors import DataError, explain


@dataclass(frozen=True)
class Windows:
    """How training rows are cut.

    Attributes:
        rows: scored rows of a window; None = each unit whole, which is exact.
        warmup: rows before a window that move its state and are not scored.
        batch: windows in a batch.
    """

    rows: int | None = None
    warmup: int = 250
    batch: int = 16

    def __post_init__(self) -> None:
        if (self.rows is not None and self.rows < 1) or self.warmup < 0 or self.batch < 1:
            raise DataError(explain("windows that cannot be cut", self, "rows >= 1 or None, warmup >= 0, batch >= 1", "correct them"))


@dataclass(frozen=True)
class Split:
    """A chronological split of every unit: its first rows train, the next validate, the last test; shares of the rows.

    Attributes:
        validation: share of rows that choose the epoch.
        test: share of rows that nothing is chosen by.
    """

    validation: float = 0.15
    test: float = 0.0

    def __post_init__(self) -> None:
        if self.validation < 0 or self.test < 0 or self.validation + self.test >= 1:
            raise DataError(explain("a split that leaves no training rows", self, "shares >= 0 with a sum below 1", "make them smaller"))

    def ends(self, rows: int) -> tuple[int, int]:
        """Row numbers, within a unit of that many rows, at which training and validation end."""
        return round(rows * (1 - self.validation - self.test)), round(rows * (1 - self.test))
