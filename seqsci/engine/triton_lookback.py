"""The Triton kernel of the scan and of its adjoint where lanes are few: a program a tile, which waits for what comes before it.

Tiles of a column of lanes are numbered in the order of travel and grouped. A program composes its tile, publishes it as one map, composes
the maps of the tiles before it in its group, takes the state at the end of the group before, and applies both to its rows, which it has
kept in registers: every number is read and written once. The last tile of a group publishes the state at its end. Nothing depends on
which program was quicker, so that bits do not either.

A program waits only for tiles with lower numbers than its own. Numbers are drawn when a program starts, so those it waits for run or have
ended. One that has waited too long, and one whose gates grow, names its column to be walked by `triton_kernel.tiles`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from seqsci.engine.triton_pairs import last, prefixes
from seqsci.engine.triton_tile import GROWTH, applied, lanes_of, magnitude, maps, opened, written

PATIENCE = tl.constexpr(1 << 22)
"""Readings of a tag before a program gives up waiting: seconds. What it then computes is not used."""


@triton.jit
def tell(TAGS, place, tag):
    """Set a tag, for those who wait, after all that this program has written."""
    tl.debug_barrier()
    tl.atomic_xchg(TAGS + place, tag, sem="release")


@triton.jit
def wait(TAGS, places, known, tries):
    """Until tags are set: returns them, and ``tries`` and the readings made. What was written before they were set can then be read."""
    least = tries * 0
    while (least == 0) & (tries < PATIENCE):
        least = tl.min(tl.where(known, tl.load(TAGS + places, mask=known, other=1, volatile=True), 1), 0)
        tries += 1
    tl.atomic_add(TAGS + places, 0, mask=known, sem="acquire")
    tl.debug_barrier()
    return tl.load(TAGS + places, mask=known, other=1, volatile=True), tries


@triton.jit
def received(PARTS, place, known):
    """Numbers that other programs have written; not from a cache of this multiprocessor."""
    return tl.load(PARTS + place, mask=known, other=0.0, cache_modifier=".cg")


@triton.jit
def before(PARTS, TAGS, entry, tag, apart, rows, d, count, inside, tries, COMPLEX: tl.constexpr, PACKED: tl.constexpr,
           ROWS: tl.constexpr, BD: tl.constexpr):  # fmt: skip
    """The first ``count`` of ROWS published maps, composed."""
    numbers: tl.constexpr = 4 if COMPLEX else 2
    tags, tries = wait(TAGS, tag[0] + rows * tag[1], rows < count, tries)
    known = (rows < count)[:, None] & inside[None, :]
    place = entry + rows[:, None] * numbers * apart + d[None, :]
    p, e = received(PARTS, place, known), received(PARTS, place + apart, known)
    p = tl.where(known, p, tl.full([ROWS, BD], 1.0, p.dtype))
    q, ei = p, e
    if COMPLEX:
        q, ei = received(PARTS, place + 2 * apart, known), received(PARTS, place + 3 * apart, known)
    r = tl.broadcast_to((tags - 1)[:, None], [ROWS, BD])
    p, q, e, ei, r = prefixes(p, q, e, ei, r, COMPLEX, PACKED)
    return last(p, ROWS), last(q, ROWS), last(e, ROWS), last(ei, ROWS), last(r, ROWS), tries


@triton.jit(do_not_specialize=["one"])
def chained(
    F, U, Z, C, X, G, M, PARTS, TAGS, GROWN, TICKET, batch, steps, width, chunks, group,
    fb, ft, fd, ub, ut, ud, zb, zs, zd, cb, ct, cd, xb, xt, xd, gb, gt, gd, mt, one, REAL: tl.constexpr, BT: tl.constexpr, BD: tl.constexpr,
    ROWS: tl.constexpr, LAG: tl.constexpr, VARIES: tl.constexpr, CONJ: tl.constexpr, COMPLEX: tl.constexpr, PACKED: tl.constexpr,
    INITIAL: tl.constexpr, GATE: tl.constexpr, APART: tl.constexpr,
):  # fmt: skip
    """Arguments as for `triton_kernel.tiles`; PARTS: maps of chunks, then states of groups; TAGS of both, GROWN and TICKET are zeros."""
    ticket = tl.atomic_add(TICKET, 1, sem="relaxed")
    columns = (width - 1) // BD + 1  # divisions in 32 bits, places in 64
    ahead = ticket // columns
    column, b, k = (ticket - ahead * columns).to(tl.int64), (ahead % batch).to(tl.int64), ahead // batch
    home = k // group
    position = k - home * group
    k, home = k.to(tl.int64), home.to(tl.int64)
    d, inside = lanes_of(column, one, width, BD, APART)
    wide: tl.constexpr = 2 if COMPLEX else 1
    F, U, Z, C, X, G, f, fi, z, zi = opened(
        F, U, Z, C, X, G, fb, ub, zb, cb, xb, gb, fd, zd, gd, b, column, d, inside, REAL, BD, VARIES, COMPLEX, PACKED, INITIAL, GATE
    )
    c, ci = tl.zeros([BD], REAL), tl.zeros([BD], REAL)
    p, q, e, ei, r, ends, sequence = maps(
        F, U, Z, M, ft, fd, ut, ud, zs, zd, mt, k * BT, steps, steps, width, column, d, inside, f, fi,
        REAL, BT, BD, LAG, VARIES, CONJ, COMPLEX, PACKED, INITIAL,
    )  # fmt: skip
    grown = tl.max(magnitude(p, q, COMPLEX), 0)  # passes NaN over: a gate that is NaN gives what the loop gives
    p, q, e, ei, r = prefixes(p, q, e, ei, r, COMPLEX, PACKED)
    grown = tl.maximum(grown, tl.max(magnitude(p, q, COMPLEX), 0))

    # publish the tile as one map, for those behind it in its group
    numbers: tl.constexpr = 4 if COMPLEX else 2
    apart = width + k * 0
    tags = batch * columns + k * 0  # apart in time
    spot = b * columns + column
    if position < group - 1:
        mine = (b * chunks + k) * numbers * apart + d
        tl.store(PARTS + mine, last(p, BT), mask=inside)
        tl.store(PARTS + mine + apart, last(e, BT), mask=inside)
        if COMPLEX:
            tl.store(PARTS + mine + 2 * apart, last(q, BT), mask=inside)
            tl.store(PARTS + mine + 3 * apart, last(ei, BT), mask=inside)
        tell(TAGS, k * tags + spot, 1 + tl.max(last(r, BT), 0))

    # the tiles before it in its group, as one map
    rows = tl.arange(0, ROWS)
    tries = ticket * 0
    mp, me = tl.full([BD], 1.0, REAL), tl.zeros([BD], REAL)
    mq, mi = tl.zeros([BD], REAL), tl.zeros([BD], REAL)
    mr = tl.zeros([BD], tl.int32)
    for j in range(position * 0, position, ROWS):
        count = tl.minimum(position - j, ROWS)
        first = home * group + j
        entry = (b * chunks + first) * numbers * apart
        np, nq, ne, ni, nr, tries = before(
            PARTS, TAGS, entry, (first * tags + spot, tags), apart, rows, d, count, inside, tries, COMPLEX, PACKED, ROWS, BD
        )
        if COMPLEX:
            sp, sq = mp * np - mq * nq, mp * nq + mq * np
            se, si = np * me - nq * mi + ne, np * mi + nq * me + ni
        else:
            sp, sq, se, si = mp * np, mq, np * me + ne, mi
        if PACKED:
            sp, sq = tl.where(nr == 0, sp, np), tl.where(nr == 0, sq, nq)
            se, si = tl.where(nr == 0, se, ne), tl.where(nr == 0, si, ni)
            mr = mr | nr
        mp, mq, me, mi = sp, sq, se, si
        grown = tl.maximum(grown, magnitude(mp, mq, COMPLEX))

    # the state at the end of the group before, which the group's map takes to the tile
    if INITIAL and not PACKED:
        c, ci = z, zi
    groups = tl.cdiv(chunks, group)
    state = batch * (apart * numbers * chunks) + (b * groups + home) * wide * apart + d
    if home > 0:
        _, tries = wait(TAGS, (chunks + home - 1) * tags + spot + 0 * rows, rows < 1, tries)
        c = received(PARTS, state - wide * apart, inside)
        if COMPLEX:
            ci = received(PARTS, state - apart, inside)
    c, ci = applied(mp, mq, me, mi, mr, c, ci, COMPLEX, PACKED)
    x, xi = applied(p, q, e, ei, r, c[None, :], ci[None, :], COMPLEX, PACKED)
    reach = tl.maximum(tl.max(magnitude(x, xi, COMPLEX), 0), magnitude(c, ci, COMPLEX))
    if position == group - 1:
        tl.store(PARTS + state, last(x, BT), mask=inside)
        if COMPLEX:
            tl.store(PARTS + state + apart, last(xi, BT), mask=inside)
        tell(TAGS, (chunks + home) * tags + spot, 1)
    total, total_i = written(
        C, X, G, Z, ct, cd, xt, xd, gt, gd, zs, zd, x, xi, k * BT, steps, ends, sequence, steps, width, column, d, inside, z, zi,
        BT, BD, COMPLEX, PACKED, GATE,
    )  # fmt: skip
    if GATE == 2:
        tl.store(G + (k * width + d) * wide, total, mask=inside)
        if COMPLEX:
            tl.store(G + (k * width + d) * wide + 1, total_i, mask=inside)
    if (tl.max(grown, 0) > GROWTH) | (tl.max(reach, 0) == float("inf")) | (tries >= PATIENCE):
        tl.store(GROWN + spot, 1)
