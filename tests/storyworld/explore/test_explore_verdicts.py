"""Known answers: what is reached, what is proved unreachable, where play stops, where it goes round."""

import pytest
from explore_worlds import (
    FALSE,
    FEAR,
    TRUST,
    less,
    more,
    nudge,
    option,
    page,
    put,
    reaction,
    world,
)

from narrative_dag.storyworld.explore import ExploreConfig, Verdict, explore
from narrative_dag.storyworld.explore.compiled import COMPILED
from narrative_dag.storyworld.explore.graph import Loop
from narrative_dag.storyworld.model import SetSpool
from narrative_dag.storyworld.script import Constant, Event, SpoolStatus

REACHED, UNREACHABLE, NOT_FOUND = Verdict.REACHED, Verdict.UNREACHABLE, Verdict.NOT_FOUND


def test_a_page_that_nothing_leads_to_is_proved_unreachable():
    explored = explore(world(page(option(reaction(1))), page(), page()))
    assert explored.exhaustive
    assert explored.verdicts.encounters == {0: REACHED, 1: REACHED, 2: UNREACHABLE}
    assert explored.verdicts.endings == {1: REACHED, 2: UNREACHABLE}
    assert explored.endings == (1,)
    assert explored.play_to_encounter(2) is None
    witness = explored.play_to_encounter(1)
    assert witness is not None
    assert (witness.choices, witness.shortest) == (((0, 0),), True)
    assert witness.ids(explored.world) == (("p0", "p0.0"),)


def test_a_gate_that_is_always_shut_always_open_or_both():
    explored = explore(
        world(
            page(
                option(reaction(1, put(TRUST, 0.45)), show=less(TRUST, 0.9)),
                option(reaction(1), show=more(TRUST, 0.9)),
                option(reaction(1), able=more(TRUST, 0.9)),
                option(reaction(1, put(TRUST, -0.2))),
            ),
            page(option(reaction(2), show=more(TRUST, 0.0)), option(reaction(2))),
            page(),
        )
    )
    assert explored.verdicts.visible == {
        (0, 0): REACHED,
        (0, 1): UNREACHABLE,
        (0, 2): REACHED,
        (0, 3): REACHED,
        (1, 0): REACHED,
        (1, 1): REACHED,
    }
    assert explored.verdicts.performable[0, 2] is UNREACHABLE
    assert explored.verdicts.reactions[0, 1, 0] is UNREACHABLE
    states = {(gate.kind, gate.encounter, gate.option): (gate.state, gate.open, gate.shut) for gate in explored.gates}
    assert states == {
        ("visibility", 0, 0): ("always open", 1, 0),
        ("visibility", 0, 1): ("always shut", 0, 1),
        ("performability", 0, 2): ("always shut", 0, 1),
        ("visibility", 1, 0): ("both", 1, 1),
    }
    gate = explored.gates[-1]
    assert [(r.key, r.low, r.high) for r in gate.ranges] == [(("ann", ("trust",)), -0.2, 0.45)]
    assert gate.proved
    # an option leads here whatever it set: the page keeps only what its gate reads
    assert explored.pages == {0: 1, 1: 2, 2: 1}
    assert explored.visible[1, 0] == 1
    assert explored.visible[1, 1] == 2


def test_dead_ends_tell_no_options_from_blocked():
    explored = explore(
        world(
            page(option(reaction(1)), option(reaction(2)), option(reaction(3))),
            page(option(reaction(0), show=more(TRUST, 0.5))),
            page(option(reaction(0), able=more(TRUST, 0.5))),
            page(),
        )
    )
    assert explored.verdicts.no_options == {0: UNREACHABLE, 1: REACHED, 2: UNREACHABLE}
    assert explored.verdicts.blocked == {0: UNREACHABLE, 1: UNREACHABLE, 2: REACHED}
    assert explored.verdicts.the_end is UNREACHABLE
    assert explored.kinds == {"no_options": 2, "blocked": 1}
    witness = explored.play_to_end("blocked", 2)
    assert witness is not None
    assert witness.choices == ((0, 1),)


