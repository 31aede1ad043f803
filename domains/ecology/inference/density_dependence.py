"""One call from a frame of counts to what it says about density dependence, with every competing model beside the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd

from seqsci.domains.ecology.inference.drift import (
    CapacityCovariate,
    ConstantCapacity,
    Drift,
    FlexibleTrend,
    RandomWalkCapacity,
    SmoothCapacity,
)
from seqsci.domains.ecology.inference.naive import NaiveEstimate, naive_dependence
from seqsci.domains.ecology.inference.observation_error import UNKNOWN, ObservationError
from seqsci.domains.ecology.inference.profile import Estimate, estimate_dependence
from seqsci.domains.ecology.inference.rival import find_rival
from seqsci.domains.ecology.inference.sites import FEWEST, read_sites
from seqsci.domains.ecology.inference.verdict import RULE, Verdict, VerdictRule
from seqsci.errors import DataError, explain

TERMS = (2, 3, 4, 5, 6, 7)
"""Numbers of trend terms along which phi is followed."""


@dataclass(frozen=True)
class DensityDependence:
    """What a set of populations says about density dependence; ``str()`` is the table and the verdict.

    naive: the regression that ignores drift and errors of counting. models: estimates by model of drift. trend: estimates by number of
    trend terms. verdict: identified, not identified, or confounded with drift.
    """

    naive: NaiveEstimate
    models: tuple[Estimate, ...]
    trend: tuple[tuple[int, Estimate], ...]
    verdict: Verdict

    @property
    def headline(self) -> Estimate:
        """The estimate to quote, if the verdict allows: the one with as many trend terms as the rule looks at."""
        return dict(self.trend)[self.verdict.rule.many]

    @property
    def flexibility(self) -> pd.DataFrame:
        """The figure's data: terms, dependence, low, high, open_low, open_high, centre."""
        names = ["dependence", "low", "high", "open_low", "open_high", "centre"]
        return pd.DataFrame([{"terms": n, **{k: getattr(e, k) for k in names}} for n, e in self.trend])

    def to_frame(self) -> pd.DataFrame:
        """A row a model: estimates, interval, width, half-life in years, standard deviations, log-likelihood, sizes."""
        rows = [{k: getattr(self.naive, k) for k in ("model", "dependence", "low", "high", "width")}]
        for e in (*self.models, *(e for _, e in self.trend)):
            row = {k: v for k, v in asdict(e).items() if k != "profile"}
            rows.append(row | {"width": e.width, "half_life": e.half_life})
        return pd.DataFrame(rows).set_index("model")

    def __str__(self) -> str:
        head = self.headline
        lines = [
            f"Density dependence of {head.sites} series, {head.observations} counts: phi is the share of a deviation left after a year"
        ]
        lines.append(f"{'':22}{'phi':>7}{'95 % interval':>18}{'width':>8}{'centre':>8}")
        lines.append(_line(self.naive.model, self.naive.dependence, self.naive.low, self.naive.high, "", False, False))
        for e in (*self.models, *(e for _, e in self.trend)):
            lines.append(_line(e.model, e.dependence, e.low, e.high, f"{e.centre:8.2f}", e.open_low, e.open_high))
        if any(e.open_low or e.open_high for e in (*self.models, *(e for _, e in self.trend))):
            lines.append("( or ) marks a side that the data leave open: the interval ends there because the grid of phi does (-0.5, 1)")
        if head.inflation > 1:
            lines.append(f"intervals allow for sources shared by series (variance times {head.inflation:.2f} with {head.model})")
        return "\n".join([*lines, str(self.verdict)])


def density_dependence(
    frame: pd.DataFrame,
    error: ObservationError = UNKNOWN,
    covariate: str | None = None,
    cluster: str | None = None,
    terms: tuple[int, ...] = TERMS,
    rule: VerdictRule = RULE,
) -> DensityDependence:
    """Estimate phi, shared by the series of a frame, under every model of drift, and say whether it is identified.

    x_t = phi x_{t-1} + (1 - phi) k_{t-1} + N(0, s^2), y_t = log count = x_t + error; phi in [-0.5, 1).

    Args:
        frame: long, ``series_id, year, count`` (NaN or no row: nobody counted; 0 becomes half the smallest positive count of its series).
        error: NoObservationError(), EstimatedObservationError() (one ratio for all series), GivenObservationError(column).
        covariate: a column that log K follows, with a coefficient of each series' own.
        cluster: a column that names the source of a series; intervals then allow for dependence within a source.
        terms: numbers of trend terms to follow phi along; those of the rule are added.
        rule: how the verdict is reached.

    Raises `DataError` naming every series that is too short (12 observed years, five more than the most trend terms), constant,
    negative or without counts. Source: Knape & de Valpine 2012, doi:10.1111/j.1461-0248.2011.01702.x.

    >>> from seqsci.domains.ecology.simulator import HISTORIES, Population
    >>> result = density_dependence(Population().frame(HISTORIES["hump"], seed=1))
    >>> result.verdict.name, len(result.flexibility)
    ('confounded with drift', 6)
    """
    numbers = sorted({*terms, rule.few, rule.many})
    if numbers[0] < 1:
        raise DataError(explain("a number of trend terms is below one", terms, "whole numbers from 1", "change terms"))
    sites = read_sites(frame, cluster, error.column, covariate, max(FEWEST, numbers[-1] + 5))
    drifts: list[Drift] = [ConstantCapacity(), RandomWalkCapacity(), SmoothCapacity()]
    if covariate:
        drifts.append(CapacityCovariate(covariate))
    clustered = cluster is not None
    models = tuple(estimate_dependence(sites, d, error, clustered) for d in drifts)
    trend = tuple((n, estimate_dependence(sites, FlexibleTrend(n), error, clustered)) for n in numbers)
    along = dict(trend)
    headline = along[rule.many]
    rival = find_rival(sites, (FlexibleTrend(rule.many), headline), list(zip(drifts, models, strict=True)), error)
    return DensityDependence(naive_dependence(sites), models, trend, rule.judge(along[rule.few], headline, rival))


def _line(model: str, phi: float, low: float, high: float, centre: str, open_low: bool, open_high: bool) -> str:
    ends = f"{'(' if open_low else '['}{low:.2f}, {high:.2f}{')' if open_high else ']'}"
    return f"{model:22}{phi:7.2f}{ends:>18}{high - low:8.2f}{centre}"
