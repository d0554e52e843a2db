"""Drafts: the compact JSON that the policy writes, compiled to storyworlds and back."""

from narrative_dag.storyworld.draft.compiler import compile_draft
from narrative_dag.storyworld.draft.decompiler import decompile
from narrative_dag.storyworld.draft.document import (
    MAIN_SPOOL,
    Draft,
    DraftEncounter,
    DraftOption,
    DraftReaction,
    dumps,
    json_schema,
    looks_like_draft,
)
from narrative_dag.storyworld.draft.json_text import JsonDocument, parse_json
from narrative_dag.storyworld.draft.printer import effect_verb
from narrative_dag.storyworld.draft.problem import DraftError, Problem
from narrative_dag.storyworld.draft.reading import (
    Compiled,
    canonical,
    compile_text,
    problems,
    read_draft,
    storyworld_id,
    structural_hash,
)

__all__ = [
    "MAIN_SPOOL",
    "Compiled",
    "Draft",
    "DraftEncounter",
    "DraftError",
    "DraftOption",
    "DraftReaction",
    "JsonDocument",
    "Problem",
    "canonical",
    "compile_draft",
    "compile_text",
    "decompile",
    "dumps",
    "effect_verb",
    "json_schema",
    "looks_like_draft",
    "parse_json",
    "problems",
    "read_draft",
    "storyworld_id",
    "structural_hash",
]
