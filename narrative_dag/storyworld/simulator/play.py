"""The kernels that play batches of storyworlds and count."""

from typing import Any

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.frame import choose, start
from narrative_dag.storyworld.simulator.memory import code_at, copy_words, inlined, put_word, word_at
from narrative_dag.storyworld.simulator.program import Programs
from narrative_dag.storyworld.simulator.streams import (
    advanced,
    draw,
    first_counter,
    novelty_choice,
    uniform_choice,
)

UNIFORM, NOVELTY, RECORDED = 0, 1, 2
"""Policies, as the kernels know them."""

# totals of a storyworld
T_STEPS = 0
T_LONGEST = 1
T_KINDS = 2
"""First of five counts of endings, at T_KINDS + layout.THE_END and so on."""
TOTALS = 7

# what a failed recorded choice leaves
F_PLAYTHROUGH, F_STEP, F_CHOICE = 0, 1, 2


def scratch_size(batch: Programs) -> int:
    """Words that a call of a kernel works in: two frames and a count for each option."""
    options = max((int(program.code[layout.N_OPTIONS]) for program in batch.programs), default=0)
    return 2 * batch.widest + options


@inlined
def add(counts: int, position: int, amount: int) -> None:
    """Add to a count."""
    put_word(counts, position, word_at(counts, position) + amount)


@inlined
def meet(code: int, frame: int, counts: int) -> None:
    """Count a page and its options; counts are encounters entered, last pages, options visible, and so on."""
    encounters, options = code_at(code, layout.N_ENCOUNTERS), code_at(code, layout.N_OPTIONS)
    page = word_at(frame, layout.PAGE)
    add(counts, page, 1)
    first = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
    visible = 2 * encounters + first
    for i in range(word_at(frame, layout.VISIBLE_COUNT)):
        add(counts, visible + word_at(frame, code_at(code, layout.F_VISIBLE) + i), 1)
    for i in range(word_at(frame, layout.PERFORMABLE_COUNT)):
        add(counts, visible + options + word_at(frame, code_at(code, layout.F_PERFORMABLE) + i), 1)


@inlined
def count_outcome(code: int, frame: int, counts: int, option: int, reaction: int) -> None:
    """Count a choice, given the option's number and the record of the reaction that ran."""
    options = 2 * code_at(code, layout.N_ENCOUNTERS)
    number = code_at(code, layout.N_OPTIONS)
    add(counts, options + 2 * number + option, 1)
    if reaction != 0:
        reactions = options + 3 * number
        add(counts, reactions + code_at(code, reaction + layout.R_NUMBER), 1)
        first = reactions + code_at(code, layout.N_REACTIONS) + code_at(code, reaction + layout.R_FIRST_EFFECT)
        for i in range(word_at(frame, layout.EFFECT_COUNT)):
            add(counts, first + i, word_at(frame, code_at(code, layout.F_CHANGES) + i))


@inlined
def is_performable(code: int, frame: int, option: int) -> bool:
    """Whether an option can be chosen now."""
    for i in range(word_at(frame, layout.PERFORMABLE_COUNT)):
        if word_at(frame, code_at(code, layout.F_PERFORMABLE) + i) == option:
            return True
    return False


@inlined
def page_options(code: int, frame: int) -> int:
    """The number of the page's first option."""
    record = code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * word_at(frame, layout.PAGE)
    return code_at(code, record + layout.E_FIRST_OPTION)


