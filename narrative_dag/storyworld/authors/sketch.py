"""Sketches: the smallest worlds, which the first policy learns to write; from poor to rich.

A sketch has a cast of two or three whose numbers its choices move, scenes that lead on directly or by wild selection,
gates that read what earlier choices moved, and endings. `quality` in [0, 1] is the probability that each of the things
that make a storyworld worth playing is there: gates that some plays find open and others shut, a hidden act, several
endings, varied effects. No sentence occurs twice in a sketch. At quality 1 it is drawn again until nothing in it is
amiss: every page is reached, every gate opens in some play, every play comes to an ending, and there are two or more.
"""

from typing import Any

import numpy as np

from narrative_dag.storyworld.authors import lexicon
from narrative_dag.storyworld.authors.config import ENDINGS
from narrative_dag.storyworld.authors.motifs import MOTIFS
from narrative_dag.storyworld.draft import Draft, compile_draft
from narrative_dag.storyworld.script import clamp

Document = dict[str, Any]


def sketch(rng: np.random.Generator, quality: float) -> Document:
    """A draft of 150 to 400 tokens under the structural tokenizer, in a small closed vocabulary."""
    document = _Author(rng, quality).document()
    while quality == 1 and not _sound(document):
        document = _Author(rng, quality).document()
    return document


def _sound(document: Document) -> bool:
    """Whether the promises of quality 1 hold."""
    from narrative_dag.storyworld.explore import ExploreConfig, explore
    from narrative_dag.storyworld.explore.compiled import COMPILED

    world = compile_draft(Draft.model_validate(document))
    explored = explore(world, ExploreConfig(plays=0), COMPILED)
    return (
        explored.exhaustive
        and not explored.loops
        and len(explored.pages) == len(world.encounters)
        and all(explored.performable[e, o] for e, o, _ in world.options())
        and len(explored.endings) >= ENDINGS
        and explored.kinds["blocked"] == explored.kinds["the_end"] == 0
        and explored.kinds["no_options"] == sum(explored.pages[e] for e in explored.endings)
    )


