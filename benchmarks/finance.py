"""The volatility cell against arch: fidelity, accuracy on four windows, speed. Last line: JSON.

python -m benchmarks.finance            every baseline fitted by arch
python -m benchmarks.finance --quick    the same data and protocol; GARCH-t, GJR-t and TARCH-t fitted by our own restrictions,
                                        which reach arch's likelihood (shown in the first table)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.domains.finance import models
from seqsci.domains.finance.baselines import BASELINES
from seqsci.domains.finance.data import load_series, load_sp500_windows
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import Sandwich, observed_information
from seqsci.evaluate.backtest import Protocol, backtest
from seqsci.evaluate.compare import compare
from seqsci.evaluate.comparison import Comparison
from seqsci.frames import to_sequences
from seqsci.model import Model
from seqsci.predictor import ModelPredictor, Predictor, SelectedPredictor
from seqsci.sequences import Sequences

FAMILIES: dict[str, tuple[Callable[[], Model], dict[str, object], int]] = {
    "GARCH-n": (models.garch_normal, {}, 2),
    "GARCH-t": (models.garch_t, {"dist": "t"}, 2),
    "GJR-t": (models.gjr_t, {"o": 1, "dist": "t"}, 2),
    "TARCH-t": (models.tarch_t, {"o": 1, "power": 1.0, "dist": "t"}, 1),
}


@dataclass(frozen=True)
class Window:
    """A test window: key, first and last test date, first training date, label."""

    key: str
    first: str
    last: str
    train_from: str
    label: str


WINDOWS = (
    Window("w1985_98", "1985-01-01", "1998-12-31", "1971-01-01", "development"),
    Window("w2000_12", "2000-01-01", "2012-12-31", "1990-01-01", "development"),
    Window("w2013_18", "2013-01-01", "2018-12-31", "1999-01-01", "development"),
    Window("w2019_22", "2019-01-01", "2022-12-31", "1999-01-01", "development"),
)
"""All of them have been looked at: see docs/finance.md, "How the windows were used"."""


def percent(name: str) -> Sequences:
    """A series that ships with arch, in percent."""
    frame = load_series(name)
    return Sequences({"log_return": 100 * frame["y"].to_numpy()}, measure={"log_return": "percent"}, index=frame["ds"].to_numpy())


def arch_fit(returns: np.ndarray, settings: Mapping[str, object]) -> object:
    """arch's fit with a constant mean."""
    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return arch_model(returns, **settings).fit(disp="off")  # type: ignore[arg-type]


def natural(theta: np.ndarray, keys: list[str], names: list[str]) -> np.ndarray:
    """Our parameters from arch's, without putting arch's rounding past a bound back onto it."""
    p = dict(zip(keys, theta, strict=True))
    news = p["alpha[1]"] + p.get("gamma[1]", 0.0) / 2
    share = {"mean": p["mu"], "persistence": news + p["beta[1]"], "memory": p["beta[1]"] / (news + p["beta[1]"]), "intercept": p["omega"]}
    share |= {"rotation": p.get("gamma[1]", 0.0) / (2 * news), "degrees_of_freedom": p.get("nu", 0.0), "shift": 0.0}
    return np.array([share[n] for n in names])


