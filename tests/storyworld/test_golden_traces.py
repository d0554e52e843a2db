"""Recorded plays of real and synthetic worlds: every one replays exactly, and a world without a trace is refused."""

from pathlib import Path

import pytest

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Mode
from narrative_dag.storyworld.replay import replay
from narrative_dag.storyworld.sweepweave import load

SHARED = Path(__file__).parents[3] / "shared" / "sweepweave"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="golden traces are not beside the repository")


def cases() -> list[tuple[str, Mode]]:
    names = sorted(path.name.removesuffix(".json.gz") for path in (SHARED / "worlds").glob("*.json.gz"))
    return [(name, mode) for name in names for mode in Mode if not (name.startswith("s") and mode is Mode.EXTENDED)]


@pytest.mark.parametrize(("name", "mode"), cases(), ids=lambda value: getattr(value, "value", value))
def test_world_replays_exactly_or_is_refused(name: str, mode: Mode):
    world = SHARED / "worlds" / f"{name}.json.gz"
    trace = SHARED / "traces" / f"{name}.{mode.value}.json.gz"
    if not trace.exists():
        with pytest.raises(StoryworldError) as refused:
            load(world, mode)
        assert refused.value.where is not None
        assert refused.value.where.startswith(f"{world}: ")
        assert refused.value.message
        return
    result = replay(world, trace)
    assert result.plays == 25
    assert [str(mismatch) for mismatch in result.mismatches[:5]] == []


def test_all_golden_files_are_there():
    assert len(cases()) == 24 * 2 + 12
    assert len(list((SHARED / "traces").glob("*.json.gz"))) == 46
