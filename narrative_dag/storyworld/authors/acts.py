"""Acts: pages level by level, turns between acts, detours to side stories, and the endings."""

from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from narrative_dag.storyworld.authors.config import AuthorConfig
from narrative_dag.storyworld.authors.gates import joined, remembered, sequence, splits
from narrative_dag.storyworld.authors.growth import POPULATION, Growth, Page, World
from narrative_dag.storyworld.authors.plan import plan
from narrative_dag.storyworld.authors.scenes import Scenes, Stage
from narrative_dag.storyworld.authors.witnesses import NO_THREAD, Gate, Mask, Rows

_FIRST, _SIDE, _HIDDEN, _SECRET, _DETOUR, _CASCADE, _LAST = 0.98, 0.74, 0.62, 0.52, 0.5, 0.4, -0.2
"""Urgencies. The first page comes before all, then side stories, the latest one first, then hidden pages, then hidden
endings, so that rows for which one of these was written come there. The page that a detour leads to is next, before
what an act opened with and the endings; the page without a condition is last."""

_CROWD = 4 * POPULATION
"""Rows that are kept of those that come to a turn or to the endings."""

Arrivals = dict[int, tuple[Page, list[Rows]]]


def grow(config: AuthorConfig, style: str, theme: str, quality: float, random: Random) -> World:
    """Grow one world.

    Args:
        config: sizes and knobs.
        style: a key of `config.HABITS`.
        theme: a key of `lexicon.THEMES`.
        quality: in [0, 1].
        random: every draw; the same state gives the same world.
    """
    return _Acts(Growth(plan(config, style, random), style, theme, quality, random)).world()


