"""Parameter names: ours (shares of a gated memory) and those of the `arch` package (GARCH, GJR, TARCH of order one)."""

from __future__ import annotations

from collections.abc import Mapping

from seqsci.errors import ParameterError, explain

ROUNDING = 1e-8
"""How far outside [-1, 1] or [0, 1] a share from arch's optimiser may lie and still be taken as sitting at the bound."""
NEEDED = {"ours": ("mean", "persistence", "memory", "intercept"), "arch": ("mu", "omega", "alpha[1]", "beta[1]")}
OPTIONAL = {"ours": ("rotation", "shift", "degrees_of_freedom"), "arch": ("gamma[1]", "nu")}


def to_arch(values: Mapping[str, float], power: int = 2, scale: float = 1.0) -> dict[str, float]:
    r"""Convert parameters of `Volatility` (constant gate, shift 0) to the names of arch.

        beta = phi f,  alpha = phi (1 - f)(1 - rho),  gamma = 2 phi (1 - f) rho,  mu = mean scale,  omega = intercept scale^p

    with phi = persistence, f = memory, rho = rotation; ``gamma[1]`` is there if ``rotation`` is given, ``nu`` if ``degrees_of_freedom`` is.

    Args:
        values: our parameters by name.
        power: 2 for a variance state (GARCH, GJR), 1 for a standard deviation (TARCH); it matters only where ``scale`` is not 1.
        scale: factor from the unit of ``values`` to that of arch: 100 from decimal to percent.

    Raises `ParameterError` for a shift (arch has none), missing or unknown names, a power other than 1 or 2.
    Source: Hentschel (1995), DOI 10.1016/0304-405X(94)00821-H.

    >>> to_arch({"mean": 0.0, "persistence": 0.95, "memory": 0.8, "rotation": 0.5, "intercept": 0.02})["gamma[1]"].__round__(4)
    0.19
    """
    _check("ours", values, power)
    if values.get("shift", 0.0) != 0.0:
        got = f"shift = {values['shift']:g}"
        raise ParameterError(explain("arch has no news-impact shift", got, "shift = 0", "fit with model.fix(shift=0.0)"))
    news = values["persistence"] * (1 - values["memory"])
    rotation = values.get("rotation", 0.0)
    result = {"mu": values["mean"] * scale, "omega": values["intercept"] * scale**power, "alpha[1]": news * (1 - rotation)}
    if "rotation" in values:
        result["gamma[1]"] = 2 * news * rotation
    result["beta[1]"] = values["persistence"] * values["memory"]
    if "degrees_of_freedom" in values:
        result["nu"] = values["degrees_of_freedom"]
    return result


def from_arch(params: Mapping[str, float], power: int = 2, scale: float = 1.0) -> dict[str, float]:
    r"""Convert parameters of an arch GARCH(1,1), GJR or TARCH with constant mean to ours; the inverse of `to_arch`.

        phi = alpha + gamma/2 + beta,  f = beta / phi,  rho = gamma / (2 alpha + gamma),  shift = 0

    A share that is not defined because its weight is zero (f at phi = 0, rho at alpha + gamma/2 = 0) is 0. Shares within 1e-8 of a
    bound on its outer side are put on it: arch's optimiser overshoots by rounding (alpha = 0 gives rho = 1).

    Args:
        params: arch's parameters by name; ``result.params`` as it is.
        power: 2 for GARCH and GJR, 1 for TARCH; it matters only where ``scale`` is not 1.
        scale: factor by which returns were multiplied for arch: 100 if ours are to be in decimals.

    Raises `ParameterError` for missing or unknown names, a power other than 1 or 2.
    Source: Hentschel (1995), DOI 10.1016/0304-405X(94)00821-H.
    """
    params = {str(n): float(v) for n, v in params.items()}
    _check("arch", params, power)
    gamma, beta = params.get("gamma[1]", 0.0), params["beta[1]"]
    news = params["alpha[1]"] + gamma / 2
    persistence = news + beta
    result = {
        "mean": params["mu"] / scale,
        "persistence": _share(persistence, 0.0),
        "memory": _share(beta / persistence if persistence > 0 else 0.0, 0.0),
        "rotation": _share(gamma / (2 * news) if news > 0 else 0.0, -1.0),
        "shift": 0.0,
        "intercept": params["omega"] / scale**power,
    }
    if "nu" in params:
        result["degrees_of_freedom"] = params["nu"]
    return result


def _share(value: float, low: float) -> float:
    inside = min(max(value, low), 1.0)
    return inside if abs(inside - value) <= ROUNDING else value


def _check(side: str, values: Mapping[str, float], power: int) -> None:
    faults = [f"{n} is missing" for n in NEEDED[side] if n not in values]
    faults += [f"{n} has no counterpart" for n in values if n not in (*NEEDED[side], *OPTIONAL[side])]
    faults += [] if power in (1, 2) else [f"power = {power}"]
    if faults:
        expected = f"{', '.join(NEEDED[side])}, and at most {', '.join(OPTIONAL[side])}; power 1 or 2"
        fix = "convert a (1,1) model with constant mean and constant gate"
        raise ParameterError(explain("these parameters cannot be converted", "; ".join(faults), expected, fix))
