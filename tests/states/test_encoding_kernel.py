"""The compiled state vector and the compiled text columns equal their readable definitions, bit for bit."""

import numba
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from narrative_dag.states.encoder import Encoder
from narrative_dag.states.encoding_kernel import encode, encoding_tables
from narrative_dag.states.text_kernel import Texts
from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.model import (
    Character,
    Encounter,
    Key,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Variable
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.tables import STATE_DIMENSIONS

TURNS = 40
CREATED = [("c0", ("p0", "late")), ("c0", ("p1", "late")), ("b", ("p0", "late")), ("stranger", ("p0",))]
NUMBERS = st.one_of(st.floats(-3, 3), st.sampled_from([0.0, -0.0, 2.0, float("inf"), -float("inf"), float("nan")]))
NAMES = st.sampled_from(["Trust", "trust", "Fear", "Hope", "Wealth", "Debt", "Rank"])


@st.composite
def worlds(draw: st.DrawFn) -> Storyworld:
    people = [f"c{i}" for i in range(draw(st.integers(0, 6)))]
    names = draw(st.lists(NAMES, min_size=1, max_size=4))
    keyrings = st.one_of(
        st.tuples(st.sampled_from([f"p{i}" for i in range(len(names))])),
        st.tuples(st.sampled_from([f"p{i}" for i in range(len(names))]), st.sampled_from([*people, "x"])),
    )
    keys = st.tuples(st.sampled_from([*people, "stranger"]), keyrings)
    late = [SetNumber(Variable(*key), Constant(0.5)) for key in CREATED]
    reaction = Reaction("r", Constant(""), Constant(0.0), None, tuple(late))
    option = Option("o", Constant(""), Constant(True), Constant(True), (reaction,))
    page = Encounter("e", "", Constant(""), Constant(True), Constant(0.0), (option,))
    return Storyworld(
        title="",
        mode=Mode.EXTENDED,
        characters=tuple(Character(i, i) for i in people),
        properties=tuple(Property(f"p{i}", name) for i, name in enumerate(names)),
        declared=frozenset(),
        initial=draw(st.dictionaries(keys, st.floats(-3, 3), max_size=12)),
        spools=tuple(Spool(f"s{i}", "", False, ()) for i in range(draw(st.integers(0, 11)))),
        encounters=(page,) * draw(st.integers(1, 30)),
    )


@numba.njit
def encode_frame(
    frame: NDArray[np.int64],
    places: NDArray[np.int32],
    numbers: NDArray[np.float64],
    memory: NDArray[np.int64],
    rows: NDArray[np.float32],
    row: int,
) -> None:
    before = rows[row - 1].ctypes.data if row else 0
    memory_at, out = memory.ctypes.data, rows[row].ctypes.data
    encode(frame.ctypes.data, places.ctypes.data, numbers.ctypes.data, memory_at, out, before)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.data())
def test_the_kernel_writes_the_vector_of_the_encoder(world: Storyworld, data: st.DataObject) -> None:
    program = compile_world(world)
    created = program.keys[program.initial_count :]
    tables, encoder, state = encoding_tables(program, TURNS), Encoder(world), Engine(world).start().state
    memory = np.full(tables.memory_size, 3)
    rows = np.full((4, STATE_DIMENSIONS), np.nan, dtype=np.float32)
    numbers: dict[Key, float] = {}
    for row in range(len(rows)):
        existing = [*world.initial, *(data.draw(st.permutations(created))[: data.draw(st.integers(0, len(created)))])]
        # some numbers stay as they were on the row before
        numbers = {key: data.draw(NUMBERS) if data.draw(st.booleans()) else numbers.get(key, 0.5) for key in existing}
        state.numbers = numbers
        state.active_spools = {spool.id for spool in world.spools if data.draw(st.booleans())}
        state.encounters = set(data.draw(st.lists(st.integers(0, len(world.encounters) - 1), min_size=1, max_size=30)))
        state.turn = data.draw(st.integers(len(state.encounters), TURNS))
        page = data.draw(st.sampled_from(sorted(state.encounters)))
        frame = program.frame.copy()
        frame[layout.PAGE], frame[layout.TURN] = page, state.turn
        values = np.array([numbers.get(key, 7.0) for key in program.keys], dtype=np.float64)
        frame[program.variables : program.variables + len(values)] = values.view(np.int64)
        for first, flags in (
            (program.presence, [key in numbers for key in created]),
            (program.spool_flags, [spool in state.active_spools for spool in program.spools]),
            (program.seen_flags, [e in state.encounters for e in range(len(world.encounters))]),
        ):
            frame[first : first + len(flags)] = flags
        encode_frame(frame, tables.places, tables.numbers, memory, rows, row)
        expected = encoder.encode(state, page)
        np.testing.assert_array_equal(rows[row].view(np.uint32), expected.view(np.uint32))


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1), st.data())
def test_a_text_column_holds_the_texts_with_its_codes(texts: list[str], data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(-1, len(texts) - 1)))
    column = Texts.of(texts).column(np.array(codes, dtype=np.int32))
    column.validate(full=True)
    assert column.equals(pa.array([None if code < 0 else texts[code] for code in codes], type=pa.string()))


def test_a_column_of_more_than_two_gigabytes_is_refused() -> None:
    texts = Texts.of(["x" * 2**16])
    with pytest.raises(OverflowError, match="fewer rows"):
        texts.column(np.zeros(2**15, dtype=np.int32))
