"""The state vector: named, bounded, deterministic, and blind to options."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.states.encoder import BOUND, Encoder, dimension_names
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
    first, second = vectors(world_of([TRUE], cast=5, perceived=True), choices=2)
    assert at(first, "value.0.Trust") == 0.25
    assert at(second, "value.0.Trust") == pytest.approx(0.4)
    assert at(second, "value.3.Trust") == 0.25
    assert at(second, "mean.Trust") == pytest.approx((0.4 + 4 * 0.25) / 5)
    assert at(second, "lowest.Trust") == 0.25
    assert at(second, "highest.Trust") == pytest.approx(0.4)
    assert at(second, "perceived.Fear") == 0.5
    assert at(second, "value.0.Fear") == 0.0
    assert [at(first, f"present.{i}") for i in range(4)] == [1.0] * 4
    assert (at(first, "turn.to_1"), at(first, "turn.to_2")) == (1.0, 0.0)
    assert (at(second, "turn.to_1"), at(second, "turn.to_2")) == (0.0, 1.0)
    assert (at(first, "encounter.0"), at(second, "encounter.1")) == (1.0, 1.0)
    assert (at(second, "seen.0"), at(second, "seen.1"), at(second, "seen.2")) == (1.0, 1.0, 0.0)
    assert at(second, "history.seen") == pytest.approx(2 / 3)
    assert (at(first, "spool.0"), at(first, "spool.1"), at(first, "spools.active")) == (1.0, 0.0, 0.5)
    assert at(first, "history.moved") == 0.0
    assert at(second, "history.moved") == pytest.approx(0.15 / 11)


def test_revisits_are_told_from_first_visits():
    ring = vectors(world_of([TRUE]), choices=5)
    assert at(ring[2], "history.revisits") == 0.0
    assert at(ring[4], "history.revisits") == pytest.approx(2 / 5)


def test_names_outside_the_vocabulary_are_hashed_and_collisions_counted():
    assert Encoder(world_of([TRUE], properties=("Trust", "Fear"))).collisions == 0
    few = Encoder(world_of([TRUE], properties=("Trust", "Wealth")))
    assert few.collisions in (0, 1)
    many = tuple(f"Trait {i}" for i in range(20))
    crowded = Encoder(world_of([TRUE], cast=1, properties=many))
    assert 20 - 16 <= crowded.collisions < 20
    vector = vectors(world_of([TRUE], cast=1, properties=many), choices=1)[0]
    assert sum(at(vector, f"other.{i}") == 0.25 for i in range(16)) == 20 - crowded.collisions


def test_vocabulary_is_found_by_name_whatever_the_case():
    upper = vectors(world_of([TRUE], properties=("TRUST", "Wealth")), choices=1)
    np.testing.assert_array_equal(upper, vectors(world_of([TRUE]), choices=1))


@settings(max_examples=40, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_vector_is_bounded_whatever_the_numbers(start: float):
    found = vectors(world_of([TRUE], start=start), choices=3)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= BOUND
