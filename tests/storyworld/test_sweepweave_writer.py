"""Project documents: what is read back is what was written, nothing is left to a loader, nothing depends on a clock."""

import dataclasses
import math
import random
from typing import Any

import pytest
from dialect_worlds import difference, drawn_world
from hypothesis import given, settings
from hypothesis import strategies as st
from sweepweave_documents import (
    constant,
    effect,
    encounter,
    event,
    extended,
    official,
    operator,
    option,
    project,
    reaction,
    spool,
    spool_effect,
    text,
    variable,
)

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Mode
from narrative_dag.storyworld.script import Constant, Event, Operation
from narrative_dag.storyworld.sweepweave import convert, loads
from narrative_dag.storyworld.sweepweave.files import parse
from narrative_dag.storyworld.sweepweave.identifiers import unique
from narrative_dag.storyworld.sweepweave.writer import encode

seeds = st.integers(0, 2**32 - 1)
modes = st.sampled_from(list(Mode))


@settings(max_examples=100, deadline=None)
@given(seeds, modes)
def test_the_official_loader_has_nothing_to_say_and_reads_what_was_meant(seed: int, mode: Mode) -> None:
    world = drawn_world(seed, mode, exact=False)
    converted = convert(world, approximate=True)
    loaded = loads(parse(encode(converted.document), "written"), Mode.OFFICIAL)
    assert loaded.report == ()
    assert loaded.world == converted.lowering.world
    tolerance = 1e-12 if converted.lowering.approximations else 0.0
    assert difference(world, converted.lowering, random.Random(seed), 12, tolerance) is None


def rich() -> dict[str, Any]:
    """A project that the official loader takes whole, with something of everything."""
    gate = operator("Boolean Comparator", event("start", "go", "done"), event("end", negated=True), subtype="And")
    done = reaction(
        "done", effect(variable("Ann", "Trust", "Bob"), constant(0.5)), spool_effect("side", True), to="end"
    )
    pages = (
        encounter("start", option("go", done), option("stay", reaction("stayed")), spools=("main", "side")),
        encounter("end", acceptable=gate, desirability=variable("Bob", "Calm", coefficient=-0.5)),
    )
    spools = [spool("main", "start", "end"), spool("side", "start", active=False)]
    return project(*pages, spools=spools) | {
        "storyworld_author": "A. Writer",
        "meta_description": "trust",
        "about_text": text("About."),
    }


def test_a_clean_project_keeps_its_ids_texts_and_people() -> None:
    source = rich()
    assert official(source).report == ()
    document = convert(official(source).world).document
    assert official(document).world == official(source).world
    for key in ("storyworld_title", "storyworld_author", "meta_description", "about_text"):
        assert document[key] == source[key]
    for key, spoken in (("id", "text_script"), ("title", "connected_spools")):
        assert [e[key] for e in document["encounters"]] == [e[key] for e in source["encounters"]]
        assert [e[spoken] for e in document["encounters"]] == [e[spoken] for e in source["encounters"]]
    assert [s["encounters"] for s in document["spools"]] == [["start", "end"], ["start"]]


def test_a_number_that_the_file_leaves_out_is_written_as_what_it_reads() -> None:
    source = rich()
    calm = source["characters"][1]["bnumber_properties"].pop("Calm")
    assert calm is not None
    world = official(source).world
    converted = convert(world)
    assert converted.document["characters"][1]["bnumber_properties"]["Calm"] == 0.0
    assert difference(world, converted.lowering, random.Random(0), 12, 0.0) is None


def test_a_document_depends_on_storyworld_and_seed_alone() -> None:
    world = official(rich()).world
    first, again, other = convert(world).document, convert(world).document, convert(world, seed=1).document
    assert encode(first) == encode(again)
    assert first["IFID"] != other["IFID"]
    assert first["creation_time"] != other["creation_time"]
    assert first["encounters"][0]["text_script"] == other["encounters"][0]["text_script"]
    retitled = convert(dataclasses.replace(world, title="Else")).document
    assert retitled["IFID"] != first["IFID"]
    assert [len(part) for part in first["IFID"].split("-")] == [8, 4, 4, 4, 12]


def test_counters_and_stamps_are_of_what_is_there() -> None:
    document = convert(official(rich()).world).document
    assert document["sweepweave_version"] == "0.1.9"
    assert document["unique_id_seeds"] == {
        "character": 2,
        "encounter": 2,
        "option": 2,
        "reaction": 2,
        "spool": 2,
        "authored_property": 2,
    }
    for key in ("characters", "authored_properties", "spools", "encounters"):
        assert [item["creation_index"] for item in document[key]] == [0, 1]
        assert {item["creation_time"] for item in document[key]} == {document["creation_time"]}


