"""The volatility models that ship: one cell, and every named special case as a restriction of it."""

from __future__ import annotations

from seqsci.cells.volatility import Variance, Volatility
from seqsci.gates.driven import DrivenGate
from seqsci.gates.shock import ShockGate
from seqsci.model import Model
from seqsci.observations.gaussian import Gaussian
from seqsci.observations.skew_t import SkewT
from seqsci.observations.student_t import StudentT


def default() -> Model:
    """The default: sigma state, Student t, rotation and shift free. It nests TARCH-t, AVGARCH-t (shift form) and the cell S."""
    return Model(Volatility(), StudentT(), name="seqsci volatility cell")


def default_skewed() -> Model:
    """The default with Hansen's skewed t."""
    return Model(Volatility(), SkewT(), name="volatility cell, skewed t")


def shock_gate() -> Model:
    """The default with the article's gate sigmoid(alpha - beta |shock|); shock_slope = 0 is the default, the sign of the slope is free."""
    return Model(Volatility(forget=ShockGate()), StudentT(), name="volatility cell, shock gate")


def driven_gate() -> Model:
    """The default with a gate that a Known sequence drives (a network on lagged covariates); zero drive is the default."""
    return Model(Volatility(forget=DrivenGate()), StudentT(), name="volatility cell, driven gate")


def shift_only() -> Model:
    """S: tied gates, shift without rotation (a restricted AVGARCH; Hentschel 1995)."""
    return default().fix(rotation=0.0, persistence=1.0).named("S (shift only)")


def tarch_t() -> Model:
    """TARCH (Zakoian 1994) with Student t: sigma state, rotation without shift."""
    return default().fix(shift=0.0).named("TARCH-t (ours)")


def avgarch_t() -> Model:
    """AVGARCH in its shift form, Student t: sigma state, shift without rotation."""
    return default().fix(rotation=0.0).named("AVGARCH-t (shift)")


def garch_normal() -> Model:
    """GARCH(1,1) (Bollerslev 1986) with normal density."""
    return Model(Volatility(scale=Variance()), Gaussian(), name="GARCH-n (ours)").fix(rotation=0.0, shift=0.0)


def garch_t() -> Model:
    """GARCH(1,1) with Student t."""
    return Model(Volatility(scale=Variance()), StudentT(), name="GARCH-t (ours)").fix(rotation=0.0, shift=0.0)


def gjr_t() -> Model:
    """GJR-GARCH (Glosten, Jagannathan and Runkle 1993) with Student t."""
    return Model(Volatility(scale=Variance()), StudentT(), name="GJR-t (ours)").fix(shift=0.0)


def ewma() -> Model:
    """RiskMetrics: all of volatility is passed on, nothing flows in, 94 % memory."""
    values = {"persistence": 1.0, "intercept": 0.0, "rotation": 0.0, "shift": 0.0, "memory": 0.94}
    return Model(Volatility(scale=Variance(), forget=Volatility().forget), Gaussian(), name="EWMA (ours)").fix(**values)


RESTRICTION = (("shift", 0.0),)
"""What forecasts keep fixed unless BIC on the training rows frees it: an idle parameter costs a little every day. The price is that on
single stocks, where the free shift pays, it is freed too rarely; see docs/finance.md for the figures."""

HYPOTHESES = {
    "TARCH (no shift)": {"shift": 0.0},
    "AVGARCH, shift form (no rotation)": {"rotation": 0.0},
    "constant gate (no shock slope)": {"shock_slope": 0.0},
}
"""Named special cases that a fit is tested against by likelihood ratio."""

MODELS = {
    "default": default,
    "default_skewed": default_skewed,
    "shock_gate": shock_gate,
    "driven_gate": driven_gate,
    "shift_only": shift_only,
    "tarch_t": tarch_t,
    "avgarch_t": avgarch_t,
    "garch_normal": garch_normal,
    "garch_t": garch_t,
    "gjr_t": gjr_t,
    "ewma": ewma,
}
"""Builders by the name that configurations use."""
