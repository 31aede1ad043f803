"""LaTeX of equations as MathML, which browsers draw without any script."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from seqsci.errors import MissingExtraError


def _upright(match: re.Match[str]) -> str:
    letters = "".join(re.findall(r">([^<]*)</mi>", match.group()))
    return f'<mi mathvariant="normal">{letters}</mi>'


def mathml(latex: str, words: Sequence[str] = (), display: bool = False) -> str:
    """Return one formula as a ``math`` element, or as plain code where it cannot be converted.

    Parameters: ``latex``, the formula; ``words``, names in it that are words and no products of letters; ``display``, on a line of
    its own.

    >>> mathml(r"\\mu")
    '<math display="inline"><mrow><mi>μ</mi></mrow></math>'
    """
    try:
        from latex2mathml import exceptions
        from latex2mathml.converter import convert
    except ImportError as error:
        raise MissingExtraError("latex2mathml", "report", "An equation in a report") from error
    own: list[type[Exception]] = [e for e in vars(exceptions).values() if isinstance(e, type) and issubclass(e, Exception)]
    faults: tuple[type[Exception], ...] = (*own, IndexError, ValueError)
    text = latex
    for word in sorted(words, key=len, reverse=True):
        upright = r"\mathrm{" + word.replace("_", r"\_") + "}"
        text = re.sub(rf"(?<![A-Za-z\\_]){re.escape(word)}(?=_t|_{{t)", upright.replace("\\", r"\\"), text)
    text = re.sub(r"(\d+\.\d{4})\d+", r"\1", text)
    try:
        found = convert(text, display="block" if display else "inline")
    except faults:
        return f"<code>{html.escape(latex)}</code>"
    found = re.sub(r"&#x([0-9A-Fa-f]+);", lambda m: html.escape(chr(int(m.group(1), 16))), found)
    found = found.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    found = re.sub(r'(?:<mi mathvariant="normal">[^<]</mi>)+', _upright, found)
    found = found.replace("<mi>~</mi>", "<mo>∼</mo>")
    # The brace of a case distinction stretches only with a mathematical font; a rule at the left of the table always does.
    brace = '<mo stretchy="true" fence="true" form="prefix">{</mo><mtable>'
    return found.replace(brace, '<mtable class="cases">')
