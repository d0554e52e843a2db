"""Findings for an author, in words: what is wrong, where, why, and what to mend; the gravest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from narrative_dag.storyworld.explore.exploration import Exploration, Witness
from narrative_dag.storyworld.explore.gates import Gate, GateKind
from narrative_dag.storyworld.explore.graph import Loop
from narrative_dag.storyworld.explore.verdicts import Verdict
from narrative_dag.storyworld.explore.wording import SCRIPT, Words, cut
from narrative_dag.storyworld.script import Constant

WEIGHTS = {
    "no_first_page": 100,
    "never_ends": 95,
    "opens_on_ending": 90,
    "trap": 85,
    "dead_end": 80,
    "ending_unreachable": 75,
    "page_unreachable": 70,
    "option_never_visible": 60,
    "option_never_performable": 60,
    "the_end": 50,
    "reaction_never_runs": 40,
    "effect_never_changes": 30,
    "effect_unread": 25,
    "effect_without_consequence": 20,
    "gate_always_open": 15,
    "loop": 5,
}
"""How grave each kind of finding is."""

HEADINGS = {
    "no_first_page": "The story never begins",
    "never_ends": "The story never ends",
    "opens_on_ending": "The story opens on an ending",
    "trap": "Pages that play never leaves",
    "dead_end": "Pages on which play can get stuck",
    "ending_unreachable": "Endings that are not reached",
    "page_unreachable": "Pages that are not reached",
    "option_never_visible": "Options that are not seen",
    "option_never_performable": "Options that cannot be chosen",
    "the_end": "Play can run out of pages",
    "reaction_never_runs": "Reactions that do not run",
    "effect_never_changes": "Effects that change nothing",
    "effect_unread": "Changes that nothing reads",
    "effect_without_consequence": "Effects without a consequence",
    "gate_always_open": "Conditions that keep nobody out",
    "loop": "Pages that play can go round",
}
"""Each kind of finding in an author's words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an author would want to know.

    Attributes:
        kind: a key of `WEIGHTS`.
        proved: whether the search met every state, or the storyworld's scripts alone show it.
        where: the page, option, reaction or variable.
        what: what is the matter.
        why: the reason, as far as it is plain; "" otherwise.
        mend: what could be done.
        place: positions: encounter, option, reaction, effect, as many as the finding names.
        witness: a play that shows it.
    """

    kind: str
    proved: bool
    where: str
    what: str
    why: str
    mend: str
    place: tuple[int, ...] = ()
    witness: Witness | None = None

    @property
    def weight(self) -> int:
        """How grave it is, 0 to 100."""
        return WEIGHTS[self.kind]

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{self.where}: {self.what}{why}. {self.mend}."


def findings(explored: Exploration) -> tuple[Finding, ...]:
    """Everything that an author would want to know, the gravest first, then in file order."""
    found = list(_Findings(explored).all())
    return tuple(sorted(found, key=lambda finding: (-finding.weight, finding.place)))


class _Findings:
    def __init__(self, explored: Exploration) -> None:
        self.explored = explored
        self.world = explored.world
        self.words = Words(explored.world)
        self.verdicts = explored.verdicts
        self.gates = {(gate.kind, gate.encounter, gate.option): gate for gate in explored.gates}
        verdicts = self.verdicts
        places: list[tuple[tuple[int, ...], Verdict]] = [((e,), verdict) for e, verdict in verdicts.encounters.items()]
        places += [*verdicts.performable.items(), *verdicts.reactions.items()]
        self.never_met = {place: v is Verdict.UNREACHABLE for place, v in places if v is not Verdict.REACHED}
        states = f"{explored.graph.states} states"
        sample = explored.sample
        self.bound = f" in {states}" + (f" and {sample.plays} random plays" if sample else "")

    def never(self, verdict: Verdict, words: str) -> str:
        """`words` says that something never happens; a bound is added where that is not proved."""
        return words if verdict is Verdict.UNREACHABLE else f"{words}{self.bound} (not a proof)"

    def all(self) -> Iterator[Finding]:
        """Findings, in no order."""
        if self.explored.graph.encounter[0] < 0:
            yield Finding(
                "no_first_page",
                True,
                "the storyworld",
                "it ends before its first page",
                "no encounter of an active spool can be selected at the start",
                "Make an encounter of an active spool acceptable from the start",
            )
            return
        yield from self.opening()
        for e in range(len(self.world.encounters)):
            if self.verdicts.encounters[e] is not Verdict.REACHED:
                yield self.unreachable(e)
                continue
            yield from self.dead_ends(e)
            yield from self.acceptability(e)
            for o in range(len(self.world.encounters[e].options)):
                yield from self.option(e, o)
        yield from self.runs_out()
        yield from self.unread()
        for loop in self.explored.loops:
            yield self.loop(loop)

    def opening(self) -> Iterator[Finding]:
        """A story that is over at once or never."""
        graph = self.explored.graph
        first = int(graph.encounter[0])
        if not self.world.encounters[first].options:
            what = "the story opens on an ending"
            mend = "Lower its urgency, give it a condition, or give it options"
            yield Finding("opens_on_ending", True, self.words.page(first), what, "", mend, (first,))
        elif graph.trapped[0]:
            what = "no play ever ends"
            mend = "Give a page of every loop a way to an ending"
            yield Finding("never_ends", True, "the storyworld", what, "", mend)

    def unreachable(self, e: int) -> Finding:
        """A page that is not reached."""
        verdict = self.verdicts.encounters[e]
        ending = not self.world.encounters[e].options
        kind = "ending_unreachable" if ending else "page_unreachable"
        what = self.never(verdict, f"this {'ending' if ending else 'page'} is never reached")
        why, mend = self.why_unreachable(e)
        return Finding(kind, verdict is Verdict.UNREACHABLE, self.words.page(e), what, why, mend, (e,))

    def why_unreachable(self, e: int) -> tuple[str, str]:
        """Why a page is not reached, and what to mend."""
        ways = [
            key
            for key in self.explored.positions.reactions
            if self.world.encounters[key[0]].options[key[1]].reactions[key[2]].consequence == e
        ]
        direct = "no reaction leads to it"
        if ways:
            pages = self.words.pages(sorted({key[0] for key in ways}))
            direct = f"{len(ways)} reaction{'s lead' if len(ways) > 1 else ' leads'} to it (on {pages}), but none runs"
        spools = [spool for spool in self.world.spools if e in spool.members]
        selections = self.explored.selections
        if not spools:
            return f"{direct}, and it is in no spool", "Lead a reaction to it, or put it into a spool"
        names = ", ".join(spool.name for spool in spools)
        if selections.ran == 1 and not selections.considered[e]:
            return f"{direct}, and play selects a page by itself only at the start", "Lead a reaction to it"
        if not selections.considered[e]:
            return f"{direct}, and its spools ({names}) are not active when a page is selected", "Open its spool"
        gate = self.gates.get(("acceptability", e, None))
        if gate is not None and not gate.open:
            why = self.words.why_shut(gate.script, gate.ranges, self.never_met)
            return f"{direct}, and its condition never holds: {why}", "Loosen its condition, or raise what it reads"
        why = f"{direct}; it could be selected, but another page is always wanted more, or its urgency is -1 or less"
        return why, "Raise its urgency, or lower that of its rivals"

    def dead_ends(self, e: int) -> Iterator[Finding]:
        """Play that stops on a page that has options."""
        if not self.world.encounters[e].options:
            return
        mend = "Give the page an option that is always open, or loosen a gate"
        kinds: tuple[tuple[Literal["no_options", "blocked"], Mapping[int, Verdict], str], ...] = (
            ("no_options", self.verdicts.no_options, "play can stop here with no option visible"),
            ("blocked", self.verdicts.blocked, "play can stop here with no visible option that can be chosen"),
        )
        for kind, verdicts, what in kinds:
            if verdicts[e] is Verdict.REACHED:
                witness = self.explored.play_to_end(kind, e)
                yield Finding("dead_end", True, self.words.page(e), what, self.shut(e), mend, (e,), witness)

    def shut(self, e: int) -> str:
        """The gates of a page, in words."""
        shown = []
        for o, option in enumerate(self.world.encounters[e].options):
            scripts = [s for s in (option.visibility, option.performability) if s != Constant(True)]
            shown.append(f"option {o} needs {' and '.join(self.words.quoted(s) for s in scripts)}")
        return "; ".join(shown[:4]) + (f"; {len(shown) - 4} more" if len(shown) > 4 else "")

    def option(self, e: int, o: int) -> Iterator[Finding]:
        """An option that is never open, a gate that is never shut, and what the option does."""
        mend = "Loosen the gate, or raise what it reads on the way"
        checks: tuple[tuple[str, Mapping[tuple[int, int], Verdict], GateKind, str], ...] = (
            ("option_never_visible", self.verdicts.visible, "visibility", "it is never visible"),
            ("option_never_performable", self.verdicts.performable, "performability", "it can never be chosen"),
        )
        for kind, verdicts, gated, what in checks:
            verdict = verdicts[e, o]
            if verdict is not Verdict.REACHED:
                gate = self.gates.get((gated, e, o))
                why = self.words.why_shut(gate.script, gate.ranges, self.never_met) if gate else ""
                words = self.never(verdict, what)
                proved = verdict is Verdict.UNREACHABLE
                yield Finding(kind, proved, self.words.option(e, o), words, why, mend, (e, o))
                return
        for _, _, gated, _ in checks:
            gate = self.gates.get((gated, e, o))
            if gate is not None and gate.state == "always open":
                yield self.always_open(gate, self.words.option(e, o), (e, o))
        for r in range(len(self.world.encounters[e].options[o].reactions)):
            yield from self.reaction(e, o, r)

    def acceptability(self, e: int) -> Iterator[Finding]:
        """A condition that never keeps a page away."""
        gate = self.gates.get(("acceptability", e, None))
        if gate is not None and gate.state == "always open":
            yield self.always_open(gate, self.words.page(e), (e,))

    def always_open(self, gate: Gate, where: str, place: tuple[int, ...]) -> Finding:
        """A gate that keeps nobody out."""
        script = self.words.quoted(gate.script)
        verdict = Verdict.UNREACHABLE if gate.proved else Verdict.NOT_FOUND
        what = self.never(verdict, f"its {gate.kind} {script} is never false where it is tried")
        return Finding("gate_always_open", gate.proved, where, what, "", "Tighten the gate, or leave it out", place)

    def reaction(self, e: int, o: int, r: int) -> Iterator[Finding]:
        """A reaction that never runs, or its effects."""
        verdict = self.verdicts.reactions[e, o, r]
        where = self.words.reaction(e, o, r)
        reaction = self.world.encounters[e].options[o].reactions[r]
        if verdict is not Verdict.REACHED:
            why = f"its weight, {self.words.quoted(reaction.desirability)}, never beats that of the others"
            what = self.never(verdict, "it never runs")
            mend = "Raise its weight, or lower that of the others"
            yield Finding("reaction_never_runs", verdict is Verdict.UNREACHABLE, where, what, why, mend, (e, o, r))
            return
        for k, effect in enumerate(reaction.effects):
            if not self.explored.liveness.read_later(effect):
                continue
            words = f"its effect {cut(self.words.effect(effect), SCRIPT)}"
            changes = self.verdicts.effects[e, o, r, k]
            influence = self.explored.influences.get((e, o, r, k))
            if changes is not Verdict.REACHED:
                what = self.never(changes, f"{words} never changes anything")
                proved = changes is Verdict.UNREACHABLE
                mend = "Give it another value, or leave it out"
                yield Finding("effect_never_changes", proved, where, what, "", mend, (e, o, r, k))
            elif influence is not None and influence.plays and not influence.mattered:
                what = f"{words} made no difference later in {influence.plays} plays that were repeated without it"
                mend = "Let a gate or a weight that comes later depend on it"
                yield Finding("effect_without_consequence", False, where, what, "", mend, (e, o, r, k))

    def unread(self) -> Iterator[Finding]:
        """What effects change and nothing reads."""
        places: dict[str, list[tuple[int, int, int, int]]] = {}
        for key in self.explored.positions.effects:
            e, o, r, k = key
            effect = self.world.encounters[e].options[o].reactions[r].effects[k]
            if not self.explored.liveness.read_later(effect):
                places.setdefault(self.words.changed(effect), []).append(key)
        for name, keys in places.items():
            pages = self.words.pages(sorted({key[0] for key in keys}))
            count = f"{len(keys)} effects write" if len(keys) > 1 else "one effect writes"
            what = f"no gate, weight or selection in reach reads what {count}"
            mend = "Let a gate or a weight read it, or leave the effects out (texts that show it do not count)"
            yield Finding("effect_unread", True, name, f"{what} (on {pages})", "", mend, keys[0])

    def runs_out(self) -> Iterator[Finding]:
        """Play that ends because nothing can be selected."""
        if self.verdicts.the_end is Verdict.REACHED:
            what = "play can run out: no page can be selected, and the story stops without an ending"
            mend = "Add an ending that can always be selected, with a low urgency"
            witness = self.explored.play_to_end("the_end")
            yield Finding("the_end", True, "the storyworld", what, "", mend, (), witness)

    def loop(self, loop: Loop) -> Finding:
        """Pages between which play can go round."""
        alone = len(loop.encounters) == 1
        where = self.words.page(loop.encounters[0]) if alone else f"pages {self.words.pages(loop.encounters)}"
        witness = self.explored.play_to_state(loop.node)
        states = f"{loop.states} state{'s' * (loop.states > 1)}"
        if loop.escapes is False:
            mend = "Give the page a way out" if alone else "Give one of these pages a way out"
            what = f"play that comes here goes round for ever, in {states}"
            return Finding("trap", True, where, what, "no ending can be reached", mend, loop.encounters, witness)
        what = f"play can go round here as long as it likes, in {states}"
        why = "an ending can be reached" if loop.escapes else "the search did not look far enough to see an ending"
        return Finding("loop", True, where, what, why, "Nothing, if that is meant", loop.encounters, witness)
