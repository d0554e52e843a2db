"""`narrative-dag world`: what can be done with one storyworld."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from narrative_dag.cli.convert import convert
from narrative_dag.cli.explore import explore
from narrative_dag.cli.simulate import simulate
from narrative_dag.storyworld.model import Mode

if TYPE_CHECKING:
    from narrative_dag.storyworld.engine import Playthrough
    from narrative_dag.storyworld.script import Expression
    from narrative_dag.storyworld.sweepweave import Loaded

app = typer.Typer(help="Check, play, replay, simulate, explore and convert storyworlds.", no_args_is_help=True)
app.command()(simulate)
app.command()(explore)
app.command()(convert)

File = Annotated[Path, typer.Argument(help="a draft (.json) or a SweepWeave project (.json, .json.gz)")]
ModeChoice = Annotated[Mode, typer.Option("--mode", help="whose semantics a SweepWeave project is read with")]

AUTO_STEPS = 200
"""Choices after which automatic play stops."""


def read_world(path: Path, mode: Mode) -> "Loaded":
    """The storyworld in a draft or a SweepWeave project; drafts are official whatever the mode.

    Raises:
        StoryworldError: neither can be read; names file, place and reason.
    """
    from narrative_dag.storyworld.draft import DraftError, compile_text, looks_like_draft
    from narrative_dag.storyworld.errors import StoryworldError
    from narrative_dag.storyworld.sweepweave import Loaded, loads
    from narrative_dag.storyworld.sweepweave.files import parse, read_bytes

    raw = read_bytes(path)
    document = parse(raw, str(path))
    if not looks_like_draft(document):
        return loads(document, mode, str(path))
    try:
        return Loaded(compile_text(raw.decode("utf-8-sig")).world, ())
    except DraftError as error:
        raise StoryworldError(str(error), where=str(path)) from error


@app.command()
def check(
    file: File,
    mode: ModeChoice = Mode.OFFICIAL,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of lines")] = False,
) -> None:
    """List what a reader drops, defaults, pads, misreads or ignores, by place; status 1 when it refuses the file."""
    from narrative_dag.errors import NarrativeError

    try:
        loaded = read_world(file, mode)
    except NarrativeError as error:
        if as_json:
            print(json.dumps({"file": str(file), "mode": mode.value, "refused": str(error), "notices": []}))
            raise typer.Exit(1) from error
        raise
    world, notices = loaded.world, loaded.report
    figures = {
        "file": str(file),
        "mode": world.mode.value,
        "refused": None,
        "title": world.title,
        "characters": len(world.characters),
        "encounters": len(world.encounters),
        "options": sum(1 for _ in world.options()),
        "spools": len(world.spools),
    }
    if as_json:
        listed = [{"path": n.path, "kind": n.kind.value, "message": n.message} for n in notices]
        print(json.dumps(figures | {"notices": listed}, ensure_ascii=False))
        return
    for notice in notices:
        print(notice)
    print(json.dumps(figures | {"notices": len(notices)}, ensure_ascii=False))


@app.command()
def replay(
    world: Annotated[Path, typer.Argument(help="a SweepWeave project")],
    trace: Annotated[Path, typer.Argument(help="its recorded plays, format swtrace-1; names the mode")],
) -> None:
    """Replay recorded plays; one line of JSON; status 0 only when everything agrees."""
    from narrative_dag.storyworld.replay import replay as replay_trace

    result = replay_trace(world, trace)
    figures = {
        "plays": result.plays,
        "steps": result.steps,
        "mismatches": len(result.mismatches),
        "differences": [{"place": m.place, "expected": m.expected, "found": m.found} for m in result.mismatches],
    }
    print(json.dumps(figures, ensure_ascii=False))
    if result.mismatches:
        raise typer.Exit(1)


@app.command()
def play(
    file: File,
    mode: ModeChoice = Mode.OFFICIAL,
    auto: Annotated[bool, typer.Option("--auto", help="choose at random")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of --auto")] = 0,
) -> None:
    """Play in the terminal; an empty line or the end of input quits."""
    import numpy as np
    from rich.console import Console
    from rich.markup import escape

    from narrative_dag.storyworld.engine import Playthrough

    console = Console(highlight=False, soft_wrap=True)
    world = read_world(file, mode).world
    play = Playthrough(world)
    console.print(f"[bold]{escape(world.title)}[/bold]")
    draws = np.random.default_rng(seed)
    steps = 0
    while play.page is not None:
        encounter = world.encounters[play.page.encounter]
        console.rule(escape(encounter.title))
        console.print(escape(_text(play, encounter.text)))
        numbers: dict[str, int] = {}
        for o in play.page.visible:
            shown = escape(_text(play, encounter.options[o].text))
            if o in play.page.performable:
                numbers[str(len(numbers) + 1)] = o
                console.print(f"  {len(numbers)}. {shown}")
            else:
                console.print(f"  -  [strike]{shown}[/strike]")
        if play.ending is not None or (auto and steps == AUTO_STEPS):
            break
        chosen = str(draws.integers(len(numbers)) + 1) if auto else _ask(list(numbers))
        if chosen is None:
            return
        option = encounter.options[numbers[chosen]]
        console.print(f"[dim]> {escape(_text(play, option.text))}[/dim]")
        ran = play.choose(numbers[chosen])
        steps += 1
        if ran is not None:
            console.print(escape(_text(play, option.reactions[ran].text)))
    console.print(f"[dim]{play.ending.kind if play.ending else 'max_steps'} after {steps} choices[/dim]")


def _text(play: "Playthrough", script: "Expression") -> str:
    """A text script's value; "" where it is no text."""
    from narrative_dag.storyworld.script import evaluate

    value = evaluate(script, play.state)
    return value if isinstance(value, str) else ""


def _ask(answers: list[str]) -> str | None:
    """One of the answers; None at an empty line or the end of input."""
    while True:
        try:
            answer = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return None
        if not answer:
            return None
        if answer in answers:
            return answer
        print(f"one of {', '.join(answers)}; an empty line quits")
