"""Forecasts of annual counts: the bank of two-channel cells beside the field's baselines on GPDD and salmon. The last line is JSON.

python -m benchmarks.ecology_forecasts            all baselines on all series
python -m benchmarks.ecology_forecasts --quick    damped ETS and auto-ARIMA on every twelfth series only; one horizon

Needs SEQSCI_DATA (a folder with ecology/gpdd_knape_panel.csv.gz, gpdd_knape_meta.csv.gz, salmon_panel.csv.gz). One year ahead over the
last 30 % of each series' years; every forecast is made from the years of its series before it. The bank's prior is learned from training
windows of other data sources, which may reach later calendar years; the text says for how many forecasts, and benchmarks.ecology_calendar
measures how much it matters. For salmon it is learned from the training windows of all GPDD series. All of these test windows were looked
at while models were made: development data. The best baseline is chosen score by score, on the same rows: the differences of the last
line are those to the baseline that comes closest.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seqsci.domains.ecology.backtest.comparison import CountComparison, PairedDifference, compare
from seqsci.domains.ecology.backtest.protocol import CountForecaster, Forecasts, run
from seqsci.domains.ecology.bank import CONSTANT_CAPACITY, CONSTANT_SCALE, ONE_SCALE, CrossFittedBank, PopulationBank
from seqsci.domains.ecology.bank_calendar import share_of_later_priors
from seqsci.domains.ecology.baselines.catalogue import BASELINES, SLOW
from seqsci.domains.ecology.reading.panel import CountPanel, count_panel
from seqsci.domains.ecology.reading.sources import gpdd, salmon
from seqsci.errors import DataError

BANK = PopulationBank()
FROZEN = "bank, prior from GPDD"
ABLATIONS = {
    "k_constant": PopulationBank(CONSTANT_CAPACITY, label="bank, K constant"),
    "scale_constant": PopulationBank(CONSTANT_SCALE, label="bank, scale constant (delta = 1)"),
    "one_scale": PopulationBank(ONE_SCALE, freedoms=(1.0,), label="bank, one (a, b, delta)"),
    "not_pooled": PopulationBank(rounds=0, label="bank, even prior (not pooled)"),
}
HORIZONS = 10
FURTHER = (
    "random_walk",
    "gompertz",
    "second_order",
    "local_level_student",
    "gompertz_state_space_student",
    "drifting_capacity",
    "drifting_capacity_student",
)
"""Baselines that are forecast up to ten years ahead."""
SUBSET = 12
"""With --quick, the slow baselines forecast every twelfth series."""
Say = Callable[[str], None]


def table(panel: CountPanel, ours: list[CountForecaster], quick: bool, say: Say) -> tuple[dict[str, Forecasts], str]:
    """Everything on the same rows; with ``quick`` the slow baselines are in a table of their own on a subset, which is the text."""
    names = [n for n in BASELINES if not (quick and n in SLOW)]
    found = run([*(BASELINES[n]() for n in names), *ours], panel, 1, say)
    if not quick:
        return found, ""
    chosen = np.arange(0, len(panel), SUBSET)
    few = panel.some(chosen)
    rows = np.isin(panel.test_series, chosen)
    alone = run([BASELINES[n]() for n in SLOW], few, 1, say)
    for name in ("random walk", ours[0].name):
        f = found[name]
        alone[name] = Forecasts(name, f.mean[rows], f.log_density[rows], f.crps[rows], f.pit[rows], f.seconds)
    return found, f"slow baselines on every {SUBSET}th series\n" + compare(alone, few).text(ours[0].name)


def put(figures: dict[str, float], prefix: str, d: PairedDifference) -> None:
    for key, estimate in (("dcrps", d.log_crps), ("dls", d.log_score), ("drmse", d.log_rmse)):
        for suffix, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
            figures[f"{prefix}_{key}{suffix}"] = value


def claim(prefix: str, comparison: CountComparison, ours: str, figures: dict[str, float]) -> str:
    """The goals against the best baseline of the run, said in words also where they are missed."""
    own = {BANK.label, FROZEN, *(b.label for b in ABLATIONS.values())}
    d, level = comparison.difference_to_best(ours, [n for n in comparison.scores if n not in own]), comparison.line(ours)
    put(figures, prefix, d)
    figures |= {f"{prefix}_gmcrps": level.crps_ratio, f"{prefix}_gmrmse": level.rmse_ratio, f"{prefix}_ls": level.log_score}
    figures[f"{prefix}_coverage90"] = level.coverage
    met = {
        "CRPS is lower": d.log_crps.high < 0,
        "log score is higher": d.log_score.low > 0,
        "RMSE is not worse": d.log_rmse.low <= 0,
        "90 % intervals cover .88-.93": 0.88 <= level.coverage <= 0.93,
    }
    figures[f"{prefix}_goals_met"] = float(sum(met.values()))
    cells = (("log RMSE", d.log_rmse), ("log CRPS", d.log_crps), ("log score", d.log_score))
    shown = ", ".join(f"{k} {e.value:+.4f} [{e.low:+.4f}, {e.high:+.4f}]" for k, e in cells)
    answers = "; ".join(f"{k}: {'yes' if v else 'NO'}" for k, v in met.items())
    return f"{prefix}: {ours} minus the best baseline by each score, {d.rival}: {shown}\n{answers}"


def later(panel: CountPanel, source: CountPanel | None = None) -> str:
    """What "from the years before it" leaves out."""
    share = share_of_later_priors(panel, source)
    return f"forecasts whose prior is learned from a training window, of another source, that reaches their calendar year: {share:.0%}"


def forecasts(quick: bool, say: Say = lambda _: None) -> tuple[str, dict[str, float]]:
    """All tables as a text, and the figures of the last line."""
    try:
        birds, fish = count_panel(gpdd()), count_panel(salmon())
    except DataError as error:
        return f"no forecasts of real counts: {error}", {}
    figures: dict[str, float] = {}
    start = time.perf_counter()
    ours: list[CountForecaster] = [CrossFittedBank(BANK), *(CrossFittedBank(b) for b in ABLATIONS.values())]
    found, slow = table(birds, ours, quick, say)
    figures["gpdd_seconds"] = time.perf_counter() - start
    result = compare(found, birds)
    texts = ["GPDD", later(birds), result.text(BANK.label), slow, claim("gpdd", result, BANK.label, figures)]
    figures["coverage90"] = figures["gpdd_coverage90"]
    for key, bank in ABLATIONS.items():
        put(figures, f"gpdd_ablation_{key}", result.difference(BANK.label, bank.label))
    if not quick:
        further = run([*(BASELINES[n]() for n in FURTHER), CrossFittedBank(BANK)], birds, HORIZONS, say)
        texts += [ahead("GPDD", further, birds, h, figures) for h in (2, 5, HORIZONS)]

    ours = [replace(BANK.fit(birds), label=FROZEN), CrossFittedBank(BANK), *(CrossFittedBank(b) for b in ABLATIONS.values())]
    found, slow = table(fish, ours, quick, say)
    result = compare(found, fish)
    texts += ["salmon", later(fish, birds), result.text(FROZEN), slow, claim("salmon", result, FROZEN, figures)]
    put(figures, "salmon_cross_fitted_minus_k_constant", result.difference(BANK.label, ABLATIONS["k_constant"].label))
    return "\n\n".join(t for t in texts if t), figures


def ahead(title: str, found: dict[str, Forecasts], panel: CountPanel, horizon: int, figures: dict[str, float]) -> str:
    result = compare(found, panel, horizon)
    level = result.line(BANK.label)
    figures[f"gpdd_gmcrps_h{horizon}"], figures[f"gpdd_coverage90_h{horizon}"] = level.crps_ratio, level.coverage
    return f"{title}, {horizon} years ahead\n" + result.text(BANK.label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="slow baselines on a subset, one horizon")
    text, figures = forecasts(parser.parse_args().quick, lambda line: print(line, flush=True))
    print(text)
    print(json.dumps({k: round(v, 5) for k, v in figures.items()}))


if __name__ == "__main__":
    main()
