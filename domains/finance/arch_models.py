"""Volatility models of the `arch` package as predictors."""

from __future__ import annotations

import importlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from seqsci.baselines.series import complete, following_series, training_series
from seqsci.errors import ConvergenceError, DataError, MissingExtraError, ParameterError, explain
from seqsci.forecast import Distribution, PathForecast
from seqsci.observations.base import Observation
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.skew_t import SkewT
from seqsci.observations.student_t import StudentT
from seqsci.predictor import FittedPredictor, Predictor
from seqsci.sequences import Sequences

if TYPE_CHECKING:
    from arch.univariate.base import ARCHModel, ARCHModelFixedResult
    from arch.univariate.distribution import Distribution as ArchDensity
    from arch.univariate.volatility import VolatilityProcess

Array = np.ndarray
PERCENT = {"decimal": 100.0, "percent": 1.0}
"""Factor from a stated unit of returns to percent: arch's optimiser stalls on decimals."""
FEWEST_RETURNS = 50
"""Fewest training returns."""
TIE = 1e-4
"""Nats within which a converged climb is preferred to a higher one that did not converge."""
RESUMED = 2
"""How often a climb that did not converge is resumed."""


def _arch() -> ModuleType:
    try:
        return importlib.import_module("arch.univariate")
    except ImportError as error:
        raise MissingExtraError("arch", "finance", "a GARCH baseline") from error


class Recursion(ABC):
    """Abstract base: which variance recursion of arch; everything is of order one."""

    @abstractmethod
    def process(self) -> VolatilityProcess:
        """A new volatility process of arch (they hold buffers, so none is shared)."""

    @abstractmethod
    def typical(self, centred: Array) -> Array:
        """Textbook parameters at the sample's size of moves: a start where arch's own leads nowhere (its grid is scored as Gaussian)."""

    @property
    @abstractmethod
    def closed_form(self) -> bool:
        """Whether arch has the forecasts of all horizons in closed form."""


@dataclass(frozen=True)
class PowerRecursion(Recursion):
    r"""``sigma_t^p = omega + (alpha + gamma 1[e_{t-1} < 0]) |e_{t-1}|^p + beta sigma_{t-1}^p`` with p = ``power``.

    ``asymmetric`` includes gamma. p = 2 is GARCH (Bollerslev 1986, DOI 10.1016/0304-4076(86)90063-1) or GJR (Glosten, Jagannathan and
    Runkle 1993, DOI 10.1111/j.1540-6261.1993.tb05128.x); p = 1 with gamma is TARCH (Zakoian 1994, DOI 10.1016/0165-1889(94)90039-6).
    """

    asymmetric: bool
    power: int = 2

    def process(self) -> VolatilityProcess:
        process: VolatilityProcess = _arch().GARCH(p=1, o=int(self.asymmetric), q=1, power=float(self.power))
        return process

    def typical(self, centred: Array) -> Array:
        level = float(np.mean(np.abs(centred) ** self.power))
        return np.array([0.025 * level, 0.05, 0.05, 0.9] if self.asymmetric else [0.025 * level, 0.075, 0.9])

    @property
    def closed_form(self) -> bool:
        return self.power == 2


@dataclass(frozen=True)
class ExponentialRecursion(Recursion):
    r"""``log sigma_t^2 = omega + alpha (|z_{t-1}| - sqrt(2/pi)) + gamma z_{t-1} + beta log sigma_{t-1}^2``: EGARCH.

    Source: Nelson (1991), DOI 10.2307/2938260.
    """

    def process(self) -> VolatilityProcess:
        process: VolatilityProcess = _arch().EGARCH(p=1, o=1, q=1)
        return process

    def typical(self, centred: Array) -> Array:
        return np.array([0.03 * float(np.log(np.var(centred))), 0.1, 0.0, 0.97])

    @property
    def closed_form(self) -> bool:
        return False


def _density(observation: Observation, generator: np.random.Generator | None = None) -> ArchDensity:
    """The density of arch that equals an observation of ours; its shape parameters come in the same order."""
    names = {Gaussian: "Normal", StudentT: "StudentsT", SkewT: "SkewStudent"}
    density: ArchDensity = getattr(_arch(), names[type(observation)])(seed=generator)
    return density


