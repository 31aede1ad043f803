"""How a broken law is reported: an AssertionError that says what was got, what was expected and what to do."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from torch import Tensor

from seqsci.errors import explain


def require(condition: object, law: str, got: object, expected: object, fix: str) -> None:
    """Raise AssertionError with the four parts of an error where the condition is false."""
    if not condition:
        raise AssertionError(explain(law, got, expected, fix))


def require_equal(law: str, got: Any, expected: Any, fix: str, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Raise AssertionError at the first entry that differs by more than ``atol + rtol |expected|``; NaN equals NaN."""
    a, b = (np.asarray(v.detach() if isinstance(v, Tensor) else v, float) for v in (got, expected))
    require(a.shape == b.shape, law, f"shape {a.shape}", f"shape {b.shape}", fix)
    wrong = np.argwhere(~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        place = f" at index {', '.join(map(str, at))} ({len(wrong)} of {a.size} differ)" if at else ""
        limit = "the same bits" if rtol == atol == 0 else f"agreement within {atol:g} + {rtol:g} |expected|"
        require(False, law, f"{float(a[at])!r}{place}", f"{float(b[at])!r}, {limit}", fix)


def require_pickles(thing: object) -> None:
    """Raise AssertionError where a copy by way of pickle is not equal to the original, or does not hash as it does."""
    label = type(thing).__name__
    try:
        copy = pickle.loads(pickle.dumps(thing))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(
            explain(f"{label} does not pickle", error, "an object that pickles", "no lambdas or local classes in its fields")
        ) from error
    same = copy == thing and hash(copy) == hash(thing)
    require(same, f"{label} comes back from pickle different", copy, thing, "declare it @dataclass(frozen=True), with fields that compare")
