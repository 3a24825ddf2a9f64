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

from slope.engines.lane_rules import LANES

_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_WORD = ir.IntType(32)
_ZEROS = ir.VectorType(_WORD, LANES)
_FAST = ("contract", "reassoc", "nsz")


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
def splat(_typing, number):
    """The same number in all of them."""

    def generate(_context, builder, _signature, arguments):
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), arguments[0], _WORD(0))
        return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_ZEROS, [0] * LANES))

    return lanes(types.float64), generate


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
