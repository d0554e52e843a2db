"""Scripts under the official loader: what constants, operators and gates are read as, and what is reported."""

import pytest
from sweepweave_documents import (
    after_go,
    compare,
    constant,
    effect,
    encounter,
    event,
    notices,
    official,
    operator,
    option,
    project,
    reaction,
    shown,
    spool_effect,
    spool_status,
    text,
    variable,
    with_effects,
    with_gate,
)

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.script import Constant, Operation, Variable

CALM = ("Ann", ("Calm",))
GATE = "encounters[0].options[0].visibility_script"
EFFECT = "encounters[0].options[0].reactions[0].after_effects[0]"


def value_of(script):
    """What Ann's Calm (0.5 at first) is after an effect sets it to the script."""
    return after_go(official(with_effects(effect(variable("Ann", "Calm"), script)))).state.numbers[CALM]


@pytest.mark.parametrize(("written", "read"), [(1, 0.99), (-5.0, -0.99), (0.5, 0.5), (-0.0, 0.0)])
def test_constants_are_clamped(written, read):
    assert value_of(constant(written)) == read


def test_clamped_constant_is_reported():
    loaded = official(with_gate(compare("LTE", variable("Ann", "Calm"), constant(1))))
    assert notices(loaded) == {(f"{GATE}.operands[1].value", "misread")}


@pytest.mark.parametrize(
    ("script", "value"),
    [
        (operator("Arithmetic Mean", constant(0.5)), 0.25),
        (operator("Arithmetic Mean"), 0.0),
        (operator("Maximum of", constant(-0.5)), 0.0),
        (operator("Minimum of", constant(0.5)), 0.0),
        (operator("Absolute Value"), 0.0),
        (operator("Arithmetic Negation"), 0.0),
        (operator("Absolute Value", constant(-0.5), constant(0.9)), 0.5),
        (operator("Maximum of", {"unreadable": 1}, constant(-0.5), constant(-0.25)), -0.25),
        (operator("If Then", False, constant(0.1), constant(0.2)), 0.2),
        (operator("If Then", False, constant(0.1)), 0.1),
        (operator("If Then", True, variable("Ann", "Ghost"), constant(0.3)), 0.3),
        (operator("If Then", "removed", True, constant(0.25), constant(0.3)), 0.25),
        (operator("Desideratum", variable("Ann", "Calm", coefficient=9), constant(-0.9)), -0.99),
        (operator("Desideratum", variable("Ann", "Calm"), variable("Ann", "Ghost")), -0.99),
        (operator("Nudge", variable("Ann", "Calm"), constant(1)), 0.99),
    ],
)
def test_numeric_scripts(script, value):
    assert value_of(script) == pytest.approx(value)


@pytest.mark.parametrize(
    "script",
    [
        operator("Addition", constant(0.5), constant(0.25)),
        operator("Bounded Sum", constant(0.5)),
        operator("Blend", constant(0.5), constant(0.5)),
        operator("Nudge", constant(0.5), {"script_element_type": "Riddle"}),
        operator("Desideratum", constant(0.5), constant(0.5), constant(0.5)),
        operator("Arithmetic Comparator", constant(0.5), constant(0.1)),
        {"script_element_type": "Operator", "operator_type": "Arithmetic Mean", "operands": None},
        {"script_element_type": "Pointer", "pointer_type": "Boolean Constant", "value": True},
        {"script_element_type": "Pointer", "pointer_type": "Spool Pointer", "spool": "main"},
        {"script_element_type": "Pointer", "pointer_type": "Bounded Number Constant"},
        {"script_element_type": "Pointer", "pointer_type": ["x"], "value": 1},
        variable("nobody", "Calm"),
        spool_status("nowhere"),
    ],
)
def test_what_parses_to_nothing_is_0_in_an_effect_false_in_a_gate_and_0_in_a_desirability(script):
    loaded = official(with_effects(effect(variable("Ann", "Calm"), script)))
    assert after_go(loaded).state.numbers[CALM] == 0.0
    assert (f"{EFFECT}.to", "defaulted") in notices(loaded)
    gated = official(with_gate(script))
    assert not shown(gated)
    assert (GATE, "defaulted") in notices(gated)
    page = encounter("start", option("go", reaction("done", desirability=script)))
    assert official(project(page)).world.encounters[0].options[0].reactions[0].desirability == Constant(0.0)


