"""Batches: streams and policies, counts equal to the interpreter's, and nothing depends on how work is shared."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from random_storyworlds import random_world

from narrative_dag.storyworld.engine import Engine, Playthrough
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.simulator.choices import mixed, novelty_choice, stream_key, uniform_choice, uniforms
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.counts import Counts
from narrative_dag.storyworld.simulator.playthrough import CompiledPlaythrough
from narrative_dag.storyworld.simulator.program import Program, concatenate, state_width
from narrative_dag.storyworld.simulator.simulate import Policy, retrace, simulate, total
from narrative_dag.storyworld.survey import Survey

SEED = 11
PROGRAMS = [compile_world(random_world(seed, 3 + seed % 7), f"world {seed}") for seed in range(24)]


def interpreted(program: Program, playthroughs: int, policy: Policy, max_steps: int) -> tuple[Survey, list[list[int]]]:
    """The survey of the interpreter, making the simulator's choices, and those choices."""
    engine = Engine(program.world)
    counted: dict[str, Counter[object]] = {
        name: Counter()
        for name in ("entries", "ends", "kinds", "visible", "performable", "chosen", "reactions", "changes")
    }
    made: list[list[int]] = []

    def meet(play: Playthrough) -> Iterator[tuple[int, int]]:
        assert play.page is not None
        e = play.page.encounter
        counted["entries"][e] += 1
        counted["visible"].update((e, o) for o in play.page.visible)
        counted["performable"].update((e, o) for o in play.page.performable)
        return ((e, o) for o in play.page.performable)

    for playthrough in range(playthroughs):
        play, last = engine.start(), None
        draws = uniforms(stream_key(SEED, program.storyworld_id), playthrough)
        made.append([])
        while play.ending is None and len(made[-1]) < max_steps:
            options = list(meet(play))
            last = options[0][0]
            if policy == "uniform":
                e, o = last, uniform_choice([o for _, o in options], next(draws))
            else:
                times = [counted["chosen"][option] for option in options]
                e, o = last, novelty_choice([o for _, o in options], times, next(draws))
            counted["chosen"][e, o] += 1
            made[-1].append(o)
            ran = play.choose(o)
            if ran is not None:
                counted["reactions"][e, o, ran] += 1
                counted["changes"].update((e, o, ran, k) for k, changed in enumerate(play.changes) if changed)
        kind = "max_steps" if play.ending is None else play.ending.kind
        if len(made[-1]) == max_steps and play.page is not None:
            kind = "max_steps"
        elif play.page is not None:
            meet(play)
            last = play.page.encounter
        counted["kinds"][kind] += 1
        if last is not None:
            counted["ends"][last] += 1
    lengths = [len(choices) for choices in made]
    longest = max(lengths, default=0)
    return Survey(playthroughs, sum(lengths), longest, **counted), made  # type: ignore[arg-type]  # one dict of counters of several types


def same(a: Counts, b: Counts) -> bool:
    return a.flat.tobytes() == b.flat.tobytes() and all(
        np.array_equal(getattr(a.totals, name), getattr(b.totals, name))
        for name in ("playthroughs", "steps", "longest", "kinds")
    )


def test_the_finalizer_is_that_of_splitmix64() -> None:
    # first outputs of the published generator for seed 1234567
    golden, counter = 0x9E3779B97F4A7C15, 1234567
    found = []
    for _ in range(3):
        counter = (counter + golden) % 2**64
        found.append(mixed(counter))
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_draws_are_uniform_and_streams_differ() -> None:
    drawn = [next(uniforms(stream_key(SEED, name), n)) for name in ("a", "b") for n in range(2000)]
    assert len(set(drawn)) == len(drawn)
    assert all(0.0 <= draw < 1.0 for draw in drawn)
    observed = np.bincount((np.array(drawn) * 10).astype(int), minlength=10)
    # chi-square with 9 degrees of freedom: 27.9 is its 99.9th percentile
    assert ((observed - 400.0) ** 2 / 400.0).sum() < 27.9


@pytest.mark.parametrize("policy", ["uniform", "novelty"])
@pytest.mark.parametrize("max_steps", [0, 1, 7, 60])
def test_counts_are_those_of_the_interpreter_with_the_same_choices(policy: Policy, max_steps: int) -> None:
    counts = simulate(PROGRAMS, 12, SEED, policy, max_steps)
    totals = total(PROGRAMS, 12, SEED, policy, max_steps)
    for i, program in enumerate(PROGRAMS):
        expected, _ = interpreted(program, 12, policy, max_steps)
        found = counts.survey(i)
        assert found == expected
        assert totals.steps[i] == expected.steps
        assert totals.longest[i] == expected.longest
        assert totals.kinds[i].sum() == 12


