"""Storyworlds in an author's words: what a page, an option or a condition is called, and why a gate stays shut."""

from collections.abc import Mapping, Sequence

from narrative_dag.storyworld.draft.printer import Labels, Printer, number_text
from narrative_dag.storyworld.draft.problem import DraftError
from narrative_dag.storyworld.explore.gates import Range
from narrative_dag.storyworld.model import Effect, Key, SetNumber, Storyworld
from narrative_dag.storyworld.script import (
    OPERATORS,
    Constant,
    Event,
    Expression,
    Operation,
    SpoolStatus,
    Variable,
    kind_of,
)

EXCERPT = 60
"""Characters of a text that are quoted."""

SCRIPT = 160
"""Characters of a script that a sentence quotes."""

_ABOVE = ("Greater Than", "Greater Than or Equal To")
_BELOW = ("Less Than", "Less Than or Equal To")
_MIRRORED = dict(zip(_ABOVE + _BELOW, _BELOW + _ABOVE, strict=True))


def excerpt(text: Expression) -> str:
    """The start of a text, in quotes; what a script would write is not known here."""
    if not isinstance(text, Constant) or not isinstance(text.value, str):
        return "(computed text)"
    return f'"{cut(" ".join(text.value.split()), EXCERPT)}"'


def cut(words: str, most: int) -> str:
    """The start of a longer text."""
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


