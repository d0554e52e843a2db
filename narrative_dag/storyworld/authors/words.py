"""Words of the grown worlds: people and their pronouns, what they feel, and the phrases that sentences are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pronoun:
    """The forms of a pronoun, and whether verbs after it are plural."""

    subject: str
    object: str
    possessive: str
    plural: bool = False


_HE, _SHE, _THEY = Pronoun("he", "him", "his"), Pronoun("she", "her", "her"), Pronoun("they", "them", "their", True)


def _people(names: str, pronoun: Pronoun) -> dict[str, Pronoun]:
    return dict.fromkeys(names.split(), pronoun)


def _words(text: str) -> tuple[str, ...]:
    """The words or phrases between commas."""
    return tuple(" ".join(part.split()) for part in text.split(","))


PEOPLE: Mapping[str, Pronoun] = {
    **_people("Mara Tilde Isolde Yusra Juno Posy Maud Petra Kaja Runa Suri Elin", _SHE),
    **_people("Oren Bram Corvin Omar Pike Alder Garrick Lio Sten Odd Nadir Gil", _HE),
    **_people("Nell Jory Sable Hale Vega Wren Rook Quill Ulf Tamsin Ishi Uma", _THEY),
}
"""Names and pronouns."""

PROPERTIES: Sequence[str] = _words(
    """Honesty, Courage, Fear, Guilt, Hope, Anger, Loyalty, Resolve, Duty, Desire, Pride, Shame, Grief, Faith, Doubt,
    Greed, Mercy, Patience, Ambition, Wisdom, Cruelty, Kindness, Loneliness, Joy, Weariness, Curiosity, Caution,
    Spite, Honor, Envy, Longing, Humility, Zeal, Calm, Bitterness, Tenderness, Stubbornness, Wonder, Dread,
    Candor, Vanity, Thrift, Remorse, Cunning"""
)
"""Numbers that a character can have."""

PERCEIVED: Mapping[str, tuple[str, str]] = {
    "Trust": ("trust in", "Honesty"),
    "Love": ("love for", "Kindness"),
    "Respect": ("respect for", "Courage"),
    "Suspicion": ("suspicion of", "Cunning"),
    "Jealousy": ("jealousy of", "Pride"),
}
"""What one can think of another: how it is said, and the other's own number that it is a judgement of."""

TIMES: Sequence[str] = _words(
    """at dawn, at dusk, before the bells, after the alarm, near midnight, in the first light, at noon, as the talk
    dies down, while the others sleep, on the third day, before supper, by a thin light, at the change of the watch,
    after the quarrel, in the grey hour, as lamps are lit, during the watch, once the dust has settled, before anyone
    is up, late in the evening, in the middle of the day, between two alarms, on a still morning, as the light goes,
    when the fire is low, after the long march, on the eve of the feast, with the door ajar, while the kettle sings,
    at the last moment, in a lull, after the last song"""
)
"""When something happens."""

MANNERS: Sequence[str] = _words(
    """in silence, without a word, by a hair, like ice in the sun, like a slow tide, before anyone speaks, at a
    glance, with every breath, in spite of everything, against all advice, as if by itself, for no clear reason,
    and nobody notices, and it shows, where no one can see, to everyone's surprise, as it must, for good or ill,
    like a lamp in a draught, step by step, all at once, under the skin, behind a smile, on the way home, with a
    long sigh, in plain sight, after a moment, like rust, like a held note, with shaking hands, in the space of a
    heartbeat, more than words can tell"""
)
"""How something happens."""

GESTURES: Sequence[str] = _words(
    """with a long sigh, with shaking hands, behind a smile, after a moment, with a shrug, with a nod, with half a
    laugh, in plain sight, for no clear reason, against all advice, to everyone's surprise, with a glance at the door,
    before anyone else moves, with folded arms, with a frown, half asleep, with a straight face, for the second
    time"""
)
"""How somebody says or does something."""

ADJECTIVES: Sequence[str] = _words(
    """old, broken, hidden, cold, empty, narrow, crooked, quiet, northern, burnt, low, far, painted, silent, lost,
    southern"""
)
"""What places are like."""

WEAR: Sequence[str] = _words(
    """old, broken, hidden, cold, heavy, burnt, painted, lost, stolen, borrowed, worn, forged, cracked, second, plain,
    gilded"""
)
"""What things are like."""

QUALIFIED = frozenset({*ADJECTIVES, *WEAR, "north", "frozen", "torn", "last", "sealed", "spare", "dry"})
"""First words of places and things that say already what these are like."""

