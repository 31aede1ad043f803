"""How many sequences of how many steps: widths of intervals by simulation, before data are collected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqsci.errors import ParameterError, SeqsciError, did_you_mean, explain
from seqsci.estimation.identifiability import weak_parameters
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.replicates import on_threads, simulated
from seqsci.estimation.result import Fit
from seqsci.model import Model

Array = np.ndarray
CERTAINTY = 0.99
"""Level of the exact binomial interval of a coverage."""


@dataclass(frozen=True)
class DesignCell:
    """What one design gives for one parameter or derived quantity, over the replicates that could be fitted.

    Attributes:
        units, rows: number of sequences, and steps of each.
        name, truth: of the quantity, and its value in the simulation.
        width, wide: median and 90 % quantile of the interval's width on the natural scale; infinite where there was no interval.
        coverage, low, high: share of the intervals that hold the truth, with its exact binomial interval of level `CERTAINTY`.
        rmse: root mean squared error of the estimate; infinite where an estimate is.
        at_bound, weak: shares of the replicates in which the parameter sat at a bound, and in which it was weakly or not identified
            (NaN for a derived quantity).
        failures: share of all replicates that could not be fitted.
    """

    units: int
    rows: int
    name: str
    truth: float
    width: float
    wide: float
    coverage: float
    low: float
    high: float
    rmse: float
    at_bound: float
    weak: float
    failures: float


@dataclass(frozen=True)
class DesignTable:
    """Result of `design_table`; printing it gives every cell."""

    model: str
    level: float
    replicates: int
    seed: int
    cells: tuple[DesignCell, ...]
    reasons: tuple[tuple[int, int, str], ...]
    """Units, rows and reason of each distinct failure."""

    def __str__(self) -> str:
        names = f"{'n':>6}{'T':>7}  {'quantity':<22}{'truth':>10}{'width':>10}{'90 %':>10}"
        head = f"{names}{'cover':>8}  {'99 % interval':<15}{'rmse':>10}{'bound':>7}{'weak':>7}{'failed':>8}"
        lines = [
            f"{c.units:>6}{c.rows:>7}  {c.name:<22}{c.truth:>10.4g}{c.width:>10.4g}{c.wide:>10.4g}{c.coverage:>8.1%}"
            f"  {f'{c.low:.1%} .. {c.high:.1%}':<15}{c.rmse:>10.4g}{_share(c.at_bound):>7}{_share(c.weak):>7}{_share(c.failures):>8}"
            for c in self.cells
        ]
        title = (
            f"{self.model}: widths of {self.level:.0%} intervals, n sequences of T steps, {self.replicates} replicates, seed {self.seed}"
        )
        notes = [f"n = {n}, T = {t}, failed: {reason}" for n, t, reason in self.reasons]
        return "\n".join([title, head, "-" * len(head), *lines, *notes])

    def cell(self, units: int, rows: int, name: str) -> DesignCell:
        """The cell of a design and a quantity; raises `ParameterError` where the table has none."""
        for c in self.cells:
            if (c.units, c.rows, c.name) == (units, rows, name):
                return c
        got, have = f"n = {units}, T = {rows}, {name!r}", ", ".join(dict.fromkeys(f"{c.units} x {c.rows}" for c in self.cells))
        raise ParameterError(explain("no such cell", got, f"one of {have}, and a quantity of the model", "ask for one of the table"))

    def needed(self, name: str, width: float) -> DesignCell:
        """The smallest design of the table, by steps in all, whose median interval is at most so wide.

        Raises `ParameterError` for a name that is not in the table, and where no design reaches the width; the error then says how many
        steps in all the law ``width ~ 1 / sqrt(n T)`` asks for.
        """
        mine = [c for c in self.cells if c.name == name]
        if not mine:
            names = list(dict.fromkeys(c.name for c in self.cells))
            raise ParameterError(
                explain(f"no quantity {name!r}{did_you_mean(name, names)}", name, ", ".join(names), "use one of these names")
            )
        reaching = [c for c in mine if c.width <= width]
        if reaching:
            return min(reaching, key=lambda c: (c.units * c.rows, c.units))
        best = min(mine, key=lambda c: c.width)
        got = f"at best {best.width:.4g}, with {best.units} x {best.rows} steps"
        steps = best.units * best.rows * (best.width / width) ** 2 if math.isfinite(best.width) and width > 0 else math.inf
        fix = f"try designs of about {steps:,.0f} steps in all" if math.isfinite(steps) else "try larger designs"
        raise ParameterError(explain(f"no design of the table gives {name} an interval of {width:g}", got, f"<= {width:g}", fix))


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0%}"


@dataclass(frozen=True)
class _Seen:
    """One quantity in one replicate."""

    value: float
    low: float
    high: float
    at_bound: bool
    weak: bool


def design_table(
    model: Model | Fit,
    units: Sequence[int],
    rows: Sequence[int],
    replicates: int = 200,
    seed: int = 0,
    known: Mapping[str, Array] | None = None,
    estimator: MaximumLikelihood | None = None,
    level: float = 0.95,
    threads: int | None = None,
) -> DesignTable:
    """Simulate n sequences of T steps that share the model's values, fit them together, and tell how wide the intervals come out.

    Args:
        model: its values are the truth, its fixed parameters stay fixed. A fit stands for its estimates; a model that was never fitted has
            the declared defaults, so state them: ``model.start_at(memory=0.9, ...)``.
        units, rows: the designs: every n with every T. Each sequence starts anew.
        replicates, seed: of each design; the same seed gives the same table, whatever the number of threads.
        known: known columns by name, (T,) for all sequences or (n, T), as long as the largest design; smaller ones take their first part.
        estimator: default `MaximumLikelihood()`, which wants 50 observed rows in all.
        level: of the intervals.

    A replicate that cannot be fitted counts among the failures. Raises `DataError` for a known column that is missing or short, and
    `ParameterError` for a design without sequences, steps or replicates.
    """
    model = model.model if isinstance(model, Fit) else model
    if not units or not rows or min(*units, *rows, replicates) < 1:
        got = f"units {tuple(units)}, rows {tuple(rows)}, {replicates} replicates"
        raise ParameterError(explain("an empty design", got, "at least one of each, all >= 1", "e.g. units=(1, 5), rows=(250, 1000)"))
    estimator = estimator or MaximumLikelihood()
    truth = {**{n: v for n, v in model.values if n in model.free_names}, **model.derived_values}
    cells: list[DesignCell] = []
    reasons: dict[tuple[int, int, str], None] = {}
    for n in units:
        for t in rows:

            def replicate(i: int, n: int = n, t: int = t) -> dict[str, _Seen] | str:
                data = simulated(model, t, (seed, n, t, i), units=n, known=known)
                try:
                    return _seen(estimator.fit(model, data), level)
                except SeqsciError as error:
                    return str(error).splitlines()[0]

            found = on_threads(replicate, replicates, threads)
            fitted = [r for r in found if not isinstance(r, str)]
            reasons |= {(n, t, r): None for r in found if isinstance(r, str)}
            failures = 1 - len(fitted) / len(found)
            for name, value in truth.items():
                mine = [r[name] for r in fitted]
                if not mine or any(s.high != s.low for s in mine):  # else it follows from fixed parameters alone
                    cells.append(_cell(n, t, name, value, mine, failures, name in model.free_names))
    return DesignTable(model.name, level, replicates, seed, tuple(cells), tuple(reasons))


def _seen(fit: Fit, level: float) -> dict[str, _Seen]:
    weak = weak_parameters(fit)
    free = {*fit.free_names, *fit.at_bound}
    rows = [*(e for e in fit.unflagged(level) if e.name in free), *fit.derived(level)]
    return {e.name: _Seen(e.value, e.low, e.high, e.name in fit.at_bound, e.name in weak) for e in rows}


def _cell(units: int, rows: int, name: str, truth: float, found: list[_Seen], failures: float, parameter: bool) -> DesignCell:
    from scipy.stats import binomtest

    if not found:
        return DesignCell(units, rows, name, truth, *(math.nan,) * 8, failures)
    widths = np.array([s.high - s.low for s in found])
    widths = np.where(np.isnan(widths), math.inf, widths)
    off = np.array([s.value - truth for s in found])
    hits = sum(s.low <= truth <= s.high for s in found)
    exact = binomtest(hits, len(found)).proportion_ci(CERTAINTY, "exact")
    order = np.sort(widths)  # quantiles by order, so that infinite ones stay infinite instead of NaN
    width, wide = (float(order[math.ceil(q * len(order)) - 1]) for q in (0.5, 0.9))
    rmse = float(np.sqrt(np.mean(off**2))) if np.isfinite(off).all() else math.inf
    shares = (float(np.mean([s.at_bound for s in found])), float(np.mean([s.weak for s in found]))) if parameter else (math.nan, math.nan)
    return DesignCell(
        units, rows, name, truth, width, wide, hits / len(found), float(exact.low), float(exact.high), rmse, *shares, failures
    )
