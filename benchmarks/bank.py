"""Bank against one fit for all and one fit per series: held-out log scores of simulated local levels that differ from series to series.

python -m benchmarks.bank [--quick]; the last line is one line of JSON. The true parameters are continuous (log-normal), so that none lies
on the grid. The first rows of every series are for estimation, the next ones are forecast one step ahead without refit. A difference
is the mean over series of the difference of log scores per row, positive = the bank is better; its 95 % interval resamples series.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.constraints import Positive
from seqsci.domains.finance.models import garch_normal
from seqsci.errors import SeqsciError
from seqsci.estimation.bank import Bank
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.standard_errors import OuterProduct
from seqsci.evaluate.resampling import block_bootstrap_interval
from seqsci.forecast import Distribution, Predictive, one_step
from seqsci.linear_gaussian import LinearGaussian, StateSpace
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.parameter import Parameter
from seqsci.sequences import Sequences

AHEAD = 20


@dataclass(frozen=True)
class LocalLevel(LinearGaussian):
    """A random walk seen with noise."""

    components = ("level",)
    own_parameters = (
        Parameter("step", Positive(), 0.3, "1", r"\sigma_k", "sd of a step of the level"),
        Parameter("error", Positive(), 0.5, "1", r"\sigma_o", "sd of the observation error"),
    )

    def matrices(self, step: Any, error: Any) -> StateSpace:
        return StateSpace(((1,),), ((step**2,),), (1,), error**2, (0,), ((4.0,),))


LEVEL = Model(LocalLevel(), Gaussian())
GRID = {"step": np.geomspace(0.01, 3.0, 14).tolist(), "error": np.geomspace(0.03, 3.0, 12).tolist()}
SINGLE = MaximumLikelihood(min_rows=10, profile_bounds=False, covariance=OuterProduct())


def simulated(series: int, rows: int, seed: int) -> np.ndarray:
    """Outcomes (series, rows); both standard deviations are log-normal, a factor of e^0.8 either way."""
    rng = np.random.default_rng(seed)
    step, error = 0.2 * np.exp(rng.normal(0, 0.8, series)), 0.4 * np.exp(rng.normal(0, 0.8, series))
    models = [LEVEL.start_at(step=a, error=b) for a, b in zip(step, error, strict=True)]
    return np.array([m.simulate(rows, seed * 100_000 + i).outcome["y"] for i, m in enumerate(models)])


def forecast(model: Model, past: Sequences, ahead: Sequences) -> Distribution:
    """One-step forecasts of the rows ahead at the model's values."""
    whole = Sequences({"y": np.r_[past.outcome["y"], ahead.outcome["y"]]})
    return one_step(model, model.filter(whole).reads[len(past) :], model.kernel().program.read_names)


def score(rival: Callable[[Sequences, Sequences], Predictive], y: np.ndarray, rows: int) -> np.ndarray:
    """Mean log density of the held-out rows of each series (series,)."""
    pairs = [(Sequences({"y": s[:rows]}), Sequences({"y": s[rows:]})) for s in y]
    return np.array([rival(past, ahead).log_density(ahead.outcome["y"]).mean() for past, ahead in pairs])


def duel(series: int, rows: int, seed: int) -> dict[str, Any]:
    """Differences of the bank to both rivals at one length of the series."""
    y = simulated(series, rows + AHEAD, seed)
    train = Sequences({"y": y[:, :rows].reshape(-1)}, unit=np.repeat(np.arange(series), rows))
    clock = time.perf_counter()
    bank = Bank(LEVEL, GRID).fit(train)
    spent = time.perf_counter() - clock
    pooled = SINGLE.fit(LEVEL, train)
    failed = 0

    def alone(past: Sequences, ahead: Sequences) -> Distribution:
        nonlocal failed
        try:
            model = SINGLE.fit(LEVEL, past).model
        except SeqsciError:  # such a series keeps the fit for all
            failed += 1
            model = pooled.model
        return forecast(model, past, ahead)

    ours = score(lambda past, ahead: bank.for_unit(past).predict_rows(ahead), y, rows)
    found: dict[str, Any] = {"rows": rows, "bank_seconds": spent, "effective": bank.effective_components}
    for name, rival in (("pooled", lambda past, ahead: forecast(pooled.model, past, ahead)), ("single", alone)):
        difference = ours - score(rival, y, rows)
        interval = block_bootstrap_interval(difference, block_length=1.0)
        found[name] = (float(difference.mean()), interval.low, interval.high)
        print(f"  {rows:4d} rows: bank minus {name:6s} {difference.mean():+.4f} [{interval.low:+.4f}, {interval.high:+.4f}] nats a row")
    effective = f"{bank.effective_components:.1f} effective of {len(bank.bank)} components"
    print(f"  {rows:4d} rows: {effective}, {failed} of {series} single fits failed and took the pooled one")
    return found


def speed(units: int, rows: int) -> float:
    """Seconds of a fit of 50 components, compiled code loaded."""
    model = garch_normal().start_at(mean=0.03, persistence=0.97, memory=0.9, intercept=0.03)
    bank = Bank(model, {"memory": np.linspace(0.5, 0.97, 10).tolist(), "persistence": np.linspace(0.8, 0.99, 5).tolist()})
    data = Sequences(model.simulate(units * rows, seed=1).outcome, unit=np.repeat(np.arange(units), rows))
    bank.fit(data.rows(0, rows))
    clock = time.perf_counter()
    bank.fit(data)
    return time.perf_counter() - clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer series")
    series = 120 if parser.parse_args().quick else 500
    seconds = speed(1000, 200)
    print(f"fit of 1,000 units x 50 components x 200 rows: {seconds:.2f} s")
    print(f"log score of {AHEAD} held-out rows, {series} series of local levels:")
    short, *_ = [duel(series, rows, seed) for seed, rows in enumerate((25, 50, 200), start=1)]
    result = {f"bank_minus_{n}": round(short[n][0], 5) for n in ("pooled", "single")}
    result |= {f"bank_minus_{n}_interval": [round(v, 5) for v in short[n][1:]] for n in ("pooled", "single")}
    print(json.dumps({**result, "seconds": round(seconds, 3)}))


if __name__ == "__main__":
    main()
