"""How fast storyworlds are played: the compiled simulator beside the interpreter, on the same plays."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

from narrative_dag.errors import NarrativeError
from narrative_dag.progress import Progress
from narrative_dag.stages.imports import read_import
from narrative_dag.states.recording import record_batches
from narrative_dag.storyworld.authors import AuthorConfig, author
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.simulator.choices import stream_key, uniform_choice, uniforms
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.program import Program
from narrative_dag.storyworld.simulator.simulate import total
from narrative_dag.storyworld.sweepweave import load

SEED = 7
MAX_STEPS = 60
REPEATS = 3
"""Times that each figure is measured; the median counts."""
DRAFTS = 1000
DRAFT_PLAYTHROUGHS = 100


@dataclass(frozen=True, slots=True)
class WorldSpeed:
    """One storyworld; speeds are steps (choices made) per CPU second, compilation in milliseconds of CPU time."""

    file: str
    mode: str
    steps_per_cpu_second: float
    steps_per_cpu_second_recorded: float
    interpreter_steps_per_cpu_second: float
    ratio_to_interpreter: float
    steps_per_playthrough: float
    loading_ms: float
    compiling_ms: float


def measure_worlds(folder: Path, seconds: float, progress: Progress) -> list[WorldSpeed]:
    """Every storyworld of a folder of `.json` and `.json.gz` files that a loader takes, in the order of their names.

    Args:
        folder: where they are.
        seconds: CPU time that each measurement takes, about.
        progress: called for every file.

    Raises:
        NarrativeError: the folder does not exist or holds no storyworld that can be played.
    """
    if not folder.is_dir():
        raise NarrativeError("is no folder", where=str(folder))
    files = sorted([*folder.glob("*.json"), *folder.glob("*.json.gz")])
    speeds = []
    for i, path in enumerate(files):
        try:
            speed = _measure(path, seconds)
        except StoryworldError:
            speed = None
        if speed is not None:
            speeds.append(speed)
        progress("worlds", i + 1, len(files))
    if not speeds:
        raise NarrativeError("holds no storyworld that can be played", where=str(folder), hint="*.json or *.json.gz")
    return speeds


def figures(speeds: Sequence[WorldSpeed]) -> dict[str, object]:
    """Medians over storyworlds, then what loading, compiling and many small storyworlds take, and every storyworld."""
    largest = max(speeds, key=lambda speed: speed.loading_ms + speed.compiling_ms)
    return {
        "median_steps_per_cpu_second": median(s.steps_per_cpu_second for s in speeds),
        "median_steps_per_cpu_second_recorded": median(s.steps_per_cpu_second_recorded for s in speeds),
        "median_ratio_to_interpreter": median(s.ratio_to_interpreter for s in speeds),
        "worlds": len(speeds),
        "slowest_to_load_ms": largest.loading_ms + largest.compiling_ms,
        "slowest_to_load": largest.file,
        **_measure_drafts(),
        "by_world": [asdict(speed) for speed in speeds],
    }


def _cpu(action: Callable[[], object]) -> float:
    begin = time.process_time()
    action()
    return time.process_time() - begin


def _repeats(action: Callable[[int], int], seconds: float) -> tuple[int, float]:
    """Playthroughs that take about that many seconds, and the median seconds of a few runs of them."""
    action(1)
    playthroughs, used = 4, 0.0
    while used < seconds / 4:
        playthroughs *= 4
        used = _cpu(partial(action, playthroughs))
    playthroughs = max(1, int(playthroughs * seconds / used))
    return playthroughs, median(_cpu(partial(action, playthroughs)) for _ in range(REPEATS))


def _measure(path: Path, seconds: float) -> WorldSpeed | None:
    world = read_import(path)
    gc.collect()
    loading = [_cpu(lambda: load(path, world.mode)) for _ in range(REPEATS)]
    compiling = [_cpu(lambda: compile_world(world, path.name)) for _ in range(REPEATS)]
    program = compile_world(world, path.name)

    def play(playthroughs: int) -> int:
        return int(total([program], playthroughs, SEED, max_steps=MAX_STEPS).steps.sum())

    def record(playthroughs: int) -> int:
        return sum(batch.num_rows for batch in record_batches([program], "imported", playthroughs, SEED, MAX_STEPS))

    def interpret(playthroughs: int) -> int:
        return _interpreted_steps(program, playthroughs)

    if play(64) == 0:
        return None
    played, playing = _repeats(play, seconds)
    recorded, recording = _repeats(record, seconds)
    interpreted, interpreting = _repeats(interpret, seconds)
    if interpret(interpreted) != play(interpreted):
        raise NarrativeError("the interpreter and the simulator made different plays", where=str(path))
    fast, slow = play(played) / playing, play(interpreted) / interpreting
    return WorldSpeed(
        file=path.name,
        mode=world.mode.value,
        steps_per_cpu_second=fast,
        steps_per_cpu_second_recorded=play(recorded) / recording,
        interpreter_steps_per_cpu_second=slow,
        ratio_to_interpreter=fast / slow,
        steps_per_playthrough=play(played) / played,
        loading_ms=1e3 * median(loading),
        compiling_ms=1e3 * median(compiling),
    )


def _interpreted_steps(program: Program, playthroughs: int) -> int:
    """The steps of the same plays on the interpreter; drawing the choices costs a few per cent of it."""
    engine, key, steps = Engine(program.world), stream_key(SEED, program.storyworld_id), 0
    for number in range(playthroughs):
        play = engine.start()
        for _, draw in zip(range(MAX_STEPS), uniforms(key, number), strict=False):
            if play.page is None or not play.page.performable:
                break
            play.choose(uniform_choice(play.page.performable, draw))
            steps += 1
    return steps


def _compile_draft(text: str, identity: str, programs: list[Program]) -> None:
    programs.append(compile_world(compile_text(text).world, identity))


def _measure_drafts() -> dict[str, float]:
    """Reading and compiling a draft, and a batch of different ones."""
    texts = [draft.text for draft in author(DRAFTS, AuthorConfig(), SEED)]
    programs: list[Program] = []
    milliseconds = []
    for i, text in enumerate(texts):
        milliseconds.append(1e3 * _cpu(partial(_compile_draft, text, str(i), programs)))
    runs = [_cpu(lambda: total(programs, DRAFT_PLAYTHROUGHS, SEED, max_steps=MAX_STEPS)) for _ in range(REPEATS)]
    return {
        "draft_ms": median(milliseconds),
        "drafts": DRAFTS,
        "draft_playthroughs": DRAFT_PLAYTHROUGHS,
        "drafts_seconds": median(runs),
    }
