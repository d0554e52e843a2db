"""Lowering: random storyworlds of every operator play alike before and after, choice by choice and bit by bit."""

import dataclasses
import random
from collections import Counter

import pytest
from dialect_worlds import difference, drawn_world
from hypothesis import given, settings
from hypothesis import strategies as st
from lowering_worlds import option, page, scripts_of, with_numbers, written

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import (
    Mode,
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
    Operation,
    SpoolStatus,
    Variable,
    is_number,
    walk,
)
from narrative_dag.storyworld.sweepweave import lower
from narrative_dag.storyworld.sweepweave.membership import arrange
from narrative_dag.storyworld.sweepweave.variables import UNSET

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=120, deadline=None)
@given(seeds)
def test_extended_worlds_play_alike(seed: int) -> None:
    world = drawn_world(seed, Mode.EXTENDED)
    lowering = lower(world)
    assert lowering.world.mode is Mode.OFFICIAL
    assert lowering.approximations == ()
    for play in range(4):
        assert difference(world, lowering, random.Random(play), 12) is None


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_official_worlds_play_alike(seed: int) -> None:
    world = drawn_world(seed, Mode.OFFICIAL)
    lowering = lower(world)
    for play in range(4):
        assert difference(world, lowering, random.Random(play), 12) is None


def test_the_drawn_worlds_reach_everything_that_lowering_does() -> None:
    found: Counter[str] = Counter()
    for seed in range(60):
        world = drawn_world(seed, Mode.EXTENDED)
        lowering = lower(world)
        for script in scripts_of(world):
            for part in walk(script):
                if isinstance(part, Operation):
                    found[part.operator] += 1
                if isinstance(part, Variable):
                    found[f"depth {len(part.keyring) - 1}"] += 1
        found["unset"] += UNSET in lowering.world.initial.values()
        found["reordered"] += list(lowering.encounters) != sorted(lowering.encounters)
        found["split"] += len(lowering.world.spools) > len(world.spools)
        found["opening"] += gated_by_opening(lowering.world)
        found["silent option"] += any(not option.reactions for _, _, option in world.options())
        found["renamed"] += len({e.id for e in world.encounters}) < len(world.encounters)
    official_only = {"Neither And nor Or"}
    wanted = {*OPERATORS, "depth 0", "depth 1", "depth 2", "unset", "reordered", "split", "opening", "renamed"}
    assert {name for name in wanted - official_only if not found[name]} == set()


def gated_by_opening(world: Storyworld) -> bool:
    """Whether some ending waits until the opening page was seen."""
    page = Playthrough(world).page
    gates = [e.acceptability for e in world.encounters if not e.options]
    opened = None if page is None else Event(page.encounter)
    return any(gate == opened or (isinstance(gate, Operation) and gate.operands[-1] == opened) for gate in gates)


def test_lowered_expressions_hold_official_operators_and_constants_alone() -> None:
    for seed in range(30):
        for script in scripts_of(lower(drawn_world(seed, Mode.EXTENDED, exact=False), approximate=True).world):
            for part in walk(script):
                assert not isinstance(part, Operation) or OPERATORS[part.operator].official
                assert not isinstance(part, Constant) or not is_number(part.value) or abs(float(part.value)) <= 0.99


def test_a_product_without_an_exact_form_is_refused_by_place_unless_asked_for() -> None:
    world = written(with_numbers(x=0.5, y=0.25))
    product = Operation("Multiplication", (Variable("Ann", ("x",)), Variable("Ann", ("y",))))
    page = world.encounters[0]
    urgent = dataclasses.replace(page, desirability=Operation("Addition", (Constant(0.1), product)))
    world = dataclasses.replace(world, encounters=(urgent,))
    with pytest.raises(StoryworldError) as refused:
        lower(world)
    assert refused.value.where == "encounters[0].desirability_script.operands[1]"
    assert refused.value.hint is not None
    assert "--approximate" in refused.value.hint
    assert [a.place for a in lower(world, approximate=True).approximations] == [refused.value.where]


# a gate takes a number, And does not
@pytest.mark.parametrize("gate", [Constant(True), Constant(0.5), Variable("Ann", ("calm",))])
def test_an_ending_that_would_open_the_story_waits_for_the_opening_page(gate: Expression) -> None:
    world = dataclasses.replace(
        with_numbers(calm=0.5),
        spools=(Spool("s", "s", True, (0, 1, 2)),),
        encounters=(page("soon", urgency=0.9, gate=gate), page("start", option()), page("later", urgency=-0.5)),
    )
    lowered = lower(world).world
    first, *others = [e.acceptability for e in lowered.encounters]
    assert others == [Constant(True), Constant(True)]
    if gate == Constant(True):
        assert first == Event(1)
    play = Playthrough(lowered)
    play.choose(0)
    assert play.page is not None
    assert lowered.encounters[play.page.encounter].id == "soon"


