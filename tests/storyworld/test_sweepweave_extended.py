"""The extended dialect: its defaults, its added constructs, its refusals, and its variables."""

import pytest
from sweepweave_documents import (
    after_go,
    authored,
    character,
    compare,
    constant,
    effect,
    encounter,
    event,
    extended,
    notices,
    official,
    operator,
    option,
    project,
    reaction,
    shown,
    spool,
    spool_effect,
    spool_status,
    text,
    variable,
    with_effects,
    with_gate,
)

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.errors import StoryworldError

CALM = ("Ann", ("Calm",))
GATE = "document: encounters[0].options[0].visibility_script"


def value_of(script):
    """Ann's Calm (0.5 at first) after an effect sets it to the script."""
    return after_go(extended(with_effects(effect(variable("Ann", "Calm"), script)))).state.numbers[CALM]


def bare(operator_type, *operands):
    return {"operator_type": operator_type, "operands": list(operands)}


def test_smallest_file_plays():
    pages = [
        {"id": "a", "options": [{"id": "o", "reactions": [{"id": "r"}]}]},
        {"id": "b"},
    ]
    loaded = extended({"encounters": pages})
    assert [s.members for s in loaded.world.spools] == [(0, 1)]
    play = after_go(loaded)
    assert play.page is not None
    assert play.page.encounter == 1
    assert ("spools", "defaulted") in notices(loaded)
    assert ("encounters[0].options[0].visibility_script", "defaulted") in notices(loaded)


def test_null_gates_are_true_and_null_desirability_is_0():
    page = encounter("a", option("o", reaction("r")) | {"visibility_script": None, "performability_script": None})
    play = Playthrough(extended(project(page | {"acceptability_script": None, "desirability_script": None})).world)
    assert play.page is not None
    assert play.page.performable == (0,)


def test_missing_version_and_character_fields_have_defaults():
    document = with_effects(characters=[{"id": "Ann", "name_text": text("Anna")}, {"id": "Bob"}])
    del document["sweepweave_version"]
    world = extended(document).world
    assert [c.name for c in world.characters] == ["Anna", "Bob"]
    assert world.initial["Ann", ("Calm",)] == 0.0


def test_absent_traits_are_created_from_the_default_and_present_tables_are_left():
    people = [character("Ann", Guess={}), character("Bob"), character("Cid")]
    properties = [authored("Guess", depth=2) | {"default_value": 0.5}, {"id": "Calm", "default_value": 2}]
    world = extended(with_effects(characters=people, properties=properties)).world
    assert {key[1] for key in world.initial if key[0] == "Ann"} == {("Calm",)}
    assert {key[1] for key in world.initial if key[0] == "Bob"} == {
        ("Calm",),
        ("Guess", "Ann", "Bob"),
        ("Guess", "Ann", "Cid"),
        ("Guess", "Cid", "Ann"),
        ("Guess", "Cid", "Bob"),
    }
    assert world.initial["Bob", ("Guess", "Ann", "Cid")] == 0.5
    assert world.initial["Bob", ("Calm",)] == 2.0


def test_undeclared_values_are_kept():
    people = [character("Ann", Ghost=0.75), character("Bob")]
    assert extended(with_effects(characters=people)).world.initial["Ann", ("Ghost",)] == 0.75


def test_perception_follows_the_longest_prefix_until_it_is_written():
    deep = variable("Ann", "Calm", "Bob")
    loaded = extended(with_effects(effect(variable("Bob", "Calm"), deep), effect(deep, constant(0.1))))
    play = after_go(loaded)
    assert play.state.numbers["Bob", ("Calm",)] == 0.5
    assert play.state.number("Ann", ("Calm", "Bob")) == 0.1
    assert play.state.number("Ann", ("Calm", "nobody")) == 0.5
    assert play.state.number("Ann", ("Ghost", "Bob")) == 0.0


def test_assignment_is_clamped_to_1_after_the_coefficient():
    assert (
        after_go(extended(with_effects(effect(variable("Ann", "Calm", coefficient=-4), constant(0.5))))).state.numbers[
            CALM
        ]
        == -1.0
    )


