"""Seeded random play: the rows of a playthrough and the survey's counts."""

from collections import Counter

import pytest

from narrative_dag.states.playthroughs import record, survey
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
from narrative_dag.tables import TABLES

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


def rows_of(world: Storyworld, playthroughs: int = 1, seed: int = 0, max_steps: int = 60):
    return record(world, "id", "seed", playthroughs, seed, max_steps).to_pylist()


def test_rows_have_the_tables_schema():
    table = record(BRANCHING, "id", "policy", 20, 1)
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
    assert record(BRANCHING, "id", "seed", 30, 5).equals(record(BRANCHING, "id", "seed", 30, 5))
    other = record(BRANCHING, "other", "seed", 30, 5)
    assert other["choice"].to_pylist() != record(BRANCHING, "id", "seed", 30, 5)["choice"].to_pylist()
    assert record(BRANCHING, "id", "seed", 30, 6)["choice"].to_pylist() != [r["choice"] for r in many]


def test_choice_is_uniform_over_performable_options():
    choices = Counter(r["choice"] for r in rows_of(BRANCHING, 3000, seed=2) if r["step"] == 0)
    assert set(choices) == {"stay", "leave"}
    assert choices["stay"] == pytest.approx(1500, abs=120)


def test_survey_agrees_with_the_rows_it_does_not_keep():
    counted = survey(BRANCHING, 200, seed=3, max_steps=4)
    rows = record(BRANCHING, "", "seed", 200, 3, 4).to_pylist()
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
    counted = survey(BRANCHING, 200, seed=3)
    assert counted.changes[0, 0, 0, 0] > 0
    assert counted.changes[0, 0, 0, 1] == 0
    assert counted.reactions[0, 0, 0] == counted.chosen[0, 0]
    assert 0 < counted.performable[0, 2] < counted.visible[0, 2] == counted.entries[0]


def test_survey_of_an_unstartable_world():
    counted = survey(world_of((), members=()), 7, seed=0)
    assert (dict(counted.kinds), counted.steps, dict(counted.entries)) == ({"the_end": 7}, 0, {})
