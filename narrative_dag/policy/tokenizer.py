"""Tokenizers: a structural byte-level BPE trained on drafts, or the one that came with a model.

The pre-tokenizer of the structural BPE keeps JSON punctuation together with the keys that most texts share, so that
`"}]},{"id":"` can become one token. A blank goes with the word before it and a point stands alone, so that a name is
the same token where it is declared and where it is used: copying it is easier to learn. Any text survives
`decode(encode(text))`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from narrative_dag.policy.errors import PolicyError

EOS = "<|end|>"
PAD = "<|pad|>"
COMMON_KEY = 0.5
"""Share of the texts that hold a key before the pre-tokenizer knows it: names of characters stay well below."""
COMMON_WORD = 0.2
"""Share of the texts that start a string with a word, such as an effect's verb, before the pre-tokenizer knows it."""


class Document(NamedTuple):
    """A training text: a literal prompt and what follows it."""

    prompt: str
    completion: str


def split_document(text: str, prompt: str) -> Document:
    """The document that starts with the prompt. Raises PolicyError when the text does not."""
    if not text.startswith(prompt):
        raise PolicyError("a training text does not start with its prompt", where=text[:60], hint=f"prompt {prompt!r}")
    return Document(prompt, text[len(prompt) :])


class DraftTokenizer:
    """A Hugging Face tokenizer as the policy uses it: text to ids without special tokens, ids to text and spans."""

    def __init__(self, backend: PreTrainedTokenizerFast) -> None:
        if backend.eos_token_id is None:
            raise PolicyError("the tokenizer has no end-of-sequence token", where=str(backend.name_or_path))
        self.backend = backend
        self.eos: int = int(backend.eos_token_id)
        self.pad: int = self.eos if backend.pad_token_id is None else int(backend.pad_token_id)
        self.bos: int | None = None if backend.bos_token_id is None else int(backend.bos_token_id)

    def __len__(self) -> int:
        return len(self.backend)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text. The text of a special token counts as ordinary text."""
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for several texts at once."""
        if not texts:
            return []
        encoded = self.backend(list(texts), add_special_tokens=False, split_special_tokens=True)
        return [list(map(int, ids)) for ids in encoded["input_ids"]]

    def encode_prompt(self, prompt: str) -> list[int]:
        """A prompt's ids, after the beginning-of-sequence token of a tokenizer that has one; at least one id."""
        ids = ([] if self.bos is None else [self.bos]) + self.encode(prompt)
        if not ids:
            raise PolicyError("an empty prompt", hint="give at least one character, such as '{'")
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens spelled out; bytes that are no UTF-8 become U+FFFD."""
        return str(self.backend.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def ends(self, ids: Sequence[int]) -> list[int]:
        """For each token, the number of characters of `decode(ids)` that are complete after it."""
        table = self._bytes
        if table is None:
            return [len(self.decode(ids[: i + 1]).rstrip("�")) for i in range(len(ids))]
        ends, done, pending = [], 0, b""
        for i in ids:
            pending += table[i]
            if pending.isascii():
                done, pending = done + len(pending), b""
            else:
                text = pending.decode("utf-8", errors="replace")
                if not text.endswith("�"):
                    done, pending = done + len(text), b""
            ends.append(done)
        return ends

    def save(self, folder: Path) -> None:
        """Write the Hugging Face files. The same tokenizer gives the same bytes."""
        self.backend.save_pretrained(str(folder))

    @cached_property
    def _bytes(self) -> list[bytes] | None:
        """The bytes of every id of a byte-level tokenizer, else None."""
        if not isinstance(getattr(self.backend.backend_tokenizer, "decoder", None), decoders.ByteLevel):
            return None
        unicode_to_byte = _byte_alphabet()
        added = {i: str(token) for i, token in self.backend.added_tokens_decoder.items()}
        pieces = self.backend.convert_ids_to_tokens(list(range(len(self.backend))))
        return [
            added[i].encode() if i in added else bytes(unicode_to_byte[c] for c in piece)
            for i, piece in enumerate(pieces)
        ]


def load_tokenizer(folder: Path) -> DraftTokenizer:
    """The tokenizer saved in a folder, without network or remote code."""
    try:
        backend: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise PolicyError(f"no usable tokenizer: {error}", where=str(folder)) from error
    return DraftTokenizer(backend)


def train_tokenizer(documents: Sequence[Document], vocabulary: int, positions: int) -> DraftTokenizer:
    """The structural BPE of the texts. No randomness: the same texts in the same order give the same bytes.

    Args:
        documents: prompts and completions; they are tokenized apart, as sampling does.
        vocabulary: size, the two special tokens and 256 bytes included; fewer where the texts give fewer merges.
        positions: longest sequence, kept in the tokenizer's settings.
    """
    if not documents:
        raise PolicyError("no texts to train a tokenizer on", where="documents")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_pattern([d.completion for d in documents])), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((part for document in documents for part in document), trainer=trainer)
    return DraftTokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            eos_token=EOS,
            pad_token=PAD,
            model_max_length=positions,
            clean_up_tokenization_spaces=False,
        )
    )


def _pattern(texts: Sequence[str]) -> str:
    keys = _common(texts, r'"([A-Za-z_]\w*)":', COMMON_KEY)
    words = _common(texts, r'[\[,]"([A-Za-z_]+)(?= )', COMMON_WORD)
    structure, word = r'[\[\]{}",:]', rf"(?:{'|'.join(words)}) "
    # a blank goes with the word before a word, and with the number or sign that it precedes
    blank = r"(?: (?=\p{L}))?"
    parts = [rf'{structure}*(?:"(?:{"|".join(keys)})":[\[{{]*)+"?' + (rf"(?:{word})?" if words else "")] if keys else []
    parts += [rf'{structure}*"{word}'] if words else []
    parts += [rf"{structure}+", r" ?[-+]?\d+(?:\.\d+)?", rf" ?[\p{{L}}_]+\d*{blank}", rf" ?[<>=!]+{blank}", r"\s+"]
    return "|".join(parts)


def _common(texts: Sequence[str], pattern: str, share: float) -> list[str]:
    counts = Counter(found for text in texts for found in sorted(set(re.findall(pattern, text))))
    return sorted(found for found, count in counts.items() if count >= share * len(texts))


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's byte alphabet: printable Latin-1 stands for itself, the other bytes for 256 and up."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in set(printable)]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
