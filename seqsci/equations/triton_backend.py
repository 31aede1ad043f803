"""Writes Triton kernels of a traced model: one lane a fit, serial over time, states and sensitivities in registers.

Data are padded and time-major, so that neighbouring lanes read neighbouring addresses (`seqsci.lanes.layout.Lanes`): ``X`` (inputs, T,
lanes), ``FLAGS`` (T, lanes) of the bits below, ``WEIGHT`` (T, lanes), ``Q`` (presamples, sequences), ``S0`` (states, sequences), ``FIRST``
(lanes + 1) number of each lane's first sequence, ``STEPS`` (programs) steps of a program's longest lane, ``INDEX`` (positions) the lane of
each position. Parameters and results lie by position: ``P`` (parameters, positions). ``END`` = T lanes.

A branch cannot be taken by one lane alone: both sides are computed and `tl.where` keeps one, and nothing that was not kept is multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from seqsci.constraints import Constraint
from seqsci.equations.printing import Block, split_logarithms
from seqsci.equations.symbolic import Program
from seqsci.equations.triton_printing import TritonPrinter, full, vector

PRESENT, OBSERVED, BEGINS, ENDS = 1, 2, 4, 8
"""Bits of a step: it belongs to the lane (is no padding), its outcome is observed, a sequence starts before it, or ends after it."""
DATA = "X, FLAGS, WEIGHT, Q, S0, FIRST, STEPS, INDEX, NODES, JACOBIANS, END: tl.int64, LANES, COUNT, SEQUENCES"
"""``END`` has its type in any case, so that data of 2^31 elements and more compile nothing."""
SWITCHES = "WEIGHTED: tl.constexpr, SEVERAL: tl.constexpr, GIVEN: tl.constexpr, BLOCK: tl.constexpr"
"""Whether weights are read; lanes hold several sequences; sequences start from S0. Lanes of a program."""
LOG_2 = 0.6931471805599453


class LaneWriter:
    """Writes one kernel after another for one program."""

    def __init__(self, program: Program) -> None:
        self.p = program
        self.n, self.k, self.m, self.q = len(program.states), len(program.parameters), len(program.inputs), len(program.presamples)
        self.names = {s: f"c{i}_" for i, s in enumerate(program.states)}
        self.names |= {x: f"x{i}_" for i, x in enumerate(program.inputs)}
        self.names |= {q: f"q{i}_" for i, q in enumerate(program.presamples)}
        self.names |= {p: f"p{i}_" for i, p in enumerate(program.parameters)}

    def block(self, expressions: Sequence[sp.Expr], prefix: str) -> Block:
        return Block(expressions, self.names, self.p.parameters, prefix, printer=TritonPrinter)

    def tangents(self, equations: Sequence[sp.Expr]) -> list[sp.Expr]:
        """The equations, their derivatives by the states, and by the parameters."""
        by_state = [sp.diff(e, s) for e in equations for s in self.p.states]
        return [*equations, *by_state, *[sp.diff(e, v) for e in equations for v in self.p.parameters]]

    def head(self) -> list[str]:
        """Places of the lanes; planes of data, results and sequences are that many elements apart, in 64 bits."""
        none = "tl.full((BLOCK,), 0, tl.int64)"
        lines = ["pos = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)", "live = pos < COUNT"]
        lines += ["lane = tl.load(INDEX + pos, mask=live, other=0)", "steps = tl.load(STEPS + tl.program_id(0))"]
        lines += [f"plane = {none} + END", f"wide = {none} + COUNT", f"apart = {none} + SEQUENCES"]
        return [*lines, "sequence = tl.load(FIRST + lane, mask=live, other=0)"]

    def load_parameters(self) -> list[str]:
        return [f"p{i}_ = tl.load(P + pos + {i} * wide, mask=live, other=0.0)" for i in range(self.k)]

    def load_inputs(self, at: str = "at", mask: str = "live", name: str = "x") -> list[str]:
        return [f"{name}{i}_ = tl.load(X + {at} + {i} * plane, mask={mask}, other=0.0)" for i in range(self.m)]

    def first_step(self) -> list[str]:
        """Inputs and flags of the first step; later ones are read a step ahead, while the step before is computed."""
        return ["at = lane", *self.load_inputs(name="y"), "ahead = tl.load(FLAGS + at, mask=live, other=0)"]

    def next_step(self) -> list[str]:
        lines = [*[f"x{i}_ = y{i}_" for i in range(self.m)], "flag = ahead", "here = at", "at = at + LANES", "more = live & (at < END)"]
        return [*lines, *self.load_inputs(mask="more", name="y"), "ahead = tl.load(FLAGS + at, mask=more, other=0)"]

    def zeros(self, tangent: bool) -> list[str]:
        lines = [f"c{i}_ = {full('0.0')}" for i in range(self.n)]
        return lines + [f"d{i}_{j}_ = {full('0.0')}" for i in range(self.n) for j in range(self.k)] if tangent else lines

    def start(self, block: Block, tangent: bool) -> list[str]:
        """Where a sequence starts (mask ``begins``): states from S0 or the start equation, with their derivatives by the parameters."""
        n, k, cells = self.n, self.k, [(i, j) for i in range(self.n) for j in range(self.k)] if tangent else []
        held = [f"c{i}_ = tl.where(begins, tl.load(S0 + sequence + {i} * apart, mask=begins, other=0.0), c{i}_)" for i in range(n)]
        held += [f"d{i}_{j}_ = tl.where(begins, 0.0, d{i}_{j}_)" for i, j in cells]
        fresh = [f"q{i}_ = tl.load(Q + sequence + {i} * apart, mask=begins, other=0.0)" for i in range(self.q)] + block.inside
        fresh += [f"k{i}_ = {vector(block.results[i])}" for i in range(n)]
        fresh += [f"d{i}_{j}_ = tl.where(begins, {vector(block.results[n + i * k + j])}, d{i}_{j}_)" for i, j in cells]
        fresh += [f"c{i}_ = tl.where(begins, k{i}_, c{i}_)" for i in range(n)]
        return ["if GIVEN:", *indent(held), "else:", *indent(fresh)]

    def starts(self, block: Block, tangent: bool) -> tuple[list[str], list[str]]:
        """The start before the loop, and inside it where lanes hold several sequences."""
        one = ["if not SEVERAL:", *indent(["begins = live", *[f"x{i}_ = y{i}_" for i in range(self.m)], *self.start(block, tangent)])]
        one += ["else:", *indent(["sequence = sequence - 1"])]
        again = [f"begins = (flag & {BEGINS}) != 0", "sequence = sequence + tl.where(begins, 1, 0)", *self.start(block, tangent)]
        return one, ["if SEVERAL:", *indent(again)]

    def moved(self, block: Block, at: int, tangent: bool, name: str) -> list[str]:
        """New states ``{name}0_ ...`` and sensitivities ``{name}0_0_ ...`` from results[at:]: states, Jacobian, direct derivatives."""
        n, k, text, zero = self.n, self.k, block.results, block.is_zero
        lines = [f"{name}{i}_ = {vector(text[at + i])}" for i in range(n)]
        if not tangent:
            return lines
        jac, direct = at + n, at + n + n * n
        live = {i: [m for m in range(n) if not zero[jac + i * n + m]] for i in range(n)}
        lines += [f"j{i}_{m}_ = {text[jac + i * n + m]}" for i in range(n) for m in live[i]]
        for i in range(n):
            for j in range(k):
                terms = [] if zero[direct + i * k + j] else [f"({text[direct + i * k + j]})"]
                terms += [f"j{i}_{m}_ * d{m}_{j}_" for m in live[i]]
                lines.append(f"{name}{i}_{j}_ = {vector(' + '.join(terms) or '0.0')}")
        return lines

    def step(self, block: Block, at: int, hold: Block | None, tangent: bool) -> list[str]:
        """Move states and sensitivities: by the update where observed, by ``hold`` at a missing step, else not."""
        lines = self.moved(block, at, tangent, "n")
        if hold is not None:
            lines += [f"missing = (flag & {PRESENT | OBSERVED}) == {PRESENT}", *hold.inside, *self.moved(hold, 0, tangent, "m")]
        places = [f"{i}_" for i in range(self.n)]
        pairs = [(f"c{x}", f"n{x}", f"m{x}") for x in places]
        if tangent:
            pairs += [(f"d{x}{j}_", f"n{x}{j}_", f"m{x}{j}_") for x in places for j in range(self.k)]
        kept = (lambda c, m: f"tl.where(missing, {m}, {c})") if hold is not None else (lambda c, m: c)
        return lines + [f"{c} = tl.where(seen, {new}, {kept(c, other)})" for c, new, other in pairs]

    def hold(self, tangent: bool) -> Block | None:
        """The equation of a missing step, if there is one."""
        if self.p.unobserved is None:
            return None
        return self.block(self.tangents(self.p.unobserved) if tangent else self.p.unobserved, "d")

    def weigh(self) -> list[str]:
        """The weight of a step, and whether it is scored."""
        read = ["w = tl.load(WEIGHT + here, mask=live, other=0.0)", "use = seen & (w != 0.0)"]
        return [f"seen = (flag & {OBSERVED}) != 0", "if WEIGHTED:", *indent(read), "else:", *indent([f"w = {full('1.0')}", "use = seen"])]

    def score(self, constraints: Sequence[Constraint] | None = None) -> str:
        """Kernel ``score``: nll, gradient and, where ``FULL``, the outer products (lower triangle) of each position.

        With ``constraints`` it is the kernel ``objective`` on the raw scale, which stores natural values and their slopes too.
        """
        p, n, k = self.p, self.n, self.k
        d_state, d_param = [sp.diff(p.log_density, s) for s in p.states], [sp.diff(p.log_density, v) for v in p.parameters]
        rest, logs = split_logarithms(p.log_density, p.parameters)
        main = self.block([rest, *d_state, *d_param, *self.tangents(p.update), *[a for _, a in logs]], "a")
        factors, start, hold = self.block([c for c, _ in logs], "f"), self.block(self._started(), "b"), self.hold(tangent=True)
        by_state = [i for i in range(n) if not main.is_zero[1 + i]]
        body = [f"nll = nll - tl.where(use, w * ({vector(main.results[0])}), 0.0)", *[f"e{i}_ = {main.results[1 + i]}" for i in by_state]]
        for i, argument in enumerate(main.results[len(main.results) - len(logs) :] if logs else []):
            body += [f"z{i}_ = tl.where(use, {vector(argument)}, 1.0)", "if WEIGHTED:", f"    a{i}_ += w * tl.log(z{i}_)"]
            body += ["else:", f"    o{i}_, h{i}_ = absorb(o{i}_, h{i}_, z{i}_)"]
        moved = []
        for j in range(k):
            terms = [] if main.is_zero[1 + n + j] else [main.results[1 + n + j]]
            terms += [f"e{i}_ * d{i}_{j}_" for i in by_state]
            if terms:
                body += [f"g{j}_ = tl.where(use, -({vector(' + '.join(terms))}), 0.0)", f"v{j}_ = w * g{j}_"]
                body.append(f"s{j}_ += v{j}_")
                moved.append(j)
        pairs = [(a, b) for a in moved for b in moved if b <= a]
        body += ["if FULL:", *indent([f"i{a}_{b}_ += v{a}_ * g{b}_" for a, b in pairs] or ["pass"])]
        once, again = self.starts(start, tangent=True)
        step = [*self.next_step(), *again, *self.weigh(), *main.inside, *body, *self.step(main, 1 + n + k, hold, tangent=True)]
        lines = [*self.head(), *(self.load_parameters() if constraints is None else self._from_raw(constraints))]
        lines += [*main.before, *start.before, *factors.before, *(hold.before if hold else []), f"nll = {full('0.0')}", *self.zeros(True)]
        for i in range(len(logs)):
            lines += [f"a{i}_ = {full('0.0')}", f"o{i}_ = {full('1.0')}", f"h{i}_ = tl.full((BLOCK,), 0, tl.int64)"]
        lines += [f"s{j}_ = {full('0.0')}" for j in range(k)]
        lines += ["if FULL:", *indent([f"i{a}_{b}_ = {full('0.0')}" for a in range(k) for b in range(a + 1)] or ["pass"])]
        lines += [*self.first_step(), *once, "for t in range(steps):", *indent(step)]
        lines += [f"nll = nll - ({c}) * (a{i}_ + tl.log(o{i}_) + h{i}_.to(tl.float64) * {LOG_2})" for i, c in enumerate(factors.results)]
        slope = [f" * u{i}_" if constraints is not None else "" for i in range(k)]
        lines += ["tl.store(NLL + pos, nll, mask=live)"]
        lines += [f"tl.store(GRADIENT + pos + {j} * wide, s{j}_{slope[j]}, mask=live)" for j in range(k)]
        outer = [(a, b, place) for place, (a, b) in enumerate((a, b) for a in range(k) for b in range(a + 1))]
        stored = [f"tl.store(OUTER + pos + {place} * wide, i{a}_{b}_{slope[a]}{slope[b]}, mask=live)" for a, b, place in outer]
        lines += ["if FULL:", *indent(stored or ["pass"])]
        if constraints is None:
            return define("score", f"P, {DATA}, NLL, GRADIENT, OUTER, FULL: tl.constexpr, {SWITCHES}", lines)
        lines += [f"tl.store(NATURAL + pos + {i} * wide, p{i}_, mask=live)" for i in range(k)]
        lines += [f"tl.store(SLOPE + pos + {i} * wide, u{i}_, mask=live)" for i in range(k)]
        return define("objective", f"RAW, {DATA}, NLL, GRADIENT, OUTER, NATURAL, SLOPE, FULL: tl.constexpr, {SWITCHES}", lines)

    def _started(self) -> list[sp.Expr]:
        return [*self.p.start, *[sp.diff(e, v) for e in self.p.start for v in self.p.parameters]]

    def _from_raw(self, constraints: Sequence[Constraint]) -> list[str]:
        """Natural values p and their derivatives u by the raw ones."""
        raw = sp.symbols(f"r0:{self.k}", real=True)
        names = {s: f"r{i}_" for i, s in enumerate(raw)}
        values = [sp.sympify(c.forward(s)) for c, s in zip(constraints, raw, strict=True)]
        slopes = [sp.diff(v, s) for v, s in zip(values, raw, strict=True)]
        block = Block([*values, *slopes], names, (), "r", printer=TritonPrinter)
        lines = [f"r{i}_ = tl.load(RAW + pos + {i} * wide, mask=live, other=0.0)" for i in range(self.k)] + block.inside
        texts = [vector(t) for t in block.results]
        return lines + [f"p{i}_ = {texts[i]}" for i in range(self.k)] + [f"u{i}_ = {texts[self.k + i]}" for i in range(self.k)]


def indent(lines: Sequence[str]) -> list[str]:
    """The lines, one level deeper."""
    return [f"    {line}" for line in lines]


def define(name: str, arguments: str, lines: Sequence[str]) -> str:
    """The source of one kernel."""
    return "\n".join(["@jit", f"def {name}({arguments}):", *indent(lines)]) + "\n"
