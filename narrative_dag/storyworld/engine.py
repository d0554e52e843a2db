"""The interpreter: plays a storyworld page by page, exactly as SweepWeave 0.1.9 does.

An `Engine` holds what is looked up once per storyworld and makes playthroughs; a `Playthrough` stands on a page until
it ends. Both modes play; `world.mode` decides how variables are read and written and how the first page is selected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Effect, Key, Mode, Option, SetNumber, Storyworld
from narrative_dag.storyworld.script import Event, clamp, evaluate, truthy

EndKind = Literal["the_end", "no_options", "blocked", "max_steps"]
"""`the_end`: selection found nothing. `no_options`: no option is visible. `blocked`: some are, none is performable.
`max_steps`: a caller stopped after its own number of choices; the engine itself never says so."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where the player stands: positions of the encounter, its visible options and those that can be chosen."""

    encounter: int
    visible: tuple[int, ...]
    performable: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a playthrough ended; `encounter` is the last page (None for `the_end`), `turn` counts pages from 1.

    For `the_end` the turn is one more than the last page's, for the turn passes before nothing is found.
    """

    kind: EndKind
    encounter: int | None
    turn: int


class Engine:
    """A storyworld with its lookups; makes playthroughs.

    Args:
        world: any storyworld; its mode decides the semantics.
    """

    def __init__(self, world: Storyworld) -> None:
        self.world = world
        self.official = world.mode is Mode.OFFICIAL
        self._depths = {p.id: p.depth for p in world.properties}
        self._reads: dict[Key, Key | None] = {}
        self._writes: dict[Key, Key | None] = {}
        self._prefixes: dict[Key, tuple[Key, ...]] = {}

    def start(self) -> "Playthrough":
        """A new playthrough, standing on its first page or ended at once."""
        return Playthrough(self)

    def read_key(self, key: Key) -> Key | None:
        """Official mode: the variable that a keyring reads (absent: 0), or None where it reads null."""
        try:
            return self._reads[key]
        except KeyError:
            found = self._reads[key] = self._resolve_read(key)
            return found

    def write_key(self, key: Key) -> Key | None:
        """Official mode: the variable that a keyring writes, or None where it writes nothing."""
        try:
            return self._writes[key]
        except KeyError:
            found = self._writes[key] = self._resolve_write(key)
            return found

    def prefixes(self, key: Key) -> tuple[Key, ...]:
        """Extended mode: the keyring's prefixes, longest first."""
        found = self._prefixes.get(key)
        if found is None:
            character, keyring = key
            found = tuple((character, keyring[:n]) for n in range(len(keyring), 0, -1))
            self._prefixes[key] = found
        return found

    def _resolve_read(self, key: Key) -> Key | None:
        character, keyring = key
        if not keyring or (character, keyring[0]) not in self.world.declared:
            return None
        for n in range(1, len(keyring) + 1):
            prefix = (character, keyring[:n])
            if prefix not in self.world.tables:
                return prefix
        return None

    def _resolve_write(self, key: Key) -> Key | None:
        character, keyring = key
        if not keyring or (character, keyring[0]) not in self.world.declared:
            return None
        if len(keyring) > 1:
            return key if key in self.world.initial else None
        return key if self._depths.get(keyring[0], 0) == 0 and key not in self.world.tables else None


class State:
    """The state of play: numbers, active spools and history. Read it freely; only a playthrough changes it.

    Attributes:
        numbers: current numbers by (character, keyring); unbounded doubles.
        active_spools: ids.
        encounters: positions of the encounters entered.
        options: (encounter, option) positions chosen.
        reactions: (encounter, option, reaction) positions that ran.
        turn: pages entered so far, plus one after `the_end`.
    """

    __slots__ = ("active_spools", "encounters", "engine", "numbers", "options", "reactions", "turn")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.numbers: dict[Key, float] = dict(engine.world.initial)
        self.active_spools: set[str] = {spool.id for spool in engine.world.spools if spool.starts_active}
        self.encounters: set[int] = set()
        self.options: set[tuple[int, int]] = set()
        self.reactions: set[tuple[int, int, int]] = set()
        self.turn = 0

    def number(self, character: str, keyring: tuple[str, ...]) -> float | None:
        """The value at a keyring as a script reads it; None is null."""
        if self.engine.official:
            key = self.engine.read_key((character, keyring))
            return None if key is None else self.numbers.get(key, 0.0)
        for key in self.engine.prefixes((character, keyring)):
            if key in self.numbers:
                return self.numbers[key]
        return 0.0

    def occurred(self, event: Event) -> bool:
        """Whether the event is in the history."""
        return (
            event.encounter in self.encounters
            and (event.option is None or event.option in self.options)
            and (event.reaction is None or event.reaction in self.reactions)
        )

    def active(self, spool: str) -> bool:
        """Whether the spool is active."""
        return spool in self.active_spools

    def apply(self, effect: Effect) -> bool:
        """Run one effect; whether it changed a number or a spool."""
        value = evaluate(effect.value, self)
        if isinstance(effect, SetNumber):
            if value is None or isinstance(value, bool | str):
                return False
            return self._assign(effect, value)
        if not isinstance(value, bool) or value is (effect.spool in self.active_spools):
            return False
        if value:
            self.active_spools.add(effect.spool)
        else:
            self.active_spools.discard(effect.spool)
        return True

    def _assign(self, effect: SetNumber, value: float) -> bool:
        target = effect.target
        before = self.number(target.character, target.keyring)
        value = value * target.coefficient
        key: Key | None = (target.character, target.keyring)
        if self.engine.official:
            key = self.engine.write_key((target.character, target.keyring))
        else:
            value = clamp(value, -1.0, 1.0)
        if key is None:
            return False
        self.numbers[key] = value
        return value != before


