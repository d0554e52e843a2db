"""Scripts of the dialect found in real files: bare constants, more operators, and refusal of what is unreadable."""

from collections.abc import Mapping

from narrative_dag.storyworld.script import (
    Constant,
    Event,
    Expression,
    Operation,
    SpoolStatus,
    Variable,
    equals_operator,
)
from narrative_dag.storyworld.sweepweave.document import LEVELS, Json, References, number_or_none
from narrative_dag.storyworld.sweepweave.official_scripts import pad
from narrative_dag.storyworld.sweepweave.report import Report

_COMPARATORS: Mapping[str, str] = {
    "gt": "Greater Than",
    "gte": "Greater Than or Equal To",
    "lt": "Less Than",
    "lte": "Less Than or Equal To",
    "eq": "Equal To",
    "equals": "Equal To",
    "neq": "Not Equal To",
    "greater than": "Greater Than",
    "greater than or equal to": "Greater Than or Equal To",
    "less than": "Less Than",
    "less than or equal to": "Less Than or Equal To",
    "equal to": "Equal To",
    "not equal to": "Not Equal To",
}
_SUBTYPES: Mapping[str, Mapping[str, str]] = {
    "Arithmetic Comparator": _COMPARATORS,
    "Boolean Comparator": {"and": "And", "or": "Or"},
}
_COUNTS: Mapping[str, tuple[int, int | None]] = {
    "Absolute Value": (1, 1),
    "Arithmetic Negation": (1, 1),
    "Not": (1, 1),
    "Arithmetic Comparator": (2, 2),
    "GreaterThan": (2, 2),
    "LessThan": (2, 2),
    "Nudge": (2, 2),
    "Absolute Difference": (2, 2),
    "Desideratum": (2, 3),
    "Blend": (3, 3),
    "Clamp": (3, 3),
    "If Then": (3, None),
    "Equals": (2, None),
}
"""Least and most operands; every other operator takes one or more."""
_NAMES: Mapping[str, str] = {
    "GreaterThan": "Greater Than",
    "LessThan": "Less Than",
    "Sum": "Addition",
    "And": "Logical And",
    "Or": "Logical Or",
} | {
    name: name
    for name in (
        *("Absolute Value", "Arithmetic Negation", "Not", "Nudge", "Absolute Difference", "Desideratum", "Blend"),
        *("Clamp", "If Then", "Arithmetic Mean", "Maximum of", "Minimum of", "Concatenate", "Addition"),
        *("Subtraction", "Multiplication", "Logical And", "Logical Or"),
    )
}
_NUMBER_POINTERS = ("Bounded Number Pointer", "Bounded Number Property", "Property")


