"""What the authors write: styles, their habits, sizes, and a curriculum from small worlds to large ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from narrative_dag.storyworld.authors.words import PROPERTIES

Style = Literal["sketch", "tolstoy", "finemann", "tokien"]

STYLES: tuple[Style, ...] = ("sketch", "tolstoy", "finemann", "tokien")
"""Every style; `sketch` writes the small drafts that the first policy learns from."""

ENDINGS = 2
"""Fewest endings of a world."""


class AuthorConfig(BaseModel):
    """What the author writes. Knobs below `style` shape every style but `sketch`; None: the style's own habit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality_low: float = Field(0.1, ge=0, le=1, description="lowest quality; each draft's is drawn uniformly")
    quality_high: float = Field(0.9, ge=0, le=1, description="highest quality")
    broken_json: float = Field(0.0, ge=0, le=1, description="share of drafts whose JSON is broken in one place")
    dangling: float = Field(0.0, ge=0, le=1, description="share of drafts with one reference to something undefined")
    style: Style | dict[Style, float] = Field("sketch", description="the style, or the weights of a mixture of styles")
    variables: int = Field(24, ge=3, le=1000, description="numbers of all characters together, exactly")
    spools: int = Field(3, ge=1, le=10, description="spools, hidden ones included, exactly")
    encounters: int | None = Field(
        None, ge=4, le=1000, description="pages to aim at, endings included; within 15 % or 3"
    )
    cast: int | None = Field(None, ge=2, le=24, description="characters, exactly")
    endings: int | None = Field(None, ge=ENDINGS, le=24, description="endings to aim at; fewer where plays agree")
    motif_density: float | None = Field(
        None, ge=0, le=1, description="planted motifs: 0 none, 1 one for each step of a play"
    )
    deception: float | None = Field(
        None, ge=0, le=1, description="share of the characters who are not what they seem, and of gates that exploit it"
    )
    coupling: float | None = Field(
        None, ge=0, le=1, description="how much acts open and close each other: hidden spools, side stories, switches"
    )
    horizon: int | None = Field(
        None,
        ge=1,
        le=40,
        description="steps from a change to the gate that reads it, as far as plays reach",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.quality_low > self.quality_high:
            raise ValueError("quality_low is above quality_high")
        if isinstance(self.style, dict) and (
            not self.style or min(self.style.values()) < 0 or sum(self.style.values()) <= 0
        ):
            raise ValueError("a mixture of styles needs weights of at least 0, and one above 0")
        if self.encounters is not None and self.encounters < 2 * self.spools + 2:
            raise ValueError("encounters: at least 2 for each spool and 2 more")
        if self.cast is not None and not self.cast <= self.variables <= self.cast * len(PROPERTIES):
            raise ValueError(f"variables: from 1 to {len(PROPERTIES)} for each of the cast")
        return self


@dataclass(frozen=True, slots=True)
class Habits:
    """A style in numbers, where the configuration leaves them open.

    Attributes:
        pages: encounters, as a multiple of what the variables and spools ask for.
        width: pages at the same distance from the start, on average.
        options: fewest and most options of a page.
        endings: endings for each ten pages, on top of two.
        cast: exponent of the number of variables that gives the number of characters.
        perceived: share of the variables that say what one thinks of another.
        hidden: share of the spools that start closed and are no act.
        gated: share of the options, after the first of each page, that have a gate.
        early: share of the options that end the story before its last act.
        second: share of the options with a second reaction.
        effects: fewest and most effects of a reaction.
        sizes: least and greatest strength of an effect.
        verbs: weights of the effects.
        gates: weights of the kinds of gates.
    """

    motif_density: float
    deception: float
    coupling: float
    horizon: int
    pages: float
    width: float
    options: tuple[int, int]
    endings: float
    cast: float
    perceived: float
    hidden: float
    gated: float
    early: float
    second: float
    effects: tuple[int, int]
    sizes: tuple[float, float]
    verbs: Mapping[str, float]
    gates: Mapping[str, float]


HABITS: Mapping[str, Habits] = {
    "tolstoy": Habits(
        motif_density=0.4, deception=0.25, coupling=0.4,
        horizon=8, pages=1.4, width=1.5, options=(2, 3), endings=0.4, cast=0.33,
        perceived=0.15, hidden=0.34, gated=0.55, early=0.0, second=0.35, effects=(1, 3), sizes=(0.1, 0.4),
        verbs={"nudge": 5, "set": 1, "blend": 1, "reverse": 1, "approach": 3},
        gates={"threshold": 3, "conflict": 8, "past": 1, "both": 1, "mask": 0},
    ),
    "finemann": Habits(
        motif_density=0.25, deception=0.3, coupling=0.4,
        horizon=4, pages=1.2, width=1.8, options=(2, 4), endings=0.6, cast=0.42,
        perceived=0.3, hidden=0.34, gated=0.6, early=0.0, second=0.15, effects=(2, 3), sizes=(0.5, 0.9),
        verbs={"nudge": 3, "blend": 2},
        gates={"threshold": 3, "conflict": 0, "past": 0, "both": 5, "mask": 0},
    ),
    "tokien": Habits(
        motif_density=0.3, deception=0.15, coupling=0.8,
        horizon=4, pages=2.2, width=2.8, options=(3, 4), endings=1.6, cast=0.36,
        perceived=0.1, hidden=0.5, gated=0.4, early=0.08, second=0.1, effects=(1, 2), sizes=(0.2, 0.5),
        verbs={"nudge": 4, "set": 2, "blend": 1, "reverse": 1, "approach": 1},
        gates={"threshold": 4, "conflict": 0, "past": 5, "both": 1, "mask": 0},
    ),
}  # fmt: skip
"""The habits of every style but `sketch`: Tolstoy's inner conflicts and long memory, Finemann's many variables under
sparse sharp couplings of Nudge and Blend, Tokien's branches, hidden spools and endings behind exact choices."""


def styles_of(config: AuthorConfig) -> Mapping[Style, float]:
    """The weight of each style that a configuration writes."""
    return config.style if isinstance(config.style, dict) else {config.style: 1.0}


def curriculum(progress: float, style: Style | None = None) -> AuthorConfig:
    """The configuration at a point of a training that goes from small, simple worlds to large, deep ones.

    Args:
        progress: in [0, 1]; every size and depth is monotone in it.
        style: one style; else the mixture moves from sketches to the three styles in equal parts.

    Raises:
        ValueError: progress outside [0, 1].
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"progress {progress} is outside [0, 1]")
    sketches = round(max(0.0, 1 - 3 * progress), 6)
    mixture: dict[Style, float] = {"tolstoy": 1.0, "finemann": 1.0, "tokien": 1.0}
    if sketches > 0:
        mixture = {"sketch": 3 * sketches, **dict.fromkeys(mixture, 1 - sketches)}
    return AuthorConfig(
        quality_low=round(0.2 + 0.7 * progress, 6),
        quality_high=round(0.6 + 0.4 * progress, 6),
        style=style or mixture,
        variables=round(3 * (1000 / 3) ** progress),
        spools=round(1 + 9 * progress),
        encounters=round(8 * (240 / 8) ** progress),
        motif_density=round(0.1 + 0.5 * progress, 6),
        deception=round(0.5 * progress, 6),
        coupling=round(0.2 + 0.8 * progress, 6),
        horizon=round(1 + 15 * progress),
    )
