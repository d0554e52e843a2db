"""Effects: which numbers a reaction moves, in which way and by how much."""

from collections.abc import Callable, Collection
from random import Random

from narrative_dag.storyworld.authors import words
from narrative_dag.storyworld.authors.arcs import FEELINGS, Move
from narrative_dag.storyworld.authors.gates import Gates, number_text, weighted
from narrative_dag.storyworld.authors.plan import Number, Plan
from narrative_dag.storyworld.authors.prose import Prose
from narrative_dag.storyworld.authors.witnesses import Change, Rows, approach, assign, blend, nudge, reverse

_ATTEMPTS = 5


class Changes:
    """Draws the effects of one world.

    Numbers that were moved rest until a gate could have read them: an effect prefers numbers that no effect moved yet,
    or not for as many levels as the horizon.
    """

    def __init__(self, plan: Plan, gates: Gates, random: Random, prose: Prose) -> None:
        self.plan, self.gates, self.random, self.prose = plan, gates, random, prose
        self._last: dict[int, int] = {}
        self._fresh = [number.column for number in plan.numbers]
        random.shuffle(self._fresh)
        self._owned: dict[str, list[Number]] = {}
        self._named: dict[str, list[Number]] = {}
        for number in plan.numbers:
            self._owned.setdefault(number.owner, []).append(number)
            self._named.setdefault(number.name, []).append(number)

    def draw(self, people: Collection[str]) -> Change:
        """An effect in the style's manner, rather on a number of one of these people."""
        number = self._target(people)
        verb = weighted(self.random, dict(self.plan.habits.verbs))
        if verb in ("blend", "approach"):
            other = self._other(number)
            if other is not None:
                return self.blended(number, other) if verb == "blend" else self.approached(number, other)
            verb = "nudge"
        if verb == "set":
            return self.settled(number)
        if verb == "reverse":
            return self._change(number, f"reverse {number.text}", reverse(number.column), self._told(number, "turned"))
        return self.nudged(number, self.random.random() < 0.55)

    @property
    def behind(self) -> bool:
        """Whether more numbers wait to be moved than there is story left for."""
        left = 1 - self.gates.level / sum(self.plan.levels)
        return len(self._fresh) > left * len(self.plan.numbers)

    def of(self, move: Move, roles: dict[str, str]) -> tuple[Change, Number]:
        """The effect of an arc's move, and the number that it moves."""
        number = self.number(roles[move.owner], move.feeling, roles[move.about])
        return self.nudged(number, move.up, least=0.3), number

    def number(self, owner: str, feeling: str, about: str) -> Number:
        """The number that stands for a feeling of someone about another."""
        for name in FEELINGS[feeling]:
            for other in (about, None):
                found = self.plan.at.get((owner, name, other))
                if found is not None:
                    return found
        own = self._owned.get(owner)
        return own[0] if own else self.plan.numbers[0]

    def nudged(self, number: Number, up: bool, least: float = 0.0) -> Change:
        """A nudge up or down."""
        low, high = self.plan.habits.sizes
        size = round(self.random.uniform(max(low, least), max(high, least + 0.1)), 2)
        told = f"{number.told} {self.prose.pick(words.DIRECTIONS['up' if up else 'down'])}"
        if size < 0.25:
            told += " a little"
        elif size > 0.5:
            told += " sharply"
        signed = size if up else -size
        return self._change(number, f"nudge {number.text} {number_text(signed)}", nudge(number.column, signed), told)

    def settled(self, number: Number) -> Change:
        """A number set to a constant."""
        value = self.random.choice((-0.6, -0.4, -0.2, 0.2, 0.4, 0.6))
        level = ("a high level" if value > 0 else "a low ebb") if abs(value) > 0.3 else "a middling level"
        told = self._told(number, "settled").format(level=level)
        return self._change(number, f"set {number.text} {number_text(value)}", assign(number.column, value), told)

    def blended(self, number: Number, other: Number) -> Change:
        """A number mixed with another."""
        weight = round(self.random.uniform(-0.6, 0.6), 1) + 0.0
        text = f"blend {number.text} {other.text} {number_text(weight)}"
        told = f"{self._told(number, 'mixed')} {other.beside(number)}"
        return self._change(number, text, blend(number.column, other.column, weight), told)

    def approached(self, number: Number, other: Number) -> Change:
        """A number drawn towards another."""
        text = f"approach {number.text} {other.text}"
        told = f"{self._told(number, 'towards')} {other.beside(number)}"
        return self._change(number, text, approach(number.column, other.column), told)

    def _change(self, number: Number, text: str, run: Callable[[Rows], None], told: str) -> Change:
        self._last[number.column] = self.gates.level
        self.gates.moved(number.column)
        return Change(text, run, told, number.column)

    def _told(self, number: Number, how: str) -> str:
        return f"{number.told} {self.prose.pick(words.DIRECTIONS[how])}"

    def _target(self, people: Collection[str]) -> Number:
        if self.plan.masks and self.random.random() < 0.4 * self.plan.habits.deception:
            return self.random.choice(self.random.choice(self.plan.masks))
        if self._fresh and self.random.random() < (0.95 if self.behind else 0.7):
            latest = range(len(self._fresh) - 1, max(-1, len(self._fresh) - 1 - 2 * _ATTEMPTS), -1)
            theirs = (at for at in latest if self.plan.numbers[self._fresh[at]].owner in people)
            return self.plan.numbers[self._fresh.pop(next(theirs, -1))]
        number = self._of(people)
        for _ in range(_ATTEMPTS):
            last = self._last.get(number.column)
            if last is None or last == self.gates.level or self.gates.level - last >= self.plan.habits.horizon:
                break
            number = self._of(people)
        return number

    def _of(self, people: Collection[str]) -> Number:
        """Any number, rather one of these people's."""
        number = self.random.choice(self.plan.numbers)
        return number if number.owner in people else self.random.choice(self.plan.numbers)

    def _other(self, number: Number) -> Number | None:
        """Another number to mix with: another one's of the same kind, or one of the same owner."""
        owned, named = self._owned[number.owner], self._named[number.name]
        found = named if len(named) > 1 and self.random.random() < 0.5 else owned
        if len(found) < 2:
            return None
        other = self.gates.unread(found)
        while other is number:
            other = self.random.choice(found)
        self.gates.read.add(other.column)
        return other
