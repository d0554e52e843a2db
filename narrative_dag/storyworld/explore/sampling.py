"""Random plays for storyworlds whose states are too many to meet them all."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from narrative_dag.storyworld.engine import Engine, Page, Playthrough
from narrative_dag.storyworld.explore.graph import END_KINDS
from narrative_dag.storyworld.explore.positions import Positions


@dataclass(frozen=True)
class Layout:
    """Where each kind of thing that a play can meet starts in one flat list.

    First the pages by encounter, then visible options, options that can be chosen, reactions that ran, effects that
    changed something, each by number; last, for each kind of ending, the encounters that it happened on and nowhere
    (`the_end`).
    """

    encounters: int
    options: int
    reactions: int
    effects: int

    @classmethod
    def of(cls, positions: Positions) -> "Layout":
        """The layout of a storyworld."""
        counts = len(positions.options), len(positions.reactions), len(positions.effects)
        return cls(len(positions.world.encounters), *counts)

    @property
    def visible(self) -> int:
        """Where visible options start."""
        return self.encounters

    @property
    def performable(self) -> int:
        """Where options that can be chosen start."""
        return self.visible + self.options

    @property
    def ran(self) -> int:
        """Where reactions start."""
        return self.performable + self.options

    @property
    def changed(self) -> int:
        """Where effects start."""
        return self.ran + self.reactions

    @property
    def ended(self) -> int:
        """Where endings start: `ended + (code - 1) * (encounters + 1) + encounter`."""
        return self.changed + self.effects

    @property
    def size(self) -> int:
        """How many things there are."""
        return self.ended + (len(END_KINDS) - 1) * (self.encounters + 1)


@dataclass(frozen=True)
class Sample:
    """What random plays met.

    Attributes:
        plays: how many were played; the first half chose uniformly, the rest took what was chosen least often.
        steps: choices made in all of them.
        layout: what the entries of the arrays are.
        counts: how often each thing was met, int64[layout.size]; pages count once for each visit.
        first_step: choices made before each thing was first met, int64; -1 for never.
        first_play: the play in which that was; -1 for never.
        choices: numbers of the options chosen in each play that met something first.
    """

    plays: int
    steps: int
    layout: Layout
    counts: NDArray[np.int64]
    first_step: NDArray[np.int64]
    first_play: NDArray[np.int64]
    choices: dict[int, tuple[int, ...]]

    def met(self, thing: int) -> bool:
        """Whether a thing was met."""
        return bool(self.counts[thing])

    def play_to(self, thing: int) -> tuple[int, ...]:
        """Numbers of the options chosen until a thing was first met."""
        return self.choices[int(self.first_play[thing])][: int(self.first_step[thing])]


def sample(engine: Engine, positions: Positions, plays: int, seed: int, max_steps: int) -> Sample:
    """Play at random and note what is met.

    Args:
        engine: the storyworld with its lookups.
        positions: its numbering.
        plays: how many plays; the first half is uniform, the second greedy for options that were seldom chosen.
        seed: any integer from 0.
        max_steps: choices after which a play is cut.
    """
    draws = np.random.default_rng([seed, plays])
    layout = Layout.of(positions)
    counts = np.zeros(layout.size, dtype=np.int64)
    first_step = np.full(layout.size, -1, dtype=np.int64)
    first_play = np.full(layout.size, -1, dtype=np.int64)
    kept: dict[int, tuple[int, ...]] = {}
    taken: Counter[int] = Counter()
    steps = 0
    for number in range(plays):
        play = engine.start()
        chosen: list[int] = []
        novel = False

        def meet(thing: int, chosen: list[int] = chosen, number: int = number) -> None:
            nonlocal novel
            counts[thing] += 1
            if first_play[thing] < 0:
                first_play[thing], first_step[thing], novel = number, len(chosen), True

        _meet_page(play, positions, layout, meet)
        while play.page is not None and play.ending is None and len(chosen) < max_steps:
            base = positions.first_option[play.page.encounter]
            option = _choice(play.page, base, taken, draws, greedy=number >= plays // 2)
            taken[base + option] += 1
            chosen.append(base + option)
            ran = play.choose(option)
            if ran is not None:
                reaction = positions.first_reaction[base + option] + ran
                meet(layout.ran + reaction)
                for k, changed in enumerate(play.changes):
                    if changed:
                        meet(layout.changed + positions.first_effect[reaction] + k)
            _meet_page(play, positions, layout, meet)
        steps += len(chosen)
        if novel:
            kept[number] = tuple(chosen)
    return Sample(plays, steps, layout, counts, first_step, first_play, kept)


def _choice(page: Page, base: int, taken: Counter[int], draws: np.random.Generator, greedy: bool) -> int:
    """An option's position: any that can be chosen, or (greedy) any of those chosen least often."""
    options = page.performable
    if greedy:
        least = min(taken[base + o] for o in options)
        options = tuple(o for o in options if taken[base + o] == least)
    return options[int(draws.random() * len(options))]


def _meet_page(play: Playthrough, positions: Positions, layout: Layout, meet: Callable[[int], None]) -> None:
    """Note the page on which a play stands, its options and its ending."""
    page = play.page
    if page is not None:
        meet(page.encounter)
        base = positions.first_option[page.encounter]
        for o in page.visible:
            meet(layout.visible + base + o)
        for o in page.performable:
            meet(layout.performable + base + o)
    if play.ending is not None:
        at = layout.encounters if page is None else page.encounter
        meet(layout.ended + (END_KINDS.index(play.ending.kind) - 1) * (layout.encounters + 1) + at)
