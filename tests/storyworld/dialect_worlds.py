"""Random storyworlds, built without a file, that use everything an interpreter knows; and plays of two in lock-step."""

import random
from collections.abc import Sequence

from narrative_dag.storyworld.engine import Playthrough
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
    equals_operator,
)
from narrative_dag.storyworld.sweepweave import Lowering

NUMBERS = [0.0, 1.0, -1.0, 0.5, -0.25, 0.125, 0.1, 0.35, -0.04, 0.99, -0.99, 1.5, -2.0, 5.0, 0.003, 37.0]
WIDEST = 4


class Maker:
    """Draws the parts of one storyworld from a seeded generator; `exact`: no product without an exact form."""

    def __init__(self, draws: random.Random, mode: Mode, exact: bool) -> None:
        self.draws, self.mode, self.exact = draws, mode, exact
        self.cast = ["Ann", "Bob", "Cai"][: draws.choice([1, 2, 2, 3, 3])]
        self.shape = [[draws.choice([1, 1, 2, 3]) for _ in range(draws.choice([0, 1, 2, 3]))] for _ in range(7)]
        self.spools = ["s1", "s2", "s3"][: draws.choice([1, 2, 3])]
        self.rings = self._rings()
        self.names = [name for name, operator in OPERATORS.items() if operator.official or mode is Mode.EXTENDED]

    def _rings(self) -> list[tuple[str, ...]]:
        one, two = self.draws.choice(self.cast), self.draws.choice(self.cast)
        rings: list[tuple[str, ...]] = [("P",), ("Q",), ("T", one), ("U", one, two)]
        if self.mode is Mode.EXTENDED:
            rings += [("P", one), ("P", one, two), ("P", "crowd"), ("T",), ("T", "crowd", one), ("lost",), ("U", one)]
        else:
            rings += [("T",), ("T", self.cast[-1]), ("P", one), ("lost",), ()]
        return rings

    def constant(self) -> float:
        return self.draws.choice([self.draws.uniform(-1.0, 1.0), *self.draws.sample(NUMBERS, 3)])

    def variable(self, bare: bool = False) -> Variable:
        coefficient = 1.0 if bare or self.draws.random() < 0.6 else self.draws.choice([-1.0, 0.5, 0.3, -1.7, 2.0, 0.0])
        return Variable(self.draws.choice(self.cast), self.draws.choice(self.rings), coefficient)

    def leaf(self, kind: Kind) -> Expression:
        if kind is Kind.NUMBER:
            return self.variable() if self.draws.random() < 0.6 else Constant(self.constant())
        if kind is Kind.STRING:
            return Constant(self.draws.choice(["", "so"]))
        leaves: list[Expression] = [Constant(self.draws.random() < 0.6), self.event(), self.status()]
        return self.draws.choice(leaves)

    def status(self) -> SpoolStatus:
        return SpoolStatus(self.draws.choice(self.spools), self.draws.random() < 0.5)

    def event(self) -> Event:
        e = self.draws.randrange(len(self.shape))
        negated = self.draws.random() < 0.5
        if not self.shape[e] or self.draws.random() < 0.4:
            return Event(None if self.mode is Mode.OFFICIAL and self.draws.random() < 0.2 else e, negated=negated)
        o = self.draws.randrange(len(self.shape[e]))
        r = self.draws.randrange(self.shape[e][o])
        return Event(e, (e, o), (e, o, r) if self.draws.random() < 0.5 else None, negated)

    def expression(self, kind: Kind, depth: int) -> Expression:
        if self.draws.random() < 0.05:
            kind = self.draws.choice([Kind.NUMBER, Kind.BOOLEAN, Kind.STRING])
        if depth == 0 or self.draws.random() < 0.2:
            return self.leaf(kind)
        fitting = [name for name in self.names if OPERATORS[name].output in (kind, None)]
        name = self.draws.choice(fitting)
        operator = OPERATORS[name]
        least = operator.least
        if name == "If Then":
            count = self.draws.choice([3, 3, 4, 5]) if self.mode is Mode.EXTENDED else self.draws.randrange(6)
            kinds = [Kind.BOOLEAN if i % 2 == 0 and i < count - 1 else kind for i in range(count)]
            return Operation(name, tuple(self.expression(k, depth - 1) for k in kinds))
        if name.startswith("Equals"):
            wanted = operator.operand or Kind.STRING
            count = self.draws.choice([2, 2, 3]) if self.mode is Mode.EXTENDED else self.draws.choice([0, 1, 2, 3])
            operands = tuple(self.expression(wanted, depth - 1) for _ in range(count))
            return Operation(equals_operator(operands[0] if operands else None), operands)
        if self.mode is Mode.EXTENDED and operator.most == 2:
            least = 2
        if name == "Multiplication" and self.exact:
            return self.product(depth)
        count = self.draws.randint(least, WIDEST if operator.most is None else operator.most)
        wanted = operator.operand or self.draws.choice([Kind.NUMBER, Kind.BOOLEAN, Kind.BOOLEAN])
        return Operation(name, tuple(self.expression(wanted, depth - 1) for _ in range(count)))

    def product(self, depth: int) -> Operation:
        """One factor of any kind among others that are constants or lie on a grid."""
        factors: list[Expression] = []
        for _ in range(self.draws.randrange(WIDEST)):
            step = Constant(self.draws.choice([0.35, -0.4, 0.07, 1.5]))
            gridded = Operation(self.draws.choice(["Addition", "Nudge"]), (self.variable(), step))
            factors.append(gridded if self.draws.random() < 0.5 else Constant(self.constant()))
        factors.insert(self.draws.randrange(2), self.expression(Kind.NUMBER, depth - 1))
        return Operation("Multiplication", tuple(factors))

    def effect(self) -> Effect:
        if self.draws.random() < 0.2:
            return SetSpool(self.draws.choice(self.spools), self.expression(Kind.BOOLEAN, 1))
        value = self.expression(Kind.NUMBER, self.draws.choice([1, 2, 3]))
        return SetNumber(self.variable(bare=self.draws.random() < 0.7), value)

    def gate(self) -> Expression:
        if self.draws.random() < 0.4:
            return Constant(True)
        return self.expression(Kind.BOOLEAN, 3)

    def page(self, e: int) -> Encounter:
        options = [
            Option(
                # ids that repeat, as they do in real files
                f"o{o}",
                self.expression(Kind.STRING, 1),
                self.gate(),
                self.gate(),
                tuple(self.reaction(r) for r in range(reactions)),
            )
            for o, reactions in enumerate(self.shape[e])
        ]
        if options:
            options[0] = Option("o0", Constant("Go"), Constant(True), Constant(True), options[0].reactions)
        text, gate = self.expression(Kind.STRING, 1), self.gate()
        id_ = self.draws.choice([f"e{e}", f"e{e}", "page", "wild"])
        return Encounter(id_, f"Page {e}", text, gate, self.expression(Kind.NUMBER, 2), tuple(options))

    def reaction(self, r: int) -> Reaction:
        target = self.draws.choice([None, *range(len(self.shape))])
        effects = tuple(self.effect() for _ in range(self.draws.choice([0, 1, 2, 3])))
        return Reaction(f"r{r}", Constant("Done."), self.expression(Kind.NUMBER, 3), target, effects)

    def members(self) -> tuple[int, ...]:
        found = [e for e in range(len(self.shape)) if self.draws.random() < 0.6]
        if self.draws.random() < 0.4:
            self.draws.shuffle(found)
        return tuple(found)

    def initial(self) -> dict[Key, float]:
        """Starting values for some of the variables; in official mode of the declared depth alone."""
        found = {}
        depths = {"P": 0, "Q": 0, "T": 1, "U": 2}
        for character in self.cast:
            for ring in self.rings:
                fits = self.mode is Mode.EXTENDED or (ring and depths.get(ring[0]) == len(ring) - 1)
                if fits and self.draws.random() < 0.5:
                    found[character, ring] = self.draws.choice([self.draws.uniform(-1, 1), 0.0, 0.5, 1.0])
        return found

    def world(self) -> Storyworld:
        initial = self.initial()
        properties = [Property(id_, id_.lower(), depth) for id_, depth in [("P", 0), ("Q", 0), ("T", 1), ("U", 2)]]
        tables = {(c, ring[:n]) for c, ring in initial for n in range(1, len(ring))} - initial.keys()
        owners = {(c, p.id) for c in self.cast for p in properties if self.draws.random() < 0.8}
        return Storyworld(
            title="Drawn",
            mode=self.mode,
            characters=tuple(Character(id_, id_) for id_ in self.cast),
            properties=tuple(properties),
            declared=frozenset(owners | {(c, ring[0]) for c, ring in initial if ring[0] != "lost"}),
            initial=initial,
            tables=frozenset(tables),
            spools=tuple(Spool(s, s, s == "s1" or self.draws.random() < 0.5, self.members()) for s in self.spools),
            encounters=tuple(self.page(e) for e in range(len(self.shape))),
        )


