"""The expression language: what each word means, its one spelling, and its errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrative_dag.storyworld.draft.names import Names
from narrative_dag.storyworld.draft.printer import Labels, Printer, effect_verb
from narrative_dag.storyworld.draft.resolve import Fault, Resolver
from narrative_dag.storyworld.model import Effect, SetNumber, SetSpool
from narrative_dag.storyworld.script import (
    Constant,
    Event,
    Expression,
    Kind,
    Operation,
    SpoolStatus,
    Variable,
    evaluate,
)

NAMES = Names(
    characters={"Mara": {"Trust": None, "Doubt": frozenset({"Oren"})}, "Oren": {"Trust": None, "seen": None}},
    spools={"act_1": True, "act_2": False},
    encounters={"e1": 0, "e2": 1},
    shape=[[2, 1], []],
)
PRINTER = Printer(Labels({"Mara": "Mara", "Oren": "Oren"}, {p: p for p in ("Trust", "Doubt", "seen")},
                         {"act_1": "act_1", "act_2": "act_2"}, ["e1", "e2"]))  # fmt: skip
MARA, OREN = Variable("Mara", ("Trust",)), Variable("Oren", ("Trust",))
MINUS_OREN = Operation("Arithmetic Negation", (OREN,))
HIGH, LOW = Operation("Greater Than", (MARA, Constant(0.5))), Operation("Less Than", (OREN, Constant(0.0)))


def read(text: str, kind: Kind) -> Expression:
    resolver = Resolver(NAMES)
    tree = resolver.expression(text, kind)
    assert resolver.faults == []
    assert tree is not None
    return tree


def read_effect(text: str) -> Effect:
    resolver = Resolver(NAMES)
    effect = resolver.effect(text)
    assert resolver.faults == []
    assert effect is not None
    return effect


def faults(text: str, kind: Kind | None) -> list[Fault]:
    """What is wrong with an expression, or with an effect where `kind` is None."""
    resolver = Resolver(NAMES)
    tree = resolver.effect(text) if kind is None else resolver.expression(text, kind)
    assert tree is None
    return resolver.faults


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("0.5", Constant(0.5)),
        ("-0.5", Constant(-0.5)),
        (".5", Constant(0.5)),
        ("1e-2", Constant(0.01)),
        ("-0", Constant(0.0)),
        ("Mara.Trust", MARA),
        ("-0.25*Mara.Trust", Variable("Mara", ("Trust",), -0.25)),
        ("Mara.Doubt[Oren]", Variable("Mara", ("Doubt", "Oren"))),
        ("0.5 * Mara.Doubt[Oren]", Variable("Mara", ("Doubt", "Oren"), 0.5)),
        ("Oren.seen", Variable("Oren", ("seen",))),
        ("-Mara.Trust", Operation("Arithmetic Negation", (MARA,))),
        ("-(0.5)", Operation("Arithmetic Negation", (Constant(0.5),))),
        ("abs(Mara.Trust)", Operation("Absolute Value", (MARA,))),
        ("min(Mara.Trust,Oren.Trust,0)", Operation("Minimum of", (MARA, OREN, Constant(0.0)))),
        ("max(Mara.Trust,0.1)", Operation("Maximum of", (MARA, Constant(0.1)))),
        ("mean(Mara.Trust,Oren.Trust)", Operation("Arithmetic Mean", (MARA, OREN))),
        ("blend(Mara.Trust,Oren.Trust,0.3)", Operation("Blend", (MARA, OREN, Constant(0.3)))),
        ("nudge(Mara.Trust,0.3)", Operation("Nudge", (MARA, Constant(0.3)))),
        ("closeness(Mara.Trust,Oren.Trust)", Operation("Desideratum", (MARA, OREN))),
        ("if(Mara.Trust > 0.5,0.1,0.2)", Operation("If Then", (HIGH, Constant(0.1), Constant(0.2)))),
        (
            "if(Mara.Trust > 0.5,0.1,Oren.Trust < 0,0.2,0.3)",
            Operation("If Then", (HIGH, Constant(0.1), LOW, Constant(0.2), Constant(0.3))),
        ),
    ],
)
def test_numbers(text: str, tree: Expression) -> None:
    assert read(text, Kind.NUMBER) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("true", Constant(True)),
        ("false", Constant(False)),
        ("Mara.Trust > 0.5", HIGH),
        ("Mara.Trust >= 0.5", Operation("Greater Than or Equal To", (MARA, Constant(0.5)))),
        ("Oren.Trust < 0", LOW),
        ("Oren.Trust <= 0", Operation("Less Than or Equal To", (OREN, Constant(0.0)))),
        ("Mara.Trust == 0.5", Operation("Equals (numbers)", (MARA, Constant(0.5)))),
        ("Mara.Trust == Oren.Trust == 0", Operation("Equals (numbers)", (MARA, OREN, Constant(0.0)))),
        ("seen(e1) == true", Operation("Equals (booleans)", (Event(0), Constant(True)))),
        ("seen(e2)", Event(1)),
        ("seen(e1,1)", Event(0, (0, 1))),
        ("unseen(e1,0,1)", Event(0, (0, 0), (0, 0, 1), negated=True)),
        ("active(act_2)", SpoolStatus("act_2")),
        ("inactive(act_1)", SpoolStatus("act_1", negated=True)),
        ("not seen(e1)", Operation("Not", (Event(0),))),
        ("not Mara.Trust > 0.5", Operation("Not", (HIGH,))),
        ("Mara.Trust > 0.5 and Oren.Trust < 0 and true", Operation("And", (HIGH, LOW, Constant(True)))),
        (
            "true or Mara.Trust > 0.5 and Oren.Trust < 0",
            Operation("Or", (Constant(True), Operation("And", (HIGH, LOW)))),
        ),
        (
            "(true or Mara.Trust > 0.5) and Oren.Trust < 0",
            Operation("And", (Operation("Or", (Constant(True), HIGH)), LOW)),
        ),
        ("if(Mara.Trust > 0.5,seen(e1),false)", Operation("If Then", (HIGH, Event(0), Constant(False)))),
    ],
)
def test_conditions(text: str, tree: Expression) -> None:
    assert read(text, Kind.BOOLEAN) == tree


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("set Mara.Trust 0.5", SetNumber(MARA, Constant(0.5))),
        ("set Mara.Trust -1*Mara.Trust", SetNumber(MARA, Variable("Mara", ("Trust",), -1.0))),
        ("nudge Mara.Trust -0.2", SetNumber(MARA, Operation("Nudge", (MARA, Constant(-0.2))))),
        ("nudge Mara.Trust -Oren.Trust", SetNumber(MARA, Operation("Nudge", (MARA, MINUS_OREN)))),
        ("blend Mara.Trust Oren.Trust 0.3", SetNumber(MARA, Operation("Blend", (MARA, OREN, Constant(0.3))))),
        ("reverse Mara.Trust", SetNumber(MARA, Operation("Arithmetic Negation", (MARA,)))),
        (
            "approach Mara.Trust Oren.Trust",
            SetNumber(
                MARA,
                Operation("Nudge", (MARA, Operation("Arithmetic Mean", (OREN, Variable("Mara", ("Trust",), -1.0))))),
            ),
        ),
        ("open act_2", SetSpool("act_2", Constant(True))),
        ("close act_1", SetSpool("act_1", Constant(False))),
    ],
)  # fmt: skip
def test_effects(text: str, effect: Effect) -> None:
    assert read_effect(text) == effect
    assert PRINTER.effect(effect) == text
    assert effect_verb(effect) == text.split()[0]


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("( ( Mara.Trust )>0.50 )", "Mara.Trust > 0.5"),
        ("(true and false) or true", "true and false or true"),
        ("true and (false or true)", "true and (false or true)"),
        ("(true and false) and true", "(true and false) and true"),
        ("not (Mara.Trust > 0.5)", "not Mara.Trust > 0.5"),
        ("not (true and false)", "not (true and false)"),
        ("not(not(true))", "not not true"),
        ("(Mara.Trust > 0.5) == (true)", "(Mara.Trust > 0.5) == true"),
        ("-(Mara.Trust) < -(0.5)", "-Mara.Trust < -(0.5)"),
        ("-(-Mara.Trust) < -0.0", "--Mara.Trust < 0"),
        ("- 0.5*Mara.Trust < 1*Oren.Trust", "-(0.5*Mara.Trust) < Oren.Trust"),
        ("if( true , ( 0.1 ) , .2 ) < 0", "if(true,0.1,0.2) < 0"),
    ],
)
def test_one_spelling_with_the_fewest_parentheses(spelled: str, canonical: str) -> None:
    tree = read(spelled, Kind.BOOLEAN)
    assert PRINTER.expression(tree, Kind.BOOLEAN) == canonical
    assert read(canonical, Kind.BOOLEAN) == tree


def test_an_effect_written_by_its_operator_gets_its_own_verb() -> None:
    def respelled(text: str) -> str:
        return PRINTER.effect(read_effect(text))

    assert respelled("set Mara.Trust nudge(Mara.Trust, 0.2)") == "nudge Mara.Trust 0.2"
    assert respelled("set Mara.Trust -Mara.Trust") == "reverse Mara.Trust"
    assert respelled("nudge Mara.Trust mean(Oren.Trust, -1*Mara.Trust)") == "approach Mara.Trust Oren.Trust"
    assert respelled("set Mara.Trust blend(Oren.Trust, Mara.Trust, 0)") == (
        "set Mara.Trust blend(Oren.Trust,Mara.Trust,0)"
    )


class Numbers:
    """Two numbers, nothing else."""

    def __init__(self, mara: float, oren: float) -> None:
        self.values = {"Mara": mara, "Oren": oren}

    def number(self, character: str, keyring: tuple[str, ...]) -> float:
        return self.values[character]

    def occurred(self, event: Event) -> bool:
        return False

    def active(self, spool: str) -> bool:
        return False


unit = st.floats(-0.99, 0.99)


@given(unit, unit)
def test_approach_moves_towards_its_goal_and_never_past_it(start: float, goal: float) -> None:
    effect = read_effect("approach Mara.Trust Oren.Trust")
    result = evaluate(effect.value, Numbers(start, goal))
    assert isinstance(result, float)
    assert min(start, goal) - 1e-12 <= result <= max(start, goal) + 1e-12
    share = (1 - start) / 2 if goal > start else (1 + start) / 2
    assert result == pytest.approx(start + share * (goal - start))


@pytest.mark.parametrize(
    ("text", "kind", "start", "end", "message"),
    [
        ("", Kind.BOOLEAN, 0, 0, "expected a condition or a number"),
        ("Mara.Trust >", Kind.BOOLEAN, 12, 12, "ends too early; expected a value"),
        ("Mara.Trust = 0.5", Kind.BOOLEAN, 11, 12, "'=' cannot stand here"),
        ("(Mara.Trust > 0.5", Kind.BOOLEAN, 17, 17, 'expected ")"'),
        ("Mara.Trust > 0.5 and", Kind.BOOLEAN, 20, 20, "expected a value"),
        ("0 < Mara.Trust < 0.5", Kind.BOOLEAN, 15, 16, "'<' cannot stand here"),
        ("Mara.Trust + 0.1", Kind.NUMBER, 11, 12, "'+' cannot stand here"),
        ("not " * 60 + "true", Kind.BOOLEAN, 76, 244, "nested deeper than"),
        ("0.1 " * 600, Kind.NUMBER, 2000, 2001, "longer than"),
        ("Mara.Trust > 1", Kind.BOOLEAN, 13, 14, "constants lie between -0.99 and 0.99"),
        ("Mara.Trust > -1.5", Kind.BOOLEAN, 13, 17, "constants lie between"),
        ("2*Mara.Trust", Kind.NUMBER, 0, 12, "coefficients lie between -1 and 1"),
        ("1e999*Mara.Trust", Kind.NUMBER, 0, 16, "coefficients lie between -1 and 1"),
        ("Nora.Trust", Kind.NUMBER, 0, 4, "no character is named Nora; there are Mara, Oren"),
        ("Mara.Trsut", Kind.NUMBER, 5, 10, "Mara has no property Trsut; did you mean Trust?"),
        ("Oren.Doubt[Mara]", Kind.NUMBER, 5, 10, "Oren has no property Doubt"),
        ("Mara.Doubt", Kind.NUMBER, 0, 10, "needs the perceived character"),
        ("Mara.Trust[Oren]", Kind.NUMBER, 0, 16, "is a number, not a value for each character"),
        ("Mara.Doubt[Mara]", Kind.NUMBER, 11, 15, "Mara has no Doubt for Mara; there is Oren"),
        ("Trust > 0.5", Kind.BOOLEAN, 0, 5, "Trust alone has no value; write Character.Property"),
        ("Mara.Trust", Kind.BOOLEAN, 0, 10, "a condition is needed here, and this is a number"),
        ("true", Kind.NUMBER, 0, 4, "a number is needed here, and this is a condition"),
        ("true > 0.5", Kind.BOOLEAN, 0, 4, "a number is needed here"),
        ("true and 0.5", Kind.BOOLEAN, 9, 12, "a condition is needed here"),
        ("seen(e1) == 0.5", Kind.BOOLEAN, 12, 15, "a condition is needed here"),
        ("if(true,0.5,false)", Kind.NUMBER, 12, 17, "a number is needed here"),
        ("if(true,0.5)", Kind.NUMBER, 0, 12, "if takes condition, value, ..., value otherwise, but 2 are given"),
        ("abs(0.1,0.2)", Kind.NUMBER, 0, 12, "abs takes 1 operand, but 2 are given"),
        ("mean(0.1)", Kind.NUMBER, 0, 9, "mean takes 2 operands or more, but 1 is given"),
        ("blend()", Kind.NUMBER, 0, 7, "blend takes 3 operands, but none is given"),
        ("maximum(0.1,0.2)", Kind.NUMBER, 0, 7, "no function is named maximum"),
        ("seen(e9)", Kind.BOOLEAN, 5, 7, "no encounter has the id e9"),
        ("seen()", Kind.BOOLEAN, 0, 6, "seen takes an encounter"),
        ("seen(e1,2)", Kind.BOOLEAN, 8, 9, "e1 has no such option; it has 2"),
        ("seen(e1,1,1)", Kind.BOOLEAN, 10, 11, "has no such reaction; it has 1"),
        ("seen(e1,0.5)", Kind.BOOLEAN, 8, 11, "a position is needed"),
        ("active(act_3)", Kind.BOOLEAN, 7, 12, "no spool is named act_3; did you mean act_2?"),
        ("active(0.5)", Kind.BOOLEAN, 7, 10, "a spool is needed here"),
        ("", None, 0, 0, "expected an effect"),
        ("push Mara.Trust 0.1", None, 0, 4, "no effect is named push"),
        ("nudge Mara.Trust", None, 0, 16, "nudge takes a variable and a number, but 1 is given"),
        ("nudge Mara.Trust by 0.2", None, 0, 23, "nudge takes a variable and a number, but 3 are given"),
        ("set 0.5 0.5", None, 4, 7, "set changes a variable"),
        ("set 0.5*Mara.Trust 0.5", None, 4, 18, "without a coefficient"),
        ("set Mara.Trust true", None, 15, 19, "a number is needed here"),
        ("open e1", None, 5, 7, "no spool is named e1"),
        ("open Mara.Trust", None, 5, 15, "a spool is needed here"),
    ],
)
def test_errors_name_the_place_and_the_remedy(text: str, kind: Kind | None, start: int, end: int, message: str) -> None:
    [fault] = faults(text, kind)
    assert message in fault.message
    assert (fault.start, fault.end) == (start, end)


def test_one_expression_reports_all_its_faults() -> None:
    found = faults("Nora.Trust > 2 and seen(e9)", Kind.BOOLEAN)
    assert [(fault.start, fault.stage) for fault in found] == [
        (0, "references"),
        (13, "expression"),
        (24, "references"),
    ]
