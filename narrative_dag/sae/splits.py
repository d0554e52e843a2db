"""Which rows are held out, decided row by row from a hash: no list of rows is kept, and no second reading needed."""

import hashlib
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.parquet_rows import is_id

SplitBy = Literal["storyworld", "playthrough", "row"]
"""What stays together: all rows of a storyworld, those of one playthrough of it, or nothing."""

SPLITS: tuple[SplitBy, ...] = get_args(SplitBy)

Hashes = npt.NDArray[np.uint64]

_COLUMNS: dict[SplitBy, tuple[str, ...]] = {
    "storyworld": ("storyworld_id",),
    "playthrough": ("storyworld_id", "playthrough"),
    "row": (),
}


class Split(BaseModel):
    """Rows in two parts. A row's part depends on its key, the share and the seed, never on the other rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: SplitBy = Field("playthrough", description="what is never divided between the two parts")
    share: float = Field(0.2, gt=0, lt=1, description="probability with which a key is held out")
    seed: int = Field(0, description="other seeds hold out other keys")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the split looks at."""
        return _COLUMNS[self.by]

    def held_out(self, rows: pa.RecordBatch, first_row: int) -> npt.NDArray[np.bool_]:
        """Marks the rows that are held out, [m].

        A storyworld's hash is BLAKE2b of its id; playthroughs and rows are mixed in by SplitMix64.

        Args:
            rows: with `columns`, none of them null.
            first_row: the place of the first row among all rows; the key of a split by row.

        Raises:
            SaeError: the columns are no names of storyworlds, or no numbers of playthroughs.
        """
        self._check(rows.schema)
        if self.by == "row":
            keys = _mixed(np.arange(first_row, first_row + len(rows), dtype=np.uint64) ^ np.uint64(self._text_hash("")))
        else:
            keys = self._storyworlds(rows["storyworld_id"])
            if self.by == "playthrough":
                keys = _mixed(keys ^ _mixed(rows["playthrough"].to_numpy(zero_copy_only=False).astype(np.uint64)))
        # the upper 53 bits as a number in [0, 1)
        return np.asarray((keys >> np.uint64(11)) * 2.0**-53 < self.share)

    def _check(self, schema: pa.Schema) -> None:
        for name in self.columns:
            kind = schema.field(name).type
            if name == "playthrough" and not pa.types.is_integer(kind):
                raise SaeError(f"playthroughs are whole numbers, this column has type {kind}", where=name)
            if not is_id(kind):
                raise SaeError(f"ids are texts or whole numbers, this column has type {kind}", where=name)

    def _storyworlds(self, column: pa.Array) -> Hashes:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        used, places = np.unique(encoded.indices.to_numpy(zero_copy_only=False), return_inverse=True)
        names = encoded.dictionary.take(pa.array(used)).to_pylist()
        return np.array([self._text_hash(str(name)) for name in names], dtype=np.uint64)[places]

    def _text_hash(self, text: str) -> int:
        # the seed may be negative or larger than a key: its text is hashed in front
        content = f"{self.seed} {text}".encode()
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _mixed(numbers: Hashes) -> Hashes:
    """SplitMix64's output function (Steele, Lea and Flood 2014) of each number."""
    with np.errstate(over="ignore"):
        numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(numbers ^ (numbers >> np.uint64(31)))
