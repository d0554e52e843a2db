"""Prose of the grown worlds: sentences from patterns, in agreement, and none of them twice in a world."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from random import Random

from narrative_dag.storyworld.authors import words
from narrative_dag.storyworld.authors.lexicon import THEMES

Slots = Mapping[str, str]

_ATTEMPTS = 8


@cache
def _forms(role: str, name: str) -> dict[str, str]:
    """What a name and its pronoun become in a pattern."""
    pronoun = words.PEOPLE[name]
    return {
        role: name,
        f"{role}_subject": pronoun.subject,
        f"{role}_object": pronoun.object,
        f"{role}_possessive": pronoun.possessive,
        f"{role}_is": "are" if pronoun.plural else "is",
        f"{role}_has": "have" if pronoun.plural else "has",
        f"{role}_turns": "turn" if pronoun.plural else "turns",
        f"{role}_knows": "know" if pronoun.plural else "knows",
    }


class Prose:
    """Writes the sentences of one world.

    Args:
        random: where words are drawn from.
        theme: a key of `THEMES`.
        large: a world of more than a few dozen sentences, whose places and things need adjectives to differ.
    """

    def __init__(self, random: Random, theme: str, large: bool) -> None:
        self.random = random
        self.theme = THEMES[theme]
        self.plain = 0.3 if large else 0.8
        self._used: set[str] = set()

    def pick(self, items: Sequence[str]) -> str:
        """One of the items."""
        return items[int(self.random.random() * len(items))]

    def _named(self, nouns: Sequence[str], adjectives: Sequence[str]) -> str:
        noun = self.pick(nouns)
        if self.random.random() < self.plain or noun.split()[0] in words.QUALIFIED:
            return noun
        return f"{self.pick(adjectives)} {noun}"

    def place(self) -> str:
        """A place of the theme."""
        return self._named(self.theme.places, words.ADJECTIVES)

    def thing(self) -> str:
        """A thing of the theme."""
        return self._named(self.theme.things, words.WEAR)

    def slots(self, a: str, b: str) -> dict[str, str]:
        """What the patterns of one sentence are filled with: two people, and words drawn anew."""
        thing = self.thing()
        return {
            **_forms("a", a),
            **_forms("b", b),
            "place": self.place(),
            "thing": thing,
            "a_thing": f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}",
            "time": self.pick(words.TIMES),
            "gesture": f", {self.pick(words.GESTURES)}" if self.random.random() < 0.5 else "",
        }

    def unique(self, make: Callable[[], str], stop: str = ".") -> str:
        """A sentence that this world does not have yet; drawn again while it has it, then told more closely."""
        for _ in range(_ATTEMPTS):
            sentence = make()
            sentence = sentence[0].upper() + sentence[1:]
            if sentence not in self._used:
                self._used.add(sentence)
                return sentence
        bare = sentence.removesuffix(stop) if stop else sentence
        while sentence in self._used:
            bare = f"{bare}, {self.pick(words.TIMES)}"
            sentence = f"{bare}, {self.pick(words.MANNERS)}{stop}"
        self._used.add(sentence)
        return sentence

    def title(self, a: str, b: str, patterns: Sequence[str]) -> str:
        """A title; it is no sentence of the story."""
        text = self.pick(patterns).format(**self.slots(a, b))
        return text[0].upper() + text[1:]

    def scene(self, a: str, b: str, told: str = "") -> str:
        """What a page says: how it opens, why it came, and more."""
        opening = self.unique(lambda: self._clause(self.pick(words.SCENES).format(**self.slots(a, b)), told))
        if self.random.random() < 0.6:
            return f"{opening} {self.unique(lambda: self.pick(words.MOODS).format(**self.slots(a, b)))}"
        return opening

    def closing(self, a: str, b: str, told: str = "") -> str:
        """What an ending says."""
        return self.unique(lambda: self._clause(self.pick(words.CLOSINGS).format(**self.slots(a, b)), told))

    def deed(self, patterns: Sequence[str], a: str, b: str, told: str) -> str:
        """What the player can do, and what the gate asks for it."""
        ending = f", {told}" if told else ""
        return self.unique(lambda: self.pick(patterns).format(**self.slots(a, b)) + ending, stop="")

    def outcome(self, told: Sequence[str], because: str = "") -> str:
        """What happens to people's numbers, two changes a sentence."""
        sentences = []
        for at in range(0, len(told), 2):
            pair = " and ".join(told[at : at + 2])
            reason = f"{because}, " if because and at == 0 else ""
            sentences.append(self.unique(partial(self._mannered, f"{reason}{pair}")))
        return " ".join(sentences)

    def _mannered(self, told: str) -> str:
        return f"{told}, {self.pick(words.MANNERS)}."

    @staticmethod
    def _clause(sentence: str, told: str) -> str:
        return f"{sentence[:-1]}, {told}." if told else sentence


def number_told(owner: str, name: str, other: str | None) -> str:
    """A number in words: Mara's fear, Mara's trust in Oren."""
    if other is None:
        return f"{owner}'s {name.lower()}"
    return f"{owner}'s {words.PERCEIVED[name][0]} {other}"


def own_told(owner: str, name: str, other: str | None) -> str:
    """A number after its owner was named: her own fear, her own trust in Oren."""
    possessive = words.PEOPLE[owner].possessive
    return f"{possessive} own {name.lower() if other is None else f'{words.PERCEIVED[name][0]} {other}'}"
