"""Labels beside states: which options of the page can be chosen, or a column of the file.

Option slot i of a page is the i-th of its encounter's options in the order of their ids (by code point). An encounter's
options are those that some row of the table lists as visible or performable on that (storyworld, encounter). The label
is 1 where the row lists the option as performable, 0 where it does not, NaN where the encounter has no i-th option.
Options after the first `OPTION_SLOTS` have no slot. A label depends on its row and on which options the whole table
shows, held-out rows included; never on the order of the rows.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.parquet_rows import is_id, is_list

OPTION_SLOTS = 8
"""Options of a page that have a label."""

_Codes = npt.NDArray[np.int64]


class LabelRule(Protocol):
    """Gives rows their labels, after it has seen every row once."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""

    @property
    def width(self) -> int:
        """Labels of a row; known once a row was observed."""

    def observe(self, rows: pa.RecordBatch) -> None:
        """Take note of rows, in any order; every row comes by before `labels` is asked.

        Raises:
            SaeError: rows that cannot have labels.
        """

    def labels(self, rows: pa.RecordBatch) -> Array:
        """Labels of observed rows, float32 [m, width], NaN where one does not apply."""


class OptionSlots:
    """The rule of this module's first lines. It remembers option ids only: memory grows with encounters, not rows."""

    def __init__(self) -> None:
        self._options: dict[tuple[str, str], list[str]] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return ("storyworld_id", "encounter", "visible", "performable")

    @property
    def width(self) -> int:
        """`OPTION_SLOTS`."""
        return OPTION_SLOTS

    def observe(self, rows: pa.RecordBatch) -> None:
        """Collect the options of each encounter."""
        contexts, keys = _contexts(rows)
        for column in ("visible", "performable"):
            _, pairs, options = _listed(rows, column, contexts)
            for context, option in _apart(np.unique(pairs), options):
                known = self._options.setdefault(keys[context], [])
                if options[option] not in known:
                    insort(known, options[option])

    def labels(self, rows: pa.RecordBatch) -> Array:
        """Labels of observed rows, [m, OPTION_SLOTS].

        Raises:
            SaeError: an option that was not observed.
        """
        contexts, keys = _contexts(rows)
        counts = np.array([len(self._options.get(key, ())) for key in keys], dtype=np.int64)[contexts]
        found = np.where(np.arange(OPTION_SLOTS) < counts[:, None], np.float32(0), np.float32(np.nan))
        places, pairs, options = _listed(rows, "performable", contexts)
        if len(pairs):
            distinct, inverse = np.unique(pairs, return_inverse=True)
            slots = np.array([self._slot(keys[c], options[o]) for c, o in _apart(distinct, options)])[inverse]
            kept = slots < OPTION_SLOTS
            found[places[kept], slots[kept]] = 1
        return found

    def _slot(self, key: tuple[str, str], option: str) -> int:
        try:
            return self._options[key].index(option)
        except (KeyError, ValueError):
            raise SaeError(
                f"option {option} was not there when the options were collected", where=f"{key[0]}, encounter {key[1]}"
            ) from None


class LabelColumn:
    """Labels from a list column of numbers, as long in every row; a null in the list does not apply."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._width: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.name,)

    @property
    def width(self) -> int:
        """Length of the lists."""
        if self._width is None:
            raise SaeError("no row was read yet", where=self.name)
        return self._width

    def observe(self, rows: pa.RecordBatch) -> None:
        """Check the lists. Raises SaeError for lists of different lengths, missing ones, and infinite labels."""
        column = rows[self.name]
        if not is_list(column.type):
            raise SaeError(f"labels are lists of numbers, this column has type {column.type}", where=self.name)
        if column.null_count:
            raise SaeError("a list of labels is missing", where=self.name)
        for length in pc.unique(_lengths(column)).to_pylist():
            self._width = length if self._width is None else self._width
            if length != self._width or length == 0:
                raise SaeError(f"a row has {length} labels, an earlier one {self._width}", where=self.name)
        if self._width is not None and np.isinf(self.labels(rows)).any():
            raise SaeError("a label is infinite", where=self.name)

    def labels(self, rows: pa.RecordBatch) -> Array:
        """The lists as an array [m, width]."""
        flat = rows[self.name].flatten().to_numpy(zero_copy_only=False)
        return np.ascontiguousarray(flat.astype(np.float32).reshape(len(rows), self.width))


def affordance_labels(rollouts: pl.DataFrame | pa.RecordBatch | Iterable[pa.RecordBatch]) -> Array:
    """Labels of all rows of `rollouts`, float32 [n, OPTION_SLOTS]; this module's first lines define them."""
    if isinstance(rollouts, pl.DataFrame):
        rollouts = rollouts.select(OptionSlots().columns).to_arrow().to_batches()
    batches = [rollouts] if isinstance(rollouts, pa.RecordBatch) else list(rollouts)
    rule = OptionSlots()
    for batch in batches:
        rule.observe(batch)
    return np.concatenate([np.empty((0, OPTION_SLOTS), np.float32), *(rule.labels(batch) for batch in batches)])


def _contexts(rows: pa.RecordBatch) -> tuple[_Codes, list[tuple[str, str]]]:
    """Each row's context as a number, and what (storyworld, encounter) the numbers stand for."""
    storyworlds, storyworld_ids = _encoded(rows["storyworld_id"], "storyworld_id")
    encounters, encounter_ids = _encoded(rows["encounter"], "encounter")
    pairs, contexts = np.unique(storyworlds * max(1, len(encounter_ids)) + encounters, return_inverse=True)
    first, second = np.divmod(pairs, max(1, len(encounter_ids)))
    names = storyworld_ids.take(pa.array(first)).to_pylist()
    return contexts, list(zip(names, encounter_ids.take(pa.array(second)).to_pylist(), strict=True))


def _listed(rows: pa.RecordBatch, column: str, contexts: _Codes) -> tuple[_Codes, _Codes, list[str]]:
    """The options of a list column one by one: row [l], number of (context, option) [l], and the options' ids."""
    if not is_list(rows[column].type):
        raise SaeError(f"options are lists of ids, this column has type {rows[column].type}", where=column)
    places = np.repeat(np.arange(len(rows)), _lengths(rows[column]).to_numpy(zero_copy_only=False))
    options, names = _encoded(rows[column].flatten(), column)
    return places, contexts[places] * len(names) + options, [str(name) for name in names.to_pylist()]


def _apart(pairs: _Codes, options: list[str]) -> list[tuple[int, int]]:
    """Contexts and options of the numbers that `_listed` gives."""
    return [divmod(pair, len(options)) for pair in pairs.tolist()]


def _lengths(column: pa.Array) -> pa.Array:
    return pc.fill_null(pc.list_value_length(column), 0)


def _encoded(column: pa.Array, name: str) -> tuple[_Codes, pa.Array]:
    if not is_id(column.type):
        raise SaeError(f"ids are texts or whole numbers, this column has type {column.type}", where=name)
    if column.null_count:
        raise SaeError("an id is missing", where=name)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary
