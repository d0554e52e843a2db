"""The flaws that writers of drafts make: JSON broken in one place, and references to what is not defined."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

Document = dict[str, Any]


def _remove(text: str, at: int) -> str:
    return text[:at] + text[at + 1 :]


def _double(text: str, at: int) -> str:
    return text[: at + 1] + text[at:]


_BREAKS: tuple[tuple[str, Callable[[str, int], str]], ...] = (
    ("}", _remove),
    ("]", _remove),
    ('"', _remove),
    (",", _remove),
    (":", _remove),
    (",", _double),
    ("}", _double),
)


def break_json(text: str, rng: np.random.Generator) -> str:
    """The text with one bracket, quote, comma or colon missing or doubled, past its first tenth."""
    mark, change = _BREAKS[int(rng.integers(len(_BREAKS)))]
    places = [i for i, c in enumerate(text) if c == mark and i > len(text) // 10]
    return change(text, places[int(rng.integers(len(places)))])


def dangle(document: Document, rng: np.random.Generator) -> Document:
    """The document with one reference to an encounter, a person or a spool that it does not define."""
    changed = copy.deepcopy(document)
    reactions = [r for e in changed["encounters"] for o in e.get("options", ()) for r in o["reactions"]]
    reaction = reactions[int(rng.integers(len(reactions)))]
    kind = int(rng.integers(3))
    if kind == 0:
        reaction["to"] = f"e{len(changed['encounters']) + 3}"
    elif kind == 1:
        strangers = [n for n in ("Mara", "Vega", "Nadir", "Wren") if n not in changed["characters"]]
        prop = next(iter(next(iter(changed["characters"].values()))))
        reaction["do"][0] = f"nudge {strangers[int(rng.integers(len(strangers)))]}.{prop} 0.3"
    else:
        reaction["do"] = [*reaction["do"], "open act_3"]
    return changed
