"""The plan of a grown world: its habits and sizes, its cast and their numbers, its acts and hidden spools."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from narrative_dag.storyworld.authors.config import ENDINGS, HABITS, AuthorConfig, Habits
from narrative_dag.storyworld.authors.prose import number_told, own_told
from narrative_dag.storyworld.authors.words import PEOPLE, PERCEIVED, PROPERTIES

_MOST_CAST = 24
_FEWEST_PERCEIVED = 8


@dataclass(frozen=True, slots=True)
class Number:
    """A variable: whose, which property, about whom; its column, its start and how it is written and told."""

    owner: str
    name: str
    other: str | None
    column: int
    start: float

    @property
    def text(self) -> str:
        """The variable in the language of drafts."""
        return f"{self.owner}.{self.name}" if self.other is None else f"{self.owner}.{self.name}[{self.other}]"

    @property
    def told(self) -> str:
        """The variable in words."""
        return number_told(self.owner, self.name, self.other)

    def beside(self, first: "Number") -> str:
        """The variable in words after another one: with a pronoun where both are numbers of one person's own."""
        if self.owner != first.owner or first.other is not None:
            return self.told
        return own_told(self.owner, self.name, self.other)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a world will be like.

    Attributes:
        numbers: every variable; `at` finds them by owner, property and perceived character.
        masks: (what one thinks of another, that other's own number) where the two were set apart on purpose.
        spools: names, acts first; `acts` of them are acts, the last one of several holds the endings.
        pages: encounters to aim at, of which `endings` are endings.
        levels: pages of each act on one play's way, side stories apart.
    """

    habits: Habits
    cast: tuple[str, ...]
    numbers: tuple[Number, ...]
    at: Mapping[tuple[str, str, str | None], Number]
    masks: tuple[tuple[Number, Number], ...]
    spools: tuple[str, ...]
    acts: int
    pages: int
    endings: int
    levels: tuple[int, ...]


def plan(config: AuthorConfig, style: str, random: Random) -> Plan:
    """Draw a plan."""
    habits = _chosen(HABITS[style], config)
    size = config.cast or _cast_size(config.variables, habits.cast)
    cast = tuple(random.sample(sorted(PEOPLE), size))
    numbers, masks = _numbers(config.variables, cast, habits, random)
    hidden = min(round((config.spools - 1) * habits.hidden), config.spools - 1)
    acts = config.spools - hidden
    usual = max(round(habits.pages * (8 + 0.11 * config.variables)), 3 * config.spools + 2)
    pages = config.encounters or usual
    endings = config.endings or min(24, ENDINGS + round(habits.endings * pages / 10))
    endings = max(ENDINGS, min(endings, pages // 3))
    scenes = max(2, pages - endings - hidden)
    told = max(1, acts - 1)
    steps = max(told, _steps(scenes, habits.width + 0.15 * habits.coupling))
    levels = tuple(steps * (k + 1) // told - steps * k // told for k in range(told))
    return Plan(
        habits=habits,
        cast=cast,
        numbers=numbers,
        at={(n.owner, n.name, n.other): n for n in numbers},
        masks=masks,
        spools=(*(f"act_{k + 1}" for k in range(acts)), *(f"hidden_{k + 1}" for k in range(hidden))),
        acts=acts,
        pages=pages,
        endings=endings,
        levels=levels,
    )


def _steps(scenes: int, width: float) -> int:
    """Levels for so many pages, where each level has one page more than the one before until it has its width."""
    steps, room = 2, 1 + min(2.0, width)
    while room + width / 2 < scenes:
        steps += 1
        room += min(steps, width)
    return steps


def _chosen(habits: Habits, config: AuthorConfig) -> Habits:
    """The habits with the knobs that the configuration sets."""
    if config.motif_density is not None:
        habits = replace(habits, motif_density=config.motif_density)
    if config.deception is not None:
        habits = replace(habits, deception=config.deception)
    if config.coupling is not None:
        habits = replace(habits, coupling=config.coupling)
    if config.horizon is not None:
        habits = replace(habits, horizon=config.horizon)
    # options that exploit a deception are as frequent as deceivers
    return replace(habits, gates={**habits.gates, "mask": 6 * habits.deception})


def _cast_size(variables: int, exponent: float) -> int:
    usual = round(math.pow(variables, exponent))
    return max(2, min(_MOST_CAST, usual, variables), math.ceil(variables / 40))


def _tenths(random: Random, low: int, high: int) -> float:
    return random.randint(low, high) / 10 + 0.0


def _numbers(
    variables: int, cast: tuple[str, ...], habits: Habits, random: Random
) -> tuple[tuple[Number, ...], tuple[tuple[Number, Number], ...]]:
    """Exactly so many variables: each one's own properties, and what they think of one another."""
    count = round(habits.perceived * variables) if variables >= _FEWEST_PERCEIVED else 0
    count = max(min(count, variables - len(cast)), variables - len(cast) * len(PROPERTIES))
    pairs = [(a, b) for a in cast for b in cast if a != b]
    random.shuffle(pairs)
    pairs.sort(key=lambda pair: cast[0] not in pair)
    views = list(PERCEIVED)
    about = [(views[i // len(pairs)], *pairs[i % len(pairs)]) for i in range(min(count, len(pairs) * len(views)))]
    own = variables - len(about)
    needed = [PERCEIVED[view][1] for view in dict.fromkeys(view for view, _, _ in about)]
    others = [name for name in PROPERTIES if name not in needed]
    random.shuffle(others)
    names = [*needed, *others]
    deceivers = {name for name in cast[1:] if random.random() < habits.deception}
    if habits.deception > 0.2 and not deceivers:
        deceivers = {cast[1]}
    judged = set(needed)
    numbers: list[Number] = []
    for i, owner in enumerate(cast):
        for name in names[: own // len(cast) + (i < own % len(cast))]:
            start = _tenths(random, -7, -3) if owner in deceivers and name in judged else _tenths(random, -4, 4)
            numbers.append(Number(owner, name, None, len(numbers), start))
        # everyone lists properties in one order, and people in the order of the cast
        for view, _, other in sorted(
            (p for p in about if p[1] == owner), key=lambda p: (views.index(p[0]), cast.index(p[2]))
        ):
            start = _tenths(random, 3, 7) if other in deceivers else _tenths(random, -3, 3)
            numbers.append(Number(owner, view, other, len(numbers), start))
    at = {(n.owner, n.name, n.other): n for n in numbers}
    masks = tuple(
        (n, at[n.other, PERCEIVED[n.name][1], None])
        for n in numbers
        if n.other in deceivers and (n.other, PERCEIVED[n.name][1], None) in at
    )
    return tuple(numbers), masks
