"""Panels: GARCH(1,1) and the default cell on very many simulated series, beside arch on two joblib processes.

python -m benchmarks.panel [--quick]; the last line is one line of JSON. arch is timed on a sample of the same series (its time is
proportional to their number; the sample's size is printed). The real job: 3,000 series refitted 60 times, every 5 days on the last 2,500.
--quick takes fewer series.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from seqsci.domains.finance import models
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.model import Model
from seqsci.panel.fitting import PANEL, ROLLING, fit_panel
from seqsci.panel.pooling import EmpiricalBayes, Partial, Shared
from seqsci.panel.rolling import roll
from seqsci.panel.units import to_units
from seqsci.sequences import Sequences

THREADS = 2


def simulated(model: Model, series: int, days: int, seed: int) -> pd.DataFrame:
    """A wide frame of percent returns; parameters differ from series to series."""
    rng = np.random.default_rng(seed)
    kinds = 20
    columns = []
    for k in range(kinds):
        phi, f = rng.uniform(0.93, 0.99), rng.uniform(0.85, 0.95)
        truth = model.start_at(mean=rng.uniform(0, 0.08), persistence=phi, memory=f, intercept=rng.uniform(0.8, 2.5) * (1 - phi))
        count = series // kinds + (k < series % kinds)
        columns.append(truth.simulate(count * (days + 250), seed + k).outcome["log_return"].reshape(count, days + 250)[:, 250:])
    values = np.concatenate(columns)[rng.permutation(series)]
    return pd.DataFrame(values.T, columns=[f"s{i}" for i in range(series)])


def arch_one(y: np.ndarray, settings: dict[str, Any]) -> float:
    """Log-likelihood of one fit of arch, with its robust standard errors computed."""
    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = arch_model(y, **settings).fit(disp="off", show_warning=False)
        _ = result.std_err
    return float(result.loglikelihood)


def arch_all(frame: pd.DataFrame, settings: dict[str, Any]) -> tuple[float, np.ndarray]:
    """Seconds a series on two processes, after their start, and the log-likelihoods."""
    with Parallel(n_jobs=2) as pool:
        pool(delayed(arch_one)(frame.iloc[:, i].to_numpy(), settings) for i in range(4))
        clock = time.perf_counter()
        found = pool(delayed(arch_one)(frame[c].to_numpy(), settings) for c in frame)
        return (time.perf_counter() - clock) / frame.shape[1], np.array(found)


def race(model: Model, frame: pd.DataFrame, settings: dict[str, Any], sample: int, label: str) -> dict[str, float]:
    """Our panel on all series against arch on a sample of them."""
    clock = time.perf_counter()
    panel = fit_panel(model, frame, unit="percent", threads=THREADS)
    ours = (time.perf_counter() - clock) / frame.shape[1]
    chosen = np.random.default_rng(1).choice(frame.shape[1], min(sample, frame.shape[1]), replace=False)
    theirs, loglik = arch_all(frame.iloc[:, chosen], settings)
    ok = panel.table["status"].to_numpy()[chosen] == "ok"
    gap = float((loglik - panel.table["log_likelihood"].to_numpy()[chosen])[ok].max())
    best = MaximumLikelihood(starts=8, profile_bounds=False)
    several = [
        best.fit(model, Sequences({"log_return": frame.iloc[:, i].to_numpy()}, measure={"log_return": "percent"})).log_likelihood
        for i in chosen[:200]
    ]
    own = float(np.max(np.array(several) - panel.table["log_likelihood"].to_numpy()[chosen[:200]]))
    failed = float((panel.table["status"] != "ok").mean())
    head = f"{label:<34}{frame.shape[1]:>8,}{1e3 * ours:>9.3f}{1e3 * theirs:>9.2f} ({len(chosen)})"
    print(f"{head}{theirs / ours:>9.1f}{gap:>12.2e}{own:>12.2e}{failed:>8.1%}")
    return {"speedup": theirs / ours, "gap": max(gap, own), "failed": failed}


def real_job(model: Model, series: int, label: str) -> float:
    """Minutes of 3,000 series x 60 refits, each on 2,500 days, with the forecasts of the days between; timed on ``series`` of them."""
    frame = simulated(models.tarch_t().start_at(rotation=0.5, degrees_of_freedom=6.0), series, 2500 + 60 * 5, 8)
    units = to_units(model, frame, unit="percent")
    clock = time.perf_counter()
    found = roll(model, units, np.full(series, 2500), 5, 2500, ROLLING, (0.01, 0.05), THREADS)
    minutes = (time.perf_counter() - clock) / 60 * 3000 / series
    facts = f"{found.refits:,} refits, {len(found.rows):,} forecasts, {len(found.failures)} series failed"
    scaled = "" if series == 3000 else f" (scaled from {series} series)"
    print(f"{label}: 3,000 series x 60 refits on 2,500 days: {minutes:.2f} minutes{scaled}; {facts}", flush=True)
    return minutes


CENTRE = {"mean": 0.04, "persistence": 3.2, "intercept": -3.0, "memory": 2.0}
"""Centre of the simulated population on the raw scale."""


def population(units: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Series of 250 days whose raw parameters are normal around `CENTRE` (sd .4; of the mean .03), and these."""
    rng = np.random.default_rng(seed)
    garch = models.garch_normal()
    table = {p.name: p.constraint for p in garch.kernel_parameters}
    raw = np.array([[m + (0.03 if n == "mean" else 0.4) * rng.normal() for n, m in CENTRE.items()] for _ in range(units)])
    columns = {}
    for i, point in enumerate(raw):
        truth = garch.start_at(**{n: float(table[n].forward(r)) for n, r in zip(CENTRE, point, strict=True)})
        columns[f"u{i}"] = truth.simulate(550, 1000 * seed + i).outcome["log_return"][300:]
    return pd.DataFrame(columns), raw


