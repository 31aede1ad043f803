"""What a run of methylation keeps beside the fit: its verdict, the course over time, kinetics by class of sites, imputation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.domains.genomics.methylation.held_out import FEWEST_BLOCKS, FOLDS, stretch
from seqsci.domains.genomics.methylation.imputation import IMPUTERS, Imputer, LeakyBank, at_time
from seqsci.domains.genomics.methylation.kinetics import ByDensity, ByNeighbourLevel, Kinetics, judged, kinetics_by_class
from seqsci.domains.genomics.methylation.scoring import folds, paired_interval, read_losses
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import SeqsciError
from seqsci.estimation.result import Fit

QUANTITIES = ("half_life", "equilibrium", "initial_fraction")
VERDICT = ("name", "half_life", "low", "high", "time_unit", "statistic", "p_value", "clusters", "kind", "sentence")
NOT_COMPARED = "not compared"
SHARED = "A shift that all sites of one sample share is not told from a change: compare replicates or spike-ins"
Z95 = 1.959964
GRID = 120
"""Points of the fitted curve."""


@dataclass(frozen=True, eq=False)
class RunTables:
    """Makes the tables of a fit.

    Attributes:
        series: all sites; clustered: the reads of each cluster of the standard errors, sites or blocks.
        independent: (sites,) codes of the clusters in which the test of a change takes reads to depend on each other.
        share: of each block that imputation is scored on.
        imputers: what is compared in imputing masked sites; none: no table. not_compared: why the last time is not held out, or empty.
    """

    series: SiteSeries
    clustered: SiteSeries
    independent: np.ndarray
    share: float = 1.0
    imputers: tuple[Imputer, ...] = IMPUTERS
    not_compared: str = ""

    def __call__(self, fit: Fit) -> dict[str, pd.DataFrame]:
        """Tables by name; one that cannot be made is absent, and a printed note says why."""
        found = judged(fit, self.series, self.independent)
        told = verdict(found, self.series, self.not_compared)
        print("".join(f"{sentence}\n" for sentence in told.loc[told["name"] != NOT_COMPARED, "sentence"]), flush=True)
        tables = {"verdict": told, "course": self.course(), "curve": self.curve(fit)}
        makers: dict[str, Callable[[], pd.DataFrame]] = {"kinetics": lambda: self.kinetics(found), "imputation": self.imputation}
        for name, make in makers.items():
            try:
                tables[name] = make()
            except SeqsciError as error:
                print(f"note: no {name}.csv: {' '.join(str(error).split())}", flush=True)
        return {name: table for name, table in tables.items() if len(table)}

    def course(self) -> pd.DataFrame:
        """Observed fraction of all reads by time, with the 95 % interval of a ratio of clusters."""
        m, n = self.clustered.methylated, self.clustered.coverage
        total = n.sum(0)
        seen = total > 0
        share = m.sum(0)[seen] / total[seen]
        units = max((n > 0).sum(0)[seen].min(), 2)
        error = np.sqrt(((m[:, seen] - share * n[:, seen]) ** 2).sum(0) * units / (units - 1)) / total[seen]
        columns = {"time": self.clustered.times[seen], "methylated": m.sum(0)[seen].astype(int), "coverage": total[seen].astype(int)}
        ends = {"low": np.maximum(share - Z95 * error, 0.0), "high": np.minimum(share + Z95 * error, 1.0)}
        return pd.DataFrame(columns | {"fraction": share} | ends | {"time_unit": self.series.time_unit})

    def curve(self, fit: Fit) -> pd.DataFrame:
        """The fitted fraction over time, and the equilibrium that it tends to."""
        value = _values(fit)
        time = np.unique(np.r_[np.linspace(0.0, float(self.series.times[-1]), GRID), self.series.times])
        kept = np.exp2(-time / value["half_life"])
        model = kept * value["initial_fraction"] + (1 - kept) * value["equilibrium"]
        return pd.DataFrame({"time": time, "fraction": model, "equilibrium": value["equilibrium"]})

    def kinetics(self, found: Kinetics) -> pd.DataFrame:
        """Half-life, equilibrium and initial fraction of all sites (the fit), then of classes of them."""
        first: dict[str, object] = {"class": "all sites", "sites": len(self.series), "reads": int(self.series.coverage.sum())}
        table = {e.name: e for e in (*found.fit.estimates(), *found.fit.derived())}
        for name in QUANTITIES:
            first |= {name: table[name].value, f"{name}_low": table[name].low, f"{name}_high": table[name].high}
        first |= {"identified": found.identified, "reason": "; ".join(found.reasons)}
        parts = [pd.DataFrame([first])]
        if len(self.series.times) > 1:
            for rule in (ByDensity(), ByNeighbourLevel()):
                part = kinetics_by_class(self.series, rule, clusters=self.independent)
                parts += [part] if len(part) > 1 else []  # one class is all sites again
        return pd.concat(parts, ignore_index=True).assign(time_unit=self.series.time_unit)

    def imputation(self) -> pd.DataFrame:
        """Loss a read of masked sites at the last time, and the leaky bank minus each: negative where the bank is better."""
        if not self.imputers:
            return pd.DataFrame()
        one = at_time(stretch(self.series, self.share), len(self.series.times) - 1)
        blocks = len(np.unique(one.block))
        if blocks < FEWEST_BLOCKS:
            have = f"{blocks} block{'s' * (blocks != 1)} of 1 Mb with reads at the last time"
            print(f"note: no imputation.csv: {have}, {FEWEST_BLOCKS} are needed", flush=True)
            return pd.DataFrame()
        fold, (m, n) = folds(one.block, FOLDS), (one.methylated[:, 0], one.coverage[:, 0])
        losses = {}
        for imputer in self.imputers:
            p = np.empty(len(one))
            try:
                for part in np.unique(fold):
                    p[fold == part] = imputer.impute(one, fold != part)[fold == part]
            except SeqsciError as error:
                print(f"note: imputation.csv without {imputer.name}: {' '.join(str(error).split())}", flush=True)
                continue
            losses[imputer.name] = read_losses(m, n, p)
        rows, bank = [], LeakyBank().name
        if bank not in losses:
            return pd.DataFrame()
        for name, loss in losses.items():
            row: dict[str, object] = {"imputer": name, "nll": float(loss.sum() / n.sum())}
            if name != bank:
                gap = paired_interval(losses[bank], loss, n, one.block)
                row |= {"difference": gap.difference, "low": gap.low, "high": gap.high}
            rows.append(row)
        return pd.DataFrame(rows).assign(sites=len(one), blocks=blocks)


def _values(fit: Fit) -> dict[str, float]:
    return dict(fit.value) | {d.name: d.value for d in fit.derived()}


def verdict(found: Kinetics, series: SiteSeries, not_compared: str = "") -> pd.DataFrame:
    """What these reads hold, for the report's first lines: a statement of the fit, which compares with no other forecaster.

    Columns: name (identified, not identified, not compared), half_life, low, high, time_unit (NaN where it is not identified), statistic,
    p_value, clusters of the test of a change (`change_of`), kind (statement or warning: how the report marks it), sentence.
    """
    c = found.change
    test = {"statistic": c.statistic, "p_value": c.p_value, "clusters": c.clusters}
    if found.identified:
        half = {x.name: x for x in (*found.fit.estimates(), *found.fit.derived())}["half_life"]
        unit = series.time_unit
        text = f"The rates are identified: half-life {half.value:.3g} {unit} (95 % {half.low:.3g} to {half.high:.3g})"
        text += f"; that no site changes is refused, each against itself: {c}. {SHARED}."
        numbers = {"half_life": half.value, "low": half.low, "high": half.high, "time_unit": unit}
        rows = [{"name": "identified", **numbers, **test, "kind": "statement", "sentence": text}]
    else:
        named = "(mu, delta)" if "maintenance" in found.fit.model.free_names else "(mu, delta), and so the half-life,"
        common = {"name": "not identified", **test, "kind": "warning"}
        rows = [{**common, "sentence": f"{named} are NOT identified by these reads: {reason}."} for reason in found.reasons]
    if not_compared:
        rows.append({"name": NOT_COMPARED, "kind": "statement", "sentence": f"Not compared: {not_compared}."})
    return pd.DataFrame(rows, columns=VERDICT)
