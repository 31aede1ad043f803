"""Eight rows side by side: blocks of eight rows by eight steps are transposed in registers, so that one vector holds a step of all rows.

Numba does not find this by itself, so it is written in LLVM's vector types, which every processor's compiler maps to what it has. Each row
is computed in the order of the loop, a multiply and an add a step: the result is the loop's to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from seqsci.engine.intrinsics import intrinsic, overload

ROWS = 8

_I16, _I32, _I64, _FLOAT, _DOUBLE = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
_STORED = {types.float64: _DOUBLE, types.float32: _FLOAT, types.uint16: _I16}


def _vector(element: Any) -> Any:
    return ir.VectorType(element, ROWS)


def _splat(value: int) -> Any:
    return ir.Constant(_vector(_I32), [value] * ROWS)


def _transpose(builder: Any, rows: list[Any]) -> list[Any]:
    """Three rounds that exchange every other element, pair and half between two vectors."""
    for s in (1, 2, 4):
        low = ir.Constant(_vector(_I32), [ROWS + (j ^ s) if j & s else j for j in range(ROWS)])
        high = ir.Constant(_vector(_I32), [ROWS + j if j & s else j ^ s for j in range(ROWS)])
        pairs = [(rows[i & ~s], rows[i | s]) for i in range(ROWS)]
        rows = [builder.shuffle_vector(a, b, high if i & s else low) for i, (a, b) in enumerate(pairs)]
    return rows


def _of_stored(builder: Any, x: Any) -> Any:
    """bfloat16 is the upper half of a float."""
    if x.type.element != _I16:
        return x
    return builder.bitcast(builder.shl(builder.zext(x, _vector(_I32)), _splat(16)), _vector(_FLOAT))


def _double(builder: Any, x: Any) -> Any:
    return x if x.type.element == _DOUBLE else builder.fpext(x, _vector(_DOUBLE))


def _bfloat16(builder: Any, x: Any) -> Any:
    bits = builder.bitcast(x, _vector(_I32))
    odd = builder.and_(builder.lshr(bits, _splat(16)), _splat(1))
    rounded = builder.lshr(builder.add(builder.add(bits, _splat(0x7FFF)), odd), _splat(16))
    return builder.trunc(builder.select(builder.fcmp_ordered("ord", x, x), rounded, _splat(0x7FC0)), _vector(_I16))


class _Rows:
    """The memory of eight rows, whose addresses lie in an array: blocks of eight steps are read and written at an offset in bytes."""

    def __init__(self, context: Any, builder: Any, kind: Any, table: Any) -> None:
        self.builder, self.stored = builder, _STORED[kind.dtype]
        self.size = context.get_abi_sizeof(self.stored)
        place = builder.inttoptr(table, _I64.as_pointer())
        self.bases = [builder.load(builder.gep(place, [ir.Constant(_I64, q)], source_etype=_I64)) for q in range(ROWS)]

    def _at(self, base: Any, offset: Any) -> Any:
        return self.builder.inttoptr(self.builder.add(base, offset), _vector(self.stored).as_pointer())

    def steps(self, offset: Any) -> list[Any]:
        """Eight vectors of a step each, in double precision."""
        rows = [_of_stored(self.builder, self.builder.load(self._at(base, offset), align=self.size)) for base in self.bases]
        return [_double(self.builder, x) for x in _transpose(self.builder, rows)]

    def put(self, steps: list[Any], offset: Any) -> None:
        """Write eight vectors of a step each, rounded to the nearest number that is stored."""
        if self.stored != _DOUBLE:
            steps = [self.builder.fptrunc(x, _vector(_FLOAT)) for x in steps]
        for base, row in zip(self.bases, _transpose(self.builder, steps), strict=True):
            row = _bfloat16(self.builder, row) if self.stored == _I16 else row
            self.builder.store(row, self._at(base, offset), align=self.size)

    def constant(self) -> list[Any]:
        """The number at each address, for each of eight steps."""
        x = ir.Constant(_vector(self.stored), ir.Undefined)
        for q, base in enumerate(self.bases):
            one = self.builder.load(self.builder.inttoptr(base, self.stored.as_pointer()), align=self.size)
            x = self.builder.insert_element(x, one, ir.Constant(_I32, q))
        return [_double(self.builder, _of_stored(self.builder, x))] * ROWS


class _Carry:
    """Eight numbers in double precision that live in a register while a loop runs, and at an address before and after."""

    def __init__(self, builder: Any, address: Any) -> None:
        self.builder, self.home = builder, builder.inttoptr(address, _vector(_DOUBLE).as_pointer())
        self.place = cgutils.alloca_once_value(  # type: ignore[no-untyped-call]
            builder, builder.load(self.home, align=8)
        )

    def get(self) -> Any:
        return self.builder.load(self.place)

    def set(self, x: Any) -> None:
        self.builder.store(x, self.place)

    def done(self) -> None:
        self.builder.store(self.get(), self.home, align=8)


@contextmanager
def _blocks(builder: Any, count: Any, size: int, back: bool) -> Iterator[Any]:
    """A loop over blocks of eight steps; gives the offset of the lowest element of a block."""
    with cgutils.for_range(builder, count) as loop:
        step = ir.Constant(_I64, (-ROWS if back else ROWS) * size)
        yield builder.add(builder.mul(loop.index, step), ir.Constant(_I64, -(ROWS - 1) * size if back else 0))


def _order(back: bool) -> range:
    return range(ROWS - 1, -1, -1) if back else range(ROWS)


def _running(varying: bool, back: bool) -> Callable[..., Any]:
    """The code of a run whose gate varies in time or not, and whose time goes down in memory or up."""

    def run(typing: Any, kind: Any, gates: Any, drives: Any, states: Any, blocks: Any, carry: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            f, u, c = (_Rows(context, builder, kind, table) for table in args[1:4])
            state, constant = _Carry(builder, args[5]), [] if varying else f.constant()
            with _blocks(builder, args[4], u.size, back) as offset:
                drive = u.steps(offset)
                gate = f.steps(offset) if varying else constant
                x, out = state.get(), [None] * ROWS
                for t in _order(back):
                    out[t] = x = builder.fadd(builder.fmul(gate[t], x), drive[t])
                state.set(x)
                c.put(out, offset)
            state.done()
            return context.get_dummy_value()

        return types.void(kind, *(types.int64,) * 5), generate

    return run


def _summing(varying: bool, back: bool) -> Callable[..., Any]:
    """As `_running`; nothing is written but the end and the product of the gates."""

    def summarise(typing: Any, kind: Any, gates: Any, drives: Any, blocks: Any, end: Any, product: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            f, u = (_Rows(context, builder, kind, table) for table in args[1:3])
            state, power = _Carry(builder, args[4]), _Carry(builder, args[5])
            constant = [] if varying else f.constant()
            with _blocks(builder, args[3], u.size, back) as offset:
                drive = u.steps(offset)
                gate = f.steps(offset) if varying else constant
                x, p = state.get(), power.get()
                for t in _order(back):
                    x, p = builder.fadd(builder.fmul(gate[t], x), drive[t]), builder.fmul(gate[t], p)
                state.set(x)
                power.set(p)
            state.done()
            power.done()
            return context.get_dummy_value()

        return types.void(kind, *(types.int64,) * 5), generate

    return summarise


_varying_up, _varying_down = intrinsic(_running(True, False)), intrinsic(_running(True, True))
_constant_up, _constant_down = intrinsic(_running(False, False)), intrinsic(_running(False, True))
_sum_varying_up, _sum_varying_down = intrinsic(_summing(True, False)), intrinsic(_summing(True, True))
_sum_constant_up, _sum_constant_down = intrinsic(_summing(False, False)), intrinsic(_summing(False, True))


def advance(kind: Any, gates: int, drives: int, states: int, blocks: int, carry: int, gate: int, time: int) -> bool:
    """Run eight rows over blocks of eight steps, if the layout allows it; for compiled code only.

    Args:
        kind: what lies in memory; complex numbers are refused.
        gates, drives, states: addresses of arrays of the addresses of the eight rows' first steps.
        blocks: of eight steps.
        carry: address of the eight states before; afterwards, of those after.
        gate, time: strides of the gates along time, and of drives and states: 1 or -1, for the gates also 0.
    """
    raise NotImplementedError


def summarise(kind: Any, gates: int, drives: int, blocks: int, end: int, product: int, gate: int, time: int) -> bool:
    """As `advance`; nothing is written but the states after (`end`) and the products of the gates."""
    raise NotImplementedError


@overload(advance, strict=False)
def _advance(kind: Any, gates: Any, drives: Any, states: Any, blocks: Any, carry: Any, gate: Any, time: Any) -> Any:
    if kind.dtype not in _STORED:
        return lambda kind, gates, drives, states, blocks, carry, gate, time: False

    def run(kind: Any, gates: Any, drives: Any, states: Any, blocks: Any, carry: Any, gate: Any, time: Any) -> bool:
        if (time != 1 and time != -1) or (gate != 0 and gate != time):
            return False
        if time == 1:
            if gate == 0:
                _constant_up(kind, gates, drives, states, blocks, carry)
            else:
                _varying_up(kind, gates, drives, states, blocks, carry)
        elif gate == 0:
            _constant_down(kind, gates, drives, states, blocks, carry)
        else:
            _varying_down(kind, gates, drives, states, blocks, carry)
        return True

    return run


@overload(summarise, strict=False)
def _summarise(kind: Any, gates: Any, drives: Any, blocks: Any, end: Any, product: Any, gate: Any, time: Any) -> Any:
    if kind.dtype not in _STORED:
        return lambda kind, gates, drives, blocks, end, product, gate, time: False

    def run(kind: Any, gates: Any, drives: Any, blocks: Any, end: Any, product: Any, gate: Any, time: Any) -> bool:
        if (time != 1 and time != -1) or (gate != 0 and gate != time):
            return False
        if time == 1:
            if gate == 0:
                _sum_constant_up(kind, gates, drives, blocks, end, product)
            else:
                _sum_varying_up(kind, gates, drives, blocks, end, product)
        elif gate == 0:
            _sum_constant_down(kind, gates, drives, blocks, end, product)
        else:
            _sum_varying_down(kind, gates, drives, blocks, end, product)
        return True

    return run