def arch_errors(model: Model, sequences: Sequences, parameters: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Our sandwich standard errors in arch's own parameters, at arch's estimate: the score is chained through the renaming.

    First with arch's estimator (an ordinary Hessian), then by our rule, which steps over kinks (TARCH's mean moves one).
    """
    packed, kernel = model.pack(sequences), model.kernel()
    names, keys = [p.name for p in model.kernel_parameters], list(parameters)

    def score(theta: np.ndarray, full: bool) -> tuple[np.ndarray, np.ndarray]:
        found = kernel.score(natural(theta, keys, names), packed)
        steps = 1e-6 * np.maximum(np.abs(theta), 1e-3) * np.eye(len(theta))
        columns = [(natural(theta + h, keys, names) - natural(theta - h, keys, names)) / (2 * h.sum()) for h in steps]
        jacobian = np.column_stack(columns)
        return jacobian.T @ found.gradient, jacobian.T @ found.outer @ jacobian

    theta = np.array([parameters[k] for k in keys], float)
    ordinary = np.zeros(len(keys), bool)
    rough = np.array([k == "mu" for k in keys]) if kernel.program.kinked else ordinary
    outer = score(theta, True)[1]

    def errors(marked: np.ndarray) -> np.ndarray:
        return np.sqrt(np.diag(Sandwich().estimate(outer, lambda: observed_information(score, theta, marked))))

    return errors(ordinary), errors(rough)


def fidelity() -> dict[str, float]:
    """Our likelihood and standard errors at arch's estimates, and our own fit against arch's."""
    print("series  model        log L arch  rel. error  ours - arch  s.e. error  by our rule for kinks")
    worst_l, worst_se, worst_rule, worst_gap = 0.0, 0.0, 0.0, np.inf
    for series in ("sp500", "nasdaq", "wti"):
        sequences = percent(series)
        for label, (build, settings, _) in FAMILIES.items():
            result: Any = arch_fit(sequences.outcome["log_return"], settings)
            parameters, model = dict(result.params), build()
            names = [p.name for p in model.kernel_parameters]
            theta = np.array(list(parameters.values()), float)
            ours = -model.kernel().score(natural(theta, list(parameters), names), model.pack(sequences)).nll
            error = abs(ours / result.loglikelihood - 1)
            gap = MaximumLikelihood().fit(model, sequences).log_likelihood - result.loglikelihood
            first, rule = (np.abs(e / np.asarray(result.std_err) - 1) for e in arch_errors(model, sequences, parameters))
            worst_l, worst_gap = max(worst_l, error), min(worst_gap, gap)
            worst_se, worst_rule = max(worst_se, float(first.max())), max(worst_rule, float(rule.max()))
            where = list(parameters)[int(np.argmax(rule))]
            head = f"{series:<8}{label:<9}{result.loglikelihood:>14.3f}{error:>12.1e}{gap:>+13.5f}"
            print(f"{head}{first.max():>12.2%}{rule.max():>12.2%} ({where})")
    figures = {"loglik_rel_error_max": worst_l, "loglik_fit_gap_min": worst_gap, "se_rel_error_max": worst_se}
    return figures | {"se_kink_rule_difference_max": worst_rule}


def accuracy(quick: bool) -> dict[str, float | None]:
    """Paired differences on the four windows, with arch's or our own baselines."""
    frame = load_sp500_windows()
    only = None
    if frame is None:
        print("files of 1971-2022 are not there (SEQSCI_DATA): only 2013-18, from the data that ship with arch")
        frame, only = load_series("sp500"), "w2013_18"
    table: dict[str, float | None] = {}
    for window in WINDOWS:
        if only is not None and window.key != only:
            continue
        comparison, alone, free = _window(frame, window, quick)
        print(f"\n{comparison}\n")
        for d in comparison.differences:
            short = _short(d.baseline)
            if d.score in ("QLIKE", "NLL", "RV-QLIKE"):
                kind = {"QLIKE": "qlike", "NLL": "nll", "RV-QLIKE": "rvqlike"}[d.score]
                table[f"{window.key}_d{kind}_{short}"] = round(d.mean, 5)
                table[f"{window.key}_p_{short}" if kind == "qlike" else f"{window.key}_p_{kind}_{short}"] = round(d.p_value, 4)
        for short in ("tarch", "gjr", "garch"):
            for prefix, table_of in (("", comparison), ("free_", free)):
                found = [d for d in table_of.differences if _short(d.baseline) == short and d.score in ("QLIKE", "NLL")]
                table[f"{window.key}_{prefix}worse_than_{short}"] = float(any(d.mean > 0 and d.significant for d in found))
                table[f"{window.key}_{prefix}better_than_{short}"] = float(any(d.mean < 0 and d.significant for d in found))
        print("the cell with its shift always free:")
        for d in free.differences:
            short = _short(d.baseline)
            if short in ("tarch", "gjr", "garch") and d.score in ("QLIKE", "NLL"):
                kind = d.score.lower()
                table[f"{window.key}_free_d{kind}_{short}"] = round(d.mean, 5)
                table[f"{window.key}_free_p_{kind}_{short}"] = round(d.p_value, 4)
                verdict = d.verdict.replace("we are", "it is").replace("WE ARE", "IT IS")
                print(f"  free - {d.baseline}, {d.score}: {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}] p {d.p_value:.3f}: {verdict}")
        print("S (shift without slope), as what it is:")
        for d in alone.differences:
            if d.baseline.startswith("TARCH") and d.score != "MSE":
                verdict = d.verdict.replace("we are", "S is").replace("WE ARE", "S IS")
                print(f"  S - TARCH-t, {d.score}: {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}] p {d.p_value:.3f}: {verdict}")
    return table


