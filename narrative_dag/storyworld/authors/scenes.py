"""Scenes: what the player can do on a page, drawn for the rows that arrive there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from narrative_dag.storyworld.authors import words
from narrative_dag.storyworld.authors.gates import (
    compared,
    remembered,
    sequence,
    splits,
    weighted,
)
from narrative_dag.storyworld.authors.growth import (
    POPULATION,
    Document,
    Growth,
    Moved,
    Option,
    Page,
    Pick,
    Reaction,
    reaction_document,
)
from narrative_dag.storyworld.authors.threads import Choice, Thread
from narrative_dag.storyworld.authors.witnesses import NO_THREAD, Change, Gate, Rows, split

_FEWEST = 3
"""Rows that make each choice, where as many can."""

_SPARE = 3
"""Effects that may be drawn in vain for one reaction."""


@dataclass(slots=True)
class Stage:
    """Where a page's options lead.

    Attributes:
        leads: the page for an option's position and whether the option must stay harmless for threads; None: wild
            selection.
        turns: the spools that every option opens and closes.
        detour: whether one option leads to wild selection on the way.
        final: whether every option is remembered, for the endings.
        aside: whether it is a page between: its choices open and close nothing.
        due: the threads with a step on this page.
    """

    leads: Callable[[bool], Page | None]
    turns: tuple[tuple[int, bool], ...] = ()
    detour: bool = False
    final: bool = False
    aside: bool = False
    due: Sequence[Thread] = field(default_factory=tuple)


class Scenes:
    """Writes the options of pages."""

    def __init__(self, growth: Growth) -> None:
        self.growth = growth
        self.plan, self.random, self.prose = growth.plan, growth.random, growth.prose
        self._columns = {number.text: number.column for number in growth.plan.numbers}
        self.open_hidden: list[int] = []
        self.finals: list[tuple[int, str, str]] = []

    def write(self, page: Page, rows: Rows, stage: Stage) -> tuple[list[Moved], int | None]:
        """Give a page its options and send the rows through; the rows after each choice, and the detour's position."""
        growth, habits = self.growth, self.plan.habits
        growth.arrive(page, rows)
        count = max(self.random.randint(*habits.options), len(stage.due) + 1)
        order = self.random.sample(range(count), count)
        free, duties = order[0], dict(zip(order[1:], stage.due, strict=False))
        detour = self.random.choice([o for o in range(count) if o not in duties]) if stage.detour else None
        told = self.prose.place()
        picks: list[list[Pick]] = []
        safe: list[int] = []
        parts: list[Document] = []
        for o in range(count):
            duty = duties.get(o)
            option = Option(self._gate(rows, duty, o == free), [], None)
            mask = option.gate.test(rows) if option.gate is not None else np.ones(len(rows), dtype=bool)
            if option.gate is not None:
                growth.note_gate(page, o, option.gate, rows)
            able = np.flatnonzero(mask).tolist()
            share = max(_FEWEST, POPULATION // count)
            picked = self.random.sample(able, share) if len(able) > share else able
            picks.append([(row, NO_THREAD) for row in picked])
            harmless = o in (free, detour)
            if duty is None:
                parts.append(self._option(page, o, option, rows[picked], stage, harmless, o == detour))
                if harmless:
                    safe.append(o)
            else:
                parts.append(self._duty(page, o, option, duty, stage))
            remember = o == detour or stage.final or (habits.gates["past"] > 0 and self.random.random() < 0.3)
            if option.flag is None and remember:
                option.flag = growth.witnesses.flag()
                noun = f"what was done at the {told}" if o % 2 else f"the hour at the {told}"
                memory = (option.flag, f"seen({page.id},{o})", noun)
                growth.gates.past.append(memory)
                if stage.final:
                    self.finals.append(memory)
            page.options.append(option)
        page.document["options"] = parts
        self._lead(rows, picks, duties, safe, page)
        moved = growth.walk(page, rows, picks)
        for o, thread in duties.items():
            # the thread's own row comes last
            thread.node = growth.first_nodes[o] + len(picks[o]) - 1
        return moved, detour

    def rejoin(self, page: Page, rows: Rows) -> list[Moved]:
        """Send rows through a page that was written before."""
        picks: list[list[Pick]] = []
        for option in page.options:
            able = np.flatnonzero(option.gate.test(rows)).tolist() if option.gate is not None else range(len(rows))
            most = POPULATION // len(page.options)
            picks.append([(row, NO_THREAD) for row in (self.random.sample(able, most) if len(able) > most else able)])
        free = next(o for o, option in enumerate(page.options) if option.gate is None)
        for row in np.flatnonzero(rows[:, self.growth.witnesses.thread] >= 0).tolist():
            picks[free].append((row, float(rows[row, self.growth.witnesses.thread])))
        return self.growth.walk(page, rows, picks)

    def _lead(
        self, rows: Rows, picks: list[list[Pick]], duties: dict[int, Thread], safe: list[int], page: Page
    ) -> None:
        """Send the rows on a thread to the thread's choice, and begin the threads that begin here."""
        places = {thread.index: o for o, thread in duties.items()}
        begun = {thread.index for thread in duties.values() if thread.next == 1}
        column = rows[:, self.growth.witnesses.thread]
        for row in np.flatnonzero(column >= 0).tolist():
            index = int(column[row])
            o = places.get(index)
            if o is None:
                able = [s for s in safe if (gate := page.options[s].gate) is None or gate.test(rows[row : row + 1])[0]]
                o = self.random.choice(able)
            done = o in duties and self._done(duties[o])
            picks[o].append((row, NO_THREAD if done else float(index)))
        for o, thread in duties.items():
            if thread.index in begun and not self._done(thread):
                row = self.random.choice(picks[o])[0]
                picks[o].append((row, float(thread.index)))

    @staticmethod
    def _done(thread: Thread) -> bool:
        """Whether nothing waits for a thread any more: a motif whose steps are all written."""
        return thread.arc is not None and thread.next == len(thread.levels)

    def _gate(self, rows: Rows, duty: Thread | None, free: bool) -> Gate | None:
        """The gate of an option; None for the one that is always open."""
        growth = self.growth
        if free:
            return None
        if duty is not None and duty.next > 0:
            gate = self._step_gate(rows, duty)
            return gate if gate is not None and splits(gate, rows) else None
        if duty is not None and duty.opens is None:
            return None
        if duty is None and self.random.random() > self.plan.habits.gated * (0.3 + 0.7 * growth.quality):
            return None
        return growth.gates.draw(rows)

    def _step_gate(self, rows: Rows, thread: Thread) -> Gate | None:
        """What a later step of a thread asks for: the number that the step before moved, or the choices before."""
        if thread.arc is None:
            if thread.opens is None or not thread.last:
                return None
            return sequence([(c.flag, c.text, c.told) for c in thread.made])
        if thread.step.reads and thread.moved is not None:
            number, up = thread.moved
            mine = rows[rows[:, self.growth.witnesses.thread] == thread.index]
            if len(mine):
                own = float(mine[0, number.column])
                values = rows[:, number.column]
                others = values[values < own - 0.02] if up else values[values > own + 0.02]
                if len(others):
                    limit = split(np.array([own, others.max() if up else others.min()]), 0.5)
                    if limit is not None:
                        return compared(number, ">" if up else "<", limit, self.prose)
        before = thread.made[-1]
        return remembered(before.flag, before.text, before.told, False, self.prose)

    def _duty(self, page: Page, o: int, option: Option, thread: Thread, stage: Stage) -> Document:
        """An option that is a step of a thread."""
        growth = self.growth
        option.leads = stage.leads(True)
        option.flag = growth.witnesses.flag()
        changes: list[Change] = []
        if thread.arc is None:
            a, b = page.people
            patterns: Sequence[str] = words.DEEDS
            noun = f"what {b} saw at the {self.prose.place()}"
            changes.append(growth.changes.draw((a, b)))
            if thread.opens is not None and thread.last:
                changes.append(growth.switch(thread.opens, True))
        else:
            step = thread.step
            a, b = (thread.roles[role] for role in step.people)
            patterns, noun = step.deeds, step.told.format(**self.prose.slots(a, b))
            moved = [growth.changes.of(move, thread.roles) for move in step.moves]
            changes += list({change.column: change for change, _ in reversed(moved)}.values())[::-1]
        text = self.prose.deed(patterns, a, b, option.gate.told if option.gate else "")
        choice = Choice(page.id, o, option.flag, noun)
        growth.gates.past.append((choice.flag, choice.text, choice.told))
        if thread.arc is None:
            thread.made.append(choice)
        else:
            seen = option.gate is None or option.gate.text.startswith("seen(")
            thread.came_to_pass(choice, None if seen or option.gate is None else option.gate.text)
            thread.moved = (moved[0][1], step.moves[0].up)
        return self._document(option, text, [(changes, None, "", None)], stage)

    def _option(
        self, page: Page, o: int, option: Option, rows: Rows, stage: Stage, harmless: bool, detour: bool
    ) -> Document:
        """An option that no thread asks for."""
        growth, habits = self.growth, self.plan.habits
        a, b = page.people
        if self.random.random() < 0.3:
            b = self.random.choice([name for name in self.plan.cast if name != a])
        option.leads = None if detour else stage.leads(harmless)
        text = self.prose.deed(words.DEEDS, a, b, option.gate.told if option.gate else "")
        outcomes: list[tuple[list[Change], Gate | None, str, str | None]] = []
        choice = self._weights(rows) if self.random.random() < habits.second else None
        if choice is not None:
            wins, first, second = choice
            ours = wins.test(rows)
            outcomes.append((self._changes((a, b), rows[ours]), wins, wins.told, first))
            outcomes.append((self._changes((a, b), rows[~ours]), None, "", second))
        else:
            outcomes.append((self._changes((a, b), rows), None, "", None))
        if not harmless and not stage.aside and self.open_hidden and self.random.random() < 0.6 * habits.coupling:
            switch = growth.switch(self.random.choice(self.open_hidden), self.random.random() < 0.5)
            for changes, _, _, _ in outcomes:
                changes.append(switch)
        return self._document(option, text, outcomes, stage)

    def _changes(self, people: tuple[str, str], rows: Rows) -> list[Change]:
        """The effects of one reaction, each on another number and each changing some of the rows, which it changes."""
        low, high = self.plan.habits.effects
        count = self.random.randint(low, high) if self.random.random() < 0.3 + 0.7 * self.growth.quality else 1
        count += 2 * self.growth.changes.behind
        found: dict[int, Change] = {}
        for _ in range(count + _SPARE):
            change = self.growth.changes.draw(people)
            column = change.column
            if column is None or column in found:
                continue
            before = rows[:, column].copy()
            change.run(rows)
            if (rows[:, column] != before).any():
                found[column] = change
            if len(found) == count:
                break
        return list(found.values())

    def _weights(self, rows: Rows) -> tuple[Gate, str, str] | None:
        """Which rows the first of two reactions takes, and the weights of the two."""
        if len(rows) < 2:
            return None
        gates = self.growth.gates
        habits = self.plan.habits.gates
        kind = weighted(self.random, {"threshold": habits["threshold"], "conflict": habits["conflict"]})
        gate = gates.conflict(rows) if kind == "conflict" else gates.threshold(rows)
        if gate is None or not splits(gate, rows):
            return None
        left, sign, right = gate.text.split(" ")
        if sign == "<":
            left, right = right, left
        # the first reaction wins a tie
        x, y = (self._operand(side) for side in (left, right))
        wins = Gate(gate.text, lambda found: x(found) >= y(found), gate.told)
        return (wins, left, right) if splits(wins, rows) else None

    def _operand(self, text: str) -> Callable[[Rows], Rows]:
        column = self._columns.get(text)
        if column is not None:
            return lambda rows: rows[:, column]
        value = float(text)
        return lambda rows: np.full(len(rows), value)

    def _document(
        self,
        option: Option,
        text: str,
        outcomes: Sequence[tuple[list[Change], Gate | None, str, str | None]],
        stage: Stage,
    ) -> Document:
        turns = [self.growth.switch(spool, active) for spool, active in stage.turns]
        reactions = []
        for changes, wins, because, weight in outcomes:
            told = [change.told for change in changes if change.told] or ["nothing changes"]
            reaction = Reaction([*changes, *turns], wins)
            option.reactions.append(reaction)
            reactions.append(reaction_document(reaction, self.prose.outcome(told, because), option.leads, weight))
        document: Document = {"text": text}
        if option.gate is not None:
            document["if"] = option.gate.text
        document["reactions"] = reactions
        return document
