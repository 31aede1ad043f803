"""Every error of seqsci: it says what is wrong, what was got, what was expected, and how to fix it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

DISTRIBUTIONS = {"Bio": "biopython", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Names of packages on the index, where they are not those of their modules."""


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


class DeviceError(SeqsciError, RuntimeError):
    """There is no such card, it is too old or too small, or tensors are on several devices."""


class MissingExtraError(SeqsciError, ImportError):
    """An optional dependency is not installed; the text is one line with the pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'seqsci[{extra}]'")
        self.package = package
        self.extra = extra


def missing_extra(error: ModuleNotFoundError, purpose: str) -> MissingExtraError | None:
    """The explained error for a failed import of a package that belongs to one of our extras, or None for any other module."""
    from importlib.metadata import PackageNotFoundError, requires

    module = (error.name or "").split(".")[0]
    package = DISTRIBUTIONS.get(module, module.replace("_", "-"))
    try:
        lines = requires("seqsci") or []
    except PackageNotFoundError:  # a source tree that was never installed
        return None
    for line in lines:  # such as: pandas>=2.2; extra == 'fit'
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)", line)
        if name and extra and name[0].lower() == package and extra[1] not in ("all", "test", "docs", "lint"):
            return MissingExtraError(package, extra[1], purpose)
    return None


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(got, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def explain(what: str, got: object, expected: object, fix: str) -> str:
    """Return the text of an error in the four parts that every one of ours has."""
    return f"{what}\n  got:      {got}\n  expected: {expected}\n  fix:      {fix}"