TRIED_BEFORE = 28
"""About 25 variants of the cell and three rules of selection were looked at on these rows before (docs/finance.md)."""


def _short(name: str) -> str:
    """Key of a baseline: tarch, gjr, garch (Student t), garchn, egarch, har, ewma, s, seqsci."""
    head = name.split(" ")[0].lower()
    return "garchn" if head == "garch-n" else head.split("-")[0]


def _window(frame: object, window: Window, quick: bool) -> tuple[Comparison, Comparison, Comparison]:
    ds = frame["ds"].to_numpy()  # type: ignore[index]
    part = frame[ds >= np.datetime64(window.train_from)].reset_index(drop=True)  # type: ignore[index]
    part.attrs["unit"] = "decimal"
    model = models.default()
    sequences = to_sequences(model, part)
    dates = part["ds"].to_numpy()
    first, last = (int(np.searchsorted(dates, np.datetime64(d), side=s)) for d, s in ((window.first, "left"), (window.last, "right")))
    protocol = Protocol(first, last, 60, None, window.label, f"S&P 500, {window.first[:4]}-{window.last[:4]}")
    own: tuple[Predictor, ...] = tuple(ModelPredictor(b()) for b in (models.garch_t, models.gjr_t, models.tarch_t))
    outside = tuple(b for b in BASELINES if b.name in ("GARCH-t", "GJR-t", "TARCH-t", "EGARCH-t", "GARCH-n", "HAR", "EWMA"))
    ours, shift = SelectedPredictor(model, models.RESTRICTION), ModelPredictor(models.shift_only())
    free = ModelPredictor(model.named("volatility cell (free)"))
    test = backtest((ours, shift, free, *(own if quick else outside)), sequences, "log_return", protocol)
    realized = _realized(part, first, last)
    tried = len(test.paths) + TRIED_BEFORE
    main, alone, always = (compare(test, p.name, tried, realized) for p in (ours, shift, free))
    return main, alone, always


def _realized(part: object, first: int, last: int) -> np.ndarray | None:
    """Realized variance in percent^2, put on the level of squared close-to-close returns by one factor for the whole window."""
    if "realized_variance" not in part.columns:  # type: ignore[attr-defined]
        return None
    rv = 1e4 * part["realized_variance"].to_numpy(float)[first:last]  # type: ignore[index]
    squared = (100 * part["y"].to_numpy(float)[first:last]) ** 2  # type: ignore[index]
    if not np.isfinite(rv).all() or (rv <= 0).any():
        return None
    return np.asarray(rv * squared.mean() / rv.mean())


