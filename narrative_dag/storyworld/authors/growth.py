"""Growing a world: pages written one after another, each for the plays that arrive at it.

The pages of an act stand on levels; choices lead from a level to the next one, so that direct consequences never turn
back. Wild selection is asked for in three places: at a turn, where one act closes its spool and opens the next one's;
at a detour, where side stories and hidden pages can come between before the page that the detour leads to; and before
the endings. Each of them finds a page that no condition keeps shut: every play ends on an ending.

Every gate is drawn on the rows that arrive and splits them; every choice is made by some of them; a page that wild
selection shall find is only added when some of them find it, with an urgency and a condition that change nothing for
plays that came by before. So every page, choice, reaction and gate has its witness.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from narrative_dag.storyworld.authors import lexicon
from narrative_dag.storyworld.authors.changes import Changes
from narrative_dag.storyworld.authors.gates import Gates
from narrative_dag.storyworld.authors.plan import Plan
from narrative_dag.storyworld.authors.planted import PlantedMotif
from narrative_dag.storyworld.authors.prose import Prose
from narrative_dag.storyworld.authors.threads import Thread, schedule
from narrative_dag.storyworld.authors.witnesses import Change, Gate, Rows, Witnesses

Document = dict[str, Any]
Pick = tuple[int, float]
"""A row that makes a choice, and the thread that it goes on as."""

Moved = tuple[int, Rows]
"""An option, and rows that chose it."""

POPULATION = 48
"""Rows that are kept of those that arrive at one page."""


@dataclass(slots=True)
class Reaction:
    """A reaction in the making; `wins` are the rows for which it happens, None: all."""

    changes: list[Change]
    wins: Gate | None = None


@dataclass(slots=True)
class Option:
    """An option in the making; `leads` is a page, None for wild selection."""

    gate: Gate | None
    reactions: list[Reaction]
    leads: "Page | None"
    flag: int | None = None


@dataclass(slots=True)
class Page:
    """A page in the making: its part of the document, and for wild selection its spool, condition, urgency and flag."""

    document: Document
    people: tuple[str, str]
    ending: bool = False
    node: int = -1
    options: list[Option] = field(default_factory=list)
    spool: int | None = None
    when: Gate | None = None
    urgency: float = 0.0
    flag: int | None = None

    @property
    def id(self) -> str:
        """The encounter's id."""
        return str(self.document["id"])


@dataclass(frozen=True, slots=True)
class GateWitness:
    """Two plays, as positions of options: one stands where a gate is open, the other where it is shut."""

    encounter: str
    option: int
    opened: tuple[int, ...]
    shut: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class World:
    """A grown world: the draft's document, its motifs, and who saw it.

    `nodes`, `gate_nodes` and `motif_nodes` stand for plays in the tree of choices of `witnesses`.
    """

    document: Document
    motifs: tuple[PlantedMotif, ...]
    witnesses: Witnesses
    nodes: dict[str, int]
    gate_nodes: tuple[tuple[str, int, int, int], ...]
    motif_nodes: tuple[int, ...]

    @property
    def plays(self) -> dict[str, tuple[int, ...]]:
        """For each encounter the choices of a play that comes to stand on it."""
        return {name: self.witnesses.choices(node) for name, node in self.nodes.items()}

    @property
    def motif_plays(self) -> dict[str, tuple[int, ...]]:
        """For each motif, by its id, the choices of a play that makes all of its choices."""
        pairs = zip(self.motifs, self.motif_nodes, strict=True)
        return {motif.id: self.witnesses.choices(node) for motif, node in pairs}

    @property
    def gates(self) -> list[GateWitness]:
        """For each gate of an option two plays, one that finds it open and one that finds it shut."""
        choices = self.witnesses.choices
        return [GateWitness(e, o, choices(opened), choices(shut)) for e, o, opened, shut in self.gate_nodes]


