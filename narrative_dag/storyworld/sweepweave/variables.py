"""Where a storyworld's variables live in a project file, and how reading them is written.

The dialect keeps one number for each whole keyring, and a keyring without one reads its longest prefix that has one.
The editor keeps numbers at one depth for each property. So keyrings of another length, or with keys that name no
character, move to properties of their own. A keyring that only a write creates starts at `UNSET`, above everything that
an assignment can leave, and a read of it takes the prefix's value while it is.
"""

from collections.abc import Iterator, Mapping

from narrative_dag.storyworld.model import Key, Mode, Property, Storyworld
from narrative_dag.storyworld.script import Constant, Expression, Operation, Variable
from narrative_dag.storyworld.sweepweave.arithmetic import NULL_NUMBER, Arithmetic
from narrative_dag.storyworld.sweepweave.identifiers import unused
from narrative_dag.storyworld.sweepweave.ranges import Ranges

UNSET = 2.0
"""The starting value of a perceived value that does not exist yet; assignments leave at most 1."""
_DEEPEST = 8

Shape = int | tuple[str, ...]
"""Keyrings of one property that fit one official property: the depth, or the keys after the first where these name no
characters."""


class Variables:
    """The official properties, values and tables of a storyworld, and its variables' reads and targets in them.

    Attributes:
        keys: the official key of each variable; the same keys for an official storyworld.
        properties, declared, initial, tables: as in `Storyworld`.
    """

    def __init__(self, world: Storyworld, ranges: Ranges) -> None:
        self._ranges = ranges
        self.properties = list(world.properties)
        self.declared = set(world.declared)
        self.tables = set(world.tables)
        self.initial: dict[Key, float] = dict(world.initial)
        self.keys: dict[Key, Key] = {key: key for key in [*world.initial, *ranges.written]}
        if world.mode is Mode.EXTENDED:
            self._place(world)
        else:
            self._complete(world)

    def read(self, variable: Variable, arithmetic: Arithmetic) -> Expression:
        """The variable's value under official semantics."""
        if self._ranges.engine.official:
            return NULL_NUMBER if self._ranges.sources(variable) == ((), False) else variable
        sources, _ = self._ranges.sources(variable)
        value: Expression | None = None
        for key in reversed(sources):
            own = self._at(key, variable.coefficient)
            if value is None:
                value = own
            else:
                unset = Operation("Greater Than", (self._at(key, 1.0), arithmetic.constant(1.0)))
                value = Operation("If Then", (unset, value, own))
        return Constant(0.0) if value is None else value

    def target(self, variable: Variable) -> Variable | None:
        """What an effect on the variable assigns to, coefficient included; None where it changes nothing."""
        wanted = (variable.character, variable.keyring)
        if self._ranges.engine.official:
            return None if self._ranges.engine.write_key(wanted) is None else variable
        return self._at(wanted, variable.coefficient)

    def _at(self, key: Key, coefficient: float) -> Variable:
        character, keyring = self.keys[key]
        return Variable(character, keyring, coefficient)

    def _complete(self, world: Storyworld) -> None:
        """Give 0 to numbers that an official storyworld leaves out: they read so, and the first write makes them."""
        for prop in world.properties:
            for character in world.characters:
                key = (character.id, (prop.id,))
                if prop.depth == 0 and (character.id, prop.id) in self.declared and key not in self.tables:
                    self.keys[key] = key
                    self.initial.setdefault(key, 0.0)

    def _place(self, world: Storyworld) -> None:
        cast = frozenset(character.id for character in world.characters)
        groups: dict[str, dict[Shape, list[Key]]] = {}
        for key in self.keys:
            tail = key[1][1:]
            plain = len(tail) <= _DEEPEST and cast.issuperset(tail)
            groups.setdefault(key[1][0], {}).setdefault(len(tail) if plain else tail, []).append(key)
        known = {prop.id: prop for prop in world.properties}
        taken = {*known, *groups}
        self.properties = []
        self.initial = {}
        self.tables = set()
        for id_ in {**known, **groups}:
            shapes = groups.get(id_, {})
            prop = known.get(id_, Property(id_, id_))
            main = _main_depth(prop, shapes)
            if id_ in known or main in shapes:
                self._add(id_, prop.name, prop.default, main, shapes.get(main, []))
                self._fill(world, id_, main)
            for shape, keys in shapes.items():
                if shape == main:
                    continue
                suffix = f"perceived_{shape}" if isinstance(shape, int) else "_".join(shape)
                own = unused(f"{id_}_{suffix}", taken)
                self._add(own, f"{prop.name} {suffix.replace('_', ' ')}", 0.0, shape, keys)

    def _add(self, id_: str, name: str, default: float, shape: Shape, keys: list[Key]) -> None:
        depth = shape if isinstance(shape, int) else 0
        self.properties.append(Property(id_, name, depth, default))
        for key in keys:
            character, keyring = key
            placed = (character, (id_, *keyring[1 : depth + 1]))
            self.keys[key] = placed
            self.declared.add((character, id_))
            self.initial[placed] = self._start(key)
            self.tables.update(_tables(placed))

    def _fill(self, world: Storyworld, id_: str, depth: int) -> None:
        """Give every owner of a property a value or a table, as the editor does."""
        for character in world.characters:
            place = (character.id, (id_,))
            if (character.id, id_) not in self.declared:
                continue
            if depth:
                self.tables.add(place)
            else:
                self.initial.setdefault(place, 0.0)

    def _start(self, key: Key) -> float:
        if key in self._ranges.initial:
            return self._ranges.initial[key]
        character, keyring = key
        prefix = Variable(character, keyring[:-1])
        return UNSET if len(keyring) > 1 and self._ranges.sources(prefix)[0] else 0.0


def _main_depth(prop: Property, shapes: Mapping[Shape, list[Key]]) -> int:
    """The depth of the group that keeps the property's own id."""
    depths = sorted(shape for shape in shapes if isinstance(shape, int))
    if prop.depth in shapes or not depths:
        return prop.depth
    return depths[0]


def _tables(key: Key) -> Iterator[Key]:
    character, keyring = key
    return ((character, keyring[:n]) for n in range(1, len(keyring)))
