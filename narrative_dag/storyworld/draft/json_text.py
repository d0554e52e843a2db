"""Strict JSON with the place of every value: RFC 8259 without duplicate keys, NaN, lone surrogates or trailing text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONDecodeError

# the standard library's own string scanner, which its type stubs leave out
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NoReturn

from narrative_dag.storyworld.draft.problem import DraftError, Problem, Span, narrow, step

MOST_CHARACTERS = 1_000_000
"""Length of the longest text that is read."""

DEEPEST = 64
"""Nesting depth of the deepest document that is read."""

LONGEST_PATH = 256
"""Characters of the longest path to a value; every value's is kept, so that long keys above many values add up."""

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z0-9_+.-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CUT_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{0,4}\Z")
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A JSON value and where its parts stand in the text.

    `spans` maps the path of every value to its span, quotes and brackets included; the whole document's path is empty.
    `keys` maps the path of every object member to the span of its key.
    """

    text: str
    value: Any
    spans: Mapping[str, Span]
    keys: Mapping[str, Span]

    def offset(self, path: str, column: int) -> int:
        """The place in the text of character number `column` of a string value; its closing quote past the end."""
        start, end = self.spans[path]
        raw = self.text[start + 1 : end - 1]
        if "\\" not in raw:
            return start + 1 + min(column, len(raw))
        at = 0
        for _ in range(column):
            if at >= len(raw):
                break
            at += _escape_length(raw, at)
        return start + 1 + at


def _escape_length(raw: str, at: int) -> int:
    if raw[at] != "\\":
        return 1
    if raw[at + 1] != "u":
        return 2
    high = 0xD800 <= int(raw[at + 2 : at + 6], 16) < 0xDC00
    return 12 if high and raw[at + 6 : at + 8] == "\\u" else 6


def parse_json(text: str) -> JsonDocument:
    """Read JSON text, keeping the span of every value.

    Numbers are ints or finite floats. Raises DraftError with one problem of stage `json`: the place of the first
    character that cannot be there and what was expected instead, an empty span at the end of a text that ends too
    early; also for texts over `MOST_CHARACTERS`, nested deeper than `DEEPEST` or with paths over `LONGEST_PATH`.
    """
    if len(text) > MOST_CHARACTERS:
        _fail(
            f"the text has {len(text)} characters; at most {MOST_CHARACTERS} are read",
            "",
            MOST_CHARACTERS,
            MOST_CHARACTERS + 1,
        )
    scanner = _Scanner(text)
    at = scanner.skip(0)
    value, end = scanner.value(at, "", 0)
    rest = scanner.skip(end)
    if rest < len(text):
        _fail(f"text after the end of the document: {text[rest : rest + 12]!r}", "", rest, rest + 1)
    return JsonDocument(text, value, scanner.spans, scanner.keys)


def _fail(message: str, path: str, start: int, end: int) -> NoReturn:
    start, end = narrow(start, end)
    raise DraftError([Problem("json", path, message, start=start, end=end)])


def _begins_scalar(word: str) -> bool:
    """Whether a word that is no value would become one with more characters."""
    return any(constant.startswith(word) for constant in _CONSTANTS) or _NUMBER.fullmatch(word + "0") is not None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.spans: dict[str, Span] = {}
        self.keys: dict[str, Span] = {}

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def ends(self, where: str, path: str) -> NoReturn:
        _fail(f"the text ends {where}", path, len(self.text), len(self.text))

    def unexpected(self, at: int, path: str, expected: str) -> NoReturn:
        if at >= len(self.text):
            self.ends(f"where {expected} should follow", path)
        _fail(f"expected {expected}, found {self.text[at]!r}", path, at, at + 1)

    def value(self, at: int, path: str, depth: int) -> tuple[Any, int]:
        if depth > DEEPEST:
            _fail(f"nested deeper than {DEEPEST} levels", path, at, at + 1)
        first = self.text[at : at + 1]
        value: Any
        if first == '"':
            value, end = self.string(at, path)
        elif first == "{":
            value, end = self.object(at, path, depth)
        elif first == "[":
            value, end = self.array(at, path, depth)
        else:
            value, end = self.scalar(at, path)
        self.spans[path] = (at, end)
        return value, end

    def string(self, at: int, path: str) -> tuple[str, int]:
        try:
            value, end = scanstring(self.text, at + 1, True)
        except JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                self.ends("inside a string", path)
            if _CUT_ESCAPE.search(self.text, max(error.pos - 1, len(self.text) - 6)):
                self.ends("inside a string", path)
            place = min(error.pos, len(self.text) - 1)
            _fail(f"in a string: {error.msg[0].lower()}{error.msg[1:]}", path, place, place + 1)
        if _SURROGATE.search(value):
            _fail("half of a surrogate pair in a string", path, at, end)
        return value, end

    def scalar(self, at: int, path: str) -> tuple[float | bool | None, int]:
        word = _WORD.match(self.text, at)
        if word is None:
            self.unexpected(at, path, "a value")
        if word[0] in _CONSTANTS:
            return _CONSTANTS[word[0]], word.end()
        number = _NUMBER.fullmatch(word[0])
        if number is None:
            if word.end() == len(self.text) and _begins_scalar(word[0]):
                self.ends("inside a value", path)
            _fail(f"expected a value, found {word[0][:20]!r}", path, at, word.end())
        whole = number[1] is None and number[2] is None and len(word[0]) < 300
        value = int(word[0]) if whole else float(word[0])
        if value in (float("inf"), float("-inf")):
            _fail("the number is too large", path, at, word.end())
        return value, word.end()

    def object(self, at: int, path: str, depth: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        text, skip = self.text, self.skip
        at = skip(at + 1)
        if text[at : at + 1] == "}":
            return members, at + 1
        while True:
            if text[at : at + 1] != '"':
                self.unexpected(at, path, "a key in double quotes" if members else 'a key in double quotes or "}"')
            key, end = self.string(at, path)
            if len(path) + len(key) > LONGEST_PATH:
                _fail("the key is too long", path, at, end)
            place = step(path, key)
            if key in members:
                _fail(f"the key {key!r} is given twice", place, at, end)
            self.keys[place] = (at, end)
            at = skip(end)
            if text[at : at + 1] != ":":
                self.unexpected(at, place, '":"')
            members[key], at = self.value(skip(at + 1), place, depth + 1)
            at = skip(at)
            mark = text[at : at + 1]
            if mark == "}":
                return members, at + 1
            if mark != ",":
                self.unexpected(at, path, '"," or "}"')
            at = skip(at + 1)

    def array(self, at: int, path: str, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        text, skip = self.text, self.skip
        at = skip(at + 1)
        if text[at : at + 1] == "]":
            return items, at + 1
        while True:
            item, at = self.value(at, f"{path}[{len(items)}]", depth + 1)
            items.append(item)
            at = skip(at)
            mark = text[at : at + 1]
            if mark == "]":
                return items, at + 1
            if mark != ",":
                self.unexpected(at, path, '"," or "]"')
            at = skip(at + 1)
