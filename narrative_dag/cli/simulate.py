"""`narrative-dag world simulate`: seeded plays of one storyworld, counted."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from narrative_dag.storyworld.model import Mode


def simulate(
    file: Annotated[Path, typer.Argument(help="a draft (.json) or a SweepWeave project (.json, .json.gz)")],
    mode: Annotated[Mode, typer.Option(help="whose semantics a SweepWeave project is read with")] = Mode.OFFICIAL,
    playthroughs: Annotated[int, typer.Option(min=1, help="how many")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="of every choice")] = 0,
    policy: Annotated[
        Literal["uniform", "novelty"], typer.Option(help="any open option, or one that was chosen least often so far")
    ] = "uniform",
    max_steps: Annotated[int, typer.Option(min=1, help="choices after which a playthrough is cut")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="the line of JSON alone")] = False,
) -> None:
    """Play at random and count where plays end, and how often pages are met; the last line is JSON."""
    from narrative_dag.cli.world import read_world
    from narrative_dag.storyworld.simulator.compiler import compile_world
    from narrative_dag.storyworld.simulator.simulate import simulate as play

    world = read_world(file, mode).world
    found = play([compile_world(world)], playthroughs, seed, policy, max_steps).survey(0)
    ends, entries = Counter[str](), Counter[str]()
    for e, encounter in enumerate(world.encounters):
        entries[encounter.id] += found.entries.get(e, 0)
        ends[encounter.id] += found.ends.get(e, 0)
    ends = +ends
    if not as_json:
        for name, count in ends.most_common():
            print(f"{count / playthroughs:8.2%}  end on {name}")
        for name, count in entries.items():
            if not count:
                print(f"{'never':>8}  {name}")
    figures = {
        "file": str(file),
        "mode": world.mode.value,
        "playthroughs": playthroughs,
        "steps": found.steps,
        "longest": found.longest,
        "kinds": dict(found.kinds),
        "ends": dict(ends.most_common()),
        "entries": entries,
    }
    print(json.dumps(figures, ensure_ascii=False))
