"""Writes the compiled Gauss-Newton information of a traced model: curvature of the density, first derivatives of the states."""

from __future__ import annotations

import sympy as sp

from seqsci.equations.numba_backend import DATA, DATA_TYPES, Writer, define, indent
from seqsci.equations.printing import mirror
from seqsci.equations.symbolic import Program


def _expected(p: Program, live: tuple[sp.Symbol, ...]) -> dict[tuple[int, int], sp.Expr]:
    """Expected curvature of the density by states and parameters, from that by its arguments; the lower triangle."""
    reads = dict(zip(p.read_names, p.reads, strict=True))
    slopes = {name: [sp.diff(reads[name], s) for s in live] for a, b, _ in p.information for name in (a, b)}
    pairs = [(i, j) for i in range(len(live)) for j in range(i + 1)]
    return {(i, j): sp.Add(*[e * slopes[a][i] * slopes[b][j] for a, b, e in p.information]) for i, j in pairs}


def information(writer: Writer) -> str:
    r"""``info = sum_t w_t J_t' (-d^2 log p_t) J_t`` in natural parameters (k, k), J_t = d (states before t, parameters) / d parameters.

    Where the observation states its expected curvature (`Observation.information`), that replaces the observed one.

    The Hessian of the likelihood without the terms that hold second derivatives of the states: their mean is zero where the density is
    right, and they are what does not exist where an update has kinks. One forward pass with the sensitivities of the score. Source: the
    Gauss-Newton form of the information, e.g. Fiorentini, Calzolari and Panattoni (1996),
    DOI 10.1002/(SICI)1099-1255(199607)11:4<399::AID-JAE401>3.0.CO;2-R.
    """
    p, n, k = writer.p, writer.n, writer.k
    live = (*p.states, *p.parameters)
    second = _expected(p, live) if p.information else {}
    for i, a in enumerate(live if not p.information else ()):
        first = sp.diff(p.log_density, a)
        second.update({(i, j): -sp.diff(first, b) for j, b in enumerate(live[: i + 1])})
    second = {place: value for place, value in second.items() if value != 0}
    jac = [sp.diff(e, s) for e in p.update for s in p.states]
    direct = [sp.diff(e, v) for e in p.update for v in p.parameters]
    main = writer.block([*second.values(), *p.update, *jac, *direct], "a")
    start = writer.block([*p.start, *[sp.diff(e, v) for e in p.start for v in p.parameters]], "b")
    add = [f"h{i}_{j}_ = w * ({text})" for (i, j), text in zip(second, main.results, strict=False)]

    def curved(i: int, j: int) -> str | None:
        place = (max(i, j), min(i, j))
        return f"h{place[0]}_{place[1]}_" if place in second else None

    def total(terms: list[str]) -> str:
        return " + ".join(terms)

    for i in range(n if not writer.loops else 0):  # t = H J on the rows of the states
        for j in range(k):
            terms = [f"{h} * {writer.d(m, j)}" for m in range(n) if (h := curved(i, m))]
            terms += [h] if (h := curved(i, n + j)) else []
            add.append(f"t{i}_{j}_ = {total(terms) or '0.0'}")
    if writer.loops:
        for i in range(n):
            row = total([f"{h} * D[{m}, j]" for m in range(n) if (h := curved(i, m))])
            add += [f"for j in range({k}):", f"    T[{i}, j] = {row or '0.0'}"]
            add += [f"T[{i}, {j}] += {h}" for j in range(k) if (h := curved(i, n + j))]
        product = total([f"D[{i}, a] * T[{i}, b]" for i in range(n)])
        add += [f"for a in range({k}):", "    for b in range(a + 1):", f"        info[a, b] += {product}"]
        for a in range(k):
            rest = total([f"{h} * D[{m}, b]" for m in range(n) if (h := curved(n + a, m))])
            add += [f"for b in range({a + 1}):", f"    info[{a}, b] += {rest}"] if rest else []
            add += [f"info[{a}, {b}] += {h}" for b in range(a + 1) if (h := curved(n + a, n + b))]
    for a in range(k if not writer.loops else 0):
        for b in range(a + 1):
            terms = [f"{writer.d(i, a)} * t{i}_{b}_" for i in range(n)]
            terms += [f"{h} * {writer.d(m, b)}" for m in range(n) if (h := curved(n + a, m))]
            terms += [h] if (h := curved(n + a, n + b)) else []
            if terms:
                add.append(f"i{a}_{b}_ += {total(terms)}")
    step = writer.advance(main.results, main.is_zero, len(second), tangent=True)
    body = [*writer.unpack_inputs(), "if reset[t]:", *indent(writer.start_lines(start, tangent=True)), "if observed[t]:"]
    body += indent([*main.inside, "w = weight[t]", "if w != 0.0:", *indent(add or ["pass"]), *step])
    before = [*main.before, *start.before]
    if p.unobserved is not None:
        moved = [sp.diff(e, s) for e in p.unobserved for s in p.states] + [sp.diff(e, v) for e in p.unobserved for v in p.parameters]
        hold = writer.block([*p.unobserved, *moved], "d")
        body += ["else:", *indent([*hold.inside, *writer.advance(hold.results, hold.is_zero, 0, tangent=True)])]
        before += hold.before
    lines = [*writer.unpack_parameters(), *before, "unit = -1", *[f"c{i}_ = 0.0" for i in range(n)]]
    lines += [f"D = np.zeros(({n}, {k}))", f"E = np.zeros(({n}, {k}))"] if not writer.few else []
    lines += [f"{writer.d(i, j)} = 0.0" for i in range(n) for j in range(k)] if writer.few else []
    if writer.loops:
        lines += [f"T = np.zeros(({n}, {k}))", "info[:, :] = 0.0", "for t in range(X.shape[0]):", *indent(body)]
        lines += mirror(k)
    else:
        lines += [f"i{a}_{b}_ = 0.0" for a in range(k) for b in range(a + 1)]
        lines += ["for t in range(X.shape[0]):", *indent(body)]
        lines += [f"info[{a}, {b}] = info[{b}, {a}] = i{a}_{b}_" for a in range(k) for b in range(a + 1)]
    return define("information", f"P, {DATA}, info", f"void(f8[::1], {DATA_TYPES}, f8[:,::1])", lines)
