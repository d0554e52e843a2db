"""Writing trees as expression text: one text for a tree, with the fewest parentheses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from narrative_dag.storyworld.draft.document import plain_number
from narrative_dag.storyworld.draft.problem import DraftError, Problem
from narrative_dag.storyworld.draft.syntax import DEEPEST
from narrative_dag.storyworld.draft.vocabulary import COMPARISONS, FUNCTIONS, MOST_COEFFICIENT, approach
from narrative_dag.storyworld.model import Effect, SetNumber, SetSpool
from narrative_dag.storyworld.script import (
    LIMIT,
    Constant,
    Event,
    Expression,
    Kind,
    Operation,
    SpoolStatus,
    Variable,
    kind_of,
)

_SIGNS = {operator: sign for sign, operator in COMPARISONS.items()}
_FUNCTION_NAMES = {operator: (name, least) for name, (operator, least, _) in FUNCTIONS.items()}
_OR, _AND, _NOT, _COMPARISON, _TERM, _ATOM = range(6)


@dataclass(frozen=True, slots=True)
class Labels:
    """What things are called in the text: by id, encounters by position."""

    characters: Mapping[str, str]
    properties: Mapping[str, str]
    spools: Mapping[str, str]
    encounters: Sequence[str]


def number_text(value: float) -> str:
    """The shortest text of a number."""
    return repr(plain_number(value))


def effect_verb(effect: Effect) -> str:
    """The word that an effect is written with: set, nudge, blend, reverse, approach, open or close."""
    if isinstance(effect, SetSpool):
        return "open" if effect.value == Constant(True) else "close"
    return _assignment(effect)[0]


def _assignment(effect: SetNumber) -> tuple[str, tuple[Expression, ...]]:
    """The verb of an assignment and its operands after the variable."""
    target, value = effect.target, effect.value
    if isinstance(value, Operation) and value.operands and value.operands[0] == target:
        rest = value.operands[1:]
        if value.operator == "Arithmetic Negation" and not rest:
            return "reverse", ()
        if value.operator == "Blend" and len(rest) == 2:
            return "blend", rest
        if value.operator == "Nudge" and len(rest) == 1:
            pull = rest[0]
            if isinstance(pull, Operation) and len(pull.operands) == 2 and value == approach(target, pull.operands[0]):
                return "approach", (pull.operands[0],)
            return "nudge", rest
    return "set", (value,)


class Printer:
    """Writes expressions and effects. Raises DraftError, at `path`, for what the language of drafts cannot say."""

    def __init__(self, labels: Labels, path: str = "") -> None:
        self.labels, self.path = labels, path

    def at(self, path: str) -> "Printer":
        """The printer for another place of the document."""
        return Printer(self.labels, path)

    def expression(self, tree: Expression, kind: Kind) -> str:
        """The text of a number expression or of a condition."""
        self._bounded(tree, DEEPEST)
        return self._of_kind(tree, kind, _OR)

    def effect(self, effect: Effect) -> str:
        """The text of an effect."""
        if isinstance(effect, SetSpool):
            if not isinstance(effect.value, Constant) or not isinstance(effect.value.value, bool):
                raise self._inexpressible("a spool that opens or closes by a condition")
            return f"{effect_verb(effect)} {self._label(self.labels.spools, effect.spool, 'spool')}"
        if effect.target.coefficient != 1.0:
            raise self._inexpressible("an effect on a variable with a coefficient")
        # `approach` puts two levels around its operand
        self._bounded(effect.value, DEEPEST + 1)
        verb, operands = _assignment(effect)
        for operand in operands:
            self._bounded(operand, DEEPEST - 1)
        words = [self._of_kind(operand, Kind.NUMBER, _TERM) for operand in operands]
        return " ".join((verb, self._variable(effect.target), *words))

    def _bounded(self, tree: Expression, deepest: int) -> None:
        level: list[Expression] = [tree]
        for _ in range(deepest + 1):
            level = [operand for parent in level if isinstance(parent, Operation) for operand in parent.operands]
            if not level:
                return
        raise self._inexpressible(f"an expression nested deeper than {DEEPEST} levels")

    def _inexpressible(self, what: str) -> DraftError:
        return DraftError([Problem("expression", self.path, f"a draft cannot express {what}")])

    def _label(self, labels: Mapping[str, str], name: str, what: str) -> str:
        if name not in labels:
            raise self._inexpressible(f"the unknown {what} {name!r}")
        return labels[name]

    def _of_kind(self, tree: Expression, kind: Kind, least: int) -> str:
        if kind_of(tree) is not kind:
            raise self._inexpressible(f"a {kind_of(tree).value} where a {kind.value} is needed")
        text, binding = self._text(tree)
        return f"({text})" if binding < least else text

    def _join(self, between: str, operands: Sequence[Expression], kind: Kind, least: int) -> str:
        return between.join(self._of_kind(operand, kind, least) for operand in operands)

    def _text(self, tree: Expression) -> tuple[str, int]:
        match tree:
            case Constant(value=value):
                if isinstance(value, bool):
                    return ("true" if value else "false"), _ATOM
                if isinstance(value, str):
                    raise self._inexpressible("text inside an expression")
                if not abs(value) <= LIMIT:
                    raise self._inexpressible(f"the constant {value!r}, beyond {LIMIT}")
                return number_text(float(value)), _ATOM
            case Variable():
                return self._variable(tree), _ATOM
            case Event():
                return self._event(tree), _ATOM
            case SpoolStatus(spool=spool, negated=negated):
                return (
                    f"{'inactive' if negated else 'active'}({self._label(self.labels.spools, spool, 'spool')})",
                    _ATOM,
                )
            case Operation():
                return self._operation(tree)

    def _variable(self, variable: Variable) -> str:
        keyring = variable.keyring
        if not 1 <= len(keyring) <= 2:
            raise self._inexpressible("a value that is perceived by more than one character")
        if not abs(variable.coefficient) <= MOST_COEFFICIENT:
            raise self._inexpressible(f"the coefficient {variable.coefficient!r}, beyond 1")
        character = self._label(self.labels.characters, variable.character, "character")
        text = f"{character}.{self._label(self.labels.properties, keyring[0], 'property')}"
        if len(keyring) == 2:
            text += f"[{self._label(self.labels.characters, keyring[1], 'character')}]"
        return text if variable.coefficient == 1.0 else f"{number_text(variable.coefficient)}*{text}"

    def _event(self, event: Event) -> str:
        places: tuple[int, ...] = event.reaction or event.option or ()
        if event.encounter is None or (places and places[0] != event.encounter):
            raise self._inexpressible("an event of no encounter, or of an option of another one")
        if event.reaction is not None and event.reaction[:2] != event.option:
            raise self._inexpressible("an event of a reaction of another option")
        words = (self.labels.encounters[event.encounter], *(str(place) for place in places[1:]))
        return f"{'unseen' if event.negated else 'seen'}({','.join(words)})"

    def _operation(self, tree: Operation) -> tuple[str, int]:
        name, operands = tree.operator, tree.operands
        if name in ("And", "Or") and len(operands) >= 2:
            inner = _NOT if name == "And" else _AND
            return self._join(f" {name.lower()} ", operands, Kind.BOOLEAN, inner), _AND if name == "And" else _OR
        if name == "Not" and len(operands) == 1:
            return f"not {self._of_kind(operands[0], Kind.BOOLEAN, _NOT)}", _NOT
        if name in _SIGNS and len(operands) == 2:
            return self._join(f" {_SIGNS[name]} ", operands, Kind.NUMBER, _TERM), _COMPARISON
        if name in ("Equals (numbers)", "Equals (booleans)") and len(operands) >= 2:
            kind = Kind.NUMBER if name == "Equals (numbers)" else Kind.BOOLEAN
            return self._join(" == ", operands, kind, _TERM), _COMPARISON
        if name == "Arithmetic Negation" and len(operands) == 1:
            number = isinstance(operands[0], Constant) or (
                isinstance(operands[0], Variable) and operands[0].coefficient != 1.0
            )
            text = self._of_kind(operands[0], Kind.NUMBER, _TERM)
            return f"-({text})" if number else f"-{text}", _TERM
        if name == "If Then" and len(operands) >= 3 and len(operands) % 2 == 1:
            kind = kind_of(tree)
            last = len(operands) - 1
            kinds = [kind if i == last or i % 2 else Kind.BOOLEAN for i in range(len(operands))]
            return f"if({','.join(self._of_kind(o, k, _OR) for o, k in zip(operands, kinds, strict=True))})", _ATOM
        if name in _FUNCTION_NAMES and len(operands) >= _FUNCTION_NAMES[name][1]:
            return f"{_FUNCTION_NAMES[name][0]}({self._join(',', operands, Kind.NUMBER, _OR)})", _ATOM
        raise self._inexpressible(f"{name} of {len(operands)} operands")
