"""Draft to storyworld and back is the identity on canonical drafts; canonical form and identities."""

import copy
import dataclasses
import json
import re
from typing import Any

import pytest
from draft_strategies import canonical_documents, shortest
from hypothesis import HealthCheck, given, settings

from narrative_dag.storyworld.draft import (
    Draft,
    DraftError,
    canonical,
    compile_draft,
    compile_text,
    decompile,
    dumps,
    looks_like_draft,
    storyworld_id,
    structural_hash,
)
from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.model import Mode, Property, SetNumber, SetSpool
from narrative_dag.storyworld.script import Constant, Event, Expression, Operation, SpoolStatus, Variable

thorough = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
brief = settings(thorough, max_examples=50)

DOCUMENT: dict[str, Any] = {
    "theme": "harbor",
    "title": "The Lamp",
    "characters": {"Mara": {"Trust": 0.2, "Doubt": {"Oren": 0.1}}, "Oren": {"Trust": 0}},
    "encounters": [
        {
            "id": "pier",
            "text": "Fog.",
            "options": [
                {
                    "text": "Wait",
                    "if": "Mara.Doubt[Oren] < 0.5",
                    "reactions": [{"text": "He came.", "do": ["nudge Oren.Trust 0.2"], "to": "lamp"}],
                }
            ],
        },
        {"id": "lamp", "text": "Light.", "when": "seen(pier,0)"},
    ],
}


