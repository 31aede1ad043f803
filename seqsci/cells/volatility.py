"""Market volatility: a gated cell that nests EWMA, GARCH, GJR, TARCH and the news-impact shift (AVGARCH)."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsci.cells.volatility_scale import StandardDeviation, Variance, VolatilityScale
from seqsci.constraints import Interval, Positive, Real
from seqsci.equations.vocabulary import Expression, absolute, log, sqrt, where
from seqsci.errors import DataError, explain
from seqsci.gates.base import Gate
from seqsci.gates.constant import ConstantGate
from seqsci.mechanism import Gated, Mechanism
from seqsci.parameter import Derived, Known, Outcome, Parameter, Presample, State

__all__ = ["TRADING_DAYS", "StandardDeviation", "Variance", "Volatility", "VolatilityScale"]
TRADING_DAYS = 252
BACKCAST = 0.94 ** np.arange(75)
"""Weights of the first returns in the backcast."""
LARGEST_TYPICAL = {"decimal": 0.2, "percent": 20.0}
SMALLEST_TYPICAL_PERCENT = 0.05
"""Bounds on the mean absolute return of a step, by unit: outside, the stated unit is taken for a mix-up. The length of a step is not known
here, so the upper ones leave room for weeks of a coin; a reader that sees dates has tighter ones, which follow the step."""
LARGEST_ONE_SIDED = {"decimal": 0.005, "percent": 0.5}
"""Largest mean of returns that are all positive, by unit: above, they are taken for prices."""


def _news(z: Expression, rotation: Expression, shift: Expression, power: int) -> Expression:
    """Weighted size of the news at a standardised surprise z, in units of the remembered quantity."""
    news = z - shift
    size = absolute(news) if power == 1 else news**2
    norm = sqrt(1 + shift**2) if power == 1 else 1 + shift**2
    return where(news < 0, 1 + rotation, 1 - rotation) * size / norm


def _dot(a: np.ndarray, b: np.ndarray) -> Any:
    """Inner products along the last axis, each rounded as that of two vectors."""
    return (a[..., None, :] @ b[..., :, None])[..., 0, 0]


def _growth(z: Expression, forget: Expression, persistence: Expression, rotation: Expression, shift: Expression, power: int) -> Expression:
    """Factor A(z) by which the remembered quantity is multiplied at a standardised surprise z: c' = A(z) c + intercept."""
    kept = forget(shock=absolute(z))
    return persistence * (kept + (1 - kept) * _news(z, rotation, shift, power))


