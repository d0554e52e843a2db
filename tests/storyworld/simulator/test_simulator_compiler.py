"""What is decided before play: the layout of frames, selection in order, references without scripts."""

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest
from lockstep import play_both
from random_storyworlds import random_world

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Effect, Encounter, Mode, Option, Reaction, SetNumber, Spool, Storyworld
from narrative_dag.storyworld.script import Constant, Expression, Operation, Variable
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.playthrough import CompiledPlaythrough
from narrative_dag.storyworld.simulator.program import Program

YES, NO, NONE = Constant(True), Constant(False), Constant("")


def world_of(*encounters: Encounter, mode: Mode = Mode.OFFICIAL, members: tuple[int, ...] | None = None) -> Storyworld:
    return Storyworld(
        title="",
        mode=mode,
        characters=(),
        properties=(),
        declared=frozenset(),
        initial={("ann", ("calm",)): 0.25},
        spools=(Spool("main", "main", True, tuple(range(len(encounters))) if members is None else members),),
        encounters=encounters,
    )


def page(name: str, desirability: float, *options: Option) -> Encounter:
    return Encounter(name, name, NONE, YES, Constant(desirability), options)


def go(*effects: Effect, to: int | None = None) -> Option:
    return Option("go", NONE, YES, YES, (Reaction("r", NONE, Constant(0.0), to, effects),))


def wandering(world: Storyworld, seed: int) -> Storyworld:
    """The storyworld with all pages in all spools, one of them always active, and every step a wild selection."""
    chance = random.Random(seed)
    encounters = tuple(
        dataclasses.replace(
            encounter, options=(go(*(e for o in encounter.options for r in o.reactions for e in r.effects)),)
        )
        for encounter in world.encounters
    )
    members = range(len(encounters))
    spools = tuple(
        dataclasses.replace(spool, members=tuple(chance.sample(members, len(members)))) for spool in world.spools
    )
    always = dataclasses.replace(spools[0], id="always", starts_active=True)
    return dataclasses.replace(world, encounters=encounters, spools=(*spools, always))


@pytest.mark.parametrize("seed", range(6))
def test_selection_among_more_members_than_bits_of_a_word(seed: int) -> None:
    world = wandering(random_world(seed, 130, 0.1), seed)
    program = compile_world(world)
    assert program.code[layout.N_RANKED_WORDS] >= 2
    assert program.code[layout.N_WORDS] - program.code[layout.N_RANKED_WORDS] >= 2
    assert sum(1 for _ in play_both(world, plays=1, steps=130, seed=seed)) > 20


def test_two_hundred_pages_are_met_from_the_most_desirable_down_and_then_play_ends() -> None:
    count = 200
    order = np.random.default_rng(5).permutation(count).tolist()
    pages = [page(f"e{i}", rank / 500.0, go()) for i, rank in enumerate(order)]
    play = CompiledPlaythrough(compile_world(world_of(*pages)))
    met = []
    while play.page is not None:
        met.append(order[play.page.encounter])
        play.choose(0)
    assert met == list(range(count - 1, -1, -1))
    assert play.ending is not None
    assert (play.ending.kind, play.ending.turn) == ("the_end", count + 1)


def test_variables_come_in_order_and_created_ones_are_absent_until_written() -> None:
    deep = Variable("bob", ("trust", "ann"))
    calm = Variable("ann", ("calm",))
    world = world_of(
        page("a", 0.0, go(SetNumber(deep, Operation("Addition", (deep, Constant(0.5)))), to=0)), mode=Mode.EXTENDED
    )
    program = compile_world(world)
    assert program.keys == (("ann", ("calm",)), ("bob", ("trust", "ann")))
    assert program.initial_count == 1
    play = CompiledPlaythrough(program)
    assert play.values.tolist() == [0.25, 0.0]
    assert play.numbers == {(calm.character, calm.keyring): 0.25}
    play.choose(0)
    assert play.numbers == {("ann", ("calm",)): 0.25, ("bob", ("trust", "ann")): 0.5}
    play.choose(0)
    play.choose(0)
    assert play.values.tolist() == [0.25, 1.0]


