"""Arrow string columns from codes, without a Python object for each value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.simulator.memory import instruction

_WORD = 8
"""Bytes that are copied at once; both buffers have that much room behind the last text."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by code: UTF-8 bytes one after the other; text i is `data[offsets[i] : offsets[i + 1]]`."""

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        """The texts in order; text i has code i."""
        encoded = [text.encode() for text in texts]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(encoded) + bytes(_WORD), dtype=np.uint8))

    def column(self, codes: NDArray[np.int32]) -> pa.StringArray:
        """The texts with the codes, null where a code is negative; codes [n] gives a column of length n.

        Raises:
            OverflowError: more text than one Arrow string array holds.
        """
        total, nulls = _sizes(codes, self.offsets)
        if total > np.iinfo(np.int32).max:
            raise OverflowError("more than 2 GB of text in one column: take fewer rows at a time")
        # Arrow's allocator keeps what it freed: fresh memory from the system costs more than the copying
        offsets = np.frombuffer(pa.allocate_buffer(4 * (codes.size + 1)), dtype=np.int32)
        data = np.frombuffer(pa.allocate_buffer(total + _WORD), dtype=np.uint8)
        _take(codes, self.offsets, self.data, offsets, data)
        validity = pa.py_buffer(np.packbits(codes >= 0, bitorder="little")) if nulls else None
        buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(data[:total])]
        return pa.Array.from_buffers(pa.string(), codes.size, buffers, null_count=nulls)


@instruction
def _copy_word(_context: Any, target: Any, to: Any, source: Any, at: Any) -> Any:
    """Copy `_WORD` bytes, aligned or not: a slice assignment costs twenty times as much for a short text."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(8 * _WORD).as_pointer()
        into = context.make_array(target)(context, builder, arguments[0])
        out_of = context.make_array(source)(context, builder, arguments[2])
        value = builder.load(builder.bitcast(builder.gep(out_of.data, [arguments[3]]), word))
        value.align = 1
        builder.store(value, builder.bitcast(builder.gep(into.data, [arguments[1]]), word)).align = 1
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


@kernel
def _sizes(codes: Any, starts: Any) -> Any:
    total, nulls = 0, 0
    for code in codes:
        if code >= 0:
            total += starts[code + 1] - starts[code]
        else:
            nulls += 1
    return total, nulls


@kernel
def _take(codes: Any, starts: Any, source: Any, offsets: Any, data: Any) -> None:
    at = np.int64(0)
    offsets[0] = 0
    for i in range(codes.size):
        code = codes[i]
        if code >= 0:
            begin = starts[code]
            length = starts[code + 1] - begin
            done = np.int64(0)
            while done < length:
                _copy_word(data, at + done, source, begin + done)
                done += _WORD
            at += length
        offsets[i + 1] = at
