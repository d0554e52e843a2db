"""Pages of seeded play as columns of numbers, state vectors included, in one pass of the simulator."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from narrative_dag.kernel_cache import kernel
from narrative_dag.states.encoding_kernel import encode
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.frame import choose, start
from narrative_dag.storyworld.simulator.memory import code_at, copy_words, word_at
from narrative_dag.storyworld.simulator.play import NOVELTY, RECORDED, is_performable
from narrative_dag.storyworld.simulator.streams import advanced, draw, first_counter, novelty_choice, uniform_choice
from narrative_dag.tables import STATE_DIMENSIONS

_STATE_BYTES = 4 * STATE_DIMENSIONS


class Pages(NamedTuple):
    """Room for pages, one a row; encounters, options and reactions are numbered through all storyworlds of the batch.

    Attributes:
        storyworld: number in the batch; int32 [rows].
        playthrough, step, turn, encounter: int32 [rows].
        choice, reaction, following: the option chosen, the reaction that ran and the next encounter, -1 for none;
            int32 [rows].
        end: kind of ending on a playthrough's last page, from 0 in the order of `playthrough.KINDS`, -1 elsewhere;
            int32 [rows].
        visible, performable: numbers of the options, row after row; int32 [rows * options of the fullest page].
        visible_ends, performable_ends: where each row's stop; int32 [rows + 1], the first one 0.
        state: state vectors before the choice; float32 [rows, STATE_DIMENSIONS].
    """

    storyworld: NDArray[np.int32]
    playthrough: NDArray[np.int32]
    step: NDArray[np.int32]
    turn: NDArray[np.int32]
    encounter: NDArray[np.int32]
    choice: NDArray[np.int32]
    reaction: NDArray[np.int32]
    following: NDArray[np.int32]
    end: NDArray[np.int32]
    visible: NDArray[np.int32]
    visible_ends: NDArray[np.int32]
    performable: NDArray[np.int32]
    performable_ends: NDArray[np.int32]
    state: NDArray[np.float32]


def room(rows: int, fullest: int) -> Pages:
    """Room for pages of at most `fullest` options each."""

    def column(size: int = rows) -> NDArray[np.int32]:
        return np.empty(size, dtype=np.int32)

    # Arrow's allocator keeps what it freed: fresh memory from the system costs as much as playing
    states = np.frombuffer(pa.allocate_buffer(rows * _STATE_BYTES), dtype=np.float32)
    return Pages(
        storyworld=column(),
        playthrough=column(),
        step=column(),
        turn=column(),
        encounter=column(),
        choice=column(),
        reaction=column(),
        following=column(),
        end=column(),
        visible=column(rows * fullest),
        visible_ends=np.zeros(rows + 1, dtype=np.int32),
        performable=column(rows * fullest),
        performable_ends=np.zeros(rows + 1, dtype=np.int32),
        state=states.reshape(rows, STATE_DIMENSIONS),
    )


def shrunk(pages: Pages, rows: int) -> Pages:
    """A copy of the first rows, without room for more."""
    listed, able = int(pages.visible_ends[rows]), int(pages.performable_ends[rows])
    sizes = {"visible": listed, "performable": able, "visible_ends": rows + 1, "performable_ends": rows + 1}
    return Pages(**{name: array[: sizes.get(name, rows)].copy() for name, array in pages._asdict().items()})


@kernel
def play_pages(
    code_array: Any,
    initial: Any,
    scratch: Any,
    key: Any,
    policy: int,
    chosen: Any,
    recorded: Any,
    recorded_offsets: Any,
    first: int,
    playthroughs: int,
    max_steps: int,
    places: Any,
    numbers: Any,
    memory: Any,
    pages: Any,
    row: int,
    storyworld: int,
    firsts: Any,
) -> Any:
    """Write the pages of playthroughs `first` to `playthroughs` from a row on, as long as whole ones surely fit.

    Args:
        code_array, initial: `Program.code` and `Program.frame`.
        scratch: int64 [2 * words of a frame], overwritten; a kernel frees an array of its own once only its address
            is in use.
        key: uint64, `choices.stream_key`.
        policy: UNIFORM, NOVELTY or RECORDED of `play`.
        chosen: int64 [options], how often each was chosen by earlier playthroughs; changed.
        recorded, recorded_offsets: option positions under RECORDED, and where those of each playthrough begin.
        max_steps: choices after which a playthrough stops; at least 1.
        places, numbers: of `EncodingTables`.
        memory: int64 [`EncodingTables.memory_size`], overwritten.
        pages: `Pages`, written.
        storyworld: number of the storyworld in its batch.
        firsts: the numbers of its first encounter, option and reaction.

    Returns:
        The next playthrough, the next row, and -1; or the playthrough and step of a recorded choice that fails.
    """
    code, frame = code_array.ctypes.data, scratch.ctypes.data
    opening = frame + 8 * initial.size
    first_encounter, first_option, first_reaction = firsts
    visible, performable = code_at(code, layout.F_VISIBLE), code_at(code, layout.F_PERFORMABLE)
    width = code_at(code, layout.F_WIDTH)
    copy_words(frame, initial.ctypes.data, initial.size)
    start(code, frame)
    copy_words(opening, frame, width)
    encounters, states = code_at(code, layout.C_ENCOUNTERS), pages.state.ctypes.data
    before = 0
    playthrough, last = first, pages.step.size - max_steps - 1
    while playthrough < playthroughs and row <= last:
        copy_words(frame, opening, width)
        counter = first_counter(key, playthrough)
        step, limit, given = 0, max_steps, 0
        if policy == RECORDED:
            given = recorded_offsets[playthrough + 1] - recorded_offsets[playthrough]
            limit = min(max_steps, given)
        while word_at(frame, layout.PAGE) >= 0:
            if limit == 0 and word_at(frame, layout.ENDING) == layout.PLAYING:
                break
            page = word_at(frame, layout.PAGE)
            option = code_at(code, encounters + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
            pages.encounter[row] = first_encounter + page
            pages.turn[row] = word_at(frame, layout.TURN)
            listed = pages.visible_ends[row]
            for i in range(word_at(frame, layout.VISIBLE_COUNT)):
                pages.visible[listed] = first_option + option + word_at(frame, visible + i)
                listed += 1
            pages.visible_ends[row + 1] = listed
            listed = pages.performable_ends[row]
            for i in range(word_at(frame, layout.PERFORMABLE_COUNT)):
                pages.performable[listed] = first_option + option + word_at(frame, performable + i)
                listed += 1
            pages.performable_ends[row + 1] = listed
            state = states + _STATE_BYTES * row
            encode(frame, places.ctypes.data, numbers.ctypes.data, memory.ctypes.data, state, before)
            before = state
            pages.choice[row], pages.reaction[row], pages.following[row], pages.end[row] = -1, -1, -1, -1
            pages.storyworld[row] = storyworld
            pages.playthrough[row] = playthrough
            pages.step[row] = step
            row += 1
            if word_at(frame, layout.ENDING) != layout.PLAYING:
                pages.end[row - 1] = word_at(frame, layout.ENDING) - layout.THE_END
                break
            counter = advanced(counter)
            if policy == NOVELTY:
                position = novelty_choice(code, frame, chosen.ctypes.data + 8 * option, draw(counter))
                chosen[option + position] += 1
            elif policy == RECORDED:
                position = recorded[recorded_offsets[playthrough] + step]
                if not is_performable(code, frame, position):
                    return playthrough, row, step
            else:
                position = uniform_choice(code, frame, draw(counter))
            reaction = choose(code, frame, position)
            step += 1
            pages.choice[row - 1] = first_option + option + position
            if reaction != 0:
                pages.reaction[row - 1] = first_reaction + code_at(code, reaction + layout.R_NUMBER)
            following = word_at(frame, layout.PAGE)
            if following < 0:
                pages.end[row - 1] = 0
                break
            pages.following[row - 1] = first_encounter + following
            if step == max_steps or (step == limit and word_at(frame, layout.ENDING) == layout.PLAYING):
                pages.end[row - 1] = layout.MAX_STEPS - layout.THE_END
                break
        if step < min(max_steps, given):
            return playthrough, row, step
        playthrough += 1
    return playthrough, row, -1
