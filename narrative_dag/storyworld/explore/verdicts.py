"""What can happen in a storyworld, thing by thing: it was reached, it was proved impossible, or it was not found."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from narrative_dag.storyworld.explore.graph import END_KINDS, Found
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.explore.sampling import Sample


class Verdict(enum.Enum):
    """`UNREACHABLE` is a proof, `NOT_FOUND` is none."""

    REACHED = "reached"
    UNREACHABLE = "proved unreachable"
    NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdict on everything, by position. An option that can be chosen once is also chosen in some play.

    Attributes:
        encounters: pages.
        visible: options that are visible on some page.
        performable: options that can be chosen.
        reactions: reactions that run.
        effects: effects that change something. An effect on a part of the state that nothing reads is never proved
            unreachable while its reaction runs: states that differ in such parts alone were not told apart.
        endings: encounters without options.
        the_end: play that ends for nothing can be selected.
        no_options: pages with options, in a state in which none is visible.
        blocked: pages in a state in which an option is visible and none can be chosen.
    """

    encounters: Mapping[int, Verdict]
    visible: Mapping[tuple[int, int], Verdict]
    performable: Mapping[tuple[int, int], Verdict]
    reactions: Mapping[tuple[int, int, int], Verdict]
    effects: Mapping[tuple[int, int, int, int], Verdict]
    endings: Mapping[int, Verdict]
    the_end: Verdict
    no_options: Mapping[int, Verdict]
    blocked: Mapping[int, Verdict]


def judge(positions: Positions, liveness: Liveness, found: Found, sample: Sample | None) -> Verdicts:
    """The verdicts of a search, and of random plays where the search was cut."""
    graph, world = found.graph, positions.world
    absent = Verdict.UNREACHABLE if graph.exhaustive else Verdict.NOT_FOUND
    first = graph.first_nodes(len(world.encounters))
    ran = set(graph.edge_reaction.tolist())
    ended = set(zip(graph.end.tolist(), graph.encounter.tolist(), strict=True))

    def verdict(reached: bool, thing: int) -> Verdict:
        return Verdict.REACHED if reached or (sample is not None and sample.met(thing)) else absent

    layout = sample.layout if sample else None
    at_visible, at_performable = (layout.visible, layout.performable) if layout else (0, 0)
    at_ran, at_changed = (layout.ran, layout.changed) if layout else (0, 0)

    def ending(code: int, e: int) -> Verdict:
        place = e if e >= 0 else len(world.encounters)
        thing = layout.ended + (code - 1) * (len(world.encounters) + 1) + place if layout else 0
        return verdict((code, e) in ended, thing)

    pages = {e: verdict(first[e] >= 0, e) for e in range(len(world.encounters))}
    reactions = {key: verdict(r in ran, at_ran + r) for r, key in enumerate(positions.reactions)}
    effects = {}
    for k, key in enumerate(positions.effects):
        found_one = verdict(bool(found.changes[k]), at_changed + k)
        if found_one is Verdict.UNREACHABLE and reactions[key[:3]] is Verdict.REACHED and not liveness.decided(*key):
            found_one = Verdict.NOT_FOUND
        effects[key] = found_one
    closed = [e for e, encounter in enumerate(world.encounters) if encounter.options]
    return Verdicts(
        encounters=pages,
        visible={key: verdict(bool(found.visible[n]), at_visible + n) for n, key in enumerate(positions.options)},
        performable={
            key: verdict(bool(found.performable[n]), at_performable + n) for n, key in enumerate(positions.options)
        },
        reactions=reactions,
        effects=effects,
        endings={e: pages[e] for e, encounter in enumerate(world.encounters) if not encounter.options},
        the_end=ending(END_KINDS.index("the_end"), -1),
        no_options={e: ending(END_KINDS.index("no_options"), e) for e in closed},
        blocked={e: ending(END_KINDS.index("blocked"), e) for e in closed},
    )