def drawn_world(seed: int, mode: Mode, exact: bool = True) -> Storyworld:
    """The storyworld of a seed."""
    return Maker(random.Random(seed), mode, exact).world()


def equal_numbers(left: float, right: float, tolerance: float) -> bool:
    """Equal as `==` has it, or both not a number, or near enough."""
    return left == right or (left != left and right != right) or abs(left - right) <= tolerance


def difference(
    world: Storyworld, lowering: Lowering, draws: random.Random, steps: int, tolerance: float = 0.0
) -> str | None:
    """The first difference between a random play of a storyworld and the same choices in its lowering."""
    first, second = Playthrough(world), Playthrough(lowering.world)
    for step in range(steps + 1):
        found = _page_difference(first, second, lowering.encounters) or _state_difference(
            first, second, lowering, tolerance
        )
        if found is not None:
            return f"step {step}: {found}"
        if first.page is None or first.ending is not None:
            return None
        option = draws.choice(first.page.performable)
        ran, again = first.choose(option), second.choose(option)
        if ran != again and not (ran is None and again == 0):
            return f"step {step}: reaction {ran}, then {again}"
    return None


def _page_difference(first: Playthrough, second: Playthrough, order: Sequence[int]) -> str | None:
    left, right = first.page, second.page
    endings = [None if play.ending is None else play.ending.kind for play in (first, second)]
    if endings[0] != endings[1]:
        return f"ending {endings[0]}, then {endings[1]}"
    if left is None or right is None:
        return None if left is right else f"page {left}, then {right}"
    same = (left.visible, left.performable) == (right.visible, right.performable)
    return None if same and left.encounter == order[right.encounter] else f"page {left}, then {right} of {order}"


def _state_difference(first: Playthrough, second: Playthrough, lowering: Lowering, tolerance: float) -> str | None:
    for key, number in first.state.numbers.items():
        other = second.state.numbers[lowering.variables[key]]
        if not equal_numbers(number, other, tolerance):
            return f"{key} {number!r}, then {other!r}"
    return None
