"""What seeded play met, counted by position."""

from collections.abc import Mapping
from dataclasses import dataclass

from narrative_dag.storyworld.engine import EndKind


@dataclass(frozen=True, slots=True)
class Survey:
    """What random play met. Keys are positions in the storyworld; what was never met is absent (a Counter gives 0).

    Attributes:
        playthroughs: playthroughs played.
        steps: choices made over all of them.
        longest: most choices in one playthrough.
        entries: times each encounter was the player's page: the base of `visible` and `performable`.
        ends: times each encounter was the last page.
        kinds: playthroughs by kind of ending.
        visible: pages on which each (encounter, option) was visible.
        performable: pages on which it could be chosen.
        chosen: times it was chosen.
        reactions: times each (encounter, option, reaction) ran.
        changes: times each (encounter, option, reaction, effect) changed a number or a spool.
    """

    playthroughs: int
    steps: int
    longest: int
    entries: Mapping[int, int]
    ends: Mapping[int, int]
    kinds: Mapping[EndKind, int]
    visible: Mapping[tuple[int, int], int]
    performable: Mapping[tuple[int, int], int]
    chosen: Mapping[tuple[int, int], int]
    reactions: Mapping[tuple[int, int, int], int]
    changes: Mapping[tuple[int, int, int, int], int]
