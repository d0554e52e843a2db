"""Scripts as JSON that the official loader reads back as the same expression."""

from collections.abc import Mapping, Sequence

from narrative_dag.storyworld.script import Constant, Event, Expression, Operation, SpoolStatus, Variable
from narrative_dag.storyworld.sweepweave.document import Json
from narrative_dag.storyworld.sweepweave.official_scripts import BOOLEAN_COMPARATORS, COMPARATORS

_SUBTYPES: Mapping[str, tuple[str, str]] = {
    **{name: ("Arithmetic Comparator", subtype.upper()) for subtype, name in COMPARATORS.items()},
    **{name: ("Boolean Comparator", subtype.capitalize()) for subtype, name in BOOLEAN_COMPARATORS.items()},
    "Equals (numbers)": ("Equals", ""),
    "Equals (booleans)": ("Equals", ""),
}


class ScriptWriter:
    """Writes expressions of a storyworld whose encounters, options and reactions have unique ids.

    Args:
        ids: by position, each encounter's id and those of its options and their reactions.
    """

    def __init__(self, ids: Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]]) -> None:
        self._ids = ids

    def write(self, expression: Expression) -> Json:
        """The JSON of an expression of official operators; booleans are bare."""
        match expression:
            case Constant(value=bool() as value):
                return value
            case Constant(value=str() as value):
                return _pointer("String Constant", value=value)
            case Constant(value=value):
                return _pointer("Bounded Number Constant", value=value)
            case Variable():
                return self.variable(expression)
            case Event():
                return self._event(expression)
            case SpoolStatus(spool=spool, negated=negated):
                return _pointer("Spool Status Pointer", spool=spool, negated=negated)
            case Operation(operator=name, operands=operands):
                kind, subtype = _SUBTYPES.get(name, (name, ""))
                return {
                    "script_element_type": "Operator",
                    "operator_type": kind,
                    **({"operator_subtype": subtype} if subtype else {}),
                    "operands": [self.write(operand) for operand in operands],
                }

    def variable(self, variable: Variable) -> Json:
        """The pointer to a variable."""
        return _pointer(
            "Bounded Number Pointer",
            character=variable.character,
            coefficient=variable.coefficient,
            keyring=list(variable.keyring),
        )

    def _event(self, event: Event) -> Json:
        encounter = option = reaction = None
        if event.encounter is not None:
            encounter = self._ids[event.encounter][0]
        if event.option is not None:
            e, o = event.option
            option = self._ids[e][1][o][0]
        if event.reaction is not None:
            e, o, r = event.reaction
            reaction = self._ids[e][1][o][1][r]
        return _pointer("Event Pointer", encounter=encounter, option=option, reaction=reaction, negated=event.negated)


def _pointer(kind: str, **more: Json) -> Json:
    return {"script_element_type": "Pointer", "pointer_type": kind, **more}