def _player(counting: bool) -> Any:
    """The kernel, with or without the counts of a survey."""

    def play(
        codes: Any,
        frames: Any,
        code_offsets: Any,
        frame_offsets: Any,
        keys: Any,
        begin: int,
        end: int,
        widest: int,
        scratch: Any,
        play_offsets: Any,
        max_steps: int,
        policy: int,
        recorded: Any,
        recorded_offsets: Any,
        totals: Any,
        counts: Any,
        count_offsets: Any,
        failure: Any,
    ) -> int:
        """Play the storyworlds from `begin` to before `end`.

        Args:
            codes, frames, code_offsets, frame_offsets, widest: of `Programs`.
            keys: uint64, a stream key for each storyworld.
            scratch: int64 (`scratch_size`,), overwritten. A kernel frees an array of its own once only its address is
                in use, so that this one is the caller's.
            play_offsets: where the playthroughs of each storyworld begin among all, and the end.
            max_steps: choices after which a playthrough stops.
            policy: UNIFORM, NOVELTY or RECORDED.
            recorded, recorded_offsets: option positions, and where those of each playthrough begin, and the end.
            totals: int64 (storyworlds, TOTALS), written.
            counts, count_offsets: int64 zeros and where a storyworld's begin; see `counts.Counts`.
            failure: int64 (3,), written when a recorded choice cannot be made.

        Returns:
            The storyworld whose recorded choice failed, or -1.
        """
        frame = scratch.ctypes.data
        first = frame + 8 * widest
        chosen = first + 8 * widest
        for w in range(begin, end):
            code = codes.ctypes.data + 4 * code_offsets[w]
            counted = counts.ctypes.data + 8 * count_offsets[w]
            copy_words(frame, frames.ctypes.data + 8 * frame_offsets[w], code_at(code, layout.F_WORDS))
            start(code, frame)
            width = code_at(code, layout.F_WIDTH)
            copy_words(first, frame, width)
            if policy == NOVELTY:
                for o in range(code_at(code, layout.N_OPTIONS)):
                    put_word(chosen, o, 0)
            steps, longest = 0, 0
            for playthrough in range(play_offsets[w + 1] - play_offsets[w]):
                if playthrough > 0:
                    copy_words(frame, first, width)
                counter = first_counter(keys[w], playthrough)
                length, limit, last = 0, max_steps, -1
                choices, given = 0, 0
                if policy == RECORDED:
                    choices = recorded_offsets[play_offsets[w] + playthrough]
                    given = recorded_offsets[play_offsets[w] + playthrough + 1] - choices
                    limit = min(max_steps, given)
                while length < limit and word_at(frame, layout.ENDING) == layout.PLAYING:
                    if counting:
                        meet(code, frame, counted)
                        last = word_at(frame, layout.PAGE)
                    if policy == UNIFORM:
                        counter = advanced(counter)
                        option = uniform_choice(code, frame, draw(counter))
                    elif policy == NOVELTY:
                        counter = advanced(counter)
                        numbers = chosen + 8 * page_options(code, frame)
                        option = novelty_choice(code, frame, numbers, draw(counter))
                        add(numbers, option, 1)
                    else:
                        option = recorded[choices + length]
                        if not is_performable(code, frame, option):
                            failure[F_PLAYTHROUGH], failure[F_STEP], failure[F_CHOICE] = playthrough, length, option
                            return w
                    number = page_options(code, frame) + option if counting else 0
                    reaction = choose(code, frame, option)
                    if counting:
                        count_outcome(code, frame, counted, number, reaction)
                    length += 1
                page = word_at(frame, layout.PAGE)
                kind = word_at(frame, layout.ENDING)
                if length < min(max_steps, given):
                    failure[F_PLAYTHROUGH], failure[F_STEP] = playthrough, length
                    failure[F_CHOICE] = recorded[choices + length]
                    return w
                if kind == layout.PLAYING or (length == max_steps and page >= 0):
                    kind = layout.MAX_STEPS
                elif counting and page >= 0:
                    meet(code, frame, counted)
                    last = page
                if counting and last >= 0:
                    add(counted, code_at(code, layout.N_ENCOUNTERS) + last, 1)
                totals[w, T_KINDS + kind] += 1
                steps += length
                longest = max(longest, length)
            totals[w, T_STEPS] = steps
            totals[w, T_LONGEST] = longest
        return -1

    return play


play_totals = kernel(_player(False))
play_counts = kernel(_player(True))
