"""Grown worlds for tests: drafts of the authors' styles, compiled, and ways to play them."""

from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from narrative_dag.storyworld.authors import AuthorConfig
from narrative_dag.storyworld.authors.acts import grow
from narrative_dag.storyworld.authors.growth import World
from narrative_dag.storyworld.draft import Draft, compile_draft
from narrative_dag.storyworld.engine import Engine, Playthrough
from narrative_dag.storyworld.model import Storyworld

GROWN = ("tolstoy", "finemann", "tokien")


class Case(NamedTuple):
    """A grown world and what plays it."""

    grown: World
    world: Storyworld
    engine: Engine


@cache
def _case(style: str, seed: int, settings: tuple[tuple[str, Any], ...]) -> Case:
    config = AuthorConfig(style=style, **dict(settings))
    grown = grow(config, style, "harbor", 1.0, Random(seed))
    world = compile_draft(Draft.model_validate(grown.document))
    return Case(grown, world, Engine(world))


def cases(style: str, count: int, **settings: Any) -> list[Case]:
    """Worlds of quality 1, one a seed."""
    return [_case(style, seed, tuple(sorted(settings.items()))) for seed in range(count)]


def played(case: Case, choices: Sequence[int]) -> Playthrough:
    """The play that makes these choices."""
    play = Playthrough(case.engine)
    for option in choices:
        play.choose(option)
    return play


def random_plays(case: Case, count: int, seed: int = 0) -> Iterator[Playthrough]:
    """Plays of random choices, each one on every page that it stands on; the last state is its ending."""
    random = Random(seed)
    for _ in range(count):
        play = Playthrough(case.engine)
        yield play
        while play.ending is None and play.page is not None:
            play.choose(random.choice(play.page.performable))
            yield play


def all_plays(case: Case) -> Iterator[Playthrough]:
    """Every play to its end."""
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        choices = waiting.pop()
        play = played(case, choices)
        if play.ending is not None or play.page is None:
            yield play
        else:
            waiting += [(*choices, option) for option in play.page.performable]
