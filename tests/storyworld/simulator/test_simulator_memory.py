"""Kernels: machine code on disk is used again, and is not when a source that it contains has changed."""

import importlib
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.simulator import memory

NEIGHBOUR = """
from narrative_dag.storyworld.simulator.memory import inlined
from stale_limits.numbers import LIMIT

@inlined
def answer():
    return {answer} + LIMIT
"""
KERNEL = """
from narrative_dag.kernel_cache import kernel
from stale_neighbour import answer

@kernel
def ask():
    return answer()
"""


class Sources:
    """A kernel, a function that it calls, and a constant that this uses, in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.setattr(numba.config, "CACHE_DIR", "")
        monkeypatch.syspath_prepend(str(folder))
        self.folder, self.code = folder, folder / "__pycache__"
        (folder / "stale_kernel.py").write_text(KERNEL)
        (folder / "stale_limits").mkdir()
        self.limit(0)
        self.answer(1)

    def answer(self, answer: int) -> None:
        (self.folder / "stale_neighbour.py").write_text(NEIGHBOUR.format(answer=answer))

    def limit(self, limit: int) -> None:
        (self.folder / "stale_limits" / "numbers.py").write_text(f"LIMIT = {limit}\n")

    def ask(self) -> tuple[int, int]:
        """The answer of a fresh import, and how often machine code came from the disk."""
        for name in ("stale_kernel", "stale_neighbour", "stale_limits", "stale_limits.numbers"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        module = importlib.import_module("stale_kernel")
        return module.ask(), sum(module.ask.stats.cache_hits.values())


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    return Sources(tmp_path, monkeypatch)


def test_a_kernel_is_compiled_again_when_a_function_in_it_has_changed(sources: Sources) -> None:
    assert sources.ask() == (1, 0)
    assert sources.ask() == (1, 1)
    sources.answer(2)
    assert sources.ask() == (2, 0)


def test_a_kernel_is_compiled_again_when_a_constant_in_a_function_in_it_has_changed(sources: Sources) -> None:
    assert sources.ask() == (1, 0)
    sources.limit(10)
    assert sources.ask() == (11, 0)
    assert sources.ask() == (11, 1)


def test_code_from_before_an_edit_is_not_run_though_the_index_is_new(sources: Sources) -> None:
    # what a process leaves that is stopped between writing the index and the code
    sources.ask()
    (code,) = sources.code.glob("*.nbc")
    before = code.read_bytes()
    sources.answer(2)
    assert sources.ask() == (2, 0)
    assert list(sources.code.glob("*.nbc")) == [code]
    code.write_bytes(before)
    assert sources.ask() == (2, 0)
    assert sources.ask() == (2, 1)


@pytest.mark.parametrize("files", ["*.nbc", "*.nbi"])
def test_damaged_files_cost_a_compilation(files: str, sources: Sources) -> None:
    sources.ask()
    (file,) = sources.code.glob(files)
    file.write_bytes(file.read_bytes()[:-100])
    assert sources.ask() == (1, 0)
    file.write_bytes(b"")
    assert sources.ask() == (1, 0)
    assert sources.ask() == (1, 1)


def test_kernels_work_where_nothing_can_be_written(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    # no folder can be made where a file is
    sources.code.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(sources.code))
    assert sources.ask() == (1, 0)
    assert sources.ask() == (1, 0)


def test_kernels_work_where_nothing_can_be_written_any_more(sources: Sources) -> None:
    sources.code.mkdir()
    for name in ("stale_kernel", "stale_neighbour"):
        sys.modules.pop(name, None)
    module = importlib.import_module("stale_kernel")
    sources.code.rmdir()
    sources.code.write_text("")
    assert module.ask() == 1


@kernel
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