def clock(function: Callable[[], object], repeats: int) -> float:
    """Fastest of several calls [s]."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def speed() -> dict[str, float]:
    """Warm fits with standard errors, one thread, arch in the same run; the likelihood pass as the floor of any fit; a cold start."""
    sequences = percent("sp500")
    returns = sequences.outcome["log_return"]
    garch, cell = models.garch_normal(), models.default()
    one = MaximumLikelihood(starts=1, profile_bounds=False)
    one.fit(garch, sequences), one.fit(cell, sequences)
    ours, theirs = np.inf, np.inf
    for _ in range(12):
        ours = min(ours, clock(lambda: one.fit(garch, sequences).covariance(), 3))
        theirs = min(theirs, clock(lambda: arch_fit(returns, {}).std_err, 1))  # type: ignore[attr-defined]
    cell_one, cell_default = (
        clock(lambda: one.fit(cell, sequences).covariance(), 30),
        clock(lambda: MaximumLikelihood().fit(cell, sequences), 10),
    )
    profiles = clock(lambda: MaximumLikelihood().fit(cell, sequences).profiles, 3) - cell_default
    tarch = clock(lambda: arch_fit(returns, {"o": 1, "power": 1.0, "dist": "t"}).std_err, 5)  # type: ignore[attr-defined]
    packed, kernel, values = garch.pack(sequences), garch.kernel(), garch.kernel_values
    floor = clock(lambda: kernel.score(values, packed), 200)
    with tempfile.TemporaryDirectory() as folder:
        code = (
            "import time; t = time.perf_counter(); from seqsci.domains.finance import models; from benchmarks.finance import percent;"
            "from seqsci.estimation.maximum_likelihood import MaximumLikelihood; s = percent('sp500');"
            "MaximumLikelihood().fit(models.default(), s); print(time.perf_counter() - t)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "SEQSCI_CACHE": folder, "NUMBA_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
        )
        cold = float(done.stdout)
    print(f"\nspeed on {len(returns)} returns, warm, one thread (fastest of several)        ratio     [ms]")
    garch_row, cell_row = f"{1e3 * ours:.2f} / {1e3 * theirs:.1f}", f"{1e3 * cell_one:.1f} / {1e3 * tarch:.1f}"
    print(f"  GARCH-n fit with robust standard errors: ours / arch             1 : {theirs / ours:<6.1f} {garch_row}")
    print(f"  default cell, one start, with errors / arch TARCH-t              1 : {tarch / cell_one:<6.1f} {cell_row}")
    print(f"  default cell, default fit (4 starts)                                        {1e3 * cell_default:.1f}")
    print(f"  its profile intervals, traced when first asked for                          {1e3 * profiles:.0f}")
    print(f"  one pass of likelihood, score and outer products (floor)                    {1e3 * floor:.3f}")
    print(f"  cold start: import, compile, first fit of the default cell                  {1e3 * cold:.0f}")
    fits = {"fit_speedup_vs_arch": theirs / ours, "cell_fit_ms": 1e3 * cell_one, "default_fit_ms": 1e3 * cell_default}
    return fits | {"profile_intervals_ms": 1e3 * profiles, "cold_start_s": cold}


def startup() -> dict[str, float]:
    """Seconds from a shell to an answer, a new process each, the fastest of five."""
    commands = {
        "import_seconds": ["-c", "import seqsci"],
        "version_seconds": ["-m", "seqsci.cli", "--version"],
        "show_seconds": ["-m", "seqsci.cli", "show", "finance/sp500"],
    }
    bare = clock(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 5)
    found = {
        n: clock(lambda w=words: subprocess.run([sys.executable, *w], check=True, capture_output=True), 5)  # type: ignore[misc]
        for n, words in commands.items()
    }
    found["import_seconds"] -= bare
    for name, value in found.items():
        print(f"  {name:<20}{value:8.3f}")
    return found


def main() -> None:
    """Run everything and print one line of JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    figures: dict[str, float | None] = {**fidelity(), **speed(), **startup(), **accuracy(quick)}
    figures["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