SCENES: Sequence[str] = (
    "{time}, {a} and {b} meet at the {place}.",
    "{time}, {a} finds {b} at the {place} with the {thing}.",
    "{a} waits by the {place} {time}.",
    "{b} stands guard over the {thing} {time}.",
    "Someone has left {a_thing} by the {place} {time}.",
    "{time}, {b} brings {a} news of the {thing}.",
    "{a} has come to the {place} for the {thing} {time}.",
    "{time}, the {place} lies empty but for {b}.",
)
"""What a page opens with."""

MOODS: Sequence[str] = (
    "{a} has not slept, and {a_subject} {a_turns} the {thing} over in {a_possessive} hands{gesture}.",
    "{b} says that {b_subject} {b_is} tired of the {thing}{gesture}.",
    "{b} keeps {b_possessive} eyes on the {place}{gesture}.",
    "{a} says little, for {a_subject} {a_has} seen the {thing} before.",
    "{b} asks what {a} wants with the {thing}{gesture}.",
    "{b} will not say what {b_subject} {b_knows} of the {place}{gesture}.",
    "Nobody has told {b} whose {thing} {b_subject} {b_has} held.",
)
"""What a page goes on with."""

DEEDS: Sequence[str] = (
    "Help {b} with the {thing}", "Stand by {b} at the {place}", "Tell {b} the truth about the {thing}",
    "Offer {b} the {thing}", "Bargain with {b} over the {thing}", "Lie to {b} about the {place}",
    "Hide the {thing} from {b}", "Confront {b} at the {place}", "Seize the {thing} before {b} does",
    "Walk away from {b}", "Leave {b} at the {place}", "Search the {place} with {b}", "Follow {b} to the {place}",
    "Ask {b} for the {thing}", "Wait for {b} by the {place}", "Show {b} the way to the {place}",
    "Burn the {thing} in front of {b}", "Sing to {b} of the {place}", "Question {b} about the {thing}",
    "Send {b} to the {place}",
)  # fmt: skip
"""What the player can do, to someone."""

CLOSINGS: Sequence[str] = (
    "{time}, {a} leaves the {place} alone.",
    "{a} and {b} share the {thing} {time}.",
    "{time}, the {thing} is lost for good.",
    "{b} keeps the {thing} and {b_possessive} silence {time}.",
    "{time}, peace returns to the {place}.",
    "Fire takes the {place} {time}.",
    "{time}, {b} forgives {a} at last.",
    "Nobody speaks of the {thing} again {time}.",
)
"""What an ending says."""

DIRECTIONS: Mapping[str, Sequence[str]] = {
    "up": ("grows", "rises", "gathers", "swells", "deepens", "climbs"),
    "down": ("fades", "sinks", "shrinks", "ebbs", "wanes", "falls"),
    "towards": ("draws nearer to", "leans towards", "moves closer to"),
    "mixed": ("mixes with", "takes colour from", "blends with"),
    "turned": ("turns to its opposite", "is turned on its head", "swings round"),
    "settled": ("settles at {level}", "comes to rest at {level}", "is fixed at {level}"),
}
"""What an effect does to a number, as verbs."""

CONDITIONS: Mapping[str, Sequence[str]] = {
    "> high": ("now that {x} runs high", "while {x} is strong", "because {x} is great", "as {x} stands at a height"),
    "> middle": ("now that {x} is no small thing", "while {x} holds up", "because {x} has not failed"),
    "> low": ("now that {x} is not all gone", "while some of {x} is left", "because {x} has not run dry"),
    "< low": ("now that {x} runs low", "while {x} is weak", "because {x} is slight", "as {x} stands at an ebb"),
    "< middle": ("now that {x} is no great matter", "while {x} holds back", "because {x} does not come to much"),
    "< high": ("now that {x} knows some bounds", "while {x} is short of its height", "because {x} is not boundless"),
    "conflict": ("now that {x} outweighs {y}", "while {x} is stronger than {y}", "because {x} overrules {y}"),
    "mask": ("while {x} is far from {y}", "now that {x} misses the truth of {y}"),
    "seen": ("remembering {x}", "because of {x}", "mindful of {x}"),
    "unseen": ("untouched by {x}", "for want of {x}", "without {x}"),
}
"""How a gate is told, by its kind; of a number against a constant, by the sign and where the constant lies."""

CONJUNCTIONS: Sequence[str] = ("now that ", "while ", "because ", "as ")
"""What the conditions on numbers begin with."""
