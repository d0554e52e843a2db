"""Threads: what one play of the population is led along, so that it is known to be playable.

A thread goes over several levels. A motif's steps are choices of its arc. A secret's steps are choices that a hidden
spool's opening, or a secret ending, asks for in exactly that sequence.
"""

from dataclasses import dataclass, field
from random import Random

from narrative_dag.storyworld.authors.arcs import ARCS, ArcStep
from narrative_dag.storyworld.authors.plan import Number, Plan
from narrative_dag.storyworld.authors.planted import MotifPlace, MotifStage, PlantedMotif

_CROWDED = 3
_ATTEMPTS = 6
_MOST_MOTIFS = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice that a thread made: where, its flag column and how later pages tell it."""

    encounter: str
    option: int
    flag: int
    told: str

    @property
    def text(self) -> str:
        """The condition that it was made."""
        return f"seen({self.encounter},{self.option})"


@dataclass(slots=True)
class Thread:
    """A thread in the making.

    Attributes:
        index: its mark in the population.
        levels: where its steps are, one after another; `made` are those that were written.
        arc: a motif's kind, None for a secret.
        opens: the hidden spool that a secret's last step opens, None for a secret ending or a motif.
        roles: who a motif is about.
        node: the play that made its last choice so far.
    """

    index: int
    levels: tuple[int, ...]
    arc: str | None = None
    opens: int | None = None
    roles: dict[str, str] = field(default_factory=dict)
    made: list[Choice] = field(default_factory=list)
    stages: list[MotifStage] = field(default_factory=list)
    moved: tuple[Number, bool] | None = None
    node: int = -1

    @property
    def next(self) -> int:
        """The step to be written next."""
        return len(self.made)

    @property
    def last(self) -> bool:
        """Whether the next step is the last one."""
        return self.next == len(self.levels) - 1

    def due(self, level: int) -> bool:
        """Whether the next step belongs to a level."""
        return self.next < len(self.levels) and self.levels[self.next] == level

    @property
    def step(self) -> ArcStep:
        """The next step of a motif's arc."""
        assert self.arc is not None
        return ARCS[self.arc][self.next]

    def came_to_pass(self, choice: Choice, gate: str | None) -> None:
        """Note a motif's step: the stage that a gate on a number makes of its own, and the step's."""
        before = " and ".join(c.text for c in self.made)
        name = self.step.stage
        if gate is not None and before:
            self.stages.append(MotifStage(f"before {name}", f"{before} and {gate}"))
        self.made.append(choice)
        self.stages.append(MotifStage(name, " and ".join(c.text for c in self.made)))

    def record(self, number: int) -> PlantedMotif:
        """The motif as the ground truth names it."""
        assert self.arc is not None
        return PlantedMotif(
            id=f"m{number}",
            kind=self.arc,
            characters=tuple(self.roles[role] for role in "abc" if role in self.roles),
            places=tuple(MotifPlace(c.encounter, c.option) for c in self.made),
            stages=tuple(self.stages),
        )


def schedule(plan: Plan, style: str, random: Random) -> list[Thread]:
    """The threads of a world: openers of hidden spools, secret endings, then motifs where levels have room."""
    levels = sum(plan.levels)
    load = [0] * levels
    threads: list[Thread] = []
    hidden = len(plan.spools) - plan.acts
    for h in range(hidden):
        steps = random.randint(2, 4) if style == "tokien" else 1
        placed = _placed(min(steps, levels), levels, plan.habits.horizon, load, random, crowd=True)
        threads.append(Thread(len(threads), placed, opens=plan.acts + h))
    if style == "tokien":
        for _ in range(max(1, plan.endings // 4) if plan.endings > 2 else 0):
            placed = _placed(min(random.randint(2, 4), levels), levels, plan.habits.horizon, load, random, crowd=True)
            threads.append(Thread(len(threads), placed))
    kinds = [kind for kind in ARCS if len(plan.cast) > 2 or all("c" not in step.people for step in ARCS[kind])]
    if plan.habits.deception < 0.1:
        kinds.remove("deception")
    wanted = min(round(plan.habits.motif_density * levels), _MOST_MOTIFS)
    order: list[str] = []
    for _ in range(wanted):
        order = order or random.sample(kinds, len(kinds))
        kind = order.pop()
        placed = _placed(min(len(ARCS[kind]), levels), levels, plan.habits.horizon, load, random, crowd=False)
        if len(placed) > 1:
            roles = 3 if any("c" in step.people for step in ARCS[kind]) else 2
            people = random.sample(plan.cast, roles)
            if kind == "deception":
                people = _deceivers_first(plan, people)
            threads.append(Thread(len(threads), placed, arc=kind, roles=dict(zip("abc", people, strict=False))))
    return threads


def _deceivers_first(plan: Plan, people: list[str]) -> list[str]:
    """The people of a deception: someone who is not what another one thinks, and that other one."""
    if not plan.masks:
        return people
    seen, true = plan.masks[0]
    return [true.owner, seen.owner][: len(people)]


def _placed(steps: int, levels: int, horizon: int, load: list[int], random: Random, crowd: bool) -> tuple[int, ...]:
    """Levels for so many steps, about the horizon apart together; none where all are crowded."""
    for _ in range(_ATTEMPTS):
        gaps = [random.randint(1, max(1, horizon)) for _ in range(steps - 1)]
        if sum(gaps) > levels - 1:
            gaps = [1] * (steps - 1)
        start = random.randint(0, levels - 1 - sum(gaps))
        found = [start]
        for gap in gaps:
            found.append(found[-1] + gap)
        if crowd or all(load[level] < _CROWDED for level in found):
            for level in found:
                load[level] += 1
            return tuple(found)
    return ()
