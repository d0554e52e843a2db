"""`narrative-dag world convert`: any storyworld as a project that the SweepWeave editor takes whole."""

import gzip
import json
from pathlib import Path
from typing import Annotated

import typer

from narrative_dag.storyworld.model import Mode


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="a draft or a SweepWeave project, .json or .json.gz")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="the project to write; packed if it ends in .gz")],
    mode: Annotated[
        Mode | None,
        typer.Option(
            "--mode", help="whose semantics IN is read with; official where that loses nothing, else extended"
        ),
    ] = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="accept and list what is equal only up to rounding")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of the project's times and IFID")] = 0,
) -> None:
    """Write a SweepWeave 0.1.9 project that plays like IN and that `world check` has nothing to say about."""
    from narrative_dag import durable
    from narrative_dag.cli.world import read_world
    from narrative_dag.storyworld.errors import StoryworldError
    from narrative_dag.storyworld.sweepweave import convert as convert_world
    from narrative_dag.storyworld.sweepweave.writer import encode

    if source.resolve() == target.resolve():
        raise StoryworldError("OUT is IN", where=str(target), hint="name another file")
    if target.exists() and not target.is_file():
        raise StoryworldError("cannot be written: it is there and is no file", where=str(target), hint="name a file")
    if not target.parent.is_dir():
        raise StoryworldError("cannot be written: no such folder", where=str(target), hint="make the folder first")
    loaded = read_world(source, mode or _best_mode(source))
    try:
        converted = convert_world(loaded.world, approximate, seed)
    except StoryworldError as error:
        where = f"{source}: {error.where}" if error.where else str(source)
        raise StoryworldError(error.message, where=where, hint=error.hint) from error
    content = encode(converted.document)
    try:
        # no time and no name in the header: equal projects are equal files
        durable.write(target, gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)
    except OSError as error:
        raise StoryworldError(f"cannot be written: {error.strerror}", where=str(target)) from error
    approximations = converted.lowering.approximations
    for approximation in approximations:
        print(f"{approximation.place}: {approximation.form} differs by {approximation.bound}")
    figures = {
        "input": str(source),
        "output": str(target),
        "mode": loaded.world.mode.value,
        "input_notices": len(loaded.report),
        "encounters": len(converted.lowering.world.encounters),
        "exact": not approximations,
        "approximations": len(approximations),
        "notices": 0,
    }
    print(json.dumps(figures, ensure_ascii=False))


def _best_mode(path: Path) -> Mode:
    """The mode that loses nothing of a file: official for drafts, for projects as imports choose it."""
    from narrative_dag.stages.imports import read_import
    from narrative_dag.storyworld.draft import looks_like_draft
    from narrative_dag.storyworld.sweepweave.files import read_document

    return Mode.OFFICIAL if looks_like_draft(read_document(path)) else read_import(path).mode