@pytest.mark.parametrize(
    ("script", "value"),
    [
        (0.25, 0.25),
        ({"pointer_type": "Bounded Number Constant", "coefficient": 0.3}, 0.3),
        (bare("Multiplication", constant(5), 0.1), 0.5),
        (bare("Sum", 0.25, 0.25, 0.25), 0.75),
        (bare("Addition", 0.25), 0.25),
        (bare("Subtraction", 1, 0.25, 0.25), 0.5),
        (bare("Absolute Difference", 0.25, 1), 0.75),
        (bare("Clamp", 5, -0.5, 0.5), 0.5),
        (bare("Arithmetic Mean", 0.5), 0.25),
        (bare("Maximum of", -0.5), 0.0),
        (bare("Minimum of", 0.5), 0.0),
        (bare("Desideratum", 0.5, 0.25, True), 0.74),
        (bare("If Then", False, 0.1, 0.2), 0.2),
        (bare("Multiplication", 0.5, True), 0.5),
        ({"pointer_type": "Property", "character_id": "Bob", "property_name": "Calm"}, -0.5),
        ({"pointer_type": "Bounded Number Property", "character": "Bob", "keyring": ["Calm"], "coefficient": -1}, 0.5),
    ],
)
def test_numeric_scripts(script, value):
    assert value_of(script) == pytest.approx(value)


@pytest.mark.parametrize(
    ("script", "open_"),
    [
        ({"pointer_type": "Boolean Constant", "value": True}, True),
        (bare("And", True, 0.5, "x"), True),
        (bare("Logical And", True), True),
        (bare("Or", 0, ""), False),
        (bare("Logical Or", False, constant(0.1)), True),
        (bare("GreaterThan", 0.5, 0.1), True),
        (bare("LessThan", 0.5, 0.1), False),
        (bare("Not", False), True),
        (bare("Not", 0), False),
        (operator("Boolean Comparator", False, subtype="or"), True),
        (compare("greater than or equal to", 0.5, 0.5), True),
        (compare("Less Than or Equal To", 0.6, 0.5), False),
        (compare("NEQ", 0.6, 0.5), True),
        (compare("Not Equal To", 0.5, 0.5), False),
        (compare("EQ", 0.5, 0.5), True),
        (compare("GTE", variable("Ann", "Calm"), 1.5), False),
        (event("start"), True),
        (event("start", "go", "done"), False),
        (event("start", "go", negated=True), True),
        (spool_status("main"), True),
        (spool_status("main", True), False),
    ],
)
def test_gates(script, open_):
    assert shown(extended(with_gate(script))) is open_


@pytest.mark.parametrize(
    ("script", "place"),
    [
        (bare("Riddle", 1), ".operator_type"),
        (bare("Not"), ".operands"),
        (bare("Not", True, True), ".operands"),
        (bare("Nudge", 0.5), ".operands"),
        (bare("Blend", 0.5, 0.5), ".operands"),
        (bare("Desideratum", 0.5), ".operands"),
        (bare("If Then", True, 0.5), ".operands"),
        (bare("Equals", 0.5), ".operands"),
        (bare("Arithmetic Mean"), ".operands"),
        (bare("Clamp", 1, 2), ".operands"),
        (bare("Addition", None), ".operands[0]"),
        (compare("nonsense", 1, 2), ".operator_subtype"),
        (bare("Arithmetic Comparator", 1, 2), ".operator_subtype"),
        (operator("Boolean Comparator", True, subtype="XOR"), ".operator_subtype"),
        ({"pointer_type": "Riddle"}, ".pointer_type"),
        ({"pointer_type": "Spool Pointer", "spool": "main"}, ".pointer_type"),
        ({"pointer_type": "Boolean Constant", "value": 1}, ".value"),
        ({"pointer_type": "Bounded Number Constant", "value": "1"}, ".value"),
        (variable("nobody", "Calm"), ".character"),
        (variable("Ann"), ".keyring"),
        (variable("Ann", "Calm", coefficient="2"), ".coefficient"),
        (event("nowhere"), ".encounter"),
        (event(None), ".encounter"),
        (event("start", "nothing"), ".option"),
        (event("start", "go", "nothing"), ".reaction"),
        (spool_status("nowhere"), ".spool"),
        ({}, ""),
        ([], ""),
    ],
)
def test_unreadable_scripts_refuse_the_file(script, place):
    with pytest.raises(StoryworldError) as refused:
        extended(with_gate(script))
    assert refused.value.where == GATE + place


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"effect_type": "Riddle", "Set": "main", "to": True}, ".effect_type"),
        ({"effect_type": "Set", "to": True}, ""),
        ({"effect_type": "Set", "Set": "main"}, ""),
        (spool_effect("nowhere", True), ".Set"),
        (effect(None, 0.5), ".Set"),
        (effect(variable("Ann", "Calm"), None), ".to"),
        (effect(constant(0.5), 0.5), ".Set.pointer_type"),
    ],
)
def test_unreadable_effects_refuse_the_file(broken, place):
    with pytest.raises(StoryworldError) as refused:
        extended(with_effects(broken))
    assert refused.value.where == f"document: encounters[0].options[0].reactions[0].after_effects[0]{place}"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sweepweave_version": "0.0.29"}, "sweepweave_version"),
        ({"sweepweave_version": 19}, "sweepweave_version"),
        ({"encounters": [encounter("a"), encounter("a")]}, "encounters[1].id"),
        ({"encounters": [encounter("a") | {"id": 3}]}, "encounters[0]"),
        ({"encounters": [encounter("a", option("o"))]}, "encounters[0].options[0]"),
        (
            {"encounters": [encounter("a", option("o", reaction("r") | {"id": None}))]},
            "encounters[0].options[0].reactions[0]",
        ),
        ({"characters": [character("Ann"), character("Ann")]}, "characters[1].id"),
        ({"characters": [character("Ann", Calm="high")]}, "characters[0].bnumber_properties.Calm"),
        ({"characters": [character("Ann", Trust={"Bob": None})]}, "characters[0].bnumber_properties.Trust.Bob"),
        ({"spools": [spool("main"), spool("main")]}, "spools[1].id"),
        ({"authored_properties": [{"property_name": "Calm"}]}, "authored_properties[0]"),
    ],
)
def test_broken_items_refuse_the_file(change, place):
    with pytest.raises(StoryworldError) as refused:
        extended(with_effects() | change)
    assert refused.value.where == f"document: {place}"


