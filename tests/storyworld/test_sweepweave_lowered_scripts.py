"""Lowered expressions have the value of the dialect's, rounded alike; what is known of values beforehand holds."""

import dataclasses
import itertools
import random
from collections.abc import Mapping

import pytest
from dialect_worlds import drawn_world, equal_numbers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lowering_worlds import option, page, scripts_of, with_numbers, written

from narrative_dag.storyworld.engine import Engine, Playthrough, State
from narrative_dag.storyworld.model import (
    Key,
    Mode,
    SetNumber,
    Storyworld,
)
from narrative_dag.storyworld.script import (
    OPERATORS,
    Constant,
    Event,
    Expression,
    Operation,
    Value,
    Variable,
    equals_operator,
    evaluate,
    is_number,
    truthy,
    walk,
)
from narrative_dag.storyworld.sweepweave import lower
from narrative_dag.storyworld.sweepweave.arithmetic import NULL_BOOLEAN, NULL_NUMBER, Arithmetic
from narrative_dag.storyworld.sweepweave.lowered_scripts import Scripts
from narrative_dag.storyworld.sweepweave.membership import arrange
from narrative_dag.storyworld.sweepweave.ranges import Ranges, lowest_bit
from narrative_dag.storyworld.sweepweave.value_types import Types, types_of
from narrative_dag.storyworld.sweepweave.variables import Variables

TYPES = {float: Types.NUMBER, bool: Types.BOOLEAN, str: Types.STRING, type(None): Types.NULL}


ONE = Variable("Ann", ("one",))


class Numbers:
    """A state of play that has numbers alone, and the helper variable."""

    def __init__(self, numbers: Mapping[Key, float]) -> None:
        self.numbers = {**numbers, ("Ann", ("one",)): 1.0}

    def number(self, character: str, keyring: tuple[str, ...]) -> float:
        return self.numbers[character, keyring]

    def occurred(self, event: Event) -> bool:
        return False

    def active(self, spool: str) -> bool:
        return False


def both(world: Storyworld, expression: Expression) -> tuple[Value, Value, Expression, Scripts]:
    """An expression's value before and after lowering, what it became, and the lowering's notes."""
    ranges = Ranges(world)
    variables = Variables(world, ranges)
    scripts = Scripts(world, ranges, variables, arrange((), 0), Arithmetic(ONE))
    lowered = scripts.tree(expression, "here")
    after = evaluate(lowered, Numbers(variables.initial))
    return evaluate(expression, State(Engine(world))), after, lowered, scripts


def same(left: Value, right: Value) -> bool:
    """The same value of the same type."""
    if is_number(left) and is_number(right):
        assert isinstance(left, int | float)
        assert isinstance(right, int | float)
        return equal_numbers(left, right, 0.0)
    return type(left) is type(right) and left == right


OPERANDS: list[Expression] = [
    Constant(True),
    Constant("x"),
    NULL_BOOLEAN,
    NULL_NUMBER,
    Constant(0.0),
    Constant(0.1),
    Constant(-5.0),
    Variable("Ann", ("calm",)),
    Variable("Ann", ("zero",), -0.3),
    Operation("Nudge", (Variable("Ann", ("calm",)), Constant(0.3))),
    # not a number although the other result is, and a null that falls to the last operand
    Operation("If Then", (Constant(0.5), Constant(True), Constant(0.3))),
    Operation("If Then", (Constant(True), NULL_NUMBER, Variable("Ann", ("calm",)))),
]


WORLD = with_numbers(calm=0.37, zero=0.0)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_keeps_its_value_for_operands_of_every_type(name: str) -> None:
    operator = OPERATORS[name]
    for count in range(max(operator.least, 0), min(3, operator.most or 3) + 1):
        for operands in itertools.product(OPERANDS, repeat=count):
            if name.startswith("Equals") and operands and static(operands[0], name):
                continue
            before, after, lowered, _ = both(WORLD, Operation(name, operands))
            assert same(before, after), (operands, before, after)
            assert TYPES[type(after)] in types_of(lowered)


def static(first: Expression, name: str) -> bool:
    """Whether a loader would give this first operand another Equals."""
    return equals_operator(first) != name


usual = st.floats(-1.0, 1.0).filter(lambda x: x == 0 or abs(x) > 1e-100)


