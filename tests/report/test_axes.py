import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrative_dag.report.axes import Axis, number, scale_of

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)
POSITIVE = st.lists(st.floats(1e-8, 1e8), min_size=1, max_size=8)


@given(VALUES)
def test_every_value_has_a_place_between_the_ends(values):
    scale = scale_of(values, Axis("x"), 50, 400)
    assert all(49.999 <= scale(value) <= 400.001 for value in values)


@given(POSITIVE)
def test_logarithmic_axes_keep_order_and_room(values):
    scale = scale_of(values, Axis("x", log=True), 300, 20)
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places, reverse=True)
    assert all(19.999 <= place <= 300.001 for place in places)


@given(st.one_of(VALUES, POSITIVE), st.booleans())
def test_ticks_are_few_rising_and_inside(values, log):
    scale = scale_of(values, Axis("x", log=log), 0, 100)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 10
    assert ticks == sorted(set(ticks))
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)


def test_known_ticks():
    assert scale_of([0, 1], Axis("x", low=0, high=1), 0, 1).ticks() == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert scale_of([1, 1e4], Axis("x", log=True, low=1, high=1e4), 0, 1).ticks() == [1, 10, 100, 1e3, 1e4]


def test_a_logarithmic_axis_shows_nothing_at_or_below_zero():
    axis = Axis("x", log=True)
    assert [axis.shows(value) for value in (1.0, 0.0, -1.0, math.nan, math.inf)] == [True, False, False, False, False]
    assert Axis("x").shows(-1.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (12.0, "12"),
        (0.12345, "0.1235"),
        (12345.6, "12,346"),
        (3e-7, "3e-7"),
        (2.5e9, "2.5e9"),
        (math.nan, "-"),
    ],
)
def test_numbers_for_readers(value, text):
    assert number(value) == text


def test_what_is_no_number_is_a_dash():
    assert number(math.nan) == number(math.inf) == "-"
