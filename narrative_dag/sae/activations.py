"""Activations of a causal language model as a Parquet file of states, one row a token.

A state is the residual stream after block `layer` (0: the embeddings, positions included), before any final norm. A
text is read from its first token, after the tokenizer's beginning-of-sequence token where it has one. That token and
padding have no row; a text's own first token has one, also where no token stands before it.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from narrative_dag import durable
from narrative_dag.policy.config import PolicyConfig
from narrative_dag.progress import CountProgress, silent_count
from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.sources import first_not_finite

if TYPE_CHECKING:
    from narrative_dag.policy.model import Policy

_ROW_GROUP_BYTES = 1 << 23
"""States of a row group: small beside a shuffle buffer, so that training mixes them well."""

_POOL_BATCHES = 8
"""Batches whose texts are sorted by length together."""


class Activations(NamedTuple):
    """What was written: rows, length of a state, texts that have rows, and how many of them were cut short."""

    rows: int
    d: int
    texts: int
    cut: int


class _Text(NamedTuple):
    """A text's number, its token ids as the model reads them, and how many of the first have no row."""

    number: int
    ids: list[int]
    skipped: int


def write_activations(
    model_folder: Path,
    texts: Sequence[str],
    layer: int,
    out: Path,
    *,
    ids: Sequence[str] | None = None,
    batch_tokens: int = 4096,
    max_rows: int | None = None,
    seed: int = 0,
    config: PolicyConfig | None = None,
    progress: CountProgress = silent_count,
) -> Activations:
    """Run a model over texts and write the residual stream at a layer; the file is there whole or not at all.

    Columns: `storyworld_id` (string: the text's id), `playthrough` (0), `step` (int32: the token's place in the text,
    from 0), `token` (string: the tokenizer's own spelling), `state` (fixed-size list of float32). A text's rows are
    together and in order; texts come in random order. The same arguments give the same bytes on the same machine.

    Args:
        model_folder: a Hugging Face causal LM with safetensors and a tokenizer.
        texts: what the model reads. One longer than the model's positions, or than `batch_tokens`, is cut there.
        layer: 0 to the model's number of blocks.
        out: the Parquet file.
        ids: a name for each text; its number by default.
        batch_tokens: tokens that the model reads at once, padding included; memory is proportional to it.
        max_rows: stop after so many rows, of texts drawn at random; None: all.
        seed: orders the texts.
        config: device, precision and threads.
        progress: called with texts done, of all.

    Raises:
        PolicyError: the folder holds no usable model.
        SaeError: no such layer, no tokens, arguments that do not fit, or an activation that is not finite.
    """
    from narrative_dag.policy.model import load_policy

    if ids is not None and len(ids) != len(texts):
        raise SaeError(f"{len(ids)} ids for {len(texts)} texts")
    if batch_tokens < 2 or (max_rows is not None and max_rows < 1):
        raise SaeError("batch_tokens is 2 or more, max_rows 1 or more")
    policy = load_policy(model_folder, config or PolicyConfig())
    blocks = _blocks(policy)
    if not 0 <= layer <= len(blocks):
        raise SaeError(f"no layer {layer}", where=str(model_folder), hint=f"0 to {len(blocks)}")
    notes = {"model": policy.digest(), "layer": layer, "seed": seed, "beginning_of_sequence": "no row"}
    reader = _Reader(policy, texts, batch_tokens, max_rows, np.random.default_rng([seed, 0xAC7]))
    rows, done, d = 0, 0, 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with durable.file(out) as temporary, _Writer(temporary, notes) as writer, policy.compute.session():
        for batch in reader.batches():
            for text, states in zip(batch, _states(policy, blocks, layer, batch), strict=True):
                name = str(text.number) if ids is None else ids[text.number]
                if (row := first_not_finite(states)) is not None:
                    raise SaeError("an activation is not finite", where=f"text {name}, token {row}")
                writer.write(name, policy.tokenizer.backend.convert_ids_to_tokens(text.ids[text.skipped :]), states)
                rows, d = rows + len(states), states.shape[1]
            done += len(batch)
            progress(done, len(texts))
        if rows == 0:
            raise SaeError("the texts have no tokens", where="texts")
    return Activations(rows, d, done, reader.cut)


