"""Themes and words of the combinatorial author: the casts, places and things that fill its sentences."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cast:
    """People who appear together (the first one is the player's), and the two properties that they live by."""

    names: tuple[str, ...]
    properties: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Theme:
    """What a theme offers: casts, where scenes happen, what is at stake."""

    casts: tuple[Cast, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]


def _cast(names: str, first: str, second: str) -> Cast:
    return Cast(tuple(names.split()), (first, second))


def _theme(casts: tuple[Cast, ...], places: str, things: str) -> Theme:
    return Theme(
        casts,
        tuple(part.strip() for part in places.split(",")),
        tuple(part.strip() for part in things.split(",")),
    )


THEMES: Mapping[str, Theme] = {
    "harbor": _theme(
        (_cast("Mara Oren Nell", "Trust", "Fear"), _cast("Tilde Bram Jory", "Loyalty", "Guilt")),
        "pier, customs shed, lighthouse, tide wall, rope store",
        "ledger, lantern, sealed crate, brass key",
    ),
    "court": _theme(
        (_cast("Isolde Corvin Page", "Trust", "Resolve"), _cast("Amery Sable Dow", "Loyalty", "Anger")),
        "throne room, rose walk, privy stair, chapel, map room",
        "signet, letter, crown, poisoned cup",
    ),
    "desert": _theme(
        (_cast("Nadir Suri Omar", "Courage", "Hope"), _cast("Hale Yusra Tamsin", "Trust", "Fear")),
        "dry well, salt road, red dunes, watch rock, caravan camp",
        "water skin, compass, bone flute, map",
    ),
    "starship": _theme(
        (_cast("Vega Juno Ishi", "Trust", "Courage"), _cast("Pike Ansel Rhea", "Resolve", "Fear")),
        "airlock, engine ring, cold deck, bridge, seed vault",
        "fuse, black box, spare suit, beacon",
    ),
    "orchard": _theme(
        (_cast("Wren Alder Tib", "Guilt", "Hope"), _cast("Posy Finch Hob", "Loyalty", "Anger")),
        "cider press, old gate, bee yard, root cellar, hill path",
        "deed, silver spoon, grafting knife, diary",
    ),
    "siege": _theme(
        (_cast("Garrick Elin Tam", "Courage", "Fear"), _cast("Rook Maud Gil", "Resolve", "Loyalty")),
        "north wall, granary, sally port, bell tower, mill",
        "banner, powder keg, ration list, rope",
    ),
    "school": _theme(
        (_cast("Lio Petra Max", "Trust", "Guilt"), _cast("Quill Denny Uma", "Courage", "Hope")),
        "attic, chess room, gym hall, old library, boiler room",
        "exam key, trophy, torn page, radio",
    ),
    "winter": _theme(
        (_cast("Sten Kaja Ulf", "Hope", "Fear"), _cast("Runa Odd Liv", "Anger", "Trust")),
        "frozen lake, pine hut, sled track, smokehouse, ridge",
        "axe, fur coat, last match, rifle",
    ),
}
"""Every theme by name."""

OPENINGS = (
    "Dusk falls on the {place}.",
    "{a} waits by the {place}.",
    "The {place} is quiet.",
    "{a} and {b} meet at the {place}.",
    "Someone has left a {thing} in the {place}.",
    "{b} guards the {thing}.",
)
"""Sentences that set a scene."""

TURNS = (
    "{a} hears steps near the {place}.",
    "{b} asks about the {thing}.",
    "The {thing} is gone.",
    "A storm nears the {place}.",
    "{b} knows more about the {thing}.",
    "{a} finds the {thing}.",
    "The way to the {place} opens.",
)
"""Sentences that turn a story."""

CLOSINGS = (
    "{a} leaves the {place} alone.",
    "{a} and {b} share the {thing}.",
    "The {thing} is lost for good.",
    "{b} keeps the {thing}.",
    "Peace returns to the {place}.",
    "Fire takes the {place}.",
    "{b} forgives {a}.",
    "Nobody speaks of the {thing} again.",
)
"""Sentences that end one."""

OUTCOMES = (
    "{b} nods.",
    "{b} turns away.",
    "{b} smiles.",
    "{b} says nothing.",
    "{a} hesitates.",
    "{b} hesitates.",
    "{a} nods.",
    "{a} smiles.",
    "{a} turns away.",
    "{a} says nothing.",
    "{a} waits.",
    "{b} waits.",
    "{a} leaves.",
    "{b} leaves.",
    "It works.",
    "It goes badly.",
    "The {thing} falls.",
)
"""Short outcomes of a choice."""

TITLES = (
    "The {thing}",
    "{a} and {b}",
    "Night at the {place}",
    "The {place} and the {thing}",
    "{a}'s choice",
    "What {b} knew",
)
"""Patterns of titles."""
