"""Writing drafts: a style, a quality and a number in a series give one text and what is known about it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from narrative_dag.storyworld.authors import lexicon
from narrative_dag.storyworld.authors.acts import grow
from narrative_dag.storyworld.authors.config import AuthorConfig, styles_of
from narrative_dag.storyworld.authors.flaws import break_json, dangle, spoil
from narrative_dag.storyworld.authors.identity import identities
from narrative_dag.storyworld.authors.planted import PlantedMotif
from narrative_dag.storyworld.authors.sketch import sketch

Document = dict[str, Any]

AUTHORS_VERSION = "1"
"""Changes whenever the same seed could give another text."""


@dataclass(frozen=True, slots=True)
class Seed:
    """One written draft.

    Attributes:
        text: the draft's JSON.
        quality: what it was written at.
        flaw: the flaws put in, `; ` between several; None for none.
        style: who wrote it.
        document: what the text says, before its JSON was broken.
        motifs: the motifs planted in it; a sketch has none.
    """

    text: str
    quality: float
    flaw: str | None
    style: str
    document: Document
    motifs: tuple[PlantedMotif, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the text compiles to a storyworld."""
        return self.flaw not in (BROKEN, DANGLING) and not (self.flaw or "").endswith((f"; {BROKEN}", f"; {DANGLING}"))

    def identities(self) -> tuple[str, str] | None:
        """The storyworld id and the structural hash; None where the text does not compile."""
        return identities(self.document) if self.readable else None


BROKEN, DANGLING = "broken JSON", "dangling reference"


def prompts() -> tuple[str, ...]:
    """Every prompt that a policy can be given: the beginning of a document, one a theme."""
    return tuple(f'{{"theme":"{theme}",' for theme in lexicon.THEMES)


def author(count: int, config: AuthorConfig, seed: int) -> Iterator[Seed]:
    """Write drafts.

    Args:
        count: how many.
        config: style, quality, sizes and flaws.
        seed: draft `i` depends on (seed, i) alone.

    Yields:
        `Seed`s; sketches have 150 to 400 tokens under the structural tokenizer.
    """
    for i in range(count):
        yield write(config, seed, i)


def write(config: AuthorConfig, seed: int, position: int, attempt: int = 0) -> Seed:
    """The draft at a position of a series, or its `attempt`-th replacement; depends on the arguments alone."""
    rng = np.random.default_rng((seed, position, attempt) if attempt else (seed, position))
    style = _style(config, rng)
    quality = float(rng.uniform(config.quality_low, config.quality_high))
    motifs: tuple[PlantedMotif, ...] = ()
    flaws: list[str] = []
    if style == "sketch":
        document = sketch(rng, quality)
    else:
        random = Random(int.from_bytes(rng.bytes(16)))
        world = grow(config, style, random.choice(list(lexicon.THEMES)), quality, random)
        document, motifs = world.document, world.motifs
        flaws = spoil(document, quality, random)
    u = float(rng.random())
    if u < config.dangling:
        flaws.append(DANGLING)
        document = dangle(document, rng)
    text = json.dumps(document, separators=(",", ":"))
    if config.dangling <= u < config.dangling + config.broken_json:
        flaws.append(BROKEN)
        text = break_json(text, rng)
    return Seed(text, quality, "; ".join(flaws) or None, style, document, motifs)


def _style(config: AuthorConfig, rng: np.random.Generator) -> str:
    weights = styles_of(config)
    if len(weights) == 1:
        return next(iter(weights))
    shares = np.array(list(weights.values()))
    return str(list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))])
