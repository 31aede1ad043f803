"""Writes the Triton kernels of a forward pass, its adjoint, and the Gauss-Newton information."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from seqsci.equations.triton_backend import BEGINS, DATA, ENDS, OBSERVED, PRESENT, SWITCHES, LaneWriter, define, indent
from seqsci.equations.triton_printing import full, vector


def _store(name: str, plane: int, value: str, mask: str, at: str = "here") -> str:
    apart = {"here": "plane", "sequence": "apart", "pos": "wide"}[at]
    return f"tl.store({name} + {at} + {plane} * {apart}, {vector(value)}, mask={mask})"


def states(writer: LaneWriter) -> str:
    """Kernel ``states``: planes of states before each step, reads, gates (observed steps), log density, and last states by sequence."""
    p, n = writer.p, writer.n
    early = writer.block(p.reads, "r")
    gates = [e for gate in p.gates for e in gate]
    main, start, hold = writer.block([p.log_density, *gates, *p.update], "a"), writer.block(p.start, "b"), writer.hold(tangent=False)
    once, again = writer.starts(start, tangent=False)
    body = [*writer.next_step(), *again, f"present = (flag & {PRESENT}) != 0", f"seen = (flag & {OBSERVED}) != 0"]
    body += [_store("STATES", i, f"c{i}_", "present") for i in range(n)] + early.inside
    body += [_store("READS", i, text, "present") for i, text in enumerate(early.results)] + main.inside
    body += [_store("DENSITY", 0, main.results[0], "seen")]
    body += [_store("GATES", i, main.results[1 + i], "seen") for i in range(len(gates))]
    body += writer.step(main, 1 + len(gates), hold, tangent=False)
    body += [f"over = (flag & {ENDS}) != 0", *[_store("LAST", i, f"c{i}_", "over", "sequence") for i in range(n)]]
    lines = [*writer.head(), *writer.load_parameters(), *early.before, *main.before, *start.before, *(hold.before if hold else [])]
    lines += [*writer.zeros(False), *writer.first_step(), *once, "for t in range(steps):", *indent(body)]
    return define("states", f"P, {DATA}, STATES, READS, GATES, DENSITY, LAST, {SWITCHES}", lines)


def adjoint(writer: LaneWriter) -> str:
    """Kernel ``adjoint``: gradients of any function of states, reads, log density and last states, by one backward pass.

    In: states of the forward pass and the cotangents ``DS``, ``DR``, ``DL`` (planes over time) and ``DE`` (by sequence). Out: ``DX``
    (planes over time, of steps that exist), ``DP`` by position, ``DQ`` and ``DS0`` by sequence.
    """
    p, n, k, m, q, r = writer.p, writer.n, writer.k, writer.m, writer.q, len(writer.p.reads)
    lam, up_r, up_l = sp.symbols(f"l0:{n}", real=True), sp.symbols(f"v0:{r}", real=True), sp.Symbol("u", real=True)
    own = {s: f"l{i}_" for i, s in enumerate(lam)} | {s: f"v{i}_" for i, s in enumerate(up_r)} | {up_l: "u_"}
    writer.names |= own
    targets = (*p.states, *p.inputs, *p.parameters)

    def pulled(update: Sequence[sp.Expr], density: sp.Expr) -> list[sp.Expr]:
        pairs = [*zip(update, lam, strict=True), *zip(p.reads, up_r, strict=True), (density, up_l)]
        return [sp.Add(*[sp.diff(e, s) * v for e, v in pairs]) for s in targets]

    seen = writer.block(pulled(p.update, p.log_density), "a")
    missing = writer.block(pulled(p.unobserved if p.unobserved is not None else p.states, sp.Integer(0)), "d")
    known = p.inputs[: p.n_known]
    begun = (*known, *p.parameters, *p.presamples)
    first = writer.block([sp.Add(*[sp.diff(e, s) * v for e, v in zip(p.start, lam, strict=True)]) for s in begun], "b")

    def either(i: int) -> str:
        a, b = (vector(t) for t in (seen.results[i], missing.results[i]))
        return f"tl.where(seen, {a}, tl.where(gap, {b}, 0.0))"

    body = [*writer.load_inputs("here"), "flag = tl.load(FLAGS + here, mask=live, other=0)"]
    body += [f"present = (flag & {PRESENT}) != 0", f"seen = (flag & {OBSERVED}) != 0", "gap = present & ~seen"]
    body += [f"c{i}_ = tl.load(STATES + here + {i} * plane, mask=present, other=0.0)" for i in range(n)]
    body += [f"v{i}_ = tl.load(DR + here + {i} * plane, mask=present, other=0.0)" for i in range(r)]
    body += ["u_ = tl.load(DL + here, mask=present, other=0.0)", f"over = (flag & {ENDS}) != 0"]
    body += [f"l{i}_ = tl.where(over, tl.load(DE + sequence + {i} * apart, mask=over, other=0.0), l{i}_)" for i in range(n)]
    body += [*seen.inside, *missing.inside, *[f"m{i}_ = {either(i)}" for i in range(n)]]
    body += [f"g{i}_ = {either(n + i)}" for i in range(m)]
    body += [f"w{j}_ += {either(n + m + j)}" for j in range(k) if not (seen.is_zero[n + m + j] and missing.is_zero[n + m + j])]
    body += [f"l{i}_ = tl.where(present, m{i}_ + tl.load(DS + here + {i} * plane, mask=present, other=0.0), l{i}_)" for i in range(n)]
    body += [f"begins = (flag & {BEGINS}) != 0"]
    held = [_store("DS0", i, f"l{i}_", "begins", "sequence") for i in range(n)]
    fresh = [f"q{i}_ = tl.load(Q + sequence + {i} * apart, mask=begins, other=0.0)" for i in range(q)] + first.inside
    sums = [*[f"g{i}_" for i in range(len(known))], *[f"w{j}_" for j in range(k)]]
    fresh += [f"{s} += tl.where(begins, {vector(first.results[i])}, 0.0)" for i, s in enumerate(sums) if not first.is_zero[i]]
    fresh += [_store("DQ", i, first.results[len(sums) + i], "begins", "sequence") for i in range(q)]
    body += ["if GIVEN:", *indent(held), "else:", *indent(fresh or ["pass"])]
    body += [_store("DX", i, f"g{i}_", "present") for i in range(m)]
    body += ["sequence = sequence - tl.where(begins, 1, 0)", "here = here - LANES"]
    lines = [*writer.head(), *writer.load_parameters(), *seen.before, *missing.before, *first.before]
    lines += [f"{a}{i}_ = {full('0.0')}" for a, count in (("l", n), ("w", k)) for i in range(count)]
    lines += ["sequence = tl.load(FIRST + lane + 1, mask=live, other=1) - 1", "here = lane + (steps - 1) * (lane * 0 + LANES)"]
    lines += ["for t in range(steps):", *indent(body)]
    lines += [f"tl.store(DP + pos + {j} * wide, w{j}_, mask=live)" for j in range(k)]
    return define("adjoint", f"P, {DATA}, STATES, DS, DR, DL, DE, DX, DP, DQ, DS0, {SWITCHES}", lines)


def information(writer: LaneWriter) -> str:
    r"""Kernel ``information``: ``sum_t w_t J_t' (-d^2 log p_t) J_t`` by position, lower triangle, in natural parameters.

    As `seqsci.equations.numba_information.information`, whose docstring has the source.
    """
    p, n, k = writer.p, writer.n, writer.k
    live = (*p.states, *p.parameters)
    reads = dict(zip(p.read_names, p.reads, strict=True))
    second: dict[tuple[int, int], sp.Expr] = {}
    for i, a in enumerate(live):
        for j, b in enumerate(live[: i + 1]):
            if p.information:
                second[i, j] = sp.Add(*[e * sp.diff(reads[s], a) * sp.diff(reads[t], b) for s, t, e in p.information])
            else:
                second[i, j] = -sp.diff(sp.diff(p.log_density, a), b)
    second = {place: value for place, value in second.items() if value != 0}
    main = writer.block([*second.values(), *writer.tangents(p.update)], "a")
    start = writer.block([*p.start, *[sp.diff(e, v) for e in p.start for v in p.parameters]], "b")
    hold = writer.hold(tangent=True)
    add = []
    for (i, j), text in zip(second, main.results, strict=False):
        add.append(f"h{i}_{j}_ = tl.where(use, w * ({vector(text)}), 0.0)")

    def curved(i: int, j: int) -> str | None:
        place = (max(i, j), min(i, j))
        return f"h{place[0]}_{place[1]}_" if place in second else None

    rows: dict[tuple[int, int], str] = {}
    for i in range(n):
        for j in range(k):
            terms = [f"{h} * d{m}_{j}_" for m in range(n) if (h := curved(i, m))] + ([h] if (h := curved(i, n + j)) else [])
            if terms:
                rows[i, j] = f"t{i}_{j}_"
                add.append(f"t{i}_{j}_ = {' + '.join(terms)}")
    for a in range(k):
        for b in range(a + 1):
            terms = [f"d{i}_{a}_ * {rows[i, b]}" for i in range(n) if (i, b) in rows]
            terms += [f"{h} * d{m}_{b}_" for m in range(n) if (h := curved(n + a, m))] + ([h] if (h := curved(n + a, n + b)) else [])
            if terms:
                add.append(f"i{a}_{b}_ += {' + '.join(terms)}")
    once, again = writer.starts(start, tangent=True)
    step = [*writer.next_step(), *again, *writer.weigh(), *main.inside, *add, *writer.step(main, len(second), hold, tangent=True)]
    pairs = [(a, b) for a in range(k) for b in range(a + 1)]
    lines = [*writer.head(), *writer.load_parameters(), *main.before, *start.before, *(hold.before if hold else []), *writer.zeros(True)]
    lines += [f"i{a}_{b}_ = {full('0.0')}" for a, b in pairs]
    lines += [*writer.first_step(), *once, "for t in range(steps):", *indent(step)]
    lines += [f"tl.store(OUTER + pos + {place} * wide, i{a}_{b}_, mask=live)" for place, (a, b) in enumerate(pairs)]
    return define("information", f"P, {DATA}, OUTER, {SWITCHES}", lines)
