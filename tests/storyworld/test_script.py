"""Operators on known values, and laws that hold for all values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrative_dag.storyworld.script import (
    OPERATORS,
    Constant,
    Event,
    Kind,
    Operation,
    SpoolStatus,
    Value,
    Variable,
    equals_operator,
    evaluate,
    kind_of,
    walk,
)

values = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.floats(-5, 5))


class Nowhere:
    """A state with one number, one event and one active spool."""

    def number(self, character: str, keyring: tuple[str, ...]) -> float | None:
        return 0.5 if (character, keyring) == ("Ann", ("Calm",)) else None

    def occurred(self, event: Event) -> bool:
        return event.encounter == 1

    def active(self, spool: str) -> bool:
        return spool == "open"


@pytest.mark.parametrize(
    ("name", "operands", "result"),
    [
        ("Absolute Value", [-0.3], 0.3),
        ("Absolute Value", [True], None),
        ("Arithmetic Negation", [0.3], -0.3),
        ("Greater Than", [0.2, 0.1], True),
        ("Greater Than", [0.1, 0.1], False),
        ("Greater Than", [0.1], None),
        ("Greater Than", [0.1, None], None),
        ("Greater Than or Equal To", [0.1, 0.1], True),
        ("Less Than", [0.1, 0.2], True),
        ("Less Than or Equal To", [0.2, 0.1], False),
        ("Equal To", [0.1, 0.1], True),
        ("Not Equal To", [0.1, 0.1], False),
        ("Arithmetic Mean", [0.5, 1.0, None, True], 0.75),
        ("Arithmetic Mean", [None], 0.0),
        ("Blend", [0.0, 1.0, 0.0], 0.5),
        ("Blend", [0.2, 1.0, -1.0], 0.2),
        ("Blend", [0.2, 1.0, "1"], None),
        ("Nudge", [0.5, 0.2], 0.6),
        ("Nudge", [0.9, 0.99], 0.99),
        ("Nudge", [3.0, 0.0], 0.99),
        ("Desideratum", [0.5, 0.25], 0.74),
        ("Desideratum", [5.0, -5.0], -0.99),
        ("Desideratum", [None, 0.2], -0.99),
        ("Maximum of", [0.1, None, 0.3], 0.3),
        ("Maximum of", [True], None),
        ("Minimum of", [0.1, 0.3, "0"], 0.1),
        ("Minimum of", [], None),
        ("And", [True, True], True),
        ("And", [True, False, 1.0], False),
        ("And", [True, 1.0], None),
        ("Or", [False, True], True),
        ("Or", [True, None], None),
        ("Neither And nor Or", [True, True], None),
        ("Not", [False], True),
        ("Not", [0.0], None),
        ("Equals (numbers)", [0.5, 0.5, True], True),
        ("Equals (numbers)", [0.5, True], None),
        ("Equals (booleans)", [False, False, 0.0], True),
        ("Equals (booleans)", [False, True], False),
        ("Equals (neither)", ["a", "a"], None),
        ("If Then", [False, 1.0, 0.5, 2.0, 3.0], 2.0),
        ("If Then", [False, 1.0, 0.0, 2.0, 3.0], 3.0),
        ("If Then", [True, None, 0.7], 0.7),
        ("If Then", [False, 0.7], 0.7),
        ("If Then", [0.7], 0.7),
        ("If Then", [], None),
        ("Concatenate", ["a", "b", None], "ab"),
        ("Addition", [0.5, 0.7], 1.2),
        ("Addition", [0.5, True], None),
        ("Subtraction", [1.0, 0.25, 0.25], 0.5),
        ("Multiplication", [0.5, 0.5, -2.0], -0.5),
        ("Absolute Difference", [0.25, 1.0], 0.75),
        ("Clamp", [3.0, -1.0, 1.0], 1.0),
        ("Logical And", [1.0, "", True], False),
        ("Logical And", [1.0], True),
        ("Logical Or", [0.0, None, "x"], True),
    ],
)
def test_operator_gives_the_known_value(name: str, operands: list[Value], result: Value):
    found = OPERATORS[name].apply(operands)
    assert type(found) is type(result)
    assert found == pytest.approx(result) if isinstance(result, float) else found == result


@given(st.sampled_from(sorted(OPERATORS)), st.lists(values, max_size=5))
def test_evaluation_never_raises_within_an_operators_counts(name: str, operands: list[Value]):
    operator = OPERATORS[name]
    most = len(operands) if operator.most is None else operator.most
    kept = (operands + [0.5] * operator.least)[: max(most, operator.least)]
    found = operator.apply(kept)
    if operator.output is Kind.BOOLEAN:
        assert found is None or isinstance(found, bool)
    if operator.output is Kind.NUMBER:
        assert found is None or isinstance(found, float)


@given(st.floats(-0.99, 0.99), st.floats(-0.99, 0.99))
def test_nudge_stays_within_the_bound(x: float, by: float):
    found = OPERATORS["Nudge"].apply([x, by])
    assert isinstance(found, float)
    assert -0.99 <= found <= 0.99


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_blend_lies_between_its_ends(x: float, y: float, weight: float):
    found = OPERATORS["Blend"].apply([x, y, weight])
    assert isinstance(found, float)
    assert min(x, y) - 1e-12 <= found <= max(x, y) + 1e-12


def test_leaves_read_the_state():
    state = Nowhere()
    assert evaluate(Variable("Ann", ("Calm",), -2.0), state) == -1.0
    assert evaluate(Variable("Bob", ("Calm",)), state) is None
    assert evaluate(Event(1), state) is True
    assert evaluate(Event(1, negated=True), state) is False
    assert evaluate(Event(None, negated=True), state) is True
    assert evaluate(SpoolStatus("open"), state) is True
    assert evaluate(SpoolStatus("open", negated=True), state) is False


def test_static_kind_of_if_then_is_its_second_operands():
    branch = Operation("If Then", (Constant(True), Constant(0.5), Constant("x")))
    assert kind_of(branch) is Kind.NUMBER
    assert equals_operator(branch) == "Equals (numbers)"
    assert equals_operator(Operation("If Then", (Constant(0.1), Constant(True)))) == "Equals (booleans)"
    assert equals_operator(Constant("x")) == "Equals (neither)"
    assert equals_operator(None) == "Equals (neither)"


def test_walk_lists_parents_first():
    inner = Operation("Not", (Constant(True),))
    outer = Operation("And", (inner, Event(0)))
    assert walk(outer) == [outer, inner, Constant(True), Event(0)]
