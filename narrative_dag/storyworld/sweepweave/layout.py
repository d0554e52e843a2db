"""Positions for the editor's graph of encounters: layers from left to right, few crossings, no overlap.

A layer is the distance from the opening page, a step being a consequence or a wild selection. What nothing leads to
comes after the last layer, in layers of its own by the consequences there, and endings after that. Within a layer the
pages follow the mean height of their neighbours (the barycentre heuristic of Sugiyama, Tagawa and Toda, 1981), swept
both ways; the sweep with the fewest crossings is kept. A long layer is folded into columns.
"""

import itertools
from collections.abc import Iterator, Sequence

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import SetSpool, Storyworld
from narrative_dag.storyworld.script import Constant

WIDTH, HEIGHT = 250, 150
"""Size of a node that the spacing allows for, in the editor's units."""
COLUMN, ROW = 340, 190
_TALLEST = 12
"""Most nodes in a column."""
_SWEEPS = 8

Edges = Sequence[Sequence[int]]
"""For each encounter the encounters that its reactions lead to directly."""


def layout(world: Storyworld) -> list[tuple[float, float]]:
    """The position (x, y) of each encounter's node; equal storyworlds have equal layouts."""
    edges = [
        sorted({r.consequence for option in e.options for r in option.reactions if r.consequence is not None})
        for e in world.encounters
    ]
    layers = _untangled(_layers(world, edges), edges)
    places: list[tuple[float, float]] = [(0.0, 0.0)] * len(world.encounters)
    column = 0
    for layer in layers:
        columns = -(-len(layer) // _TALLEST)
        tallest = -(-len(layer) // columns)
        for i, encounter in enumerate(layer):
            row = i % tallest
            members = min(tallest, len(layer) - i + row)
            places[encounter] = (float((column + i // tallest) * COLUMN), (row - (members - 1) / 2) * ROW)
        column += columns
    return places


def _layers(world: Storyworld, edges: Edges) -> list[list[int]]:
    first = Playthrough(world).page
    distance = _distances(world, edges, 0 if first is None else first.encounter) if world.encounters else {}
    rest = {e for e, page in enumerate(world.encounters) if page.options} - distance.keys()
    while rest:
        _add_apart(rest, edges, distance)
    deepest = max(distance.values(), default=-1)
    found: list[list[int]] = [[] for _ in range(deepest + 2)]
    for position, page in enumerate(world.encounters):
        ending = not page.options and distance.get(position) != 0
        found[deepest + 1 if ending else distance[position]].append(position)
    return [layer for layer in found if layer]


def _add_apart(rest: set[int], edges: Edges, distance: dict[int, int]) -> None:
    """Move the pages without a predecessor in the rest, and what they lead to there, behind the deepest layer.

    Where every page has one, the first page stands in for those without.
    """
    front = sorted(rest - {target for page in rest for target in edges[page] if target != page}) or [min(rest)]
    steps = max(distance.values(), default=-1)
    while front:
        steps += 1
        distance.update(dict.fromkeys(front, steps))
        rest.difference_update(front)
        front = sorted({target for page in front for target in edges[page]} & rest)


def _distances(world: Storyworld, edges: Edges, first: int) -> dict[int, int]:
    """Fewest steps to each page that consequences or spools lead to; gates are taken to be open."""
    active = {spool.id for spool in world.spools if spool.starts_active}
    distance = {first: 0}
    front, selected = [first], False
    while front:
        reached: set[int] = set()
        for page in front:
            reached.update(edges[page])
            for option in world.encounters[page].options:
                for reaction in option.reactions:
                    selected |= reaction.consequence is None
                    active.update(
                        effect.spool
                        for effect in reaction.effects
                        if isinstance(effect, SetSpool) and effect.value != Constant(False)
                    )
        if selected:
            reached.update(member for spool in world.spools if spool.id in active for member in spool.members)
        steps = distance[front[0]] + 1
        front = sorted(reached - distance.keys())
        distance.update(dict.fromkeys(front, steps))
    return distance


def _untangled(layers: list[list[int]], edges: Edges) -> list[list[int]]:
    """The layers, each in the order of the sweep with the fewest crossings."""
    before: list[list[int]] = [[] for _ in edges]
    for page, targets in enumerate(edges):
        for target in targets:
            before[target].append(page)
    best, fewest = layers, _crossings(layers, edges)
    current = layers
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        current = _swept(current, before if forward else edges, forward)
        crossings = _crossings(current, edges)
        if crossings < fewest:
            best, fewest = current, crossings
    return best


def _swept(layers: list[list[int]], neighbours: Edges, forward: bool) -> list[list[int]]:
    rank = dict(_ranks(layers))
    found = [list(layer) for layer in layers]
    for i in range(len(found)) if forward else reversed(range(len(found))):
        own = {page: place for place, page in enumerate(found[i])}

        def height(page: int, own: dict[int, int] = own) -> tuple[float, int]:
            around = [rank[other] for other in neighbours[page] if other not in own]
            return (sum(around) / len(around) if around else rank[page]), own[page]

        found[i].sort(key=height)
        rank.update(_ranks([found[i]]))
    return found


def _ranks(layers: Sequence[Sequence[int]]) -> Iterator[tuple[int, float]]:
    """Each page's height in its layer, around 0."""
    for layer in layers:
        for place, page in enumerate(layer):
            yield page, place - (len(layer) - 1) / 2


def _crossings(layers: Sequence[Sequence[int]], edges: Edges) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for left, right in itertools.pairwise(layers):
        places = {page: place for place, page in enumerate(right)}
        seen = [0] * len(right)
        for page in left:
            ends = [places[target] for target in edges[page] if target in places]
            total += sum(sum(seen[end + 1 :]) for end in ends)
            for end in ends:
                seen[end] += 1
    return total
