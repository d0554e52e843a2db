"""Reading expression text: from a string to a syntax tree with positions; names are looked up later."""

import functools
from dataclasses import dataclass
from importlib import resources

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

LONGEST = 2000
"""Characters of the longest expression."""

DEEPEST = 40
"""Nesting depth of the deepest expression."""


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of an expression: what it is, its word, its number, what it is made of, where it stands.

    `kind` is number, boolean, name, variable, call, not, negate, and, or, compare, equals or effect. A variable's parts
    are its names (character, property and perhaps the perceived character), its number the coefficient.
    """

    kind: str
    word: str
    number: float
    parts: "tuple[Node, ...]"
    start: int
    end: int
    depth: int


class ExpressionSyntaxError(ValueError):
    """Text that is no expression: what was expected, and the columns [start, end)."""

    def __init__(self, message: str, start: int, end: int) -> None:
        self.message, self.start, self.end = message, start, end
        super().__init__(message)


def _end(token: Token) -> int:
    return int(token.end_pos or 0)


def _start(token: Token) -> int:
    return int(token.start_pos or 0)


def _node(
    kind: str, word: str, parts: tuple[Node, ...], start: int, end: int, number: float = 0.0, deeper: bool = True
) -> Node:
    depth = max((part.depth for part in parts), default=0) + deeper
    if depth > DEEPEST:
        raise ExpressionSyntaxError(f"nested deeper than {DEEPEST} levels", start, end)
    return Node(kind, word, number, parts, start, end, depth)


def _leaf(kind: str, token: Token, number: float = 0.0) -> Node:
    return Node(kind, str(token), number, (), _start(token), _end(token), 0)


def _list(kind: str, parts: list[Node]) -> Node:
    return _node(kind, kind, tuple(parts), parts[0].start, parts[-1].end)


class _Builder(Transformer[Token, Node]):
    """Makes nodes while the text is parsed; one method a rule of the grammar."""

    def disjoin(self, parts: list[Node]) -> Node:
        return _list("or", parts)

    def conjoin(self, parts: list[Node]) -> Node:
        return _list("and", parts)

    def equate(self, parts: list[Node]) -> Node:
        return _list("equals", parts)

    def deny(self, parts: tuple[Token, Node]) -> Node:
        return _node("not", "not", (parts[1],), _start(parts[0]), parts[1].end)

    def negate(self, parts: tuple[Token, Node]) -> Node:
        return _node("negate", "-", (parts[1],), _start(parts[0]), parts[1].end)

    def compare(self, parts: tuple[Node, Token, Node]) -> Node:
        left, sign, right = parts
        return _node("compare", str(sign), (left, right), left.start, right.end)

    def number(self, parts: list[Token]) -> Node:
        return _leaf("number", parts[0], float(parts[0]) + 0.0)

    def true(self, parts: list[Token]) -> Node:
        return _leaf("boolean", parts[0], 1.0)

    def false(self, parts: list[Token]) -> Node:
        return _leaf("boolean", parts[0], 0.0)

    def name(self, parts: list[Token]) -> Node:
        return _leaf("name", parts[0])

    def variable(self, parts: list[Token]) -> Node:
        names = tuple(_leaf("name", token) for token in parts)
        return Node("variable", "", 1.0, names, names[0].start, names[-1].end, 0)

    def perceived(self, parts: list[Token]) -> Node:
        names = tuple(_leaf("name", token) for token in parts[:3])
        return Node("variable", "", 1.0, names, names[0].start, _end(parts[3]), 0)

    def scale(self, parts: tuple[Token, Node]) -> Node:
        factor, variable = parts
        return Node("variable", "", float(factor) + 0.0, variable.parts, _start(factor), variable.end, 0)

    def call(self, parts: list[Node | Token | None]) -> Node:
        function, closing = parts[0], parts[-1]
        operands = tuple(part for part in parts[1:-1] if isinstance(part, Node))
        assert isinstance(function, Token)
        assert isinstance(closing, Token)
        return _node("call", str(function), operands, _start(function), _end(closing))

    def effect(self, parts: list[Node | Token]) -> Node:
        verb = parts[0]
        assert isinstance(verb, Token)
        operands = tuple(part for part in parts[1:] if isinstance(part, Node))
        return _node("effect", str(verb), operands, _start(verb), operands[-1].end if operands else _end(verb))


@functools.cache
def _parser() -> Lark:
    grammar = resources.files("narrative_dag.storyworld.draft").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start=["expression", "effect"], transformer=_Builder(), maybe_placeholders=True)


@functools.lru_cache(maxsize=8192)
def parse_expression(text: str) -> Node:
    """The syntax tree of a condition or number expression. Raises ExpressionSyntaxError."""
    return _parse(text, "expression")


@functools.lru_cache(maxsize=8192)
def parse_effect(text: str) -> Node:
    """The syntax tree of an effect: a verb and its operands. Raises ExpressionSyntaxError."""
    return _parse(text, "effect")


def _parse(text: str, start: str) -> Node:
    if len(text) > LONGEST:
        raise ExpressionSyntaxError(f"longer than {LONGEST} characters", LONGEST, LONGEST + 1)
    try:
        tree = _parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise _fault(error, text, start) from None
    assert isinstance(tree, Node)
    return tree


def _fault(error: UnexpectedInput, text: str, start: str) -> ExpressionSyntaxError:
    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        return ExpressionSyntaxError(f"{text[at]!r} cannot stand here", at, at + 1)
    expected = _expected(error)
    wanted = f"; expected {expected}" if expected else ""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        token = error.token
        return ExpressionSyntaxError(f"{str(token)!r} cannot stand here{wanted}", _start(token), _end(token))
    if not text.strip():
        wanted = "; expected an effect" if start == "effect" else "; expected a condition or a number"
        return ExpressionSyntaxError(f"empty{wanted}", 0, len(text))
    return ExpressionSyntaxError(f"it ends too early{wanted}", len(text), len(text))


_WORDS = {
    "DOT": '"."',
    "LPAR": '"("',
    "LSQB": '"["',
    "CLOSE": '")"',
    "RPAR": '")"',
    "CLOSE_BRACKET": '"]"',
    "COMMA": '","',
    "STAR": '"*"',
    "COMPARISON": "a comparison",
    "NAME": "a name",
    "NUMBER": "a number",
    "$END": "the end",
}


def _expected(error: UnexpectedInput) -> str:
    if not isinstance(error, UnexpectedToken | UnexpectedEOF):
        return ""
    names = set(error.accepts or error.expected) if isinstance(error, UnexpectedToken) else set(error.expected)
    if {"NAME", "NUMBER", "MINUS"} <= names:
        return "a value"
    words = sorted(_WORDS[name] for name in names if name in _WORDS)
    return " or ".join(dict.fromkeys(words[:5]))
