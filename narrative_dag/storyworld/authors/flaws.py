"""The flaws that writers of drafts make: broken JSON, references to nothing, and worlds that cannot be played well."""

import copy
from collections.abc import Callable
from random import Random
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
        stranger = strangers[int(rng.integers(len(strangers)))] if strangers else "Nobody"
        reaction["do"][0] = f"nudge {stranger}.{prop} 0.3"
    else:
        missing = "act_3" if "act_3" not in changed["spools"] else f"act_{len(changed['spools']) + 1}"
        reaction["do"] = [*reaction["do"], f"open {missing}"]
    return changed


FREQUENCY = 0.4
"""Share of the worlds of quality 0 that have each of the structural flaws."""


def spoil(document: Document, quality: float, random: Random) -> list[str]:
    """Put structural flaws into a grown document; each one with the probability `FREQUENCY` (1 - quality).

    The document still compiles and its encounters with options keep their ids and options, so that what is known of its
    motifs stays true.

    Returns:
        The names of the flaws.
    """
    found = []
    for name, change in _SPOILERS:
        if random.random() < FREQUENCY * (1 - quality) and change(document, random):
            found.append(name)
    return found


def _scenes(document: Document) -> list[Document]:
    return [page for page in document["encounters"] if page.get("options")]


def _number(document: Document) -> str:
    """A variable that is a plain number."""
    cast = document["characters"].items()
    return next(f"{who}.{what}" for who, own in cast for what, value in own.items() if not isinstance(value, dict))


def _constant_gates(document: Document, random: Random) -> bool:
    gated = [option for page in _scenes(document) for option in page["options"] if "if" in option]
    for option in gated:
        option["if"] = f"{_number(document)} {random.choice(('> 0.99', '>= -0.99'))}"
    return bool(gated)


def _unreachable_page(document: Document, random: Random) -> bool:
    page = copy.deepcopy(random.choice(_scenes(document)[1:] or _scenes(document)))
    page.pop("when", None)
    page.pop("urgency", None)
    document["encounters"].append(page | {"id": f"e{len(document['encounters']) + 1}", "spool": []})
    return True


def _single_ending(document: Document, random: Random) -> bool:
    endings = [page for page in document["encounters"] if not page.get("options")]
    kept = next((page for page in endings if "when" not in page and page.get("spool") != []), endings[-1])
    gone = {page["id"] for page in endings if page is not kept}
    document["encounters"] = [page for page in document["encounters"] if page["id"] not in gone]
    for reaction in _reactions(document):
        if reaction.get("to") in gone:
            reaction["to"] = kept["id"]
    return bool(gone)


def _uniform_effects(document: Document, random: Random) -> bool:
    same = f"nudge {_number(document)} 0.2"
    for reaction in _reactions(document):
        reaction["do"] = [same, *(e for e in reaction.get("do", ()) if e.startswith(("open ", "close ")))]
    return True


def _loop_without_exit(document: Document, random: Random) -> bool:
    pages = _scenes(document)[1:]
    if pages:
        page = random.choice(pages)
        for option in page["options"]:
            for reaction in option["reactions"]:
                reaction["to"] = page["id"]
    return bool(pages)


def _dead_end(document: Document, random: Random) -> bool:
    pages = _scenes(document)[1:]
    if pages:
        for option in random.choice(pages)["options"]:
            option["if"] = f"{_number(document)} > 0.99"
    return bool(pages)


def _reactions(document: Document) -> list[Document]:
    return [reaction for page in _scenes(document) for option in page["options"] for reaction in option["reactions"]]


_SPOILERS: tuple[tuple[str, Callable[[Document, Random], bool]], ...] = (
    ("constant gates", _constant_gates),
    ("unreachable page", _unreachable_page),
    ("single ending", _single_ending),
    ("uniform effects", _uniform_effects),
    ("loop without exit", _loop_without_exit),
    ("dead end", _dead_end),
)
