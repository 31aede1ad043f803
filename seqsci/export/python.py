"""A fitted model as one Python module that imports nothing but math."""

from __future__ import annotations

from collections.abc import Sequence

from seqsci.equations.scalar_source import PYTHON, ROLES, Block, scalar_source
from seqsci.estimation.result import Fit
from seqsci.export.contents import LONGEST, PROBABILITY, SHORTEST, STEPS, Contents, contents
from seqsci.model import Model

FUNCTIONS = '''
class f:
    """Functions of the equations; out of range they give inf or nan, as IEEE 754 has it, instead of an error."""

    @staticmethod
    def divide(a, b):
        if b == 0:
            return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)
        return a / b

    @staticmethod
    def power(a, b):
        try:
            return math.pow(a, b)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.inf if a == 0 else math.nan

    @staticmethod
    def exp(x):
        try:
            return math.exp(x)
        except OverflowError:
            return math.inf

    @staticmethod
    def expm1(x):
        try:
            return math.expm1(x)
        except OverflowError:
            return math.inf

    @staticmethod
    def log(x):
        return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan

    @staticmethod
    def log1p(x):
        return math.log1p(x) if x > -1 else -math.inf if x == -1 else math.nan

    @staticmethod
    def sqrt(x):
        return math.sqrt(x) if x >= 0 else math.nan

    @staticmethod
    def sign(x):
        return (x > 0) - (x < 0) + 0.0

    @staticmethod
    def sigmoid(x):
        e = math.exp(-abs(x))
        return (1.0 if x >= 0 else e) / (1.0 + e)

    @staticmethod
    def softplus(x):
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    abs = staticmethod(abs)
    loggamma = staticmethod(math.lgamma)


def _numbers(table, *names):
    values = [float(table[name]) for name in names]
    if any(v != v for v in values):
        raise ValueError("not a number among " + ", ".join(names))
    return values if len(values) > 1 else values[0]
'''

SOLVER = '''

def probability(state, known):
    """Probability of the outcome, before it is seen."""
    return read(state, known)["{read}"]


def next_interval(state, known, retention, shortest={shortest!r}, longest={longest!r}):
    """The {elapsed} after which the probability has fallen to ``retention``; ``known`` holds the other known values.

    Returns interval (nan where even the shortest time has a lower probability), reachable, largest_retention (the probability at the
    shortest time) and capped (True where the probability is still higher at the longest time, which is returned then).
    The probability must fall with time.
    """
    if not 0.0 < retention < 1.0:
        raise ValueError("retention must lie between 0 and 1")
    low, high = float(shortest), float(longest)

    def at(elapsed):
        return probability(state, {{**known, "{elapsed}": elapsed}})

    largest = at(low)
    if not largest >= retention:
        return {{"interval": math.nan, "reachable": False, "largest_retention": largest, "capped": False}}
    if at(high) >= retention:
        return {{"interval": high, "reachable": True, "largest_retention": largest, "capped": True}}
    for _ in range({steps}):
        middle = (low + high) / 2
        if middle <= low or middle >= high:
            break
        if at(middle) >= retention:
            low = middle
        else:
            high = middle
    return {{"interval": low, "reachable": True, "largest_retention": largest, "capped": False}}
'''


def python_source(fitted: Fit | Model, elapsed: str | None = None) -> str:
    """The text of a Python module of a fitted model: ``start``, ``read``, ``update`` and, for recall, ``probability``, ``next_interval``.

    Args: a fit or a model; the known sequence in which the interval solver moves (default: elapsed_days where there is one).
    Equal fits give equal text. Raises `EquationError` for a model that needs presample numbers, an integral or a network.
    """
    c = contents(fitted, elapsed)
    blocks = scalar_source(c.program, PYTHON)
    header = "\n".join([*c.header(), "", *_usage(c)]).replace("\\", "\\\\").replace('"""', "'''")
    parameters = "".join(f"    {name!r}: {value!r},\n" for name, value in c.parameters.items())
    states = tuple(s.name for s in c.program.states)
    text = f'"""{header}\n"""\n\nimport math\n\nPARAMETERS = {{\n{parameters}}}\n\n{FUNCTIONS}'
    text += _function("start", ("known",), "The state after the first event of a unit.", blocks["start"], states)
    what = "What the model says of the next outcome, before it is seen."
    text += _function("read", ("state", "known"), what, blocks["read"], c.program.read_names)
    text += _function("update", ("state", "known", "outcome"), "The state after an outcome.", blocks["update"], states)
    if c.elapsed:
        text += SOLVER.format(read=PROBABILITY, elapsed=c.elapsed, shortest=SHORTEST, longest=LONGEST, steps=STEPS)
    return text


def _function(name: str, arguments: Sequence[str], what: str, block: Block, keys: Sequence[str]) -> str:
    lines = ["", "", f"def {name}({', '.join(arguments)}):", f'    """{what}"""']
    for role, table in (("parameter", "PARAMETERS"), ("state", "state"), ("known", "known"), ("outcome", "outcome")):
        if used := block.uses[role]:
            targets = ", ".join(ROLES[role] + n for n in used)
            lines.append(f"    {targets} = _numbers({', '.join([table, *map(repr, used)])})")
    lines += [f"    {target} = {text}" for target, text in block.assignments]
    lines += ["    return {", *(f"        {key!r}: {text}," for key, text in zip(keys, block.results, strict=True)), "    }"]
    return "\n".join(lines) + "\n"


def _usage(c: Contents) -> list[str]:
    def table(names: Sequence[str]) -> str:
        return "{" + ", ".join(f'"{n}": ...' for n in names) + "}"

    known, all_known = table(c.read_known), table(c.known)
    lines = ["Usage", f"  state = start({table(c.start_known)})", f"  read(state, {known})"]
    if c.elapsed:
        others = table([n for n in c.read_known if n != c.elapsed])
        lines += [f"  probability(state, {known})", f"  next_interval(state, {others}, 0.9)"]
    return [*lines, f"  state = update(state, {all_known}, {table(c.outcomes)})"]
