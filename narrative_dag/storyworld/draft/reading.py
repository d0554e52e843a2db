"""Drafts from text: read, compiled, identified, and every problem with its place in the text."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from narrative_dag.storyworld.draft.compiler import compile_draft, expression_problems
from narrative_dag.storyworld.draft.decompiler import canonical_text, sha256, structural_text
from narrative_dag.storyworld.draft.document import Draft
from narrative_dag.storyworld.draft.json_text import JsonDocument, parse_json
from narrative_dag.storyworld.draft.problem import MOST_PROBLEMS, DraftError, Problem, Span, path_text
from narrative_dag.storyworld.model import Storyworld


@dataclasses.dataclass(frozen=True, slots=True)
class Compiled:
    """A draft that plays: the document, the storyworld, the span of each value in the text, and the identities.

    `spans` has paths like `encounters[1].options[0].text` as keys and character offsets as values.
    """

    draft: Draft
    world: Storyworld
    spans: Mapping[str, Span]
    canonical: str
    storyworld_id: str
    structural_hash: str


def canonical(draft: Draft) -> str:
    """The canonical text of a draft, equal for drafts that differ only in spelling. Raises DraftError."""
    return canonical_text(compile_draft(draft))


def structural_hash(world: Storyworld) -> str:
    """The sha256 of a storyworld without prose and names; raises DraftError where no draft can express it."""
    return sha256(structural_text(world))


def storyworld_id(draft: Draft) -> str:
    """The sha256 of the canonical text."""
    return sha256(canonical(draft))


def read_draft(text: str) -> Draft:
    """The draft in a JSON text, expressions and references not looked at. Raises DraftError, stage json or schema."""
    return _read(parse_json(text))


def compile_text(text: str) -> Compiled:
    """The draft and storyworld in a JSON text. Raises DraftError with every problem found, spans included."""
    document = parse_json(text)
    draft = _read(document)
    try:
        world = compile_draft(draft)
    except DraftError as error:
        raise DraftError(_located(error.problems, document)) from None
    canonical_form = canonical_text(world)
    return Compiled(draft, world, document.spans, canonical_form, sha256(canonical_form), structural_hash(world))


def problems(text: str) -> list[Problem]:
    """Everything that is wrong with a text as a draft, in the order of the text, up to `MOST_PROBLEMS` problems.

    Text that is no JSON has one problem. Where the shape is wrong the expressions that can be found are checked too.
    """
    try:
        document = parse_json(text)
    except DraftError as error:
        return list(error.problems)
    try:
        compile_draft(_read(document))
    except DraftError as error:
        found = list(error.problems)
        if any(problem.stage == "schema" for problem in found):
            found += expression_problems(document.value)
        located = _located(found, document)
        return sorted(located, key=lambda problem: (problem.start or 0, problem.end or 0))[:MOST_PROBLEMS]
    return []


def _read(document: JsonDocument) -> Draft:
    try:
        return Draft.model_validate(document.value)
    except ValidationError as error:
        found = [_schema_problem(detail, document) for detail in error.errors(include_url=False) if _is_own(detail)]
        raise DraftError(found[:MOST_PROBLEMS]) from None


def _is_own(detail: Mapping[str, Any]) -> bool:
    """Whether an error is not the mere echo of one in an item: a list whose items fail also counts as too short."""
    return detail["type"] != "too_short" or len(detail["input"]) == 0


_MESSAGES = {
    "extra_forbidden": "a draft has no such key here",
    "too_short": "at least one item is needed",
    "string_pattern_mismatch": "a name has letters, digits and underscores, and no digit first",
}


def _schema_problem(detail: Mapping[str, Any], document: JsonDocument) -> Problem:
    location, kind = detail["loc"], detail["type"]
    path = path_text(_parts(location, document.value))
    message = str(detail["msg"])
    message = _MESSAGES.get(kind, message[0].lower() + message[1:])
    if kind == "missing":
        message = f"{location[-1]} is missing"
    start, end = document.spans[path]
    if location and location[-1] == "[key]":
        start, end = document.keys[path]
    elif kind == "extra_forbidden":
        start = document.keys[path][0]
    return Problem("schema", path, message, start=start, end=end)


def _parts(location: Sequence[str | int], value: Any) -> list[str | int]:
    """The part of an error's location that exists in the document, without pydantic's own marks."""
    parts: list[str | int] = []
    for part in location:
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside:
            parts.append(part)
            value = value[part]
    return parts


_NAMED_BY_KEY = ("characters.", "characters[", "spools.", "spools[")
"""Where names are keys: a problem of the name covers the key and its value."""


def _located(found: Sequence[Problem], document: JsonDocument) -> list[Problem]:
    return [_locate(problem, document) for problem in found]


def _locate(problem: Problem, document: JsonDocument) -> Problem:
    if problem.stage == "schema":
        return problem
    if problem.column is not None and problem.start is not None and problem.end is not None:
        start = document.offset(problem.path, problem.start)
        end = max(document.offset(problem.path, problem.end), start + 1)
    else:
        start, end = document.spans[problem.path]
        if problem.path.startswith(_NAMED_BY_KEY):
            start = document.keys[problem.path][0]
    return dataclasses.replace(problem, start=start, end=end)
