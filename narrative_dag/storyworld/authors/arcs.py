"""Arcs: the motifs that are planted over several pages, as steps between two or three characters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FEELINGS: Mapping[str, tuple[str, ...]] = {
    "bond": ("Trust", "Love", "Respect", "Loyalty", "Kindness", "Faith", "Honesty"),
    "envy": ("Jealousy", "Suspicion", "Envy", "Pride", "Spite", "Fear"),
    "guilt": ("Guilt", "Remorse", "Shame", "Grief", "Honesty"),
    "desire": ("Desire", "Greed", "Longing", "Ambition", "Courage"),
    "fear": ("Fear", "Dread", "Caution", "Doubt"),
    "anger": ("Anger", "Bitterness", "Spite", "Guilt"),
    "resolve": ("Resolve", "Courage", "Duty", "Zeal", "Patience"),
    "honor": ("Honor", "Honesty", "Duty", "Candor", "Loyalty"),
}
"""What an arc moves, and the properties that can stand for it; earlier ones are preferred, perceived ones first."""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of one character's feeling, about another where the world keeps that."""

    owner: str
    feeling: str
    about: str
    up: bool


@dataclass(frozen=True, slots=True)
class ArcStep:
    """One choice of an arc.

    Attributes:
        stage: what has come to pass once it is chosen.
        deeds: patterns of the option's text; {a}, {b} are the step's two people.
        told: what later pages call it.
        people: two of the roles a, b, c: who acts, on whom.
        moves: the changes.
        reads: whether the choice stands open only while the first move of the step before still shows.
    """

    stage: str
    deeds: tuple[str, ...]
    told: str
    people: str
    moves: tuple[Move, ...]
    reads: bool = False


def _moves(text: str) -> tuple[Move, ...]:
    """Moves from words such as `b.bond.a+`."""
    found = []
    for word in text.split():
        owner, feeling, about = word[:-1].split(".")
        found.append(Move(owner, feeling, about, word[-1] == "+"))
    return tuple(found)


def _step(stage: str, people: str, moves: str, told: str, *deeds: str, reads: bool = False) -> ArcStep:
    return ArcStep(stage, deeds, told, people, _moves(moves), reads)