def references(program: Program) -> Counter[tuple[str, int]]:
    code, found = program.code.tolist(), Counter[tuple[str, int]]()
    for e in range(code[layout.N_ENCOUNTERS]):
        encounter = code[layout.C_ENCOUNTERS] + layout.E_STRIDE * e
        found["open", code[encounter + layout.E_OPEN]] += 1
        for o in range(code[encounter + layout.E_OPTIONS]):
            option = code[encounter + layout.E_FIRST] + layout.O_STRIDE * o
            found["gate", code[option + layout.O_VISIBLE] & 3] += 1
            found["competing", min(code[option + layout.O_CANDIDATES], 2)] += 1
            for i in range(code[option + layout.O_CANDIDATES]):
                found["value", code[code[option + layout.O_LIST] + 2 * i] & 3] += 1
    return found


def test_random_storyworlds_have_every_form_of_reference() -> None:
    found: Counter[tuple[str, int]] = Counter()
    for seed in range(120):
        found += references(compile_world(random_world(seed, 6)))
    forms = {("gate", kind) for kind in range(4)} | {("value", kind) for kind in range(4)}
    forms |= {("open", 0), ("open", 1), ("competing", 0), ("competing", 1), ("competing", 2)}
    assert {form for form, count in found.items() if count >= 3} == forms


CALM = Variable("ann", ("calm",))
NULL = Operation("Neither And nor Or", ())
TEXT_OR_NUMBER = Operation("If Then", (Operation("Less Than", (CALM, Constant(0.6))), NONE, CALM))
PERHAPS_NULL = Operation("Addition", (TEXT_OR_NUMBER,))


@pytest.mark.parametrize("missing", [NULL, PERHAPS_NULL], ids=["null", "perhaps null"])
def test_what_stands_for_null_is_written_once_in_nested_choices(missing: Expression) -> None:
    value: Expression = Constant(0.75)
    for i in range(60):
        value = Operation("If Then", (Operation("Greater Than", (CALM, Constant(i / 60))), missing, value))
    gated = dataclasses.replace(go(), performability=value)
    assigned = go(SetNumber(CALM, value), to=0)
    weighed = Reaction("s", NONE, value, None)
    several = dataclasses.replace(go(), reactions=(weighed, *go().reactions))
    world = world_of(page("first", 0.0, gated, assigned, several), page("second", 0.0))
    assert compile_world(world).code.size < 5000
    assert sum(1 for _ in play_both(world, plays=20, steps=6, seed=3)) > 20


def test_constant_gates_and_outcomes_need_no_script() -> None:
    rivals = tuple(Reaction(f"r{i}", NONE, Constant(d), None) for i, d in enumerate((0.1, 0.4, 0.4, -1.0)))
    shut = Operation("And", (NO, Operation("Greater Than", (Variable("ann", ("calm",)), Constant(0.0)))))
    world = world_of(page("a", 0.0, Option("o", NONE, YES, YES, rivals), Option("p", NONE, shut, YES, ())))
    assert references(compile_world(world)) == {("open", 0): 1, ("gate", layout.GATE_CONSTANT): 2, ("competing", 0): 2}
    play = CompiledPlaythrough(compile_world(world))
    assert play.page is not None
    assert play.page.performable == (0,)
    assert play.choose(0) == 1


def test_choices_that_cannot_be_made_are_refused() -> None:
    play = CompiledPlaythrough(compile_world(world_of(page("a", 0.0, go()))))
    with pytest.raises(StoryworldError, match="encounter a: option 1 is not performable"):
        play.choose(1)
    play.choose(0)
    with pytest.raises(StoryworldError, match="ended"):
        play.choose(0)


def test_compiling_twice_gives_the_same_arrays() -> None:
    world = random_world(3, 9)
    one, two = compile_world(world, "x"), compile_world(dataclasses.replace(world), "x")
    assert one.code.tobytes() == two.code.tobytes()
    assert one.frame.tobytes() == two.frame.tobytes()
