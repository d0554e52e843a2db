"""Themes and words of the combinatorial author: the casts, places and things that fill its sentences."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """What a theme offers: its cast, where scenes happen, what is at stake, and the properties its people live by."""

    cast: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]
    properties: tuple[str, ...]


def _theme(cast: str, places: str, things: str, properties: str) -> Theme:
    return Theme(
        tuple(cast.split()),
        tuple(part.strip() for part in places.split(",")),
        tuple(part.strip() for part in things.split(",")),
        tuple(properties.split()),
    )


THEMES: Mapping[str, Theme] = {
    "harbor": _theme(
        "Mara Oren Tilde Bram",
        "pier, customs shed, lighthouse, tide wall, rope store",
        "ledger, lantern, sealed crate, brass key",
        "Trust Fear Loyalty Guilt",
    ),
    "court": _theme(
        "Isolde Corvin Amery Sable",
        "throne room, rose walk, privy stair, chapel, map room",
        "signet, letter, crown, poisoned cup",
        "Trust Loyalty Anger Resolve",
    ),
    "desert": _theme(
        "Nadir Suri Hale Yusra",
        "dry well, salt road, red dunes, watch rock, caravan camp",
        "water skin, compass, bone flute, map",
        "Courage Hope Fear Trust",
    ),
    "starship": _theme(
        "Vega Juno Pike Ansel",
        "airlock, engine ring, cold deck, bridge, seed vault",
        "fuse, black box, spare suit, beacon",
        "Trust Courage Resolve Fear",
    ),
    "orchard": _theme(
        "Wren Alder Posy Finch",
        "cider press, old gate, bee yard, root cellar, hill path",
        "deed, silver spoon, grafting knife, diary",
        "Guilt Hope Loyalty Anger",
    ),
    "siege": _theme(
        "Garrick Elin Rook Maud",
        "north wall, granary, sally port, bell tower, mill",
        "banner, powder keg, ration list, rope",
        "Courage Fear Resolve Loyalty",
    ),
    "school": _theme(
        "Lio Petra Quill Denny",
        "attic, chess room, gym hall, old library, boiler room",
        "exam key, trophy, torn page, radio",
        "Trust Guilt Courage Hope",
    ),
    "winter": _theme(
        "Sten Kaja Runa Odd",
        "frozen lake, pine hut, sled track, smokehouse, ridge",
        "axe, fur coat, last match, rifle",
        "Hope Fear Anger Trust",
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
