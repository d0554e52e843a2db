"""One playthrough on a compiled storyworld, with the interpreter's view of it: for tests, tools and small jobs."""

from typing import Any

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.engine import Ending, EndKind, Page
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Key
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.frame import choose, start
from narrative_dag.storyworld.simulator.program import Floats, Ints, Program

KINDS: tuple[EndKind, ...] = ("the_end", "no_options", "blocked", "max_steps")
"""Kinds of endings, at `layout.THE_END` - 1 and so on."""


@kernel
def start_frame(code: Any, frame: Any) -> None:
    """`frame.start` on arrays."""
    start(code.ctypes.data, frame.ctypes.data)


@kernel
def choose_option(code: Any, frame: Any, option: int) -> None:
    """`frame.choose` on arrays."""
    choose(code.ctypes.data, frame.ctypes.data, option)


class CompiledPlaythrough:
    """A playthrough in a frame of its own; the names are those of `engine.Playthrough` and `engine.State`.

    Args:
        program: what is played.

    Attributes:
        frame: the words of the frame.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.frame: Ints = program.frame.copy()
        start_frame(program.code, self.frame)

    def choose(self, option: int) -> int | None:
        """Choose a performable option of the page.

        Returns:
            The reaction's position; None for an option without reactions.

        Raises:
            StoryworldError: the playthrough has ended, or the option is not performable now.
        """
        page = self.page
        if page is None or self.ending is not None:
            raise StoryworldError("the playthrough has ended", where=self.program.world.title or None)
        if option not in page.performable:
            encounter = self.program.world.encounters[page.encounter]
            raise StoryworldError(f"option {option} is not performable", where=f"encounter {encounter.id}")
        choose_option(self.program.code, self.frame, option)
        reaction = int(self.frame[layout.REACTION])
        return None if reaction < 0 else reaction

    def restore(self, row: Ints) -> None:
        """Go to the state of a row of this program."""
        self.frame[: self.program.width] = row

    @property
    def row(self) -> Ints:
        """A copy of the state, shape (state_width(program),)."""
        return self.frame[: self.program.width].copy()

    @property
    def page(self) -> Page | None:
        """Where the player stands; None after `the_end`."""
        page = int(self.frame[layout.PAGE])
        if page < 0:
            return None
        visible = self._list(self.program.visible, layout.VISIBLE_COUNT)
        return Page(page, visible, self._list(self.program.performable, layout.PERFORMABLE_COUNT))

    @property
    def turn(self) -> int:
        """Pages entered so far, plus one after `the_end`."""
        return int(self.frame[layout.TURN])

    @property
    def ending(self) -> Ending | None:
        """How play ended; None until then."""
        kind, page = int(self.frame[layout.ENDING]), int(self.frame[layout.PAGE])
        return None if kind == layout.PLAYING else Ending(KINDS[kind - 1], None if page < 0 else page, self.turn)

    @property
    def changes(self) -> tuple[bool, ...]:
        """For each effect of the last reaction, whether it changed something."""
        return tuple(map(bool, self._list(self.program.changes, layout.EFFECT_COUNT)))

    @property
    def values(self) -> Floats:
        """The numbers of all variables in the order of `program.keys`; 0.0 for those that do not exist yet."""
        program = self.program
        return self.frame[program.variables : program.variables + len(program.keys)].view("f8")

    @property
    def numbers(self) -> dict[Key, float]:
        """The numbers of the variables that exist."""
        program = self.program
        present = [True] * program.initial_count + self._flags(program.presence, len(program.keys))
        listed = zip(program.keys, self.values.tolist(), present, strict=False)
        return {key: value for key, value, exists in listed if exists}

    @property
    def active_spools(self) -> set[str]:
        """Ids of the active spools."""
        flags = self._flags(self.program.spool_flags, len(self.program.spools))
        return {spool for spool, active in zip(self.program.spools, flags, strict=True) if active}

    @property
    def encounters(self) -> set[int]:
        """Positions of the encounters entered."""
        flags = self._flags(self.program.seen_flags, len(self.program.world.encounters))
        return {e for e, seen in enumerate(flags) if seen}

    @property
    def history(self) -> set[tuple[int, ...]]:
        """The options and reactions in `program.history` that were chosen and ran."""
        flags = self._flags(self.program.history_flags, len(self.program.history))
        return {place for place, happened in zip(self.program.history, flags, strict=True) if happened}

    def _list(self, first: int, count: int) -> tuple[int, ...]:
        return tuple(self.frame[first : first + int(self.frame[count])].tolist())

    def _flags(self, first: int, count: int) -> list[bool]:
        return [flag != 0 for flag in self.frame[first : first + count].tolist()]