def test_effect_kind_follows_the_shape_of_its_target():
    mixed = [
        {"effect_type": "Set", "Set": variable("Ann", "Calm"), "to": 0.25},
        {"effect_type": "Bounded Number Effect", "Set": "main", "to": False},
    ]
    play = after_go(extended(with_effects(*mixed)))
    assert play.state.numbers[CALM] == 0.25
    assert not play.state.active("main")


def test_spool_effects_and_events_steer_the_play():
    document = project(
        encounter("a", option("go", reaction("r", spool_effect("side", True), spool_effect("main", 1)))),
        encounter("b", acceptable=event("a", "go", "r", negated=True), desirability=0.9),
        encounter("c", option("on", reaction("s")), spools=["side"], acceptable=spool_status("main")),
        spools=[spool("main"), spool("side", active=False)],
    )
    play = after_go(extended(document))
    assert play.page is not None
    assert play.page.encounter == 2
    assert play.changes == (True, False)


def test_spool_nobody_connects_to_uses_its_own_list_in_list_order():
    loaded = extended(
        project(
            encounter("a", option("x", reaction("r")), spools=[]),
            encounter("b", option("y", reaction("s")), spools=[]),
            spools=[spool("main", "b", "nowhere", "a")],
        )
    )
    assert loaded.world.spools[0].members == (1, 0)
    assert notices(loaded) == {("spools[0].encounters[1]", "dropped")}
    page = Playthrough(loaded.world).page
    assert page is not None
    assert page.encounter == 1


def test_spool_without_starts_active_is_active():
    one = spool("main")
    del one["starts_active"]
    assert Playthrough(extended(project(encounter("a"), spools=[one])).world).page is not None


def test_opening_page_has_options_unless_none_is_acceptable():
    ending = encounter("end", desirability=constant(0.9))
    closed = encounter("closed", option("x", reaction("r")), acceptable=False)
    start = encounter("start", option("go", reaction("s")), desirability=constant(-0.5))
    for pages, first in (([ending, closed, start], 2), ([ending, closed], 0)):
        page = Playthrough(extended(project(*pages)).world).page
        assert page is not None
        assert page.encounter == first
    strict = Playthrough(official(project(ending, closed, start)).world).page
    assert strict is not None
    assert strict.encounter == 0


def test_constants_are_not_clamped():
    raised = operator("Arithmetic Mean", constant(1.5), constant(0.25))
    assert value_of(raised) == 0.875