class _Acts:
    def __init__(self, growth: Growth) -> None:
        self.growth, self.plan, self.random = growth, growth.plan, growth.random
        self.scenes = Scenes(growth)
        self.left = sum(self.plan.levels)
        self.stories = 0

    def world(self) -> World:
        growth = self.growth
        first = growth.page(spool=0)
        first.urgency = _FIRST
        growth.describe(first)
        current: Arrivals = {id(first): (first, [growth.witnesses.start()])}
        last_act = len(self.plan.levels) - 1
        for act, levels in enumerate(self.plan.levels):
            for level in range(levels):
                turning: list[Rows] = []
                current = self._level(act, current, turning, level == levels - 1, act == last_act)
            if act < last_act:
                current = self._turn(act, turning)
            else:
                self._endings(turning)
        return growth.finished()

    def _level(self, act: int, current: Arrivals, turning: list[Rows], last: bool, final: bool) -> Arrivals:
        """Write the pages of a level; the rows that arrive on the next one, or in `turning` at an act's last."""
        growth, found = self.growth, Arrivals()
        growth.gates.level = growth.level
        # two choices or more for each page, so that the plays that arrive differ
        width = min(self._width(), len(current) + 1)
        slots: list[Page | None] = [None] * width
        begins: dict[int, list[int]] = {}
        for thread in growth.threads:
            if thread.next == 0 and thread.due(growth.level):
                begins.setdefault(self.random.choice(list(current)), []).append(thread.index)
        turns = ((act, False), (act + 1, True)) if last and self.plan.acts > 1 else ()
        detours = set()
        if not last and self.random.random() < 0.2 + 0.6 * self.plan.habits.coupling and width > 1:
            detours = {self.random.choice(list(current))}
            width -= 1
        turn = iter(range(10**9))
        for key, (page, arrivals) in current.items():
            rows = growth.witnesses.gather(arrivals, POPULATION, self.random)
            here = {int(index) for index in rows[:, growth.witnesses.thread] if index >= 0} | set(begins.get(key, ()))
            due = [t for t in growth.threads if t.index in here and t.due(growth.level)]

            def leads(harmless: bool) -> Page | None:
                if not harmless and self._early():
                    ending = growth.page(ending=True)
                    growth.describe(ending)
                    return ending
                if last:
                    return None
                at = next(turn) % width
                slot = slots[at]
                if slot is None:
                    slot = slots[at] = growth.page()
                    growth.describe(slot)
                return slot

            stage = Stage(leads, turns, detour=key in detours, final=last and final, due=due)
            moved, detour = self.scenes.write(page, rows, stage)
            aside = [part for o, part in moved if o == detour]
            if detour is not None:
                self._arrive(found, self._detour(act, page, detour, np.concatenate(aside)))
            for o, part in moved:
                if o == detour:
                    continue
                if (to := page.options[o].leads) is None:
                    turning.append(part)
                elif to.ending:
                    growth.arrive(to, part)
                else:
                    self._arrive(found, [(to, part)])
        growth.level += 1
        self.left -= 1
        return found

    def _width(self) -> int:
        """Pages of the next level, so that all levels together come to what was planned."""
        hidden = (
            len(self.plan.spools) - self.plan.acts - sum(bool(pages) for pages in self.growth.side[self.plan.acts :])
        )
        room = self.plan.pages - len(self.growth.pages) - hidden - max(0, self.plan.endings - self.growth.endings)
        return max(1, round(room / max(1, self.left - 1) + self.random.uniform(-0.5, 0.5)))

    def _early(self) -> bool:
        """Whether an option ends the story here."""
        growth = self.growth
        spare = self.plan.endings - growth.endings - sum(t.arc is None and t.opens is None for t in growth.threads)
        return growth.level > 0 and spare > 2 and self.random.random() < self.plan.habits.early

    def _arrive(self, found: Arrivals, arrivals: Sequence[tuple[Page, Rows]]) -> None:
        for page, rows in arrivals:
            found.setdefault(id(page), (page, []))[1].append(rows)

    def _detour(self, act: int, page: Page, option: int, rows: Rows) -> list[tuple[Page, Rows]]:
        """Wild selection on the way: side stories come between, then the page that the detour leads to."""
        growth = self.growth
        flag = page.options[option].flag
        assert flag is not None
        event = remembered(flag, f"seen({page.id},{option})", f"the way from {page.id}", False, growth.prose)
        room = self.plan.pages - len(growth.pages) - self.plan.endings - self.left
        if self.random.random() < self.plan.habits.coupling and room > 0:
            gate = growth.gates.draw(rows)
            if gate is not None:
                self.stories += 1
                side = self._between_page(act, _SIDE + 0.0002 * self.stories)
                side.when = joined(event, Gate(_grouped(gate.text), gate.test, gate.told), "and")
                growth.describe(side, gate.told)
        ready = self._between([rows])
        target = growth.page(spool=act)
        target.when, target.urgency = event, _DETOUR
        growth.describe(target)
        return [(target, ready)]

    def _between_page(self, spool: int, urgency: float, ending: bool = False) -> Page:
        """A page that wild selection prefers while its spool is active."""
        page = self.growth.page(spool=spool, ending=ending)
        page.urgency = round(urgency, 4)
        page.flag = self.growth.witnesses.flag()
        self.growth.side[spool].append(page)
        return page

    def _between(self, waiting: list[Rows], final: bool = False) -> Rows:
        """Let rows through side stories and hidden pages until no such page is open to any of them."""
        growth = self.growth
        ready: list[Rows] = []
        while waiting:
            rows = growth.witnesses.gather(waiting, _CROWD, self.random)
            waiting = []
            self._reveal(rows, final)
            gone, rest = growth.select(rows)
            if len(rest):
                ready.append(rest)
            for page, part in gone:
                growth.arrive(page, part)
                if page.ending:
                    continue
                part = growth.witnesses.gather([part], POPULATION, self.random)
                if page.options:
                    moved = self.scenes.rejoin(page, part)
                else:
                    moved, _ = self.scenes.write(page, part, Stage(lambda harmless: None, aside=True))
                waiting += [after for _, after in moved]
        return growth.witnesses.gather(ready, _CROWD, self.random)

    def _reveal(self, rows: Rows, final: bool) -> None:
        """Write what waits in hidden spools that some rows have opened: side stories, before the endings also endings.

        A hidden ending leaves rows to the other endings; side stories switch no spools, so that those rows stay.
        """
        growth, witnesses = self.growth, self.growth.witnesses
        for spool in range(self.plan.acts, len(self.plan.spools)):
            inside = rows[:, witnesses.spool(spool)] > 0
            if growth.side[spool] or not inside.any():
                continue
            spare = final and self.plan.endings - growth.endings > 2
            taken = self._taken(rows)
            ends = growth.style == "tokien" and spare and bool((inside & ~taken).any() and (~inside & ~taken).any())
            order = 0.01 * (spool - self.plan.acts)
            hidden = self._between_page(spool, _SECRET - order / 10 if ends else _HIDDEN + order, ending=ends)
            growth.describe(hidden)
            self.scenes.open_hidden.append(spool)
            for thread in growth.threads:
                if thread.opens == spool:
                    rows[rows[:, witnesses.thread] == thread.index, witnesses.thread] = NO_THREAD

    def _taken(self, rows: Rows) -> Mask:
        """The rows that a hidden ending takes."""
        found = np.zeros(len(rows), dtype=bool)
        for spool, pages in enumerate(self.growth.side):
            if any(page.ending for page in pages):
                found |= rows[:, self.growth.witnesses.spool(spool)] > 0
        return found

    def _turn(self, act: int, turning: list[Rows]) -> Arrivals:
        """From one act to the next: its openings, of which the rows' numbers choose."""
        ready = self._between(turning)
        found = Arrivals()
        self._arrive(found, self._cascade(ready, self._width(), [], lambda: self.growth.page(spool=act + 1)))
        return found

    def _endings(self, turning: list[Rows]) -> None:
        """The endings: secret ones first, the one without a condition last."""
        growth = self.growth
        ready = self._between(turning, final=True)
        secrets = [
            sequence([(c.flag, c.text, c.told) for c in thread.made])
            for thread in growth.threads
            if thread.arc is None and thread.opens is None and thread.made
        ]
        count = max(2, self.plan.endings - growth.endings)
        spool = self.plan.acts - 1
        for page, rows in self._cascade(ready, count, secrets, lambda: growth.page(spool=spool, ending=True)):
            growth.arrive(page, rows)

    def _cascade(
        self, rows: Rows, count: int, asked: Sequence[Gate], make: Callable[[], Page]
    ) -> list[tuple[Page, Rows]]:
        """Pages of falling urgency, each with a condition that splits the rows that no page before took."""
        growth, found = self.growth, []
        gates = [gate for gate in asked if splits(gate, rows)]
        for i in range(max(count, len(gates) + 1) - 1):
            gate = gates[i] if i < len(gates) else self._apart(rows, count - i)
            if gate is None or not splits(gate, rows):
                continue
            page = make()
            page.when, page.urgency = gate, round(_CASCADE - 0.01 * i, 2)
            growth.describe(page, gate.told)
            taken = gate.test(rows)
            found.append((page, rows[taken]))
            rows = rows[~taken]
        page = make()
        page.urgency = _LAST
        growth.describe(page)
        return [*found, (page, rows)]

    def _apart(self, rows: Rows, parts: int) -> Gate | None:
        """A gate that takes about its part of the rows; one of the last choices where numbers do not differ."""
        wanted = len(rows) / parts
        drawn = [gate for _ in range(3) if (gate := self.growth.gates.draw(rows)) is not None]
        if drawn:
            return min(drawn, key=lambda gate: abs(int(gate.test(rows).sum()) - wanted))
        for column, text, told in self.scenes.finals:
            gate = remembered(column, text, told, False, self.growth.prose)
            if column < rows.shape[1] and splits(gate, rows):
                return gate
        return None


def _grouped(text: str) -> str:
    """A condition as an operand of `and`."""
    return f"({text})" if " or " in text else text