class Growth:
    """One world in the making: what is common to its pages.

    Args:
        plan: what it will be like.
        style: the style's name.
        theme: a key of `lexicon.THEMES`.
        quality: in [0, 1]; the share of the gates that are written.
        random: every draw.
    """

    def __init__(self, plan: Plan, style: str, theme: str, quality: float, random: Random) -> None:
        self.plan, self.style, self.theme, self.quality, self.random = plan, style, theme, quality, random
        self.prose = Prose(random, theme, large=plan.pages > 12)
        self.witnesses = Witnesses([n.start for n in plan.numbers], [s == 0 for s in range(len(plan.spools))])
        self.gates = Gates(plan, self.witnesses, random, self.prose)
        self.changes = Changes(plan, self.gates, random, self.prose)
        self.threads: list[Thread] = schedule(plan, style, random)
        self.pages: list[Page] = []
        self.side: list[list[Page]] = [[] for _ in plan.spools]
        self.endings = 0
        self.level = 0
        self.first_nodes: dict[int, int] = {}
        self._gates: list[tuple[str, int, int, int]] = []
        self._hidden_places = {s: self.prose.place() for s in range(plan.acts, len(plan.spools))}

    def page(self, spool: int | None = None, ending: bool = False) -> Page:
        """A new page without text."""
        self.endings += ending
        number = self.endings if ending else len(self.pages) + 1 - self.endings
        document: Document = {"id": f"end{number}" if ending else f"e{number}"}
        document["spool"] = [] if spool is None else self.plan.spools[spool]
        made = Page(document, self.people(), ending, spool=spool)
        self.pages.append(made)
        return made

    def arrive(self, page: Page, rows: Rows) -> None:
        """Note the first row that stands on a page."""
        if page.node < 0:
            page.node = int(rows[0, self.witnesses.node])

    def people(self) -> tuple[str, str]:
        """Two of the cast, the first one of all more often than others."""
        cast = self.plan.cast
        a = cast[0] if self.random.random() < 0.5 else self.random.choice(cast)
        b = self.random.choice(cast)
        while b == a:
            b = self.random.choice(cast)
        return a, b

    def describe(self, page: Page, told: str = "") -> None:
        """Give a page its text, and its condition and urgency where it has any."""
        write = self.prose.closing if page.ending else self.prose.scene
        page.document["text"] = write(*page.people, told)
        if page.when is not None:
            page.document["when"] = page.when.text
        if page.spool is not None and page.urgency:
            page.document["urgency"] = repr(page.urgency)

    def switch(self, spool: int, active: bool) -> Change:
        """The effect that opens or closes a spool."""
        column = self.witnesses.spool(spool)

        def run(rows: Rows) -> None:
            rows[:, column] = float(active)

        told = ""
        if spool >= self.plan.acts:
            told = f"the way to the {self._hidden_places[spool]} {'opens' if active else 'closes'}"
        return Change(f"{'open' if active else 'close'} {self.plan.spools[spool]}", run, told)

    def note_gate(self, page: Page, option: int, gate: Gate, rows: Rows) -> None:
        """Remember two rows, one that finds the gate open and one that finds it shut."""
        opened = gate.test(rows)
        nodes = rows[:, self.witnesses.node]
        self._gates.append((page.id, option, int(nodes[opened.argmax()]), int(nodes[opened.argmin()])))

    def walk(self, page: Page, rows: Rows, picks: Sequence[Sequence[Pick]]) -> list[Moved]:
        """Send rows through a page's options: the rows after each reaction's effects."""
        found: list[Moved] = []
        rows = self.witnesses.widened(rows)
        for o, option in enumerate(page.options):
            if not picks[o]:
                continue
            chosen = self.witnesses.choose(rows, [row for row, _ in picks[o]], o)
            chosen[:, self.witnesses.thread] = [thread for _, thread in picks[o]]
            self.first_nodes[o] = int(chosen[0, self.witnesses.node])
            parts = [(option.reactions[0], chosen)]
            if len(option.reactions) > 1:
                gate = option.reactions[0].wins
                assert gate is not None
                first = gate.test(chosen)
                parts = [(option.reactions[0], chosen[first]), (option.reactions[1], chosen[~first])]
            for reaction, part in parts:
                if not len(part):
                    continue
                for change in reaction.changes:
                    change.run(part)
                    if change.column is not None:
                        self.witnesses.moved(part, change.column)
                if option.flag is not None:
                    part[:, option.flag] = 1.0
                part[:, self.witnesses.turn] += 1
                found.append((o, part))
        return found

    def select(self, rows: Rows) -> tuple[list[tuple[Page, Rows]], Rows]:
        """Wild selection among side stories and hidden pages: where rows go, and the rows that find none."""
        rows = self.witnesses.widened(rows)
        best = np.full(len(rows), -1.0)
        where = np.full(len(rows), -1)
        pages: list[Page] = []
        for spool, members in enumerate(self.side):
            active = rows[:, self.witnesses.spool(spool)] > 0 if members else None
            if active is None or not active.any():
                continue
            for page in members:
                assert page.flag is not None
                open_to = active & (rows[:, page.flag] == 0) & (page.urgency > best)
                if page.when is not None:
                    open_to &= page.when.test(rows)
                best[open_to] = page.urgency
                where[open_to] = len(pages)
                pages.append(page)
        gone = []
        for i, page in enumerate(pages):
            part = rows[where == i]
            if len(part):
                part[:, page.flag] = 1.0
                gone.append((page, part))
        return gone, rows[where == -1]

    def finished(self) -> World:
        """The world as it was grown."""
        numbers: Document = {name: {} for name in self.plan.cast}
        for number in self.plan.numbers:
            values = numbers[number.owner]
            if number.other is None:
                values[number.name] = number.start
            else:
                values.setdefault(number.name, {})[number.other] = number.start
        a, b = self.plan.cast[0], self.plan.cast[1]
        document: Document = {
            "theme": self.theme,
            "title": self.prose.title(a, b, lexicon.TITLES),
            "characters": numbers,
            "spools": {name: s == 0 for s, name in enumerate(self.plan.spools)},
            "encounters": [page.document for page in self.pages],
        }
        if len(self.plan.spools) == 1:
            for page in self.pages:
                if page.spool is not None:
                    del page.document["spool"]
        kept = [thread for thread in self.threads if thread.arc is not None and len(thread.made) > 1]
        return World(
            document=document,
            motifs=tuple(thread.record(i + 1) for i, thread in enumerate(kept)),
            witnesses=self.witnesses,
            nodes={page.id: page.node for page in self.pages},
            gate_nodes=tuple(self._gates),
            motif_nodes=tuple(thread.node for thread in kept),
        )


def reaction_document(reaction: Reaction, text: str, leads: Page | None, weight: str | None) -> Document:
    """A reaction's part of the document."""
    document: Document = {"text": text}
    if weight is not None:
        document["weight"] = weight
    if reaction.changes:
        document["do"] = [change.text for change in reaction.changes]
    if leads is not None:
        document["to"] = leads.id
    return document
