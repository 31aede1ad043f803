"""Methylation as a tied gate: recovery of (mu, delta), series without a rate, forecasts, imputation, rates by class. Last line: JSON.

python -m benchmarks.genomics_methylation           100 simulated cultures; all of chr22, 3 folds of 1 Mb blocks
                                                    (boosting's settings: chosen once, on a third of the blocks, which the
                                                    folds then score as well: if that helps anybody, it is boosting)
python -m benchmarks.genomics_methylation --quick   8 cultures; 30,000 sites, 2 folds, fewer trees: too few blocks to claim anything

Simulated cultures need no data; the rest reads $SEQSCI_DATA/genomics/methyl_repliBS. Development data: about ten forms of the hybrid
were compared on a fifth of this chromosome, so its interval is not a confirmation; another chromosome is.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from scipy import stats

from seqsci.cells.methylation import DaughterStrand, PopulationStrands
from seqsci.domains.genomics.methylation.baselines import BOOSTING_CHOICES, Boosting, GlobalMean, LastValue, Logistic, PooledCounts, chosen
from seqsci.domains.genomics.methylation.forecasting import ForecastTask, FractionForecaster, cross_forecast
from seqsci.domains.genomics.methylation.hybrid import Hybrid, TiedGate
from seqsci.domains.genomics.methylation.imputation import IMPUTERS, BoostingImputer, at_time
from seqsci.domains.genomics.methylation.kinetics import ByDensity, ByNeighbourLevel, fit_kinetics, kinetics_by_class
from seqsci.domains.genomics.methylation.models import per_division
from seqsci.domains.genomics.methylation.repli import read_repli
from seqsci.domains.genomics.methylation.scoring import Paired, folds, paired_interval, read_losses
from seqsci.domains.genomics.methylation.series import SiteSeries
from seqsci.domains.genomics.methylation.simulator import Passages

TABLE = "genomics/methyl_repliBS/repliBS_HUES64_chr22.tsv.gz"
FOLDS = 3
TRUTH = {"maintenance": 0.96, "de_novo": 0.17}
Figures = dict[str, float | list[float]]


def recovery(quick: bool) -> tuple[list[str], Figures]:
    """Largest errors, interval coverage against its binomial law, and how often rates are flagged, wanted or not."""
    number = 8 if quick else 100
    lines, figures = [f"Recovery: {number} cultures a convention, 1,000 sites, coverage 10, 20 divisions, mu 0.96, delta 0.17"], Figures()
    worst, covered, alarms = dict.fromkeys(TRUTH, 0.0), dict.fromkeys(TRUTH, 0), 0
    for first, strands in ((0, PopulationStrands()), (10_000, DaughterStrand())):  # seeds of their own: the binomial law wants independence
        errors = []
        for seed in range(first, first + number):
            found = fit_kinetics(Passages(strands=strands, **TRUTH).draw(1000, seed), per_division(strands))
            rows = {e.name: e for e in found.fit.estimates()}
            errors.append([rows[n].value - TRUTH[n] for n in TRUTH])
            for n in TRUTH:
                covered[n] += int(rows[n].low <= TRUTH[n] <= rows[n].high)
            alarms += int(not found.identified)
        size = np.abs(np.array(errors)).max(0)
        spread = np.array(errors).std(0)
        worst = {n: max(worst[n], float(v)) for n, v in zip(TRUTH, size, strict=True)}
        lines.append(
            f"  {type(strands).__name__:18} largest |error| mu {size[0]:.4f}, delta {size[1]:.4f}; sd {spread[0]:.4f}, {spread[1]:.4f}"
        )
    figures |= {"mu_error": round(worst["maintenance"], 5), "delta_error": round(worst["de_novo"], 5)}
    for n, key in (("maintenance", "mu"), ("de_novo", "delta")):
        p = float(stats.binomtest(covered[n], 2 * number, 0.95).pvalue)
        low, high = stats.binom.interval(0.99, 2 * number, 0.95) / np.array(2.0 * number)
        lines.append(
            f"  95 % intervals of {n} hold the truth in {covered[n]} of {2 * number}; p {p:.3f}, 99 % range {low:.3f} to {high:.3f}"
        )
        figures |= {f"coverage_{key}": covered[n] / (2 * number), f"coverage_{key}_p": round(p, 4)}
    still = Passages(initial_fraction=Passages(**TRUTH).equilibrium, **TRUTH)
    flagged = [not fit_kinetics(still.draw(1000, 1000 + s)).identified for s in range(number)]
    single = [not fit_kinetics(Passages(**TRUTH).draw(1000, 2000 + s).until(1)).identified for s in range(max(number // 10, 2))]
    lines.append(f"  flagged as not identified: {np.mean(flagged):.2f} at their equilibrium, {np.mean(single):.2f} of single time points,")
    lines.append(f"  {alarms / (2 * number):.2f} of cultures on their way to it (false alarms)")
    figures |= {"equilibrium_flagged": float(np.mean(flagged)), "single_time_flagged": float(np.mean(single))}
    return lines, figures | {"kinetics_false_alarms": alarms / (2 * number), "coverage_replicates": 2 * number}


def forecasts(series: SiteSeries, quick: bool) -> tuple[list[str], Figures]:
    """Loss a read of the last time, every forecaster on the same folds; paired differences over 1 Mb blocks."""
    task, fold = ForecastTask(series), folds(series.block, 2 if quick else FOLDS)
    boosting: FractionForecaster = Boosting(iterations=40)
    if not quick:
        blocks = np.random.default_rng(0).permutation(np.unique(series.block))  # settings: once, on a third of the blocks
        boosting = chosen(BOOSTING_CHOICES, task, np.isin(series.block, blocks[: len(blocks) // 3]))
    rivals: tuple[FractionForecaster, ...] = (GlobalMean(), LastValue(), PooledCounts(), Logistic(neighbours=False))
    rivals += (Logistic(), Logistic(products=True), boosting)
    m, n = task.methylated, task.coverage
    made = {f.name: cross_forecast(f, task, fold) for f in rivals}
    for part in np.unique(fold):  # the mechanism's forecasts alone are by-products of the hybrid's
        for name, p in Hybrid().forecasts(task, fold != part).items():
            made.setdefault(name, np.empty(len(series)))[fold == part] = p[fold == part]
    losses = {name: read_losses(m, n, p) for name, p in made.items()}
    score = {name: float(v.sum() / n.sum()) for name, v in losses.items()}
    lines = [
        f"Forecast of {task.time:g} h from the times before: {len(series):,} sites, {int(n.sum()):,} reads, {series.block.max() + 1} blocks"
    ]
    lines += [f"  {name:44}{value:9.5f} nats a read" for name, value in score.items()]
    hybrid, logistic = Hybrid().name, min((Logistic().name, Logistic(products=True).name), key=lambda k: score[k])
    pairs = {
        "methyl_interval": (hybrid, logistic),
        "methyl_interval_linear_logistic": (hybrid, Logistic().name),
        "methyl_interval_boosting": (hybrid, boosting.name),
        "methyl_interval_own": (TiedGate().name, Logistic(neighbours=False).name),
    }
    figures: Figures = {"methyl_nll_hybrid": round(score[hybrid], 5), "methyl_nll_logistic": round(score[logistic], 5)}
    figures |= {"methyl_nll_boosting": round(score[boosting.name], 5), "methyl_nll_tied_gate": round(score[TiedGate().name], 5)}
    figures |= {
        "methyl_nll_logistic_own": round(score[Logistic(neighbours=False).name], 5),
        "methyl_nll_global": round(score["global mean"], 5),
    }
    for key, (ours, theirs) in pairs.items():
        found = paired_interval(losses[ours], losses[theirs], n, series.block)
        lines.append(f"  {ours} - {theirs}: {told(found)}")
        figures[key] = [round(found.low, 6), round(found.high, 6)]
    if not quick:
        lines.append(f"  boosting was chosen among {len(BOOSTING_CHOICES)}: {boosting}")
    return lines, figures


def told(found: Paired) -> str:
    """A paired difference and what may be said of it."""
    verdict = ("better" if found.high < 0 else "worse") if found.excludes_zero else "no difference shown"
    return f"{found.difference:+.5f} [{found.low:+.5f}, {found.high:+.5f}] ({verdict}; {found.blocks} blocks)"


def imputation(series: SiteSeries, quick: bool) -> tuple[list[str], Figures]:
    """Loss a read of masked sites at the last time."""
    one = at_time(series, len(series.times) - 1)
    fold, figures = folds(one.block, 2 if quick else FOLDS), Figures()
    m, n = one.methylated[:, 0], one.coverage[:, 0]
    lines, losses = ["Imputation of masked sites at the last time, from the other sites alone"], {}
    for imputer in IMPUTERS:
        used = BoostingImputer(Boosting(iterations=40)) if quick and isinstance(imputer, BoostingImputer) else imputer
        p = np.empty(len(one))
        for part in np.unique(fold):
            p[fold == part] = used.impute(one, fold != part)[fold == part]
        losses[used.name] = read_losses(m, n, p)
        value = float(losses[used.name].sum() / n.sum())
        lines.append(f"  {used.name:44}{value:9.5f} nats a read")
        figures["impute_nll_" + used.name.split(",")[0].replace(" ", "_") + ("_2" if "two" in used.name else "")] = round(value, 5)
    bank = "leaky bank, both directions"
    for other in ("neighbour mean", "logistic on leaky channels", "gradient boosting on leaky channels"):
        lines.append(f"  {bank} - {other}: {told(paired_interval(losses[bank], losses[other], n, one.block))}")
    return lines, figures


def classes(series: SiteSeries) -> tuple[list[str], Figures]:
    """Half-life and equilibrium by class of sites."""
    lines, figures = ["Kinetics by class (beta-binomial over blocks, intervals clustered by block; time 0 taken as 0.5 h)"], Figures()
    for rule in (ByDensity(), ByNeighbourLevel()):
        for row in kinetics_by_class(series, rule).to_dict("records"):
            text = f"half-life {row['half_life']:5.2f} h [{row['half_life_low']:.2f}, {row['half_life_high']:.2f}]"
            text += f"  equilibrium {row['equilibrium']:.3f} [{row['equilibrium_low']:.3f}, {row['equilibrium_high']:.3f}]"
            lines.append(f"  {row['class']:26}{row['sites']:8,} sites  {text}{'' if row['identified'] else '  NOT IDENTIFIED'}")
            figures[f"half_life {row['class']}"] = round(float(row["half_life"]), 3)
    return lines, figures


def methylation(quick: bool) -> tuple[str, Figures]:
    """The text to print and the figures of the last line."""
    lines, figures = recovery(quick)
    path = Path(os.environ.get("SEQSCI_DATA", "")) / TABLE
    if not path.is_file():
        return "\n".join([*lines, f"no {TABLE} under SEQSCI_DATA: forecasts, imputation and classes are left out"]), figures
    series = read_repli(path)
    series = series.rows(np.arange(30_000)) if quick else series
    for part in (lambda: forecasts(series, quick), lambda: imputation(series, quick), lambda: classes(series)):
        clock = time.perf_counter()
        text, found = part()
        text.append(f"  ({time.perf_counter() - clock:.0f} s)")
        lines += ["", *text]
        figures |= found
    return "\n".join([*lines, "", *goals(figures)]), figures


def goals(figures: Figures) -> list[str]:
    """A line a goal that is a number."""
    wanted = [("mu_error", 0, 0.01), ("delta_error", 0, 0.01), ("equilibrium_flagged", 0.95, 1), ("single_time_flagged", 1, 1)]
    wanted += [("coverage_mu_p", 0.01, 1), ("coverage_delta_p", 0.01, 1)]
    return [
        f"{'met   ' if a <= float(np.max(figures[k])) <= b else 'MISSED'} {k:24}{figures[k]:9.4f}   wanted {a:g} to {b:g}"
        for k, a, b in wanted
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer cultures, sites and trees")
    text, figures = methylation(parser.parse_args().quick)
    print(text)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
