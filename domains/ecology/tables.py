"""What a run of ecology keeps beside the fit: density dependence along the flexibility of K, the verdict, and forecasts of counts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from seqsci.domains.ecology.future import future_rows
from seqsci.domains.ecology.horizons import forecast_counts
from seqsci.domains.ecology.inference.density_dependence import TERMS, DensityDependence, density_dependence
from seqsci.domains.ecology.inference.observation_error import ObservationError
from seqsci.domains.ecology.inference.profile import FEWEST_CLUSTERS
from seqsci.domains.ecology.inference.sites import FEWEST
from seqsci.domains.ecology.inference.verdict import CONFOUNDED, IDENTIFIED, LOOSE
from seqsci.domains.ecology.prepared import Prepared
from seqsci.errors import SeqsciError
from seqsci.estimation.result import Fit

KINDS = {IDENTIFIED: "statement", LOOSE: "statement", CONFOUNDED: "warning"}
"""How the report's first lines show a verdict, which compares with nobody."""
MOST = 60
"""Series that inference reads at most: phi is shared by them, which says little of hundreds of species."""


@dataclass(frozen=True, eq=False)
class RunTables:
    """Makes the tables of a fit.

    Attributes:
        prepared: the rows that were fitted; frame: all rows, those of future years included.
        error: what inference assumes about counting; horizon: [years]; threshold: count of quasi-extinction, None = by series.
    """

    prepared: Prepared
    frame: pd.DataFrame
    error: ObservationError
    horizon: int = 10
    threshold: float | None = None

    def __call__(self, fit: Fit) -> dict[str, pd.DataFrame]:
        """Tables by name; one that cannot be made is absent, and a printed note says why."""
        found: dict[str, pd.DataFrame] = {}
        if (result := self.dependence()) is not None:
            verdict = result.verdict
            found["flexibility"] = result.flexibility
            found["dependence"] = result.to_frame().reset_index()
            row = {n: getattr(verdict, n) for n in ("name", "fall", "width", "open_high")}
            found["verdict"] = pd.DataFrame([row | {"kind": KINDS[verdict.name], "sentence": str(verdict)}])
            print(f"{result}\n", flush=True)
        try:
            known, note = future_rows(fit, self.prepared, self.frame, self.horizon)
            if note:
                print(f"note: forecast.csv: {note}", flush=True)
            names = self.prepared.names
            found["forecast"] = forecast_counts(fit, self.horizon, self.threshold, known=known, names=names)
        except SeqsciError as error:
            print(f"note: no forecast.csv: {_flat(error)}", flush=True)
        return found

    def dependence(self) -> DensityDependence | None:
        """Density dependence of the series that are long enough, or None with a printed note."""
        rows = self.prepared.rows
        least = max(FEWEST, max(TERMS) + 5)
        seen = rows[rows["count"].notna()].groupby("series_id")["count"]
        usable = seen.size().index[(seen.size() >= least) & (seen.nunique() > 1)]
        if (short := len(self.prepared.names) - len(usable)) > 0:
            print(f"note: density dependence: {short} series left out, with less than {least} counts or all counts the same", flush=True)
        if not 0 < len(usable) <= MOST:
            many = f"one phi for {len(usable)} series says little, {MOST} are read at most: choose some in the configuration, data.series"
            why = many if len(usable) else "no series is long enough"
            print(f"note: no flexibility.csv, dependence.csv and verdict.csv: {why}", flush=True)
            return None
        used = rows[rows["series_id"].isin(usable)]
        clusters = used["cluster"].nunique() if "cluster" in used else 0
        cluster = "cluster" if FEWEST_CLUSTERS <= clusters < len(usable) else None
        covariate = "capacity_covariate" if "capacity_covariate" in used else None
        try:
            return density_dependence(used, self.error, covariate, cluster)
        except SeqsciError as error:
            print(f"note: no flexibility.csv, dependence.csv and verdict.csv: {_flat(error)}", flush=True)
            return None


def _flat(error: SeqsciError) -> str:
    """An error in one line."""
    return "; ".join(" ".join(line.split()) for line in str(error).splitlines())
