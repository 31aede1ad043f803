"""How the units of a panel share what they say: not at all, all parameters, or as draws from a population (empirical Bayes)."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from seqsci.errors import DataError, ParameterError, did_you_mean, explain
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.population import Normal, normal_population
from seqsci.panel import pool
from seqsci.panel.batch import Solved, Task
from seqsci.panel.job import Job
from seqsci.panel.result import Population
from seqsci.panel.rows import Rows
from seqsci.prior import Prior

Array = np.ndarray
LARGEST_START = 6.0
"""Raw values beyond are left out of the first guess of a population: they are on their way to a bound."""
NEGLIGIBLE = 1e-5
"""A variance on the raw scale below which units count as equal; it may go on falling."""
ADVICE = (
    "Pool fewer parameters, Partial(names=(...)): those that sit at a bound in many series have no normal population; "
    "or Partial(correlated=False), a simpler model, or more rounds. Do not read its numbers."
)
SETTLED = 1e-3
"""A round that moves the centre by fewer standard deviations, and the spread by a smaller share, is the last."""


class Pooling(ABC):
    """Abstract base: how the units of a panel are estimated together."""

    @abstractmethod
    def estimate(self, job: Job, threads: int | None) -> tuple[list[Rows], Population | None]:
        """A row a unit, and the population where there is one. Raises KeyboardInterrupt where it was interrupted."""


@dataclass(frozen=True)
class PerGroup(Pooling):
    """Every unit by itself."""

    def estimate(self, job: Job, threads: int | None) -> tuple[list[Rows], Population | None]:
        rows: list[Rows] = []
        _each(job, range(len(job.units)), threads, rows.extend, job.run)
        return rows, None


@dataclass(frozen=True)
class Shared(Pooling):
    """One set of parameters for all units: one fit to all of them, standard errors clustered by unit.

    ``C = H^-1 (sum_u s_u s_u') H^-1 U / (U - 1)`` with s_u the score of unit u (Liang and Zeger 1986, DOI 10.1093/biomet/73.1.13);
    NaN where there are no more units than parameters, and too small where there are few.
    """

    def estimate(self, job: Job, threads: int | None) -> tuple[list[Rows], Population | None]:
        groups, failed = replace(job, lenient=True).sound(list(range(len(job.units))))
        found = [i for _, some in groups for i in some]
        if not found:
            return Rows.failed(failed), None
        positions = sorted(found)
        apart = job.batch(positions)
        gaps = not bool(apart.data.observed.all())
        whole = apart.joined()
        solved = whole.solve(job.task, job.points(whole), gaps)
        raw = np.repeat(solved.raw, len(apart), 0)
        nll, natural, score = apart.evaluate(job.task, raw, gaps)
        place = np.flatnonzero(~solved.pinned[0, job.task.free])
        kept = job.task.free[place]
        meat = score[:, kept].T @ score[:, kept] * (len(apart) / max(len(apart) - 1, 1))
        covariance = np.full((1, len(job.task.free)), np.nan)
        if len(apart) > len(place):  # fewer clusters than parameters carry no such covariance: NaN
            bread = np.linalg.pinv(solved.hessian[0][np.ix_(place, place)])
            covariance[0, place] = np.sqrt(np.maximum(np.diag(bread @ meat @ bread), 0.0))

        def all_of(values: Array) -> Array:
            return np.repeat(values, len(apart), 0)

        every = Solved(
            raw, nll + job.penalties(raw), all_of(solved.converged), all_of(solved.collapsed), all_of(solved.evaluations),
            all_of(solved.pinned), solved.outer, solved.hessian, natural, all_of(solved.slope),
        )  # fmt: skip
        rows = job.rows(positions, apart, every, np.repeat(covariance, len(apart), 0), [""] * len(apart), 0.0)
        return [*Rows.failed(failed), *rows], None


@dataclass(frozen=True)
class Partial(Pooling):
    """Units are draws from a population that is normal on the raw scale (empirical Bayes); each is shrunk as far as its rows ask.

    ``raw_u ~ N(m, S)``. Rounds of two steps: the posterior mode and curvature of every unit under the present (m, S), then (m, S)
    from these quadratic likelihoods (`seqsci.estimation.population`), which is Laplace's approximation of the marginal likelihood. Rows of
    the result are posterior modes under the population as a prior; their errors take the population as given.

    Attributes:
        names: parameters that have a population; None = all free ones. The others are each unit's own.
        correlated: whether the population has correlations, or independent parameters only.
        rounds: most rounds.
        held_out: whether the population is kept for a unit whose fit is worse on rows held out. Off, because it costs: with 150 simulated
            GARCH series of 250 days the RMSE of the log odds of memory was .368 with it and .308 without.

    Source: Kass and Steffey (1989), DOI 10.1080/01621459.1989.10478825.
    """

    names: tuple[str, ...] | None = None
    correlated: bool = True
    rounds: int = 30
    held_out: bool = False

    def estimate(self, job: Job, threads: int | None) -> tuple[list[Rows], Population | None]:
        if job.model.prior is not None:
            fix = "model.with_prior() takes it off; a population needs none"
            raise ParameterError(explain("the model has a prior already", job.model.prior.source, "a model without one", fix))
        free = [job.task.names[i] for i in job.task.free]
        wanted = free if self.names is None else list(self.names)
        if unknown := [n for n in wanted if n not in free]:
            what = f"no free parameter {unknown[0]!r}{did_you_mean(unknown[0], free)}"
            raise ParameterError(explain(what, ", ".join(wanted), ", ".join(free), "name free parameters"))
        groups, failed = replace(job, lenient=True).sound(list(range(len(job.units))))
        if sum(len(some) for _, some in groups) < 3:
            got = f"{sum(len(some) for _, some in groups)} unit(s) with data"
            raise DataError(
                explain("a population needs several units", got, "at least 3", "use PerGroup(), or a prior: model.with_prior(...)")
            )
        place = np.array([free.index(n) for n in wanted])
        search = _Rounds(job, groups, place, threads, self.correlated)
        normal, rounds, converged = search.run(self.rounds)
        prior = _prior(job, wanted, normal, len(search.positions))
        under = replace(Job.of(job.model.with_prior(prior), job.units, job.estimator), held_out=self.held_out)
        rows: list[Rows] = []
        _each(under, [i for i in range(len(job.units)) if i not in failed], threads, rows.extend, under.run)
        spread = {n: float(np.sqrt(prior.covariance[j][j])) for j, n in enumerate(wanted)}
        rows, shrinkage = _shrunk(under, rows, spread)
        table = _described(job, prior, wanted, spread, shrinkage)
        if not converged:
            print(f"seqsci: the population did NOT converge in {rounds} rounds. {ADVICE}", file=sys.stderr)
        return [*Rows.failed(failed), *rows], Population(prior, table, search.marginal, len(search.positions), rounds, converged)


@dataclass(frozen=True)
class EmpiricalBayes:
    """An estimator of panels: ``fit_panel(model, frame, estimator=EmpiricalBayes(Partial()))``.

    Attributes:
        pooling: `Partial`, `Shared` or `PerGroup`.
        likelihood: how a single unit's likelihood is climbed.
    """

    pooling: Pooling = Partial()
    likelihood: MaximumLikelihood = field(default_factory=lambda: MaximumLikelihood(starts=2, profile_bounds=False, far=30.0))


class _Rounds:
    """The rounds of empirical Bayes: modes of all units under a population, then the population of these."""

    def __init__(self, job: Job, groups: list[tuple[bool, list[int]]], place: Array, threads: int | None, correlated: bool) -> None:
        self.job, self.place, self.threads, self.correlated = job, place, threads, correlated
        self.gaps = {i: gaps for gaps, some in groups for i in some}
        self.positions = sorted(self.gaps)
        n, k = len(job.task.names), len(job.task.free)
        self.raw = np.zeros((len(self.positions), n))
        self.hessian = np.zeros((len(self.positions), k, k))
        self.value = np.zeros(len(self.positions))
        self.good = np.zeros(len(self.positions), bool)
        seen = [y[~np.isnan(y)] for y in (job.units.outcome[job.units.rows(i)] for i in self.positions)]
        self.constant = np.array([y.min() == y.max() for y in seen])
        self.marginal = np.nan

    def run(self, rounds: int) -> tuple[Normal, int, bool]:
        job, place = self.job, self.place
        self._solve(job.task, None)
        normal = self._guess()
        for done in range(1, rounds + 1):
            task = job.task.under(*self._embedded(normal))
            self._solve(task, normal)
            new = self._population(task, normal)
            moved = np.abs(new.centre - normal.centre) / np.sqrt(np.diag(new.covariance))
            grown = np.abs(np.log(np.diag(new.covariance) / np.diag(normal.covariance))) * (np.diag(new.covariance) > NEGLIGIBLE)
            normal = new
            if max(moved.max(initial=0.0), grown.max(initial=0.0)) < SETTLED:
                return normal, done, True
        return normal, rounds, not len(place)

    def _embedded(self, normal: Normal) -> tuple[Array, Array]:
        k = len(self.job.task.free)
        centre, precision = np.zeros(k), np.zeros((k, k))
        centre[self.place] = normal.centre
        precision[np.ix_(self.place, self.place)] = np.linalg.inv(normal.covariance)
        return centre, precision

    def _solve(self, task: Task, normal: Normal | None) -> None:
        """Modes of all units: from the model's grid at first, then from where they were and from the population's centre."""
        climb = task if normal is None else replace(task, starts=2, forced=2)

        def work(chunk: list[int]) -> None:
            for gaps in (False, True):
                some = [j for j in chunk if self.gaps[self.positions[j]] == gaps]
                if not some:
                    continue
                batch = self.job.batch([self.positions[j] for j in some])
                points = self.job.points(batch)
                if normal is not None:
                    middle = np.where(np.diag(task.precision) > 0, task.centre, points[:, 0])
                    own = np.where(self.good[some][:, None], self.raw[some], middle)
                    points = np.ascontiguousarray(np.stack([own, middle], axis=1))
                solved = batch.solve(climb, points, gaps, normal is not None)
                self.raw[some], self.good[some] = solved.raw, solved.good
                self.value[some], self.hessian[some] = solved.nll, solved.hessian

        _each(self.job, range(len(self.positions)), self.threads, lambda _: None, work)

    def _guess(self) -> Normal:
        """Median and spread of the units' own estimates, wide rather than narrow."""
        own = self.raw[self.good & ~self.constant][:, self.job.task.free[self.place]]
        near = np.where(np.abs(own) < LARGEST_START, own, np.nan)
        seen = np.isfinite(near).sum(0) > 1
        default = self.job.start[self.job.task.free[self.place]]
        centre = np.array([np.nanmedian(c) if s else d for c, s, d in zip(near.T, seen, default, strict=True)])
        spread = np.array([1.48 * np.nanmedian(np.abs(c - m)) if s else 1.0 for c, s, m in zip(near.T, seen, centre, strict=True)])
        return Normal(centre, np.diag(np.clip(spread, 0.3, 2.0) ** 2), np.nan, False)

    def _population(self, task: Task, normal: Normal) -> Normal:
        """The population of the quadratic likelihoods at the modes; the parameters without a population are profiled out."""
        collapsing = self.constant & (self.value < 0)  # a density, not a probability, that piles up on the one value: it says nothing
        good, place = self.good & ~collapsing & np.isfinite(self.hessian).all(axis=(1, 2)), self.place
        k = len(task.free)
        own = np.setdiff1d(np.arange(k), place)
        centre, precision = self._embedded(normal)
        raw = self.raw[good][:, task.free]
        whole = self.hessian[good] - precision
        information = whole[:, place[:, None], place]
        if len(own):
            cross = whole[:, place[:, None], own]
            information = information - cross @ np.linalg.pinv(whole[:, own[:, None], own]) @ cross.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh((information + information.transpose(0, 2, 1)) / 2)
        information = np.einsum("gij,gj,gkj->gik", vectors, np.maximum(values, 0.0), vectors)
        at = raw[:, place]
        prior = precision[np.ix_(place, place)]
        pull = np.einsum("gij,gj->gi", information, at) + (at - centre[place]) @ prior
        found = normal_population(information, pull, normal.centre, normal.covariance, self.correlated)
        log_det = np.linalg.slogdet(information + prior)[1] + np.linalg.slogdet(normal.covariance)[1]
        self.marginal = float(np.sum(-self.value[good] - 0.5 * log_det))
        return found


def _each(job: Job, positions: Any, threads: int | None, take: Any, work: Any) -> None:
    if not pool.each(work, list(positions), threads, take):
        raise KeyboardInterrupt


def _prior(job: Job, names: list[str], normal: Normal, units: int) -> Prior:
    """The population as a prior in the unit of the data."""
    covariance = tuple(tuple(float(v) for v in row) for row in normal.covariance)
    found = Prior(tuple(names), tuple(float(v) for v in normal.centre), covariance, f"population of {units} units")
    return replace(found.rescaled(job.task.model.parameters, 1 / job.factor), unit=job.units.measure or "")


def _shrunk(job: Job, rows: list[Rows], spread: dict[str, float]) -> tuple[list[Rows], dict[str, float]]:
    """The rows with ``shrink_*``, posterior over population variance on the raw scale; and their means."""
    found: dict[str, list[float]] = {n: [] for n in spread}
    table, more = {p.name: p.constraint for p in job.model.parameters}, []
    for part in rows:
        if part.columns["status"] != "ok":
            more.append(part)
            continue
        columns = dict(part.columns)
        for n, sd in spread.items():
            shares = []
            for value, error in zip(columns[n].tolist(), columns[f"se_{n}"].tolist(), strict=True):
                slope = float(np.exp(table[n].log_jacobian(table[n].inverse(value))))
                shares.append(min((error / slope / sd) ** 2, 1.0) if slope > 0 else np.nan)
            columns[f"shrink_{n}"] = np.array(shares)
            found[n] += shares
        more.append(Rows(part.places, columns))
    return more, {n: float(np.nanmean(v)) if v else np.nan for n, v in found.items()}


def _described(job: Job, prior: Prior, names: list[str], spread: dict[str, float], shrinkage: dict[str, float]) -> pd.DataFrame:
    centre = prior.centres(job.model.parameters)
    rows = []
    for n in names:
        low, high = prior.interval(job.model.parameters, n)
        rows.append({"parameter": n, "centre": centre[n], "low": low, "high": high, "spread": spread[n], "shrinkage": shrinkage[n]})
    return pd.DataFrame(rows).set_index("parameter")
