"""Ids that the editor's loader takes: unique, and never the word that means wild selection."""

import hashlib
from collections.abc import Iterable, Sequence

WILD = "wild"
"""A consequence that is no encounter's id."""


def unused(wanted: str, taken: set[str]) -> str:
    """The id, or the id with the least number from 2 that makes it unused; it is added to the taken ones."""
    found, number = wanted, 1
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    taken.add(found)
    return found


def unique(ids: Sequence[str], what: str, reserved: Iterable[str] = ()) -> list[str]:
    """The ids in order; one that came before, is empty or reserved gets a number.

    Args:
        what: stands for an empty id.
        reserved: ids that must not occur.
    """
    forbidden = set(reserved)
    taken = {id_ for id_ in ids if id_} | forbidden
    seen = set(forbidden)
    found = []
    for id_ in ids:
        kept = id_ if id_ and id_ not in seen else unused(id_ or what, taken)
        seen.add(kept)
        found.append(kept)
    return found


def ifid(content: bytes, seed: int) -> str:
    """An interactive-fiction identifier: a UUID of content and seed, in capitals."""
    digest = hashlib.sha256(content + f"\n{seed}".encode()).hexdigest().upper()
    # version 8 and variant 1 of RFC 9562: a UUID whose bits are the maker's own
    digits = f"{digest[:12]}8{digest[13:16]}9{digest[17:32]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def stamp(seed: int) -> float:
    """A time in seconds since 1970 that depends on the seed alone, from 2020 on."""
    return 1_577_836_800.0 + seed % 100_000_000
