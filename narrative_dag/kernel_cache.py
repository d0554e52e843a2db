"""Machine code on disk that is never stale, and whose loss or absence costs nothing but time.

Numba looks at the file of a kernel alone when it decides whether code on disk is still valid, and writes its index
before the code that the index names. Here an entry is valid for the text of every module that the kernel's module
imports, and carries that and its signature itself: code from before an edit, of a process that was stopped between
both files, or of another process that wrote at the same time is not taken for this.
"""

import contextlib
import functools
import hashlib
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

_PACKAGE = Path(__file__).parents[1]

Function = TypeVar("Function", bound=Callable[..., Any])

_IMPORT = re.compile(r"^(?:from|import)[ \t]+([\w.]+)(?:[ \t]+import[ \t]+(\([^)]*\)|.*))?", re.MULTILINE)


_UNUSABLE = (OSError, EOFError, pickle.UnpicklingError)
"""What reading and writing the files raises when they are locked, damaged, or the disk is full."""


def kernel(function: Function) -> Function:
    """Compile a function without the interpreter's lock and keep the machine code on disk.

    Where no folder for it can be written the machine code lives as long as the process.
    """
    return _kept(function, numba.njit(nogil=True, error_model="numpy")(function))


def vector_kernel(function: Function) -> Function:
    """Compile as `kernel` does, for loops over floats: sums may be taken in another order and products fused.

    The same machine gives the same result.
    """
    fast = {"reassoc", "contract", "nsz"}
    return _kept(function, numba.njit(nogil=True, error_model="numpy", fastmath=fast)(function))


def _kept(function: Function, dispatcher: Any) -> Function:
    # without a folder that can be written there is none
    with contextlib.suppress(RuntimeError):
        dispatcher._cache = KernelCache(function)
    compiled: Function = dispatcher
    return compiled


class KernelCache(FunctionCache):  # type: ignore[misc]  # numba has no types, and no other door to its cache
    """Numba's cache for one kernel.

    Args:
        function: the kernel.

    Raises:
        RuntimeError: no folder for it can be written.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        files: Any = self.__dict__["_cache_file"]
        self._cache_file = _StampedFiles(files, source_digest(function.__code__.co_filename))

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code for a signature, if the disk takes it."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


class _StampedFiles(IndexDataCacheFile):  # type: ignore[misc]  # as above
    """Numba's files for one kernel, with entries that say what they belong to."""

    def __init__(self, files: Any, digest: str) -> None:
        self.__dict__.update(files.__dict__)
        self._source_stamp = digest

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except _UNUSABLE:
            return {}

    def load(self, key: Any) -> Any:
        """The code for a signature; None where there is none of these sources."""
        try:
            found = super().load(key)
        except _UNUSABLE:
            return None
        if not (isinstance(found, tuple) and len(found) == 3 and found[:2] == (self._source_stamp, key)):
            return None
        return found[2]

    def save(self, key: Any, data: Any) -> None:
        """Keep the code for a signature."""
        super().save(key, (self._source_stamp, key, data))


def source_digest(file: str) -> str:
    """Of the text of a module that is being imported and of all that it imports from this package or its own folder."""
    within = (_PACKAGE, Path(file).parent)
    texts: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in texts or not any(Path(path).is_relative_to(folder) for folder in within):
            continue
        stat = Path(path).stat()
        texts[path], names = _read(path, stat.st_mtime_ns, stat.st_size)
        modules = [getattr(sys.modules.get(name), "__file__", None) for name in names]
        waiting += [module for module in modules if module is not None and module.endswith(".py")]
    digest = hashlib.sha256()
    for path in sorted(texts):
        digest.update(texts[path])
    return digest.hexdigest()


@functools.cache
def _read(path: str, modified: int, size: int) -> tuple[bytes, tuple[str, ...]]:
    """The digest of a module's text, and the names of modules, and of what may be one, in its import statements."""
    text = Path(path).read_bytes()
    found = []
    for module, names in _IMPORT.findall(text.decode()):
        found += [module, *(f"{module}.{name}" for name in re.findall(r"\w+", names))]
    return hashlib.sha256(text).digest(), tuple(found)
