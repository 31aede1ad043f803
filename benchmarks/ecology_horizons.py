"""Coverage of forecasts 1, 5 and 10 years ahead, parameters drawn by their likelihood or taken as known. Last line: JSON.

python -m benchmarks.ecology_horizons [--quick]: simulated series of 40 years from two models whose own fits then forecast them, 300 series
each (quick: 60). Beside the draws stand the same paths from the estimates alone and from the normal approximation on the raw scale; the
coverage of the draws is given for fits with a parameter at its bound ("pinned") and without ("inside"), too: the user sees which he has.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from seqsci.domains.ecology.horizon_paths import simulate_paths
from seqsci.domains.ecology.models import MODELS
from seqsci.errors import SeqsciError
from seqsci.estimation.maximum_likelihood import MaximumLikelihood
from seqsci.estimation.parameter_draws import draw_parameters
from seqsci.estimation.result import Fit
from seqsci.model import Model
from seqsci.sequences import Sequences

TRUTH = {"dependence": 0.5, "process_sd": 0.2, "observation_sd": 0.15, "capacity_sd": 0.08}
WHICH = ("random_walk_capacity", "gompertz_state_space")
YEARS, STEPS, DRAWS, LEVEL = 40, (1, 5, 10), 2000, 0.9
FULL, QUICK = 300, 60
WAYS = ("drawn", "known", "normal")


def source(which: str) -> Model:
    """The model at the true parameters."""
    model = MODELS[which]()
    return model.start_at(**{n: v for n, v in TRUTH.items() if n in model.free_names})


def normal_draws(fit: Fit, rng: np.random.Generator) -> np.ndarray:
    """Parameters from the normal approximation on the raw scale; directions without information stay at the estimate."""
    parameters = fit.model.kernel_parameters
    names = [p.name for p in parameters]
    raw = [parameters[names.index(n)].constraint.inverse(fit.value[n]) for n in fit.free_names]
    covariance = np.where(np.isfinite(fit.covariance_raw), fit.covariance_raw, 0.0)
    drawn = rng.multivariate_normal(raw, covariance, DRAWS, check_valid="ignore", method="eigh")
    values = np.tile(fit.model.kernel_values, (DRAWS, 1))
    for j, n in enumerate(fit.free_names):
        forward = parameters[names.index(n)].constraint.forward
        values[:, names.index(n)] = [min(float(forward(r)), 1e3) for r in drawn[:, j]]
    return values


def one(which: str, seed: int) -> dict[str, Any] | None:
    """Whether each way's interval holds what came, with its width, at each step of one series; None where the fit or the draws refuse."""
    model, truth = MODELS[which](), source(which)
    y = truth.simulate(YEARS + 20, seed).outcome["log_count"][10:]
    seen, future = y[:YEARS], y[YEARS:][[s - 1 for s in STEPS]]
    try:
        fit = MaximumLikelihood(min_rows=20, profile_bounds=False).fit(model, Sequences({"log_count": seen}))
        sets = {"drawn": draw_parameters(fit, DRAWS, seed).values}
    except SeqsciError:
        return None
    sets |= {"known": np.tile(fit.model.kernel_values, (DRAWS, 1)), "normal": normal_draws(fit, np.random.default_rng(seed))}
    found: dict[str, Any] = {"pinned": bool(fit.at_bound)}
    for way, values in sets.items():
        paths = simulate_paths(fit, ["s"], values, max(STEPS), seed, {})[0].outcome[:, [s - 1 for s in STEPS]]
        low, high = np.nanquantile(paths, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        found[way] = ((low <= future) & (future <= high), high - low)
    return found


def horizons(quick: bool) -> tuple[str, dict[str, float]]:
    """The table and its figures: ``horizon_MODEL_WAY_STEP`` is a coverage."""
    number = QUICK if quick else FULL
    error = (LEVEL * (1 - LEVEL) / number) ** 0.5
    lines = [f"Coverage of {LEVEL:.0%} intervals {STEPS} years ahead, {number} series of {YEARS} years each; Monte Carlo error {error:.3f}"]
    figures: dict[str, float] = {"horizon_series": float(number)}
    with ProcessPoolExecutor(2) as pool:
        for which in WHICH:
            rows = [r for r in pool.map(one, [which] * number, range(number), chunksize=5) if r is not None]
            pinned = sum(r["pinned"] for r in rows)
            lines.append(f"{which}: {len(rows)} fitted, {pinned} with a parameter at its bound")
            for name, kept in (("pinned", True), ("inside", False)):
                inside = np.mean([r["drawn"][0] for r in rows if r["pinned"] == kept], axis=0)
                lines.append(f"  drawn, {name:7}" + "".join(f"{c:8.3f}" for c in inside))
                figures |= {f"horizon_{which}_{name}_{s}": round(float(c), 4) for s, c in zip(STEPS, inside, strict=True)}
            width = {w: np.median([r[w][1] for r in rows], axis=0) for w in WAYS}
            for way in WAYS:
                inside = np.mean([r[way][0] for r in rows], axis=0)
                ratio = width[way] / width["known"]
                lines.append(
                    f"  {way:8}" + "".join(f"{c:8.3f}" for c in inside) + "   width over known:" + "".join(f"{v:6.2f}" for v in ratio)
                )
                figures |= {f"horizon_{which}_{way}_{s}": round(float(c), 4) for s, c in zip(STEPS, inside, strict=True)}
    return "\n".join(lines), figures


def main() -> None:
    """Print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} series a model")
    text, figures = horizons(parser.parse_args().quick)
    print(f"{text}\n{json.dumps(figures)}")


if __name__ == "__main__":
    main()
