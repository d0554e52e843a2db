"""Scripts as the official loader reads them: what it cannot read becomes nothing, and nothing is never an error."""

from collections.abc import Mapping

from narrative_dag.storyworld.script import (
    LIMIT,
    Constant,
    Event,
    Expression,
    Kind,
    Operation,
    SpoolStatus,
    Variable,
    clamp,
    equals_operator,
    kind_of,
)
from narrative_dag.storyworld.sweepweave.document import LEVELS, Json, References, number_or_none
from narrative_dag.storyworld.sweepweave.report import Report

COMPARATORS: Mapping[str, str] = {
    "gt": "Greater Than",
    "gte": "Greater Than or Equal To",
    "lt": "Less Than",
    "lte": "Less Than or Equal To",
    "equals": "Equal To",
}
BOOLEAN_COMPARATORS: Mapping[str, str] = {"and": "And", "or": "Or"}
_EXACT: Mapping[str, int] = {"Blend": 3, "Nudge": 2, "Desideratum": 2}
_AT_MOST: Mapping[str, int] = {"Absolute Value": 1, "Arithmetic Negation": 1, "Arithmetic Comparator": 2, "Not": 1}
_PLAIN = frozenset(
    {"Absolute Value", "Arithmetic Negation", "Arithmetic Mean", "Blend", "Nudge", "Desideratum"}
    | {"Maximum of", "Minimum of", "Not", "If Then", "Concatenate"}
)
_PADDING: Mapping[str, tuple[int, Constant]] = {
    "Absolute Value": (1, Constant(0.0)),
    "Arithmetic Negation": (1, Constant(0.0)),
    "Arithmetic Mean": (2, Constant(0.0)),
    "Maximum of": (2, Constant(0.0)),
    "Minimum of": (2, Constant(0.0)),
    "And": (2, Constant(True)),
    "Or": (2, Constant(True)),
    "Not": (1, Constant(True)),
}
"""Least operand count after removal, and the constant that fills an operator up to it."""


def pad(operator: str, operands: tuple[Expression, ...], path: str, report: Report) -> tuple[Expression, ...]:
    """The operands, filled up to the operator's least count; each filling is reported."""
    least, filler = _PADDING.get(operator, (0, Constant(0.0)))
    missing = least - len(operands)
    if missing <= 0:
        return operands
    word = str(filler.value).lower() if isinstance(filler.value, bool) else "0"
    report.padded(path, f"{operator} has {len(operands)} of at least {least} operands: filled with {word}")
    return operands + (filler,) * missing


