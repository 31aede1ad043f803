"""Every error of seqsci: it says what is wrong, what was got, what was expected, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeqsciError(Exception):
    """Base of every error that seqsci raises on purpose. Its text is written for the user: show it alone, without a traceback."""


class DataError(SeqsciError, ValueError):
    """The data cannot be used as they are (units, order, gaps, values outside the domain)."""


class EquationError(SeqsciError, ValueError):
    """An equation cannot be traced: an unknown name, or a construct outside the vocabulary."""


class ParameterError(SeqsciError, ValueError):
    """A parameter is unknown, outside its admissible set, or fixed twice."""


class ConfigError(SeqsciError, ValueError):
    """A configuration or a name on the command line is not known."""


class ConvergenceError(SeqsciError, RuntimeError):
    """The likelihood could not be maximised; the text holds numbered advice."""


class ArtefactError(SeqsciError, RuntimeError):
    """A saved artefact is missing, truncated, or was made by something else."""


class MissingExtraError(SeqsciError, ImportError):
    """An optional dependency is not installed; the text is one line with the pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'seqsci[{extra}]'")
        self.package = package
        self.extra = extra


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(got, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def explain(what: str, got: object, expected: object, fix: str) -> str:
    """Return the text of an error in the four parts that every one of ours has."""
    return f"{what}\n  got:      {got}\n  expected: {expected}\n  fix:      {fix}"
