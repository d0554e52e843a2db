"""What must be kept of a state of play so that nothing that can still happen is lost.

Two states on the same page that agree on everything *live* there offer the same options, run the same reactions,
enter the same pages, and agree again on what is live on those: equality of the live parts is a bisimulation. Live on a
page is what a gate of its options or the desirability of one of several reactions reads, what an effect on something
live reads, and what is live on a page that may follow; wild selection reads the flags of its spools, the seen flags,
acceptabilities and desirabilities of their members. An assignment that surely happens ends the life of its target
before it. This is the least fixpoint of the strong (faint-variable) liveness equations (Nielson, Nielson & Hankin,
"Principles of Program Analysis", 2.1). Nothing reads the turn; texts read variables but never change play, so they
are left out.

Numbers compare after -0.0 became 0.0 and every NaN the same NaN: no operator divides, takes a sign or prints a number,
so operands that differ in such a way give results that differ in such a way, and comparisons, truth and "changed
something" are blind to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.model import Effect, Key, SetNumber, Spool, Storyworld
from narrative_dag.storyworld.script import (
    Constant,
    Event,
    Expression,
    Operation,
    SpoolStatus,
    Variable,
    is_number,
    truthy,
)

Part = tuple[str, Key | str | int | tuple[int, int] | tuple[int, int, int]]
"""A part of the state: ("number", key), ("spool", id), ("seen", encounter), ("option", ...) or ("reaction", ...)."""


_Transfer = tuple[int, bool, int]
"""An effect: the bit that it changes (0: none), whether it surely does, the bits that it reads."""


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What is live on one page: variables, spool ids, and positions of history flags, each in a fixed order."""

    numbers: tuple[Key, ...] = ()
    spools: tuple[str, ...] = ()
    seen: tuple[int, ...] = ()
    options: tuple[tuple[int, int], ...] = ()
    reactions: tuple[tuple[int, int, int], ...] = ()


def possible_keys(engine: Engine) -> tuple[Key, ...]:
    """Every variable that can ever have a value: the initial ones in order, then those that only effects create."""
    keys = dict.fromkeys(engine.world.initial)
    for _, _, option in engine.world.options():
        for reaction in option.reactions:
            for effect in reaction.effects:
                if isinstance(effect, SetNumber):
                    key = written_key(engine, effect)
                    if key is not None:
                        keys[key] = None
    return tuple(keys)


def written_key(engine: Engine, effect: SetNumber) -> Key | None:
    """The variable that an assignment writes; None where it writes nothing."""
    key = (effect.target.character, effect.target.keyring)
    return engine.write_key(key) if engine.official else key


def read_chain(engine: Engine, key: Key, possible: Mapping[Key, object]) -> tuple[Key, ...]:
    """The variables whose first present one a keyring reads, in order; all absent reads 0, or null (official)."""
    if engine.official:
        found = engine.read_key(key)
        return (found,) if found is not None and found in possible else ()
    chain = []
    for prefix in engine.prefixes(key):
        if prefix in possible:
            chain.append(prefix)
            if prefix in engine.world.initial:
                break
    return tuple(chain)


def never_true(gate: Expression) -> bool:
    """Whether a gate is the constant false (or 0, or "")."""
    return isinstance(gate, Constant) and not truthy(gate.value)


