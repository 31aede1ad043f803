"""Tests, intervals and bootstrap against their nominal levels, by simulation. Last line: JSON.

    python -m benchmarks.inference           5,000 replicates a test
    python -m benchmarks.inference --quick   the same protocol with 500

(a) tests of a restriction to a bound: no dependence within an AR(1) whose dependence lies in [0, 1]; and ARCH(1) (memory 0) within
GARCH(1,1), where the half-half law comes slowly: of the estimates in 2,000 rows 55 % sit on the bound, not 50 %; (b) Wald and score
tests of a GARCH(1,1) inside its set; (c) ends of profile and Wald intervals of a GARCH(1,1), as a share of the Wald width; (d) coverage
of bootstrap intervals of a memory on its bound, of one beside it, and of a persistence whose estimator is biased.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest, norm

from seqsci.constraints import Positive, Real, UnitInterval
from seqsci.domains.finance import models
from seqsci.equations.vocabulary import Expression
from seqsci.estimation.bootstrap import parametric_bootstrap
from seqsci.estimation.hypothesis_tests import likelihood_ratio, score_test, wald
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.profile import trace
from seqsci.estimation.standard_errors import ObservedInformation
from seqsci.mechanism import Mechanism
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Outcome, Parameter, State
from seqsci.sequences import Sequences


@dataclass(frozen=True)
class Autoregression(Mechanism):
    """``y_t = level + dependence y_{t-1} + spread e_t``; dependence cannot be negative."""

    states = (State("previous"),)
    outcomes = (Outcome("y"),)
    own_parameters = (
        Parameter("level", Real(), 0.0, "1", "m", "level"),
        Parameter("dependence", UnitInterval(), 0.5, "1", r"\phi", "share of a value that is left after a step"),
        Parameter("spread", Positive(), 1.0, "1", r"\sigma", "scatter"),
    )

    def start(self) -> float:
        return 0.0

    def read(self, previous: Expression, level: Expression, dependence: Expression, spread: Expression) -> dict[str, Expression]:
        return {"location": level + dependence * previous, "scale": spread}

    def update(self, y: Expression) -> Expression:
        return y


AR = Model(Autoregression(), Gaussian())
GARCH = models.garch_normal()
ARCH = GARCH.start_at(mean=0.0, persistence=0.4, memory=0.0, intercept=0.6)
INSIDE = GARCH.start_at(mean=0.05, persistence=0.9, memory=0.8, intercept=0.1)
TWO = MaximumLikelihood(starts=2, profile_bounds=False)
BURN = 200


def series(model: Model, rows: int, seed: int) -> Sequences:
    values = model.simulate(rows + BURN, seed).outcome["log_return"][BURN:]
    return Sequences({"log_return": values}, measure={"log_return": "percent"})


def many(one: Callable[[int], tuple[float, ...]], count: int, seed: int) -> np.ndarray:
    first = one(seed)
    with ThreadPoolExecutor(2) as pool:
        return np.array([first, *pool.map(one, range(seed + 1, seed + count))])


def at_bound(rows: int) -> Callable[[int], tuple[float, ...]]:
    def one(seed: int) -> tuple[float, ...]:
        data = series(ARCH, rows, seed)
        restricted = TWO.fit(GARCH.fix(memory=0.0), data)
        near = GARCH.start_at(**{n: restricted.value[n] for n in restricted.free_names}, memory=0.1)
        full = replace(TWO, starts=3, warm=True).fit(near, data)
        return likelihood_ratio(restricted, full).p_value, score_test(restricted, GARCH).p_value

    return one


def no_dependence(rows: int) -> Callable[[int], tuple[float, ...]]:
    truth = AR.start_at(dependence=0.0)

    def one(seed: int) -> tuple[float, ...]:
        data = truth.simulate(rows, seed)
        restricted, full = TWO.fit(AR.fix(dependence=0.0), data), TWO.fit(AR, data)
        return likelihood_ratio(restricted, full).p_value, score_test(restricted, AR).p_value

    return one


def inside(rows: int) -> Callable[[int], tuple[float, ...]]:
    def one(seed: int) -> tuple[float, ...]:
        data = series(INSIDE, rows, seed)
        tested = {"persistence": INSIDE.value["persistence"]}
        restricted, full = TWO.fit(GARCH.fix(**tested), data), TWO.fit(GARCH, data)
        return wald(full, **tested).p_value, score_test(restricted, GARCH).p_value, likelihood_ratio(restricted, full).p_value

    return one


def size(name: str, p: np.ndarray) -> tuple[float, float]:
    """Share of p < 0.05 and the exact p-value of that share against 5 %; printed."""
    rejected = int((p < 0.05).sum())
    test = binomtest(rejected, len(p), 0.05)
    low, high = test.proportion_ci()
    print(
        f"{name:<46}{rejected:>5} of {len(p)} rejected = {rejected / len(p):.2%}  [{low:.2%}, {high:.2%}]  p {test.pvalue:.3f}", flush=True
    )
    return rejected / len(p), float(test.pvalue)


def interval_gap(rows: int, seed: int) -> float:
    """Largest distance between the ends of profile and Wald intervals, in Wald widths."""
    data = series(INSIDE, rows, seed)
    fit = MaximumLikelihood(covariance=ObservedInformation(), profile_bounds=False).fit(GARCH, data)
    warm = MaximumLikelihood(starts=1, warm=True, profile_bounds=False)
    worst = 0.0
    for name in fit.free_names:
        held = {"model": fit.model}

        def refit(value: float, name: str = name, held: dict[str, Model] = held) -> float:
            again = warm.fit(held["model"].fix(**{name: value}), data)
            held["model"] = again.model.free([name])
            return -again.log_likelihood

        constraint = {p.name: p for p in GARCH.parameters}[name].constraint
        error = fit.standard_error(name)
        profile = trace(refit, fit.value[name], -fit.log_likelihood, 0.5 * error, constraint).interval(0.95)
        low, high = fit.interval(name)
        gap = float(np.abs(np.subtract(profile, (low, high))).max() / (high - low))
        wide = (profile[1] - profile[0]) / (high - low) - 1
        print(f"{name:<14}profile {profile[0]:.5f} .. {profile[1]:.5f}   Wald {low:.5f} .. {high:.5f}   gap {gap:.2%}  width {wide:+.2%}")
        worst = max(worst, gap, abs(wide))
    return worst


def coverage(truth: Model, name: str, count: int, seed: int) -> dict[str, float]:
    """Shares of 1,000-row series whose 95 % intervals of a parameter hold the truth: percentile, basic, bias-corrected, the fit's own."""
    hits = dict.fromkeys(("percentile", "basic", "corrected", "own"), 0)
    z, value = norm.ppf(0.975), truth.value[name]
    for i in range(count):
        fit = replace(TWO, profile_bounds=True).fit(GARCH, series(truth, 1000, seed + i))
        found, at = parametric_bootstrap(fit, 199, seed=i), fit.value[name]
        draws, (low, high) = found.draws[name], found.interval(name)
        shift = norm.ppf(np.mean(draws < at) + 0.5 * np.mean(draws == at))
        corrected = np.quantile(draws, norm.cdf(2 * shift + np.array([-z, z])))
        ends = {"percentile": (low, high), "basic": (2 * at - high, 2 * at - low), "corrected": corrected, "own": fit.interval(name)}
        for kind, (a, b) in ends.items():
            hits[kind] += bool(a <= value <= b)
    shares = {k: h / count for k, h in hits.items()}
    print(f"{name} {value:g}, {count} series: " + ", ".join(f"{k} {v:.1%}" for k, v in shares.items()), flush=True)
    return shares


