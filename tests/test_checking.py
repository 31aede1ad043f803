"""An equation that would be traced wrongly is refused by reading its source, with the line and the fix."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from seqsci.equations.checking import check_source
from seqsci.equations.tracing import bind
from seqsci.equations.vocabulary import absolute, equal, maximum, minimum, where
from seqsci.errors import EquationError

# Equations that would be traced wrongly. Each is refused at the line that carries the comment.


def equality(grade: Any) -> Any:
    return where(grade == 1, 0.0, 1.0)  # here


def inequality(grade: Any) -> Any:
    return where(grade != 1, 0.0, 1.0)  # here


def membership(grade: Any) -> Any:
    return where(grade in (1, 2), 0.0, 1.0)  # here


def conjunction(a: Any, b: Any) -> Any:
    return where(a > 0 and b > 0, 1.0, 0.0)  # here


def negation(a: Any) -> Any:
    return where(not a > 0, 1.0, 0.0)  # here


def branch(a: Any) -> Any:
    if a > 0:  # here
        return a
    return -a


def ternary(a: Any) -> Any:
    return a if a > 0 else -a  # here


def loop_over_values(a: Any) -> Any:
    while a > 1:  # here
        a = a / 2
    return a


def choice(a: Any) -> Any:
    match a:  # here
        case 1:
            return 0.0
    return 1.0


def least(a: Any, b: Any) -> Any:
    return min(a, b)  # here


def greatest(a: Any) -> Any:
    return max(a, 0.0)  # here


def from_math(a: Any) -> Any:
    return math.exp(a)  # here


def from_numpy(a: Any) -> Any:
    return np.where(a > 0, a, 0.0)  # here


def chain(a: Any) -> Any:
    return where(0 < a < 1, a, 0.0)  # here


def derived_name(a: Any) -> Any:
    doubled = 2 * a
    return where(doubled == 1, 0.0, 1.0)  # here


def annotated_name(a: Any) -> Any:
    doubled: Any = 2 * a
    return where(doubled == 1, 0.0, 1.0)  # here


def walrus_name(a: Any) -> Any:
    return (doubled := 2 * a) + where(doubled == 1, 0.0, 1.0)  # here


def augmented_name(a: Any) -> Any:
    total = 0
    total += a
    return where(total == 1, 0.0, 1.0)  # here


def loop_name(a: Any, b: Any) -> Any:
    total = 0
    for v in (a, b):
        total = total + where(v == 1, 0.0, 1.0)  # here
    return total


def comprehension_name(a: Any, b: Any) -> Any:
    return sum([where(v == 1, 0.0, 1.0) for v in (a, b)])  # here


def inner_function(a: Any) -> Any:
    return (lambda v: where(v == 1, 0.0, 1.0))(a)  # here


REFUSED: dict[Callable[..., Any], str] = {
    equality: r"== cannot be traced: use where\(equal\(a, b\)",
    inequality: r"!= cannot be traced: use where\(equal\(a, b\)",
    membership: "== cannot be traced",
    conjunction: "and/or cannot be traced: nest two where",
    negation: "not cannot be traced: swap the branches",
    branch: r"if cannot be traced: use where\(condition",
    ternary: r"if cannot be traced: use where\(condition",
    loop_over_values: "while cannot be traced: write a closed form",
    choice: "if cannot be traced",
    least: r"min/max cannot be traced: use minimum\(a, b\) or maximum",
    greatest: "min/max cannot be traced",
    from_math: "library call cannot be traced: use the vocabulary: exp, log",
    from_numpy: "library call cannot be traced",
    chain: "chained comparison cannot be traced: nest two where",
    derived_name: "==",
    annotated_name: "==",
    walrus_name: "==",
    augmented_name: "==",
    loop_name: "==",
    comprehension_name: "==",
    inner_function: "==",
}


@pytest.mark.parametrize("equation", REFUSED, ids=lambda f: f.__name__)
def test_a_construct_that_cannot_be_traced_is_refused_at_its_line_with_a_fix(equation: Callable[..., Any]) -> None:
    lines, first = inspect.getsourcelines(equation)
    line = next(first + i for i, text in enumerate(lines) if "# here" in text)
    with pytest.raises(EquationError, match=REFUSED[equation]) as caught:
        bind(equation, dict.fromkeys(inspect.signature(equation).parameters, sp.Symbol("x", real=True)), "update")
    assert f"{__file__}:{line}: " in str(caught.value)
    assert equation.__name__ in str(caught.value)


def test_every_fault_of_an_equation_is_named_at_once() -> None:
    def twofold(a: Any) -> Any:
        b = min(a, 1.0)
        return where(b == 1, 0.0, 1.0)

    with pytest.raises(EquationError, match="min/max(.|\n)*==") as caught:
        check_source(twofold)
    assert str(caught.value).count(__file__) == 2


def allowed(a: Any, b: Any) -> Any:
    power, names = 2, ("a", "b")
    if power == 1 or "c" in names:
        return a
    inner = [maximum(v, 0.0) for v in (a, b)]
    return where(a > b, minimum(a, 1.0), absolute(b)) + sum(inner) + where(equal(a, 1), 1.0, 0.0) + math.log(2)


def test_branches_on_what_is_no_argument_are_allowed() -> None:
    check_source(allowed)
    a, b = sp.symbols("a b", real=True)
    traced = bind(allowed, {"a": a, "b": b}, "update")
    assert traced.free_symbols == {a, b}


def test_a_lambda_inside_a_table_has_no_source_of_its_own_and_is_let_through() -> None:
    table = {
        "half_life": lambda memory: 1 / memory,
    }
    check_source(table["half_life"])


def test_a_truth_value_that_reading_does_not_see_is_refused_while_tracing() -> None:
    def helper(a: Any) -> Any:
        return a if a > 0 else -a

    def hidden(a: Any) -> Any:
        return helper(a)

    with pytest.raises(EquationError, match=r"update branches on a value(.|\n)*use where"):
        bind(hidden, {"a": sp.Symbol("a", real=True)}, "update")