@pytest.mark.parametrize(
    ("script", "open_"),
    [
        (True, True),
        (False, False),
        (constant(0.1), True),
        (constant(0), False),
        (0.5, False),
        ("yes", False),
        (operator("Boolean Comparator", False, subtype="Or"), True),
        (operator("Boolean Comparator", subtype="And"), True),
        (operator("Boolean Comparator", False, subtype="and"), False),
        (operator("Boolean Comparator", True, constant(0.5), subtype="OR"), False),
        (operator("Boolean Comparator", True, constant(0.5), False, subtype="OR"), True),
        (operator("Boolean Comparator", True, True, subtype="XOR"), False),
        (operator("Not"), False),
        (operator("Not", False), True),
        (operator("Not", constant(0)), False),
        (compare("gte", variable("Ann", "Calm"), constant(0.5)), True),
        (compare("EQUALS", variable("Ann", "Calm"), constant(0.5)), True),
        (compare("GT", constant(0.5)), False),
        (compare("LT", constant(0.1), constant(0.5), constant(0.0)), True),
        (compare("Less Than or Equal To", constant(0.1), constant(0.5)), False),
        (compare("Greater Than or Equal To", constant(0.5), constant(0.5)), False),
        (compare("nonsense", constant(0.6), constant(0.5)), True),
        (operator("Equals", constant(0.5), constant(0.5), True), True),
        (operator("Equals", True, constant(0.5), True), True),
        (operator("Equals", constant(0.5)), False),
        (operator("Equals", text("a"), text("a")), False),
        (operator("Equals", operator("If Then", True, constant(0.5), constant(0.1)), constant(0.5)), True),
        (event("start"), True),
        (event("end"), False),
        (event("nowhere"), False),
        (event("nowhere", negated=True), True),
        (event(None, "go", "done"), False),
        (event("start", "nothing"), True),
        (event("start", None, "done"), True),
        (event("start", "go"), False),
        (event("start", "go", "done", negated=True), True),
        (spool_status("main"), True),
        (spool_status("main", True), False),
    ],
)
def test_gates(script, open_):
    assert shown(official(with_gate(script))) is open_


@pytest.mark.parametrize(
    ("script", "place", "kind"),
    [
        (operator("Boolean Comparator", False, subtype="Or"), "", "padded"),
        (operator("Boolean Comparator", True, True, subtype="XOR"), ".operator_subtype", "misread"),
        (compare("Greater Than or Equal To", constant(0.1), constant(0.5)), ".operator_subtype", "misread"),
        (compare("GT", constant(0.5)), ".operands", "misread"),
        (compare("LT", constant(0.1), constant(0.5), constant(0.0)), ".operands", "ignored"),
        (operator("Equals", constant(0.5)), ".operands", "misread"),
        (operator("Equals", text("a"), text("a")), "", "misread"),
        (operator("If Then", True, False), ".operands", "misread"),
        (event("nowhere"), ".encounter", "misread"),
        (event(None), ".encounter", "misread"),
        (event("start", "nothing"), ".option", "misread"),
        (event("start", "go", "nothing"), ".reaction", "misread"),
        (event("start", None, "done"), ".reaction", "ignored"),
        (spool_status("main", 1), ".negated", "misread"),
        (
            {"script_element_type": "Pointer", "pointer_type": "Boolean Constant", "value": True},
            ".pointer_type",
            "dropped",
        ),
    ],
)
def test_every_departure_from_a_gates_wording_is_reported(script, place, kind):
    assert (f"{GATE}{place}", kind) in notices(official(with_gate(script)))


def test_number_as_a_gate_is_no_departure():
    assert official(with_gate(constant(0.5))).report == ()


def test_values_of_another_kind_are_reported_where_they_count_as_null():
    strange = reaction("r", effect(variable("Ann", "Calm"), event("a")), spool_effect("main", constant(1 / 2)))
    page = encounter("a", option("go", strange | {"desirability_script": True}), desirability=text("high"))
    place = "encounters[0].options[0].reactions[0]"
    assert notices(official(project(page | {"text_script": constant(0.5)}))) == {
        ("encounters[0].text_script", "misread"),
        ("encounters[0].desirability_script", "misread"),
        (f"{place}.desirability_script", "misread"),
        (f"{place}.after_effects[0].to", "misread"),
        (f"{place}.after_effects[1].to", "misread"),
    }


def test_padding_counts_what_is_left_after_removal():
    script = operator("Arithmetic Mean", constant(0.8), operator("Addition", constant(0.2)))
    loaded = official(with_effects(effect(variable("Ann", "Calm"), script)))
    assert after_go(loaded).state.numbers[CALM] == 0.4
    assert notices(loaded) == {(f"{EFFECT}.to.operands[1].operator_type", "dropped"), (f"{EFFECT}.to", "padded")}


def test_bounded_number_pointer_becomes_a_variable():
    gate = official(with_gate(compare("GT", variable("Ann", "Calm", coefficient=0.5), constant(0)))).world.encounters[0]
    assert gate.options[0].visibility == Operation("Greater Than", (Variable("Ann", ("Calm",), 0.5), Constant(0.0)))


def test_scripts_nested_beyond_reason_are_refused():
    script = True
    for _ in range(200):
        script = operator("Not", script)
    with pytest.raises(StoryworldError, match="levels deep"):
        official(with_gate(script))