class _Reader:
    """Texts as batches of token ids. `cut`: how many were shortened so far."""

    def __init__(
        self,
        policy: "Policy",
        texts: Sequence[str],
        batch_tokens: int,
        max_rows: int | None,
        rng: np.random.Generator,
    ) -> None:
        from narrative_dag.policy.forward import WIDTH_STEP

        self._policy, self._texts, self._batch_tokens, self._max_rows = policy, texts, batch_tokens, max_rows
        self._step = WIDTH_STEP
        self._order = rng.permutation(len(texts)).tolist()
        self.cut = 0

    def batches(self) -> Iterator[list[_Text]]:
        """In random order; texts of one batch are of similar length."""
        pool: list[_Text] = []
        tokens = 0
        for text in self._tokenized():
            pool.append(text)
            tokens += len(text.ids)
            if tokens >= _POOL_BATCHES * self._batch_tokens:
                yield from self._packed(pool)
                pool, tokens = [], 0
        yield from self._packed(pool)

    def _tokenized(self) -> Iterator[_Text]:
        tokenizer, rows = self._policy.tokenizer, 0
        first = [] if tokenizer.bos is None else [tokenizer.bos]
        most = min(self._policy.positions, self._batch_tokens)
        for number in self._order:
            content = tokenizer.encode(self._texts[number])
            left = most - len(first) if self._max_rows is None else min(most - len(first), self._max_rows - rows)
            if left == 0:
                return
            if content:
                self.cut += len(content) > left
                rows += len(content[:left])
                yield _Text(number, first + content[:left], len(first))

    def _packed(self, pool: list[_Text]) -> Iterator[list[_Text]]:
        batch: list[_Text] = []
        for text in sorted(pool, key=lambda text: len(text.ids)):
            # sorted: this text would be the longest of its batch, and all are padded to it
            width = -(-len(text.ids) // self._step) * self._step
            if batch and width * (len(batch) + 1) > self._batch_tokens:
                yield batch
                batch = []
            batch.append(text)
        if batch:
            yield batch


class _Reached(Exception):  # noqa: N818 - ends a forward pass early, which is no error
    """The layer's activations are there: the blocks above and the head need not run."""


def _blocks(policy: "Policy") -> list[Any]:
    """The model's transformer blocks, in order."""
    import torch

    count = policy.model.config.get_text_config().num_hidden_layers
    for module in policy.model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    raise SaeError("the model has no list of transformer blocks", where=type(policy.model).__name__)


def _states(policy: "Policy", blocks: list[Any], layer: int, batch: list[_Text]) -> list[Array]:
    """For each text its rows [tokens, d]."""
    import torch

    from narrative_dag.policy.forward import pad_rows

    found: list[torch.Tensor] = []

    def before(block: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        found.append(arguments[0] if arguments else named["hidden_states"])
        raise _Reached

    def after(block: Any, arguments: tuple[Any, ...], output: Any) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)
        raise _Reached

    rows = pad_rows(policy, [text.ids for text in batch], [1] * len(batch))
    if layer == 0:
        handle = blocks[0].register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = blocks[layer - 1].register_forward_hook(after)
    try:
        with torch.no_grad():
            policy.model(input_ids=rows.ids, attention_mask=rows.attention, use_cache=False)
    except _Reached:
        pass
    finally:
        handle.remove()
    states = found[0].float().cpu().numpy()
    return [states[i, text.skipped : len(text.ids)] for i, text in enumerate(batch)]


class _Writer:
    """Collects rows to row groups of about `_ROW_GROUP_BYTES`."""

    def __init__(self, path: Path, notes: dict[str, Any]) -> None:
        self._path, self._notes = path, notes
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def write(self, name: str, tokens: list[str], states: Array) -> None:
        """The rows of one text."""
        n, d = states.shape
        columns = {
            "storyworld_id": pa.array([name] * n, pa.string()),
            "playthrough": pa.array(np.zeros(n, dtype=np.int32)),
            "step": pa.array(np.arange(n, dtype=np.int32)),
            "token": pa.array(tokens, pa.string()),
            "state": pa.FixedSizeListArray.from_arrays(pa.array(states.reshape(-1)), d),
        }
        self._waiting.append(pa.RecordBatch.from_pydict(columns))
        self._bytes += states.nbytes
        if self._bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        if self._writer is None:
            schema = table.schema.with_metadata({"activations": json.dumps(self._notes, sort_keys=True)})
            # dictionaries cost time and save nothing where every number is another one
            self._writer = pq.ParquetWriter(
                self._path, schema, compression="zstd", use_dictionary=["storyworld_id", "token"]
            )
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._waiting, self._bytes = [], 0
