"""What the verifiers look at: a text, what it compiles to, and what happened when it was played."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from narrative_dag.states.encoder import Encoder
from narrative_dag.states.playthroughs import Survey, survey
from narrative_dag.storyworld.draft import Compiled, DraftError, Problem, compile_text, problems
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.tables import STATE_DIMENSIONS


@dataclass(frozen=True)
class Case:
    """One text under judgement; parsing and play happen once, on first use.

    Args:
        text: a draft.
        playthroughs: how many seeded random playthroughs to judge it by.
        seed: their seed.
        max_steps: choices after which a playthrough is cut.
        refusal: why the text is not read at all; None when it is.
    """

    text: str
    playthroughs: int
    seed: int
    max_steps: int
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
    def _play(self) -> tuple[Survey, NDArray[np.float32]] | None:
        if self.world is None:
            return None
        encoder = Encoder(self.world)
        vectors: list[NDArray[np.float32]] = []
        found = survey(
            self.world,
            self.playthroughs,
            self.seed,
            self.max_steps,
            visit=lambda state, encounter: vectors.append(encoder.encode(state, encounter)),
        )
        return found, np.stack(vectors) if vectors else np.zeros((0, STATE_DIMENSIONS), np.float32)

    @property
    def played(self) -> Survey | None:
        """What happened in play; None when there is nothing to play."""
        return self._play[0] if self._play else None

    @property
    def states(self) -> NDArray[np.float32]:
        """State vectors of the pages met, shape [pages, d]; no rows when there is nothing to play."""
        return self._play[1] if self._play else np.zeros((0, STATE_DIMENSIONS), np.float32)