@dataclass(frozen=True, eq=False)
class FittedArch(FittedPredictor):
    """An estimated arch model; its recursion is run by arch itself, from the start that it had in training.

    Attributes:
        predictor: what was fitted.
        parameters: estimates under arch's names, for returns in percent.
        log_likelihood: of the training rows, in the unit of the data.
        converged: whether arch's optimiser reported success; False means that the estimates are where it gave up.
        returns: (rows,) every return seen, in percent; the first ``trained`` were fitted.
        outcome, unit: name of the returns and their stated unit of measure.
    """

    predictor: ArchPredictor
    parameters: Mapping[str, float]
    log_likelihood: float
    converged: bool
    returns: Array
    trained: int
    outcome: str
    unit: str

    @property
    def _split(self) -> tuple[float, Array, Array]:
        """Mean, parameters of the recursion, parameters of the density."""
        values = np.array(list(self.parameters.values()))
        shapes = len(self.predictor.density.parameters)
        return float(values[0]), values[1 : len(values) - shapes], values[len(values) - shapes :]

    def _start(self, process: VolatilityProcess, rows: int) -> tuple[float, Array]:
        """Backcast and guard rails (rows, 2) of the recursion, from training rows alone.

        arch guards each variance by a million times an average of past squares, but cut with the largest square and the variance of the
        whole sample: later rows would reach back. They get the widest of the training rows' rails instead. Only a runaway meets a rail.
        """
        first = self.returns[: self.trained]
        centred = first - first.mean()
        rails = process.variance_bounds(centred)
        widest = np.tile([rails[:, 0].min(), rails[:, 1].max()], (rows - self.trained, 1))
        return float(process.backcast(centred)), np.concatenate([rails, widest])

    def _standard_deviations(self, returns: Array) -> Array:
        """Conditional standard deviation (rows,) in percent along all rows."""
        process, (mean, recursion, _) = self.predictor.recursion.process(), self._split
        variances = process.compute_variance(recursion, returns - mean, np.zeros(len(returns)), *self._start(process, len(returns)))
        return np.sqrt(variances)

    @property
    def conditional_volatility(self) -> Array:
        """Standard deviation (rows,) of each row seen, before it was seen, in the unit of the data."""
        return self._standard_deviations(self.returns) / PERCENT[self.unit]

    def _joined(self, rows: Sequences) -> Array:
        label = self.predictor.label
        values = complete(following_series(rows, self.outcome, self.unit, label), label)
        return np.concatenate([self.returns, values * PERCENT[self.unit]])

    def predict_rows(self, rows: Sequences) -> Distribution:
        mean, _, shape = self._split
        scale = self._standard_deviations(self._joined(rows))[len(self.returns) :] / PERCENT[self.unit]
        shapes = {p.name: float(v) for p, v in zip(self.predictor.density.parameters, shape, strict=True)}
        return Distribution(self.predictor.density, {"location": np.full(len(rows), mean / PERCENT[self.unit]), "scale": scale, **shapes})

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, np.ndarray] | None = None) -> PathForecast:
        """Paths simulated by arch; variances by its formula for GARCH and GJR, else the mean over the paths of each step's variance.

        EGARCH with Student t has no finite variance beyond the next step (the mean of exp |z| does not exist; Nelson 1991): there the
        number is what arch gives and grows with ``draws``. Use quantiles of its paths.
        """
        process, (mean, recursion, shape) = self.predictor.recursion.process(), self._split
        given = (recursion, self.returns - mean, *self._start(process, len(self.returns)))
        noise = _density(self.predictor.density, np.random.default_rng(seed)).simulate(shape)
        with np.errstate(over="ignore"):  # an EGARCH path may truly leave the range of floats; it comes back as inf
            simulated = process.forecast(*given, horizon=horizon, method="simulation", simulations=draws, rng=noise)
        closed = self.predictor.recursion.closed_form
        moments = process.forecast(*given, horizon=horizon) if closed else simulated
        if simulated.shocks is None or moments.forecasts is None:
            raise RuntimeError("arch returned no forecasts")
        factor = PERCENT[self.unit]
        paths = (mean + simulated.shocks[0]) / factor
        return PathForecast(np.full(horizon, mean / factor), moments.forecasts[0] / factor**2, paths, closed)

    def update(self, rows: Sequences) -> FittedArch:
        return replace(self, returns=self._joined(rows))


