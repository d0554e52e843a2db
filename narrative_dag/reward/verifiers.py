"""The seven verifiers that make the reward.

Valid JSON, schema and references are read off the text; everything else is judged by what happens in play, found by
meeting every distinct state of the storyworld (up to a bound, and by random plays): a gate counts when it is open in
some reached state and shut in another, an ending when it is reached, an effect when it changes a number. A component is
a score in [0, 1], the reason, and the places in the text that earned or cost it.

Another component takes five lines:

    class Brief(StoryWorldVerifiers):
        weights = {**StoryWorldVerifiers.weights, "brief": 0.10}

        def brief(self, case: Case) -> Component:
            return Component(float(len(case.text) < 1200), f"{len(case.text)} characters")
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag.errors import NarrativeError
from narrative_dag.reward.case import Case
from narrative_dag.storyworld.draft import Compiled, Problem, effect_verb
from narrative_dag.storyworld.model import Effect, Key, SetNumber, Storyworld
from narrative_dag.storyworld.script import Constant, Expression, SpoolStatus, Variable, walk
from narrative_dag.storyworld.survey import Survey

VERIFIER_VERSION = "2"
"""Changes whenever the same text could get another score."""

BLAME = -2.0
"""Credit of a token that breaks a text, in standard deviations of the sequence advantage."""

Quality = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Feature quality of each state: [n, d] -> [n], in [0, 1]."""


class RewardError(NarrativeError):
    """A reward that cannot be computed or a bundle that cannot be used."""


class RewardConfig(BaseModel):
    """Thresholds of the verifiers and how they play."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verifiers: str = Field(
        "narrative_dag.reward.verifiers:StoryWorldVerifiers",
        pattern=r"^[\w.]+:\w+$",
        description="the class, as module:name; a subclass may add components",
    )
    max_characters: int = Field(50_000, ge=1, description="longer texts are not read: they score 0")
    playthroughs: int = Field(24, ge=1, description="random playthroughs a storyworld is judged by")
    max_steps: int = Field(40, ge=1, description="choices after which a playthrough is cut")
    max_states: int = Field(4000, ge=1, description="distinct states that are explored; random plays see the rest")
    play_seed: int = Field(101, description="seed of those playthroughs while training; evaluation uses another")
    characters: int = Field(2, ge=1, description="characters for full completeness")
    encounters: int = Field(5, ge=1, description="encounters reached for full completeness")
    effects: int = Field(6, ge=1, description="working (operator, variable) pairs for full diversity")
    operators: int = Field(4, ge=1, description="working effect operators for full diversity")
    gated_low: float = Field(0.2, gt=0, le=1, description="share of options behind a living gate: full score from here")
    gated_high: float = Field(0.5, gt=0, le=1, description="... to here, falling outside")
    endings: int = Field(3, ge=2, description="endings reached for a full score; one scores 0")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text, in characters, and the credit that its tokens earn (negative: blame)."""

    start: int
    end: int
    credit: float


@dataclass(frozen=True, slots=True)
class Component:
    """A component's score in [0, 1], why, and where in the text."""

    score: float
    detail: str
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one text; `reward` is the weighted mean of the components, in [0, 1]."""

    reward: float
    components: Mapping[str, Component]
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every component's spans."""
        return tuple(span for component in self.components.values() for span in component.spans)


_UNPLAYABLE = Component(0.0, "not playable")


