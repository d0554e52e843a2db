"""Kernels: machine code on disk is used again, and is not when a source that it contains has changed."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from narrative_dag.storyworld.simulator import memory

NEIGHBOUR = """
from narrative_dag.storyworld.simulator.memory import inlined

@inlined
def answer():
    return {answer}
"""
KERNEL = """
from narrative_dag.storyworld.simulator.memory import kernel
from stale_neighbour import answer

@kernel
def ask():
    return answer()
"""


def ask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The answer of a fresh import, and how often machine code came from the disk."""
    for name in ("stale_kernel", "stale_neighbour"):
        sys.modules.pop(name, None)
    memory._digest.cache_clear()
    importlib.invalidate_caches()
    monkeypatch.syspath_prepend(str(folder))
    module = importlib.import_module("stale_kernel")
    return module.ask(), sum(module.ask.stats.cache_hits.values())


def test_a_kernel_is_compiled_again_when_a_function_in_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "stale_kernel.py").write_text(KERNEL)
    (tmp_path / "stale_neighbour.py").write_text(NEIGHBOUR.format(answer=1))
    assert ask(tmp_path, monkeypatch) == (1, 0)
    assert ask(tmp_path, monkeypatch) == (1, 1)
    (tmp_path / "stale_neighbour.py").write_text(NEIGHBOUR.format(answer=2))
    assert ask(tmp_path, monkeypatch) == (2, 0)


@memory.kernel
def through_memory(code: np.ndarray, words: np.ndarray, results: np.ndarray) -> None:
    source, target, small = words.ctypes.data, results.ctypes.data, code.ctypes.data
    memory.copy_words(target, source, 2)
    memory.put_word(target, 2, memory.code_at(small, 1))
    memory.put_word(target, 3, memory.lowest_bit(memory.word_at(source, 2)))
    memory.put_number(target, 4, memory.number_at(source, 3) / 2.0)
    memory.put_word(target, 5, memory.bits_of(-0.0))


def test_reads_and_writes_at_addresses() -> None:
    code = np.array([7, -(2**31)], dtype=np.int32)
    words = np.array([-(2**63), 5, -(2**63), 0], dtype=np.int64)
    words[3:].view(np.float64)[0] = 3.0
    results = np.zeros(6, dtype=np.int64)
    through_memory(code, words, results)
    assert results[:4].tolist() == [-(2**63), 5, -(2**31), 63]
    assert results[4:5].view(np.float64)[0] == 1.5
    assert results[5] == -(2**63)
