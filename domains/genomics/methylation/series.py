"""Reads of many sites at the same times: one table of counts, checked once, from which every method of this room reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.domains.genomics.genome.builds import refuse_mixed_names
from seqsci.errors import DataError, explain
from seqsci.sequences import Sequences

Array = npt.NDArray[np.float64]
BLOCK_BP = 1_000_000


@dataclass(frozen=True, eq=False)
class SiteSeries:
    """Methylated reads and coverage of sites at shared times, sites sorted along the chromosomes.

    Attributes:
        position: (sites,) 0-based position of the C [bp]; chromosome: (sites,) its name.
        methylated, coverage: (sites, times) reads; a coverage of 0 is a site that was not seen at that time.
        times: (times,) increasing, in ``time_unit`` (hours or divisions), counted from the moment of the initial fraction.
        build: genome build, or None where it was not declared.

    Raises: DataError, all faults at once: methylated > coverage, negative or broken counts, times that do not increase, unsorted sites.

    >>> s = SiteSeries(np.array([10, 25]), np.array(["c", "c"]), np.array([[1, 2], [0, 3]]), np.array([[2, 2], [1, 3]]), np.array([0, 4]))
    >>> s.totals("methylated").tolist()
    [1.0, 5.0]
    """

    position: npt.NDArray[np.int64]
    chromosome: npt.NDArray[np.object_]
    methylated: npt.NDArray[Any]
    coverage: npt.NDArray[Any]
    times: npt.NDArray[Any]
    time_unit: str = "hours"
    build: str | None = None

    def __post_init__(self) -> None:
        for name in ("methylated", "coverage", "times"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), float))
        object.__setattr__(self, "position", np.ascontiguousarray(self.position, np.int64))
        object.__setattr__(self, "chromosome", np.asarray(self.chromosome, object))
        m, n, sites = self.methylated, self.coverage, len(self.position)
        shape = (sites, len(self.times))
        if m.shape != shape or n.shape != shape or len(self.chromosome) != sites or not sites:
            got = f"methylated {m.shape}, coverage {n.shape}, {len(self.chromosome)} chromosome names"
            raise DataError(
                explain("the tables of reads do not fit together", got, f"(sites, times) = {shape}, 1 site or more", "pass one row a site")
            )
        faults = [
            (~np.isfinite(m) | ~np.isfinite(n), "missing or infinite counts"),
            (n < 0, "negative coverage"),
            (m < 0, "negative methylated reads"),
            (m > n, "more methylated reads than coverage"),
            ((m != np.rint(m)) | (n != np.rint(n)), "counts that are not whole"),
        ]
        told = [f"{text} at {int(bad.sum())} places, first {self._place(bad)}" for bad, text in faults if bad.any()]
        if not (np.isfinite(self.times).all() and (np.diff(self.times) > 0).all() and (self.times >= 0).all()):
            told.append(f"times {self.times.tolist()} do not increase from 0 or later")
        same = self.chromosome[1:] == self.chromosome[:-1]
        if (same & (np.diff(self.position) <= 0)).any() or len(np.unique(self.chromosome.astype(str))) != int((~same).sum()) + 1:
            told.append("sites are not sorted along the chromosomes, or repeated")
        if told:
            need = "whole reads with 0 <= methylated <= coverage, increasing times, sorted sites"
            raise DataError(explain("these reads cannot be used", "; ".join(told), need, "correct the table; sum repeated sites first"))

    def _place(self, bad: npt.NDArray[np.bool_]) -> str:
        i, t = np.argwhere(bad)[0]
        reads = f"{self.methylated[i, t]:g} of {self.coverage[i, t]:g}"
        return f"{self.chromosome[i]}:{self.position[i]} at {self.times[t]:g} {self.time_unit} ({reads})"

    def __len__(self) -> int:
        return len(self.position)

    @property
    def breaks(self) -> npt.NDArray[np.bool_]:
        """(sites,) True where a chromosome starts."""
        return np.asarray(np.r_[True, self.chromosome[1:] != self.chromosome[:-1]])

    @property
    def block(self) -> npt.NDArray[np.int64]:
        """(sites,) number of the 1 Mb block of each site, along all chromosomes."""
        starts = np.cumsum(self.breaks) * 10_000 + self.position // BLOCK_BP
        return np.asarray(np.unique(starts, return_inverse=True)[1], np.int64)

    def totals(self, name: str) -> Array:
        """(times,) sum over sites of ``methylated`` or ``coverage``."""
        return np.asarray(getattr(self, name).sum(0))

    def rows(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> SiteSeries:
        """Some of the sites."""
        tables = (self.methylated[chosen], self.coverage[chosen])
        return SiteSeries(self.position[chosen], self.chromosome[chosen], *tables, self.times, self.time_unit, self.build)

    def until(self, count: int) -> SiteSeries:
        """The first ``count`` times alone."""
        tables = (self.methylated[:, :count], self.coverage[:, :count])
        return SiteSeries(self.position, self.chromosome, *tables, self.times[:count], self.time_unit, self.build)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> SiteSeries:
        """From the long frame of the readers: chrom, start, methylated, coverage, time; absent rows are a coverage of 0.

        Raises: DataError for missing columns, a modification other than 5mC in ``attrs["code"]``, repeated rows, strands not merged, or a
            chromosome under two names (chr1, 1).
        """
        missing = [c for c in ("chrom", "start", "methylated", "coverage", "time") if c not in frame]
        if missing or not len(frame):
            got = f"columns {list(frame.columns)}, {len(frame)} rows"
            raise DataError(explain("no time series of methylation", got, f"also {missing}, one row or more", "add a time column"))
        if frame.attrs.get("code", "m") != "m":
            raise DataError(
                explain(
                    "not 5-methylcytosine",
                    frame.attrs["code"],
                    "code 'm'",
                    "take rows of code m: --data.code m of a fit, --code m of a prediction",
                )
            )
        refuse_mixed_names(frame["chrom"].unique(), "the frame")
        again = frame.duplicated(["chrom", "start", "time"])
        if again.any():
            row = frame[again].iloc[0]
            got = f"{int(again.sum())} rows, the first {row['chrom']}:{row['start']} at {row['time']}"
            fix = "merge strands first; of replicates add up methylated and coverage of the same site and time"
            raise DataError(explain("a site is there twice at one time", got, "one row a site and time", fix))
        wide = frame.pivot(index=["chrom", "start"], columns="time", values=["methylated", "coverage"]).fillna(0)
        names, starts = wide.index.get_level_values(0).to_numpy(), wide.index.get_level_values(1).to_numpy()
        tables = (wide["methylated"].to_numpy(float), wide["coverage"].to_numpy(float), wide["coverage"].columns.to_numpy(float))
        return cls(starts, names, *tables, frame.attrs.get("time_unit", "hours"), frame.attrs.get("build"))

    def frame(self) -> pd.DataFrame:
        """The long frame of the readers: one row a site and time that was seen."""
        site, time = np.nonzero(self.coverage > 0)
        columns = {
            "chrom": self.chromosome[site],
            "start": self.position[site],
            "end": self.position[site] + 1,
            "strand": ".",
            "methylated": self.methylated[site, time].astype(np.int64),
            "coverage": self.coverage[site, time].astype(np.int64),
            "time": self.times[time],
        }
        frame = pd.DataFrame(columns)
        frame.attrs.update({"build": self.build, "code": "m", "time_unit": self.time_unit})
        return frame

    def per_time(self) -> Sequences:
        """Sequences for `RelaxingMethylation`: a unit and group is a site; elapsed time since the time before, or since 0."""
        sites, count = self.coverage.shape
        elapsed = np.tile(np.diff(self.times, prepend=0.0), sites)
        return self._sequences(self.methylated, self.coverage, {"elapsed": elapsed}, count)

    def per_division(self) -> Sequences:
        """Sequences for `DivisionMethylation`: a row is a division from 0 to the last time; divisions without reads are missing rows.

        Raises: DataError where times are not whole divisions.
        """
        whole = self.times.astype(int)
        if (whole != self.times).any():
            got, fix = f"times {self.times.tolist()} in {self.time_unit}", "use per_time with the unit divisions"
            raise DataError(explain("not whole divisions", got, "whole numbers", fix))
        count = int(whole[-1]) + 1
        tables = np.zeros((2, len(self), count))
        tables[0][:, whole], tables[1][:, whole] = self.methylated, self.coverage
        return self._sequences(tables[0], tables[1], {}, count)

    def _sequences(self, m: Array, n: Array, known: dict[str, Array], count: int) -> Sequences:
        y = np.where(n > 0, m, np.nan).ravel()
        site = np.repeat(np.arange(len(self)), count)
        return Sequences({"methylated": y}, {"coverage": n.ravel(), **known}, unit=site, group=site, measure={"methylated": "reads"})

    def by_block(self) -> SiteSeries:
        """The reads of each 1 Mb block added up, one row a block: the same likelihood for parameters that all sites share, and clusters."""
        first = np.unique(self.block, return_index=True)[1]
        m, n = (np.add.reduceat(v, first, axis=0) for v in (self.methylated, self.coverage))
        return SiteSeries(self.position[first], self.chromosome[first], m, n, self.times, self.time_unit, self.build)
