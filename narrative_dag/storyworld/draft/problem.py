"""What is wrong with a draft, and where: path in the document, column in the expression, span in the text."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from narrative_dag.storyworld.errors import StoryworldError

Stage = Literal["json", "schema", "references", "expression"]

Part = Literal["value", "key", "end"]
"""What of a value is wrong: itself, its key, or that something is missing before its closing bracket."""

Span = tuple[int, int]
"""Character offsets in the text, from `start` up to but not including `end`."""

MOST_PROBLEMS = 20
"""Problems that are reported for one draft."""

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
"""What characters, properties, spools and encounters may be called."""

LONGEST_NAME = 64
"""Characters of the longest name."""

WIDEST_SPAN = 40
"""Characters of the widest span of a problem; what is wider is named by its first character."""

MOST_COMPARED = 100
"""Known names that an unknown one is compared with at most; among more no nearest one is looked for."""

RESERVED = frozenset({"and", "or", "not", "true", "false"})
"""Words of the expression language that name nothing else."""

_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a draft.

    `path` is the place in the document, `encounters[1].options[0].if`, empty for the whole of it. `column` counts
    characters from the start of the expression, from 0; None where the problem is not inside one. `part` says what of
    the value at `path` is meant. `start` and `end` are character offsets in the JSON text, from 1 to `WIDEST_SPAN`
    characters: the smallest piece that is wrong. Where an object lacks a key they hold its closing brace, where an
    expression ends too early its closing quote, and where something wider is wrong its first character. A text that
    ends too early has an empty span at its end: something is missing there. A draft that was not read from text has
    `start` and `end` None, or columns for problems inside expressions.
    """

    stage: Stage
    path: str
    message: str
    column: int | None = None
    start: int | None = None
    end: int | None = None
    part: Part = "value"

    def __str__(self) -> str:
        place = self.path if self.column is None else f"{self.path}, column {self.column}"
        return f"{place}: {self.message}" if place else self.message


class DraftError(StoryworldError):
    """A draft that is no playable storyworld, or a storyworld that no draft can express; `problems` says why."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first, more = self.problems[0], len(self.problems) - 1
        place = first.path if first.column is None else f"{first.path}, column {first.column}"
        if not place and first.start is not None:
            place = f"character {first.start}"
        hint = f"and {more} more problem{'s' if more > 1 else ''}" if more else None
        super().__init__(first.message, where=place or None, hint=hint)

    def __reduce__(self) -> tuple[Any, ...]:
        return (DraftError, (self.problems,))


def narrow(start: int, end: int) -> Span:
    """A span, or its first character where it is wider than `WIDEST_SPAN`."""
    return (start, end) if end - start <= WIDEST_SPAN else (start, start + 1)


def is_name(text: str) -> bool:
    """Whether a text can name a character, property, spool or encounter."""
    return _NAME.fullmatch(text) is not None and len(text) <= LONGEST_NAME and text not in RESERVED


def path_text(parts: Sequence[str | int]) -> str:
    """A path as text: `encounters[1].options[0].text`; keys that are no plain names are quoted in brackets."""
    text = ""
    for part in parts:
        text = step(text, part)
    return text


def step(path: str, part: str | int) -> str:
    """The path of a member (by key) or an item (by position) of the value at `path`."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    if not part.isidentifier():
        quoted = part.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{part}" if path else part


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all when they are few.

    The time is bounded: nothing is compared with more than `MOST_COMPARED` names or beyond `LONGEST_NAME` characters.
    """
    names = list(islice(known, MOST_COMPARED + 1))
    if len(names) > MOST_COMPARED or len(word) > LONGEST_NAME:
        return ""
    names = [name for name in names if len(name) <= LONGEST_NAME]
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    verb = "is" if len(names) == 1 else "are"
    return f"; there {verb} {', '.join(names)}" if 0 < len(names) <= 8 else ""
