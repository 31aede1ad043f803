"""The text of a held-out comparison of pairs: by distance and by study first, pooled last, who wins, and what is not to be promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from seqsci.domains.genomics.enhancer.evaluation import PRECISION, Stratum
from seqsci.evaluate.comparison import Difference
from seqsci.evaluate.joint_bootstrap import Estimate

MOST_STUDIES = 8
"""Studies that the text shows; studies.csv holds all."""
POOR = 0.1
"""A recall below is called poor."""


class PartLike(Protocol):
    """A stratum with its intervals."""

    @property
    def stratum(self) -> Stratum: ...
    @property
    def interval(self) -> Mapping[str, Estimate]: ...
    @property
    def ahead(self) -> Mapping[str, Estimate]: ...


class ScoredLike(Protocol):
    """What was scored, and under which names."""

    @property
    def scores(self) -> Mapping[str, object]: ...
    @property
    def names(self) -> Mapping[str, str]: ...
    @property
    def skipped(self) -> Mapping[str, str]: ...
    @property
    def folds(self) -> int: ...


def text(
    scored: ScoredLike,
    parts: tuple[Sequence[PartLike], Sequence[PartLike], PartLike],
    differences: Sequence[Difference],
    label: str,
    tried: int,
) -> str:
    """Heading, an empty line, tables by distance and by study, pooled with intervals, paired differences, and the verdict.

    Args:
        scored: names and what was left out; parts: strata, studies, pooled.
        differences: ours minus each baseline in 1 - AUPRC; label: of the data; tried: number of models.
    """
    strata, studies, pooled = parts
    whole, keys = pooled.stratum, list(scored.scores)
    ours = scored.names[keys[0]]
    lines = [
        f"Held-out comparison over {scored.folds} folds of whole chromosomes ({label} data): {whole.pairs:,} pairs, {whole.regulated:,} "
        f"regulated",
        f"every pair is scored by a fit on the other folds; {tried} models were tried on these pairs",
        "intervals of 95 % by a bootstrap that draws genes; AUPRC is a lower bound: a pair that a test of limited power missed counts as a "
        "false alarm",
        *(f"not compared: {name}: {reason}" for name, reason in scored.skipped.items()),
        "",
    ]
    for title, shown in (("by distance", strata), *([("by study", studies[:MOST_STUDIES])] if len(studies) > 1 else [])):
        lines += [f"{title}: AUPRC (recall at {PRECISION:.0%} precision)", _by_part(scored.names, keys, shown), ""]
    if len(studies) > MOST_STUDIES:
        lines += [f"{len(studies) - MOST_STUDIES} more studies: studies.csv", ""]
    lines += [*by_study(scored.names, studies), ""] if len(studies) > 1 else []
    rows = [[scored.names[k], f"{whole.precision[k]:.3f}", _span(pooled.interval.get(k)), f"{whole.recall[k]:.2f}"] for k in keys]
    rows.append(["prevalence", f"{whole.prevalence:.3f}", "", ""])
    lines += ["pooled, to be read last: it mixes near pairs with far ones", _table(["", "AUPRC", "95% interval", "recall"], rows), ""]
    if not differences:
        return "\n".join([*lines, f"{ours} is compared with nothing: too few regulated pairs or genes, or see what was left out above"])
    paired = [[f"{d.score}: minus {d.baseline}", f"{d.mean:+.4f}", f"{d.low:+.4f} .. {d.high:+.4f}", d.verdict] for d in differences]
    lines += [
        f"Paired differences of 1 - AUPRC: {ours} minus the other (negative = ours is better; the interval by gene decides, none is "
        f"corrected for the number of comparisons)",
        _table(["difference", "mean", "95% interval", "verdict"], paired),
        "",
        verdict(differences),
        promise([p.stratum for p in strata], keys),
    ]
    return "\n".join(lines)


def verdict(differences: Sequence[Difference]) -> str:
    """Who wins, also when we lose; where, in brackets."""
    groups: dict[str, dict[str, list[str]]] = {"win": {}, "tie": {}, "loss": {}}
    for d in differences:
        groups[d.outcome].setdefault(d.baseline, []).append(d.score.rpartition(", ")[2])

    def named(kind: str) -> str:
        return "; ".join(f"{name} ({', '.join(places)})" for name, places in groups[kind].items()) or "none"

    return "\n".join([f"better than: {named('win')}", f"no difference told from zero to: {named('tie')}", f"WORSE than: {named('loss')}"])


def promise(strata: Sequence[Stratum], keys: Sequence[str]) -> str:
    """One sentence on the strata where no model, or hardly any, finds regulated pairs at 70 % precision."""
    poor = [s for s in strata if s.regulated and max(s.recall[k] for k in keys) < POOR]
    if not poor:
        return f"at {PRECISION:.0%} precision some model finds a tenth of the regulated pairs or more in every stratum"
    told = "; ".join(f"{s.name}: {max(s.recall[k] for k in keys):.0%} of {s.regulated}" for s in poor)
    return f"at {PRECISION:.0%} precision no model finds a tenth of the regulated pairs ({told}): promise no links there"


def by_study(names: Mapping[str, str], parts: Sequence[PartLike]) -> list[str]:
    """Lines on the studies where ours is behind a baseline, or ahead of it, with an interval that excludes 0."""
    found = []
    for word, sign in (("BEHIND", -1), ("ahead of", 1)):
        told = [
            f"{p.stratum.name}: {names[k]} {e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}]"
            for p in parts
            for k, e in p.ahead.items()
            if (e.high < 0 if sign < 0 else e.low > 0)
        ]
        found.append(f"within a study ours is {word}: {'; '.join(told) or 'none'} (AUPRC of ours minus the other)")
    return found


def _by_part(names: Mapping[str, str], keys: Sequence[str], parts: Sequence[PartLike]) -> str:
    strata = [p.stratum for p in parts]
    rows = [
        ["regulated", *(f"{s.regulated:,} of {s.pairs:,}" for s in strata)],
        ["prevalence", *(f"{s.prevalence:.3f}" if s.pairs else "-" for s in strata)],
    ]
    rows += [[names[k], *(f"{s.precision[k]:.3f} ({s.recall[k]:.2f})" if s.regulated else "-" for s in strata)] for k in keys]
    return _table(["", *(s.name for s in strata)], rows)


def _span(e: Estimate | None) -> str:
    return "-" if e is None else f"{e.low:.3f} .. {e.high:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in (head, *rows)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