def test_play_that_runs_out_reaches_the_end():
    explored = explore(world(page(option(reaction(None)))))
    assert explored.verdicts.the_end is REACHED
    witness = explored.play_to_end("the_end")
    assert witness is not None
    assert witness.choices == ((0, 0),)
    assert explore(world(page(when=FALSE))).kinds == {"the_end": 1}


def test_a_loop_with_an_exit_and_one_without():
    looping = explore(world(page(option(reaction(1)), option(reaction(2))), page(option(reaction(0))), page()))
    assert looping.loops == (Loop((0, 1), 2, 0, True),)
    assert not looping.graph.trapped.any()
    caught = explore(world(page(option(reaction(1)), option(reaction(2))), page(option(reaction(1))), page()))
    assert caught.loops == (Loop((1,), 1, 1, False),)
    assert caught.graph.trapped.tolist() == [False, True, False]
    endless = explore(world(page(option(reaction(0)))))
    assert endless.graph.trapped.all()


def test_what_lies_beyond_the_bound_is_unknown_to_a_loop():
    counting = world(
        page(option(reaction(1)), option(reaction(0, nudge(TRUST, 0.1)))),
        page(option(reaction(2), show=more(TRUST, 0.99)), option(reaction(1, nudge(TRUST, 0.1)))),
        page(),
    )
    cut = explore(counting, ExploreConfig(max_states=5))
    assert not cut.exhaustive
    assert not cut.graph.trapped.any()
    assert {loop.escapes for loop in cut.loops} <= {None}


def test_a_secret_that_only_wild_selection_reaches():
    secret = page(when=more(FEAR, 0.3), urgency=0.9)
    explored = explore(
        world(
            page(option(reaction(None, put(FEAR, 0.5))), option(reaction(None))),
            page(),
            secret,
            spools={"main": (True, (0, 1, 2))},
        )
    )
    assert explored.verdicts.encounters[2] is REACHED
    witness = explored.play_to_encounter(2)
    assert witness is not None
    assert witness.choices == ((0, 0),)
    (gate,) = explored.gates
    # at the start, and after each option
    assert (gate.kind, gate.open, gate.shut) == ("acceptability", 1, 2)


def test_a_page_of_a_spool_comes_once_and_a_closed_spool_never():
    explored = explore(
        world(
            page(option(reaction(None))),
            page(option(reaction(None))),
            page(),
            spools={"main": (True, (0, 1)), "closed": (False, (2,))},
        )
    )
    assert explored.pages == {0: 1, 1: 1}
    assert explored.kinds == {"the_end": 1}
    assert explored.verdicts.encounters[2] is UNREACHABLE
    assert explored.selections.considered.tolist() == [1, 2, 0]
    opened = explore(
        world(
            page(option(reaction(None, SetSpool("closed", Constant(True))))),
            page(),
            spools={"main": (True, (0,)), "closed": (False, (1,))},
        )
    )
    assert opened.verdicts.encounters[1] is REACHED


def test_the_earlier_page_wins_a_tie_for_good():
    explored = explore(world(page(), page(), spools={"main": (True, (1, 0))}))
    assert explored.verdicts.endings == {0: UNREACHABLE, 1: REACHED}
    first, second = reaction(1, weight=0.2), reaction(2, weight=0.2)
    tied = explore(world(page(option(first, second)), page(), page()))
    assert tied.verdicts.reactions == {(0, 0, 0): REACHED, (0, 0, 1): UNREACHABLE}


def test_an_effect_that_changes_nothing_is_proved_where_the_state_tells():
    explored = explore(
        world(
            page(option(reaction(1, put(TRUST, 0.0), put(TRUST, 0.5), put(FEAR, 0.0)))),
            page(option(reaction(2), show=more(TRUST, 0.0))),
            page(),
        )
    )
    assert explored.changes == {(0, 0, 0, 1): 1}
    # the first is overwritten and the last read by nothing: states that differ in them were not told apart
    assert explored.verdicts.effects[0, 0, 0, 0] is NOT_FOUND
    assert explored.verdicts.effects[0, 0, 0, 1] is REACHED
    assert explored.verdicts.effects[0, 0, 0, 2] is NOT_FOUND
    same = explore(
        world(page(option(reaction(1, put(TRUST, TRUST)))), page(option(reaction(1), show=more(TRUST, 0.1))))
    )
    assert same.verdicts.effects[0, 0, 0, 0] is UNREACHABLE