class Liveness:
    """The live parts of each page of a storyworld.

    Args:
        engine: the storyworld with its lookups.
        reduce: False keeps every part that play can change on every page: the reference for proofs by test.
    """

    def __init__(self, engine: Engine, reduce: bool = True) -> None:
        self.engine = engine
        self.world: Storyworld = engine.world
        self.keys = possible_keys(engine)
        self._possible = dict.fromkeys(self.keys)
        self._bits: dict[Part, int] = {}
        self._variables: dict[Variable, int] = {}
        self.masks: list[int] = [0] * len(self.world.encounters)
        self.wild = 0
        if reduce:
            self._solve()
        else:
            everything = 0
            for part in self._all_parts():
                everything |= self._bit(part)
            self.masks = [everything] * len(self.masks)
            self.wild = everything

    @cached_property
    def parts(self) -> tuple[LiveParts, ...]:
        """The live parts by encounter position."""
        listed = list(self._bits)
        cache: dict[int, LiveParts] = {}
        return tuple(cache.setdefault(mask, _parts(listed, mask)) for mask in self.masks)

    def live(self, encounter: int, part: Part) -> bool:
        """Whether a part is live on a page."""
        bit = self._bits.get(part)
        return bit is not None and bool(self.masks[encounter] & bit)

    def decided(self, encounter: int, option: int, reaction: int, effect: int) -> bool:
        """Whether the live parts on a page say if an effect changes something when its reaction runs."""
        effects = self.world.encounters[encounter].options[option].reactions[reaction].effects
        wanted = effects[effect]
        if isinstance(wanted, SetNumber):
            needed = self._reads(wanted.target) | self._reads(wanted.value)
        else:
            needed = self._bit(("spool", wanted.spool)) | self._reads(wanted.value)
        needed = _before([self._transfer(earlier) for earlier in reversed(effects[:effect])], needed)
        return needed & ~self._bit(("seen", encounter)) & ~self.masks[encounter] == 0

    def read_later(self, effect: Effect) -> bool:
        """Whether what an effect changes is live on any page or read by wild selection."""
        if isinstance(effect, SetNumber):
            key = written_key(self.engine, effect)
            if key is None:
                return False
            bit = self._bits.get(("number", key), 0)
        else:
            bit = self._bits.get(("spool", effect.spool), 0)
        return bool(bit & self.wild) or any(mask & bit for mask in self.masks)

    def _bit(self, part: Part) -> int:
        bit = self._bits.get(part)
        if bit is None:
            bit = self._bits[part] = 1 << len(self._bits)
        return bit

    def _all_parts(self) -> Iterable[Part]:
        yield from (("number", key) for key in self.keys)
        yield from (("spool", spool.id) for spool in self.world.spools)
        for e, encounter in enumerate(self.world.encounters):
            yield ("seen", e)
            for o, option in enumerate(encounter.options):
                yield ("option", (e, o))
                yield from (("reaction", (e, o, r)) for r in range(len(option.reactions)))

    def _reads(self, tree: Expression) -> int:
        """The parts that evaluating a script may look at."""
        if isinstance(tree, Constant):
            return 0
        if isinstance(tree, Operation):
            mask = 0
            for operand in tree.operands:
                if not isinstance(operand, Constant):
                    mask |= self._reads(operand)
            return mask
        if isinstance(tree, Variable):
            known = self._variables.get(tree)
            if known is None:
                known = 0
                for key in read_chain(self.engine, (tree.character, tree.keyring), self._possible):
                    known |= self._bit(("number", key))
                self._variables[tree] = known
            return known
        if isinstance(tree, SpoolStatus):
            return self._bit(("spool", tree.spool))
        return self._event(tree)

    def _event(self, event: Event) -> int:
        """The history flags of an event; what was chosen inside a part has entered and chosen that part."""
        if event.encounter is None or not 0 <= event.encounter < len(self.world.encounters):
            return 0
        mask = 0
        if event.reaction is not None:
            mask |= self._bit(("reaction", event.reaction))
        if event.option is not None and (event.reaction is None or event.reaction[:2] != event.option):
            mask |= self._bit(("option", event.option))
        if event.encounter not in [part[0] for part in (event.option, event.reaction) if part is not None]:
            mask |= self._bit(("seen", event.encounter))
        return mask

    def _transfer(self, effect: Effect) -> "_Transfer":
        """The parts that an effect changes and reads, and whether it surely changes."""
        if isinstance(effect, SetNumber):
            key = written_key(self.engine, effect)
            if key is None:
                return 0, False, 0
            return self._bit(("number", key)), self._surely_number(effect.value), self._reads(effect.value)
        certain = isinstance(effect.value, Constant) and isinstance(effect.value.value, bool)
        return self._bit(("spool", effect.spool)), certain, self._reads(effect.value)

    def _surely_number(self, tree: Expression) -> bool:
        if isinstance(tree, Constant):
            return is_number(tree.value)
        if isinstance(tree, Variable):
            return not self.engine.official or self.engine.read_key((tree.character, tree.keyring)) is not None
        if not isinstance(tree, Operation):
            return False
        match tree.operator:
            case "Arithmetic Mean" | "Desideratum":
                return True
            case "Maximum of" | "Minimum of":
                return any(self._surely_number(operand) for operand in tree.operands)
            case "Nudge" | "Blend" | "Absolute Value" | "Arithmetic Negation" | "Addition" | "Subtraction":
                return all(self._surely_number(operand) for operand in tree.operands)
        return False

    def _selection(self) -> tuple[int, tuple[int, ...]]:
        """What wild selection itself reads, and the encounters that it may enter."""
        opened = {
            effect.spool
            for _, _, option in self.world.options()
            for reaction in option.reactions
            for effect in reaction.effects
            if not isinstance(effect, SetNumber)
        }
        mask, members = 0, dict[int, None]()
        for spool in self._selectable_spools(opened):
            entered = [e for e in spool.members if not never_true(self.world.encounters[e].acceptability)]
            if entered:
                mask |= self._bit(("spool", spool.id))
            members |= dict.fromkeys(entered)
        for e in members:
            encounter = self.world.encounters[e]
            mask |= self._bit(("seen", e)) | self._reads(encounter.acceptability) | self._reads(encounter.desirability)
        return mask, tuple(members)

    def _selectable_spools(self, opened: set[str]) -> list[Spool]:
        return [spool for spool in self.world.spools if spool.starts_active or spool.id in opened]

    def _solve(self) -> None:
        selection, members = self._selection()
        encounters = self.world.encounters
        entering = [~self._bit(("seen", e)) for e in range(len(encounters))]
        gates = [0] * len(encounters)
        moves: list[tuple[int, int | None, tuple[Part, ...], tuple[_Transfer, ...]]] = []
        for e, encounter in enumerate(encounters):
            for o, option in enumerate(encounter.options):
                gates[e] |= self._reads(option.visibility)
                if never_true(option.visibility):
                    continue
                gates[e] |= self._reads(option.performability)
                if never_true(option.performability):
                    continue
                if not option.reactions:
                    moves.append((e, None, (("option", (e, o)),), ()))
                for r, reaction in enumerate(option.reactions):
                    if len(option.reactions) > 1:
                        gates[e] |= self._reads(reaction.desirability)
                    transfers = tuple([self._transfer(effect) for effect in reversed(reaction.effects)])
                    marked: tuple[Part, ...] = (("option", (e, o)), ("reaction", (e, o, r)))
                    moves.append((e, reaction.consequence, marked, transfers))
        # every script was read: a part without a bit is read by nothing
        bits = self._bits
        flows = [(e, to, ~sum(bits.get(part, 0) for part in marked), steps) for e, to, marked, steps in moves]
        flows.reverse()
        masks = [gate & keep for gate, keep in zip(gates, entering, strict=True)]
        wild = selection
        changed = True
        while changed:
            changed = False
            reached = wild
            for e in members:
                reached |= masks[e]
            if reached != wild:
                wild, changed = reached, True
            for e, consequence, kept, transfers in flows:
                after = (wild if consequence is None else masks[consequence]) & kept
                joined = masks[e] | (_before(transfers, after) & entering[e])
                if joined != masks[e]:
                    masks[e], changed = joined, True
        self.masks, self.wild = masks, wild


def _before(transfers: Iterable[_Transfer], after: int) -> int:
    """What is live before effects, given what is live after them; the last effect comes first."""
    for target, certain, reads in transfers:
        if after & target:
            after = (after & ~target if certain else after) | reads
    return after


def _parts(listed: list[Part], mask: int) -> LiveParts:
    """The parts of a mask, sorted by kind."""
    kinds: dict[str, list[Any]] = {"number": [], "spool": [], "seen": [], "option": [], "reaction": []}
    while mask:
        low = mask & -mask
        kind, what = listed[low.bit_length() - 1]
        kinds[kind].append(what)
        mask ^= low
    numbers, spools, seen, options, reactions = (tuple(found) for found in kinds.values())
    return LiveParts(numbers, spools, seen, options, reactions)