@settings(max_examples=300, deadline=None)
@given(usual, usual, st.lists(st.floats(-50, 50).filter(lambda x: x == 0 or abs(x) > 1e-100), min_size=1, max_size=5))
@example(0.1, -0.3, [0.1])
@example(1e-90, 0.7, [1e-90, 3.3])
def test_sums_and_products_with_constants_round_like_the_dialect(x: float, y: float, numbers: list[float]) -> None:
    world = with_numbers(x=x, y=y)
    nudge = Operation("Nudge", (Variable("Ann", ("x",)), Variable("Ann", ("y",), 0.3)))
    for first in (Variable("Ann", ("x",)), nudge, Operation("Maximum of", (nudge, Variable("Ann", ("y",), -1.7)))):
        for name in ("Addition", "Subtraction", "Multiplication"):
            before, after, _, scripts = both(world, Operation(name, (first, *map(Constant, numbers))))
            assert same(before, after), (name, before, after)
            assert scripts.approximations == []


@settings(max_examples=300, deadline=None)
@given(usual, usual, st.sampled_from([0.35, -0.4, 0.02, 1.6]))
@example(-0.35, 0.3, 0.35)
@example(-0.35 + 2**-54, 0.3, 0.35)
def test_products_of_a_shifted_value_round_like_the_dialect(x: float, y: float, shift: float) -> None:
    world = with_numbers(x=x, y=y)
    shifted = Operation("Addition", (Variable("Ann", ("x",)), Constant(shift)))
    for factors in itertools.permutations(
        (shifted, Operation("Nudge", (Variable("Ann", ("y",)), Variable("Ann", ("x",)))))
    ):
        before, after, _, scripts = both(world, Operation("Multiplication", factors))
        assert same(before, after)
        assert scripts.approximations == []


@settings(max_examples=300, deadline=None)
@given(usual, usual)
def test_other_products_are_within_their_stated_bound(x: float, y: float) -> None:
    world = written(with_numbers(x=x, y=y))
    factors = (Variable("Ann", ("x",)), Variable("Ann", ("y",), -0.7))
    before, after, _, scripts = both(world, Operation("Multiplication", factors))
    (approximation,) = scripts.approximations
    assert approximation.place == "here"
    bound = float(approximation.bound.removeprefix("at most "))
    assert bound < 1e-18
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert abs(before - after) <= bound


def test_truth_of_numbers_and_texts() -> None:
    for value in (Constant(0.0), Constant(0.5), Constant(""), Constant("x"), NULL_NUMBER, Variable("Ann", ("zero",))):
        before, after, _, _ = both(WORLD, Operation("Logical Or", (value,)))
        assert before is after is truthy(evaluate(value, State(Engine(WORLD))))


def test_known_grids() -> None:
    x = Variable("Ann", ("x",))

    def grid(value: Expression, start: float = 0.0, coefficient: float = 1.0) -> int | None:
        """The grid of x where this is what it is set to."""
        target = Variable("Ann", ("x",), coefficient)
        pages = (page("e", option(SetNumber(target, value))),)
        return Ranges(dataclasses.replace(with_numbers(x=start), encounters=pages)).grid(x)

    assert grid(Operation("Nudge", (x, Constant(0.5)))) == -54
    assert grid(Operation("Nudge", (x, Constant(-0.03)))) == -59
    assert grid(Operation("Addition", (x, Constant(0.25)))) == -2
    assert grid(Operation("Addition", (Operation("Blend", (x, x, x)), Constant(0.25)))) == -55
    # assignments are cut to 1, whatever the value is a multiple of
    assert grid(Constant(4.0)) == 0
    assert grid(Constant(0.5), coefficient=0.75) == -3
    assert grid(x, start=0.375) == -3
    # halved again and again it comes to no grid
    assert grid(Operation("Multiplication", (x, Constant(0.5))), start=0.5) is None
    assert grid(Operation("Blend", (x, x, x))) is None


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_types_are_never_narrower_than_what_happens(seed: int) -> None:
    world = lower(drawn_world(seed, Mode.EXTENDED)).world
    state = State(Engine(world))
    for script in scripts_of(world):
        assert TYPES[type(evaluate(script, state))] in types_of(script)


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_intervals_and_grids_hold_what_is_played(seed: int) -> None:
    world = drawn_world(seed, Mode.EXTENDED)
    ranges = Ranges(world)
    play = Playthrough(world)
    draws = random.Random(seed)
    for _ in range(6):
        for script in scripts_of(world):
            for part in walk(script):
                value = evaluate(part, play.state)
                if not is_number(value):
                    continue
                assert isinstance(value, float)
                interval, grid = ranges.interval(part), ranges.grid(part)
                assert interval is None or interval[0] <= value <= interval[1]
                assert grid is None or value == 0 or lowest_bit(value) >= grid
        if play.page is None or play.ending is not None:
            return
        play.choose(draws.choice(play.page.performable))


def test_a_null_result_of_a_choice_falls_to_its_last_operand() -> None:
    assert types_of(Operation("If Then", (Variable("Ann", ("calm",)), NULL_NUMBER, Constant(0.5)))) is Types.NUMBER
