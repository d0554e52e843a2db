"""Rows of table `storyworlds` from texts."""

import hashlib
from typing import Any

from narrative_dag.storyworld.draft import DraftError, compile_text, problems


def draft_row(
    position: int, source: str, prompt: str, text: str, tokens: int = 0, truncated: bool = False
) -> dict[str, Any]:
    """The row of a text that should be a draft: identity and hashes when it compiles, else why it does not.

    A truncated text is no storyworld, even where what there is of it compiles.
    """
    row: dict[str, Any] = {
        "position": position,
        "source": source,
        "prompt": prompt,
        "text": text,
        "tokens": tokens,
        "truncated": truncated,
    }
    try:
        compiled = compile_text(text)
    except DraftError:
        found = problems(text)
        identity = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return row | {
            "storyworld_id": identity,
            "valid_json": all(problem.stage != "json" for problem in found),
            "valid": False,
            "error": "; ".join(f"{problem.path}: {problem.message}" for problem in found[:3]),
        }
    return row | {
        "storyworld_id": compiled.storyworld_id,
        "valid_json": True,
        "valid": not truncated,
        "error": "the writer met the length limit" if truncated else None,
        "draft": compiled.canonical,
        "structural_hash": compiled.structural_hash,
        "title": compiled.draft.title,
        "theme": compiled.draft.theme,
    }
