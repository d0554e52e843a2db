"""The search against plays: brute force, its own reduction, replayed witnesses, and the compiled search."""

from pathlib import Path

import numpy as np
import pytest
from explore_worlds import finite_plays, option, page, reaction, storyworlds, world
from hypothesis import given, settings
from hypothesis import strategies as st
from random_storyworlds import random_world

from narrative_dag.stages.imports import read_import
from narrative_dag.storyworld.engine import Engine, Playthrough
from narrative_dag.storyworld.explore import ExploreConfig, Verdict, explore
from narrative_dag.storyworld.explore.compiled import COMPILED
from narrative_dag.storyworld.explore.compiled_search import CompiledSearch
from narrative_dag.storyworld.explore.counterfactual import InterpretedRepeater
from narrative_dag.storyworld.explore.graph import END_KINDS, Found
from narrative_dag.storyworld.explore.interpreted import StateSpace, branch, search
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.explore.repeating_kernel import CompiledRepeater
from narrative_dag.storyworld.explore.sampling import sample
from narrative_dag.storyworld.explore.sampling_kernel import sample as compiled_sample
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.storyworld.script import Event

SHARED = Path(__file__).parents[4] / "shared" / "sweepweave" / "worlds"

BOUND = 400


def met_by_every_play(start: Playthrough) -> set[tuple[object, ...]]:
    """What happens in any play, every play being followed to its end without a look at states."""
    met: set[tuple[object, ...]] = set()
    plays = [start]
    while plays:
        play = plays.pop()
        if play.ending is not None:
            met.add(("end", play.ending.kind, play.ending.encounter))
        if play.page is None:
            continue
        e = play.page.encounter
        met |= {("page", e), *(("visible", e, o) for o in play.page.visible)}
        for o in play.page.performable:
            following = branch(play)
            ran = following.choose(o)
            met |= {("performable", e, o), ("reaction", e, o, ran)}
            met |= {("change", e, o, ran, k) for k, changed in enumerate(following.changes) if changed}
            plays.append(following)
    return met


def met_by_search(built: Storyworld, found: Found) -> set[tuple[object, ...]]:
    positions, graph = Positions.of(built), found.graph
    met: set[tuple[object, ...]] = {("page", e) for e in graph.encounter.tolist() if e >= 0}
    for code, e in zip(graph.end.tolist(), graph.encounter.tolist(), strict=True):
        if code:
            met.add(("end", END_KINDS[code], e if e >= 0 else None))
    for n, key in enumerate(positions.options):
        met |= {("visible", *key)} if found.visible[n] else set()
        met |= {("performable", *key)} if found.performable[n] else set()
    for option_number, ran in zip(graph.edge_option.tolist(), graph.edge_reaction.tolist(), strict=True):
        met.add(("reaction", *positions.options[option_number], None if ran < 0 else positions.reactions[ran][2]))
    return met | {("change", *positions.effects[k]) for k in np.flatnonzero(found.changes).tolist()}


def searched(built: Storyworld, reduce: bool = True, max_states: int = BOUND) -> Found:
    engine = Engine(built)
    return search(engine, Positions.of(built), Liveness(engine, reduce), max_states, True)


@settings(max_examples=300, deadline=None)
@given(finite_plays)
def test_an_exhaustive_search_meets_exactly_what_every_play_meets(built):
    found = searched(built)
    assert found.graph.exhaustive
    brute = met_by_every_play(Engine(built).start())
    by_search = met_by_search(built, found)
    decided = Liveness(Engine(built)).decided
    # of effects on what nothing reads the search tells only what it saw
    missed = {thing for thing in brute - by_search if not (thing[0] == "change" and not decided(*thing[1:]))}
    assert missed == set()
    assert by_search <= brute
    verdicts = explore(built, ExploreConfig(max_states=BOUND)).verdicts
    for kind, listed in (("page", verdicts.encounters), ("visible", verdicts.visible), ("change", verdicts.effects)):
        for key, verdict in listed.items():
            happens = (kind, *(key if isinstance(key, tuple) else (key,))) in brute
            assert happens or verdict is not Verdict.REACHED
            assert not happens or verdict is not Verdict.UNREACHABLE


@settings(max_examples=600, deadline=None)
@given(storyworlds)
def test_states_that_agree_on_what_is_live_behave_the_same(built):
    engine = Engine(built)
    reduced, whole = (StateSpace(engine, Liveness(engine, reduce)) for reduce in (True, False))
    behaviour: dict[object, object] = {}
    known = set()
    waiting = [whole.root()]
    while waiting and len(known) < BOUND:
        play = waiting.pop()
        if whole.row(play) in known:
            continue
        known.add(whole.row(play))
        following = list(whole.successors(play))
        ending = play.ending.kind if play.ending else None
        moves = [(o, ran, reduced.row(after)) for o, ran, after in following]
        mine = (play.page, ending, moves)
        assert behaviour.setdefault(reduced.row(play), mine) == mine
        waiting += [after for _, _, after in following]


@settings(max_examples=100, deadline=None)
@given(storyworlds)
def test_searching_without_the_reduction_meets_the_same_in_no_fewer_states(built):
    reduced, whole = searched(built), searched(built, reduce=False)
    assert reduced.graph.states <= whole.graph.states or not whole.graph.exhaustive
    if whole.graph.exhaustive:
        assert reduced.graph.exhaustive
        a, b = (met_by_search(built, found) for found in (reduced, whole))
        assert {thing for thing in a ^ b if thing[0] != "change"} == set()


