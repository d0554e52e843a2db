"""What a page must remember: values survive assignments that may not happen and keyrings that may be shorter."""

import dataclasses

import pytest
from explore_worlds import FEAR, HOPE, PERCEIVED, TRUST, more, option, page, put, reaction, world

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore import explore
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.model import Mode, SetNumber
from narrative_dag.storyworld.script import Constant, Operation, Variable

GHOST = Variable("ann", ("ghost",))
NULL = Operation("Neither And nor Or", ())


def crossroads(*effects, second=()):
    """Trust is set high or low, then the effects run or the second ones, then a gate reads it."""
    return world(
        page(option(reaction(1, put(TRUST, 0.5))), option(reaction(1, put(TRUST, -0.5)))),
        page(option(reaction(2, *effects)), option(reaction(2, *second))),
        page(option(reaction(3), show=more(TRUST, 0.0)), option(reaction(3))),
        page(),
    )


def live_numbers(built, encounter):
    return set(Liveness(Engine(built)).parts[encounter].numbers)


@pytest.mark.parametrize(
    "value",
    [
        NULL,
        GHOST,
        Constant("a text"),
        Operation("Maximum of", (GHOST,)),
        Operation("Addition", (TRUST, GHOST)),
        Operation("If Then", (Constant(True), Constant("a text"), Constant(0.5))),
    ],
)
def test_an_assignment_that_may_not_happen_does_not_end_the_life_of_its_target(value):
    built = crossroads(SetNumber(TRUST, value), second=(SetNumber(TRUST, value),))
    explored = explore(built)
    assert explored.pages == {0: 1, 1: 2, 2: 2, 3: 1}
    assert explored.visible[2, 0] == 1


@pytest.mark.parametrize(
    "value",
    [
        Constant(0.3),
        FEAR,
        Operation("Arithmetic Mean", (GHOST,)),
        Operation("Maximum of", (GHOST, Constant(0.1))),
        Operation("Blend", (FEAR, Constant(0.1), HOPE)),
    ],
)
def test_an_assignment_that_surely_happens_does(value):
    built = crossroads(SetNumber(TRUST, value), second=(SetNumber(TRUST, value),))
    assert ("ann", ("trust",)) not in live_numbers(built, 1)
    assert explore(built).pages[1] == 1


def test_a_perceived_value_follows_its_base_until_it_is_written():
    built = world(
        page(option(reaction(1, put(TRUST, 0.5))), option(reaction(1, put(TRUST, -0.5)))),
        page(option(reaction(2)), option(reaction(2, put(PERCEIVED, -0.3)))),
        page(option(reaction(3), show=more(PERCEIVED, 0.0)), option(reaction(3))),
        page(),
    )
    extended = dataclasses.replace(built, mode=Mode.EXTENDED)
    assert live_numbers(extended, 2) == {("ann", ("trust",)), ("ann", ("trust", "bob"))}
    explored = explore(extended)
    # on page 2: base high or low, perceived value absent or written
    assert explored.pages == {0: 1, 1: 2, 2: 4, 3: 1}
    assert explored.visible[2, 0] == 1


def test_a_value_is_live_only_where_it_may_still_be_read():
    built = crossroads(put(FEAR, 0.5), second=(put(FEAR, -0.5),))
    trust, fear = ("ann", ("trust",)), ("ann", ("fear",))
    assert [trust in live_numbers(built, e) for e in range(4)] == [False, True, True, False]
    assert not any(fear in live_numbers(built, e) for e in range(4))
    assert explore(built).pages == {0: 1, 1: 2, 2: 2, 3: 1}


def test_only_competing_reactions_are_weighed():
    alone = world(
        page(option(reaction(1, put(TRUST, 0.5))), option(reaction(1))), page(option(reaction(2, weight=TRUST))), page()
    )
    assert explore(alone).pages[1] == 1
    rivals = option(reaction(2, weight=TRUST), reaction(3, weight=0.1))
    weighed = world(page(option(reaction(1, put(TRUST, 0.5))), option(reaction(1))), page(rivals), page(), page())
    assert explore(weighed).pages == {0: 1, 1: 2, 2: 1, 3: 1}


def test_minus_zero_is_zero():
    negation = Operation("Arithmetic Negation", (TRUST,))
    built = world(
        page(option(reaction(0, SetNumber(TRUST, negation))), option(reaction(1), show=more(TRUST, 0.0))), page()
    )
    assert explore(built).pages == {0: 1}
