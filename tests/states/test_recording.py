"""Recorded play: the rows of `rollouts`, equal to the interpreter's."""

import dataclasses
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreted_rows import interpreted_rows
from random_storyworlds import random_world

from narrative_dag.stages.imports import read_import
from narrative_dag.states.encoder import Encoder, dimension_names
from narrative_dag.states.pages_kernel import play_pages
from narrative_dag.states.recording import CHUNK_ROWS, record, states
from narrative_dag.storyworld.authors import AuthorConfig, author
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import (
    Character,
    Encounter,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Expression, Operation, Variable
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.program import Program
from narrative_dag.storyworld.simulator.simulate import Policy, simulate
from narrative_dag.tables import STATE_DIMENSIONS, TABLES

SHARED = Path(__file__).parents[3] / "shared" / "sweepweave" / "worlds"

CALM = Variable("c", ("Calm",))
EMPTY, TRUE = Constant(""), Constant(True)


def reaction(id_: str, consequence: int | None, *effects: SetNumber) -> Reaction:
    return Reaction(id_, EMPTY, Constant(0.0), consequence, effects)


def option(id_: str, *reactions: Reaction, visible: Expression = TRUE, performable: Expression = TRUE) -> Option:
    return Option(id_, EMPTY, visible, performable, reactions)


def world_of(*options: tuple[Option, ...], members: tuple[int, ...] = (0,)) -> Storyworld:
    """Encounters e0, e1, ... with the options; wild selection knows only the members."""
    return Storyworld(
        title="w",
        mode=Mode.OFFICIAL,
        characters=(Character("c", "C"),),
        properties=(Property("Calm", "Calm"),),
        declared=frozenset({("c", "Calm")}),
        initial={("c", ("Calm",)): 0.0},
        spools=(Spool("s", "s", True, members),),
        encounters=tuple(Encounter(f"e{i}", "", EMPTY, TRUE, Constant(0.0), own) for i, own in enumerate(options)),
    )


NUDGED = SetNumber(CALM, Operation("Nudge", (CALM, Constant(0.5))))
SAME = SetNumber(CALM, CALM)
BRANCHING = world_of(
    (
        option("stay", reaction("r0", 0, NUDGED, SAME)),
        option("leave", reaction("r1", 1)),
        option("late", reaction("r2", 2), performable=Operation("Greater Than", (CALM, Constant(0.3)))),
    ),
    (),
    (option("wild", reaction("r3", None)),),
)


def compiled(world: Storyworld, identity: str = "id") -> Program:
    return compile_world(world, identity)


def rows_of(world: Storyworld, playthroughs: int = 1, seed: int = 0, max_steps: int = 60, policy: Policy = "uniform"):
    return record([compiled(world)], "seed", playthroughs, seed, max_steps, policy).to_pylist()


def test_rows_have_the_tables_schema():
    table = record([compiled(BRANCHING)], "policy", 20, 1)
    assert table.schema == TABLES["rollouts"].schema
    assert set(table["storyworld_id"].to_pylist()) == {"id"}
    assert set(table["source"].to_pylist()) == {"policy"}
    for name in ("storyworld_id", "encounter", "visible", "state"):
        assert table[name].null_count == 0


def test_page_without_options_is_the_last_row():
    rows = rows_of(world_of((option("go", reaction("r", 1)),), ()))
    assert [(r["step"], r["turn"], r["encounter"], r["choice"], r["reaction"], r["next"], r["end"]) for r in rows] == [
        (0, 1, "e0", "go", "r", "e1", None),
        (1, 2, "e1", None, None, None, "no_options"),
    ]


def test_the_end_is_told_by_the_page_of_the_last_choice():
    rows = rows_of(world_of((option("go", reaction("r", None)),)))
    assert [(r["choice"], r["reaction"], r["next"], r["end"]) for r in rows] == [("go", "r", None, "the_end")]


def test_capped_playthrough_ends_on_the_page_of_its_last_choice():
    rows = rows_of(world_of((option("go", reaction("r", 0)),)), max_steps=3)
    assert [(r["step"], r["choice"], r["next"], r["end"]) for r in rows] == [
        (0, "go", "e0", None),
        (1, "go", "e0", None),
        (2, "go", "e0", "max_steps"),
    ]


def test_blocked_page_shows_what_is_visible():
    rows = rows_of(world_of((option("shut", reaction("r", 0), performable=Constant(False)),)))
    assert [(r["visible"], r["performable"], r["choice"], r["end"]) for r in rows] == [(["shut"], [], None, "blocked")]


def test_nothing_selectable_at_the_start_has_no_rows():
    assert rows_of(world_of((), members=()), playthroughs=3) == []


def test_playthroughs_do_not_depend_on_how_many_are_played():
    many, few = rows_of(BRANCHING, 30, seed=5), rows_of(BRANCHING, 10, seed=5)
    assert [row for row in many if row["playthrough"] < 10] == few
    assert rows_of(BRANCHING, 30, seed=5) == many
    other = record([compiled(BRANCHING, "other")], "seed", 30, 5)
    assert other["choice"].to_pylist() != [r["choice"] for r in many]
    assert [r["choice"] for r in rows_of(BRANCHING, 30, seed=6)] != [r["choice"] for r in many]


def test_choice_is_uniform_over_performable_options():
    choices = Counter(r["choice"] for r in rows_of(BRANCHING, 3000, seed=2) if r["step"] == 0)
    assert set(choices) == {"stay", "leave"}
    assert choices["stay"] == pytest.approx(1500, abs=120)


@pytest.mark.parametrize("policy", ["uniform", "novelty"])
@pytest.mark.parametrize("max_steps", [1, 3, 40])
def test_rows_equal_the_interpreters(policy: Policy, max_steps: int):
    worlds = [compile_text(draft.text).world for draft in author(12, AuthorConfig(quality_low=0.5, quality_high=1), 3)]
    worlds += [BRANCHING, world_of((), members=())]
    programs = [compiled(world, f"id{i}") for i, world in enumerate(worlds)]
    found = record(programs, "policy", 9, 5, max_steps, policy)
    expected = [
        row
        for i, world in enumerate(worlds)
        for row in interpreted_rows(world, f"id{i}", "policy", 9, 5, max_steps, policy == "novelty")
    ]
    assert found.to_pylist() == expected
    found.validate(full=True)


@settings(max_examples=60, deadline=None)
@given(
    *(st.integers(0, 2**32), st.integers(1, 30), st.sampled_from([0.0, 0.15, 0.4])),
    *(st.sampled_from(["uniform", "novelty"]), st.sampled_from([1, 5, 20])),
)
def test_rows_of_random_storyworlds_equal_the_interpreters(
    seed: int, size: int, wild: float, policy: Policy, max_steps: int
):
    worlds = [random_world(seed + i, size, wild) for i in range(2)]
    found = record([compiled(world, f"id{i}") for i, world in enumerate(worlds)], "seed", 4, seed, max_steps, policy)
    novel = policy == "novelty"
    assert found.to_pylist() == [
        row
        for i, world in enumerate(worlds)
        for row in interpreted_rows(world, f"id{i}", "seed", 4, seed, max_steps, novel)
    ]


def test_random_storyworlds_create_variables_that_the_vectors_tell():
    told = 0
    for seed in range(120):
        world = random_world(seed, 8)
        if world.mode is not Mode.EXTENDED:
            continue
        play, encoder = Playthrough(world), Encoder(world)
        for _ in range(10):
            if play.ending is not None or play.page is None:
                break
            play.choose(play.page.performable[0])
            if play.page is None:
                break
            vector = encoder.encode(play.state, play.page.encounter)
            for key in play.state.numbers.keys() - world.initial.keys():
                del play.state.numbers[key]
            told += vector.tolist() != encoder.encode(play.state, play.page.encounter).tolist()
    assert told > 20


def test_a_created_variable_is_in_the_vector_from_then_on():
    create = SetNumber(Variable("c", ("Hope",)), Constant(0.5))
    pages = [(option(f"o{i}", reaction(f"r{i}", i + 1, effect)),) for i, effect in enumerate((NUDGED, create, NUDGED))]
    rows = rows_of(dataclasses.replace(world_of(*pages, ()), mode=Mode.EXTENDED), 2)
    at = dimension_names().index
    names = ["value.0.Hope~", "value_change.0.Hope~"]
    told = [[row["state"][at(name)] for name in names] for row in rows]
    assert told == [[0.0] * 2, [0.0] * 2, [0.5] * 2, [0.5] * 2] * 2
    # the mean over those that exist: Calm alone moved by a half, then both, then Calm by a quarter more
    assert [row["state"][at("history.moved")] for row in rows] == [0.0, 0.5, 0.5, 0.625] * 2


@pytest.mark.skipif(not SHARED.is_dir(), reason="real storyworlds are not beside the repository")
@pytest.mark.parametrize("name", ["w01", "w06", "w11", "s01", "s10"])
def test_rows_of_real_storyworlds_equal_the_interpreters(name: str):
    world = read_import(SHARED / f"{name}.json.gz")
    assert rows_of(world, 6, 11, 30) == interpreted_rows(world, "id", "seed", 6, 11, 30)


def test_rows_do_not_depend_on_the_batch():
    programs = [compiled(BRANCHING, "a"), compiled(world_of((option("go", reaction("r", 0)),)), "b")]
    together = record(programs, "seed", 300, 1)
    apart = [record([program], "seed", 300, 1) for program in programs]
    assert together.num_rows > 4 * CHUNK_ROWS
    assert together.combine_chunks().equals(pa.concat_tables(apart).combine_chunks())
    reverse = record(programs[::-1], "seed", 300, 1)
    assert reverse.combine_chunks().equals(pa.concat_tables(apart[::-1]).combine_chunks())


def test_a_playthrough_longer_than_a_chunk_is_whole():
    endless = world_of((option("go", reaction("r", 0, NUDGED)),))
    rows = record([compiled(endless)], "seed", 2, 0, CHUNK_ROWS + 5)
    assert rows["step"].to_pylist() == [*range(CHUNK_ROWS + 5)] * 2


def test_novelty_tries_what_was_not_tried():
    doors = world_of(tuple(option(f"o{i}", reaction(f"r{i}", None)) for i in range(7)))
    choices = [row["choice"] for row in rows_of(doors, 14, policy="novelty")]
    assert sorted(choices[:7]) == sorted(choices[7:]) == [f"o{i}" for i in range(7)]
    assert choices[:7] != sorted(choices[:7])


def test_states_are_those_of_the_rows():
    table = record([compiled(BRANCHING)], "seed", 20, 3, 5)
    vectors = states([compiled(BRANCHING)], 20, 3, 5)
    assert vectors.tolist() == table["state"].to_pylist()
    assert states([compiled(world_of((), members=()))], 20, 3).shape == (0, STATE_DIMENSIONS)


def test_storyworlds_share_one_kernel():
    before = len(play_pages.signatures)
    rows_of(BRANCHING)
    rows_of(world_of((), members=()), 3, 4, 5, "novelty")
    assert before <= len(play_pages.signatures) == 1


@pytest.mark.parametrize(("policy", "max_steps"), [("recorded", 60), ("uniform", 0)])
def test_what_cannot_be_recorded_is_refused(policy: str, max_steps: int):
    with pytest.raises(ValueError, match="uniform or novel"):
        record([compiled(BRANCHING)], "seed", 1, 0, max_steps, policy)


def test_survey_agrees_with_the_rows_it_does_not_keep():
    counted = simulate([compiled(BRANCHING)], 200, 3, max_steps=4).survey(0)
    rows = rows_of(BRANCHING, 200, 3, 4)
    positions = {e.id: i for i, e in enumerate(BRANCHING.encounters)}
    named = {o.id: (e, i) for e, i, o in BRANCHING.options()}
    assert counted.playthroughs == 200
    assert counted.steps == sum(r["choice"] is not None for r in rows)
    assert dict(counted.entries) == Counter(positions[r["encounter"]] for r in rows)
    assert dict(counted.ends) == Counter(positions[r["encounter"]] for r in rows if r["end"])
    assert dict(counted.kinds) == Counter(r["end"] for r in rows if r["end"])
    assert dict(counted.visible) == Counter(named[o] for r in rows for o in r["visible"])
    assert dict(counted.performable) == Counter(named[o] for r in rows for o in r["performable"])
    assert dict(counted.chosen) == Counter(named[r["choice"]] for r in rows if r["choice"])
    assert counted.longest == 1 + max(r["step"] for r in rows if r["choice"])
    assert set(counted.kinds) == {"the_end", "no_options", "max_steps"}


def test_survey_tells_effects_that_change_something_from_those_that_do_not():
    counted = simulate([compiled(BRANCHING)], 200, 3).survey(0)
    assert counted.changes[0, 0, 0, 0] > 0
    assert counted.changes[0, 0, 0, 1] == 0
    assert counted.reactions[0, 0, 0] == counted.chosen[0, 0]
    assert 0 < counted.performable[0, 2] < counted.visible[0, 2] == counted.entries[0]


def test_survey_of_an_unstartable_world():
    counted = simulate([compiled(world_of((), members=()))], 7, 0).survey(0)
    assert (dict(counted.kinds), counted.steps, dict(counted.entries)) == ({"the_end": 7}, 0, {})


def test_a_table_keeps_no_room_that_it_does_not_use():
    table = record([compiled(BRANCHING)], "seed", 3, 0, 2)
    assert table.get_total_buffer_size() < 2 * table.nbytes + 2000


def test_progress_is_told_by_storyworld():
    told: list[int] = []
    record([compiled(BRANCHING, name) for name in "abc"], "seed", 2, 0, progress=told.append)
    assert told == [1, 2, 3]