def pooling() -> dict[str, float]:
    """Error of estimates on the raw scale, 500 series of 250 days from one population: pooled over by themselves."""
    garch = models.garch_normal()
    table = {p.name: p.constraint for p in garch.kernel_parameters}
    frame, raw = population(500, 4)
    centre, errors, figures = CENTRE, {}, {}
    for name, estimator in (("alone", PANEL), ("partial", EmpiricalBayes(Partial())), ("shared", EmpiricalBayes(Shared()))):
        clock = time.perf_counter()
        found = fit_panel(garch, frame, unit="percent", estimator=estimator, threads=THREADS)
        seconds = time.perf_counter() - clock
        ours = np.clip(np.column_stack([[table[n].inverse(v) for v in found.table[n]] for n in centre]), -8, 8)
        errors[name] = np.sqrt(np.mean((ours - raw) ** 2, axis=0))
        told = ", ".join(f"{n} {e:.3f}" for n, e in zip(centre, errors[name], strict=True))
        print(f"500 series of 250 days, {name:<8} RMSE on the raw scale {told}  ({seconds:.1f} s)")
        figures[f"pooling_seconds_{name}"] = seconds
    for j, n in enumerate(centre):
        figures[f"pooling_rmse_ratio_{n}"] = float(errors["partial"][j] / errors["alone"][j])
    return figures


def starts() -> dict[str, float]:
    """Default cell, 150 series of 2,500 days: how far two and four starting points stay below the best of twelve."""
    cell = models.default()
    frame = simulated(models.tarch_t().start_at(rotation=0.5, degrees_of_freedom=6.0), 150, 2500, 5)

    def highest(count: int, far: float) -> np.ndarray:
        chosen = replace(PANEL, starts=count, far=far)
        return fit_panel(cell, frame, unit="percent", estimator=chosen, threads=THREADS).table["log_likelihood"].to_numpy()

    best, figures = highest(12, np.inf), {}
    for count, far in ((2, PANEL.far), (4, np.inf)):
        below = best - highest(count, far)
        figures |= {f"starts_{count}_share_below": float((below > 1e-3).mean()), f"starts_{count}_worst": float(below.max())}
        print(
            f"default cell, {count} starts: {(below > 1e-3).mean():.1%} of 150 series more than .001 below twelve, worst {below.max():.2f}"
        )
    return figures


def held_out() -> dict[str, float]:
    """GARCH, 150 series of 250 days from one population: RMSE of the log odds of memory with and without the rule of kept priors."""
    frame, raw = population(150, 11)
    memory, figures = {p.name: p.constraint for p in models.garch_normal().parameters}["memory"], {}
    for key, rule in (("without", False), ("with", True)):
        estimator = EmpiricalBayes(Partial(held_out=rule))
        found = fit_panel(models.garch_normal(), frame, unit="percent", estimator=estimator, threads=THREADS).table["memory"]
        error = float(np.sqrt(np.mean((np.array([memory.inverse(v) for v in found]) - raw[:, -1]) ** 2)))
        figures[f"partial_rmse_memory_{key}_rule"] = error
        print(f"partial pooling {key} the rule of kept priors: RMSE of the log odds of memory {error:.3f}")
    return figures


