"""The state vector: named, bounded, deterministic, and blind to options."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.states.encoder import BOUND, NUMBERS, TURN_CENTRES, Encoder, dimension_names, turn_code
from narrative_dag.states.vocabulary import SHARED_PROPERTIES
from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import (
    Character,
    Encounter,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Expression, Operation, Variable
from narrative_dag.tables import STATE_DIMENSIONS

NAMES = dimension_names()
TRUE = Constant(True)


def world_of(
    gates: list[Expression],
    start: float = 0.25,
    cast: int = 2,
    properties: tuple[str, ...] = ("Trust", "Wealth"),
    perceived: bool = False,
) -> Storyworld:
    """Three pages in a ring, two options each: one always open, one behind the next gate."""
    people = tuple(Character(f"c{i}", f"C{i}") for i in range(cast))
    trust = Variable("c0", (properties[0],))
    raised = SetNumber(trust, Operation("Nudge", (trust, Constant(0.2))))
    initial = {(c.id, (p,)): start for c in people for p in properties}
    declared = {(c.id, p) for c in people for p in properties}
    if perceived:
        initial[("c0", ("Fear", "c1"))] = 0.5
        declared.add(("c0", "Fear"))

    def reaction(e: int, o: int) -> Reaction:
        return Reaction(f"r{e}{o}", Constant(""), Constant(0.0), (e + 1) % 3, (raised,))

    def option(e: int, o: int, gate: Expression) -> Option:
        return Option(f"o{e}{o}", Constant(""), gate, gate, (reaction(e, o),))

    encounters = tuple(
        Encounter(
            f"e{e}", "", Constant(""), TRUE, Constant(0.0), (option(e, 0, TRUE), option(e, 1, gates[e % len(gates)]))
        )
        for e in range(3)
    )
    return Storyworld(
        title="ring",
        mode=Mode.OFFICIAL,
        characters=people,
        properties=(*(Property(p, p) for p in properties), Property("Fear", "Fear", depth=1)),
        declared=frozenset(declared),
        initial=initial,
        spools=(Spool("s", "s", True, (0, 1, 2)), Spool("t", "t", False, ())),
        encounters=encounters,
        tables=frozenset({("c0", ("Fear",))}) if perceived else frozenset(),
    )


def vectors(world: Storyworld, choices: int = 5) -> np.ndarray:
    encoder, play, found = Encoder(world), Playthrough(world), []
    for _ in range(choices):
        assert play.page is not None
        found.append(encoder.encode(play.state, play.page.encounter))
        play.choose(0)
    return np.array(found)


def at(vector: np.ndarray, name: str) -> float:
    return float(vector[NAMES.index(name)])


def test_dimensions_are_named_once_each():
    assert len(NAMES) == len(set(NAMES)) == STATE_DIMENSIONS
    assert len(SHARED_PROPERTIES) == 8


def test_options_do_not_leak():
    shut = [Operation("Greater Than", (Variable("c0", ("Trust",)), Constant(0.9)))]
    half = [TRUE, Constant(False), Operation("Less Than", (Variable("c1", ("Wealth",)), Constant(0.9)))]
    reference = vectors(world_of([TRUE]))
    for gates in (shut, half, [Constant(False)]):
        np.testing.assert_array_equal(vectors(world_of(gates)), reference)


def test_same_history_gives_the_same_bits():
    first, second = vectors(world_of([TRUE])), vectors(world_of([TRUE]))
    assert first.dtype == np.float32
    assert first.shape == (5, STATE_DIMENSIONS)
    assert first.tobytes() == second.tobytes()


def test_known_dimensions():
    first, second = vectors(world_of([TRUE], cast=3, properties=("Trust",), perceived=True), choices=2)
    assert at(first, "value.0.Trust~") == 0.25
    assert at(second, "value.0.Trust~") == pytest.approx(0.4)
    assert at(second, "value.2.Trust~") == 0.25
    assert at(second, "value.3.Trust~") == 0.0
    assert at(first, "value_change.0.Trust~") == 0.0
    assert at(second, "value_change.0.Trust~") == pytest.approx(0.15)
    assert at(second, "value_change.1.Trust~") == 0.0
    assert at(second, "perceived.0.1") == 0.5
    assert at(second, "perceived_change.0.1") == 0.0
    assert at(second, "value.0.Fear~") == 0.0
    assert [at(first, f"turn.{i}") for i in TURN_CENTRES] == [1, 0, 0, 0, 0, 0]
    assert [at(second, f"turn.{i}") for i in TURN_CENTRES] == [0, 1, 0, 0, 0, 0]
    assert (at(first, "encounter.0"), at(second, "encounter.1")) == (1.0, 1.0)
    assert (at(second, "seen.0"), at(second, "seen.1"), at(second, "seen.2")) == (1.0, 1.0, 0.0)
    assert (at(first, "spool.0"), at(first, "spool.1")) == (1.0, 0.0)
    assert at(first, "history.moved") == 0.0
    assert at(second, "history.moved") == pytest.approx(0.15 / 4)


def test_characters_beyond_the_fourth_share_the_places_of_the_first():
    second = vectors(world_of([TRUE], cast=5, properties=("Trust",)), choices=2)[1]
    assert at(second, "value.0.Trust~") == pytest.approx((0.4 + 0.25) / 2)
    assert at(second, "value_change.0.Trust~") == pytest.approx(0.15 / 2)
    assert at(second, "value.1.Trust~") == 0.25


@pytest.mark.parametrize(
    ("perceiver", "perceived", "place"),
    [(0, 1, "0.1"), (0, 3, "0.3"), (3, 0, "3.0"), (2, 1, "2.1"), (5, 2, "1.2"), (0, 4, "0.1"), (3, 3, "3.0")],
)
def test_every_pair_of_characters_has_its_place(perceiver: int, perceived: int, place: str):
    world = world_of([TRUE], start=0.0, cast=6)
    key = (f"c{perceiver}", ("Fear", f"c{perceived}"))
    vector = vectors(dataclasses.replace(world, initial={**world.initial, key: 0.5}), choices=1)[0]
    assert [name for name in NAMES if name.startswith("perceived.") and at(vector, name)] == [f"perceived.{place}"]


@given(st.integers(1, 100))
def test_turns_are_told_apart_up_to_the_last_centre(turn: int):
    code = np.array(turn_code(turn))
    assert (code >= 0).all()
    assert code.sum() == pytest.approx(1)
    assert 2 ** (code @ np.arange(len(code))) == pytest.approx(min(turn, TURN_CENTRES[-1]))


def test_a_place_that_several_spools_share_tells_how_many_are_active():
    world = dataclasses.replace(
        world_of([TRUE]), spools=tuple(Spool(f"s{i}", "", i in (0, 1, 8, 16), (0, 1, 2)) for i in range(18))
    )
    vector = vectors(world, choices=1)[0]
    assert [at(vector, f"spool.{i}") for i in range(3)] == pytest.approx([1, 1 / 3, 0])


def test_a_number_that_does_not_move_leaves_no_trace_in_the_changes():
    ring = vectors(world_of([TRUE], cast=4, perceived=True), choices=5)
    changes = [i for i, name in enumerate(NAMES) if "_change." in name]
    assert len(changes) == NUMBERS
    moved = {NAMES[i] for i in changes if ring[:, i].any()}
    assert moved == {"value_change.0.Trust~"}


def test_revisits_are_told_from_first_visits():
    ring = vectors(world_of([TRUE]), choices=5)
    assert at(ring[2], "history.revisits") == 0.0
    assert at(ring[4], "history.revisits") == pytest.approx(2 / 5)


def test_names_outside_the_vocabulary_are_hashed_and_collisions_counted():
    assert Encoder(world_of([TRUE], properties=("Trust", "Fear"))).collisions == 0
    assert Encoder(world_of([TRUE], cast=5, properties=("Trust", "Fear"))).collisions == 2
    many = tuple(f"Trait {i}" for i in range(20))
    crowded = Encoder(world_of([TRUE], cast=1, properties=many))
    assert 20 - 8 <= crowded.collisions < 20
    vector = vectors(world_of([TRUE], cast=1, properties=many), choices=1)[0]
    assert sum(at(vector, f"value.0.{name}~") == 0.25 for name in SHARED_PROPERTIES) == 20 - crowded.collisions


def test_a_name_has_the_same_place_in_every_storyworld():
    alone = vectors(world_of([TRUE], properties=("Wealth",)), choices=1)[0]
    beside = vectors(world_of([TRUE], properties=("Honor", "Wealth")), choices=1)[0]
    place = [name for name in NAMES if name.startswith("value.0.") and at(alone, name)]
    assert len(place) == 1
    assert at(beside, place[0]) == 0.25


def test_vocabulary_is_found_by_name_whatever_the_case():
    upper = vectors(world_of([TRUE], properties=("TRUST", "Wealth")), choices=1)
    np.testing.assert_array_equal(upper, vectors(world_of([TRUE]), choices=1))


@settings(max_examples=40, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_vector_is_bounded_whatever_the_numbers(start: float):
    found = vectors(world_of([TRUE], start=start), choices=3)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= BOUND