@pytest.mark.parametrize("policy", ["uniform", "novelty"])
def test_threads_batches_and_order_change_nothing(policy: Policy) -> None:
    together = simulate(PROGRAMS, 9, SEED, policy)
    assert same(simulate(concatenate(PROGRAMS), 9, SEED, policy, threads=3), together)
    backwards = simulate(PROGRAMS[::-1], 9, SEED, policy)
    for i, program in enumerate(PROGRAMS):
        alone = simulate([program], 9, SEED, policy)
        assert alone.survey(0) == together.survey(i) == backwards.survey(len(PROGRAMS) - 1 - i)


@pytest.mark.parametrize("policy", ["uniform", "novelty"])
def test_the_first_playthroughs_of_many_are_those_of_few(policy: Policy) -> None:
    for program in PROGRAMS[:8]:
        few, many = (interpreted(program, n, policy, 20)[1] for n in (5, 9))
        assert many[:5] == few
        steps = [int(total([program], n, SEED, policy, 20).steps[0]) for n in range(10)]
        assert np.diff(steps).tolist() == [len(choices) for choices in many]


def test_novelty_takes_every_open_option_before_any_again() -> None:
    counts = simulate(PROGRAMS, 40, SEED, "novelty")
    uniform = simulate(PROGRAMS, 40, SEED)
    never = [sum((c.world(i).chosen == 0).sum() for i in range(len(PROGRAMS))) for c in (counts, uniform)]
    assert never[0] <= never[1]
    for i, program in enumerate(PROGRAMS):
        first = Engine(program.world).start().page
        if first is None or not first.performable:
            continue
        chosen = counts.survey(i).chosen
        assert all(chosen[first.encounter, o] > 0 for o in first.performable)


def test_seed_and_storyworld_id_matter() -> None:
    program = next(p for p in PROGRAMS if simulate([p], 50, SEED).totals.steps[0] > 100)
    named = compile_world(program.world, "another name")
    kept = simulate([program], 50, SEED).flat
    assert not np.array_equal(simulate([program], 50, SEED + 1).flat, kept)
    assert not np.array_equal(simulate([named], 50, SEED).flat, kept)


def test_recorded_choices_are_counted_as_when_they_were_made() -> None:
    made = [interpreted(program, 3 + i % 4, "uniform", 15)[1] for i, program in enumerate(PROGRAMS)]
    counts = retrace(PROGRAMS, made, 15, threads=2)
    for i, program in enumerate(PROGRAMS):
        assert counts.survey(i) == interpreted(program, 3 + i % 4, "uniform", 15)[0]


def test_a_recorded_choice_that_cannot_be_made_is_named() -> None:
    i, made = next(
        (i, made)
        for i, program in enumerate(PROGRAMS)
        if len((made := interpreted(program, 3, "uniform", 9)[1])[2]) > 1
    )
    made[2][1] = 9
    where = f"world {i}: playthrough 2, step 1"
    with pytest.raises(StoryworldError, match=f"{where}: the recorded choice 9 cannot be made"):
        retrace([PROGRAMS[0], PROGRAMS[i]], [[], made], threads=2)


def test_a_recorded_choice_after_the_end_is_refused() -> None:
    i, made = next(
        (i, made)
        for i, program in enumerate(PROGRAMS)
        if 0 < len((made := interpreted(program, 1, "uniform", 60)[1])[0]) < 60
    )
    made[0].append(0)
    with pytest.raises(StoryworldError, match=f"world {i}: playthrough 0, step {len(made[0]) - 1}: "):
        retrace([PROGRAMS[i]], [made])


@pytest.mark.parametrize(
    "call",
    [
        lambda: simulate(PROGRAMS, -1, SEED),
        lambda: simulate(PROGRAMS, 1, SEED, max_steps=-1),
        lambda: total(PROGRAMS, 1, SEED, threads=0),
        lambda: retrace(PROGRAMS, []),
    ],
)
def test_impossible_requests_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(StoryworldError):
        call()


def test_no_storyworlds_and_no_playthroughs_are_fine() -> None:
    assert simulate([], 5, SEED).totals.steps.tolist() == []
    assert total(PROGRAMS, 0, SEED).kinds.sum() == 0
    assert simulate(PROGRAMS[:1], 0, SEED).survey(0) == interpreted(PROGRAMS[0], 0, "uniform", 60)[0]


def test_a_row_holds_the_whole_state() -> None:
    for program in PROGRAMS:
        play = CompiledPlaythrough(program)
        made: list[int] = []
        while play.ending is None and play.page is not None and len(made) < 3:
            made.append(play.page.performable[-1])
            row, before = play.row, play.frame.copy()
            assert row.shape == (state_width(program),)
            other = CompiledPlaythrough(program)
            other.restore(row)
            assert other.choose(made[-1]) == play.choose(made[-1])
            assert np.array_equal(other.row, play.row)
            play.restore(row)
            assert np.array_equal(play.frame[: program.width], before[: program.width])
            play.choose(made[-1])