def cold() -> float:
    """Seconds of a new process with an empty cache from import to the end of a panel of ten series."""
    import os
    import tempfile

    code = (
        "import numpy as np, pandas as pd; from seqsci import fit_panel; from seqsci.domains.finance import models\n"
        "y = np.random.default_rng(0).normal(size=(500, 10)); fit_panel(models.garch_normal(), pd.DataFrame(y), unit='percent')"
    )
    with tempfile.TemporaryDirectory() as folder:
        clock = time.perf_counter()
        environment = {**os.environ, "SEQSCI_CACHE": folder, "NUMBA_CACHE_DIR": folder}
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
        return time.perf_counter() - clock


def main() -> None:
    """Run everything and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    garch, cell = models.garch_normal(), models.default()
    for model in (garch, cell):
        fit_panel(model, simulated(models.garch_normal(), 20, 300, 9), unit="percent", threads=THREADS)
    count = 1000 if quick else 10_000
    print(f"{'':<34}{'series':>8}{'ours':>9}{'arch [ms] (of)':>15}{'ratio':>9}{'arch-ours':>12}{'8 starts':>12}{'failed':>8}")
    figures: dict[str, float] = {}
    speedups, gaps = [], []
    for days in (1000, 2500):
        frame = simulated(garch, count, days, days)
        found = race(garch, frame, {}, 60 if quick else 200, f"GARCH(1,1) of {days:,} days")
        speedups.append(found["speedup"])
        gaps.append(found["gap"])
        figures[f"panel_speedup_vs_arch_{days}"] = found["speedup"]
        figures[f"panel_failed_share_{days}"] = found["failed"]
    figures |= {"panel_speedup_vs_arch": min(speedups), "panel_loglik_worst_gap": max(gaps)}
    tarch = {"power": 1.0, "o": 1, "dist": "t"}
    frame = simulated(models.tarch_t().start_at(rotation=0.5, degrees_of_freedom=6.0), 200 if quick else 1000, 2500, 5)
    found = race(cell, frame, tarch, 20 if quick else 60, "default cell / arch TARCH-t, 2,500")
    figures["panel_speedup_cell_vs_tarch"] = found["speedup"]
    for series in (100, 1000, 10_000) if quick else (100, 1000, 10_000, 100_000):
        frame = simulated(garch, series, 250, 7)
        clock = time.perf_counter()
        fit_panel(garch, frame, unit="percent", threads=THREADS)
        figures[f"panel_ms_per_series_{series}"] = 1e3 * (time.perf_counter() - clock) / series
        print(f"GARCH(1,1) of 250 days, {series:>7,} series: {figures[f'panel_ms_per_series_{series}']:.3f} ms a series")
    figures["panel_bytes_peak"] = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures["panel_cold_start_s"] = cold()
    frame = simulated(garch, 500 if quick else 10_000, 250, 3)
    clean = fit_panel(garch, frame, unit="percent", threads=THREADS).table
    poisoned = frame.copy()
    bad = np.random.default_rng(2).choice(frame.shape[1], frame.shape[1] // 100, replace=False)
    for j, i in enumerate(bad):
        values = poisoned.iloc[:, i].to_numpy().copy()
        values[:] = (np.nan, 1.0, values, values)[j % 4]
        values[17] = (np.nan, 1.0, np.inf, 1e9)[j % 4]
        poisoned.isetitem(i, values)
    dirty = fit_panel(garch, poisoned, unit="percent", threads=THREADS).table
    rest = np.setdiff1d(np.arange(frame.shape[1]), bad)
    same = clean.iloc[rest].drop(columns="seconds").equals(dirty.iloc[rest].drop(columns="seconds"))
    figures["poisoned_others_bit_equal"] = float(same)
    print(f"1 % poisoned: the other {len(rest):,} rows are {'bit-equal' if same else 'DIFFERENT'}")
    few = 60
    figures["realjob_minutes"] = real_job(cell, few if quick else 3000, "default cell")
    figures["realjob_minutes_garch"] = real_job(garch, few if quick else 3000, "GARCH(1,1)")
    figures |= pooling() | starts() | held_out()
    figures["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
