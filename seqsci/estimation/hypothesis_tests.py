"""Tests between nested models: likelihood ratio, Wald, score; at bounds too, and what cannot be stated there is said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqsci.errors import ParameterError, did_you_mean, explain
from seqsci.estimation.chi_bar_square import projection, tail, weights
from seqsci.estimation.result import Fit
from seqsci.estimation.standard_errors import identified_inverse
from seqsci.model import Model

Array = np.ndarray
STALE = 0.1
"""A nuisance parameter whose information in the second half of the rows is a smaller share of the whole is taken for not identified."""
NEAR = 3.0
"""Standard errors from a bound below which a Wald test says that it is not to be trusted."""
BOOTSTRAP = "use seqsci.estimation.bootstrap.bootstrap_test"


@dataclass(frozen=True)
class NestedTest:
    """Result of a test of a restricted model against the full one.

    Attributes:
        name: of the test.
        statistic: zero where the data ask for nothing beyond the restriction.
        degrees_of_freedom: number of restrictions.
        p_value: by chi-square; by the chi-bar-square of ``weights`` where restricted values lie on bounds.
        on_bound: restricted parameters whose value is a bound of its set.
        note: what to know before the p-value is read; empty where the case is regular.
        weights: of the chi-squares with 0, 1, ... degrees of freedom that the p-value mixes; empty where it was simulated.
    """

    name: str
    statistic: float
    degrees_of_freedom: int
    p_value: float
    on_bound: tuple[str, ...]
    note: str
    weights: tuple[float, ...] = ()

    def __str__(self) -> str:
        many = "" if self.degrees_of_freedom == 1 else "s"
        p = f"p = {self.p_value:.4f}" if self.p_value >= 1e-4 else "p < 0.0001"
        line = f"{self.name}: {self.statistic:.3f} with {self.degrees_of_freedom} restriction{many}, {p}"
        return "\n  ".join([line, *(part for part in self.note.split("; ") if part)])


def restrictions(small: Model, large: Model) -> tuple[str, ...]:
    """The parameters that the small model fixes and the large one does not; raises `ParameterError` where they are not nested."""
    same = type(small.mechanism) is type(large.mechanism) and small.mechanism == large.mechanism and small.observation == large.observation
    extra = tuple(p.name for p in small.parameters if p.name in small.fixed - large.fixed)
    if not same or not large.fixed <= small.fixed or not extra or any(small.value[n] != large.value[n] for n in large.fixed):
        raise ParameterError(
            explain(
                "the models are not nested",
                "; ".join(f"{m.name} fixes { ({n: m.value[n] for n in sorted(m.fixed)}) }" for m in (small, large)),
                "one mechanism and observation, the restricted one with more fixed parameters, the common ones at common values",
                "build it with full_model.fix(...)",
            )
        )
    return extra


def without_prior(*models: Model) -> None:
    """Raise `ParameterError` where a model has a prior: its fit is no maximum of the likelihood, which these tests are about."""
    for model in models:
        if model.active_prior is not None:
            fix = "fit model.with_prior() without one, or read the posterior's interval"
            raise ParameterError(
                explain(f"{model.name} was fitted under a prior", model.active_prior.source, "a maximum likelihood fit", fix)
            )


def nested(restricted: Fit, full: Fit) -> tuple[str, ...]:
    """`restrictions` of two fits; raises `ParameterError` where their data differ, or where one has a prior."""
    without_prior(restricted.model, full.model)
    if restricted.data_hash != full.data_hash:
        raise ParameterError(
            explain("the fits are of different data", "two data hashes", "the same rows", "fit both models to the same sequences")
        )
    return restrictions(restricted.model, full.model)


def likelihood_ratio(restricted: Fit, full: Fit) -> NestedTest:
    """Test a restricted fit against a full one on the same data.

    ``2 (log L_full - log L_restricted) ~ chi^2_q`` (Wilks 1938, DOI 10.1214/aoms/1177732360). Restrictions to bounds make it a mixture:
    half chi^2_0, half chi^2_1 for one (Self and Liang 1987, DOI 10.1080/01621459.1987.10478472); for several, or one beside others, the
    chi-bar-square whose weights follow from the outer products of the scores at the restricted estimate, nuisance parameters profiled
    out (Silvapulle and Sen 2005, DOI 10.1002/9781118165614). The note names the case, and says where no such law holds: a nuisance
    parameter on its own bound, or one that the restriction leaves without information; `bootstrap_test` serves there.

    Raises `ParameterError` where the fits are not nested or not of the same data, or the restricted one is the better.
    """
    extra = nested(restricted, full)
    statistic = 2 * (full.log_likelihood - restricted.log_likelihood)
    if statistic < -0.1:
        raise ParameterError(
            explain(
                "the restricted fit is better than the full one",
                f"2 (l - l0) = {statistic:.3f}",
                "a non-negative statistic",
                "refit the full model with more starts, e.g. MaximumLikelihood(starts=8), or warm=True from near the restricted values",
            )
        )
    point = _Point(restricted, full.model, extra)
    notes, mixture = point.law(full.at_bound)
    same = all(full.value[n] == restricted.value[n] for n in extra)
    statistic = 0.0 if same else max(float(statistic), 0.0)
    return NestedTest(
        "likelihood ratio", statistic, len(extra), tail(statistic, mixture), tuple(point.on_bound), "; ".join(notes), tuple(mixture)
    )


def wald(fit: Fit, **values: float) -> NestedTest:
    """Test whether estimated parameters have given values, by the fit's own covariance (robust where that is).

    ``W = (raw - raw_0)' C^-1 (raw - raw_0) ~ chi^2_q`` on the raw scale, where estimates are closest to normal (Wald 1943,
    DOI 10.1090/S0002-9947-1943-0012401-3).

    Raises `ParameterError` for a parameter that was not estimated or has no standard error, and for a value on a bound.

    Args:
        fit: of the full model.
        values: value by name of parameter.
    """
    without_prior(fit.model)
    table = {p.name: p for p in fit.model.parameters}
    faults = []
    for name, value in values.items():
        if name not in table:
            faults.append(f"no parameter {name!r}{did_you_mean(name, table)}")
        elif name in fit.at_bound:
            faults.append(f"{name} sits at its bound {fit.value[name]:g} and has no standard error: use likelihood_ratio")
        elif name not in fit.free_names:
            faults.append(f"{name} was fixed, not estimated")
        elif not np.isfinite(fit.covariance_raw[fit.free_names.index(name)]).any():
            faults.append(f"{name} is not identified and has no standard error")
        elif not table[name].constraint.contains(float(value)):
            faults.append(f"{name} = {value:g} is outside {table[name].constraint.admissible}")
        elif float(value) in table[name].constraint.bounds:
            faults.append(f"{name} = {value:g} is a bound of its set, infinitely far on the raw scale: use likelihood_ratio")
    if faults or not values:
        raise ParameterError(
            explain(
                "these values cannot be tested by Wald's statistic",
                "; ".join(faults) or "no value",
                f"values inside the sets of {', '.join(fit.free_names)}",
                "likelihood_ratio(fit_of_the_restricted_model, fit)",
            )
        )
    place = [fit.free_names.index(n) for n in values]
    raw = [table[n].constraint.inverse(fit.value[n]) - table[n].constraint.inverse(float(v)) for n, v in values.items()]
    distance, covariance = np.array(raw), fit.covariance_raw[np.ix_(place, place)]
    statistic, q = float(distance @ np.linalg.solve(covariance, distance)), len(place)
    errors = dict(zip(fit.free_names, np.sqrt(np.diag(fit.covariance())), strict=True))
    close = [n for n in values if min(abs(fit.value[n] - b) for b in table[n].constraint.bounds) < NEAR * errors[n]]
    notes = [f"{', '.join(close)} is within {NEAR:g} standard errors of a bound: trust likelihood_ratio rather"] if close else []
    notes += _beside(list(fit.at_bound))
    mixture = (*[0.0] * q, 1.0)
    return NestedTest("Wald", statistic, q, tail(statistic, mixture), (), "; ".join(notes), mixture)


def score_test(restricted: Fit, full_model: Model | Fit) -> NestedTest:
    """Test a restricted fit against a model that frees more parameters, which need not be fitted (Lagrange multiplier).

    ``S = U' I^-1 U ~ chi^2_q``, U the sum and I the sum of outer products of the rows' scores by all parameters of the full model, on
    the natural scale at the restricted estimate (Rao 1948, DOI 10.1017/S0305004100023987; the outer-product form: Engle 1984,
    DOI 10.1016/S1573-4412(84)02005-5). It asks for no second derivative, and rejects too often in short series. Towards bounds the
    one-sided form: with Z = [I^-1 U] of the restricted parameters, V their block of I^-1, and x the point nearest to Z inside the bounds,
    ``S = Z' V^-1 Z - (Z - x)' V^-1 (Z - x)`` with the chi-bar-square of `likelihood_ratio` (Silvapulle and Silvapulle 1995,
    DOI 10.1080/01621459.1995.10476518).

    Args:
        restricted: the fit of ``full_model.fix(...)``.
        full_model: the model that frees those parameters; its values do not matter.

    Raises `ParameterError` where the models are not nested, or the score of a restricted parameter does not exist or vanishes there.
    """
    full_model = full_model.model if isinstance(full_model, Fit) else full_model
    without_prior(restricted.model, full_model)
    extra = restrictions(restricted.model, full_model)
    point = _Point(restricted, full_model, extra)
    if point.blind:
        raise ParameterError(
            explain(
                f"no score of {', '.join(point.blind)} at the restricted values",
                "a score that is zero in all rows, not finite, or implied by the others",
                "rows that carry information on each restricted parameter",
                "likelihood_ratio(restricted, fit_of_the_full_model)",
            )
        )
    notes, mixture = point.law()
    z, v, b = point.step, point.covariance, point.bounded
    away = z.copy()
    if b.any():
        inside = projection(z[b], v[np.ix_(b, b)])
        away[~b] = v[np.ix_(~b, b)] @ np.linalg.solve(v[np.ix_(b, b)], z[b] - inside)  # free ones follow
        away[b] = z[b] - inside
    else:
        away[:] = 0.0
    statistic = float(z @ np.linalg.solve(v, z) - away @ np.linalg.solve(v, away))
    statistic = statistic if statistic > 1e-12 else 0.0
    return NestedTest("score", statistic, len(extra), tail(statistic, mixture), tuple(point.on_bound), "; ".join(notes), tuple(mixture))


class _Point:
    """Scores and information of the full model at the restricted estimate, restricted parameters counted inwards from their bounds."""

    def __init__(self, restricted: Fit, full_model: Model, extra: tuple[str, ...]) -> None:
        table = {p.name: p for p in full_model.parameters}
        held = restricted.value
        at = full_model.start_at(**{n: held[n] for n in full_model.free_names})
        self.on_bound = [n for n in extra if held[n] in table[n].constraint.bounds]
        self.pinned = list(restricted.at_bound)
        self.extra, self.nuisance = extra, restricted.free_names
        names = [*extra, *self.nuisance]
        data = at.pack(restricted.fitted_rows, restricted.presamples)
        rows = at.kernel(not data.observed.all()).row_scores([p.constraint.inverse(held[p.name]) for p in at.kernel_parameters], data)
        order = [[p.name for p in at.kernel_parameters].index(n) for n in names]
        inward = np.array([-1.0 if n in self.on_bound and held[n] == table[n].constraint.bounds[1] else 1.0 for n in names])
        rows, weight = -rows[:, order] * inward, data.weight
        scored = (data.observed == 1) & (weight != 0)
        rows, root = rows[scored], np.sqrt(np.abs(weight[scored]))[:, None]
        half = rows / root
        q = len(extra)
        information = half.T @ half
        inverse, lost = identified_inverse(information)
        self.blind = [n for n, gone in zip(extra, lost[:q], strict=True) if gone]
        self.bounded = np.array([n in self.on_bound for n in extra])
        self.covariance = inverse[:q, :q]
        self.step = (inverse @ rows.sum(0))[:q]
        self.stale = [n for n, gone in zip(self.nuisance, lost[q:], strict=True) if gone]
        late, gone = identified_inverse(half[len(half) // 2 :].T @ half[len(half) // 2 :])
        for i, n in enumerate(self.nuisance, q):
            if n not in self.stale and (gone[i] or inverse[i, i] < STALE * late[i, i]):
                self.stale.append(n)

    def law(self, also: tuple[str, ...] = ()) -> tuple[list[str], list[float]]:
        """Notes, and the weights of the chi-squares; ``also``: what sits on a bound in the full fit."""
        q, count = len(self.extra), len(self.on_bound)
        mixture, notes, names = [*[0.0] * q, 1.0], [], ", ".join(self.on_bound)
        if count == 1 and q == 1:
            mixture, notes = [0.5, 0.5], [f"{names} is restricted to a bound: half-half mixture of chi-square 0 and 1"]
        elif count and self.blind:
            notes = [f"{names} restricted to a bound, weights without information: the chi-square p-value is conservative"]
        elif count:
            found = weights(self.covariance[np.ix_(self.bounded, self.bounded)])
            mixture = [*[0.0] * (q - count), *map(float, found)]
            parts = " + ".join(f"{w:.3f} chi2({j})" for j, w in enumerate(mixture) if w)
            notes = [f"{names} {'is' if count == 1 else 'are'} restricted to a bound: chi-bar-square {parts}"]
        notes += _beside([n for n in dict.fromkeys((*also, *self.pinned)) if n not in self.on_bound])
        if self.blind:
            notes.append(f"the score of {', '.join(self.blind)} vanishes under the restriction: the p-value is approximate, {BOOTSTRAP}")
        if self.stale:
            notes.append(f"{', '.join(self.stale)} is not identified under the restriction: the p-value does not hold, {BOOTSTRAP}")
        return notes, mixture


def _beside(names: list[str]) -> list[str]:
    return [f"{', '.join(names)} beside the test sits on a bound: the p-value is approximate, {BOOTSTRAP}"] if names else []
