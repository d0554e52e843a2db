"""Compiles a storyworld to a program: the records, the scripts, and what can be decided before play."""

import numpy as np

from narrative_dag.storyworld.model import Option, Reaction, Storyworld
from narrative_dag.storyworld.simulator import layout, nodes
from narrative_dag.storyworld.simulator.effects import EffectScripts
from narrative_dag.storyworld.simulator.nodes import CONST, NUMBER, Node, Typing
from narrative_dag.storyworld.simulator.places import Places
from narrative_dag.storyworld.simulator.program import Program
from narrative_dag.storyworld.simulator.references import ALWAYS, References
from narrative_dag.storyworld.simulator.scripts import SCRATCH, SPOOL, Scripts, number_bits

Member = tuple[int, int, int, int]
"""Record of a member of a spool, see `layout`."""


def compile_world(world: Storyworld, storyworld_id: str = "") -> Program:
    """The program of a storyworld, in either mode.

    Raises:
        StoryworldError: the storyworld is too large, or a script uses an operator without instructions.
    """
    return _Compiler(world).program(storyworld_id)


class _Compiler:
    def __init__(self, world: Storyworld) -> None:
        self.world = world
        self._place_records()
        self.places = Places(world, self.scripts)
        self.typing = Typing(self.places.read, self.places.event, self.places.spool)
        self.references = References(self.typing, self.scripts)
        self.effects = EffectScripts(self.places, self.typing, self.scripts)

    def _place_records(self) -> None:
        encounters = self.world.encounters
        options = sum([len(encounter.options) for encounter in encounters])
        reactions = sum([len(option.reactions) for encounter in encounters for option in encounter.options])
        self.encounter_records = layout.HEADER
        self.option_records = self.encounter_records + layout.E_STRIDE * len(encounters)
        self.reaction_records = self.option_records + layout.O_STRIDE * options
        self.code = [0] * (self.reaction_records + layout.R_STRIDE * reactions)
        self.scripts = Scripts(self.code)
        self.counts = (options, reactions)

    def _reaction(self, reaction: Reaction, record: int, position: int, number: int, first_effect: int) -> None:
        code = self.code
        code[record + layout.R_POSITION] = position
        code[record + layout.R_EFFECTS] = self.effects.write(reaction.effects) if reaction.effects else 0
        code[record + layout.R_EFFECT_COUNT] = len(reaction.effects)
        code[record + layout.R_NEXT] = 0 if reaction.consequence is None else reaction.consequence + 1
        code[record + layout.R_FLAG] = SCRATCH
        code[record + layout.R_NUMBER] = number
        code[record + layout.R_FIRST_EFFECT] = first_effect

    def _option(self, option: Option, record: int, reactions: int) -> bool:
        """Write an option's record, given its reactions'; whether it is always open."""
        code = self.code
        code[record + layout.O_VISIBLE] = visible = self.references.gate(option.visibility)
        code[record + layout.O_PERFORMABLE] = performable = self.references.gate(option.performability)
        code[record + layout.O_FLAG] = SCRATCH
        if option.reactions:
            self._outcome(option, record, reactions)
        return visible == performable == ALWAYS

    def _outcome(self, option: Option, record: int, reactions: int) -> None:
        """Which reactions compete: a constant desirability only if no other constant beats it."""
        code = self.code
        best, found = -1.0, 0
        competing: list[tuple[int, Node]] = []
        if len(option.reactions) > 1:
            for r, reaction in enumerate(option.reactions):
                node = self.typing.node(reaction.desirability)
                if node[1] != CONST:
                    if node[0] & NUMBER:
                        competing.append((r, node))
                elif node[0] == NUMBER and node[2] > best:
                    best, found = node[2], r
        if not competing:
            code[record + layout.O_REACTION] = reactions + layout.R_STRIDE * found
            return
        if best > -1.0:
            competing.append((found, nodes.constant(best)))
            competing.sort(key=lambda pair: pair[0])
        pairs: list[int] = []
        for r, node in competing:
            pairs += (self.references.value(node), reactions + layout.R_STRIDE * r)
        code[record + layout.O_REACTION] = reactions
        code[record + layout.O_CANDIDATES] = len(competing)
        code[record + layout.O_LIST] = len(code)
        code.extend(pairs)

    def _encounters(self) -> tuple[int, int, int]:
        """Write all encounters; effects in all, room for a list of options and the most effects of a reaction."""
        code = self.code
        option_number = reaction_number = effect_number = longest = 0
        widest = layout.LEAST_ROOM
        for e, encounter in enumerate(self.world.encounters):
            record = self.encounter_records + layout.E_STRIDE * e
            code[record + layout.E_OPTIONS] = len(encounter.options)
            code[record + layout.E_FIRST] = self.option_records + layout.O_STRIDE * option_number
            code[record + layout.E_FIRST_OPTION] = option_number
            always = len(encounter.options) > 0
            widest = max(widest, len(encounter.options))
            for option in encounter.options:
                first = self.reaction_records + layout.R_STRIDE * reaction_number
                for r, reaction in enumerate(option.reactions):
                    at = first + layout.R_STRIDE * r
                    self._reaction(reaction, at, r, reaction_number, effect_number)
                    effect_number += len(reaction.effects)
                    longest = max(longest, len(reaction.effects))
                    reaction_number += 1
                always &= self._option(option, self.option_records + layout.O_STRIDE * option_number, first)
                option_number += 1
            code[record + layout.E_OPEN] = int(always)
        return effect_number, widest, longest

    def _members(
        self,
    ) -> "tuple[list[tuple[int, int, int, int]], list[tuple[int, int, int, int]], list[int], list[int]]":
        """Members of constant desirability, best first, and the others, as records; and the spool of each."""
        known: dict[int, tuple[int, Node, int]] = {}
        ranked: list[tuple[float, int, int, int, int, int]] = []
        scored: list[Member] = []
        scored_spools: list[int] = []
        place = 0
        for s, spool in enumerate(self.world.spools):
            for e in spool.members:
                place += 1
                if e not in known:
                    encounter = self.world.encounters[e]
                    node = self.typing.node(encounter.desirability)
                    useless = not node[0] & NUMBER or (node[1] == CONST and not node[2] > -1.0)
                    acceptable = 0 if useless else self.references.gate(encounter.acceptability)
                    known[e] = (acceptable, node, self.references.value(node) if acceptable else 0)
                acceptable, node, value = known[e]
                if not acceptable:
                    continue
                if node[1] == CONST:
                    ranked.append((-node[2], place, s, e, acceptable, value))
                else:
                    scored.append((e, acceptable, value, place))
                    scored_spools.append(s)
        ranked.sort()
        first = [(e, acceptable, value, place) for _, place, _, e, acceptable, value in ranked]
        return first, scored, [s for _, _, s, _, _, _ in ranked], scored_spools

    def program(self, storyworld_id: str) -> Program:
        world, code, scripts = self.world, self.code, self.scripts
        effects, widest, longest = self._encounters()
        ranked, scored, ranked_spools, scored_spools = self._members()
        ranked_words = (len(ranked) + 63) // 64
        words = ranked_words + (len(scored) + 63) // 64
        bits = [*range(len(ranked)), *range(64 * ranked_words, 64 * ranked_words + len(scored))]
        masks = [0] * (words * len(world.spools))
        memberships: dict[int, list[int]] = {}
        for bit, member, s in zip(bits, ranked + scored, ranked_spools + scored_spools, strict=True):
            masks[s * words + (bit >> 6)] |= 1 << (bit & 63)
            memberships.setdefault(member[0], []).append(bit)
        header = {layout.C_RANKED: len(code), layout.C_SCORED: len(code) + layout.M_STRIDE * len(ranked)}
        for member in ranked + scored:
            code.extend(member)
        for e, listed in memberships.items():
            record = self.encounter_records + layout.E_STRIDE * e
            code[record + layout.E_MEMBERSHIPS] = len(listed)
            code[record + layout.E_BITS] = len(code)
            code.extend(listed)
        header[layout.C_SPOOLS] = len(code)
        code.extend([self.places.spools[spool.id] for spool in world.spools])
        for place, flag in self.places.history.items():
            self._keep(place, flag)

        spools = self.places.seen + len(world.encounters)
        history = spools + len(self.places.spools)
        unseen = history + len(self.places.history)
        performable = unseen + 2 * words
        visible = performable + widest
        changes = visible + widest
        width = changes + longest
        constants = width + len(masks)
        temporaries = constants + len(scripts.constants)
        header |= {
            layout.F_WIDTH: width,
            layout.F_WORDS: temporaries + scripts.temporaries,
            layout.F_SPOOLS: spools,
            layout.F_SEEN: self.places.seen,
            layout.F_UNSEEN: unseen,
            layout.F_ACTIVE: unseen + words,
            layout.F_MASKS: width,
            layout.F_PERFORMABLE: performable,
            layout.F_VISIBLE: visible,
            layout.F_CHANGES: changes,
            layout.N_RANKED_WORDS: ranked_words,
            layout.N_WORDS: words,
            layout.N_SPOOLS: len(world.spools),
            layout.C_ENCOUNTERS: self.encounter_records,
            layout.N_ENCOUNTERS: len(world.encounters),
            layout.OPENING: int(not self.places.official),
            layout.N_OPTIONS: self.counts[0],
            layout.N_REACTIONS: self.counts[1],
            layout.N_EFFECTS: effects,
        }
        for at, word in header.items():
            code[at] = word

        frame = [0] * (temporaries + scripts.temporaries)
        frame[layout.PAGE] = frame[layout.OPTION] = frame[layout.REACTION] = -1
        frame[layout.SCALARS : layout.SCALARS + self.places.initial] = map(number_bits, world.initial.values())
        frame[width:temporaries] = masks + scripts.constants
        for bit in bits:
            frame[unseen + (bit >> 6)] |= 1 << (bit & 63)
        started = {spool.id for spool in world.spools if spool.starts_active}
        for s, spool in enumerate(world.spools):
            if spool.id in started:
                frame[spools + self.places.spools[spool.id] - SPOOL] = 1
                for w in range(words):
                    frame[unseen + words + w] |= masks[s * words + w]
        return Program(
            world=world,
            storyworld_id=storyworld_id,
            code=scripts.placed(temporaries, constants, spools, history),
            frame=np.array([word & _WORD for word in frame], dtype=np.uint64).view(np.int64),
            keys=tuple(self.places.slots),
            initial_count=self.places.initial,
            spools=tuple(self.places.spools),
            history=tuple(self.places.history),
            variables=layout.SCALARS,
            presence=self.places.presence,
            seen_flags=self.places.seen,
            spool_flags=spools,
            history_flags=history,
            performable=performable,
            visible=visible,
            changes=changes,
            width=width,
        )

    def _keep(self, place: tuple[int, ...], flag: int) -> None:
        """Have the record of an option or a reaction set its history flag."""
        record = self.encounter_records + layout.E_STRIDE * place[0]
        option = self.code[record + layout.E_FIRST] + layout.O_STRIDE * place[1]
        if len(place) == 2:
            self.code[option + layout.O_FLAG] = flag
        else:
            first = self.reaction_records + layout.R_STRIDE * self._reactions_before(place)
            self.code[first + layout.R_FLAG] = flag

    def _reactions_before(self, place: tuple[int, ...]) -> int:
        encounters = self.world.encounters
        before = sum([len(option.reactions) for e in encounters[: place[0]] for option in e.options])
        return before + sum([len(o.reactions) for o in encounters[place[0]].options[: place[1]]]) + place[2]


_WORD = (1 << 64) - 1
