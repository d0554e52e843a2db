"""From draft text to storyworld: ids, defaults, and every problem with its place."""

import json
import pickle
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.storyworld.draft import (
    Draft,
    DraftError,
    Problem,
    compile_draft,
    compile_text,
    decompile,
    problems,
    read_draft,
)
from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.model import Character, Mode, Property, SetNumber, SetSpool, Spool
from narrative_dag.storyworld.script import Constant, Operation, Variable

HARBOR = """{
 "theme": "harbor", "title": "The Lamp",
 "characters": {"Mara": {"Trust": 0.2, "Fear": -0.1}, "Oren": {"Doubt": {"Mara": 0.4}, "Trust": 0}},
 "spools": {"act_1": true, "act_2": false},
 "encounters": [
  {"id": "e1", "spool": "act_1", "text": "Fog.", "when": "Mara.Trust > -0.5", "urgency": "0.6",
   "options": [
    {"text": "Stay", "show": "Oren.Doubt[Mara] > 0.9", "reactions": [{"text": "-"}]},
    {"text": "Go", "if": "Mara.Trust > 0.1",
     "reactions": [{"text": "Gone.", "weight": "Oren.Trust", "do": ["nudge Mara.Trust 0.2", "open act_2"], "to": "e2"},
                   {"text": "Lost.", "weight": "-0.5"}]}]},
  {"id": "e2", "spool": ["act_2", "act_1"], "title": "Light", "text": "Light.", "when": "seen(e1,1,0)"},
  {"id": "e3", "spool": [], "text": "Never."}]}"""


def test_a_draft_becomes_an_official_storyworld() -> None:
    world = compile_text(HARBOR).world
    trust = Variable("Mara", ("Trust",))
    assert (world.title, world.theme, world.mode) == ("The Lamp", "harbor", Mode.OFFICIAL)
    assert world.characters == (Character("Mara", "Mara"), Character("Oren", "Oren"))
    assert world.properties == (Property("Trust", "Trust"), Property("Fear", "Fear"), Property("Doubt", "Doubt", 1))
    assert world.declared == {("Mara", "Trust"), ("Mara", "Fear"), ("Oren", "Doubt"), ("Oren", "Trust")}
    assert world.initial == {
        ("Mara", ("Trust",)): 0.2,
        ("Mara", ("Fear",)): -0.1,
        ("Oren", ("Doubt", "Mara")): 0.4,
        ("Oren", ("Trust",)): 0.0,
    }
    assert world.tables == {("Oren", ("Doubt",))}
    assert world.spools == (Spool("act_1", "act_1", True, (0, 1)), Spool("act_2", "act_2", False, (1,)))
    assert [(e.id, e.title, e.text) for e in world.encounters] == [
        ("e1", "e1", Constant("Fog.")),
        ("e2", "Light", Constant("Light.")),
        ("e3", "e3", Constant("Never.")),
    ]
    stay, go = world.encounters[0].options
    assert (stay.id, go.id) == ("e1.0", "e1.1")
    assert [reaction.id for reaction in go.reactions] == ["e1.1.0", "e1.1.1"]
    assert stay.performability == go.visibility == Constant(True)
    assert go.performability == Operation("Greater Than", (trust, Constant(0.1)))
    assert [reaction.consequence for reaction in go.reactions] == [1, None]
    assert go.reactions[0].effects == (
        SetNumber(trust, Operation("Nudge", (trust, Constant(0.2)))),
        SetSpool("act_2", Constant(True)),
    )
    assert stay.reactions[0].desirability == Constant(0.0)


def test_it_plays() -> None:
    play = Engine(compile_text(HARBOR).world).start()
    assert play.page is not None
    assert (play.page.encounter, play.page.visible, play.page.performable) == (0, (1,), (1,))
    assert play.choose(1) == 0
    assert play.page is not None
    assert play.page.encounter == 1
    assert play.state.numbers["Mara", ("Trust",)] == pytest.approx(0.2 * 0.8 + 0.2)
    assert play.state.active("act_2")
    assert play.ending is not None
    assert play.ending.kind == "no_options"


def test_without_spools_there_is_one_active_spool_with_every_encounter() -> None:
    document = {"theme": "", "title": "", "characters": {}}
    pages = [{"id": "a", "text": ""}, {"id": "b", "text": "", "spool": []}, {"id": "c", "text": ""}]
    world = compile_draft(Draft.model_validate({**document, "encounters": pages}))
    assert world.spools == (Spool("main", "main", True, (0, 2)),)


def test_spans_are_those_of_the_text() -> None:
    compiled = compile_text(HARBOR)
    start, end = compiled.spans["encounters[0].options[1].reactions[0].do[1]"]
    assert HARBOR[start:end] == '"open act_2"'
    start, end = compiled.spans["encounters[0].options[1].if"]
    assert HARBOR[start:end] == '"Mara.Trust > 0.1"'
    assert json.loads(HARBOR[slice(*compiled.spans["encounters[1]"])])["id"] == "e2"


