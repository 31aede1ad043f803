"""The result of an estimation: frozen data with standard errors, intervals, flags and provenance."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from seqsci.constraints import inwards
from seqsci.errors import ParameterError, did_you_mean, explain
from seqsci.estimation.identifiability import LOST, WeakDirection, flagged, weak_directions
from seqsci.estimation.profile import Profile
from seqsci.estimation.provenance import Provenance
from seqsci.estimation.summary import Estimate, Summary
from seqsci.frames import continuing
from seqsci.kernel import Pass
from seqsci.model import Model
from seqsci.parameter import Derived, Parameter
from seqsci.sequences import Sequences

if TYPE_CHECKING:
    from seqsci.forecast import PathForecast

Array = np.ndarray
WIDEST = 1e10
"""Upper over lower end of the interval of a positive derived quantity, at most: one that spans more decades holds nothing."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Estimates of one model on one set of sequences. It holds data only: no estimator, no way back up.

    Attributes:
        model: the model at its estimates, in the unit of the data.
        free_names: the estimated parameters, in the order of ``covariance_raw`` (their covariance on the raw scale).
        at_bound: parameters that sit at a bound; they were pinned there and carry no standard error.
        log_likelihood, rows: of the scored rows, in the unit of the data.
        profile_bounds: whether intervals of parameters on or near a bound, or at a moving kink, come from their profile likelihood.
        stored_profiles: profiles that were traced earlier and saved.
        driven_by: known sequences that a network made, trained on these very rows; standard errors take them as given.
        seen: number of rows that were fitted, where `update` has added others; 0 = all.
        prior_kept: why the model's prior was kept instead of a fit to these rows; empty where there is none or it was not.
        sequences, presamples: the data that were fitted, and the numbers computed from them before the first step.
    """

    model: Model
    free_names: tuple[str, ...]
    covariance_raw: Array
    at_bound: tuple[str, ...]
    log_likelihood: float
    rows: int
    sequences: Sequences
    presamples: Array
    provenance: Provenance
    profile_bounds: bool = True
    stored_profiles: Mapping[str, Profile] | None = None
    seen: int = 0
    driven_by: tuple[str, ...] = ()
    prior_kept: str = ""

    @property
    def outcome(self) -> str:
        """Name of the modelled outcome."""
        return self.model.mechanism.outcomes[0].name

    @property
    def unit(self) -> str:
        """Unit of the outcome as stated by the data."""
        return self.sequences.measure.get(self.outcome, "1")

    @property
    def value(self) -> dict[str, float]:
        """Estimates by name, fixed parameters included."""
        return self.model.value

    @property
    def parameter_count(self) -> int:
        """Number of estimated parameters, pinned ones included."""
        return len(self.free_names) + len(self.at_bound)

    @property
    def aic(self) -> float:
        """Akaike's criterion, ``2 k - 2 log L`` (Akaike 1974, DOI 10.1109/TAC.1974.1100705)."""
        return 2 * self.parameter_count - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, ``k log n - 2 log L`` (Schwarz 1978, DOI 10.1214/aos/1176344136)."""
        return self.parameter_count * math.log(self.rows) - 2 * self.log_likelihood

    @functools.cached_property
    def _raw(self) -> Array:
        table = {p.name: p for p in self.model.parameters}
        return np.array([table[n].constraint.inverse(self.value[n]) for n in self.free_names])

    @functools.cached_property
    def fitted_rows(self) -> Sequences:
        """The rows that were fitted, without those that `update` added."""
        return self.sequences.rows(0, self.seen) if self.seen else self.sequences

    @functools.cached_property
    def data_hash(self) -> str:
        """Short hash of everything that the likelihood saw."""
        return self.fitted_rows.fingerprint

    @functools.cached_property
    def profiles(self) -> Mapping[str, Profile]:
        """Profile likelihoods by parameter, where a Wald interval would be wrong; traced when an interval is first asked for."""
        if self.stored_profiles is not None or not self.profile_bounds:
            return self.stored_profiles or {}
        from seqsci.estimation.search import trace_profiles

        errors = np.sqrt(np.maximum(np.diag(self.covariance()), 0.0)) if len(self.free_names) else np.zeros(0)
        return trace_profiles(self.model, self.fitted_rows, self.free_names, errors)

    @functools.cached_property
    def path(self) -> Pass:
        """States, reads, gates and log densities along the fitted sequences."""
        return self.model.filter(self.sequences, self.presamples)

    @functools.cached_property
    def weak_directions(self) -> tuple[WeakDirection, ...]:
        """Directions in which the data hardly hold the parameters, each with its sentence; empty where every number may be read."""
        return weak_directions(self)

    @property
    def last_state(self) -> Array:
        """States after the last row of the last unit (n,)."""
        return np.asarray(self.path.last[-1])

    def covariance(self) -> Array:
        """Covariance of the estimated parameters on their natural scale, ``J C J`` with J = d natural / d raw."""
        table = {p.name: p for p in self.model.parameters}
        slope = np.exp([float(table[n].constraint.log_jacobian(r)) for n, r in zip(self.free_names, self._raw, strict=True)])
        return np.asarray(self.covariance_raw * np.outer(slope, slope))

    def _interval(self, raw: float, se: float, parameter: Parameter | Derived, level: float) -> tuple[float, float]:
        ends = (raw + side * NormalDist().inv_cdf(0.5 + level / 2) * se for side in (-1, 1))
        with np.errstate(over="ignore"):  # an end that runs off is infinite
            low, high = sorted(float(parameter.constraint.forward(end)) for end in ends)
        return low, high

    def _unit(self, parameter: Parameter | Derived) -> str:
        if parameter.dimension == 0:
            return parameter.unit
        return self.unit if parameter.dimension == 1 else f"{self.unit}^{parameter.dimension}"

    def estimates(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """One row a parameter.

        Intervals are built on the raw scale and carried over, so they stay inside the admissible set; where Wald's would be wrong (near a
        bound, at a moving kink) they come from the profile likelihood and say so. Weakly identified parameters are flagged as well.
        """
        return flagged(self, self.unflagged(level))

    def unflagged(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """The same rows without the flag of weak identification."""
        variances = np.diag(self.covariance_raw)
        natural = np.sqrt(np.maximum(np.diag(self.covariance()), 0.0)) if len(variances) else variances
        rows = []
        for p in self.model.parameters:
            common = (p.name, p.symbol, self.value[p.name])
            profile = self.profiles.get(p.name)
            if p.name in self.free_names:
                i = self.free_names.index(p.name)
                ends = self._interval(self._raw[i], math.sqrt(max(variances[i], 0.0)), p, level)
                ends = profile.interval(level) if profile else ends
                flag = "" if np.isfinite(variances[i]) else "not identified"
                flag = "prior kept" if self.prior_kept and self.model.prior and p.name in self.model.prior.names else flag
                error = math.nan if flag == "not identified" else float(natural[i])
                rows.append(Estimate(*common, error, *ends, self._unit(p), p.reading, flag or ("profile" if profile else "")))
            else:
                flag = "at bound" if p.name in self.at_bound else "fixed"
                ends = profile.interval(level) if profile else (math.nan, math.nan)
                rows.append(Estimate(*common, math.nan, *ends, self._unit(p), p.reading, flag))
        return tuple(rows)

    def derived(self, level: float = 0.95) -> tuple[Estimate, ...]:
        """Derived quantities; standard errors by the delta method on the raw scale, intervals on each quantity's own scale.

        One that depends on a parameter at its bound is flagged: its error takes the bound as given. A positive one whose interval would
        span more than ten decades has none and is flagged as not identified.
        """
        here, k = self.model.derived_values, len(self._raw)
        gradient = {d.name: np.zeros(k) for d in self.model.derived}
        deviations = np.sqrt(np.maximum(np.diag(self.covariance_raw), 0.0))
        table = {p.name: p for p in self.model.parameters}
        for i, (name, r) in enumerate(zip(self.free_names, self._raw, strict=True)):
            h = 1e-3 * min(deviations[i], 1.0) if deviations[i] > 0 else 1e-5
            sides = [self.model.start_at(**{name: float(table[name].constraint.forward(r + s * h))}).derived_values for s in (1, -1)]
            for d in self.model.derived:
                gradient[d.name][i] = (sides[0][d.name] - sides[1][d.name]) / (2 * h)
        given = {d.name: "" for d in self.model.derived}
        for name in self.at_bound:
            inside = self.model.start_at(**{name: inwards(table[name].constraint, self.value[name], 1e-4)}).derived_values
            given |= {n: f"given {name} at its bound" for n, v in inside.items() if not math.isclose(v, here[n], rel_tol=1e-9)}
        return tuple(self._derived_row(d, here[d.name], gradient[d.name], level, given[d.name]) for d in self.model.derived)

    def _derived_row(self, d: Derived, value: float, gradient: Array, level: float, flag: str) -> Estimate:
        moved = gradient != 0  # a parameter that it does not depend on may be unidentified
        se = math.sqrt(max(float(gradient[moved] @ self.covariance_raw[np.ix_(moved, moved)] @ gradient[moved]), 0.0))
        se = se if len(gradient) else math.nan
        low, high = d.constraint.bounds
        if not math.isfinite(value) or not low < value < high:
            return Estimate(
                d.name, d.symbol, value, math.nan, math.nan, math.nan, self._unit(d), d.reading, "outside its range: no finite value"
            )
        if flag and se == 0:  # it follows from the bound alone
            return Estimate(d.name, d.symbol, value, math.nan, math.nan, math.nan, self._unit(d), d.reading, flag)
        raw = d.constraint.inverse(value)
        slope = math.exp(float(d.constraint.log_jacobian(raw)))
        ends = self._interval(raw, se / slope, d, level)
        if math.isinf(high) and low == 0 and not max(ends) <= WIDEST * min(ends):
            lost = f"{flag}, {LOST}" if flag else LOST
            return Estimate(d.name, d.symbol, value, math.nan, math.nan, math.nan, self._unit(d), d.reading, lost)
        return Estimate(d.name, d.symbol, value, se, *ends, self._unit(d), d.reading, flag)

    def standard_error(self, name: str) -> float:
        """Standard error of one parameter or derived quantity."""
        return self._row(name).standard_error

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of one parameter or derived quantity."""
        row = self._row(name, level)
        return row.low, row.high

    def _row(self, name: str, level: float = 0.95) -> Estimate:
        table = {e.name: e for e in self.estimates(level)}
        if name not in table:
            table |= {e.name: e for e in self.derived(level)}
        if name not in table:
            raise ParameterError(
                explain(f"no parameter {name!r}{did_you_mean(name, table)}", name, ", ".join(table), "use one of these names")
            )
        return table[name]

    def summary(self, level: float = 0.95) -> Summary:
        """The table of estimates; ``str``, ``.html()`` and ``.latex()`` render it."""
        span = ""
        if self.sequences.index is not None and len(self.sequences.index):
            labels = self.sequences.index
            first, last = (labels[0], labels[-1]) if len(self.sequences.starts) == 1 else (min(labels), max(labels))
            span = f", {str(first)[:10]} to {str(last)[:10]}"
        facts = [
            f"{self.rows} rows of {self.outcome} [{self.unit}]{span}",
            f"log-likelihood {self.log_likelihood:.3f}"
            + ("" if self.model.active_prior else f"   AIC {self.aic:.2f}   BIC {self.bic:.2f}")
            + f"   parameters {self.parameter_count}",
            f"standard errors: {self.provenance.covariance}; intervals: {level:.0%}, Wald on the raw scale, or (profile)",
        ]
        if (prior := self.model.active_prior) is not None:
            outcome = f"KEPT, {self.prior_kept}" if self.prior_kept else "the fit is the posterior mode"
            facts.append(f"prior on {', '.join(prior.names)} ({prior.source}): {outcome}")
        facts += [f"given {', '.join(self.driven_by)}, made by a network that was trained on these rows"] if self.driven_by else []
        weak = tuple(d.text for d in self.weak_directions)
        return Summary(self.model.name, tuple(facts), self.estimates(level), self.derived(level), level, weak)

    def update(self, new: Any, unit: str | None = None) -> Fit:
        """The fit carried forward over new rows of the same series without re-estimation: only the state moves.

        ``new`` is anything that `seqsci.fit` takes (a frame, a Series, an array, `Sequences`), all of it after the last row of the fit. Its
        unit is ``unit``, else the one it states itself, else that of the fit, to which it is converted. Rows without dates may follow
        dated ones; then the whole has none. Estimates, standard errors and the log-likelihood remain those of the fitted rows.
        """
        old = self.sequences
        new = continuing(self.model, old, new, unit)

        def joined(a: Array, b: Array) -> Array:
            return np.concatenate([a, b])

        again = Sequences(
            {n: joined(v, new.column(n)) for n, v in old.outcome.items()},
            {n: joined(v, new.column(n)) for n, v in old.known.items()},
            joined(np.asarray(old.observed), np.asarray(new.observed)).astype(bool),
            joined(np.asarray(old.weight), np.asarray(new.weight)),
            joined(np.asarray(old.reset), np.zeros(len(new), np.uint8)).astype(bool),
            joined(np.asarray(old.unit), np.full(len(new), np.asarray(old.unit)[-1])),
            joined(np.asarray(old.group), np.full(len(new), np.asarray(old.group)[-1])),
            None if old.index is None or new.index is None else joined(old.index, new.index),
            old.measure,
        )
        return replace(self, sequences=again, seen=self.seen or len(old))

    def predict(self, horizon: int, draws: int = 5000, seed: int = 0, known: Mapping[str, Array] | None = None) -> PathForecast:
        """The next ``horizon`` steps: simulated paths, moments in closed form where the mechanism has one; estimates taken as known.

        ``known`` holds (horizon,) future values of the mechanism's known sequences, by name.
        """
        from seqsci.forecast import forecast

        return forecast(self.model, self.last_state, horizon, draws, seed, known)

    def simulate(self, rows: int, seed: int) -> Sequences:
        """Sequences drawn from the fitted model."""
        return self.model.simulate(rows, seed)
