"""Gates: conditions drawn so that some of the plays that arrive find them open and others shut."""

from collections.abc import Sequence
from random import Random

import numpy as np

from narrative_dag.storyworld.authors import words
from narrative_dag.storyworld.authors.plan import Number, Plan
from narrative_dag.storyworld.authors.prose import Prose
from narrative_dag.storyworld.authors.witnesses import Gate, Mask, Rows, Witnesses, split
from narrative_dag.storyworld.draft.document import plain_number
from narrative_dag.storyworld.script import LIMIT

_CANDIDATES = 10
_FEW = 4
_ATTEMPTS = 4
_MIDDLE = 0.2
"""Size from which on a number is told as high or low."""

_FAMILIAR = 1.5
"""Levels that a number which something reads already counts as further from the horizon."""


def weighted(random: Random, weights: "dict[str, float] | Sequence[tuple[str, float]]") -> str:
    """A name drawn by its weight."""
    pairs = list(weights.items()) if isinstance(weights, dict) else list(weights)
    point = random.random() * sum(weight for _, weight in pairs)
    for name, weight in pairs:
        point -= weight
        if point < 0:
            return name
    return pairs[-1][0]


class Gates:
    """Draws the gates of one world.

    `level` is where the page stands that gates are drawn for, `past` the choices that gates can remember: flag column,
    text and how they are told. `read` are the numbers that something reads: the others are preferred.
    """

    def __init__(self, plan: Plan, witnesses: Witnesses, random: Random, prose: Prose) -> None:
        self.plan, self.witnesses, self.random, self.prose = plan, witnesses, random, prose
        self.level = 0
        self.read: set[int] = set()
        self.past: list[tuple[int, str, str]] = []
        self._live: dict[int, None] = {}
        self._moved: dict[int, list[int]] = {}
        self._rivals: dict[str, list[Number]] = {}
        for number in plan.numbers:
            if number.other is None:
                self._rivals.setdefault(number.owner, []).append(number)

    def moved(self, column: int) -> None:
        """Note that an effect moves a number."""
        self._live[column] = None
        self._moved.setdefault(self.level, []).append(column)

    def _candidates(self) -> list[int]:
        """Numbers that were moved about as long ago as the horizon says, and some others."""
        then = max(0, self.level - self.plan.habits.horizon)
        near = [c for level in (then, then + 1, then - 1) for c in self._moved.get(level, ())]
        found = dict.fromkeys(near[:_CANDIDATES])
        if len(found) < _FEW:
            others = list(self._live)
            found.update(dict.fromkeys(self.random.sample(others, min(_CANDIDATES // 2, len(others)))))
        return list(found)

    def draw(self, rows: Rows) -> Gate | None:
        """A gate in the style's manner that splits the rows; None where nothing does."""
        if len(rows) < 2:
            return None
        for _ in range(_ATTEMPTS):
            kind = weighted(self.random, dict(self.plan.habits.gates))
            gate = {
                "threshold": self.threshold,
                "conflict": self.conflict,
                "past": self.memory,
                "both": self.both,
                "mask": self.mask,
            }[kind](rows)
            if gate is not None and splits(gate, rows):
                return gate
        gate = self.threshold(rows)
        return gate if gate is not None and splits(gate, rows) else None

    def threshold(self, rows: Rows) -> Gate | None:
        """A number above or below a constant, one that changed about as long ago as the horizon says."""
        found = self._nearest(rows)
        return None if found is None else self.on(*found)

    def _nearest(self, rows: Rows, besides: Number | None = None) -> tuple[Number, Rows] | None:
        """The number among the candidates that fits the horizon best and differs between the rows, and its values."""
        if not self._live:
            return None
        columns = np.array(self._candidates())
        values = rows[:, columns]
        varied = np.ptp(values, axis=0) > 0.04
        if besides is not None:
            varied &= columns != besides.column
        if not varied.any():
            return None
        when = rows[:, self.witnesses.variables + columns]
        ages = (rows[:, self.witnesses.turn][:, None] - when).sum(axis=0, where=when > 0)
        ages = ages / np.maximum((when > 0).sum(axis=0), 1)
        known = np.array([column in self.read for column in columns.tolist()])
        distance = np.abs(ages - self.plan.habits.horizon) + np.where(varied, known * _FAMILIAR, np.inf)
        at = int(distance.argmin())
        return self.plan.numbers[int(columns[at])], values[:, at]

    def on(self, number: Number, values: Rows) -> Gate | None:
        """A threshold on one number that splits its values."""
        limit = split(values, self.random.uniform(0.25, 0.75))
        if limit is None:
            return None
        self.read.add(number.column)
        return compared(number, ">" if self.random.random() < 0.6 else "<", limit, self.prose)

    def conflict(self, rows: Rows) -> Gate | None:
        """One of someone's numbers above another of theirs."""
        if not self._live:
            return None
        candidates = self._candidates()
        for _ in range(_CANDIDATES):
            first = self.plan.numbers[self.random.choice(candidates)]
            rivals = self._rivals.get(first.owner, ())
            if len(rivals) < 2:
                continue
            near = [n for n in rivals if n is not first and n.column in candidates]
            second = self.random.choice(near) if near else self.unread(rivals)
            if self.random.random() < 0.5:
                first, second = second, first
            above = rows[:, first.column] > rows[:, second.column]
            if above.any() and not above.all():
                self.read.update((first.column, second.column))
                return outweighs(first, second, self.prose)
        return None

    def unread(self, numbers: Sequence[Number]) -> Number:
        """One of some numbers, rather one that nothing reads."""
        for _ in range(_ATTEMPTS):
            number = self.random.choice(numbers)
            if number.column not in self.read:
                break
        return number

    def memory(self, rows: Rows) -> Gate | None:
        """A choice made, or not made, before: one about as long ago as the horizon, or longer."""
        known = [p for p in self.past if p[0] < rows.shape[1]]
        if not known:
            return None
        column, text, told = known[max(0, len(known) - 1 - self.random.randrange(3 * self.plan.habits.horizon))]
        return remembered(column, text, told, self.random.random() < 0.25, self.prose)

    def both(self, rows: Rows) -> Gate | None:
        """Two thresholds at once, or either of them."""
        one = self._nearest(rows)
        other = None if one is None else self._nearest(rows, besides=one[0])
        first = None if one is None else self.on(*one)
        second = None if other is None else self.on(*other)
        if first is None or second is None:
            return first
        return joined(first, second, "and" if self.random.random() < 0.6 else "or")

    def mask(self, rows: Rows) -> Gate | None:
        """What one thinks of a deceiver, far from what that one is."""
        if not self.plan.masks:
            return None
        seen, true = self.random.choice(self.plan.masks)
        near = closeness(rows, seen.column, true.column)
        limit = split(near, self.random.uniform(0.25, 0.75))
        if limit is None:
            return None
        told = self.prose.pick(words.CONDITIONS["mask"]).format(x=seen.told, y=true.told)
        return Gate(
            f"closeness({seen.text},{true.text}) < {number_text(limit)}",
            lambda found: closeness(found, seen.column, true.column) < limit,
            told,
        )


def closeness(rows: Rows, x: int, y: int) -> Rows:
    """SweepWeave's Desideratum on two columns."""
    return np.minimum(np.maximum(LIMIT - np.abs(rows[:, x] - rows[:, y]), -LIMIT), LIMIT)


def number_text(value: float) -> str:
    """The shortest text of a number, as drafts write it."""
    return repr(plain_number(value))


def splits(gate: Gate, rows: Rows) -> bool:
    """Whether some of the rows find the gate open and others shut."""
    opened = int(gate.test(rows).sum())
    return 0 < opened < len(rows)


def compared(number: Number, sign: str, limit: float, prose: Prose) -> Gate:
    """A number against a constant."""
    column = number.column
    where = "high" if limit >= _MIDDLE else "low" if limit <= -_MIDDLE else "middle"
    told = prose.pick(words.CONDITIONS[f"{sign} {where}"]).format(x=number.told)

    def above(rows: Rows) -> Mask:
        return np.asarray(rows[:, column] > limit)

    def below(rows: Rows) -> Mask:
        return np.asarray(rows[:, column] < limit)

    return Gate(f"{number.text} {sign} {number_text(limit)}", above if sign == ">" else below, told)


def outweighs(first: Number, second: Number, prose: Prose) -> Gate:
    """A number against another."""
    x, y = first.column, second.column
    told = prose.pick(words.CONDITIONS["conflict"]).format(x=first.told, y=second.beside(first))
    return Gate(f"{first.text} > {second.text}", lambda rows: rows[:, x] > rows[:, y], told)


def remembered(column: int, text: str, told: str, negated: bool, prose: Prose) -> Gate:
    """A choice that was made, or was not; `text` is its `seen(...)`, `told` a noun for it."""
    words_for = prose.pick(words.CONDITIONS["unseen" if negated else "seen"]).format(x=told)
    if negated:
        return Gate(f"un{text}", lambda rows: rows[:, column] == 0, words_for)
    return Gate(text, lambda rows: rows[:, column] > 0, words_for)


def joined(first: Gate, second: Gate, word: str) -> Gate:
    """Two gates with `and` or `or` between them, told with one conjunction where both begin with one."""
    second_told = second.told
    if first.told.startswith(tuple(words.CONJUNCTIONS)):
        second_told = next((second_told.removeprefix(c) for c in words.CONJUNCTIONS if second_told.startswith(c)), "")
    text, told = f"{first.text} {word} {second.text}", f"{first.told} {word} {second_told or second.told}"
    if word == "and":
        return Gate(text, lambda rows: first.test(rows) & second.test(rows), told)
    return Gate(text, lambda rows: first.test(rows) | second.test(rows), told)


def sequence(choices: Sequence[tuple[int, str, str]]) -> Gate:
    """Several choices, all made: flag column, text and noun of each."""
    columns = [column for column, _, _ in choices]
    nouns = [told for _, _, told in choices]
    told = f"{', '.join(nouns[:-1])} and {nouns[-1]}" if len(nouns) > 1 else nouns[0]
    return Gate(
        " and ".join(text for _, text, _ in choices),
        lambda rows: np.asarray((rows[:, columns] > 0).all(axis=1)),
        f"after {told}",
    )