def broken(*changes: tuple[str, str]) -> tuple[str, list[Problem]]:
    """The text with replacements made, and its problems; compiling must refuse it."""
    text = HARBOR
    for old, new in changes:
        assert text.count(old) >= 1
        text = text.replace(old, new, 1)
    with pytest.raises(DraftError):
        compile_text(text)
    return text, problems(text)


@pytest.mark.parametrize(
    ("old", "new", "stage", "path", "column", "found", "message"),
    [
        ('"theme": "harbor", ', "", "schema", "", None, "}", "theme is missing"),
        ('"title": "The Lamp"', '"title": 7', "schema", "title", None, "7", "valid string"),
        ('"Fear": -0.1', '"Fear": true', "schema", "characters.Mara.Fear", None, "true", "valid number"),
        ('"Fear": -0.1', '"Fear": 1.5', "schema", "characters.Mara.Fear", None, "1.5", "less than or equal to 0.99"),
        ('{"Mara": 0.4}', "[]", "schema", "characters.Oren.Doubt", None, "[]", "valid number"),
        ('{"act_1": true, "act_2": false}', "{}", "schema", "spools", None, "{}", "at least one item"),
        ('"Mara": {"Tr', '"Ma ra": {"Tr', "schema", 'characters["Ma ra"]', None, '"Ma ra"', "a name has letters"),
        ('"text": "Fog.",', '"text": "Fog.", "mood": "grey",', "schema", "encounters[0].mood", None, '"mood"',
         "no such key"),
        ('[{"text": "-"}]', "[]", "schema", "encounters[0].options[0].reactions", None, "[]", "at least one item"),
        ('"urgency": "0.6"', '"urgency": 0.6', "schema", "encounters[0].urgency", None, "0.6", "valid string"),
        ('"spool": []', '"spool": 3', "schema", "encounters[2].spool", None, "3", ""),
        ('"Fear": -0.1', '"and": -0.1', "references", "characters.Mara.and", None, '"and"', "reserved word"),
        ('{"Mara": 0.4}', '{"Maro": 0.4}', "references", "characters.Oren.Doubt.Maro", None, '"Maro"',
         "no character is named Maro; did you mean Mara?"),
        ('"Fear": -0.1', '"Doubt": -0.1', "references", "characters.Oren.Doubt", None, '{"Mara": 0.4}',
         "a value for each perceived character here, but a number for Mara"),
        ('"id": "e3"', '"id": "e2"', "references", "encounters[2].id", None, '"e2"', "encounters[1] already has"),
        ('"to": "e2"', '"to": "e5"', "references", "encounters[0].options[1].reactions[0].to", None, '"e5"',
         "no encounter has the id e5"),
        ('["act_2", "act_1"]', '["act_2", "act_9"]', "references", "encounters[1].spool[1]", None, '"act_9"',
         "no spool is named act_9"),
        ('"spool": [], ', "", "references", "encounters[2]", None, "}",
         "spool is missing"),
        ("Mara.Trust > 0.1", "Mora.Trust > 0.1", "references", "encounters[0].options[1].if", 0, "Mora", "Mora"),
        ("open act_2", "open act_7", "references", "encounters[0].options[1].reactions[0].do[1]", 5, "act_7", "act_7"),
        ("nudge Mara.Trust 0.2", "nudge Mara.Trust 1.2", "expression", "encounters[0].options[1].reactions[0].do[0]",
         17, "1.2", "constants lie between"),
        ('"weight": "-0.5"', '"weight": "true"', "expression", "encounters[0].options[1].reactions[1].weight", 0,
         "true", "a number is needed"),
        ("Oren.Doubt[Mara] > 0.9", "Oren.Doubt[Mara] >", "expression", "encounters[0].options[0].show", 18, '"',
         "ends too early"),
        ('"when": "Mara.Trust > -0.5"', '"when": ""', "expression", "encounters[0].when", 0, '"', "empty"),
        ('"act_1": true', '"act_1": false', "references", "spools.act_1", None, "false",
         "no encounter of an active spool"),
        ('"spool": "act_1"', '"spool": []', "references", "encounters[1].when", None, '"seen(e1,1,0)"',
         "no encounter of an active spool"),
        ("Mara.Trust > -0.5", "Mara.Trust > 0.5", "references", "encounters[0].when", None, '"Mara.Trust > 0.5"',
         "no encounter of an active"),
        ('"urgency": "0.6"', '"urgency": "-1*Mara.Trust", "when2": ""', "schema", "encounters[0].when2", None,
         '"when2"', "no such key"),
        ('"The Lamp",', '"The Lamp"', "json", "", None, '"', 'expected "," or "}"'),
    ],
)  # fmt: skip
def test_a_problem_says_what_where_and_how_far(
    old: str, new: str, stage: str, path: str, column: int | None, found: str | None, message: str
) -> None:
    text, [problem, *others] = broken((old, new))
    # expressions that use a name that has gone
    assert all(other.stage == "references" and other.column is not None for other in others)
    assert (problem.stage, problem.path, problem.column) == (stage, path, column)
    assert message in problem.message
    assert problem.start is not None
    assert problem.end is not None
    if found is not None:
        assert text[problem.start : problem.end] == found


