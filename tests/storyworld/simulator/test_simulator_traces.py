"""Golden traces: the compiled simulator makes every recorded choice and is where the interpreter is."""

from pathlib import Path

import pytest
from lockstep import assert_same

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.replay import TOLERANCE, read_trace
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.playthrough import CompiledPlaythrough
from narrative_dag.storyworld.simulator.simulate import retrace
from narrative_dag.storyworld.sweepweave import load

SHARED = Path(__file__).parents[4] / "shared" / "sweepweave"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="golden traces are not beside the repository")


@pytest.mark.parametrize("path", sorted((SHARED / "traces").glob("*.json.gz")), ids=lambda path: path.name[:-8])
def test_recorded_choices_lead_where_they_led(path: Path) -> None:
    trace = read_trace(path)
    world = load(SHARED / "worlds" / f"{path.name.split('.')[0]}.json.gz", trace.mode).world
    engine, program = Engine(world), compile_world(world)
    for recorded in trace.plays:
        play, compiled = engine.start(), CompiledPlaythrough(program)
        assert_same(play, compiled)
        for step in recorded.steps:
            page = compiled.page
            assert page is not None
            encounter = world.encounters[page.encounter]
            assert step.e == encounter.id
            assert step.v == [encounter.options[o].id for o in page.visible]
            assert step.p == [encounter.options[o].id for o in page.performable]
            if step.o is None:
                continue
            assert compiled.choose(step.oi) == play.choose(step.oi) == step.ri
            assert_same(play, compiled)
            for (character, keyring), value in zip(trace.vars, step.s, strict=True):
                found = compiled.numbers.get((character, keyring))
                assert found == value or abs((found or 0.0) - (value or 0.0)) <= TOLERANCE
            assert sorted(compiled.active_spools) == sorted(step.a)
        kind = None if compiled.ending is None else compiled.ending.kind
        assert recorded.end.turn == compiled.turn
        assert kind == recorded.end.kind or recorded.end.kind == "max_steps"
    choices = [[step.oi for step in recorded.steps if step.o is not None] for recorded in trace.plays]
    counted = retrace([program], [choices], trace.max_steps)
    assert counted.totals.steps.tolist() == [sum(map(len, choices))]
    assert counted.survey(0).kinds == {
        kind: n
        for kind in ("the_end", "no_options", "blocked", "max_steps")
        if (n := sum(recorded.end.kind == kind for recorded in trace.plays))
    }