@dataclass(frozen=True)
class Volatility(Mechanism):
    r"""Volatility as a gated memory of the size of past surprises.

        e_t = r_t - mean,  u_t = e_t - shift sigma_t,  f_t = forget(|e_t| / sigma_t)
        c_t = persistence (f_t c_{t-1} + (1 - f_t) (1 -+ rotation) |u_t|^p / (1 + shift^2)^{p/2}) + intercept
        sigma_t = c_{t-1}^{1/p},   p = 1 (StandardDeviation) or 2 (Variance); the sign of rotation is + for u_t < 0

    Exactly, by test against arch: p = 2, shift = rotation = 0 is GARCH(1,1) with beta = persistence f, alpha = persistence (1 - f);
    p = 2, shift = 0 is GJR with alpha = persistence (1 - f)(1 - rotation), gamma = 2 persistence (1 - f) rotation; the same with
    p = 1 is TARCH; p = 1, rotation = 0 is the shift form of AVGARCH; persistence = 1, intercept = 0, p = 2 is EWMA. The bounds
    alpha >= 0, beta >= 0, alpha + gamma >= 0, alpha + gamma/2 + beta <= 1 of arch are the bounds of the four shares one by one.

    | parameter | symbol | set | reading |
    |---|---|---|---|
    | mean | mu | real | expected return per step |
    | persistence | phi | [0, 1] | share of today's volatility that is passed on; what is missing reverts to the long-run level |
    | memory | f | [0, 1] | of what is passed on, the share that is old memory rather than today's news |
    | rotation | rho | [-1, 1] | how much more bad news counts than good news of the same size |
    | shift | delta | real | size of a good return, in sigmas, that counts as no news |
    | intercept | omega | > 0 | constant inflow of volatility (unit of the outcome to the power p) |

    Source: Hentschel (1995), All in the family: nesting symmetric and asymmetric GARCH models, DOI 10.1016/0304-405X(94)00821-H.
    """

    scale: VolatilityScale = StandardDeviation()
    forget: Gate = ConstantGate()

    states = (State("remembered", symbol="c"),)
    outcomes = (Outcome("log_return", symbol="r", units=("decimal", "percent")),)
    presamples = (Presample("backcast"),)
    references = ("10.1016/0304-405X(94)00821-H", "10.1016/0304-4076(86)90063-1")
    stacked = True

    @property
    def known(self) -> tuple[Known, ...]:  # type: ignore[override]
        """What drives the gate."""
        return self.forget.known

    @functools.cached_property
    def own_parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        return (
            Parameter("mean", Real(), 0.0, "outcome", r"\mu", "expected return per step", dimension=1),
            Parameter("persistence", Interval(0.0, 1.0), 0.97, "1", r"\phi", "share of volatility that is passed on to the next step"),
            Parameter("rotation", Interval(-1.0, 1.0), 0.0, "1", r"\rho", "how much more bad news counts than good news of the same size"),
            Parameter("shift", Real(), 0.0, "sigma", r"\delta", "size of a good return that counts as no news"),
            Parameter("intercept", Positive(), 0.03, "outcome", r"\omega", "constant inflow of volatility", dimension=self.scale.power),
        )

    @functools.cached_property
    def own_derived(self) -> tuple[Derived, ...]:  # type: ignore[override]
        share, power = Interval(0.0, 1.0), self.scale.power
        constant = isinstance(self.forget, ConstantGate)
        named = (
            Derived("alpha", self._alpha, "1", r"\alpha", "weight of a good surprise (GARCH naming, at shift 0)", Real()),
            Derived("gamma", self._gamma, "1", r"\gamma", "extra weight of a bad surprise (GARCH naming, at shift 0)", Real()),
            Derived("beta", self._beta, "1", r"\beta", "weight of yesterday's volatility (GARCH naming)", Real()),
        )
        return (
            (
                *(named if constant else ()),
                Derived(
                    "mean_persistence",
                    self._mean_persistence,
                    "1",
                    r"\kappa",
                    "expected share of a shock to volatility left after one step",
                    share,
                ),
                Derived("half_life", self._half_life, "steps", r"t_{1/2}", "steps until half of a shock to volatility is left", Positive()),
                Derived(
                    "annualised_volatility",
                    self._annualised,
                    "outcome",
                    r"\sigma_{252}",
                    "long-run standard deviation of 252 steps",
                    Positive(),
                    dimension=1,
                ),
            )
            if power
            else ()
        )

    def start(self, backcast: Expression, persistence: Expression, intercept: Expression) -> Expression:
        return intercept + persistence * backcast

    def read(self, remembered: Expression, mean: Expression) -> dict[str, Expression]:
        return {"location": mean, "scale": self.scale.standard_deviation(remembered)}

    def update(
        self,
        log_return: Expression,
        scale: Expression,
        mean: Expression,
        forget: Expression,
        persistence: Expression,
        rotation: Expression,
        shift: Expression,
        intercept: Expression,
    ) -> Gated:
        surprise = log_return - mean
        news = surprise - shift * scale
        norm = sqrt(1 + shift**2) if self.scale.power == 1 else 1 + shift**2
        kept = forget(shock=absolute(surprise) / scale)
        tilt = where(news < 0, 1 + rotation, 1 - rotation)
        return Gated(persistence * kept, persistence * (1 - kept), tilt * self.scale.size(news) / norm, leak=intercept)

    def unobserved(
        self,
        remembered: Expression,
        forget: Expression,
        persistence: Expression,
        rotation: Expression,
        shift: Expression,
        intercept: Expression,
        expected: Expression,
    ) -> Expression:
        """The expected update: a missing return moves volatility as an average one would."""
        if self.known:  # a driven gate varies over time and ignores the shock, so it stays outside of the mean
            kept = forget(shock=0)
            growth = persistence * (kept + (1 - kept) * expected(lambda z: _news(z, rotation, shift, self.scale.power)))
        else:
            growth = expected(lambda z: _growth(z, forget, persistence, rotation, shift, self.scale.power))
        return growth * remembered + intercept

    def growth_moment(
        self, order: int, forget: Expression, persistence: Expression, rotation: Expression, shift: Expression, expected: Expression
    ) -> Expression:
        """``E A(z)^order``: moments of the recursion c' = A(z) c + intercept."""
        return expected(lambda z: _growth(z, forget, persistence, rotation, shift, self.scale.power) ** order)

    def _alpha(self, persistence: Expression, memory: Expression, rotation: Expression) -> Expression:
        return persistence * (1 - memory) * (1 - rotation)

    def _gamma(self, persistence: Expression, memory: Expression, rotation: Expression) -> Expression:
        return 2 * persistence * (1 - memory) * rotation

    def _beta(self, persistence: Expression, memory: Expression) -> Expression:
        return persistence * memory

    def _mean_persistence(
        self, forget: Expression, persistence: Expression, rotation: Expression, shift: Expression, expected: Expression
    ) -> Expression:
        return self.growth_moment(1, forget, persistence, rotation, shift, expected)

    def _half_life(
        self, forget: Expression, persistence: Expression, rotation: Expression, shift: Expression, expected: Expression
    ) -> Expression:
        return log(0.5) / log(self.growth_moment(1, forget, persistence, rotation, shift, expected))

    def _annualised(
        self,
        forget: Expression,
        persistence: Expression,
        rotation: Expression,
        shift: Expression,
        intercept: Expression,
        expected: Expression,
    ) -> Expression:
        first = self.growth_moment(1, forget, persistence, rotation, shift, expected)
        level = intercept / (1 - first)
        if self.scale.power == 2:
            return sqrt(TRADING_DAYS * level)
        second = self.growth_moment(2, forget, persistence, rotation, shift, expected)
        return sqrt(TRADING_DAYS * (intercept**2 + 2 * intercept * first * level) / (1 - second))

    def forecast_moments(self, state: np.ndarray, bound: Mapping[str, Any], horizon: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Exact moments: with c' = A(z) c + intercept and independent z, E c and E c^2 follow linear recursions; None for a driven gate."""
        if self.known:
            return None
        named = {n: bound[n] for n in ("forget", "persistence", "rotation", "shift", "expected")}
        one, two = float(self.growth_moment(1, **named)), float(self.growth_moment(2, **named))
        inflow, first, second = float(bound["intercept"]), float(state[0]), float(state[0]) ** 2
        variance = np.empty(horizon)
        for h in range(horizon):
            variance[h] = first if self.scale.power == 2 else second
            first, second = one * first + inflow, two * second + 2 * inflow * one * first + inflow**2
        return np.full(horizon, float(bound["mean"])), variance

    def check(self, outcome: Mapping[str, np.ndarray], unit: str) -> None:
        """Refuse returns whose typical size contradicts their stated unit."""
        returns = outcome["log_return"]
        sizes = np.add.reduce(np.abs(returns), axis=-1) / max(returns.shape[-1], 1)
        prices = (sizes > LARGEST_ONE_SIDED.get(unit, np.inf)) & (returns.min(-1, initial=np.inf) > 0)
        if np.any(prices):
            raise DataError(
                explain(
                    "all values are > 0 and large: are these prices?",
                    f"{returns.shape[-1]} values stated as {unit} returns, mean {np.max(sizes[prices]):.3g}",
                    "log-returns, which have both signs",
                    "pass np.diff(np.log(prices)) with unit='decimal', or read the prices with kind='prices'",
                )
            )
        if (typical := float(np.max(sizes))) > LARGEST_TYPICAL.get(unit, np.inf):
            other, fix = {
                "decimal": ("percent", "pass unit='percent', or divide by 100"),
                "percent": ("basis points or prices", "divide basis points by 100; pass log-returns of prices"),
            }[unit]
            raise DataError(
                explain(
                    f"returns stated as {unit} look like {other}",
                    f"mean |return| = {typical:.3g}",
                    f"below {LARGEST_TYPICAL[unit]}",
                    fix,
                )
            )
        small = (sizes > 0) & (sizes < SMALLEST_TYPICAL_PERCENT)
        if unit == "percent" and np.any(small):
            raise DataError(
                explain(
                    "returns stated as percent look like decimals",
                    f"mean |return| = {np.min(sizes[small]):.3g}",
                    f"above {SMALLEST_TYPICAL_PERCENT}",
                    "pass unit='decimal', or multiply by 100",
                )
            )

    def presample(self, outcome: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Backcast: the 0.94^i-weighted mean of the first 75 values of |r - mean|^p (as arch does)."""
        returns = outcome["log_return"]
        center = np.add.reduce(returns, axis=-1) / max(returns.shape[-1], 1)
        first = np.abs(returns[..., :75] - center[..., None])
        weights = BACKCAST[: first.shape[-1]]
        return {"backcast": _dot(weights, first**2 if self.scale.power == 2 else first) / float(np.add.reduce(weights))}

    def typical_presample(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """The long-run level, from the intercept and the shares alone."""
        loss = 0.22 if self.scale.power == 1 else 0.0
        share = parameters["persistence"] * (1 - loss * (1 - parameters.get("memory", 0.9)))
        return {"backcast": parameters["intercept"] / max(1 - share, 1e-3)}

    def starting_values(self, outcome: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        """A guess, one with little memory, a small grid; the intercept matches the sample's size of returns."""
        returns = outcome["log_return"]
        center = np.add.reduce(returns, axis=-1) / returns.shape[-1]
        away = returns - center[..., None]
        squares = _dot(away, away) / returns.shape[-1]
        size = np.reshape([math.sqrt(s) ** self.scale.power for s in np.ravel(squares).tolist()], np.shape(squares))  # rounds as one does
        loss = 0.22 if self.scale.power == 1 else 0.0  # 1 - E|z|: news in sigma units is smaller than sigma on average
        quick = ((0.5, 0.6, (0.0, 0.0)),)  # a basin of its own where there is little memory
        grid = list(itertools.product((0.99, 0.95), (0.93, 0.86), ((0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.3))))
        for p, f, (r, s) in (*grid[:1], *quick, *grid[1:]):
            inflow = np.maximum(size * (1 - p * (f + (1 - f) * (1 - loss))), 1e-12)
            yield {"mean": center, "persistence": p, "memory": f, "rotation": r, "shift": s, "intercept": inflow}
