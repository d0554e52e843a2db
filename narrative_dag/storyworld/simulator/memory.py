"""Typed reads and writes at an address.

Kernels pass addresses (`array.ctypes.data`) instead of arrays: two registers instead of a dozen words for each call,
and no test for negative positions. Nothing checks bounds: the compiler of programs is what keeps positions right, and
the caller keeps the arrays alive.
"""

from collections.abc import Callable
from typing import Any

import numba
import numba.extending
from llvmlite import ir
from numba.core import cgutils, types

from narrative_dag.kernel_cache import Function

Address = int
"""Of the first word of an array, inside kernels."""


def inlined(function: Function) -> Function:
    """Compile a function that kernels call; it has no code of its own on disk."""
    compiled: Function = numba.njit(nogil=True, error_model="numpy")(function)
    return compiled


instruction: Callable[[Callable[..., Any]], Any] = numba.extending.intrinsic
"""Compile a function that writes its own machine instructions; numba's, which has no types of its own."""

_WORD, _HALF, _NUMBER = ir.IntType(64), ir.IntType(32), ir.DoubleType()


def _pointer(builder: Any, address: Any, position: Any, element: Any) -> Any:
    return builder.gep(builder.inttoptr(address, element.as_pointer()), [position])


@instruction
def _code_at(context: Any, address: Any, position: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.sext(builder.load(_pointer(builder, given[0], given[1], _HALF)), _WORD)

    return types.int64(types.int64, types.int64), generate


@instruction
def _word_at(context: Any, address: Any, position: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_pointer(builder, given[0], given[1], _WORD))

    return types.int64(types.int64, types.int64), generate


@instruction
def _number_at(context: Any, address: Any, position: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_pointer(builder, given[0], given[1], _NUMBER))

    return types.float64(types.int64, types.int64), generate


@instruction
def _put_word(context: Any, address: Any, position: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(given[2], _pointer(builder, given[0], given[1], _WORD))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@instruction
def _put_number(context: Any, address: Any, position: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(given[2], _pointer(builder, given[0], given[1], _NUMBER))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), generate


@instruction
def _put_single(context: Any, address: Any, position: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        single = builder.fptrunc(given[2], ir.FloatType())
        builder.store(single, _pointer(builder, given[0], given[1], ir.FloatType()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), generate


@instruction
def _copy_words(context: Any, target: Any, source: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        target, source = (builder.inttoptr(address, byte) for address in given[:2])
        cgutils.raw_memcpy(builder, target, source, given[2], 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@instruction
def _lowest_bit(context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@instruction
def _bits_of(context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.bitcast(given[0], _WORD)

    return types.int64(types.float64), generate


code_at: Callable[[Address, int], int] = _code_at
"""(address, position): the int32 at a position of code."""

word_at: Callable[[Address, int], int] = _word_at
"""(address, position): the int64 at a position of a frame."""

number_at: Callable[[Address, int], float] = _number_at
"""(address, position): the float64 at a position of a frame."""

put_word: Callable[[Address, int, int], None] = _put_word
"""(address, position, value): write an int64."""

put_number: Callable[[Address, int, float], None] = _put_number
"""(address, position, value): write a float64."""

put_single: Callable[[Address, int, float], None] = _put_single
"""(address, position, value): write a float32."""

copy_words: Callable[[Address, Address, int], None] = _copy_words
"""(target, source, count): copy int64 words that do not overlap."""

lowest_bit: Callable[[int], int] = _lowest_bit
"""(word): position of the lowest set bit of a word that is not 0."""

bits_of: Callable[[float], int] = _bits_of
"""(number): its eight bytes as int64."""
