"""`narrative-dag author`: generated drafts, in shards of Parquet or one file each."""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrative_dag.errors import NarrativeError

if TYPE_CHECKING:
    from narrative_dag.storyworld.authors import AuthorConfig
    from narrative_dag.storyworld.authors.shards import Series


_OPTIONS = {
    "quality_low": "--quality",
    "quality_high": "--quality",
    "variables": "--size",
    "motif_density": "--motifs",
}
"""Options whose names differ from the configuration's."""


class Format(StrEnum):
    """How drafts are kept."""

    PARQUET = "parquet"
    JSON = "json"


def author(
    out: Annotated[Path, typer.Option(help="folder for the drafts; made when missing")],
    count: Annotated[int, typer.Option(min=1, help="how many")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="the same seed gives the same drafts")] = 7,
    style: Annotated[
        str, typer.Option(help="sketch, tolstoy, finemann, tokien, or weights such as tolstoy=1,tokien=2")
    ] = "sketch",
    quality: Annotated[float | None, typer.Option(min=0, max=1, help="0 poor to 1 rich; else a mixture")] = None,
    size: Annotated[int | None, typer.Option(min=3, max=1000, help="variables of a world; not for sketches")] = None,
    spools: Annotated[int | None, typer.Option(min=1, max=10, help="spools, hidden ones included")] = None,
    encounters: Annotated[int | None, typer.Option(min=4, max=1000, help="pages to aim at")] = None,
    cast: Annotated[int | None, typer.Option(min=2, max=24, help="characters")] = None,
    endings: Annotated[int | None, typer.Option(min=2, max=24, help="endings to aim at")] = None,
    motifs: Annotated[float | None, typer.Option(min=0, max=1, help="density of planted motifs")] = None,
    deception: Annotated[float | None, typer.Option(min=0, max=1, help="share of deceivers")] = None,
    coupling: Annotated[float | None, typer.Option(min=0, max=1, help="how much acts switch each other")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, max=40, help="steps that a gate looks back")] = None,
    curriculum: Annotated[bool, typer.Option("--curriculum", help="from small worlds to large ones")] = False,
    file_format: Annotated[Format, typer.Option("--format", help="shards, or one file each")] = Format.PARQUET,
    workers: Annotated[int, typer.Option(min=1, help="processes; the drafts are the same for any number")] = 1,
) -> None:
    """Write storyworld drafts, no two of one structure; a run that was cut off goes on; the last line is JSON."""
    from pydantic import ValidationError

    from narrative_dag.storyworld.authors import AuthorConfig
    from narrative_dag.storyworld.authors.shards import Series, write_shards

    knobs = {
        "style": _mixture(style),
        "quality_low": quality,
        "quality_high": quality,
        "variables": size,
        "spools": spools,
        "encounters": encounters,
        "cast": cast,
        "endings": endings,
        "motif_density": motifs,
        "deception": deception,
        "coupling": coupling,
        "horizon": horizon,
    }
    given = {name: value for name, value in knobs.items() if value is not None}
    try:
        config = AuthorConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = next((_OPTIONS.get(str(name), f"--{name}") for name in first["loc"][:1]), "author")
        message = first["msg"].removeprefix("Value error, ")
        raise NarrativeError(message, where=where, hint="narrative-dag author --help") from error
    _refuse_idle(given, config, curriculum)
    series = Series(config, seed, count if curriculum else None)
    if file_format is Format.JSON:
        _write_files(series, count, out)
        return
    before = _cpu_seconds()
    with _progress(count) as progress:
        written = write_shards(series, count, out, workers, progress)
    seconds = max(_cpu_seconds() - before, 1e-9)
    fresh = written.drawn / written.worlds if written.worlds else 0.0
    megabytes = written.characters / 1e6
    line = {
        "worlds": written.worlds,
        "structural_hashes": written.structures,
        "texts": written.texts,
        "megabytes": round(megabytes, 3),
        "drawn": written.drawn,
        "redrawn": written.redrawn,
        "cpu_seconds": round(seconds, 3),
        "worlds_per_cpu_second": round(written.drawn / seconds, 2),
        "megabytes_per_cpu_second": round(megabytes * min(1.0, fresh) / seconds, 3),
        "peak_rss_mb": round(_peak_megabytes(), 1),
    }
    print(json.dumps(line), flush=True)


def _refuse_idle(given: dict[str, Any], config: "AuthorConfig", curriculum: bool) -> None:
    """See that every knob given does something: sketches have but a quality, a curriculum sets all."""
    from narrative_dag.storyworld.authors.config import styles_of

    sketches = not any(weight for style, weight in styles_of(config).items() if style != "sketch")
    for name in given:
        if name == "style" or (name.startswith("quality") and not curriculum):
            continue
        where = _OPTIONS.get(name, f"--{name}")
        if curriculum:
            raise NarrativeError("a curriculum sets it by itself", where=where, hint="leave one of them out")
        if sketches:
            raise NarrativeError("sketches have no such knob", where=where, hint="choose another --style")


def _mixture(style: str) -> str | dict[str, float]:
    """A style's name, or the weights of a mixture."""
    if "=" not in style:
        return style
    weights: dict[str, float] = {}
    for part in style.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            message = f"{part!r} is no weight of a style"
            raise NarrativeError(message, where="--style", hint="tolstoy=1,tokien=2") from None
    return weights


def _write_files(series: "Series", count: int, out: Path) -> None:
    """One file a draft, for small counts; drafts are not compared."""
    from narrative_dag.storyworld.authors.folder import FILES_MANIFEST, claim, write_file

    claim(out, FILES_MANIFEST, series.manifest())
    for i in range(count):
        write_file(out / f"{series.seed}-{i:06d}.json", series.draft(i).text.encode())
    print(json.dumps({"worlds": count, "folder": str(out)}), flush=True)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal's standard error, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("drafts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("drafts", total=count)
        yield lambda done: bar.update(task, completed=done)


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_megabytes() -> float:
    """Peak memory of this process, or of the largest worker."""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(peaks) / 1024
