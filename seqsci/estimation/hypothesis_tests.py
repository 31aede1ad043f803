"""Tests between nested models."""

from __future__ import annotations

from dataclasses import dataclass

from seqsci.errors import ParameterError, explain
from seqsci.estimation.result import Fit


@dataclass(frozen=True)
class LikelihoodRatio:
    """Result of a likelihood-ratio test.

    Attributes:
        statistic: ``2 (log L_full - log L_restricted)``.
        degrees_of_freedom: number of restrictions.
        p_value: by chi-square; where one restricted value lies on a bound, by the half-half mixture of chi-square 0 and 1.
        on_bound: restricted parameters whose value is a bound of its set.
        note: what to know before the p-value is read.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    on_bound: tuple[str, ...]
    note: str


def likelihood_ratio(restricted: Fit, full: Fit) -> LikelihoodRatio:
    """Test a restricted fit against a full one on the same data.

    ``2 (log L_full - log L_restricted) ~ chi^2_q`` (Wilks 1938, DOI 10.1214/aoms/1177732360); one restriction on a bound halves
    the p-value (Self and Liang 1987, DOI 10.1080/01621459.1987.10478472); several, or one beside others, leave it conservative,
    and the note says so. Raises `ParameterError` where the fits are not nested or not of the same data.
    """
    from scipy.special import chdtrc

    small, large = restricted.model, full.model
    if restricted.data_hash != full.data_hash:
        raise ParameterError(
            explain("the fits are of different data", "two data hashes", "the same rows", "fit both models to the same sequences")
        )
    same = type(small.mechanism) is type(large.mechanism) and small.mechanism == large.mechanism and small.observation == large.observation
    extra = tuple(n for n in small.fixed if n not in large.fixed)
    if not same or not large.fixed <= small.fixed or not extra:
        raise ParameterError(
            explain(
                "the models are not nested",
                f"{small.name} (fixed {sorted(small.fixed)}), {large.name} (fixed {sorted(large.fixed)})",
                "one mechanism and observation, the restricted one with more fixed parameters",
                "build it with full_model.fix(...)",
            )
        )
    statistic = 2 * (full.log_likelihood - restricted.log_likelihood)
    if statistic < -0.1:
        raise ParameterError(
            explain(
                "the restricted fit is better than the full one",
                f"2 (l - l0) = {statistic:.3f}",
                "a non-negative statistic",
                "refit the full model with more starts, e.g. MaximumLikelihood(starts=8)",
            )
        )
    table = {p.name: p for p in small.parameters}
    on_bound = tuple(n for n in extra if small.value[n] in table[n].constraint.bounds)
    statistic, q = max(statistic, 0.0), len(extra)
    p = float(chdtrc(q, statistic))
    note = ""
    if on_bound and q == 1:
        p, note = p / 2 if statistic > 0 else 1.0, f"{on_bound[0]} is restricted to a bound: half-half mixture of chi-square 0 and 1"
    elif on_bound:
        note = f"{', '.join(on_bound)} restricted to a bound among {q} restrictions: the chi-square p-value is conservative"
    if full.at_bound:
        beside = f"{', '.join(full.at_bound)} of the full model sits on its bound: the chi-square is approximate"
        note = f"{note}; {beside}" if note else beside
    return LikelihoodRatio(statistic, q, p, on_bound, note)