def main() -> None:
    """Run the four studies, end with JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=2000)
    arguments = parser.parse_args()
    clock = time.perf_counter()
    count, seed, rows = 500 if arguments.quick else 5000, 100_000 * (1 + arguments.seed), arguments.rows
    figures: dict[str, float] = {}
    bound = many(no_dependence(rows), count, seed)
    figures["lr_bound_size"], figures["lr_bound_size_p"] = size(f"likelihood ratio, AR(1) at 0, {rows} rows", bound[:, 0])
    figures["score_bound_size"], figures["score_bound_size_p"] = size(f"score test, AR(1) at 0, {rows} rows", bound[:, 1])
    bound = many(at_bound(rows), count, seed)
    figures["garch_lr_bound_size"], figures["garch_lr_bound_size_p"] = size(f"likelihood ratio, ARCH in GARCH, {rows} rows", bound[:, 0])
    figures["garch_score_bound_size"], _ = size(f"score test, ARCH in GARCH, {rows} rows", bound[:, 1])
    regular = many(inside(rows), count, seed + 50_000)
    figures["wald_size"], figures["wald_size_p"] = size(f"Wald test, persistence .9, {rows} rows", regular[:, 0])
    figures["score_size"], figures["score_size_p"] = size(f"score test, persistence .9, {rows} rows", regular[:, 1])
    figures["lr_size"], _ = size(f"likelihood ratio, persistence .9, {rows} rows", regular[:, 2])
    figures["profile_wald_gap"] = interval_gap(100_000, seed)
    few = 40 if arguments.quick else 150
    figures["bootstrap_bound_coverage"] = coverage(ARCH, "memory", few, seed)["percentile"]
    figures["bootstrap_near_bound_coverage"] = coverage(ARCH.start_at(memory=0.15), "memory", few, seed)["percentile"]
    slow = GARCH.start_at(mean=0.0, persistence=0.99, memory=0.92, intercept=0.02)
    figures["bootstrap_biased_coverage"] = coverage(slow, "persistence", few, seed)["percentile"]
    figures["seconds"] = round(time.perf_counter() - clock, 1)
    print(json.dumps({k: round(v, 5) for k, v in figures.items()}))


if __name__ == "__main__":
    main()