@dataclass(frozen=True)
class ArchPredictor(Predictor):
    """A model of the arch package: constant mean, a variance recursion, a density; estimated by arch on percent returns.

    Attributes:
        label: name for tables.
        recursion: `PowerRecursion` or `ExponentialRecursion`.
        density: `Gaussian`, `StudentT` or `SkewT`; arch's are the same functions (scale = standard deviation).

    The returns must state their unit (``measure={"log_return": "decimal"}`` or ``"percent"``); forecasts come back in it.
    Source: Sheppard et al., arch, DOI 10.5281/zenodo.593254.

    >>> train = Sequences({"log_return": np.random.default_rng(0).normal(size=500)}, measure={"log_return": "percent"})
    >>> fitted = ArchPredictor("GARCH-n", PowerRecursion(asymmetric=False), Gaussian()).fit(train)
    >>> fitted.converged, list(fitted.parameters)
    (True, ['mu', 'omega', 'alpha[1]', 'beta[1]'])
    """

    label: str
    recursion: Recursion
    density: Observation

    def __post_init__(self) -> None:
        if not isinstance(self.density, Gaussian | StudentT | SkewT):
            what, known = f"no density of arch equals that of {self.label}", "Gaussian, StudentT or SkewT"
            raise ParameterError(explain(what, type(self.density).__name__, known, "choose one of these"))

    @property
    def name(self) -> str:
        return self.label

    def fit(self, train: Sequences, previous: FittedPredictor | None = None) -> FittedArch:
        """Climb from arch's own start and, after a fit of the same model, from its estimates too; the higher likelihood is kept.

        A climb that arch reports as failed is resumed up to twice. Where none succeeds, or none ends above textbook values, these are one
        more start, and stand, as not converged, if even that ends lower: on a penny stock arch can lose a thousand nats and report success.
        Raises `DataError` for returns without a unit, with gaps, too few or constant, `ConvergenceError` without a finite likelihood.
        """
        outcome, values = training_series(train, self.label, FEWEST_RETURNS)
        unit = train.measure.get(outcome, "")
        if unit not in PERCENT:
            fix = f"pass Sequences(..., measure={{{outcome!r}: 'decimal'}})"
            raise DataError(explain(f"the unit of {outcome} is not stated", repr(unit), "'decimal' or 'percent'", fix))
        returns = complete(values, self.label) * PERCENT[unit]
        starts: list[Array | None] = [None]
        if isinstance(previous, FittedArch) and previous.predictor == self:
            starts.append(self._feasible(returns, *previous._split))
        climbs = [climb for start in starts for climb in self._climbs(returns, start, outcome, unit)]
        mean, shapes = float(returns.mean()), np.array([p.default for p in self.density.parameters])
        typical = (mean, self.recursion.typical(returns - mean), shapes)
        textbook = self._model(returns).fix(np.concatenate([[mean], *typical[1:]]))
        plain = self._fitted(textbook, False, returns, outcome, unit)
        if not any(c.converged and c.log_likelihood > plain.log_likelihood for c in climbs):
            climbs += [*self._climbs(returns, self._feasible(returns, *typical), outcome, unit), plain]
        finite = [c for c in climbs if np.isfinite(c.log_likelihood)]
        if not finite:
            what, fix = f"arch could not estimate {self.label}", "look for a level shift, a unit mix-up or a run of zeros"
            raise ConvergenceError(explain(what, "no finite likelihood", "a maximum", fix))
        best = max(c.log_likelihood for c in finite)
        return max((c for c in finite if c.log_likelihood > best - TIE), key=lambda c: (c.converged, c.log_likelihood))

    def _model(self, returns: Array) -> ARCHModel:
        density, process = _density(self.density), self.recursion.process()
        model: ARCHModel = _arch().ConstantMean(returns, volatility=process, distribution=density, rescale=False)
        return model

    def _climbs(self, returns: Array, start: Array | None, outcome: str, unit: str) -> list[FittedArch]:
        """A climb and, while arch reports failure, climbs from where the last one ended."""
        climbs = [self._climb(returns, start, outcome, unit)]
        while not climbs[-1].converged and np.isfinite(climbs[-1].log_likelihood) and len(climbs) <= RESUMED:
            climbs.append(self._climb(returns, self._feasible(returns, *climbs[-1]._split), outcome, unit))
        return climbs

    def _climb(self, returns: Array, start: Array | None, outcome: str, unit: str) -> FittedArch:
        with warnings.catch_warnings():  # arch changes the process-wide filters in fit; this restores them. Its flag is kept below.
            result = self._model(returns).fit(update_freq=0, disp="off", starting_values=start, show_warning=False)
        return self._fitted(result, result.convergence_flag == 0, returns, outcome, unit)

    def _fitted(self, result: ARCHModelFixedResult, converged: bool, returns: Array, outcome: str, unit: str) -> FittedArch:
        parameters = {str(n): float(v) for n, v in result.params.items()}
        likelihood = float(result.loglikelihood) + len(returns) * float(np.log(PERCENT[unit]))
        return FittedArch(self, parameters, likelihood, converged, returns, len(returns), outcome, unit)

    def _feasible(self, returns: Array, mean: float, recursion: Array, shape: Array) -> Array:
        """Parameters as a start: moved towards arch's own, inner one until every bound and share sum holds with room to spare."""
        process, centred = self.recursion.process(), returns - returns.mean()
        inner = np.asarray(process.starting_values(centred))
        low, high = np.array(process.bounds(centred)).T
        matrix, least = process.constraints()
        outer = np.clip(recursion, low, high)
        room, have = matrix @ inner - least, matrix @ outer - least
        needed = [-h / (r - h) for r, h in zip(room, have, strict=True) if h < 0 < r]
        move = min(1.0, 0.001 + 1.001 * max(needed, default=0.0))
        shapes = [np.clip(s, *b) for s, b in zip(shape, _density(self.density).bounds(centred), strict=True)]
        return np.concatenate([[mean], outer + move * (inner - outer), shapes])
