"""The result of a panel of fits: a table, a row a series, and what was pooled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seqsci.model import Model
from seqsci.panel.units import Units
from seqsci.prior import Prior

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Population:
    """The distribution of the units of a panel, estimated with them: raw parameters are normal around a centre.

    Attributes:
        prior: it, as a prior for a new unit: ``model.with_prior(population.prior)``.
        table: a row a pooled parameter: ``centre`` and the interval ``low .. high`` that holds 95 % of the units (natural values),
            ``spread`` (standard deviation on the raw scale), ``shrinkage`` (mean over the units).
        log_likelihood: of all units with their parameters integrated out (Laplace's approximation).
        units, rounds: units that took part, and rounds of the estimation; converged: whether they sufficed.
    """

    prior: Prior
    table: pd.DataFrame
    log_likelihood: float
    units: int
    rounds: int
    converged: bool

    def __repr__(self) -> str:
        state = f"{self.rounds} rounds" if self.converged else f"NOT CONVERGED in {self.rounds} rounds, do not read it"
        head = f"population of {self.units:,} units ({state}), marginal log-likelihood {self.log_likelihood:.2f}"
        return f"{head}\n{self.table.to_string(float_format=lambda v: f'{v:.4g}')}"


@dataclass(frozen=True, eq=False)
class Panel:
    """Fits of one model to many series.

    Attributes:
        table: a row a series: id, ``status`` ("ok", "failed" or "not run"), ``reason``, ``converged``, ``rows``, ``log_likelihood``, each
            parameter's estimate, ``se_*`` its standard error (NaN at a bound), ``at_bound``, ``evaluations``, ``seconds``; under a prior
            ``prior_kept`` (why the prior was kept; empty where it was not); after partial pooling ``shrink_*``, posterior over population
            variance: how much of what is known of the series comes from the others (0: nothing, 1: everything).
        model: what was fitted; unit: of the outcome.
        units: the data, or None where the panel was loaded; by: name of the column of ids.
        population: what was estimated of all units together, or None.
        states: (series, states) after the last row of each series, in the unit of estimation, once they were asked for;
            last_dates: (series,) dates of those rows, or None.
    """

    table: pd.DataFrame
    model: Model
    unit: str | None
    units: Units | None
    by: str
    population: Population | None = None
    states: Array | None = None
    last_dates: Array | None = None

    @property
    def failures(self) -> pd.DataFrame:
        """The rows that are not ok."""
        return self.table[self.table["status"] != "ok"]

    def __repr__(self) -> str:
        counts = self.table["status"].value_counts().to_dict()
        facts = ", ".join(f"{n:,} {status}" for status, n in counts.items())
        free = [n for n in self.model.free_names if n in self.table]
        middle = self.table.loc[self.table["status"] == "ok", free].median()
        text = f"{self.model.name}: {len(self.table):,} series ({facts})\nmedian estimates: "
        text += ", ".join(f"{n} {v:.4g}" for n, v in middle.items())
        kept = int((self.table["prior_kept"].fillna("") != "").sum()) if "prior_kept" in self.table else 0
        text += f"\nprior kept for {kept:,} series, whose fit was worse on rows held out" if kept else ""
        return f"{text}\n{self.population!r}" if self.population is not None else text
