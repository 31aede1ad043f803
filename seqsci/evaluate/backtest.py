"""Rolling-origin backtests: every predictor is refitted on the same dates and forecasts the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from seqsci.errors import DataError, SeqsciError, explain
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences

Array = np.ndarray


@dataclass(frozen=True)
class Protocol:
    """How a backtest is run.

    Attributes:
        first, last: row numbers of the scored rows, ``first <= t < last``.
        refit: rows between refits; all predictors are refitted at the same rows.
        window: rows of the training window, None for an expanding one.
        label: "development" (looked at while the model was made) or "confirmation" (not looked at before).
        name: name of the window for tables.
    """

    first: int
    last: int
    refit: int = 60
    window: int | None = None
    label: str = "development"
    name: str = "test window"

    def __post_init__(self) -> None:
        if not 0 < self.first < self.last or self.refit < 1 or self.label not in ("development", "confirmation"):
            raise DataError(
                explain(
                    "the backtest's protocol is not usable",
                    self,
                    "0 < first < last, refit >= 1, label development or confirmation",
                    "correct it",
                )
            )


@dataclass(frozen=True, eq=False)
class Path:
    """Forecasts of one predictor: arrays over the scored rows.

    Attributes:
        mean, variance: of each row's predictive distribution, in the unit of the outcome (its square).
        log_density: log predictive density of the outcome.
        below: by level, whether the outcome fell below that quantile.
        seconds: time spent on fitting and predicting.
    """

    name: str
    mean: Array
    variance: Array
    log_density: Array
    below: Mapping[float, Array]
    seconds: float


@dataclass(frozen=True, eq=False)
class Backtest:
    """All paths on the same rows.

    Attributes:
        protocol: the protocol that was run.
        y: (rows,) outcomes; index: their labels; center: mean outcome of the first training window.
        factor: multiplies the outcome to give percent (100 for decimal data).
        paths: by predictor name.
        returns: whether the outcome is a return (measured in decimal or percent), of which the variance is forecast.
        rows: row numbers, in the sequences, of what was scored.
        skipped: predictors that could not be run on these rows (not the first one, whose errors are raised), with the reason.
    """

    protocol: Protocol
    y: Array
    index: Array | None
    center: float
    factor: float
    paths: Mapping[str, Path]
    skipped: Mapping[str, str] = field(default_factory=dict)
    rows: Array | None = None
    returns: bool = True


def backtest(
    predictors: Sequence[Predictor],
    sequences: Sequences,
    outcome: str,
    protocol: Protocol,
    levels: tuple[float, ...] = (0.01, 0.05),
    progress: Callable[[str], None] | None = None,
) -> Backtest:
    """Run every predictor through the protocol. A forecast of row t uses parameters fitted before its last refit and rows before t.

    Missing outcomes are not scored. A predictor other than the first that refuses the data is left out, with its reason.
    """
    if protocol.last > len(sequences):
        raise DataError(
            explain("the backtest reaches past the data", f"last = {protocol.last}", f"at most {len(sequences)} rows", "shorten the window")
        )
    names = [p.name for p in predictors]
    if len(set(names)) < len(names):
        raise DataError(explain("two predictors have the same name", names, "distinct names", "rename one: model.named('...')"))
    y = sequences.column(outcome)
    seen = np.asarray(sequences.observed[protocol.first : protocol.last], bool) & ~np.isnan(y[protocol.first : protocol.last])
    if not seen.any():
        raise DataError(explain("no outcome in the test window", f"{len(seen)} missing rows", "observed rows", "choose another window"))
    start = 0 if protocol.window is None else max(0, protocol.first - protocol.window)
    factor = 100.0 if sequences.measure.get(outcome) == "decimal" else 1.0
    paths, skipped = {}, {}
    for predictor in predictors:
        if progress is not None:
            progress(predictor.name)
        try:
            paths[predictor.name] = _run(predictor, sequences, outcome, protocol, levels, seen)
        except SeqsciError as error:
            if predictor is predictors[0]:
                raise
            skipped[predictor.name] = str(error).splitlines()[0]
    index = None if sequences.index is None else sequences.index[protocol.first : protocol.last][seen]
    center = float(np.nanmean(y[start : protocol.first]))
    rows = protocol.first + np.flatnonzero(seen)
    returns = sequences.measure.get(outcome) in ("decimal", "percent")
    return Backtest(protocol, y[rows], index, center, factor, paths, skipped, rows, returns)


def _run(predictor: Predictor, sequences: Sequences, outcome: str, protocol: Protocol, levels: tuple[float, ...], seen: Array) -> Path:
    import time

    clock = time.perf_counter()
    fitted: FittedPredictor | None = None
    parts: list[tuple[Array, ...]] = []
    y = sequences.column(outcome)
    for origin in range(protocol.first, protocol.last, protocol.refit):
        start = 0 if protocol.window is None else max(0, origin - protocol.window)
        fitted = predictor.fit(sequences.rows(start, origin), fitted)
        stop = min(origin + protocol.refit, protocol.last)
        rows = stop - origin
        distribution = fitted.predict_rows(sequences.rows(origin, stop))
        here = y[origin:stop]
        kept = seen[origin - protocol.first : stop - protocol.first]
        below = [here < distribution.quantile(level) for level in levels]
        columns = (distribution.mean, distribution.variance, distribution.log_density(np.where(kept, here, 0.0)), *below)
        parts.append(tuple(np.broadcast_to(c, (rows,))[kept] for c in columns))
    mean, variance, density, *flags = (np.concatenate(c) for c in zip(*parts, strict=True))
    return Path(predictor.name, mean, variance, density, dict(zip(levels, flags, strict=True)), time.perf_counter() - clock)