class ExtendedScripts:
    """Parses scripts against the file's references; whatever cannot be read refuses the file."""

    def __init__(self, references: References, report: Report) -> None:
        self.references = references
        self.report = report

    def in_place(self, item: Mapping[str, Json], key: str, path: str, default: Constant) -> Expression:
        """The script under a key; the default when it is missing or null."""
        value = item.get(key)
        if value is None:
            word = "null" if key in item else "missing"
            shown = repr(default.value) if isinstance(default.value, str) else f"{default.value:g}"
            if isinstance(default.value, bool):
                shown = str(default.value).lower()
            self.report.defaulted(f"{path}.{key}", f"{word}: becomes {shown}")
            return default
        return self.parse(value, f"{path}.{key}")

    def parse(self, value: Json, path: str, level: int = 0) -> Expression:
        """The expression.

        Raises:
            StoryworldError: anything unreadable.
        """
        if isinstance(value, bool | str):
            return Constant(value)
        number = number_or_none(value)
        if number is not None:
            return Constant(number)
        if not isinstance(value, Mapping):
            self.report.refuse(path, "is no script")
        if level > LEVELS:
            self.report.refuse(path, f"is nested more than {LEVELS} levels deep")
        if "operator_type" in value:
            return self._operator(value, path, level)
        if "pointer_type" in value:
            return self._pointer(value, path)
        return self.report.refuse(path, "has neither operator_type nor pointer_type")

    def variable(self, value: Mapping[str, Json], path: str) -> Variable:
        """A number pointer, in any of its spellings."""
        kind = value.get("pointer_type")
        if kind not in _NUMBER_POINTERS:
            self.report.refuse(f"{path}.pointer_type", "is no number pointer")
        key = "character" if "character" in value else "character_id"
        character = value.get(key)
        if not isinstance(character, str) or character not in self.references.characters:
            self.report.refuse(f"{path}.{key}", f"no such character: {character!r}"[:80])
        keyring = value.get("keyring")
        if keyring is None and "property_name" in value:
            keyring = [value["property_name"]]
        if not isinstance(keyring, list) or not keyring or not all(isinstance(part, str) for part in keyring):
            self.report.refuse(f"{path}.keyring", "is no list of a property and characters")
        coefficient = number_or_none(value.get("coefficient", 1.0))
        if coefficient is None:
            self.report.refuse(f"{path}.coefficient", "is no number")
        return Variable(character, tuple(keyring), coefficient)

    def spool(self, value: Json, path: str) -> str:
        """A known spool's id."""
        if not isinstance(value, str) or value not in self.references.spools:
            self.report.refuse(path, f"no such spool: {value!r}"[:80])
        return value

    def _pointer(self, value: Mapping[str, Json], path: str) -> Expression:
        kind = value["pointer_type"]
        if kind in _NUMBER_POINTERS:
            return self.variable(value, path)
        match kind:
            case "Bounded Number Constant":
                key = "value" if "value" in value else "coefficient"
                number = number_or_none(value.get(key))
                if number is None:
                    self.report.refuse(f"{path}.{key}", "is no number")
                return Constant(number)
            case "Boolean Constant":
                if not isinstance(value.get("value"), bool):
                    self.report.refuse(f"{path}.value", "is no boolean")
                return Constant(value["value"])
            case "String Constant" | "String":
                if not isinstance(value.get("value"), str):
                    self.report.refuse(f"{path}.value", "is no string")
                return Constant(value["value"])
            case "Event Pointer":
                return self._event(value, path)
            case "Spool Status Pointer":
                return SpoolStatus(self.spool(value.get("spool"), f"{path}.spool"), self._negated(value, path))
        return self.report.refuse(f"{path}.pointer_type", f"unknown pointer type {kind!r}"[:80])

    def _negated(self, value: Mapping[str, Json], path: str) -> bool:
        negated = value.get("negated", False)
        if negated is not None and not isinstance(negated, bool):
            self.report.refuse(f"{path}.negated", "is no boolean")
        return negated is True

    def _event(self, value: Mapping[str, Json], path: str) -> Event:
        def target(key: str, known: Mapping[str, object]) -> str:
            id_ = value.get(key)
            if not isinstance(id_, str) or id_ not in known:
                self.report.refuse(f"{path}.{key}", f"no such {key}: {id_!r}"[:80])
            return id_

        negated = self._negated(value, path)
        encounter = self.references.encounters[target("encounter", self.references.encounters)]
        if value.get("option") is None:
            if value.get("reaction") is not None:
                target("reaction", self.references.reactions)
                self.report.ignored(f"{path}.reaction", "a reaction without an option")
            return Event(encounter, negated=negated)
        option = self.references.options[target("option", self.references.options)]
        if value.get("reaction") is None:
            return Event(encounter, option, negated=negated)
        reaction = self.references.reactions[target("reaction", self.references.reactions)]
        return Event(encounter, option, reaction, negated)

    def _operator(self, value: Mapping[str, Json], path: str, level: int) -> Expression:
        kind = value["operator_type"]
        if not isinstance(kind, str) or (kind not in _NAMES and kind not in _SUBTYPES and kind != "Equals"):
            self.report.refuse(f"{path}.operator_type", f"unknown operator {kind!r}"[:80])
        listed = value.get("operands")
        if not isinstance(listed, list):
            self.report.refuse(f"{path}.operands", "is no list")
        least, most = _COUNTS.get(kind, (1, None))
        if len(listed) < least or (most is not None and len(listed) > most):
            wanted = f"{least} or more" if most is None else str(least) if most == least else f"{least} to {most}"
            self.report.refuse(f"{path}.operands", f"{kind} takes {wanted} operands, not {len(listed)}")
        operands = tuple(self.parse(item, f"{path}.operands[{i}]", level + 1) for i, item in enumerate(listed))
        if kind == "Desideratum" and len(operands) == 3:
            self.report.ignored(f"{path}.operands[2]", "Desideratum reads two operands")
            operands = operands[:2]
        if kind == "Equals":
            return Operation(equals_operator(operands[0]), operands)
        if kind in _SUBTYPES:
            subtype = value.get("operator_subtype")
            name = _SUBTYPES[kind].get(subtype.lower()) if isinstance(subtype, str) else None
            if name is None:
                self.report.refuse(f"{path}.operator_subtype", f"unknown subtype {subtype!r}"[:80])
        else:
            name = _NAMES[kind]
        return Operation(name, pad(name, operands, path, self.report))
