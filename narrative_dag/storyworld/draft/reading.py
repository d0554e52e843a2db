"""Drafts from text: read, compiled, identified, and every problem with its place in the text."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError

from narrative_dag.storyworld.draft.compiler import compile_draft, expression_problems
from narrative_dag.storyworld.draft.decompiler import canonical_text, sha256, structural_text
from narrative_dag.storyworld.draft.document import Draft
from narrative_dag.storyworld.draft.json_text import JsonDocument, parse_json
from narrative_dag.storyworld.draft.problem import MOST_PROBLEMS, DraftError, Part, Problem, Span, narrow, path_text
from narrative_dag.storyworld.model import Storyworld


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A draft that plays: the document, the storyworld, the span of each value in the text, and the identities.

    `spans` has paths like `encounters[1].options[0].text` as keys and character offsets as values. The canonical text
    and the hashes, which playing does not need, are computed on first use.
    """

    draft: Draft
    world: Storyworld
    spans: Mapping[str, Span]

    @functools.cached_property
    def canonical(self) -> str:
        """The canonical text, equal for drafts that differ only in spelling."""
        return canonical_text(self.world)

    @functools.cached_property
    def storyworld_id(self) -> str:
        """The sha256 of the canonical text."""
        return sha256(self.canonical)

    @functools.cached_property
    def structural_hash(self) -> str:
        """The sha256 of the storyworld without prose and names."""
        return structural_hash(self.world)


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
    return _compiled(parse_json(text))


def problems(text: str) -> list[Problem]:
    """Everything that is wrong with a text as a draft, in the order of the text, up to `MOST_PROBLEMS` problems.

    Empty exactly when `compile_text` accepts the text. Text that is no JSON has one problem. Where the shape is wrong
    the expressions that can be found are checked too.
    """
    try:
        document = parse_json(text)
    except DraftError as error:
        return list(error.problems)
    try:
        _compiled(document)
    except DraftError as error:
        found = list(error.problems)
        if any(problem.stage == "schema" for problem in found):
            found += [_locate(problem, document) for problem in expression_problems(document.value)]
        return sorted(found, key=lambda problem: (problem.start or 0, problem.end or 0))[:MOST_PROBLEMS]
    return []


def _compiled(document: JsonDocument) -> Compiled:
    draft = _read(document)
    try:
        world = compile_draft(draft)
    except DraftError as error:
        raise DraftError(_locate(problem, document) for problem in error.problems) from None
    return Compiled(draft, world, document.spans)


def _read(document: JsonDocument) -> Draft:
    try:
        return Draft.model_validate(document.value)
    except ValidationError as error:
        details = filter(_is_own, error.errors(include_url=False))
        found = [_schema_problem(detail, document) for detail in islice(details, MOST_PROBLEMS)]
        raise DraftError(found) from None


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
    named = kind == "extra_forbidden" or (location and location[-1] == "[key]")
    part: Part = "end" if kind == "missing" else "key" if named else "value"
    return _locate(Problem("schema", path, message, part=part), document)


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


def _locate(problem: Problem, document: JsonDocument) -> Problem:
    """The problem with its span in the text."""
    if problem.column is not None and problem.start is not None and problem.end is not None:
        start = document.offset(problem.path, problem.start)
        end = max(document.offset(problem.path, problem.end), start + 1)
    elif problem.part == "key":
        start, end = document.keys[problem.path]
    else:
        start, end = document.spans[problem.path]
        start = end - 1 if problem.part == "end" else start
    start, end = narrow(start, end)
    return dataclasses.replace(problem, start=start, end=end)