def test_all_problems_are_reported_in_the_order_of_the_text() -> None:
    _, found = broken(
        ("Mara.Trust > -0.5", "Nora.Trust > 5"), ('"to": "e2"', '"to": "e5"'), ("seen(e1,1,0)", "seen(e1,1")
    )
    assert [(p.path, p.stage) for p in found] == [
        ("encounters[0].when", "references"),
        ("encounters[0].when", "expression"),
        ("encounters[0].options[1].reactions[0].to", "references"),
        ("encounters[1].when", "expression"),
    ]


def test_expressions_are_checked_even_where_the_shape_is_wrong() -> None:
    _, found = broken(('"title": "The Lamp"', '"title": 7'), ("open act_2", "open act_7"), ('"id": "e3", ', ""))
    assert [(p.path, p.stage) for p in found] == [
        ("title", "schema"),
        ("encounters[0].options[1].reactions[0].do[1]", "references"),
        ("encounters[2]", "schema"),
    ]


def test_at_most_twenty_problems_are_reported() -> None:
    bad = json.dumps([f"nudge Mara.Trust {i}" for i in range(2, 60)])
    _, found = broken(('["nudge Mara.Trust 0.2", "open act_2"]', bad))
    assert len(found) == 20


def test_places_behind_escapes_are_right() -> None:
    text, [problem] = broken(("Mara.Trust > 0.1", "Mara.Trust \\u003e Mora.Trust"))
    assert problem.column == 13
    assert text[problem.start : problem.end] == "Mora"


@pytest.mark.parametrize("value", ["[]", "7", '"x"', "null", "{}", '{"encounters": 3}', '{"encounters": [[]]}',
                                   '{"encounters": [{"options": [{"reactions": [{"do": "x"}]}]}]}',
                                   '{"characters": {"A": 3}, "encounters": [{"when": "A.b > 0"}]}'])  # fmt: skip
def test_any_json_value_has_problems_and_no_crash(value: str) -> None:
    found = problems(value)
    assert found
    assert all(p.start is not None and p.end is not None and p.start < p.end <= len(value) for p in found)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_text_is_refused_with_places_or_compiles(data: Any) -> None:
    text = HARBOR
    for _ in range(data.draw(st.integers(1, 3))):
        at, cut = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(st.text('{}[]():,"\\ 019.-*<>=aeiouMTf\n', max_size=4)) + text[at + cut :]
    found = problems(text)
    for problem in found:
        assert problem.start is not None
        assert problem.end is not None
        assert 0 <= problem.start < problem.end <= len(text) or problem.start == problem.end == len(text)
    if found:
        with pytest.raises(DraftError):
            compile_text(text)
    else:
        assert compile_text(text).world.encounters


def test_a_valid_text_has_no_problems() -> None:
    assert problems(HARBOR) == []
    assert decompile(compile_text(HARBOR).world).encounters[1].spool == ("act_1", "act_2")


def test_reading_alone_does_not_look_at_expressions() -> None:
    assert read_draft(HARBOR.replace("Mara.Trust > 0.1", "?")).encounters[0].options[1].performable == "?"


def test_the_error_reads_well_and_survives_pickling() -> None:
    with pytest.raises(DraftError) as refusal:
        compile_text(HARBOR.replace("Mara.Trust > 0.1", "Mora.Trust > 3"))
    error = refusal.value
    assert str(error) == (
        "encounters[0].options[1].if, column 0: no character is named Mora; did you mean Mara? (and 1 more problem)"
    )
    copy: Any = pickle.loads(pickle.dumps(error))
    assert copy.problems == error.problems
    assert str(copy) == str(error)


def test_a_draft_of_two_kilobytes_compiles_within_three_milliseconds() -> None:
    document = json.loads(HARBOR)
    page = document["encounters"][0]
    document["encounters"] += [{**page, "id": f"p{i}", "urgency": f"0.{i}1"} for i in range(3)]
    text = json.dumps(document)
    assert 1500 < len(text) < 2500
    compile_text(text)
    seconds = []
    for _ in range(20):
        begin = time.process_time()
        compile_text(text)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.003
