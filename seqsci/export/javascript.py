"""A fitted model as one JavaScript file that needs no package: for Anki's custom scheduling, a web page, or node."""

from __future__ import annotations

import json
from collections.abc import Sequence

from seqsci.equations.scalar_source import JAVASCRIPT, ROLES, Block, scalar_source
from seqsci.estimation.result import Fit
from seqsci.export.contents import LONGEST, PROBABILITY, SHORTEST, STEPS, Contents, contents
from seqsci.model import Model

FUNCTIONS = """
const f = {
  divide: (a, b) => a / b,
  power: Math.pow,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  abs: Math.abs,
  sign: Math.sign,
  sigmoid: (x) => {
    const e = Math.exp(-Math.abs(x));
    return (x >= 0 ? 1 : e) / (1 + e);
  },
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  loggamma: (x) => {
    let shift = 0;
    for (; x < 10; x += 1) shift -= Math.log(x);
    const q = 1 / (x * x);
    const series = q * (1 / 1260 - q * (1 / 1680 - q * (1 / 1188 - (q * 691) / 360360)));
    return shift + (x - 0.5) * Math.log(x) - x + 0.9189385332046727 + (1 / 12 - q / 360 + q * series) / x;
  },
};

function numbers(table, ...names) {
  return names.map((name) => {
    const value = Number(table[name]);
    if (table[name] === undefined || table[name] === null || Number.isNaN(value)) throw new Error("not a number: " + name);
    return value;
  });
}
"""

SOLVER = """
/** Probability of the outcome, before it is seen. */
function probability(state, known) {
  return read(state, known)["%(read)s"];
}

/**
 * The %(elapsed)s after which the probability has fallen to `retention`; `known` holds the other known values.
 * Returns interval (NaN where even the shortest time has a lower probability), reachable, largest_retention (the probability at the
 * shortest time) and capped (true where the probability is still higher at the longest time, which is returned then).
 * The probability must fall with time.
 */
function next_interval(state, known, retention, shortest = %(shortest)r, longest = %(longest)r) {
  if (!(retention > 0 && retention < 1)) throw new Error("retention must lie between 0 and 1");
  const at = (elapsed) => probability(state, Object.assign({}, known, { "%(elapsed)s": elapsed }));
  let low = shortest, high = longest;
  const largest = at(low);
  if (!(largest >= retention)) return { interval: NaN, reachable: false, largest_retention: largest, capped: false };
  if (at(high) >= retention) return { interval: high, reachable: true, largest_retention: largest, capped: true };
  for (let i = 0; i < %(steps)d; i += 1) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (at(middle) >= retention) low = middle;
    else high = middle;
  }
  return { interval: low, reachable: true, largest_retention: largest, capped: false };
}
"""


def javascript_source(fitted: Fit | Model, elapsed: str | None = None) -> str:
    """The text of a JavaScript file of a fitted model: ``start``, ``read``, ``update`` and, for recall, ``probability``, ``next_interval``.

    Args: a fit or a model; the known sequence in which the interval solver moves (default: elapsed_days where there is one).
    Equal fits give equal text. Raises `EquationError` for a model that needs presample numbers, an integral or a network.
    """
    c = contents(fitted, elapsed)
    blocks = scalar_source(c.program, JAVASCRIPT)
    header = "\n".join(f" * {line}".rstrip() for line in [*c.header(), "", *_usage(c)]).replace("*/", "* /")
    parameters = "".join(f"  {json.dumps(name)}: {value!r},\n" for name, value in c.parameters.items())
    states = tuple(s.name for s in c.program.states)
    text = f"/**\n{header}\n */\n\nconst PARAMETERS = {{\n{parameters}}};\n{FUNCTIONS}"
    text += _function("start", ("known",), "The state after the first event of a unit.", blocks["start"], states)
    what = "What the model says of the next outcome, before it is seen."
    text += _function("read", ("state", "known"), what, blocks["read"], c.program.read_names)
    text += _function("update", ("state", "known", "outcome"), "The state after an outcome.", blocks["update"], states)
    if c.elapsed:
        text += SOLVER % {"read": PROBABILITY, "elapsed": c.elapsed, "shortest": SHORTEST, "longest": LONGEST, "steps": STEPS}
    names = ", ".join(["PARAMETERS", "start", "read", "update", *(["probability", "next_interval"] if c.elapsed else [])])
    return f'{text}\nif (typeof module !== "undefined" && module.exports) module.exports = {{ {names} }};\n'


def _function(name: str, arguments: Sequence[str], what: str, block: Block, keys: Sequence[str]) -> str:
    lines = ["", f"/** {what} */", f"function {name}({', '.join(arguments)}) {{"]
    for role, table in (("parameter", "PARAMETERS"), ("state", "state"), ("known", "known"), ("outcome", "outcome")):
        if used := block.uses[role]:
            targets = ", ".join(ROLES[role] + n for n in used)
            lines.append(f"  const [{targets}] = numbers({', '.join([table, *map(json.dumps, used)])});")
    lines += [f"  const {target} = {text};" for target, text in block.assignments]
    lines += ["  return {", *(f"    {json.dumps(k)}: {text}," for k, text in zip(keys, block.results, strict=True)), "  };", "}"]
    return "\n".join(lines) + "\n"


def _usage(c: Contents) -> list[str]:
    def table(names: Sequence[str]) -> str:
        return "{" + ", ".join(f"{n}: ..." for n in names) + "}"

    known, all_known = table(c.read_known), table(c.known)
    lines = [
        "Usage: paste it above your own code (Anki: Deck options, Custom scheduling), or require() it in node",
        f"  let state = start({table(c.start_known)});",
        f"  read(state, {known});",
    ]
    if c.elapsed:
        others = table([n for n in c.read_known if n != c.elapsed])
        lines += [f"  probability(state, {known});", f"  next_interval(state, {others}, 0.9).interval;"]
    return [*lines, f"  state = update(state, {all_known}, {table(c.outcomes)});"]