class StoryWorldVerifiers:
    """The reward: each key of `weights` names a method that judges a case.

    Args:
        config: thresholds and play.
        quality: feature quality of states; None scores that component 0.
        play_seed: seed of the playthroughs; the configuration's when None.
    """

    weights: ClassVar[Mapping[str, float]] = {
        "valid_json": 0.25,
        "schema": 0.10,
        "structural_completeness": 0.15,
        "effect_diversity": 0.15,
        "secret_paths": 0.15,
        "multiple_endings": 0.10,
        "feature_quality": 0.10,
    }

    def __init__(self, config: RewardConfig, quality: Quality | None = None, play_seed: int | None = None) -> None:
        self.config = config
        self.quality = quality
        self.play_seed = config.play_seed if play_seed is None else play_seed
        missing = [name for name in self.weights if not callable(getattr(self, name, None))]
        if missing:
            raise RewardError(f"no method for {', '.join(missing)}", hint="define a method of that name")

    def case(self, text: str, truncated: bool = False) -> Case:
        """The text, ready to be judged; `truncated`: its writer met the length limit before the end."""
        refusal = "the writer met the length limit" if truncated else None
        if len(text) > self.config.max_characters:
            refusal = f"{len(text)} characters, at most {self.config.max_characters} are read"
        config = self.config
        return Case(text, config.playthroughs, self.play_seed, config.max_steps, config.max_states, refusal)

    def judge(self, text: str, truncated: bool = False) -> Verdict:
        """Judge a draft: every component's score, and their weighted mean."""
        return self.judge_case(self.case(text, truncated))

    def judge_case(self, case: Case) -> Verdict:
        """Judge a text that is already being looked at."""
        components: dict[str, Component] = {name: getattr(self, name)(case) for name in self.weights}
        total = sum(self.weights.values())
        reward = sum(weight * components[name].score for name, weight in self.weights.items()) / total
        return Verdict(reward, components, self.weights)

    def valid_json(self, case: Case) -> Component:
        """1 when the text is one JSON document."""
        broken = [p for p in case.problems if p.stage == "json"]
        if not broken:
            return Component(1.0, "valid JSON")
        return Component(0.0, str(broken[0].message), _blame(broken[:1]))

    def schema(self, case: Case) -> Component:
        """1 when every field is there and every reference and expression resolves: partial credit would make dangling
        references nearly free."""
        found = case.problems
        if not found:
            return Component(1.0, "every field and reference resolves")
        wrong = [p for p in found if p.stage != "json"]
        detail = "; ".join(f"{p.path}: {p.message}" for p in found[:3])
        return Component(0.0, detail, _blame(wrong))

    def structural_completeness(self, case: Case) -> Component:
        """Characters, encounters that can be reached, options that can be chosen, and plays that end on an ending."""
        world, played, known = case.world, case.played, case.known
        if world is None or played is None or known is None:
            return _UNPLAYABLE
        options = [(e, o) for e, o, _ in world.options()]
        chosen = sum(known.open(*key) for key in options)
        reached = sum(map(known.reached, range(len(world.encounters))))
        ended = sum(_endings(world, played).values())
        parts = (
            min(1.0, len(world.characters) / self.config.characters),
            min(1.0, reached / self.config.encounters),
            chosen / len(options) if options else 0.0,
            ended / played.playthroughs,
        )
        detail = (
            f"{len(world.characters)} characters, {reached} of {len(world.encounters)} encounters reached, "
            f"{chosen} of {len(options)} options can be chosen, {ended} of {played.playthroughs} plays reach an ending"
        )
        return Component(sum(parts) / len(parts), detail)

    def effect_diversity(self, case: Case) -> Component:
        """Distinct (operator, variable) pairs among the effects that changed something in play, and their operators.

        An effect on a number that nothing else reads counts half, one on a spool without encounters not at all.
        """
        world, known, compiled = case.world, case.known, case.compiled
        if world is None or known is None or compiled is None:
            return _UNPLAYABLE
        members = {spool.id for spool in world.spools if spool.members}
        read = _read(world)
        pairs: set[tuple[str, Key | str]] = set()
        operators: set[str] = set()
        total = 0.0
        spans: list[Span] = []
        for e, o, r, i, effect in _effects(world):
            target = _target(effect)
            pair = (effect_verb(effect), target)
            counts = isinstance(target, tuple) or target in members
            if not counts or not known.changes(e, o, r, i) or pair in pairs:
                continue
            wanted = total < self.config.effects or (
                pair[0] not in operators and len(operators) < self.config.operators
            )
            pairs.add(pair)
            operators.add(pair[0])
            worth = 1.0 if target in members or target in read else 0.5
            total += worth
            if wanted:
                spans += _spans(compiled, f"encounters[{e}].options[{o}].reactions[{r}].do[{i}]", 0.3 * worth)
        score = 0.5 * min(1.0, total / self.config.effects) + 0.5 * min(1.0, len(operators) / self.config.operators)
        detail = f"{len(pairs)} working effects worth {total:g} by {', '.join(sorted(operators)) or 'none'}"
        return Component(score, detail, tuple(spans))

    def secret_paths(self, case: Case) -> Component:
        """The share of options behind a living gate, full in a band; a fifth for gates on what effects move."""
        world, known, compiled = case.world, case.known, case.compiled
        if world is None or known is None or compiled is None:
            return _UNPLAYABLE
        moved = {_target(effect) for e, o, r, i, effect in _effects(world) if known.changes(e, o, r, i)}
        options = list(world.options())
        most = int(self.config.gated_high * len(options))
        living, responsive, dead = [], [], []
        for e, o, option in options:
            gates = {"show": option.visibility, "if": option.performability}
            closed = {name: gate for name, gate in gates.items() if not isinstance(gate, Constant)}
            if not closed:
                continue
            places = [f"encounters[{e}].options[{o}].{name}" for name in closed]
            parts = [node for gate in closed.values() for node in walk(gate)]
            if known.open(e, o) and known.shut(e, o):
                living.append(places)
            elif known.open(e, o) and any(_depends(node, moved) for node in parts):
                responsive.append(places)
            else:
                dead.append(places)
        credits = [(places, 0.6) for places in living[:most]]
        credits += [(places, 0.1) for places in responsive[: max(0, most - len(living))]]
        credits += [(places, -0.3) for places in dead]
        spans = [span for places, credit in credits for path in places for span in _spans(compiled, path, credit)]
        count = max(1, len(options))
        score = 0.8 * self._band(len(living) / count) + 0.2 * self._band((len(living) + len(responsive)) / count)
        gated = len(living) + len(responsive) + len(dead)
        detail = f"{len(living)} of {gated} gates open in some states and shut in others, {count} options"
        return Component(score, detail, tuple(spans))

    def multiple_endings(self, case: Case) -> Component:
        """Endings (encounters without options) that can be reached."""
        world, played, known, compiled = case.world, case.played, case.known, case.compiled
        if world is None or played is None or known is None or compiled is None:
            return _UNPLAYABLE
        frequent = list(_endings(world, played))
        reached = frequent + [e for e in known.endings() if e not in frequent]
        spans: list[Span] = []
        for ending in reached[1 : self.config.endings]:
            ways = [
                f"encounters[{e}].options[{o}].reactions[{r}].to"
                for e, o, option in world.options()
                for r, reaction in enumerate(option.reactions)
                if reaction.consequence == ending and known.ran(e, o, r)
            ]
            ways += [f"encounters[{ending}].when", f"encounters[{ending}].id"]
            spans += next(filter(None, (_spans(compiled, way, 0.3) for way in ways)), [])
        score = min(1.0, max(0, len(reached) - 1) / (self.config.endings - 1))
        return Component(score, f"{len(reached)} endings reached", tuple(spans))

    def feature_quality(self, case: Case) -> Component:
        """Mean feature quality of the states met in play, under frozen autoencoders."""
        if self.quality is None:
            return Component(0.0, "no autoencoders")
        if not len(case.states):
            return _UNPLAYABLE
        scores = self.quality(case.states)
        return Component(float(np.clip(scores.mean(), 0.0, 1.0)), f"mean over {len(scores)} states")

    def _band(self, share: float) -> float:
        low, high = self.config.gated_low, self.config.gated_high
        if share < low:
            return share / low
        return 1.0 if share <= high else max(0.0, (1.0 - share) / (1.0 - high))


