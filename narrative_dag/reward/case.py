"""What the verifiers look at: a text, what it compiles to, what happened when it was played and what can happen."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from narrative_dag.storyworld.draft import Compiled, DraftError, Problem, compile_text, problems
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.storyworld.survey import Survey

if TYPE_CHECKING:
    from narrative_dag.storyworld.explore import Exploration
    from narrative_dag.storyworld.simulator.program import Program


@dataclass(frozen=True, slots=True)
class Known:
    """What happens in some play; arguments are positions.

    A search of all distinct states that was cut at its bound misses something that random plays may have met, and
    states that differ only in what nothing reads count as one, so that effects on such numbers are seen in plays.
    """

    world: Storyworld
    played: Survey
    explored: "Exploration"

    def reached(self, e: int) -> bool:
        """An encounter is entered."""
        return bool(self.explored.pages[e] or self.played.entries[e])

    def endings(self) -> list[int]:
        """The encounters without options that are entered."""
        return [e for e, page in enumerate(self.world.encounters) if not page.options and self.reached(e)]

    def open(self, e: int, o: int) -> bool:
        """An option can be chosen."""
        return bool(self.explored.performable[e, o] or self.played.performable[e, o])

    def shut(self, e: int, o: int) -> bool:
        """An option cannot be chosen while the player stands on its page."""
        explored, played = self.explored, self.played
        return explored.performable[e, o] < explored.pages[e] or played.performable[e, o] < played.entries[e]

    def ran(self, e: int, o: int, r: int) -> bool:
        """A reaction runs."""
        return bool(self.explored.reactions[e, o, r] or self.played.reactions[e, o, r])

    def changes(self, e: int, o: int, r: int, effect: int) -> bool:
        """An effect changes a number or a spool."""
        return bool(self.explored.changes[e, o, r, effect] or self.played.changes[e, o, r, effect])


@dataclass(frozen=True)
class Case:
    """One text under judgement; parsing and play happen once, on first use.

    Args:
        text: a draft.
        playthroughs: how many seeded random playthroughs to judge it by.
        seed: their seed.
        max_steps: choices after which a playthrough is cut.
        max_states: distinct states after which the exploration goes on at random.
        refusal: why the text is not read at all; None when it is.
    """

    text: str
    playthroughs: int
    seed: int
    max_steps: int
    max_states: int
    refusal: str | None = None

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that keeps the text from being a storyworld, with positions; empty when it compiles."""
        if self.refusal is not None:
            return (Problem("json", "", self.refusal),)
        return () if self.compiled is not None else tuple(problems(self.text))

    @cached_property
    def compiled(self) -> Compiled | None:
        """The storyworld with its source positions; None when the text does not compile."""
        if self.refusal is not None:
            return None
        try:
            return compile_text(self.text)
        except DraftError:
            return None

    @property
    def world(self) -> Storyworld | None:
        """The storyworld; None when the text does not compile."""
        return self.compiled.world if self.compiled else None

    @cached_property
    def program(self) -> "Program | None":
        """The compiled storyworld; None when there is nothing to play."""
        from narrative_dag.storyworld.simulator.compiler import compile_world

        return None if self.world is None else compile_world(self.world)

    @cached_property
    def played(self) -> Survey | None:
        """What happened in random play; None when there is nothing to play."""
        from narrative_dag.storyworld.simulator.simulate import simulate

        if self.program is None:
            return None
        return simulate([self.program], self.playthroughs, self.seed, max_steps=self.max_steps).survey(0)

    @cached_property
    def explored(self) -> "Exploration | None":
        """What can happen at all; None when there is nothing to play."""
        from narrative_dag.storyworld.explore import ExploreConfig, explore
        from narrative_dag.storyworld.explore.compiled import COMPILED

        if self.world is None:
            return None
        return explore(self.world, ExploreConfig(max_states=self.max_states, plays=0), COMPILED)

    @property
    def known(self) -> "Known | None":
        """What play can do, from exploration and random plays together; None when there is nothing to play."""
        if self.world is None or self.played is None or self.explored is None:
            return None
        return Known(self.world, self.played, self.explored)

    @cached_property
    def states(self) -> NDArray[np.float32]:
        """State vectors of the pages met in random play, shape [pages, d]; no rows when there is nothing to play."""
        from narrative_dag.states.recording import states

        return states([self.program] if self.program else [], self.playthroughs, self.seed, self.max_steps)
