"""What kernels need beneath numba's arrays: typed loads and stores at an address, bfloat16, and three atomic operations.

A `kind` is an empty array whose dtype says what lies at an address; uint16 stands for bfloat16, which NumPy does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
from llvmlite import ir
from numba import extending
from numba.core import types

intrinsic: Callable[[Any], Any] = extending.intrinsic
overload: Callable[..., Callable[[Any], Any]] = extending.overload


def _at(context: Any, builder: Any, element: Any, address: Any, index: Any) -> Any:
    stored = context.get_data_type(element)
    return builder.gep(builder.inttoptr(address, stored.as_pointer()), [index], inbounds=True, source_etype=stored)


@intrinsic
def load(typing: Any, kind: Any, address: Any, index: Any) -> Any:
    """The element ``index`` places after an address."""
    element = kind.dtype

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.unpack_value(builder, element, _at(context, builder, element, args[1], args[2]))

    return element(kind, types.int64, types.int64), generate


@intrinsic
def store(typing: Any, kind: Any, address: Any, index: Any, value: Any) -> Any:
    """Write the element ``index`` places after an address."""
    element = kind.dtype

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        context.pack_value(builder, element, args[3], _at(context, builder, element, args[1], args[2]))
        return context.get_dummy_value()

    return types.void(kind, types.int64, types.int64, element), generate


@intrinsic
def _float_of_bits(typing: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.uint32), generate


@intrinsic
def _bits_of_float(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), generate


def widen(value: Any) -> Any:
    """The number in double precision; for compiled code only."""
    raise NotImplementedError


def narrow(kind: Any, value: Any) -> Any:
    """A number in double precision rounded to the nearest of its kind; for compiled code only."""
    raise NotImplementedError


def conjugate(value: Any) -> Any:
    """The conjugate of a number; for compiled code only."""
    raise NotImplementedError


@overload(conjugate, strict=False)
def _conjugate(value: Any) -> Any:
    if isinstance(value, types.Complex):
        return lambda value: complex(value.real, -value.imag)
    return lambda value: value


@overload(widen, strict=False)
def _widen(value: Any) -> Any:
    if value == types.uint16:
        return lambda value: nb.float64(_float_of_bits(nb.uint32(value) << nb.uint32(16)))  # type: ignore[operator]
    wide = nb.complex128 if isinstance(value, types.Complex) else nb.float64
    return lambda value: wide(value)


@overload(narrow, strict=False)
def _narrow(kind: Any, value: Any) -> Any:
    element = kind.dtype
    if element == types.uint16:

        def to_bfloat16(kind: Any, value: Any) -> Any:
            bits = _bits_of_float(nb.float32(value))
            rounded = (bits + nb.uint32(0x7FFF) + ((bits >> nb.uint32(16)) & nb.uint32(1))) >> nb.uint32(16)
            return nb.uint16(rounded if value == value else nb.uint32(0x7FC0))

        return to_bfloat16
    return lambda kind, value: element(value)


def _cell(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.IntType(64).as_pointer())


@intrinsic
def claim(typing: Any, address: Any) -> Any:
    """Add one to a shared counter; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _cell(builder, args[0]), ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def published(typing: Any, address: Any) -> Any:
    """The value of a shared flag; what was written before it was published is seen after."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_cell(builder, args[0]), "acquire", 8, typ=ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic
def publish(typing: Any, address: Any, value: Any) -> Any:
    """Set a shared flag."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _cell(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate
