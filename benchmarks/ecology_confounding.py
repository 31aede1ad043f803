"""Density dependence under a drifting carrying capacity: bias, coverage and width of six models, and a flag's alarms. Last line: JSON.

python -m benchmarks.ecology_confounding           300 replicates of 20 sites under each of six histories of K
python -m benchmarks.ecology_confounding --quick   40 replicates

40 years, phi 0.5, process sd 0.2, observation sd 0.2 (log units), Gompertz growth; the data never say the observation error. The seeds are
not those with which the flag's rule was chosen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from seqsci.domains.ecology.inference.drift import (
    CapacityCovariate,
    ConstantCapacity,
    Drift,
    FlexibleTrend,
    RandomWalkCapacity,
    SmoothCapacity,
)
from seqsci.domains.ecology.inference.naive import NaiveEstimate, naive_dependence
from seqsci.domains.ecology.inference.observation_error import EstimatedObservationError
from seqsci.domains.ecology.inference.profile import Estimate, estimate_dependence
from seqsci.domains.ecology.inference.rival import find_rival
from seqsci.domains.ecology.inference.sites import Site
from seqsci.domains.ecology.inference.verdict import CONFOUNDED, IDENTIFIED, VerdictRule
from seqsci.domains.ecology.simulator import HISTORIES, Population, RickerGrowth

Array = np.ndarray
PHI, YEARS, SITES, NOISE, FULL, QUICK = 0.5, 40, 20, 0.2, 300, 40
SEEDS = {"const": 26101, "exp": 26102, "linear": 26103, "hump": 26104, "hump2": 26105, "rw": 26106}
RULE = VerdictRule()
GOMPERTZ, RICKER = Population(), Population(growth=RickerGrowth())
ERROR = EstimatedObservationError()
DRIFTS: dict[str, Drift] = {
    "constant": ConstantCapacity(),
    "walk": RandomWalkCapacity(),
    "smooth": SmoothCapacity(),
    "few": FlexibleTrend(RULE.few),
    "flexible": FlexibleTrend(RULE.many),
}
COVARIATES = {"covariate": 0.0, "noisy": NOISE}
"""A covariate that is K itself, and one with independent normal noise of that standard deviation a year."""
LABELS = {
    "naive": "naive AR(1), mean of sites",
    "constant": "Gompertz state space, constant K",
    "walk": "random-walk K",
    "smooth": "smooth K",
    "few": "2 trend terms",
    "flexible": "flexible trend, 6 terms",
    "covariate": "K as covariate, exact",
    "noisy": "K as covariate, noise sd 0.2",
}


@dataclass(frozen=True)
class Cell:
    """Estimates, ends and centres (replicates,) of one model under one history, and which verdicts on it are "identified"."""

    value: Array
    low: Array
    high: Array
    centre: Array
    identified: Array

    @property
    def bias(self) -> float:
        return float(self.value.mean()) - PHI

    @property
    def coverage(self) -> float:
        return float(((self.low <= PHI) & (self.high >= PHI)).mean())

    @property
    def width(self) -> float:
        return float((self.high - self.low).mean())


def cell(estimates: Sequence[Estimate | NaiveEstimate], identified: Sequence[bool]) -> Cell:
    value, low, high = (np.array([getattr(e, k) for e in estimates]) for k in ("dependence", "low", "high"))
    return Cell(value, low, high, np.array([getattr(e, "centre", e.dependence) for e in estimates]), np.array(identified))


def study(name: str, replicates: int, sites: int = SITES, population: Population = GOMPERTZ, seed: int = 0) -> dict[str, Cell]:
    """All models on simulated panels of one history."""
    paths, capacity = population.draw(HISTORIES[name], YEARS, sites, replicates, SEEDS[name] + seed)
    rng = np.random.default_rng((SEEDS[name] + seed, 1))
    driven = [{label: k + sd * rng.standard_normal(k.shape) for label, sd in COVARIATES.items() if name != "const"} for k in capacity]

    def one(y: Array, covariates: dict[str, Array]) -> tuple[dict[str, Estimate | NaiveEstimate], bool]:
        panel = [Site(str(i), str(i), 1, y[i]) for i in range(sites)]
        estimates = {label: estimate_dependence(panel, drift, ERROR) for label, drift in DRIFTS.items()}
        verdict = RULE.judge(estimates["few"], estimates["flexible"])
        if verdict.name == IDENTIFIED:  # only then does a model that contradicts the interval change the verdict
            others = [(DRIFTS[label], estimates[label]) for label in ("constant", "walk", "smooth")]
            rival = find_rival(panel, (DRIFTS["flexible"], estimates["flexible"]), others, ERROR)
            verdict = RULE.judge(estimates["few"], estimates["flexible"], rival)
        found: dict[str, Estimate | NaiveEstimate] = {"naive": naive_dependence(panel), **estimates}
        for label, z in covariates.items():
            known = [Site(str(i), str(i), 1, y[i], covariate=z[i]) for i in range(sites)]
            found[label] = estimate_dependence(known, CapacityCovariate(), ERROR)
        return found, verdict.name == IDENTIFIED

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, paths, driven))
    identified = [verdict for _, verdict in found]
    return {label: cell([f[label] for f, _ in found], identified) for label in found[0][0]}


def flags(cells: dict[str, Cell]) -> dict[str, float]:
    """How often the rule fires, how often its first version by maxima did, and the shares of verdicts."""
    few, many = cells["few"], cells["flexible"]
    fired = few.centre - many.centre > RULE.fall
    return {
        "flag": float(fired.mean()),
        "maxima": float((few.value - many.value > RULE.fall).mean()),
        CONFOUNDED: float(fired.mean()),
        IDENTIFIED: float(many.identified.mean()),
        "covered": float(((many.low <= PHI) & (many.high >= PHI))[~fired].mean()) if (~fired).any() else float("nan"),
    }


def confounding(quick: bool) -> tuple[str, dict[str, float]]:
    """The text to print and the figures of the last line."""
    replicates = QUICK if quick else FULL
    studies = {name: study(name, replicates) for name in HISTORIES}
    figures: dict[str, float] = {"confounding_replicates": replicates}
    error = np.sqrt(0.95 * 0.05 / replicates)
    lines = [
        f"Density dependence and drift: {replicates} replicates, {SITES} sites, {YEARS} years, phi {PHI}, observation sd {NOISE}",
        f"bias / coverage of the 95 % interval / width; a coverage of .95 has a Monte Carlo error of {error:.3f}",
        f"{'':34}" + "".join(f"{name:>17}" for name in HISTORIES),
    ]
    for label, text in LABELS.items():
        row = f"{text:34}"
        for name, cells in studies.items():
            if label not in cells:
                row += f"{'-':>17}"
                continue
            c = cells[label]
            row += f"{c.bias:+8.2f}/{c.coverage:.2f}/{c.width:.2f}".rjust(17)
            figures |= {f"{label}_{k}_{name}": round(getattr(c, k), 4) for k in ("bias", "coverage", "width")}
        lines.append(row)
    lines += [
        "",
        f"Flag: the centre of phi falls by more than {RULE.fall} from {RULE.few} to {RULE.many} trend terms; shares of replicates",
    ]
    lines.append(f"{'':34}" + "".join(f"{name:>17}" for name in HISTORIES))
    found = {name: flags(cells) for name, cells in studies.items()}
    rows = {
        "flag": "flag fires",
        "maxima": "the same with maxima of phi",
        IDENTIFIED: "verdict: identified",
        "covered": "coverage where not flagged",
    }
    for key, text in rows.items():
        lines.append(f"{text:34}" + "".join(f"{found[name][key]:17.2f}" for name in HISTORIES))
    for name in HISTORIES:
        kind = "power" if name.startswith("hump") else "false"
        figures[f"flag_{kind}_{name}"] = round(found[name]["flag"], 4)
        figures[f"flag_maxima_{kind}_{name}"] = round(found[name]["maxima"], 4)
        figures[f"verdict_identified_{name}"] = round(found[name][IDENTIFIED], 4)
    lines += ["", "Smaller and other panels: flag / verdict identified / smooth K / flexible trend"]
    others = {
        "1 site, const": ("const", 1, GOMPERTZ), "1 site, hump": ("hump", 1, GOMPERTZ),
        "5 sites, const": ("const", 5, GOMPERTZ), "5 sites, hump": ("hump", 5, GOMPERTZ),
        "20 sites, exp, Ricker growth": ("exp", SITES, RICKER),
    }  # fmt: skip
    for text, (name, sites, population) in others.items():
        cells = study(name, replicates, sites, population, seed=1000)
        f = flags(cells)
        shown = "   ".join(f"{cells[c].bias:+.2f}/{cells[c].coverage:.2f}/{cells[c].width:.2f}" for c in ("smooth", "flexible"))
        lines.append(f"{text:34}{f['flag']:.2f}   {f[IDENTIFIED]:.2f}   {shown}")
        key = text.replace(",", "").replace(" ", "_").lower()
        figures |= {f"flag_{key}": round(f["flag"], 4), f"smooth_bias_{key}": round(cells["smooth"].bias, 4)}
    lines += ["", *goals(figures)]
    return "\n".join(lines), figures


def goals(figures: dict[str, float]) -> list[str]:
    """A line a goal: what was wanted, what was measured, and whether it was met."""
    wanted: list[tuple[str, float, float]] = [("naive_bias_exp", 0.15, 9), ("naive_coverage_exp", 0, 0.10)]
    for name in ("const", "exp", "linear"):
        wanted += [(f"smooth_bias_{name}", -0.05, 0.05), (f"smooth_coverage_{name}", 0.90, 0.98), (f"smooth_width_{name}", 0, 0.55)]
    for name in HISTORIES:
        wanted += [(f"flexible_bias_{name}", -0.15, 0.15), (f"flexible_coverage_{name}", 0.90, 0.98)]
    wanted += [("flag_false_const", 0, 0.10), ("flag_false_exp", 0, 0.10), ("flag_false_linear", 0, 0.30), ("flag_false_rw", 0, 0.30)]
    wanted += [("flag_power_hump", 0.70, 1), ("flag_power_hump2", 0.70, 1)]
    return [f"{'met   ' if a <= figures[k] <= b else 'MISSED'} {k:28}{figures[k]:8.3f}   wanted {a:g} to {b:g}" for k, a, b in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 replicates")
    text, figures = confounding(parser.parse_args().quick)
    print(text)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
