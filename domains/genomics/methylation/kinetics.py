"""Rates of methylation from reads over time, and whether the data hold them at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import optimize

from seqsci.cells.methylation import DivisionMethylation, RelaxingMethylation
from seqsci.domains.genomics.methylation.change import Change, change_of, change_of_one, independent_clusters
from seqsci.domains.genomics.methylation.features import shrunk
from seqsci.domains.genomics.methylation.models import per_division, per_time
from seqsci.domains.genomics.methylation.neighbours import leaky_sums
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.errors import DataError, explain
from seqsci.estimation.bank import Bank
from seqsci.estimation.fitted_bank import FittedBank
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.result import Fit
from seqsci.estimation.standard_errors import ClusterSandwich, Covariance, Sandwich
from seqsci.model import Model
from seqsci.observations.beta_binomial import BetaBinomial
from seqsci.sequences import Sequences

FEWEST_BLOCKS = 3
"""Blocks that a class of sites spans at least."""
MOST_ROWS = 40_000
"""Rows (sites and times) of a class that are fitted one by one at most; the overdispersion is then one of sites, else one of blocks."""
RATES = ("maintenance", "de_novo", "half_life")
LEVEL = 0.01
"""Level at which a constant fraction must be refused before a rate is read."""


@dataclass(frozen=True, eq=False)
class Kinetics:
    """A fit of methylation over time with its verdict.

    Attributes:
        fit: estimates, standard errors, intervals, derived quantities.
        change: the test of sites that never change, on which the verdict rests.
        ratio: twice the log-likelihood by which the fit exceeds a fraction that never changes. It takes reads for independent and sites
            for alike: it is large for static sites, too, where coverage shifts between them or reads of a block depend on each other.
        reasons: why its rates must not be read, in words; empty where they may.
    """

    fit: Fit
    change: Change
    ratio: float
    reasons: tuple[str, ...]

    @property
    def identified(self) -> bool:
        """Whether the data hold (mu, delta), or the half-life."""
        return not self.reasons

    def __str__(self) -> str:
        return "\n".join([*(f"NOT IDENTIFIED: {reason}" for reason in self.reasons), str(self.fit.summary())])


def sequences_of(series: SiteSeries, model: Model) -> Sequences:
    """The rows that a methylation model reads; raises `DataError` for another model."""
    if isinstance(model.mechanism, DivisionMethylation):
        return series.per_division()
    if isinstance(model.mechanism, RelaxingMethylation):
        return series.per_time()
    raise DataError(explain("not a model of methylation", model.name, "per_division() or per_time()", "pass one of them"))


def fit_kinetics(series: SiteSeries, model: Model | None = None, clusters: np.ndarray | None = None) -> Kinetics:
    """Fit (mu, delta) or (half-life, equilibrium) that all sites share, and say whether the data hold them.

    Not identified: fewer times than free numbers (one time point holds the fraction alone; two hold no curve where the initial fraction is
    free); sites whose change over time, each against itself, cannot be told from chance (a series at its equilibrium), or is not that
    of the fit; a rate in a weak direction of the fit. Standard errors are clustered by site, because sites differ, and that test by
    `independent_clusters`, because reads of neighbours depend on each other; both as ``clusters`` says where it is given.

    Args:
        series: reads; model: default `per_division` where the times are divisions, else `per_time`.
        clusters: (sites,) code of the cluster of each site, such as its 1 Mb block; None: as said above.

    Raises: DataError for a model of something else, or reads that are all methylated or all not.
    """
    chosen = model or (per_division() if series.time_unit == "divisions" else per_time(series.time_unit))
    by_site, stretches = np.arange(len(series)), independent_clusters(series)
    return judged(_fitted(series, chosen, by_site if clusters is None else clusters), series, stretches if clusters is None else clusters)


def _fitted(series: SiteSeries, model: Model, clusters: np.ndarray) -> Fit:
    """The fit with errors by cluster."""
    rows = sequences_of(series, model)
    rows = replace(rows, group=np.repeat(clusters, len(rows) // len(series)))
    covariance: Covariance = ClusterSandwich() if len(np.unique(clusters)) > 1 else Sandwich()
    started = model.start_at(**{n: v for n, v in starting_point(series, model).items() if n in model.free_names})
    return MaximumLikelihood(starts=1, covariance=covariance, warm=True, min_rows=1).fit(started, rows)


def starting_point(series: SiteSeries, model: Model) -> dict[str, float]:
    """Where a climb to the maximum starts: least squares on pooled fractions, linear in two numbers, over a grid of half-lives."""
    n, time = series.totals("coverage"), series.times
    share = (series.totals("methylated") + 0.5) / (n + 1)
    best = (np.inf, 0.5, 0.5, 1.0)
    for half_life in np.geomspace(0.05, 2.0, 40) * max(float(time[-1]), 1.0):
        kept = np.exp2(-time / half_life)
        design = np.column_stack([1 - kept, kept]) * np.sqrt(n)[:, None]
        found = np.clip(np.linalg.lstsq(design, share * np.sqrt(n), rcond=None)[0], 0.01, 0.99)
        loss = float(np.sum((design @ found - share * np.sqrt(n)) ** 2))
        best = min(best, (loss, float(found[0]), float(found[1]), float(half_life)))
    _, z, c, half_life = best
    if isinstance(model.mechanism, RelaxingMethylation):
        return {"equilibrium": z, "initial_fraction": c, "half_life": half_life}
    f, strands = 2 ** (-1 / half_life), model.mechanism.strands  # type: ignore[attr-defined]
    mu, delta = strands.maintenance(1 - (1 - f) * (1 - z)), strands.de_novo((1 - f) * z)
    return {"maintenance": float(np.clip(mu, 0.01, 0.999)), "de_novo": float(np.clip(delta, 0.001, 0.99)), "initial_fraction": c}


def judged(fit: Fit, series: SiteSeries, clusters: np.ndarray) -> Kinetics:
    """The verdict on a fit: whether the reads hold its rates.

    Args:
        fit: of the series, or of its reads added up; series: sites one by one.
        clusters: (sites,) code of the cluster of each site, see `change_of`.
    """
    times = int((series.totals("coverage") > 0).sum())
    reasons, free = [], [n for n in fit.model.free_names if n != "overdispersion"]
    if times < len(free):
        held = "the methylated fraction then" if times == 1 else f"{times} fractions"
        reasons.append(f"{times} time point{'s' * (times > 1)} hold{'s' * (times == 1)} {held}, not {', '.join(free)}: add times")
    ratio = 2 * (fit.log_likelihood - _constant(fit))
    change = change_of(series, clusters) if len(series) > 1 else change_of_one(series, _course(fit, series.times), ratio, len(free))
    if times > 1:
        reasons += _unchanged(fit, change)
    if not reasons:  # where there are reasons already, the weak directions only repeat them, and their profiles take seconds
        reasons += [d.text for d in fit.weak_directions if set(d.parameters) & set(RATES)]
    return Kinetics(fit, change, ratio, tuple(reasons))


def _unchanged(fit: Fit, change: Change) -> list[str]:
    """Why the fitted course is none of the sites themselves, in words; empty where they change as it says."""
    few = f"; {change.share:.0%} of the reads lie at sites that were read at two times or more" if change.share < 0.5 else ""
    text = f"each site against itself: {change}{few}"
    if np.isnan(change.statistic):
        return [f"whether the fraction changes cannot be tested ({text}): read the same sites at more times, more of them, or deeper"]
    if change.p_value > LEVEL:
        return [f"the fraction does not change visibly ({text}): an equilibrium holds delta / (1 - mu + delta) alone, not (mu, delta)"]
    if change.against:
        turn = f"({change}; along another half-life t {change.against:+.1f})"
        return [f"sites fall and then rise, or the other way round {turn}, which no relaxation does; see course.csv"]
    value = dict(fit.value) | fit.model.derived_values
    if (value["equilibrium"] - value["initial_fraction"]) * change.statistic < 0:
        ways = ("fall", "rises") if change.statistic < 0 else ("rise", "falls")
        why = (
            "either other sites are read at other times, and the fit takes that for a change, or the course turns, which no relaxation does"
        )
        return [f"sites {ways[0]} ({change}) while the fit {ways[1]}: {why}; see course.csv"]
    return []


def _course(fit: Fit, times: np.ndarray) -> np.ndarray:
    """(times,) the fitted fraction."""
    value = dict(fit.value) | fit.model.derived_values
    kept = np.power(value["retention"], times)
    return np.asarray(kept * value["initial_fraction"] + (1 - kept) * value["equilibrium"])


def _constant(fit: Fit) -> float:
    """Highest log-likelihood of a fraction that never changes."""
    still = {"maintenance": 1.0, "de_novo": 0.0} if "maintenance" in fit.value else {"half_life": 1e12}
    model, rows = fit.model.start_at(**still), fit.sequences

    def loss(c: float) -> float:
        return -float(model.start_at(initial_fraction=float(c)).filter(rows).density.sum())

    return -float(optimize.minimize_scalar(loss, bounds=(1e-6, 1 - 1e-6), method="bounded").fun)


@dataclass(frozen=True)
class ByDensity:
    """Classes of sites by the number of CpGs around them, weighted by ``exp(-distance / length)``: positions alone, no reads."""

    length: float = 200.0
    cuts: tuple[float, ...] = (2.0, 5.0, 15.0)

    def values(self, series: SiteSeries) -> np.ndarray:
        """(sites,) the number."""
        return np.asarray(leaky_sums(series.position, np.ones(len(series)), (self.length,), series.breaks)[:, 0, 0])

    def label(self, low: float, high: float) -> str:
        """Name of a class."""
        return f"{low:g} to {high:g} CpGs near" if np.isfinite(high) else f"{low:g} or more CpGs near"


@dataclass(frozen=True)
class ByNeighbourLevel:
    """Classes of sites by the last fraction of the sites around them; own reads do not choose a class."""

    length: float = 300.0
    cuts: tuple[float, ...] = (0.3, 0.6, 0.8, 0.9)

    def values(self, series: SiteSeries) -> np.ndarray:
        """(sites,) fraction of the neighbours at the last time, pulled to the overall one by one read."""
        reads = np.column_stack([series.methylated[:, -1], series.coverage[:, -1]])
        sums = leaky_sums(series.position, reads, (self.length,), series.breaks)[:, 0]
        return shrunk(sums[:, 0], sums[:, 1], float(reads[:, 0].sum() / max(reads[:, 1].sum(), 1.0)))

    def label(self, low: float, high: float) -> str:
        """Name of a class."""
        return f"neighbours {max(low, 0):.0%} to {min(high, 1):.0%}"


def kinetics_by_class(
    series: SiteSeries, rule: ByDensity | ByNeighbourLevel, model: Model | None = None, clusters: np.ndarray | None = None
) -> pd.DataFrame:
    """Half-life, equilibrium and initial fraction by class of sites, with 95 % intervals clustered by 1 Mb block.

    Columns: class, sites, reads, then each of half_life, equilibrium, initial_fraction with _low and _high, identified, reason.
    The default model is `per_time` with beta-binomial counts, because sites differ. A class of more than `MOST_ROWS` rows is added up by
    block before it is fitted. Classes in fewer than `FEWEST_BLOCKS` blocks are left out. ``clusters``: (sites,) of the test of a change;
    None: `independent_clusters` of all sites, because a class in few blocks would be cut into pieces that depend on each other.
    """
    values, whole = rule.values(series), independent_clusters(series) if clusters is None else np.asarray(clusters)
    edges = (-np.inf, *rule.cuts, np.inf)
    rows = []
    for low, high in itertools.pairwise(edges):
        chosen = (values >= low) & (values < high)
        part = series.rows(chosen) if chosen.any() else None
        if part is None or len(np.unique(part.block)) < FEWEST_BLOCKS:
            continue
        fitted = part.by_block() if part.coverage.size > MOST_ROWS else part
        fit = _fitted(fitted, model or per_time(series.time_unit, counts=BetaBinomial()), fitted.block)
        found = judged(fit, part, whole[chosen])
        row: dict[str, object] = {"class": rule.label(max(low, 0.0), high), "sites": int(chosen.sum())}
        row["reads"] = int(part.coverage.sum())
        table = {e.name: e for e in (*found.fit.estimates(), *found.fit.derived())}
        for name in ("half_life", "equilibrium", "initial_fraction"):
            e = table[name]
            row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
        rows.append(row | {"identified": found.identified, "reason": "; ".join(found.reasons)})
    return pd.DataFrame(rows)


def rate_classes(series: SiteSeries, half_lives: Sequence[float], equilibria: Sequence[float], initial: Sequence[float]) -> FittedBank:
    """Rate classes as a `Bank` over half-lives, equilibria and initial fractions: weights by maximum likelihood, a posterior per site.

    ``bank.population("half_life")`` and ``bank.mean("half_life")`` read it; the same likelihood as `sites.SiteMixture`, by test, which is
    quicker for a whole chromosome.
    """
    grid = {"half_life": list(half_lives), "equilibrium": list(equilibria), "initial_fraction": list(initial)}
    return Bank(per_time(series.time_unit), grid).fit(series.per_time(), tolerance=1e-3)
