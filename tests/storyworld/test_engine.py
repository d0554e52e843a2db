"""Play: selection, reactions, effects, history and endings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweepweave_documents import (
    after_go,
    compare,
    constant,
    effect,
    encounter,
    event,
    official,
    operator,
    option,
    project,
    reaction,
    spool,
    spool_effect,
    variable,
)

from narrative_dag.storyworld.engine import Ending, Engine, Page, Playthrough
from narrative_dag.storyworld.errors import StoryworldError


def play_of(*encounters, **more):
    return Playthrough(official(project(*encounters, **more)).world)


def at(play):
    return None if play.page is None else play.engine.world.encounters[play.page.encounter].id


def test_first_page_is_turn_1_and_is_the_most_desirable():
    play = play_of(
        encounter("low"), encounter("high", desirability=constant(0.5)), encounter("tie", desirability=constant(0.5))
    )
    assert at(play) == "high"
    assert play.state.turn == 1
    assert play.ending == Ending("no_options", 1, 1)


def test_earlier_spool_wins_a_tie_whatever_the_file_order_of_encounters():
    play = play_of(
        encounter("late", spools=["second"]),
        encounter("early", spools=["first"]),
        spools=[spool("first", "early"), spool("second", "late")],
    )
    assert at(play) == "early"


@pytest.mark.parametrize("value", [-1, -2.0])
def test_desirability_of_minus_1_or_less_is_never_selected(value):
    low = operator("Arithmetic Mean", variable("Ann", "Calm", coefficient=4 * value), constant(0))
    play = play_of(encounter("hidden", desirability=low))
    assert play.page is None
    assert play.ending == Ending("the_end", None, 1)


def test_unacceptable_inactive_and_poisoned_encounters_are_not_selected():
    play = play_of(
        encounter("unacceptable", acceptable=False, desirability=constant(0.9)),
        encounter("asleep", spools=["asleep"], desirability=constant(0.9)),
        encounter("poisoned", desirability=variable("Ann", "Ghost")),
        encounter("plain", desirability=constant(-0.9)),
        spools=[spool("main", "unacceptable", "poisoned", "plain"), spool("asleep", "asleep", active=False)],
    )
    assert at(play) == "plain"


def test_wild_selection_never_returns_to_a_page_and_then_ends():
    play = play_of(encounter("a", option("go", reaction("r"))), encounter("b", option("on", reaction("s"))))
    assert play.choose(0) == 0
    assert at(play) == "b"
    play.choose(0)
    assert play.page is None
    assert play.ending == Ending("the_end", None, 3)


def test_direct_consequence_ignores_acceptability_and_revisits():
    play = play_of(
        encounter("a", option("go", reaction("r", to="b"))),
        encounter("b", option("back", reaction("s", to="a")), acceptable=False),
    )
    for expected in ("b", "a", "b", "a"):
        play.choose(0)
        assert at(play) == expected
    assert play.state.turn == 5
    assert play.state.encounters == {0, 1}


def test_visible_options_that_are_not_performable_are_shown_but_not_chosen():
    play = play_of(
        encounter(
            "a",
            option("hidden", reaction("r0"), visible=False),
            option("struck", reaction("r1"), performable=False),
            option("open", reaction("r2")),
        )
    )
    assert play.page == Page(0, (1, 2), (2,))
    for closed in (0, 1, 3, -1):
        with pytest.raises(StoryworldError, match="not performable"):
            play.choose(closed)


def test_endings_tell_no_options_from_blocked():
    assert play_of(encounter("a", option("x", reaction("r"), visible=False))).ending == Ending("no_options", 0, 1)
    blocked = play_of(encounter("a", option("x", reaction("r"), performable=False)))
    assert blocked.ending == Ending("blocked", 0, 1)
    assert blocked.page == Page(0, (0,), ())
    with pytest.raises(StoryworldError, match="ended"):
        blocked.choose(0)


def reactions_of(*desirabilities):
    return encounter("a", option("go", *(reaction(f"r{i}", desirability=d) for i, d in enumerate(desirabilities))))


@pytest.mark.parametrize(
    ("desirabilities", "ran"),
    [
        ([constant(0.1), constant(0.3), constant(0.3)], 1),
        ([variable("Ann", "Ghost"), constant(-0.9)], 1),
        ([True, constant(-0.9)], 1),
        ([variable("Ann", "Calm", coefficient=-2), variable("Ann", "Calm", coefficient=-4)], 0),
        ([variable("Ann", "Ghost"), variable("Ann", "Ghost")], 0),
    ],
)
def test_reaction_is_the_first_of_the_most_desirable_and_the_first_when_none_qualifies(desirabilities, ran):
    assert play_of(reactions_of(*desirabilities)).choose(0) == ran


def test_option_without_reactions_selects_wildly():
    play = play_of(encounter("a", option("bare")), encounter("b"))
    assert play.choose(0) is None
    assert at(play) == "b"
    assert play.state.options == {(0, 0)}


def test_effects_see_earlier_ones():
    play = after_go(
        official(
            project(
                encounter(
                    "a",
                    option(
                        "go",
                        reaction(
                            "r",
                            effect(variable("Ann", "Calm"), constant(0.25)),
                            effect(variable("Bob", "Calm"), variable("Ann", "Calm")),
                        ),
                    ),
                )
            )
        )
    )
    assert play.state.numbers["Bob", ("Calm",)] == 0.25
    assert play.changes == (True, True)


def test_poison_and_booleans_change_nothing():
    effects = [effect(variable("Ann", "Calm"), variable("Ann", "Ghost")), effect(variable("Ann", "Calm"), event("a"))]
    play = after_go(official(project(encounter("a", option("go", reaction("r", *effects))))))
    assert play.state.numbers["Ann", ("Calm",)] == 0.5
    assert play.changes == (False, False)


def test_option_and_reaction_occur_after_the_effects_and_before_selection():
    during = effect(variable("Ann", "Calm"), operator("If Then", event("a", "go", "r"), constant(0.9), constant(0.1)))
    play = play_of(
        encounter("a", option("go", reaction("r", during))),
        encounter("b", acceptable=event("a", "go", "r")),
    )
    play.choose(0)
    assert play.state.numbers["Ann", ("Calm",)] == 0.1
    assert at(play) == "b"


def test_history_is_cumulative_over_revisits():
    play = play_of(
        encounter(
            "a",
            option("first", reaction("r", to="a")),
            option("second", reaction("s", to="a")),
            option(
                "both",
                reaction("t"),
                visible=operator("Boolean Comparator", event("a", "first"), event("a", "second"), subtype="And"),
            ),
        )
    )
    play.choose(0)
    play.choose(1)
    assert play.page == Page(0, (0, 1, 2), (0, 1, 2))


def test_spool_effects_open_and_close_the_way():
    play = play_of(
        encounter("a", option("go", reaction("r", spool_effect("main", False), spool_effect("side", True)))),
        encounter("b", desirability=constant(0)),
        encounter("c", spools=["side"], desirability=constant(-0.5)),
        spools=[spool("main", "a", "b"), spool("side", "c", active=False)],
    )
    play.choose(0)
    assert at(play) == "c"
    assert play.changes == (True, True)
    assert play.state.active_spools == {"side"}


def test_one_engine_makes_independent_playthroughs():
    world = official(
        project(encounter("a", option("go", reaction("r", effect(variable("Ann", "Calm"), constant(0.1))))))
    ).world
    engine = Engine(world)
    one, two = engine.start(), engine.start()
    one.choose(0)
    assert two.state.numbers["Ann", ("Calm",)] == 0.5
    assert two.page is not None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=6))
def test_selected_encounter_is_the_first_maximum(desirabilities):
    play = play_of(*(encounter(f"e{i}", desirability=constant(d)) for i, d in enumerate(desirabilities)))
    assert at(play) == f"e{desirabilities.index(max(desirabilities))}"


def test_gates_are_evaluated_when_the_page_is_entered():
    gate = compare("GT", variable("Ann", "Calm"), constant(0.6))
    raise_it = effect(variable("Ann", "Calm"), operator("Nudge", variable("Ann", "Calm"), constant(0.5)))
    play = play_of(
        encounter("a", option("up", reaction("r", raise_it, to="a")), option("gated", reaction("s"), visible=gate))
    )
    assert play.page == Page(0, (0,), (0,))
    play.choose(0)
    assert play.page == Page(0, (0, 1), (0, 1))