@settings(max_examples=100, deadline=None)
@given(storyworlds)
def test_witnesses_replay_to_what_they_claim(built):
    explored = explore(built, ExploreConfig(max_states=60, plays=20, max_steps=30))
    depth = {0: 0}
    graph = explored.graph
    for source, target in zip(graph.edge_source.tolist(), graph.edge_target.tolist(), strict=True):
        depth.setdefault(target, depth[source] + 1)

    def replayed(choices):
        play = Playthrough(built)
        for e, o in choices:
            assert play.page is not None
            assert play.page.encounter == e
            play.choose(o)
        return play

    for e, verdict in explored.verdicts.encounters.items():
        witness = explored.play_to_encounter(e)
        assert (witness is not None) == (verdict is Verdict.REACHED)
        if witness is not None:
            page_there = replayed(witness.choices).page
            assert page_there is not None
            assert page_there.encounter == e
            if witness.shortest:
                assert len(witness.choices) == min(depth[n] for n in np.flatnonzero(graph.encounter == e).tolist())
    for (e, o), verdict in explored.verdicts.visible.items():
        if verdict is Verdict.REACHED:
            page_there = replayed(explored.play_to_option(e, o).choices).page
            assert page_there.encounter == e
            assert o in page_there.visible
    for kind, ends in (("no_options", explored.verdicts.no_options), ("blocked", explored.verdicts.blocked)):
        for e, verdict in ends.items():
            witness = explored.play_to_end(kind, e)
            assert (witness is not None) == (verdict is Verdict.REACHED)
            if witness is not None:
                ending = replayed(witness.choices).ending
                assert (ending.kind, ending.encounter) == (kind, e)
    for loop in explored.loops:
        assert replayed(explored.play_to_state(loop.node).choices).page.encounter in loop.encounters


def differences(a: Found, b: Found) -> list[str]:
    names = ("encounter", "end", "parent", "parent_option", "first_edge", "edge_option", "edge_reaction", "edge_target")
    wrong = [name for name in names if not np.array_equal(getattr(a.graph, name), getattr(b.graph, name))]
    names = ("visible", "performable", "first_visible", "changes", "first_change")
    wrong += [name for name in names if not np.array_equal(getattr(a, name), getattr(b, name))]
    names = ("ran", "considered", "acceptable", "low", "high")
    return wrong + [n for n in names if not np.array_equal(getattr(a.selections, n), getattr(b.selections, n))]


def assert_compiled_equals_interpreted(built: Storyworld, max_states: int) -> None:
    engine, positions = Engine(built), Positions.of(built)
    liveness = Liveness(engine)
    found = search(engine, positions, liveness, max_states, True)
    assert differences(found, CompiledSearch(engine, positions, liveness, True).run(max_states)) == []
    mine, other = (draw(engine, positions, 30, 5, 20) for draw in (sample, compiled_sample))
    for name in ("counts", "first_step", "first_play"):
        assert np.array_equal(getattr(mine, name), getattr(other, name)), name
    assert (mine.choices, mine.steps) == (other.choices, other.steps)
    reference, repeater = InterpretedRepeater(engine, positions), CompiledRepeater(engine, positions)
    for uniforms in np.random.default_rng(1).random((3, 12)):
        record = reference.play((), uniforms)
        assert record == repeater.play((), uniforms)
        assert record == repeater.play(record.choices[:2], uniforms[2:])
        for effect in range(min(40, len(positions.effects))):
            assert reference.differs(record, effect) == repeater.differs(record, effect)


@settings(max_examples=300, deadline=None)
@given(storyworlds, st.sampled_from([1, 7, 60, BOUND]))
def test_the_compiled_search_finds_the_very_same(built, max_states):
    assert_compiled_equals_interpreted(built, max_states)


def test_the_compiled_search_grows_and_keeps_what_it_found():
    chain = [page(option(reaction(e + 1)), option(reaction(e))) for e in range(1500)]
    assert_compiled_equals_interpreted(world(*chain, page()), 10_000)


def test_more_than_64_options_of_a_page():
    wide = world(page(*(option(reaction(1 + o % 3)) for o in range(130))), page(), page(), page())
    assert_compiled_equals_interpreted(wide, 100)
    assert explore(wide).graph.states == 4


@pytest.mark.parametrize("encounter", [-1, 99])
def test_events_that_no_page_can_bring_about(encounter):
    never, always = (Event(encounter, negated=negated) for negated in (False, True))
    gated = page(option(reaction(0), show=never), option(reaction(1), show=always))
    assert_compiled_equals_interpreted(world(gated, page()), 100)


@pytest.mark.parametrize("seed", range(40))
def test_the_compiled_search_finds_the_very_same_in_storyworlds_of_every_operator(seed):
    assert_compiled_equals_interpreted(random_world(seed, 1 + seed % 8), (7, 60)[seed % 2])


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared storyworlds are not beside the repository")
@pytest.mark.parametrize("name", ["s03", "s06", "s09", "s12", "w01", "w05", "w07", "w11", "w14", "w16", "w18", "w23"])
def test_the_compiled_search_finds_the_very_same_in_shared_storyworlds(name):
    assert_compiled_equals_interpreted(read_import(SHARED / f"{name}.json.gz"), 300)


@settings(max_examples=30, deadline=None)
@given(storyworlds)
def test_the_same_seed_gives_the_same(built):
    config = ExploreConfig(max_states=30, plays=12, max_steps=15, counterfactual_plays=3, seed=3)
    a, b, c = explore(built, config), explore(built, config), explore(built, config, COMPILED)
    assert a.verdicts == b.verdicts == c.verdicts
    assert a.influences == b.influences == c.influences
    assert a.gates == b.gates == c.gates
    assert a.loops == b.loops == c.loops
