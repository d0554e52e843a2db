"""Random storyworlds, built directly: small, dense in corner cases, in both modes."""

import random
from itertools import product

from narrative_dag.storyworld.model import (
    Character,
    Effect,
    Encounter,
    Key,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    SetSpool,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import (
    OPERATORS,
    Constant,
    Event,
    Expression,
    Kind,
    Operation,
    SpoolStatus,
    Variable,
)

CHARACTERS = ("ann", "bob", "cyd")
NAMES = (*CHARACTERS, "ghost")
DEPTHS = {"calm": 0, "hope": 0, "trust": 1, "doubt": 2, "odd": 1}
NUMBERS = (0.0, -0.0, 0.5, -0.5, 0.99, -0.99, 1.0, -1.0, -1.5, 2.0, 0.1, 0.3, 1e308, -1e308, float("inf"), float("nan"))
ORDINARY = (0.0, 0.25, 0.5, -0.5, 0.75, -0.9, 0.99)
COEFFICIENTS = (1.0, 1.0, 1.0, -1.0, 0.5, 2.0, 0.0)
OF_NUMBERS = [name for name, op in OPERATORS.items() if op.output is Kind.NUMBER]
OF_BOOLEANS = [name for name, op in OPERATORS.items() if op.output is Kind.BOOLEAN]


class Builder:
    """Draws the parts of one storyworld.

    Args:
        chance: the source of every draw.
        size: about how many encounters.
        wild: how often, of 1, a part is of an unfit type or value.
    """

    def __init__(self, chance: random.Random, size: int, wild: float) -> None:
        self.chance, self.size, self.wild = chance, size, wild
        self.mode = chance.choice(list(Mode))
        self.spools = [f"s{i}" for i in range(chance.randint(1, 3))]
        self.options = [chance.choice((0, 1, 2, 2, 3, 4)) for _ in range(size)]
        self.reactions = [[chance.choice((0, 1, 1, 2, 2, 3)) for _ in range(n)] for n in self.options]

    def keyring(self) -> tuple[str, ...]:
        name = self.chance.choice((*DEPTHS, "unknown") if self.odd() else tuple(DEPTHS))
        length = DEPTHS.get(name, 1)
        if self.odd():
            length = self.chance.randint(0, 3)
        names = NAMES if self.odd() else CHARACTERS
        ring = (name, *(self.chance.choice(names) for _ in range(length)))
        return () if self.odd() and self.odd() else ring

    def odd(self) -> bool:
        return self.chance.random() < self.wild

    def number(self) -> float:
        return self.chance.choice(NUMBERS if self.odd() else ORDINARY)

    def variable(self) -> Variable:
        who = self.chance.choice(NAMES if self.odd() else CHARACTERS)
        return Variable(who, self.keyring(), self.chance.choice(COEFFICIENTS))

    def event(self) -> Event:
        chance = self.chance
        e = chance.randrange(self.size)
        encounter = None if chance.random() < 0.1 else e
        if self.odd():
            e = chance.randrange(self.size)
        option = reaction = None
        if self.options[e] and chance.random() < 0.7:
            o = chance.randrange(self.options[e])
            option = (e, o)
            if self.reactions[e][o] and chance.random() < 0.6:
                reaction = (e, o, chance.randrange(self.reactions[e][o]))
                option = None if self.odd() else option
        return Event(encounter, option, reaction, chance.random() < 0.3)

    def spool(self) -> str:
        return "nowhere" if self.odd() else self.chance.choice(self.spools)

    def expression(self, kind: Kind, depth: int) -> Expression:
        chance = self.chance
        if self.odd():
            kind = chance.choice(list(Kind))
        if depth == 0 or chance.random() < 0.25:
            return self.leaf(kind)
        if chance.random() < 0.2:
            count = chance.choice((3, 3, 3, 4, 5, 5)) if not self.odd() else chance.choice((0, 1, 2))
            operands = [
                self.expression(Kind.BOOLEAN if i % 2 == 0 and i < count - 1 else kind, depth - 1) for i in range(count)
            ]
            return Operation("If Then", tuple(operands))
        if kind is Kind.STRING:
            operands = [
                self.expression(chance.choice((Kind.STRING, kind)), depth - 1) for _ in range(chance.randint(0, 4))
            ]
            return Operation("Concatenate", tuple(operands))
        operator = OPERATORS[chance.choice(OF_BOOLEANS if kind is Kind.BOOLEAN else OF_NUMBERS)]
        most = operator.most if operator.most is not None else 4
        least = operator.least if chance.random() < 0.3 else max(operator.least, min(2, most))
        count = chance.randint(least, most)
        operand = operator.operand or chance.choice((Kind.BOOLEAN, Kind.NUMBER, Kind.STRING))
        return Operation(operator.name, tuple([self.expression(operand, depth - 1) for _ in range(count)]))

    def leaf(self, kind: Kind) -> Expression:
        chance = self.chance
        if kind is Kind.STRING:
            return Constant(chance.choice(("", "text")))
        if kind is Kind.NULL:
            return Operation("Neither And nor Or", ())
        if kind is Kind.NUMBER:
            return self.variable() if chance.random() < 0.65 else Constant(self.number())
        pick = chance.random()
        if pick < 0.35:
            return self.event()
        if pick < 0.6:
            return SpoolStatus(self.spool(), chance.random() < 0.3)
        return Constant(pick < 0.9)

    def gate(self) -> Expression:
        chance = self.chance
        pick = chance.random()
        if pick < 0.5:
            return Constant(True)
        if pick < 0.7:
            return Operation(
                chance.choice(("Greater Than", "Less Than", "Less Than or Equal To", "Equal To", "Not Equal To")),
                (self.variable(), Constant(chance.choice((-0.9, -0.5, 0.0, 0.5)))),
            )
        return self.expression(chance.choice((Kind.BOOLEAN, Kind.NUMBER, Kind.STRING, Kind.STRING)), 2)

    def desirability(self) -> Expression:
        pick = self.chance.random()
        if pick < 0.4:
            return Constant(self.chance.choice((0.0, 0.5, 0.5, 0.99, -1.0, -1.0)) if not self.odd() else self.number())
        if pick < 0.5:
            condition = Operation("Greater Than", (self.variable(), Constant(0.1)))
            return Operation("If Then", (condition, self.leaf(Kind.NUMBER), Constant(self.number())))
        return self.expression(Kind.NUMBER, 2)

    def effect(self) -> Effect:
        chance = self.chance
        if chance.random() < 0.2:
            return SetSpool(self.spool(), self.expression(Kind.BOOLEAN, 1))
        target = self.variable()
        if chance.random() < 0.4:
            return SetNumber(
                Variable(target.character, target.keyring, 1.0),
                Operation("Nudge", (Variable(target.character, target.keyring), Constant(self.number()))),
            )
        return SetNumber(target, self.expression(Kind.NUMBER, 2))

    def reaction(self, name: str) -> Reaction:
        chance = self.chance
        consequence = None if chance.random() < 0.5 else chance.randrange(self.size)
        effects = tuple([self.effect() for _ in range(chance.choice((0, 1, 2, 3, 4)))])
        return Reaction(name, Constant(""), self.desirability(), consequence, effects)

    def option(self, e: int, o: int) -> Option:
        reactions = tuple([self.reaction(f"r{r}") for r in range(self.reactions[e][o])])
        return Option(f"o{o}", Constant(""), self.gate(), self.gate(), reactions)

    def initial(self) -> tuple[dict[Key, float], frozenset[Key]]:
        chance = self.chance
        found: dict[Key, float] = {}
        tables = set()
        for who, (name, depth) in product(CHARACTERS, DEPTHS.items()):
            if chance.random() < 0.15:
                continue
            if depth and chance.random() < 0.85:
                tables.add((who, (name,)))
                tables |= {(who, (name, other)) for other in CHARACTERS if depth == 2}
            if not depth or chance.random() < 0.3:
                found[who, (name,)] = self.number()
            for others in product(CHARACTERS, repeat=depth):
                if depth and chance.random() < 0.6:
                    found[who, (name, *others)] = self.number()
                if depth == 2 and chance.random() < 0.2:
                    found[who, (name, others[0])] = self.number()
        items = list(found.items())
        chance.shuffle(items)
        return dict(items), frozenset(tables - set(found))

    def world(self) -> Storyworld:
        chance = self.chance
        initial, tables = self.initial()
        encounters = tuple(
            [
                Encounter(
                    f"e{e}",
                    f"E{e}",
                    Constant(""),
                    self.gate(),
                    self.desirability(),
                    tuple([self.option(e, o) for o in range(self.options[e])]),
                )
                for e in range(self.size)
            ]
        )
        spools = []
        for name in self.spools:
            members = [chance.randrange(self.size) for _ in range(chance.randint(0, 2 * self.size))]
            spools.append(Spool(name, name, chance.random() < 0.7, tuple(members)))
        if chance.random() < 0.1:
            spools.append(Spool(self.spools[0], "again", chance.random() < 0.5, tuple(range(self.size))))
        declared = {(who, name) for who in CHARACTERS for name in DEPTHS if chance.random() < 0.9}
        return Storyworld(
            title="random",
            mode=self.mode,
            characters=tuple([Character(who, who) for who in CHARACTERS]),
            properties=tuple([Property(name, name, depth) for name, depth in DEPTHS.items()]),
            declared=frozenset(declared),
            initial=initial,
            tables=tables,
            spools=tuple(spools),
            encounters=encounters,
        )


def random_world(seed: int, size: int = 6, wild: float = 0.15) -> Storyworld:
    """A storyworld; the same for the same arguments."""
    return Builder(random.Random(f"{seed}/{size}/{wild}"), size, wild).world()