def test_events_and_spools_in_gates_are_part_of_the_state():
    explored = explore(
        world(
            page(
                option(reaction(0, SetSpool("side", Constant(True)))),
                option(reaction(0)),
                option(reaction(1), show=Event(0, (0, 1))),
                option(reaction(2), show=SpoolStatus("side")),
            ),
            page(),
            page(),
            spools={"main": (True, (0,)), "side": (False, ())},
        )
    )
    assert explored.pages == {0: 4, 1: 1, 2: 1}
    assert explored.visible == {(0, 0): 4, (0, 1): 4, (0, 2): 2, (0, 3): 2}


def test_bookkeeping_that_nothing_reads_makes_no_states():
    counted = page(option(reaction(0, nudge(FEAR, 0.1), put(TRUST, 0.5))), option(reaction(1), show=more(TRUST, 0.1)))
    explored = explore(world(counted, page()))
    assert explored.exhaustive
    assert explored.pages == {0: 2, 1: 1}


MAZE = world(
    page(
        option(reaction(0, nudge(TRUST, 0.1))),
        option(reaction(0, nudge(TRUST, -0.07))),
        option(reaction(0, nudge(FEAR, 0.11))),
        option(reaction(1), show=more(TRUST, 0.98)),
        option(reaction(2)),
    ),
    page(),
    page(option(reaction(2, nudge(TRUST, 0.05)), show=more(FEAR, 0.2)), option(reaction(3), show=less(FEAR, -0.5))),
    page(),
    page(),
)


@pytest.mark.parametrize("max_states", [20, 200])
def test_beyond_the_bound_nothing_is_proved(max_states):
    explored = explore(MAZE, ExploreConfig(max_states=max_states, plays=40, max_steps=20), COMPILED)
    assert not explored.exhaustive
    assert explored.sample is not None
    assert explored.sample.plays == 40
    verdicts = explored.verdicts
    everything = [*verdicts.encounters.values(), *verdicts.visible.values(), *verdicts.effects.values()]
    assert UNREACHABLE not in everything
    assert verdicts.encounters[4] is NOT_FOUND
    assert verdicts.encounters[2] is REACHED
    assert not any(gate.proved for gate in explored.gates)


def test_random_plays_look_beyond_the_bound():
    corridor = world(
        *(page(option(reaction(e + 1, nudge(TRUST, 0.1))), option(reaction(e + 1))) for e in range(12)),
        page(option(reaction(13), show=more(TRUST, -2.0))),
        page(),
    )
    blind = explore(corridor, ExploreConfig(max_states=10, plays=0))
    assert blind.verdicts.encounters[13] is NOT_FOUND
    seen = explore(corridor, ExploreConfig(max_states=10, plays=4))
    assert seen.verdicts.encounters[13] is REACHED
    witness = seen.play_to_encounter(13)
    assert witness is not None
    assert not witness.shortest
    assert len(witness.choices) == 13
    assert seen.play_to_end("no_options", 13) == witness


def test_an_effect_with_and_one_without_consequences():
    explored = explore(
        world(
            page(option(reaction(1, put(TRUST, 0.5), put(FEAR, 0.5), put(FEAR, 0.2)))),
            page(option(reaction(2), show=more(TRUST, 0.1)), option(reaction(2), show=less(FEAR, 0.9))),
            page(),
        )
    )
    kept, idle, other = (explored.influences[0, 0, 0, k] for k in range(3))
    assert (kept.read, kept.mattered) == (True, kept.plays)
    assert kept.plays > 0
    assert (idle.read, idle.mattered) == (True, 0)
    assert (other.read, other.mattered) == (True, 0)
    unread = explore(world(page(option(reaction(1, put(FEAR, 0.5)))), page()))
    assert unread.influences[0, 0, 0, 0].read is False
