"""What would identify density dependence: the width of phi's interval against sites and years, by simulation at fitted values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seqsci.domains.ecology.inference.density_dependence import DensityDependence
from seqsci.domains.ecology.inference.drift import FlexibleTrend
from seqsci.domains.ecology.inference.observation_error import UNKNOWN, ObservationError
from seqsci.domains.ecology.inference.profile import estimate_dependence
from seqsci.domains.ecology.inference.sites import Site
from seqsci.domains.ecology.simulator import ConstantHistory, Population
from seqsci.errors import DataError, explain

SIX_TERMS = FlexibleTrend(6)
"""As many as the rule of a verdict looks at."""


def design_table(
    population: Population,
    sites: Sequence[int] = (1, 5, 20, 50),
    years: Sequence[int] = (20, 40, 80),
    replicates: int = 10,
    error: ObservationError = UNKNOWN,
    drift: FlexibleTrend = SIX_TERMS,
    seed: int = 0,
) -> pd.DataFrame:
    """Simulate designs and estimate phi in each: a row a design with sites, years, width (mean), deviation (of the mean width), open_high.

    K stands still in the simulation: the trend terms are swept out, so a K that they can follow costs the same. open_high is the share of
    replicates that do not exclude a population without density dependence. Raises `DataError` for fewer than two replicates or a design
    too short for the trend terms.

    >>> design_table(Population(), sites=(2,), years=(20,), replicates=2).columns.tolist()
    ['sites', 'years', 'width', 'deviation', 'open_high']
    """
    if replicates < 2:
        raise DataError(explain("a mean width needs its error", f"replicates {replicates}", "at least 2", "raise replicates"))
    rows = []
    for i, count in enumerate(sites):
        for j, length in enumerate(years):
            paths, _ = population.draw(ConstantHistory(), length, count, replicates, seed + 1000 * i + j)
            found = [estimate_dependence([Site(str(k), str(k), 0, y) for k, y in enumerate(p)], drift, error) for p in paths]
            width = np.array([e.width for e in found])
            deviation = float(width.std(ddof=1) / np.sqrt(replicates))
            rows.append((count, length, float(width.mean()), deviation, float(np.mean([e.open_high for e in found]))))
    return pd.DataFrame(rows, columns=["sites", "years", "width", "deviation", "open_high"])


def fitted_population(result: DensityDependence) -> Population:
    """The population of a result's headline estimate, phi at its centre: what `design_table` should be run with."""
    e = result.headline
    return Population(e.centre, e.process_sd, e.observation_sd)