ARCS: Mapping[str, Sequence[ArcStep]] = {
    "betrayal": (
        _step("befriended", "ab", "b.bond.a+", "the offer made to {b}", "Offer {b} half of the {thing}",
              "Swear to {b} that the {thing} is safe"),
        _step("betrayed", "ab", "b.bond.a- a.guilt.b+", "the betrayal of {b}", "Sell {b} out over the {thing}",
              "Open the {place} to the enemies of {b}", reads=True),
        _step("answered", "ba", "b.anger.a+", "the reckoning with {b}", "Meet the eyes of {b} across the {thing}",
              "Let {b} speak of what was done at the {place}"),
    ),
    "atonement": (
        _step("wronged", "ab", "a.guilt.b+ b.bond.a-", "the wrong done to {b}",
              "Let {b} take the blame for the {thing}",
              "Leave {b} to pay for the {thing}"),
        _step("repented", "ab", "a.resolve.b+", "the hour of remorse", "Go back to the {place} where {b} was wronged",
              "Weep for {b} at the {place}", reads=True),
        _step("atoned", "ab", "b.bond.a+ a.guilt.b-", "the amends made to {b}", "Give {b} the {thing} to make amends",
              "Take the blame from {b} at the {place}"),
    ),
    "temptation": (
        _step("tempted", "ab", "a.desire.b+", "the whisper of {b}", "Listen to {b} praise the {thing}",
              "Let {b} lay the {thing} within reach"),
        _step("yielded", "ab", "a.honor.b- a.guilt.b+", "the {thing} taken from {b}",
              "Take the {thing} that {b} dangles",
              "Give in to {b} at the {place}", reads=True),
        _step("repaid", "ab", "a.desire.b-", "the price that {b} asked", "Pay {b} what the {thing} costs",
              "Hand the {thing} back to {b}"),
    ),
    "debt relief": (
        _step("indebted", "ab", "a.fear.b+", "the debt to {b}", "Borrow the {thing} from {b}",
              "Sign for the {thing} before {b}"),
        _step("pressed", "ab", "a.fear.b+ b.bond.a-", "the day that {b} came to collect", "Ask {b} for another day",
              "Hide from {b} at the {place}", reads=True),
        _step("forgiven", "ab", "b.bond.a+ a.fear.b-", "the debt that {b} let go", "Beg {b} to tear up the bond",
              "Work off the debt to {b} at the {place}"),
    ),
    "reconciliation": (
        _step("parted", "ab", "b.bond.a-", "the quarrel with {b}", "Quarrel with {b} over the {thing}",
              "Turn {b} out of the {place}"),
        _step("approached", "ab", "a.resolve.b+", "the message sent to {b}", "Send {b} word from the {place}",
              "Leave the {thing} where {b} will find it", reads=True),
        _step("reconciled", "ab", "b.bond.a+ b.anger.a-", "the peace made with {b}", "Embrace {b} at the {place}",
              "Break bread with {b} over the {thing}"),
    ),
    "confession": (
        _step("concealed", "ab", "a.guilt.b+", "the secret kept from {b}", "Bury the {thing} before {b} can ask",
              "Keep the truth of the {place} from {b}"),
        _step("confessed", "ab", "a.guilt.b- a.honor.b+", "the confession to {b}", "Confess to {b} at the {place}",
              "Lay the {thing} and the truth before {b}", reads=True),
        _step("absolved", "ab", "b.bond.a+", "the answer that {b} gave", "Ask {b} to forgive the lie about the {thing}",
              "Bear the answer of {b} at the {place}"),
    ),
    "jealousy": (
        _step("slighted", "ac", "b.envy.a+", "the favour shown to {b}", "Praise {b} above the others",
              "Give {b} the seat of honour at the {place}"),
        _step("envied", "ba", "b.anger.a+ b.bond.a-", "the envy behind the {thing}", "Overhear what is said of {b}",
              "Read what was written about {b} at the {place}", reads=True),
        _step("soothed", "ab", "b.envy.a-", "the place made for {b}", "Tell {b} what the favour was worth",
              "Share the {thing} with {b} as an equal"),
    ),
    "sacrifice": (
        _step("threatened", "ab", "a.fear.b+", "the danger to {b}", "Hear what is coming for {b}",
              "See the trap set for {b} at the {place}"),
        _step("resolved", "ab", "a.resolve.b+", "the choice to stand for {b}", "Choose to stand in the stead of {b}",
              "Give up the {thing} so that {b} may go", reads=True),
        _step("given", "ab", "b.bond.a+ a.fear.b-", "the sacrifice for {b}", "Pay for {b} with everything",
              "Stay behind at the {place} for {b}"),
    ),
    "oath": (
        _step("sworn", "ab", "a.honor.b+", "the oath sworn to {b}", "Swear to {b} on the {thing}",
              "Give {b} a solemn word at the {place}"),
        _step("tested", "ab", "a.desire.b+ a.fear.b+", "the test of the oath to {b}", "Weigh the oath to {b} once more",
              "Hold to the word given to {b} at the {place}", reads=True),
        _step("kept", "ab", "b.bond.a+ a.honor.b+", "the oath to {b} kept", "Keep the oath to {b}",
              "Bring {b} the {thing} as promised"),
    ),
    "rescue": (
        _step("lost", "ab", "b.fear.a+", "the loss of {b}", "Let {b} go alone to the {place}",
              "Lose sight of {b} by the {place}"),
        _step("sought", "ab", "a.resolve.b+", "the search for {b}", "Search for {b} beyond the {place}",
              "Follow the trail of {b} with the {thing}", reads=True),
        _step("saved", "ab", "b.bond.a+ b.fear.a-", "the rescue of {b}", "Pull {b} out of the {place}",
              "Carry {b} home from the {place}"),
    ),
    "deception": (
        _step("beguiled", "ab", "b.bond.a+ a.honor.b-", "the mask worn before {b}", "Wear a friendly face before {b}",
              "Charm {b} with the {thing}"),
        _step("exploited", "ab", "a.desire.b+ a.guilt.b+", "the use made of {b}",
              "Have {b} sign for the {thing} unread",
              "Send {b} to the {place} on a false errand", reads=True),
        _step("unmasked", "ab", "b.bond.a- b.anger.a+", "the day that {b} saw through it",
              "Let the mask slip before {b}",
              "Be found out by {b} at the {place}"),
    ),
}  # fmt: skip
"""Every arc by kind, in steps."""