class Words:
    """The names that things of one storyworld are called by."""

    def __init__(self, world: Storyworld) -> None:
        self.world = world
        self.labels = Labels(
            characters={character.id: character.name for character in world.characters},
            properties={prop.id: prop.name for prop in world.properties},
            spools={spool.id: spool.name for spool in world.spools},
            encounters=[encounter.id for encounter in world.encounters],
        )
        self._printer = Printer(self.labels)

    def page(self, e: int) -> str:
        """An encounter: its title, its id, how its text starts."""
        encounter = self.world.encounters[e]
        named = encounter.id if encounter.title in ("", encounter.id) else f'"{encounter.title}" ({encounter.id})'
        return f"page {named}, {excerpt(encounter.text)}"

    def pages(self, encounters: Sequence[int], most: int = 6) -> str:
        """Encounters by id."""
        ids = [self.world.encounters[e].id for e in encounters]
        rest = len(ids) - most
        return ", ".join(ids) if rest <= 0 else f"{', '.join(ids[:most])} and {rest} more"

    def option(self, e: int, o: int) -> str:
        """An option and its page."""
        option = self.world.encounters[e].options[o]
        return f"option {o} ({option.id}), {excerpt(option.text)}, on {self.page(e)}"

    def reaction(self, e: int, o: int, r: int) -> str:
        """A reaction, its option and its page."""
        reaction = self.world.encounters[e].options[o].reactions[r]
        return f"reaction {r} ({reaction.id}), {excerpt(reaction.text)}, of {self.option(e, o)}"

    def variable(self, key: Key) -> str:
        """A variable: Mara.Trust, Mara.Trust[Oren]."""
        character, keyring = key
        name = self.labels.characters.get(character, character)
        words = [self.labels.properties.get(keyring[0], keyring[0])] if keyring else []
        words += [f"[{self.labels.characters.get(other, other)}]" for other in keyring[1:]]
        return f"{name}.{''.join(words)}"

    def expression(self, tree: Expression) -> str:
        """A script in the language of drafts, or by its operators' names where that has no words for it."""
        try:
            return self._printer.expression(tree, kind_of(tree))
        except DraftError:
            pass
        match tree:
            case Operation(operator=operator, operands=operands):
                return f"{OPERATORS[operator].name}({', '.join(self.expression(o) for o in operands)})"
            case Constant(value=value):
                return repr(value) if isinstance(value, bool | str) else number_text(float(value))
            case Variable(character=character, keyring=keyring, coefficient=coefficient):
                name = self.variable((character, keyring))
                return name if coefficient == 1.0 else f"{number_text(coefficient)}*{name}"
            case Event(encounter=None, negated=negated):
                return "true" if negated else "false"
            case Event():
                return f"{'unseen' if tree.negated else 'seen'}({self._event(tree)})"
            case SpoolStatus(spool=spool, negated=negated):
                return f"{'inactive' if negated else 'active'}({self.labels.spools.get(spool, spool)})"

    def quoted(self, tree: Expression) -> str:
        """A script for a sentence: the start of a long one."""
        return cut(self.expression(tree), SCRIPT)

    def effect(self, effect: Effect) -> str:
        """An effect in the language of drafts, or as an assignment."""
        try:
            return self._printer.effect(effect)
        except DraftError:
            if isinstance(effect, SetNumber):
                return f"{self.expression(effect.target)} = {self.expression(effect.value)}"
            return f"{self.labels.spools.get(effect.spool, effect.spool)} = {self.expression(effect.value)}"

    def changed(self, effect: Effect) -> str:
        """What an effect changes."""
        if isinstance(effect, SetNumber):
            return self.variable((effect.target.character, effect.target.keyring))
        return f"spool {self.labels.spools.get(effect.spool, effect.spool)}"

    def why_shut(self, gate: Expression, ranges: Sequence[Range], never: Mapping[tuple[int, ...], bool]) -> str:
        """Why a gate was never open, from what it reads.

        Args:
            gate: the script.
            ranges: of its variables, where it was tried.
            never: positions of encounters, options and reactions that were never met, and whether that is proved.
        """
        known = {known.key: known for known in ranges}
        parts = gate.operands if isinstance(gate, Operation) and gate.operator in ("And", "Logical And") else (gate,)
        reasons = [reason for part in parts if (reason := self._impossible(part, known, never))]
        values = "; ".join(self._range(r) for r in ranges if r.low <= r.high)
        if not reasons and values:
            reasons = [f"where it is tried, {values}" + (": never all at once as it needs" if len(parts) > 1 else "")]
        return f"it needs {self.quoted(gate)}" + (f", but {'; '.join(reasons)}" if reasons else "")

    def _range(self, found: Range) -> str:
        name = self.variable(found.key)
        if found.low == found.high:
            return f"{name} is always {_short(found.low)}"
        return f"{name} is between {_short(found.low)} and {_short(found.high)}"

    def _impossible(self, part: Expression, known: dict[Key, Range], never: Mapping[tuple[int, ...], bool]) -> str:
        """Why a part of a gate cannot hold by itself; "" where that is not plain."""
        if isinstance(part, Event) and not part.negated:
            places = (() if part.encounter is None else (part.encounter,)), part.option, part.reaction
            missed = [proved for place in places if place is not None and (proved := never.get(place)) is not None]
            if part.encounter is None or any(missed):
                return f"{self.expression(part)} never happens"
            return f"{self.expression(part)} was never met" if missed else ""
        if part == Constant(False):
            return "that is never true"
        if not isinstance(part, Operation) or len(part.operands) != 2:
            return ""
        operator, (left, right) = part.operator, part.operands
        if isinstance(left, Constant):
            operator, left, right = _MIRRORED.get(operator, operator), right, left
        if not isinstance(left, Variable) or not isinstance(right, Constant) or isinstance(right.value, bool | str):
            return ""
        found = known.get((left.character, left.keyring))
        if found is None or found.low > found.high:
            return ""
        low, high = sorted((left.coefficient * found.low, left.coefficient * found.high))
        name, apply = self.expression(left), OPERATORS[operator].apply
        if operator in _ABOVE and not apply([high, right.value]):
            return f"the highest value of {name} reached there is {_short(high)}"
        if operator in _BELOW and not apply([low, right.value]):
            return f"the lowest value of {name} reached there is {_short(low)}"
        return ""

    def _event(self, event: Event) -> str:
        places = [self.labels.encounters[event.encounter]] if event.encounter is not None else []
        if event.option is not None:
            e, o = event.option
            places.append(f"option {self.world.encounters[e].options[o].id}")
        if event.reaction is not None:
            e, o, r = event.reaction
            places.append(f"reaction {self.world.encounters[e].options[o].reactions[r].id}")
        return ", ".join(places)


def _short(value: float) -> str:
    """A number for reading: at most six digits."""
    return number_text(float(f"{value:.6g}"))
