"""An error in one line, for tables and notes."""

from __future__ import annotations

from seqsci.errors import SeqsciError


def one_line(error: SeqsciError) -> str:
    """What is wrong, what was got and what was expected, without the advice: there is nobody to follow it in a list of what was left out.

    >>> from seqsci.errors import DataError, explain
    >>> one_line(DataError(explain("too short", "3 years", "12 years", "pass more")))
    'too short (got 3 years; expected 12 years)'
    """
    first, *rest = [" ".join(line.split()) for line in str(error).splitlines()] or [""]
    parts = {key: text.strip() for key, _, text in (line.partition(":") for line in rest) if key in ("got", "expected")}
    told = "; ".join(f"{key} {text}" for key, text in parts.items())
    more = [line for line in rest if line.partition(":")[0] not in ("got", "expected", "fix")]
    return " ".join([first, *more]) + (f" ({told})" if told else "")