def test_repeated_ids_become_different_and_pointers_keep_what_they_mean() -> None:
    pages = [encounter("a", option("o", reaction("r"), reaction("r"))), encounter("b", option("o", reaction("r")))]
    pages.append(encounter("c", acceptable=event("b", "o", "r")))
    world = extended(project(*pages)).world
    converted = convert(world)
    ids = [(o["id"], [r["id"] for r in o["reactions"]]) for e in converted.document["encounters"] for o in e["options"]]
    assert ids == [("o", ["r", "r_2"]), ("o_2", ["r_3"])]
    assert official(converted.document).world.encounters[2].acceptability == Event(1, (1, 0), (1, 0, 0))


def test_an_encounter_called_wild_is_renamed_only_where_something_leads_to_it() -> None:
    def ids(*pages: Any) -> list[str]:
        return [e["id"] for e in convert(extended(project(*pages)).world).document["encounters"]]

    assert ids(encounter("start", option("o", reaction("r"))), encounter("wild")) == ["start", "wild"]
    world = extended(project(encounter("start", option("o", reaction("r", to="end"))), encounter("end"))).world
    called = dataclasses.replace(world.encounters[1], id="wild")
    document = convert(dataclasses.replace(world, encounters=(world.encounters[0], called))).document
    assert [e["id"] for e in document["encounters"]] == ["start", "wild_2"]
    assert document["encounters"][0]["options"][0]["reactions"][0]["consequence_id"] == "wild_2"


def test_unique_ids_never_take_one_that_comes_later() -> None:
    assert unique(["a", "a", "a_2", "", "a"], "thing") == ["a", "a_3", "a_2", "thing", "a_4"]


def test_a_property_covers_all_or_exactly_its_owners() -> None:
    document = project(encounter("start"))
    document["authored_properties"][0] |= {"attribution_target": "some cast members", "affected_characters": ["Bob"]}
    del document["characters"][0]["bnumber_properties"]["Calm"]
    written = convert(official(document).world).document["authored_properties"]
    found = [(p["attribution_target"], p["affected_characters"]) for p in written]
    assert found == [("some cast members", ["Bob"]), ("all cast members", ["Ann", "Bob"])]


def test_undeclared_values_of_the_dialect_are_declared_for_those_who_have_them() -> None:
    document = project(encounter("start"), properties=[])
    document["authored_properties"] = []
    document["characters"][0]["bnumber_properties"] = {"Luck": 0.25}
    document["characters"][1]["bnumber_properties"] = {}
    written = convert(extended(document).world).document
    assert [(p["id"], p["affected_characters"]) for p in written["authored_properties"]] == [("Luck", ["Ann"])]
    assert official(written).world.initial == {("Ann", ("Luck",)): 0.25}


def test_constants_beyond_the_editor_s_bound_become_coefficients_even_without_a_cast() -> None:
    document = project(encounter("start", desirability=constant(7.5)), properties=[]) | {"authored_properties": []}
    document["characters"] = []
    written = convert(extended(document).world).document
    (helper,) = written["characters"]
    assert helper["bnumber_properties"] == {"one": 1.0}
    assert written["encounters"][0]["desirability_script"]["coefficient"] == 7.5


def test_an_option_without_reactions_gets_an_empty_one() -> None:
    world = official(project(encounter("start", option("go")), encounter("end"))).world
    (only,) = convert(world).lowering.world.encounters[0].options[0].reactions
    assert (only.effects, only.consequence, only.text) == ((), None, Constant(""))


def test_numbers_that_json_cannot_hold_are_refused_by_place() -> None:
    world = official(rich()).world
    broken = dataclasses.replace(world, initial={**world.initial, ("Ann", ("Calm",)): math.inf})
    with pytest.raises(StoryworldError) as refused:
        convert(broken)
    assert refused.value.where == "Ann.Calm"
    gate = dataclasses.replace(
        world.encounters[0], desirability=Operation("Nudge", (Constant(math.nan), Constant(0.1)))
    )
    with pytest.raises(StoryworldError) as refused:
        convert(dataclasses.replace(world, encounters=(gate, *world.encounters[1:])))
    assert refused.value.where == "encounters[0].desirability_script.operands[0]"


def test_scripts_too_deep_for_a_loader_are_refused() -> None:
    world = official(rich()).world
    deep = world.encounters[0].desirability
    for _ in range(200):
        deep = Operation("Absolute Value", (deep,))
    page = dataclasses.replace(world.encounters[0], desirability=deep)
    with pytest.raises(StoryworldError, match="levels deep"):
        convert(dataclasses.replace(world, encounters=(page, *world.encounters[1:])))
