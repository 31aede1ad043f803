"""The printed table of a fit: plain text, HTML, LaTeX."""

from __future__ import annotations

import html
import math
import textwrap
from dataclasses import dataclass

COLUMNS = ("parameter", "estimate", "std. error", "interval", "unit", "reading")


def number(value: float) -> str:
    """Four significant digits; a dash for what does not exist."""
    return "-" if math.isnan(value) else f"{value:.4g}"


@dataclass(frozen=True)
class Estimate:
    """One row of a table of estimates; ``standard_error`` is NaN for a fixed or pinned parameter."""

    name: str
    symbol: str
    value: float
    standard_error: float
    low: float
    high: float
    unit: str
    reading: str
    flag: str


@dataclass(frozen=True)
class Summary:
    """Rendered estimates; printing it gives text, a notebook shows HTML."""

    title: str
    facts: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    derived: tuple[Estimate, ...]
    level: float
    warnings: tuple[str, ...] = ()
    """What to know before a number is read; printed before the table."""

    def _cells(self, e: Estimate, last: bool) -> tuple[str, ...]:
        span = "" if math.isnan(e.low) else f"{number(e.low)} .. {number(e.high)}"
        mark = f"{span} ({e.flag})" if span and e.flag else e.flag or span
        return (e.name, number(e.value), number(e.standard_error), mark, e.unit, e.reading)

    def __str__(self) -> str:
        rows = [self._cells(e, False) for e in self.estimates]
        more = [self._cells(e, True) for e in self.derived]
        head = ("parameter", "estimate", "std. error", f"{self.level:.0%} interval", "unit", "reading")
        widths = [max(len(r[i]) for r in (head, *rows, *more)) for i in range(len(head))]

        def line(cells: tuple[str, ...]) -> str:
            parts = [c.rjust(w) if i in (1, 2) else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
            return "  ".join(parts).rstrip()

        rule = "-" * min(max(len(line(r)) for r in (head, *rows, *more)), 150)
        warned = [textwrap.fill(f"WEAKLY IDENTIFIED: {w}", max(len(rule), 80), subsequent_indent="  ") for w in self.warnings]
        body = [self.title, *self.facts, *warned, rule, line(head), rule, *map(line, rows)]
        if more:
            body += [rule, "derived", *map(line, more)]
        return "\n".join([*body, rule])

    def html(self) -> str:
        """An HTML table; `_repr_html_` shows it in notebooks."""
        escape = html.escape
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(c)}</td>" for c in self._cells(e, False)) + "</tr>" for e in (*self.estimates, *self.derived)
        )
        head = "".join(f"<th>{escape(c)}</th>" for c in COLUMNS)
        facts = "<br>".join((*map(escape, self.facts), *(f"<strong>Weakly identified:</strong> {escape(w)}" for w in self.warnings)))
        caption = f"<caption>{escape(self.title)}<br>{facts}</caption>"
        return f"<table class='seqsci'>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    _repr_html_ = html

    def latex(self) -> str:
        """A booktabs table with the facts of the fit below it, and warnings above it."""
        body = []
        for e in (*self.estimates, *self.derived):
            span = e.flag if math.isnan(e.low) else f"[{number(e.low)}, {number(e.high)}] {e.flag}".rstrip()
            numbers = rf"{number(e.value)} & {number(e.standard_error)}"
            body.append(rf"${e.symbol}$ & {numbers} & {_escaped(span)} & {_escaped(e.unit)} & {_escaped(e.reading)} \\")
        head = r"symbol & estimate & std.\ error & interval & unit & reading \\"
        notes = [rf"\multicolumn{{6}}{{l}}{{{_escaped(fact)}}} \\" for fact in (self.title, *self.facts)]
        warned = [rf"\multicolumn{{6}}{{p{{\linewidth}}}}{{\textbf{{Weakly identified:}} {_escaped(w)}}} \\" for w in self.warnings]
        table = [
            r"\begin{tabular}{lrrlll}",
            r"\toprule",
            *warned,
            head,
            r"\midrule",
            *body,
            r"\midrule",
            *notes,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(table)


def _escaped(text: str) -> str:
    return text.replace("^", r"\textasciicircum{}").replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