class _Author:
    """One draft in the making; `moved` keeps what each number could become, for the gates that come later."""

    def __init__(self, rng: np.random.Generator, quality: float) -> None:
        self.rng = rng
        self.quality = quality
        self.theme = self.pick(tuple(lexicon.THEMES))
        world = lexicon.THEMES[self.theme]
        cast = world.casts[int(rng.integers(len(world.casts)))]
        names = cast.names[: 3 if self.chance(0.2 * quality) else 2]
        self.hero, self.others = names[0], names[1:]
        self.places = [str(p) for p in rng.permutation(world.places)[:2]]
        self.thing = self.pick(world.things)
        self.properties = cast.properties
        self.numbers = {name: {p: self.tenth(-2, 3) for p in self.properties} for name in names}
        self.moved: dict[tuple[str, str], list[float]] = {}
        self.written: set[str] = set()
        self.endings = 1 + int(self.chance(0.3 + 0.7 * quality)) + int(self.chance(0.8 * quality))
        self.scenes = 3 + int(self.endings < 3 and self.chance(0.15 * quality))
        self.hidden = self.endings > 1 and self.chance(quality)

    def pick(self, items: "tuple[str, ...] | list[str]") -> str:
        return str(items[int(self.rng.integers(len(items)))])

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def tenth(self, low: int, high: int) -> float:
        return int(self.rng.integers(low, high + 1)) / 10

    def prose(self, patterns: tuple[str, ...], other: str | None = None) -> str:
        """A sentence of one of the patterns that the draft does not have yet; about `other` if there is one left."""
        order = self.rng.permutation(len(patterns)).tolist()
        for others in ((other or self.pick(self.others),), self.others):
            for i in order:
                fresh = {self.filled(patterns[i], b, p) for b in others for p in self.places} - self.written
                if fresh:
                    sentence = self.pick(sorted(fresh))
                    self.written.add(sentence)
                    return sentence
        raise AssertionError("there are more patterns than sentences of a sketch")

    def filled(self, pattern: str, other: str, place: str) -> str:
        text = pattern.format(a=self.hero, b=other, place=place, thing=self.thing)
        return text[0].upper() + text[1:]

    def document(self) -> Document:
        """The whole draft."""
        title = self.prose(lexicon.TITLES)
        pages = [self.scene(i) for i in range(self.scenes)]
        pages += [self.ending(i) for i in range(self.endings)]
        spools = {"act_1": True, "act_2": False} if self.hidden else {"act_1": True}
        return {
            "theme": self.theme,
            "title": title,
            "characters": self.numbers,
            "spools": spools,
            "encounters": pages,
        }

    def scene(self, i: int) -> Document:
        """The i-th scene: two or three options, the last scene's leading to the endings."""
        count = 2 + int(self.chance(0.15 * self.quality))
        motifs = [str(m) for m in self.rng.permutation([m for m in MOTIFS if self.unsaid(m)])[:count]]
        before = {key: list(values) for key, values in self.moved.items()}
        gated = i > 0 and self.chance(0.4 + 0.6 * self.quality)
        options = []
        for o, motif in enumerate(motifs):
            other = self.pick(self.others)
            option: Document = {"text": self.prose(MOTIFS[motif].wordings, other)}
            if gated and o == 1:
                option["if"] = self.gate(before)
            option["reactions"] = [self.reaction(motif, other, i, o)]
            options.append(option)
        if self.chance(0.15 * self.quality):
            self.second_reaction(options[0])
        return {
            "id": f"e{i + 1}",
            "spool": "act_1",
            "text": self.prose(lexicon.OPENINGS if i == 0 else lexicon.TURNS),
            "options": options,
        }

    def unsaid(self, motif: str) -> bool:
        """Whether each of the others can still be offered the motif in words that the draft does not have yet."""
        return all(
            any(self.filled(pattern, other, self.places[0]) not in self.written for pattern in MOTIFS[motif].wordings)
            for other in self.others
        )

    def reaction(self, motif: str, other: str, i: int, o: int) -> Document:
        """An outcome: a line of prose, effects of the motif, and where it leads."""
        effects = [self.effect(motif, other)]
        if self.chance(0.1 + 0.4 * self.quality):
            effects.append(self.effect(motif, self.hero))
        if self.hidden and i == 0 and o == 0:
            effects.append("open act_2")
        reaction: Document = {"text": self.prose(lexicon.OUTCOMES, other), "do": effects}
        to = self.target(i, o)
        if to:
            reaction["to"] = to
        return reaction

    def second_reaction(self, option: Document) -> None:
        """Give an option another outcome, chosen while someone's number is low."""
        other, what = self.pick(self.others), self.pick(self.properties)
        first = option["reactions"][0]
        second = {"text": self.prose(lexicon.OUTCOMES, other), "weight": "0.1", "do": [f"reverse {other}.{what}"]}
        if "to" in first:
            second["to"] = first["to"]
        option["reactions"] = [{"text": first["text"], "weight": f"{other}.{what}", **first}, second]

    def target(self, i: int, o: int) -> str | None:
        """Where an option leads: the next scene, an ending, or nowhere (wild selection)."""
        if i < self.scenes - 1:
            return None if self.chance(0.2) else f"e{i + 2}"
        if o == 0 and self.hidden:
            return None
        spread = o if self.chance(0.3 + 0.7 * self.quality) else 0
        return f"end{1 + spread % self.endings}"

    def effect(self, motif: str, who: str) -> str:
        """One effect in the draft's language, in the motif's sense."""
        kind = MOTIFS[motif]
        up = self.chance(0.6)
        wanted = [p for p in (kind.raises if up else kind.lowers) if p in self.properties]
        what = wanted[0] if wanted else self.pick(self.properties)
        start = self.numbers[who][what]
        size = self.tenth(2, 5)
        signed = size if up else -size
        operator = "nudge"
        if self.chance(0.1 + 0.6 * self.quality):
            operator = self.pick(("nudge", "set", "blend", "reverse", "approach"))
        other = self.pick([n for n in self.numbers if n != who])
        if operator == "nudge":
            result, text = clamp(start * (1 - size) + signed), f"nudge {who}.{what} {signed:g}"
        elif operator == "set":
            result, text = signed, f"set {who}.{what} {signed:g}"
        elif operator == "reverse":
            result, text = -start, f"reverse {who}.{what}"
        elif operator == "approach":
            result, text = (start + self.numbers[other][what]) / 2, f"approach {who}.{what} {other}.{what}"
        else:
            result = start + (self.numbers[other][what] - start) * (size + 1) / 2
            text = f"blend {who}.{what} {other}.{what} {size:g}"
        self.moved.setdefault((who, what), [start]).append(result)
        return text

    def gate(self, moved: dict[tuple[str, str], list[float]]) -> str:
        """A gate: one that an earlier choice decides at high quality, else one that never changes."""
        spread = sorted(key for key, values in moved.items() if max(values) - min(values) > 0.15)
        if spread and self.chance(0.4 + 0.6 * self.quality):
            who, what = spread[int(self.rng.integers(len(spread)))]
            threshold = round((max(moved[who, what]) + min(moved[who, what])) / 2, 1) + 0.0
            return f"{who}.{what} {self.pick(('>', '>', '<'))} {threshold:g}"
        who, what = self.pick(list(self.numbers)), self.pick(self.properties)
        return f"{who}.{what} > {self.pick(('0.9', '-0.9'))}"

    def ending(self, i: int) -> Document:
        """The i-th ending; the last one waits in the hidden act when there is one."""
        waits = self.hidden and i == self.endings - 1
        page: Document = {
            "id": f"end{i + 1}",
            "spool": "act_2" if waits else "act_1",
            "text": self.prose(lexicon.CLOSINGS),
        }
        if waits or self.chance(0.2 * self.quality):
            page["when"] = f"seen(e{self.scenes})"
            page["urgency"] = "0.5" if waits else f"{self.pick(self.others)}.{self.pick(self.properties)}"
        return page