def sorted_keys(document: dict[str, Any]) -> str:
    """Canonical text by another road: every object sorted, numbers respelled, the three ordered maps put back."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    for key in ("characters", "spools"):
        if key in document:
            ordered = json.dumps(document[key], ensure_ascii=False, separators=(",", ":"))
            ordered = re.sub(r"(?<=:)-?[0-9.e-]+", lambda m: shortest(float(m[0])), ordered)
            by_key = json.dumps(document[key], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            text = text.replace(f'"{key}":{by_key}', f'"{key}":{ordered}', 1)
    return text


@thorough
@given(canonical_documents())
def test_round_trip_is_the_identity_on_canonical_drafts(document: dict[str, Any]) -> None:
    draft = Draft.model_validate(document)
    world = compile_draft(draft)
    assert decompile(world) == draft
    assert compile_draft(decompile(world)) == world


@brief
@given(canonical_documents())
def test_canonical_text_of_a_canonical_draft_is_its_own_with_sorted_keys(document: dict[str, Any]) -> None:
    assert canonical(Draft.model_validate(document)) == sorted_keys(document)


@brief
@given(canonical_documents())
def test_canonical_text_compiles_to_the_same_storyworld_and_identity(document: dict[str, Any]) -> None:
    compiled = compile_text(dumps(Draft.model_validate(document)))
    again = compile_text(compiled.canonical)
    assert again.world == compiled.world
    assert again.canonical == compiled.canonical
    assert (again.storyworld_id, again.structural_hash) == (compiled.storyworld_id, compiled.structural_hash)


@brief
@given(canonical_documents())
def test_values_of_a_draft_never_leave_the_unit_range(document: dict[str, Any]) -> None:
    play = Engine(compile_draft(Draft.model_validate(document))).start()
    for turn in range(12):
        if play.ending is not None or play.page is None:
            break
        play.choose(play.page.performable[turn % len(play.page.performable)])
        assert all(abs(value) <= 1.0 for value in play.state.numbers.values())


def test_spelling_does_not_change_the_identity() -> None:
    other = copy.deepcopy(DOCUMENT)
    other["spools"] = {"main": True}
    other["characters"]["Oren"]["Trust"] = -0.0
    for encounter in other["encounters"]:
        encounter |= {"spool": ["main"], "title": encounter["id"], "urgency": "-0.0"}
    lamp, option = other["encounters"][1], other["encounters"][0]["options"][0]
    lamp |= {"when": " ( seen( pier , 0 ) ) ", "options": []}
    option |= {"show": "true", "if": "((1*Mara.Doubt[Oren])<0.50)"}
    option["reactions"][0] |= {"weight": "0", "do": ["set Oren.Trust nudge(Oren.Trust, .2)"]}
    spelled, plain = Draft.model_validate(other), Draft.model_validate(DOCUMENT)
    assert canonical(spelled) == canonical(plain)
    assert storyworld_id(spelled) == storyworld_id(plain)


def test_canonical_text_is_exactly_this() -> None:
    assert canonical(Draft.model_validate(DOCUMENT)) == (
        '{"characters":{"Mara":{"Trust":0.2,"Doubt":{"Oren":0.1}},"Oren":{"Trust":0}},"encounters":[{"id":"pier",'
        '"options":[{"if":"Mara.Doubt[Oren] < 0.5","reactions":[{"do":["nudge Oren.Trust 0.2"],"text":"He came.",'
        '"to":"lamp"}],"text":"Wait"}],"text":"Fog."},{"id":"lamp","text":"Light.","when":"seen(pier,0)"}],'
        '"theme":"harbor","title":"The Lamp"}'
    )
    assert (
        storyworld_id(Draft.model_validate(DOCUMENT))
        == "e77f04edf0a7f107baf09ce01dca6e1d82d2487a27bd9a87a4a5b64e3b031f51"
    )


def test_compact_text_starts_with_the_theme_and_leaves_defaults_out() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["encounters"][1] |= {"urgency": "0", "options": [], "title": None}
    assert dumps(Draft.model_validate(document)) == (
        '{"theme":"harbor","title":"The Lamp","characters":{"Mara":{"Trust":0.2,"Doubt":{"Oren":0.1}},'
        '"Oren":{"Trust":0}},"encounters":[{"id":"pier","text":"Fog.","options":[{"text":"Wait",'
        '"if":"Mara.Doubt[Oren] < 0.5","reactions":[{"text":"He came.","do":["nudge Oren.Trust 0.2"],"to":"lamp"}]}]},'
        '{"id":"lamp","text":"Light.","when":"seen(pier,0)"}]}'
    )


def structure(document: dict[str, Any]) -> str:
    return structural_hash(compile_draft(Draft.model_validate(document)))


def test_a_new_skin_keeps_the_structural_hash_and_changes_the_identity() -> None:
    text = json.dumps(DOCUMENT)
    for old, new in [
        ("Mara", "Ivo"), ("Oren", "Una"), ("Trust", "Warmth"), ("Doubt", "Envy"), ("pier", "gate"), ("lamp", "well"),
        ("harbor", "desert"), ("The Lamp", "The Well"), ("Fog.", "Sand."), ("He came.", "She left."), ("Wait", "Go"),
    ]:  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    skinned = json.loads(text)
    skinned["encounters"][0]["title"] = "A gate"
    assert structure(skinned) == structure(DOCUMENT)
    assert storyworld_id(Draft.model_validate(skinned)) != storyworld_id(Draft.model_validate(DOCUMENT))


def changed(path: list[str | int], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    "document",
    [
        changed(["characters", "Mara", "Trust"], 0.3),
        changed(["characters", "Mara", "Doubt", "Oren"], 0.2),
        changed(["characters", "Oren", "Hope"], 0),
        changed(["spools"], {"main": True, "more": True}),
        changed(["encounters", 1, "when"], "seen(pier)"),
        changed(["encounters", 1, "urgency"], "0.1"),
        changed(["encounters", 0, "options", 0, "if"], "Mara.Doubt[Oren] < 0.4"),
        changed(["encounters", 0, "options", 0, "show"], "Mara.Doubt[Oren] < 0.5"),
        changed(["encounters", 0, "options", 0, "reactions", 0, "to"], "pier"),
        changed(["encounters", 0, "options", 0, "reactions", 0, "do"], ["nudge Mara.Trust 0.2"]),
    ],
)
def test_another_structure_has_another_structural_hash(document: dict[str, Any]) -> None:
    if "spools" in document:
        for encounter in document["encounters"]:
            encounter["spool"] = "main"
    assert structure(document) != structure(DOCUMENT)


def test_a_draft_is_told_from_a_sweepweave_project() -> None:
    assert looks_like_draft(DOCUMENT)
    assert looks_like_draft({"encounters": []})
    assert not looks_like_draft({**DOCUMENT, "sweepweave_version": "0.1.9"})
    assert not looks_like_draft({"characters": [], "spools": [], "encounters": [], "authored_properties": []})
    assert not looks_like_draft([DOCUMENT])
    assert not looks_like_draft("encounters")


TRUST = Variable("Mara", ("Trust",))
WORLD = compile_draft(Draft.model_validate(DOCUMENT))


def refused(**changes: Any) -> str:
    """The place and reason with which a changed storyworld is refused."""
    with pytest.raises(DraftError) as refusal:
        decompile(dataclasses.replace(WORLD, **changes))
    return str(refusal.value)


def with_urgency(tree: Expression) -> dict[str, Any]:
    return {"encounters": (WORLD.encounters[0], dataclasses.replace(WORLD.encounters[1], desirability=tree))}


def with_effect(effect: SetNumber | SetSpool) -> dict[str, Any]:
    pier = WORLD.encounters[0]
    reaction = dataclasses.replace(pier.options[0].reactions[0], effects=(effect,))
    option = dataclasses.replace(pier.options[0], reactions=(reaction,))
    return {"encounters": (dataclasses.replace(pier, options=(option,)), WORLD.encounters[1])}


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (Constant(1.5), "the constant 1.5"),
        (Constant("x"), "a string where a number is needed"),
        (Constant(True), "a boolean where a number is needed"),
        (Variable("Mara", ("Trust",), 2.0), "the coefficient 2.0"),
        (Variable("Mara", ("Trust", "Oren", "Mara")), "perceived by more than one"),
        (Variable("Nobody", ("Trust",)), "unknown character 'Nobody'"),
        (Variable("Oren", ("Doubt", "Mara")), "Oren has no property Doubt"),
        (Operation("Addition", (TRUST, TRUST)), "Addition of 2 operands"),
        (Operation("Arithmetic Mean", (TRUST,)), "Arithmetic Mean of 1 operands"),
        (Operation("If Then", (Constant(True), TRUST)), "If Then of 2 operands"),
        (Operation("If Then", (TRUST, TRUST, TRUST)), "a number where a boolean is needed"),
        (Operation("If Then", (Event(None), TRUST, TRUST)), "an event of no encounter"),
        (Operation("If Then", (Event(1, (0, 0)), TRUST, TRUST)), "an option of another one"),
        (Operation("If Then", (SpoolStatus("gone"), TRUST, TRUST)), "unknown spool 'gone'"),
    ],
)
def test_what_a_draft_cannot_say_in_an_expression_is_named_with_its_place(tree: Expression, reason: str) -> None:
    message = refused(**with_urgency(tree))
    assert message.startswith("encounters[1].urgency")
    assert reason in message


def test_what_a_draft_cannot_say_elsewhere_is_named_with_its_place() -> None:
    assert "mode extended" in refused(mode=Mode.EXTENDED)
    assert "encounters[0].options[0].reactions[0].do[0]" in refused(**with_effect(SetSpool("main", Event(0))))
    assert "with a coefficient" in refused(**with_effect(SetNumber(dataclasses.replace(TRUST, coefficient=0.5), TRUST)))
    assert "bnumber_properties.Trust" in refused(initial={**WORLD.initial, ("Mara", ("Trust",)): 1.0})
    assert "another one thinks" in refused(properties=(WORLD.properties[0], Property("Doubt", "Doubt", 2)))
    assert "computed text" in refused(
        encounters=(WORLD.encounters[0], dataclasses.replace(WORLD.encounters[1], text=Operation("Concatenate", ())))
    )
    assert "in the order of the file" in refused(spools=(dataclasses.replace(WORLD.spools[0], members=(1, 0)),))
    assert "without spools" in refused(spools=())
    assert "the id 'a b'" in refused(
        encounters=(WORLD.encounters[0], dataclasses.replace(WORLD.encounters[1], id="a b"))
    )


def test_deep_trees_are_refused_without_exhausting_the_stack() -> None:
    tree: Expression = TRUST
    for _ in range(5000):
        tree = Operation("Arithmetic Negation", (tree,))
    assert "nested deeper than" in refused(**with_urgency(tree))


def test_names_are_used_where_they_are_plain_and_ids_otherwise() -> None:
    renamed = [dataclasses.replace(c, name=name) for c, name in zip(WORLD.characters, ("Ivo", "Una"), strict=True)]
    assert list(decompile(dataclasses.replace(WORLD, characters=tuple(renamed))).characters) == ["Ivo", "Una"]
    renamed[1] = dataclasses.replace(renamed[1], name="Una the Elder")
    assert list(decompile(dataclasses.replace(WORLD, characters=tuple(renamed))).characters) == ["Mara", "Oren"]