def test_a_perceived_value_follows_its_trait_until_it_is_written() -> None:
    calm, perceived = Variable("Ann", ("calm",)), Variable("Ann", ("calm", "Ann"))
    world = dataclasses.replace(
        with_numbers(calm=0.5),
        spools=(Spool("s", "s", True, (0,)),),
        encounters=(
            page(
                "e",
                option(SetNumber(calm, Constant(0.25)), to=0),
                option(SetNumber(perceived, Constant(-0.75)), to=0),
                option(gate=Operation("Greater Than", (perceived, Constant(0.3)))),
                option(gate=Operation("Less Than", (perceived, Constant(0.0)))),
            ),
        ),
    )
    lowering = lower(world)
    assert [(p.id, p.depth) for p in lowering.world.properties] == [("calm", 0), ("calm_perceived_1", 1), ("one", 0)]
    assert lowering.variables["Ann", ("calm", "Ann")] == ("Ann", ("calm_perceived_1", "Ann"))
    play = Playthrough(lowering.world)
    shown = []
    for choice in (0, 1, 0):
        assert play.page is not None
        shown.append(play.page.visible)
        play.choose(choice)
    assert shown == [(0, 1, 2), (0, 1), (0, 1, 3)]


def test_assignments_are_cut_only_where_they_could_leave_the_range() -> None:
    calm = Variable("Ann", ("calm",))

    def value(expression: Expression, coefficient: float = 1.0) -> Expression:
        target = Variable("Ann", ("calm",), coefficient)
        pages = (page("e", option(SetNumber(target, expression))),)
        effect = lower(dataclasses.replace(with_numbers(calm=0.5), encounters=pages)).world.encounters[0]
        (found,) = effect.options[0].reactions[0].effects
        assert isinstance(found, SetNumber)
        assert found.target == calm
        return found.value

    nudge = Operation("Nudge", (calm, Constant(0.2)))
    assert value(nudge) == nudge
    assert value(nudge, -0.5) != nudge
    assert value(Operation("Addition", (calm, Constant(0.2)))) == Operation(
        "Minimum of",
        (
            Operation(
                "Maximum of",
                (
                    Operation("Arithmetic Mean", (Variable("Ann", ("calm",), 2.0), Constant(0.4))),
                    Variable("Ann", ("one",), -1.0),
                ),
            ),
            Variable("Ann", ("one",), 1.0),
        ),
    )


def test_spools_that_contradict_each_other_are_split_and_switched_together() -> None:
    pages = (page("start", option(SetSpool("b", SpoolStatus("b", negated=True)))), page("x"), page("y"), page("z"))
    world = dataclasses.replace(
        with_numbers(),
        spools=(
            Spool("open", "open", True, (0,)),
            Spool("a", "a", False, (1, 2, 3)),
            Spool("b", "b", False, (3, 2, 1)),
        ),
        encounters=pages,
    )
    lowering = lower(world)
    assert lowering.encounters == (0, 1, 2, 3)
    assert [spool.id for spool in lowering.world.spools] == ["open", "a", "b", "b_2", "b_3"]
    play = Playthrough(lowering.world)
    play.choose(0)
    assert play.state.active_spools == {"open", "b", "b_2", "b_3"}
    assert play.page is not None
    assert lowering.world.encounters[play.page.encounter].id == "z"


def test_one_order_of_encounters_serves_every_spool_where_it_can() -> None:
    spools = (Spool("a", "a", True, (0, 1)), Spool("b", "b", True, (2, 1)), Spool("c", "c", True, (2, 0)))
    arranged = arrange(spools, 3)
    assert arranged.order == (2, 0, 1)
    assert [spool.members for spool in arranged.spools] == [(1, 2), (0, 2), (0, 1)]


@pytest.mark.parametrize(("name", "levels"), [("Addition", 40), ("Multiplication", 6)])
def test_an_exact_form_that_would_explode_is_refused_by_place(name: str, levels: int) -> None:
    variable = Variable("Ann", ("x",))
    gate = Operation("Greater Than", (variable, Constant(0.0)))
    tree: Expression = Operation("If Then", (gate, Constant(True), variable))
    for _ in range(levels):
        tree = Operation(name, (tree, variable if name == "Addition" else tree))
    world = written(with_numbers(x=0.5, y=0.25))
    page = dataclasses.replace(world.encounters[0], desirability=tree)
    with pytest.raises(StoryworldError, match="too large") as refused:
        lower(dataclasses.replace(world, encounters=(page,)), approximate=True)
    assert refused.value.where is not None
    assert refused.value.where.startswith("encounters[0].desirability_script.operands[0]")


def test_events_name_all_that_they_imply() -> None:
    def gate(event: Event) -> Expression:
        pages = (page("e", option(gate=event)),)
        return lower(dataclasses.replace(with_numbers(), encounters=pages)).world.encounters[0].options[0].visibility

    assert gate(Event(0, None, (0, 0, 0))) == Event(0, (0, 0), (0, 0, 0))
    assert gate(Event(None)) == Constant(False)
    assert gate(Event(None, negated=True)) == Constant(True)
