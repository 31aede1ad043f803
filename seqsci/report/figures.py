"""Figures and numbers as the template takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqsci import plots
from seqsci.estimation.summary import number


@dataclass(frozen=True)
class Drawn:
    """A figure as the template takes it."""

    title: str
    svg: str
    caption: str
    label: str


def drawn(captioned: plots.Captioned) -> Drawn:
    """The figure as inline SVG with its caption as its label."""
    return Drawn(captioned.title, plots.svg(captioned), captioned.caption, f"{captioned.title}. {captioned.caption}")


def p_value(p: float) -> str:
    """A p-value with three decimals."""
    return "–" if math.isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"


def plain(value: float) -> str:
    """Four significant digits with a proper minus sign; a dash for what does not exist."""
    return "–" if math.isnan(value) else number(value).replace("-", "−")


def interval(low: float, high: float) -> str:
    """Both ends of an interval."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{plain(low)} to {plain(high)}"