def keyring_of(value: Json, character: str, references: References, path: str, report: Report) -> tuple[str, ...]:
    """The keyring without keys that name no character; () reads null and writes nothing."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        report.misread(path, "names no property: reads null and writes nothing")
        return ()
    kept = [value[0]]
    for i, key in enumerate(value[1:], start=1):
        if isinstance(key, str) and key in references.characters:
            kept.append(key)
        else:
            report.dropped(f"{path}[{i}]", "key of no known character")
    if (character, kept[0]) not in references.declared:
        report.misread(f"{path}[0]", f"{character} has no property {kept[0]}: reads null and writes nothing")
    return tuple(kept)


class OfficialScripts:
    """Parses scripts against the file's references; every loss goes to the report."""

    def __init__(self, references: References, report: Report) -> None:
        self.references = references
        self.report = report

    def number(self, value: Json, path: str) -> Expression:
        """A script in a numeric place; 0 when it parses to nothing."""
        return self._in_place(value, path, Constant(0.0), "0", Kind.NUMBER)

    def gate(self, value: Json, path: str) -> Expression:
        """A script in a boolean place; false when it parses to nothing."""
        return self._in_place(value, path, Constant(False), "false", Kind.BOOLEAN)

    def text(self, value: Json, path: str) -> Expression:
        """A script in a text place; the empty string when it parses to nothing."""
        return self._in_place(value, path, Constant(""), "the empty text", Kind.STRING)

    def effect_value(self, value: Json, path: str, kind: Kind) -> Expression | None:
        """An effect's value, or None when it parses to nothing; a value of another kind is reported."""
        parsed = self.parse(value, path)
        if parsed is not None and kind_of(parsed) is not kind:
            self.report.misread(path, f"no {kind.value}: the effect changes nothing")
        return parsed

    def _in_place(self, value: Json, path: str, default: Constant, name: str, kind: Kind) -> Expression:
        parsed = self.parse(value, path)
        if parsed is None:
            self.report.defaulted(path, f"the script parses to nothing and becomes {name}")
            return default
        found = kind_of(parsed)
        # a gate takes anything by truthiness, and real files rely on it
        if found is not kind and kind is not Kind.BOOLEAN:
            self.report.misread(path, f"a {found.value} in the place of a {kind.value} counts as null")
        return parsed

    def parse(self, value: Json, path: str, level: int = 0) -> Expression | None:
        """The expression, or None where the official loader reads nothing."""
        if isinstance(value, bool):
            return Constant(value)
        if not isinstance(value, Mapping):
            self._nothing(path, "neither a boolean nor an object")
            return None
        if level > LEVELS:
            self.report.refuse(path, f"is nested more than {LEVELS} levels deep")
        match value.get("script_element_type"):
            case "Pointer":
                return self._pointer(value, path)
            case "Operator":
                return self._operator(value, path, level)
        self._nothing(f"{path}.script_element_type", "unknown element type")
        return None

    def variable(self, value: Mapping[str, Json], path: str) -> Variable | None:
        """A Bounded Number Pointer with a known character, else None."""
        character = value["character"]
        coefficient = number_or_none(value["coefficient"])
        if not isinstance(character, str) or character not in self.references.characters:
            self._nothing(f"{path}.character", "no such character")
            return None
        if coefficient is None:
            self._nothing(f"{path}.coefficient", "is no number")
            return None
        keyring = keyring_of(value["keyring"], character, self.references, f"{path}.keyring", self.report)
        return Variable(character, keyring, coefficient)

    def _nothing(self, path: str, message: str) -> None:
        self.report.dropped(path, message)

    def _pointer(self, value: Mapping[str, Json], path: str) -> Expression | None:
        kind = value.get("pointer_type")
        required = {
            "Bounded Number Constant": ("value",),
            "Bounded Number Pointer": ("character", "coefficient", "keyring"),
            "Event Pointer": ("encounter", "option", "reaction"),
            "Spool Status Pointer": ("spool", "negated"),
            "String Constant": ("value",),
        }.get(kind if isinstance(kind, str) else "")
        if required is None:
            self._nothing(f"{path}.pointer_type", "a pointer type that means nothing in play")
            return None
        for key in required:
            if key not in value:
                self._nothing(path, f"{kind} without {key}")
                return None
        match kind:
            case "Bounded Number Constant":
                return self._constant(value["value"], f"{path}.value")
            case "Bounded Number Pointer":
                return self.variable(value, path)
            case "Event Pointer":
                return self._event(value, path)
            case "Spool Status Pointer":
                if not isinstance(value["spool"], str) or value["spool"] not in self.references.spools:
                    self._nothing(f"{path}.spool", "no such spool")
                    return None
                return SpoolStatus(value["spool"], self._negated(value, path))
        if not isinstance(value["value"], str):
            self._nothing(f"{path}.value", "is no string")
            return None
        return Constant(value["value"])

    def _constant(self, value: Json, path: str) -> Constant | None:
        number = number_or_none(value)
        if number is None:
            self._nothing(path, "is no number")
            return None
        bounded = clamp(number)
        if bounded != number:
            self.report.misread(path, f"constant {number:g} is cut to {bounded:g} (the bound is {LIMIT})")
        return Constant(bounded)

    def _negated(self, value: Mapping[str, Json], path: str) -> bool:
        negated = value.get("negated", False)
        if not isinstance(negated, bool):
            self.report.misread(f"{path}.negated", "is no boolean and counts as false")
        return negated is True

    def _event(self, value: Mapping[str, Json], path: str) -> Event:
        negated = self._negated(value, path)

        def known(key: str, ids: Mapping[str, object], effect: str) -> bool:
            wanted = value[key]
            if isinstance(wanted, str) and wanted in ids:
                return True
            if wanted is not None:
                self.report.misread(f"{path}.{key}", f"no such {key}: {effect}")
            return False

        if not known("encounter", self.references.encounters, "the event never occurs"):
            if value["encounter"] is None:
                self.report.misread(f"{path}.encounter", "no encounter: the event never occurs")
            return Event(None, negated=negated)
        encounter = self.references.encounters[value["encounter"]]
        if not known("option", self.references.options, "any option of the encounter counts"):
            if value["reaction"] is not None:
                self.report.ignored(f"{path}.reaction", "a reaction without an option")
            return Event(encounter, negated=negated)
        option = self.references.options[value["option"]]
        if not known("reaction", self.references.reactions, "any reaction of the option counts"):
            return Event(encounter, option, negated=negated)
        return Event(encounter, option, self.references.reactions[value["reaction"]], negated)

    def _operator(self, value: Mapping[str, Json], path: str, level: int) -> Expression | None:
        kind = value.get("operator_type")
        listed = value.get("operands")
        if not isinstance(listed, list):
            self._nothing(f"{path}.operands", "is no list")
            return None
        operands: list[Expression] = []
        for i, item in enumerate(listed):
            operand = self.parse(item, f"{path}.operands[{i}]", level + 1)
            if operand is not None:
                operands.append(operand)
        name = self._name(kind, value, operands, path)
        if name is None or not isinstance(kind, str):
            return None
        exact = _EXACT.get(kind)
        if exact is not None and len(operands) != exact:
            self._nothing(f"{path}.operands", f"{kind} takes {exact} operands, {len(operands)} are left")
            return None
        most = _AT_MOST.get(kind)
        if most is not None and len(operands) > most:
            self.report.ignored(f"{path}.operands", f"{kind} reads {most} of {len(operands)} operands")
            operands = operands[:most]
        if kind == "Arithmetic Comparator" and len(operands) < 2:
            self.report.misread(f"{path}.operands", f"{kind} with {len(operands)} operands is always null")
        if kind == "If Then" and len(operands) < 3:
            self.report.misread(f"{path}.operands", f"If Then with {len(operands)} operands tests no condition")
        if kind == "Equals" and len(operands) < 2:
            self.report.misread(f"{path}.operands", f"Equals with {len(operands)} operands is always null")
        return Operation(name, pad(name, tuple(operands), path, self.report))

    def _name(self, kind: Json, value: Mapping[str, Json], operands: list[Expression], path: str) -> str | None:
        if kind == "Equals":
            name = equals_operator(operands[0] if operands else None)
            if name == "Equals (neither)" and operands:
                self.report.misread(path, "Equals of neither numbers nor booleans is always null")
            return name
        if kind in ("Arithmetic Comparator", "Boolean Comparator"):
            return self._subtype(kind, value, path)
        if isinstance(kind, str) and kind in _PLAIN:
            return kind
        self._nothing(f"{path}.operator_type", f"unknown operator {kind!r}"[:80])
        return None

    def _subtype(self, kind: str, value: Mapping[str, Json], path: str) -> str | None:
        subtype = value.get("operator_subtype")
        if not isinstance(subtype, str):
            self._nothing(f"{path}.operator_subtype", f"{kind} without a subtype")
            return None
        if kind == "Arithmetic Comparator":
            name = COMPARATORS.get(subtype.lower())
            if name is None:
                self.report.misread(f"{path}.operator_subtype", f"unknown subtype {subtype!r} is read as GT"[:80])
            return name or "Greater Than"
        name = BOOLEAN_COMPARATORS.get(subtype.lower())
        if name is None:
            self.report.misread(f"{path}.operator_subtype", f"unknown subtype {subtype!r} is always null"[:80])
        return name or "Neither And nor Or"
