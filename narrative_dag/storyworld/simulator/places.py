"""Where in a frame scripts find things: variables, flags of events and of spools."""

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.model import Key, SetNumber, Storyworld
from narrative_dag.storyworld.script import Event
from narrative_dag.storyworld.simulator import layout, nodes
from narrative_dag.storyworld.simulator.nodes import NOTHING, NUMBER, REGISTER, Node
from narrative_dag.storyworld.simulator.scripts import HISTORY, SPOOL, Scripts


class Places:
    """The registers of one storyworld, given out as scripts ask for them.

    Args:
        world: the storyworld.
        scripts: where constants go.

    Attributes:
        official: whether the official mode's rules hold.
        slots: the number of each variable: those of `world.initial`, then those that effects may create.
        initial: how many there are of the first sort.
        presence, seen: first flag of a variable that may be created, and of an encounter.
        spools, history: flags, in their regions, of spool ids and of options and reactions that events name.
    """

    def __init__(self, world: Storyworld, scripts: Scripts) -> None:
        self._world = world
        self._engine = Engine(world)
        self._scripts = scripts
        self._reads: dict[Key, Node] = {}
        self.official = self._engine.official
        self.slots: dict[Key, int] = {key: layout.SCALARS + i for i, key in enumerate(world.initial)}
        self.initial = len(self.slots)
        for key in self._created():
            self.slots[key] = layout.SCALARS + len(self.slots)
        self.presence = layout.SCALARS + len(self.slots)
        self.seen = self.presence + len(self.slots) - self.initial
        self.history: dict[tuple[int, ...], int] = {}
        self.spools: dict[str, int] = {}
        for spool in world.spools:
            self.spool(spool.id)

    def write_key(self, key: Key) -> Key | None:
        """The variable that an effect on a keyring writes; None for nothing."""
        return self._engine.write_key(key) if self.official else key

    def presence_of(self, slot: int) -> int | None:
        """The presence flag of a variable; None if it exists from the start."""
        created = slot - layout.SCALARS - self.initial
        return self.presence + created if created >= 0 else None

    def read(self, key: Key) -> Node:
        """The node of the number at a keyring, before any coefficient."""
        found = self._reads.get(key)
        if found is None:
            found = self._reads[key] = self._resolve(key)
        return found

    def _resolve(self, key: Key) -> Node:
        if self.official:
            read = self._engine.read_key(key)
            if read is None:
                return NOTHING
            slot = self.slots.get(read)
            return nodes.constant(0.0) if slot is None else (NUMBER, REGISTER, slot, None)
        pairs: list[int] = []
        for prefix in self._engine.prefixes(key):
            slot = self.slots.get(prefix)
            if slot is None:
                continue
            presence = self.presence_of(slot)
            if presence is None:
                return (NUMBER, nodes.CHAINED, pairs, slot) if pairs else (NUMBER, REGISTER, slot, None)
            pairs += (presence, slot)
        return (NUMBER, nodes.CHAINED, pairs, self._scripts.number(0.0)) if pairs else nodes.constant(0.0)

    def event(self, event: Event) -> tuple[int, ...] | None:
        """The flags that are all set once an event has occurred; None when it never can."""
        encounters = self._world.encounters
        if event.encounter is None or not 0 <= event.encounter < len(encounters):
            return None
        flags = []
        deepest: tuple[int, ...] = ()
        for place in (event.reaction, event.option, (event.encounter,)):
            # what chose a deeper part has entered and chosen those around it
            if place is None or place == deepest[: len(place)]:
                continue
            if not self._exists(place):
                return None
            deepest = place
            if len(place) == 1:
                flags.append(self.seen + place[0])
            else:
                flags.append(self.history.setdefault(place, HISTORY + len(self.history)))
        return tuple(flags)

    def _exists(self, place: tuple[int, ...]) -> bool:
        """Whether the positions of an encounter, an option and a reaction, as many as there are, name one."""
        if not 0 <= place[0] < len(self._world.encounters):
            return False
        options = self._world.encounters[place[0]].options
        if len(place) > 1 and not 0 <= place[1] < len(options):
            return False
        return len(place) < 3 or 0 <= place[2] < len(options[place[1]].reactions)

    def spool(self, spool: str) -> int:
        """The flag of a spool."""
        return self.spools.setdefault(spool, SPOOL + len(self.spools))

    def _created(self) -> list[Key]:
        """Variables that some effect may create, in order."""
        found: dict[Key, None] = {}
        for encounter in self._world.encounters:
            for option in encounter.options:
                for reaction in option.reactions:
                    for effect in reaction.effects:
                        if not isinstance(effect, SetNumber):
                            continue
                        key: Key | None = (effect.target.character, effect.target.keyring)
                        if key in self.slots:
                            continue
                        key = self.write_key((effect.target.character, effect.target.keyring))
                        if key is not None and key not in self.slots:
                            found[key] = None
        return list(found)
