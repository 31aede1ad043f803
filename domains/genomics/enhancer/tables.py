"""What a run of element-gene pairs keeps beside the fit: scores by distance and study, the kernel, pairs, curves, and what to conclude."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqsci.cells.screened_pair import ScreenedPair
from seqsci.domains.genomics.enhancer.bank import DecayBank
from seqsci.domains.genomics.enhancer.contact import EXPONENT, NEAREST_BP
from seqsci.domains.genomics.enhancer.curves import curve
from seqsci.domains.genomics.enhancer.evaluation import STRATA
from seqsci.domains.genomics.enhancer.held_out import OURS, OutOfFold, Part, Scored, why_not
from seqsci.domains.genomics.enhancer.held_out_text import promise
from seqsci.domains.genomics.enhancer.pairs import distances, labels, studies
from seqsci.errors import SeqsciError
from seqsci.estimation.result import Fit
from seqsci.evaluate.joint_bootstrap import Estimate

Array = npt.NDArray[np.float64]
CURVE_POINTS = 120
MARGIN = 0.01
"""A loss of pooled AUPRC that is called none."""
BINS = np.array([0, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, np.inf])
"""Edges of bins of distance [bp]."""
RESAMPLES = 400
KINDS = ("loss", "warning", "tie", "statement", "win")
"""Kinds of sentences, bad news first: loss, tie and win of ours beside another model; warning and statement compare with nobody."""
ALSO_DRAWN = ("logistic", "power_law", "distance", "boosting", "share")
"""Baselines whose curves are kept, the first two of those that ran."""


@dataclass(frozen=True, eq=False)
class RunTables:
    """Makes the tables of a fit.

    Attributes: frame: the pairs; scorer: gives out-of-fold scores; truth: known parameters of a simulated screen by name, or none.
    """

    frame: pd.DataFrame
    scorer: OutOfFold
    truth: Mapping[str, float]

    def __call__(self, fit: Fit) -> dict[str, pd.DataFrame]:
        """Tables by name; those of out-of-fold scores are absent where there are none, and a printed note says why."""
        inside = fit.path.reads[:, fit.model.kernel().program.read_names.index("probability")]
        kernel, bins = kernel_table(fit), distance_table(self.frame, np.asarray(inside))
        found, sentences = {"kernel": kernel, "distances": bins}, list[tuple[str, str]]()
        pairs = self._pairs(np.asarray(inside))
        reason = why_not(self.frame)
        try:
            scored, strata, by_study, pooled = self.scorer(_tell) if not reason else (None, [], [], None)
        except SeqsciError as error:
            scored, pooled, reason = None, None, "; ".join(" ".join(line.split()) for line in str(error).splitlines())
        if scored is not None and pooled is not None:
            pairs["out_of_fold"] = scored.scores[OURS]
            found["strata"] = part_table(scored, [*strata, pooled], "stratum")
            found["studies"] = part_table(scored, by_study, "study")
            found["curves"] = curve_table(scored)
            sentences = verdicts(scored, strata, by_study, pooled)
        else:
            print(f"note: no strata.csv, studies.csv and curves.csv: {reason}", flush=True)
        if self.truth:
            found["truth"] = truth_table(fit, self.truth)
            sentences = [*sentences, recovered(found["truth"])]
        if sentences:
            sentences.sort(key=lambda s: KINDS.index(s[0]))
            found["verdict"] = pd.DataFrame(sentences, columns=["kind", "sentence"])
        return {**found, "pairs": pairs}

    def _pairs(self, probability: Array) -> pd.DataFrame:
        f = self.frame
        names = f["name"] if "name" in f else f["chrom"] + ":" + f["chromStart"].astype(str) + "-" + f["chromEnd"].astype(str)
        table = {"element": names, "gene": f["measuredGeneSymbol"], "study": studies(f), "chrom": f["chrom"]}
        table |= {"chromStart": f["chromStart"], "chromEnd": f["chromEnd"], "distance_bp": f["distanceToTSS"]}
        return pd.DataFrame({**table, "regulated": labels(f).astype(int), "probability": probability}).reset_index(drop=True)


def kernel_table(fit: Fit) -> pd.DataFrame:
    """Kernel of the fitted bank and a power law of contact at 80 distances, both 1 at 5 kb."""
    mechanism = fit.model.mechanism
    if not isinstance(mechanism, ScreenedPair):
        raise TypeError(f"no pair of a screen: {type(mechanism).__name__}")
    bank = DecayBank.log_spaced(len(mechanism.lengths), mechanism.shortest, mechanism.longest, fit.value["exponent"])
    d = np.geomspace(1e3, 5e6, 80)
    law = np.maximum(d / NEAREST_BP, 1.0) ** -EXPONENT
    return pd.DataFrame({"distance_bp": np.round(d), "bank": bank.kernel(d) / bank.kernel(NEAREST_BP), "power_law": law})


def distance_table(frame: pd.DataFrame, probability: Array, seed: int = 0) -> pd.DataFrame:
    """Share of regulated pairs and mean fitted probability by distance; intervals of a bootstrap that draws genes."""
    d, y = distances(frame), labels(frame).astype(float)
    code = np.clip(np.searchsorted(BINS, d, side="right") - 1, 0, len(BINS) - 2)
    gene = pd.factorize(frame["measuredGeneSymbol"])[0]
    genes, bins = int(gene.max()) + 1, len(BINS) - 1
    hits, count = (np.zeros((genes, bins)) for _ in range(2))
    np.add.at(hits, (gene, code), y)
    np.add.at(count, (gene, code), 1.0)
    weight = np.random.default_rng(seed).multinomial(genes, np.full(genes, 1.0 / genes), size=RESAMPLES).astype(float)
    with np.errstate(all="ignore"):
        drawn = (weight @ hits) / (weight @ count)
    rows = []
    for b in np.flatnonzero(count.sum(0) > 0):
        low, high = np.nanquantile(drawn[:, b], [0.025, 0.975])
        here = code == b
        middle = float(np.exp(np.log(np.maximum(d[here], 1.0)).mean()))
        ends = (BINS[b], min(float(BINS[b + 1]), float(d[here].max())))
        share = (int(here.sum()), int(y[here].sum()), y[here].mean(), low, high, probability[here].mean())
        rows.append((*ends, round(middle), *share))
    return pd.DataFrame(rows, columns=["from_bp", "to_bp", "middle_bp", "pairs", "regulated", "share", "low", "high", "fitted"])


def part_table(scored: Scored, parts: Sequence[Part], by: str) -> pd.DataFrame:
    """A row a part and model: AUPRC with its interval, recall at 70 % precision, prevalence, ours minus the model with its interval."""
    rows = []
    for part in parts:
        s = part.stratum
        for key, name in scored.names.items():
            if key not in scored.scores:
                continue
            own, ahead = part.interval.get(key), part.ahead.get(key)
            ends = (own.low, own.high) if own else (np.nan, np.nan)
            lead = (ahead.value, ahead.low, ahead.high) if ahead else (np.nan,) * 3
            rows.append((s.name, name, s.pairs, s.regulated, s.prevalence, s.precision[key], *ends, s.recall[key], *lead))
    head = [by, "model", "pairs", "regulated", "prevalence", "auprc", "low", "high", "recall70", "ours_minus", "ours_minus_low"]
    return pd.DataFrame(rows, columns=[*head, "ours_minus_high"])


def curve_table(scored: Scored) -> pd.DataFrame:
    """Precision and recall by stratum of ours and two baselines, thinned."""
    d, y = distances(scored.frame), labels(scored.frame)
    keys = [OURS, *[k for k in ALSO_DRAWN if k in scored.scores][:2]]
    made = []
    for name, low, high in STRATA:
        rows = (d >= low) & (d < high)
        for key in keys if y[rows].any() else []:
            recall, precision = curve(y[rows], scored.scores[key][rows])
            keep = np.unique(np.r_[np.arange(min(15, len(recall))), np.linspace(0, len(recall) - 1, CURVE_POINTS).astype(int)])
            changed = np.flatnonzero(np.diff(recall, prepend=-1.0) > 0)  # where a regulated pair is found: the teeth of the curve
            keep = np.unique(np.r_[keep, changed]) if len(changed) <= CURVE_POINTS else keep
            part = {"stratum": name, "model": scored.names[key], "recall": recall[keep].round(5), "precision": precision[keep].round(5)}
            made.append(pd.DataFrame({**part, "regulated": int(y[rows].sum()), "pairs": int(rows.sum())}))
    return pd.concat(made, ignore_index=True)


def verdicts(scored: Scored, strata: Sequence[Part], by_study: Sequence[Part], pooled: Part) -> list[tuple[str, str]]:
    """Sentences for the report's first lines, each with its kind of `KINDS`: bad news first."""
    said = promise([p.stratum for p in strata], list(scored.scores))
    found = [("warning", _sentence(said))] if "promise no" in said else []
    share = by_study[0].stratum.regulated / max(pooled.stratum.regulated, 1)
    if len(by_study) > 1 and share > 0.5:
        s = by_study[0].stratum
        found.append(("statement", f"{share:.0%} of the regulated pairs come from one study ({s.name}): read the scores by study."))
    for p in by_study:
        behind = [f"{scored.names[k]} ({_interval(e)})" for k, e in p.ahead.items() if e.high < 0]
        if behind and len(by_study) > 1:
            found.append(("loss", f"In the study {p.stratum.name} ours is behind, in AUPRC: {'; '.join(behind)}."))
    if (e := pooled.ahead.get("logistic")) is not None:
        said = f"pooled AUPRC out of fold minus that of {scored.names['logistic']}: {_interval(e)}"
        if e.low > 0:
            found.append(("win", f"A mechanistic reading that is also more accurate: {said}."))
        elif e.high < 0:
            found.append(("loss", f"A mechanistic reading at a loss of accuracy: {said}."))
        elif e.low > -MARGIN:
            found.append(("tie", f"A mechanistic reading at no loss of accuracy, and no gain: {said}. Level, not better."))
        else:
            found.append(("tie", f"A mechanistic reading; whether it costs accuracy is not decided: {said}."))
    return found


def truth_table(fit: Fit, truth: Mapping[str, float]) -> pd.DataFrame:
    """Known parameters of a simulation beside their estimates."""
    rows = [(e.name, truth[e.name], e.value, e.low, e.high) for e in fit.estimates() if e.name in truth and e.name in fit.free_names]
    return pd.DataFrame(rows, columns=["name", "truth", "estimate", "low", "high"])


def recovered(table: pd.DataFrame) -> tuple[str, str]:
    """How many known parameters lie in their intervals."""
    inside = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    outside = ", ".join(table["name"][~inside])
    text = f"The screen is simulated: {int(inside.sum())} of {len(table)} known parameters lie in their 95 % intervals"
    text += f" (not {outside})." if outside else "."
    return (
        "statement" if inside.mean() >= 0.8 else "warning",
        f"{text} It was drawn from this model: a lead over others here says nothing of real data.",
    )


def _tell(name: str) -> None:
    print(f"seqsci: out of fold: {name}", file=sys.stderr, flush=True)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _interval(e: Estimate) -> str:
    return f"{_signed(e.value)} [{_signed(e.low)}, {_signed(e.high)}]"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
