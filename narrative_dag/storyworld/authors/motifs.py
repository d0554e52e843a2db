"""Motifs: the kinds of affordance that the author writes, their wordings and what they do to people's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Motif:
    """A kind of choice.

    `wordings` are option texts with {b} and {thing}; `raises` and `lowers` name shared properties that it moves, the
    first one that a cast has being used.
    """

    wordings: tuple[str, ...]
    raises: tuple[str, ...]
    lowers: tuple[str, ...]


MOTIFS: Mapping[str, Motif] = {
    "cooperate": Motif(
        ("Help {b}", "Share the {thing}", "Stand by {b}"), ("Trust", "Loyalty", "Hope"), ("Anger", "Fear", "Guilt")
    ),
    "confess": Motif(("Tell {b} the truth", "Admit the theft"), ("Trust", "Courage", "Hope"), ("Guilt", "Fear")),
    "trade": Motif(("Offer the {thing}", "Bargain with {b}"), ("Loyalty", "Resolve", "Hope"), ("Trust", "Fear")),
    "deceive": Motif(("Lie to {b}", "Hide the {thing}"), ("Guilt", "Fear", "Anger"), ("Trust", "Loyalty", "Hope")),
    "fight": Motif(
        ("Confront {b}", "Seize the {thing}"), ("Anger", "Courage", "Resolve", "Guilt"), ("Trust", "Loyalty", "Hope")
    ),
    "retreat": Motif(("Walk away", "Leave {b} behind"), ("Fear", "Guilt"), ("Courage", "Resolve", "Loyalty", "Trust")),
    "explore": Motif(("Search the {place}", "Follow the noise"), ("Courage", "Hope", "Resolve"), ("Fear", "Trust")),
}
"""Every motif by name."""
