"""The editor's graph: layers by distance, endings last, nothing on top of anything, few crossings."""

import dataclasses
import itertools

from dialect_worlds import drawn_world
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.storyworld.model import Encounter, Mode, Option, Reaction, SetSpool, Spool, Storyworld
from narrative_dag.storyworld.script import Constant
from narrative_dag.storyworld.sweepweave import lower
from narrative_dag.storyworld.sweepweave.layout import COLUMN, HEIGHT, WIDTH, layout

YES = Constant(True)


def page(position: int, *targets: int | None, effects: tuple[SetSpool, ...] = ()) -> Encounter:
    """A page with one option to each target, None for wild selection."""
    options = tuple(
        Option(f"o{i}", Constant(""), YES, YES, (Reaction(f"r{i}", Constant(""), Constant(0.0), target, effects),))
        for i, target in enumerate(targets)
    )
    return Encounter(f"e{position}", "", Constant(""), YES, Constant(0.0), options)


def world(*pages: Encounter, spools: tuple[Spool, ...] = (Spool("s", "s", True, (0,)),)) -> Storyworld:
    return Storyworld("T", Mode.OFFICIAL, (), (), frozenset(), {}, spools, pages)


def columns(of: Storyworld) -> list[float]:
    return [x / COLUMN for x, _ in layout(of)]


def test_layers_follow_the_distance_and_endings_come_last() -> None:
    #  0 -> 1 -> 3 -> 4 (ending), 0 -> 2 (ending)
    assert columns(world(page(0, 1, 2), page(1, 3), page(2), page(3, 4), page(4))) == [0, 1, 3, 2, 3]


def test_what_nothing_leads_to_stands_between_the_story_and_its_endings() -> None:
    assert columns(world(page(0, 2), page(1, 0), page(2))) == [0, 1, 2]
    # a chain and a circle that nothing leads to have layers of their own
    pages = (page(0, 1), page(1), page(2, 3), page(3, 4), page(4, 2), page(5, 6), page(6, 1))
    assert columns(world(*pages)) == [0, 6, 3, 4, 5, 1, 2]


def test_wild_selection_leads_to_the_members_of_spools_that_can_be_open() -> None:
    opening = (SetSpool("late", YES),)
    spools = (Spool("s", "s", True, (0, 1)), Spool("late", "late", False, (2,)), Spool("shut", "shut", False, (3,)))
    pages = (page(0, None), page(1, None, effects=opening), page(2, None), page(3, None))
    assert columns(world(*pages, spools=spools)) == [0, 1, 2, 3]


def test_a_layer_is_ordered_so_that_edges_do_not_cross() -> None:
    # 1 -> 5, 2 -> 4, 3 -> 6: as numbered the first two cross
    found = layout(
        world(page(0, 1, 2, 3), page(1, 5), page(2, 4), page(3, 6), page(4, 7), page(5, 7), page(6, 7), page(7))
    )
    height = [y for _, y in found]
    assert [sorted((1, 2, 3), key=height.__getitem__).index(e) for e in (1, 2, 3)] == [
        sorted((4, 5, 6), key=height.__getitem__).index(e) for e in (5, 4, 6)
    ]


def test_a_long_layer_is_folded() -> None:
    pages = (page(0, *range(1, 41)), *(page(e, 41) for e in range(1, 41)), page(41))
    found = layout(world(*pages))
    assert max(y for _, y in found) - min(y for _, y in found) < 12 * 200
    assert found[41][0] > max(x for x, _ in found[1:41])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_no_two_nodes_overlap(seed: int, copies: int) -> None:
    drawn = lower(drawn_world(seed, Mode.OFFICIAL)).world
    many = dataclasses.replace(drawn, encounters=drawn.encounters * copies)
    places = layout(many)
    assert len(places) == len(many.encounters)
    for (x, y), (other_x, other_y) in itertools.combinations(places, 2):
        assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT
    for column in {x for x, _ in places}:
        heights = [y for x, y in places if x == column]
        assert sum(heights) / len(heights) == 0
    assert layout(many) == places


def test_no_pages_have_no_places() -> None:
    assert layout(world(spools=())) == []
