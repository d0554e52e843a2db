"""Recorded plays of real worlds replay on their conversions: what the dialect plays, the editor's project plays."""

import random
from pathlib import Path

import pytest
from dialect_worlds import difference, equal_numbers

from narrative_dag.storyworld.draft import compile_draft, decompile
from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import Mode, Storyworld
from narrative_dag.storyworld.replay import TOLERANCE, Play, Trace, read_trace
from narrative_dag.storyworld.sweepweave import Lowering, convert, load, loads
from narrative_dag.storyworld.sweepweave.variables import UNSET

SHARED = Path(__file__).parents[3] / "shared" / "sweepweave"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="golden traces are not beside the repository")


def cases() -> list[tuple[str, Mode]]:
    traces = sorted(path.name.removesuffix(".json.gz") for path in (SHARED / "traces").glob("*.json.gz"))
    return [(name.split(".")[0], Mode(name.split(".")[1])) for name in traces]


def check_values(
    expected: list[float | None], trace: Trace, lowering: Lowering, numbers: dict[tuple[str, tuple[str, ...]], float]
) -> None:
    for key, wanted in zip(trace.vars, expected, strict=True):
        found = numbers.get(lowering.variables.get(key, key))
        if wanted is None:
            # what does not exist yet is nothing, or the value that stands for it
            assert found in (None, 0.0, UNSET)
        else:
            assert found is not None
            assert equal_numbers(wanted, found, TOLERANCE)


def replay(play: Play, trace: Trace, world: Storyworld, lowering: Lowering, lowered: Storyworld) -> None:
    """Assert that a recorded play goes on the lowered storyworld as it was recorded, objects told by position."""
    playthrough = Playthrough(lowered)
    for step in play.steps:
        page = playthrough.page
        assert page is not None
        encounter = world.encounters[lowering.encounters[page.encounter]]
        assert encounter.id == step.e
        assert [encounter.options[o].id for o in page.visible] == step.v
        assert [encounter.options[o].id for o in page.performable] == step.p
        if step.o is None:
            break
        ran = playthrough.choose(step.oi)
        assert ran == step.ri or (step.ri is None and ran == 0)
        check_values(step.s, trace, lowering, playthrough.state.numbers)
        following = playthrough.page
        name = "END" if following is None else world.encounters[lowering.encounters[following.encounter]].id
        assert name == step.n
    if play.end.kind != "max_steps":
        assert playthrough.ending is not None
        assert (playthrough.ending.kind, playthrough.ending.turn) == (play.end.kind, play.end.turn)


@pytest.mark.parametrize(("name", "mode"), cases(), ids=lambda value: getattr(value, "value", value))
def test_recorded_plays_replay_on_the_conversion_and_others_go_alike(name: str, mode: Mode) -> None:
    trace = read_trace(SHARED / "traces" / f"{name}.{mode.value}.json.gz")
    source = load(SHARED / "worlds" / f"{name}.json.gz", mode)
    # without --approximate: every product of these worlds has an exact form
    converted = convert(source.world)
    loaded = loads(converted.document, Mode.OFFICIAL)
    assert loaded.report == ()
    check_values(trace.init, trace, converted.lowering, dict(loaded.world.initial))
    for play in trace.plays:
        replay(play, trace, source.world, converted.lowering, loaded.world)
    draws = random.Random(name)
    for _ in range(5):
        assert difference(source.world, converted.lowering, draws, 25) is None


@pytest.mark.parametrize("name", ["s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "w07"])
def test_a_clean_official_world_is_written_as_it_is(name: str) -> None:
    world = load(SHARED / "worlds" / f"{name}.json.gz", Mode.OFFICIAL).world
    assert loads(convert(world).document, Mode.OFFICIAL).world == world


def test_all_traces_are_converted() -> None:
    assert len(cases()) == 46


@pytest.mark.parametrize(("name", "mode"), [("w01", Mode.OFFICIAL), ("w07", Mode.OFFICIAL), ("w08", Mode.OFFICIAL)])
def test_real_worlds_within_the_language_of_drafts_become_drafts_that_play_alike(name: str, mode: Mode) -> None:
    world = load(SHARED / "worlds" / f"{name}.json.gz", mode).world
    draft = decompile(world)
    draws = random.Random(name)
    for _ in range(10):
        first, second = Playthrough(world), Playthrough(compile_draft(draft))
        for _ in range(25):
            assert first.page == second.page
            assert first.ending == second.ending
            if first.page is None or first.ending is not None:
                break
            chosen = draws.choice(first.page.performable)
            assert first.choose(chosen) == second.choose(chosen)
            assert sorted(first.state.numbers.values()) == sorted(second.state.numbers.values())
