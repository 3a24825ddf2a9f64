"""Eight doubles as one number of compiled code: a register of the processor, or as many as it takes.

Arithmetic is that of each of the eight by itself, and never depends on what the others are.
"""

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

from slope.engines.layouts.lane_rules import LANES

_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_WORD, _LONG = ir.IntType(32), ir.IntType(64)
_ZEROS = ir.VectorType(_WORD, LANES)
_FAST = ("contract", "reassoc", "nsz")
_ROWS_AHEAD = 8
"""Rows of a column between the one that is written and the one whose memory is fetched for it."""


_instruction = cast(Callable[[Callable[..., Any]], Callable[..., Any]], intrinsic)


class Lanes(types.Type):
    """LANES doubles."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _address(context: Any, builder: Any, kind: Any, array: Any, row: Any, column: Any) -> Any:
    """Of the LANES numbers from a column of a row on; rows are contiguous."""
    found = context.make_array(kind)(context, builder, array)
    strides = cgutils.unpack_tuple(builder, found.strides, kind.ndim)
    start = builder.ptrtoint(found.data, ir.IntType(64))
    offset = builder.add(builder.mul(row, strides[0]), builder.mul(column, strides[1]))
    return builder.inttoptr(builder.add(start, offset), _VECTOR.as_pointer())


@_instruction
def load(_typing, array, row, column):
    """The LANES numbers of an array from a place on."""

    def generate(context, builder, signature, arguments):
        pointer = _address(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=8)

    return lanes(array, types.int64, types.int64), generate


@_instruction
def store(_typing, array, row, column, value):
    """Write them there."""

    def generate(context, builder, signature, arguments):
        *place, numbers = arguments
        builder.store(numbers, _address(context, builder, signature.args[0], *place), align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, lanes), generate


@_instruction
def store_apart(_typing, column, model, row, vectors, start, count, place):
    """Of `count` rows of LANES numbers, LANES at most, the first of each for one model, and so on: turned round.

    `column` is models × rows × numbers; they go into LANES models from one on, from `place` on of a row.
    """

    def generate(context, builder, signature, arguments):
        array, model, row, rows, start, count, place = arguments
        numbers = []
        for each in range(LANES):  # of rows that are not to be written the first will do
            is_there = builder.icmp_signed("<", _LONG(each), count)
            chosen = builder.select(is_there, builder.add(start, _LONG(each)), start)
            pointer = _address(context, builder, signature.args[3], rows, chosen, _LONG(0))
            numbers.append(builder.load(pointer, align=8))
        found = context.make_array(signature.args[0])(context, builder, array)
        strides = cgutils.unpack_tuple(builder, found.strides, 3)
        offset = builder.add(builder.mul(row, strides[1]), builder.mul(place, strides[2]))
        first = builder.add(builder.ptrtoint(found.data, _LONG), builder.add(builder.mul(model, strides[0]), offset))
        counted = ir.Constant(ir.VectorType(_LONG, LANES), list(range(LANES)))
        are_there = builder.icmp_signed("<", counted, _splat(builder, count, _LONG))
        later = builder.mul(_LONG(_ROWS_AHEAD), strides[1])
        for lane, turned in enumerate(_turned(builder, numbers)):
            address = builder.add(first, builder.mul(_LONG(lane), strides[0]))
            target, ahead = (builder.inttoptr(each, pointer.type) for each in (address, builder.add(address, later)))
            _call(builder, f"llvm.masked.store.v{LANES}f64.p0", turned, target, _WORD(8), are_there)
            _call(builder, "llvm.prefetch.p0", ahead, _WORD(1), _WORD(3), _WORD(1))  # to be written soon; as data
        return context.get_dummy_value()

    integers = (types.int64,) * 3
    return types.void(column, types.int64, types.int64, vectors, *integers), generate


def _call(builder: Any, name: str, *arguments: Any) -> None:
    """One of LLVM's instructions that give nothing back."""
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """LANES vectors as a square of numbers, its rows and columns exchanged: blocks of it, half as large each time."""
    size = LANES // 2
    while size:
        keep = [[(row ^ lane) & size == 0 for lane in range(LANES)] for row in range(LANES)]
        picked = [
            ir.Constant(_ZEROS, [lane if keep[row][lane] else LANES + (lane ^ size) for lane in range(LANES)])
            for row in range(LANES)
        ]
        rows = [builder.shuffle_vector(rows[row], rows[row ^ size], picked[row]) for row in range(LANES)]
        size //= 2
    return rows


@_instruction
def splat(_typing, number):
    """The same number in all of them."""

    def generate(_context, builder, _signature, arguments):
        return _splat(builder, arguments[0], _DOUBLE)

    return lanes(types.float64), generate


def _splat(builder: Any, number: Any, kind: Any) -> Any:
    nothing = ir.Constant(ir.VectorType(kind, LANES), ir.Undefined)
    first = builder.insert_element(nothing, number, _WORD(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_ZEROS, [0] * LANES))


@_instruction
def where_less(_typing, left, right, then, otherwise):
    """`then` where left < right, else `otherwise`; also where either is NaN."""

    def generate(_context, builder, _signature, arguments):
        is_less = builder.fcmp_ordered("<", arguments[0], arguments[1])
        return builder.select(is_less, arguments[2], arguments[3])

    return lanes(lanes, lanes, lanes, lanes), generate


def _function(name: str) -> Callable[..., Any]:
    """One of LLVM's, of each of the numbers."""

    @_instruction
    def function(_typing, numbers):
        def generate(_context, builder, _signature, arguments):
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            found = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64")
            return builder.call(found, arguments)

        return lanes(lanes), generate

    return function


root, size = _function("sqrt"), _function("fabs")


def _arithmetic(instruction: str, *operators: Callable[..., Any]) -> None:
    """Let operators take lanes, and lanes and plain numbers."""

    @_instruction
    def found(_typing, left, right):
        def generate(_context, builder, _signature, arguments):
            return getattr(builder, instruction)(*arguments, flags=_FAST)

        return lanes(lanes, lanes), generate

    def operate(left, right):
        match isinstance(left, Lanes), isinstance(right, Lanes):
            case True, True:
                return lambda left, right: found(left, right)
            case True, False:
                return lambda left, right: found(left, splat(right))
            case False, True:
                return lambda left, right: found(splat(left), right)
        return None

    for each in operators:
        overload(each, jit_options={"forceinline": True})(operate)


_arithmetic("fadd", operator.add, operator.iadd)
_arithmetic("fsub", operator.sub, operator.isub)
_arithmetic("fmul", operator.mul, operator.imul)
_arithmetic("fdiv", operator.truediv, operator.itruediv)
