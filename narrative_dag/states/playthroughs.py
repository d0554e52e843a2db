"""Seeded random play: rows of the table `rollouts`, and counts of what play reached.

A playthrough ends on its last row. `no_options` and `blocked`: the page on which nothing can be chosen; choice,
reaction and next are null. `the_end` and `max_steps`: the page of the last choice, which has its choice and reaction;
next is null for `the_end`, and names the page that was not entered for `max_steps`. A playthrough that finds no first
page has no row.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from narrative_dag.states.encoder import Encoder
from narrative_dag.storyworld.engine import EndKind, Engine, Page, Playthrough, State
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.tables import STATE_DIMENSIONS, TABLES


def _uniforms(seed: int, storyworld_id: str, playthrough: int, count: int) -> list[float]:
    """The draws of one playthrough in [0, 1): its own stream, whatever else is played with it."""
    digest = hashlib.sha256(f"{seed}\0{storyworld_id}\0{playthrough}".encode()).digest()
    drawn: list[float] = np.random.default_rng(int.from_bytes(digest[:16], "big")).random(count).tolist()
    return drawn


def _choices(play: Playthrough, uniforms: list[float]) -> Iterator[tuple[Page, int]]:
    """Pages in order with a uniform choice among the performable options, until an ending or the last draw.

    The caller makes the choice before it asks for the next page.
    """
    for uniform in uniforms:
        page = play.page
        if page is None or not page.performable:
            return
        yield page, page.performable[int(uniform * len(page.performable))]


def record(
    world: Storyworld, storyworld_id: str, source: str, playthroughs: int, seed: int, max_steps: int = 60
) -> pa.Table:
    """Random playthroughs as rows of `rollouts`.

    Args:
        world: what is played.
        storyworld_id: its id; part of the seed.
        source: policy, seed or imported.
        playthroughs: how many; each has a stream of its own, so the first n of m are those of n.
        seed: any integer.
        max_steps: choices after which a playthrough stops.

    Returns:
        A table with the schema of `TABLES["rollouts"]`, ordered by playthrough and step.
    """
    engine, encoder = Engine(world), Encoder(world)
    rows: dict[str, list[Any]] = {column.name: [] for column in TABLES["rollouts"].columns}
    vectors: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    ids = [encounter.id for encounter in world.encounters]
    options = [[option.id for option in encounter.options] for encounter in world.encounters]

    def add(number: int, step: int, play: Playthrough, page: Page) -> None:
        names = options[page.encounter]
        rows["playthrough"].append(number)
        rows["step"].append(step)
        rows["turn"].append(play.state.turn)
        rows["encounter"].append(ids[page.encounter])
        rows["visible"].append([names[o] for o in page.visible])
        rows["performable"].append([names[o] for o in page.performable])
        vectors.append(encoder.encode(play.state, page.encounter))

    def outcome(choice: str | None, reaction: str | None, following: str | None, end: EndKind | None) -> None:
        for name, value in (("choice", choice), ("reaction", reaction), ("next", following), ("end", end)):
            rows[name].append(value)

    for number in range(playthroughs):
        play = engine.start()
        step = 0
        for page, option in _choices(play, _uniforms(seed, storyworld_id, number, max_steps)):
            add(number, step, play, page)
            step += 1
            chosen = world.encounters[page.encounter].options[option]
            ran = play.choose(option)
            end: EndKind | None = "the_end" if play.page is None else "max_steps" if step == max_steps else None
            following = None if play.page is None else ids[play.page.encounter]
            outcome(chosen.id, None if ran is None else chosen.reactions[ran].id, following, end)
        if play.ending is not None and play.page is not None and step < max_steps:
            add(number, step, play, play.page)
            outcome(None, None, None, play.ending.kind)
    count = len(vectors)
    rows["storyworld_id"], rows["source"] = [storyworld_id] * count, [source] * count
    flat = np.concatenate(vectors) if vectors else np.empty(0, dtype=np.float32)
    schema = TABLES["rollouts"].schema
    state = pa.FixedSizeListArray.from_arrays(pa.array(flat, type=pa.float32()), STATE_DIMENSIONS)
    arrays = [state if f.name == "state" else pa.array(rows[f.name], type=f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True, slots=True)
class Survey:
    """What random play met. Keys are positions in the storyworld; what was never met is absent (a Counter gives 0).

    Attributes:
        playthroughs: playthroughs played.
        steps: choices made over all of them.
        longest: most choices in one playthrough.
        entries: times each encounter was the player's page: the base of `visible` and `performable`.
        ends: times each encounter was the last page.
        kinds: playthroughs by kind of ending.
        visible: pages on which each (encounter, option) was visible.
        performable: pages on which it could be chosen.
        chosen: times it was chosen.
        reactions: times each (encounter, option, reaction) ran.
        changes: times each (encounter, option, reaction, effect) changed a number or a spool.
    """

    playthroughs: int
    steps: int
    longest: int
    entries: Mapping[int, int]
    ends: Mapping[int, int]
    kinds: Mapping[EndKind, int]
    visible: Mapping[tuple[int, int], int]
    performable: Mapping[tuple[int, int], int]
    chosen: Mapping[tuple[int, int], int]
    reactions: Mapping[tuple[int, int, int], int]
    changes: Mapping[tuple[int, int, int, int], int]


def survey(
    world: Storyworld | Engine,
    playthroughs: int,
    seed: int,
    max_steps: int = 60,
    visit: Callable[[State, int], None] | None = None,
) -> Survey:
    """Random playthroughs, counted instead of recorded; see `Survey`.

    The page that a playthrough stopped by `max_steps` would have entered is not counted. `visit`, when given, is called
    with the state of play and the encounter's position on every page that is.
    """
    engine = world if isinstance(world, Engine) else Engine(world)
    entries: Counter[int] = Counter()
    ends: Counter[int] = Counter()
    kinds: Counter[EndKind] = Counter()
    visible: Counter[tuple[int, int]] = Counter()
    performable: Counter[tuple[int, int]] = Counter()
    chosen: Counter[tuple[int, int]] = Counter()
    reactions: Counter[tuple[int, int, int]] = Counter()
    changes: Counter[tuple[int, int, int, int]] = Counter()
    steps = longest = 0

    def meet(play: Playthrough, page: Page) -> None:
        e = page.encounter
        entries[e] += 1
        if visit is not None:
            visit(play.state, e)
        for o in page.visible:
            visible[e, o] += 1
        for o in page.performable:
            performable[e, o] += 1

    for number in range(playthroughs):
        play = engine.start()
        length, last = 0, None
        for page, option in _choices(play, _uniforms(seed, "", number, max_steps)):
            meet(play, page)
            length += 1
            last = page.encounter
            chosen[last, option] += 1
            ran = play.choose(option)
            if ran is not None:
                reactions[last, option, ran] += 1
                for k, changed in enumerate(play.changes):
                    if changed:
                        changes[last, option, ran, k] += 1
        kind: EndKind = "max_steps" if play.ending is None else play.ending.kind
        if length == max_steps and play.page is not None:
            kind = "max_steps"
        elif play.page is not None:
            meet(play, play.page)
            last = play.page.encounter
        kinds[kind] += 1
        if last is not None:
            ends[last] += 1
        steps += length
        longest = max(longest, length)
    return Survey(playthroughs, steps, longest, entries, ends, kinds, visible, performable, chosen, reactions, changes)
