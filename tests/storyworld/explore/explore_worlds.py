"""Small storyworlds for exploration: parts to put together by hand, and a strategy for whole ones of few states."""

import random

from hypothesis import strategies as st

from narrative_dag.storyworld.model import (
    Character,
    Effect,
    Encounter,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    SetSpool,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Event, Expression, Operation, SpoolStatus, Variable

TRUE, FALSE = Constant(True), Constant(False)
TRUST = Variable("ann", ("trust",))
FEAR = Variable("ann", ("fear",))
HOPE = Variable("bob", ("trust",))
PERCEIVED = Variable("ann", ("trust", "bob"))


def more(left: Expression, right: float) -> Operation:
    return Operation("Greater Than", (left, Constant(right)))


def less(left: Expression, right: float) -> Operation:
    return Operation("Less Than", (left, Constant(right)))


def put(target: Variable, value: float | Expression) -> SetNumber:
    return SetNumber(target, value if isinstance(value, Operation | Variable | Constant) else Constant(value))


def nudge(target: Variable, by: float) -> SetNumber:
    return SetNumber(target, Operation("Nudge", (target, Constant(by))))


def reaction(to: int | None, *effects: Effect, weight: Expression | float = 0.0) -> Reaction:
    desirability = Constant(weight) if isinstance(weight, float) else weight
    return Reaction("", Constant("So it goes."), desirability, to, effects)


def option(*reactions: Reaction, show: Expression = TRUE, able: Expression = TRUE) -> Option:
    return Option("", Constant("Go on"), show, able, reactions)


def page(*options: Option, when: Expression = TRUE, urgency: Expression | float = 0.0) -> Encounter:
    desirability = Constant(urgency) if isinstance(urgency, float) else urgency
    return Encounter("", "", Constant("A page."), when, desirability, options)


def world(*pages: Encounter, spools: dict[str, tuple[bool, tuple[int, ...]]] | None = None) -> Storyworld:
    """Pages p0, p1, ... with named options and reactions; only page 0 is in a spool unless spools are given."""
    named = []
    for e, encounter in enumerate(pages):
        options = []
        for o, own in enumerate(encounter.options):
            reactions = tuple(
                Reaction(f"p{e}.{o}.{r}", x.text, x.desirability, x.consequence, x.effects)
                for r, x in enumerate(own.reactions)
            )
            options.append(Option(f"p{e}.{o}", own.text, own.visibility, own.performability, reactions))
        scripts = encounter.text, encounter.acceptability, encounter.desirability
        named.append(Encounter(f"p{e}", f"Page {e}", *scripts, tuple(options)))
    listed = {"main": (True, (0,))} if spools is None else spools
    return Storyworld(
        title="a small world",
        mode=Mode.OFFICIAL,
        characters=(Character("ann", "Ann"), Character("bob", "Bob")),
        properties=(Property("trust", "Trust"), Property("fear", "Fear")),
        declared=frozenset((c, p) for c in ("ann", "bob") for p in ("trust", "fear")),
        initial={(c, (p,)): 0.0 for c in ("ann", "bob") for p in ("trust", "fear")},
        spools=tuple(Spool(name, name, active, members) for name, (active, members) in listed.items()),
        encounters=tuple(named),
    )


class _Chance:
    """Draws storyworlds of few states: numbers move among few values, and an option can be taken again."""

    def __init__(self, seed: int, forward: bool) -> None:
        self.draw = random.Random(seed)
        self.forward = forward
        self.size = self.draw.randint(3, 6)
        self.options = [self.draw.choice((0, 1, 2, 2, 3) if e else (2, 3)) for e in range(self.size)]
        self.reactions = [[self.draw.choice((0, 1, 1, 2, 2)) for _ in range(n)] for n in self.options]

    def variable(self) -> Variable:
        variable = self.draw.choice((TRUST, TRUST, FEAR, HOPE, PERCEIVED))
        return Variable(variable.character, variable.keyring, self.draw.choice((1.0, 1.0, 1.0, -1.0, 2.0)))

    def leaf(self) -> Expression:
        return self.variable() if self.draw.random() < 0.7 else Constant(self.draw.choice((-0.5, -0.0, 0.0, 0.25, 0.5)))

    def event(self) -> Event:
        draw = self.draw
        e = draw.randrange(self.size)
        option = reaction = None
        if self.options[e] and draw.random() < 0.7:
            option = (e, draw.randrange(self.options[e]))
            count = self.reactions[e][option[1]]
            if count and draw.random() < 0.5:
                reaction = (*option, draw.randrange(count))
        return Event(e if draw.random() < 0.95 else None, option, reaction, draw.random() < 0.4)

    def condition(self, depth: int = 1) -> Expression:
        draw = self.draw
        kind = draw.random()
        if kind < 0.4:
            comparison = draw.choice(("Greater Than", "Less Than", "Less Than or Equal To", "Equal To"))
            return Operation(comparison, (self.leaf(), self.leaf()))
        if kind < 0.65:
            return self.event()
        if kind < 0.8:
            return SpoolStatus(draw.choice(("main", "other")), draw.random() < 0.5)
        if depth and kind < 0.95:
            return Operation(draw.choice(("And", "Or", "Logical Or")), (self.condition(0), self.condition(0)))
        return Operation("Not", (self.condition(0),))

    def gate(self) -> Expression:
        return TRUE if self.draw.random() < 0.7 else self.condition()

    def value(self) -> Expression:
        draw = self.draw
        kind = draw.random()
        if kind < 0.5:
            return self.leaf()
        if kind < 0.6:
            return Operation("Neither And nor Or", ())
        if kind < 0.8:
            return Operation("If Then", (self.condition(0), self.leaf(), self.leaf()))
        return Operation(draw.choice(("Maximum of", "Minimum of")), (self.leaf(), self.leaf()))

    def effect(self) -> Effect:
        draw = self.draw
        if draw.random() < 0.25:
            value = Constant(draw.random() < 0.5) if draw.random() < 0.7 else self.condition(0)
            return SetSpool(draw.choice(("main", "other")), value)
        target = draw.choice((TRUST, FEAR, HOPE, PERCEIVED))
        if draw.random() < 0.2:
            return SetNumber(target, Operation("Arithmetic Negation", (target,)))
        return SetNumber(target, self.value())

    def page(self, e: int) -> Encounter:
        draw = self.draw
        options = []
        for count in self.reactions[e]:
            reactions = []
            for _ in range(count):
                after = range(e + 1, self.size) if self.forward else range(self.size)
                to = draw.choice(after) if after and draw.random() < 0.65 else None
                effects = [self.effect() for _ in range(draw.choice((0, 1, 2, 3)))]
                reactions.append(reaction(to, *effects, weight=self.value() if draw.random() < 0.5 else 0.0))
            options.append(option(*reactions, show=self.gate(), able=self.gate()))
        opening = e == 0 and draw.random() < 0.9
        urgency = Constant(0.9) if opening else self.value() if draw.random() < 0.4 else Constant(0.0)
        return page(*options, when=TRUE if opening else self.gate(), urgency=urgency)

    def world(self) -> Storyworld:
        draw = self.draw
        built = world(
            *(self.page(e) for e in range(self.size)),
            spools={
                "main": (True, tuple(e for e in range(self.size) if e == 0 or draw.random() < 0.5)),
                "other": (draw.random() < 0.3, tuple(e for e in range(self.size) if draw.random() < 0.5)),
            },
        )
        mode = draw.choice(list(Mode))
        changes = {"mode": mode, "initial": dict(built.initial) | {("ann", ("trust",)): draw.choice((0.0, 0.5))}}
        if draw.random() < 0.5:
            changes["initial"] |= {("ann", ("trust", "bob")): 0.25}
            changes["tables"] = frozenset({("ann", ("trust",))}) if mode is Mode.OFFICIAL else frozenset()
        return Storyworld(**{name: getattr(built, name) for name in Storyworld.__dataclass_fields__} | changes)


storyworlds = st.integers(0, 2**32).map(lambda seed: _Chance(seed, forward=False).world())
"""Storyworlds of both modes with events, spools, ties, missing values and loops; most have few states."""

finite_plays = st.integers(0, 2**32).map(lambda seed: _Chance(seed, forward=True).world())
"""The same, but every play ends: consequences lead forward."""
