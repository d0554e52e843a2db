"""The identities of a document that an author wrote, without compiling its text.

Authors write expressions as the draft printer does, so that the canonical and the structural text follow from the
document. They equal `draft.storyworld_id` and `draft.structural_hash` of the compiled text.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from narrative_dag.storyworld.draft.document import MAIN_SPOOL, plain_number

Document = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z_]\w*")


def identities(document: Document) -> tuple[str, str]:
    """The storyworld id and the structural hash, hex sha256 each."""
    one = len(document["spools"]) == 1
    cast = _dump({name: _plain(own) for name, own in document["characters"].items()})
    spools = "" if document["spools"] == {MAIN_SPOOL: True} else f',"spools":{_dump(document["spools"])}'
    pages = _sorted([_page(page, one, prose=True) for page in document["encounters"]])
    named = f',"theme":{_dump(document["theme"])},"title":{_dump(document["title"])}'
    canonical = f'{{"characters":{cast},"encounters":{pages}{spools}{named}}}'
    bare = _sorted([_page(page, one, prose=False) for page in document["encounters"]])
    places = _places(document)
    structural = _NAME.sub(
        lambda found: places.get(found[0], found[0]), f'{{"characters":{cast},"encounters":{bare}{spools}}}'
    )
    return _sha256(canonical), _sha256(structural)


def _places(document: Document) -> dict[str, str]:
    """What each name becomes in a structural text: its kind and position."""
    properties = dict.fromkeys(name for own in document["characters"].values() for name in own)
    return {
        **{name: f"c{i}" for i, name in enumerate(document["characters"])},
        **{name: f"p{i}" for i, name in enumerate(properties)},
        **{name: f"s{i}" for i, name in enumerate(document["spools"])},
        **{page["id"]: f"e{i}" for i, page in enumerate(document["encounters"])},
    }


def _page(page: Document, one: bool, prose: bool) -> Document:
    """A page as canonical texts have it: without what is said by default, and perhaps without prose."""
    left = ("options", "text")
    found = {key: value for key, value in page.items() if key not in left and (key, value) not in _DEFAULTS}
    if prose:
        found["text"] = page["text"]
    if one and isinstance(page.get("spool"), str):
        del found["spool"]
    if page.get("options"):
        found["options"] = [_option(option, prose) for option in page["options"]]
    return found


def _option(option: Document, prose: bool) -> Document:
    reactions = [
        {key: value for key, value in reaction.items() if (prose or key != "text") and (key, value) not in _DEFAULTS}
        for reaction in option["reactions"]
    ]
    kept = {key: value for key, value in option.items() if (prose or key != "text") and key != "reactions"}
    return {**kept, "reactions": reactions}


class _Defaults:
    """The pairs of key and value that a canonical text leaves out."""

    def __contains__(self, pair: tuple[str, Any]) -> bool:
        key, value = pair
        return (key in ("weight", "urgency") and value == "0") or (key == "do" and not value)


_DEFAULTS = _Defaults()


def _plain(own: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {other: plain_number(v) for other, v in value.items()} if isinstance(value, dict) else plain_number(value)
        for name, value in own.items()
    }


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _sorted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