def _blame(found: Sequence[Problem]) -> tuple[Span, ...]:
    return tuple(Span(p.start, p.end, BLAME) for p in found if p.start is not None and p.end is not None)


def _spans(compiled: Compiled, path: str, credit: float) -> list[Span]:
    """The span of what is written at a path; none where nothing is."""
    found = compiled.spans.get(path)
    return [Span(*found, credit)] if found and credit else []


def load_verifiers(name: str) -> type[StoryWorldVerifiers]:
    """The class called `module:name`.

    Raises:
        RewardError: there is none, or it is no subclass of StoryWorldVerifiers.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RewardError(f"no class {name}: {error}", where="reward.verifiers", hint="module:name") from error
    if not (isinstance(found, type) and issubclass(found, StoryWorldVerifiers)):
        raise RewardError(f"{name} is no subclass of StoryWorldVerifiers", where="reward.verifiers")
    return found


def _endings(world: Storyworld, played: Survey) -> dict[int, int]:
    """Playthroughs that ended on each encounter without options, most frequent first."""
    found = {e: count for e, count in played.ends.items() if not world.encounters[e].options}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _target(effect: Effect) -> Key | str:
    """What an effect changes: a variable or a spool."""
    return (effect.target.character, effect.target.keyring) if isinstance(effect, SetNumber) else effect.spool


def _effects(world: Storyworld) -> "Iterator[tuple[int, int, int, int, Effect]]":
    """Every effect with the positions of its encounter, option and reaction, and its own."""
    for e, o, option in world.options():
        for r, reaction in enumerate(option.reactions):
            for i, effect in enumerate(reaction.effects):
                yield e, o, r, i, effect


def _read(world: Storyworld) -> set[Key | str]:
    """The variables that something reads; an effect's reading of what it changes itself does not count."""
    expressions: list[tuple[Expression, Key | str | None]] = []
    for encounter in world.encounters:
        expressions += [(encounter.acceptability, None), (encounter.desirability, None)]
    for _, _, option in world.options():
        expressions += [(option.visibility, None), (option.performability, None)]
        expressions += [(reaction.desirability, None) for reaction in option.reactions]
    expressions += [(effect.value, _target(effect)) for *_, effect in _effects(world)]
    return {
        (node.character, node.keyring)
        for expression, own in expressions
        for node in walk(expression)
        if isinstance(node, Variable) and (node.character, node.keyring) != own
    }


def _depends(node: Expression, moved: set[Key | str]) -> bool:
    """Whether a part of a gate reads a number or a spool that changed in play."""
    match node:
        case Variable(character=character, keyring=keyring):
            return (character, keyring) in moved
        case SpoolStatus(spool=spool):
            return spool in moved
        case _:
            return False