class Playthrough:
    """One play of a storyworld, from its first page to an ending.

    Attributes:
        state: the state of play.
        page: the page that the player stands on; the last one after `no_options` and `blocked`, None after `the_end`.
        ending: None until it ended.
        changes: for each effect of the last reaction, whether it changed something.
    """

    __slots__ = ("changes", "ending", "engine", "page", "state")

    def __init__(self, world: Storyworld | Engine) -> None:
        self.engine = world if isinstance(world, Engine) else Engine(world)
        self.state = State(self.engine)
        self.page: Page | None = None
        self.ending: Ending | None = None
        self.changes: tuple[bool, ...] = ()
        self._enter(self._first())

    def choose(self, option: int) -> int | None:
        """Choose a performable option of the page: its reaction runs and the next page is entered.

        Returns:
            The reaction's position; None for an option without reactions.

        Raises:
            StoryworldError: the playthrough has ended, or the option is not performable now.
        """
        page = self.page
        if page is None or self.ending is not None:
            raise StoryworldError("the playthrough has ended", where=self.engine.world.title or None)
        encounter = self.engine.world.encounters[page.encounter]
        if option not in page.performable:
            raise StoryworldError(f"option {option} is not performable", where=f"encounter {encounter.id}")
        chosen = encounter.options[option]
        state = self.state
        position = self._reaction(chosen)
        self.changes = ()
        consequence = None
        if position is not None:
            reaction = chosen.reactions[position]
            self.changes = tuple([state.apply(effect) for effect in reaction.effects])
            state.reactions.add((page.encounter, option, position))
            consequence = reaction.consequence
        state.options.add((page.encounter, option))
        self._enter(self._select() if consequence is None else consequence)
        return position

    def _reaction(self, option: Option) -> int | None:
        if not option.reactions:
            return None
        best, found = -1.0, 0
        for r, reaction in enumerate(option.reactions):
            value = evaluate(reaction.desirability, self.state)
            if value is not None and not isinstance(value, bool | str) and value > best:
                best, found = value, r
        return found

    def _first(self) -> int | None:
        if not self.engine.official:
            found = self._select(opening=True)
            if found is not None:
                return found
        return self._select()

    def _select(self, opening: bool = False) -> int | None:
        """Wild selection; at an extended opening only among encounters that have options."""
        state = self.state
        encounters = self.engine.world.encounters
        best, found = -1.0, None
        for spool in self.engine.world.spools:
            if spool.id not in state.active_spools:
                continue
            for e in spool.members:
                encounter = encounters[e]
                if e in state.encounters or (opening and not encounter.options):
                    continue
                if not truthy(evaluate(encounter.acceptability, state)):
                    continue
                value = evaluate(encounter.desirability, state)
                if value is not None and not isinstance(value, bool | str) and value > best:
                    best, found = value, e
        return found

    def _enter(self, encounter: int | None) -> None:
        state = self.state
        state.turn += 1
        if encounter is None:
            self.page = None
            self.ending = Ending("the_end", None, state.turn)
            return
        state.encounters.add(encounter)
        options: Sequence[Option] = self.engine.world.encounters[encounter].options
        visible = tuple([o for o, option in enumerate(options) if truthy(evaluate(option.visibility, state))])
        performable = tuple([o for o in visible if truthy(evaluate(options[o].performability, state))])
        self.page = Page(encounter, visible, performable)
        if not performable:
            self.ending = Ending("blocked" if visible else "no_options", encounter, state.turn)
