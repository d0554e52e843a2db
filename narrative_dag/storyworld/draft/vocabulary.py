"""The words of the expression language and the operators that they stand for.

`==` is SweepWeave's Equals, on numbers or on booleans; `closeness` is Desideratum; a number before `*` is a pointer's
coefficient. Effects, on a variable X:

    set X e         X := e
    nudge X e       X := Nudge(X, e)
    blend X y w     X := Blend(X, y, w)
    reverse X       X := -X, the operator Arithmetic Negation
    approach X y    X := Nudge(X, Arithmetic Mean(y, -1*X)): towards y, never past it, slower near the bounds:
                    by (1 - X) / 2 of the gap upwards, by (1 + X) / 2 of it downwards
    open S, close S the spool S becomes active, inactive
"""

from collections.abc import Mapping

from narrative_dag.storyworld.script import Expression, Operation, Variable

COMPARISONS: Mapping[str, str] = {
    ">": "Greater Than",
    ">=": "Greater Than or Equal To",
    "<": "Less Than",
    "<=": "Less Than or Equal To",
}
"""The comparison signs and their operators."""

FUNCTIONS: Mapping[str, tuple[str, int, int | None]] = {
    "abs": ("Absolute Value", 1, 1),
    "min": ("Minimum of", 2, None),
    "max": ("Maximum of", 2, None),
    "mean": ("Arithmetic Mean", 2, None),
    "blend": ("Blend", 3, 3),
    "nudge": ("Nudge", 2, 2),
    "closeness": ("Desideratum", 2, 2),
}
"""The functions on numbers: operator, least and most operands."""

STATUS = ("seen", "unseen", "active", "inactive")
"""The functions on encounters (`unseen`: the negated event pointer) and on spools (`inactive`: the negated status)."""

EFFECTS: Mapping[str, tuple[int, str]] = {
    "set": (2, "a variable and a number"),
    "nudge": (2, "a variable and a number"),
    "blend": (3, "a variable, a number and a weight"),
    "reverse": (1, "a variable"),
    "approach": (2, "a variable and a number"),
    "open": (1, "a spool"),
    "close": (1, "a spool"),
}
"""The effects: how many operands, and which."""


MOST_COEFFICIENT = 1.0
"""The bound of coefficients: with it no value of a draft can ever leave [-1, 1]."""


def approach(target: Variable, value: Expression) -> Operation:
    """The value that the effect `approach` assigns."""
    back = Variable(target.character, target.keyring, -1.0)
    return Operation("Nudge", (target, Operation("Arithmetic Mean", (value, back))))
