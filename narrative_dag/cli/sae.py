"""`narrative-dag sae`: autoencoders of any Parquet file of states, trained, measured and compared."""

import json
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from narrative_dag.errors import NarrativeError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from narrative_dag.sae.config import SaeConfig
    from narrative_dag.sae.experiment import Figures

ModelT = TypeVar("ModelT", bound="BaseModel")

ALL = "all"
"""In place of an architecture's name: every one of them."""

app = typer.Typer(help="Sparse autoencoders of states in Parquet files.", no_args_is_help=True)

States = Annotated[
    Path, typer.Option(help="a Parquet file, a folder of them or a pattern, with a column `state` of lists of numbers")
]
Json = Annotated[bool, typer.Option("--json", help="the line of JSON alone")]
Every = Annotated[bool, typer.Option("--all", help="on all rows, not on the held-out ones alone")]
KMeans = Annotated[bool, typer.Option("--kmeans", help="also measure residual k-means with the same budget")]


@app.command()
def train(
    states: States,
    out: Annotated[Path, typer.Option(help="folder for the autoencoders; made when missing")],
    architecture: Annotated[
        list[str] | None, typer.Option(help="topk, standard, ...; once for each, or `all`; topk when left out")
    ] = None,
    features: Annotated[int | None, typer.Option(min=1, help="features of an autoencoder")] = None,
    k: Annotated[
        int | None, typer.Option(min=1, help="active features, of architectures that fix their number")
    ] = None,
    lr: Annotated[str | None, typer.Option(help="peak learning rate, or `auto`: found by a short sweep")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="autoencoders of each architecture; 3 when left out")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="passes over the states")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="states of a batch")] = None,
    config: Annotated[Path | None, typer.Option(help="a TOML or JSON file with all of that, and more")] = None,
    split_by: Annotated[
        str, typer.Option(help="what is held out as a whole: storyworld, playthrough or row")
    ] = "playthrough",
    held_out: Annotated[float, typer.Option(help="share that is held out, inside (0, 1)")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="of the split and of the order of states")] = 7,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda")] = None,
    streamed: Annotated[
        bool | None,
        typer.Option("--stream/--in-memory", help="read the file in every epoch; by its size when left out"),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="give the open options to architectures with a head")
    ] = False,
    kmeans: KMeans = False,
    as_json: Json = False,
) -> None:
    """Train autoencoders in one pass over the states; one that was cut off goes on; the last line is JSON."""
    from narrative_dag.cli.cycle import reporter
    from narrative_dag.sae.experiment import PAGE_FILE
    from narrative_dag.sae.laboratory import train_folder
    from narrative_dag.sae.splits import Split

    own: dict[str, Any] = {"--features": features, "--k": k, "--lr": lr, "--seeds": seeds, "--epochs": epochs}
    own |= {"--architecture": architecture or None, "--batch-size": batch_size, "--device": device}
    if config is not None and (given := [name for name, value in own.items() if value is not None]):
        raise NarrativeError("the configuration says it already", where=given[0], hint="leave out --config or this")
    shared = {"epochs": epochs, "batch_size": batch_size, "device": device}
    wanted = read_config(config) if config else _config(architecture or ["topk"], features, k, lr, seeds, shared)
    split = _checked(Split, {"by": split_by, "share": held_out, "seed": seed}, "--split-by, --held-out")
    started = time.process_time()
    with reporter() as progress:
        made = train_folder(
            states,
            out,
            wanted,
            split,
            seed,
            streamed=streamed,
            labels=labels,
            kmeans=kmeans,
            progress=progress,
        )
    facts = {
        "out": str(out),
        "page": str(out / PAGE_FILE),
        "train_rows": made.manifest.train_rows,
        "held_out_rows": made.manifest.test_rows,
        "streamed": made.manifest.streamed,
    }
    _tell([run.name for run in made.runs], made.figures, facts, started, as_json)


@app.command()
def evaluate(
    states: States,
    sae: Annotated[list[Path], typer.Option(help="a training's folder or one checkpoint; once for each")],
    every: Every = False,
    kmeans: KMeans = False,
    as_json: Json = False,
) -> None:
    """Measure autoencoders on the rows that their training held out; the last line is JSON."""
    from narrative_dag.cli.cycle import reporter
    from narrative_dag.sae.laboratory import candidates, evaluate_on

    started = time.process_time()
    found = [(folder, one) for folder in sae for one in candidates(folder)]
    if len({one.name for _, one in found}) < len(found):
        found = [(folder, one._replace(name=f"{folder}/{one.name}")) for folder, one in found]
    compared = [one for _, one in found]
    with reporter() as progress:
        figures = evaluate_on(states, compared, every, kmeans, progress)
    _tell([one.name for one in compared], figures, {"states": str(states)}, started, as_json)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="folders of trainings")],
    states: States,
    out: Annotated[Path, typer.Option(help="the page to write")],
    every: Every = False,
    kmeans: KMeans = False,
    as_json: Json = False,
) -> None:
    """Trainings side by side on one HTML page, measured on the same rows; the last line is JSON."""
    from narrative_dag import durable
    from narrative_dag.cli.cycle import reporter
    from narrative_dag.report.sae_page import comparison_page
    from narrative_dag.sae.experiment import refuse_unwritable
    from narrative_dag.sae.laboratory import compare_folders

    refuse_unwritable(out)
    if not out.parent.is_dir() or out.is_dir():
        raise NarrativeError("no page can be written there", where=str(out), hint="a file in a folder that is there")
    started = time.process_time()
    with reporter() as progress:
        comparison, figures = compare_folders(folders, states, every, kmeans, progress)
    durable.write(out, comparison_page(comparison).encode())
    _tell([run.name for run in comparison.runs], figures, {"page": str(out)}, started, as_json)


@app.command()
def activations(
    policy: Annotated[Path, typer.Option(help="a Hugging Face causal LM: a folder with safetensors and a tokenizer")],
    texts: Annotated[Path, typer.Option(help=".parquet with a column `text`, .jsonl with a field `text`, or lines")],
    layer: Annotated[int, typer.Option(min=0, help="after which block; 0: the embeddings")],
    out: Annotated[Path, typer.Option(help="the Parquet file")],
    max_rows: Annotated[int | None, typer.Option(min=1, help="tokens at most, of texts drawn at random")] = None,
    batch_tokens: Annotated[int, typer.Option(min=2, help="tokens read at once")] = 4096,
    seed: Annotated[int, typer.Option(min=0, help="orders the texts")] = 0,
) -> None:
    """Write a language model's activations as states to train on, one row a token; the last line is JSON."""
    from narrative_dag.cli.cycle import reporter
    from narrative_dag.sae.activations import write_activations
    from narrative_dag.sae.experiment import refuse_unwritable

    refuse_unwritable(out)
    if out.is_dir():
        raise NarrativeError("is a folder", where=str(out), hint="name a file")
    contents, ids = read_texts(texts)
    with reporter() as progress:
        written = write_activations(
            policy,
            contents,
            layer,
            out,
            ids=ids,
            batch_tokens=batch_tokens,
            max_rows=max_rows,
            seed=seed,
            progress=lambda done, total: progress("read texts", done, total),
        )
    print(json.dumps({"out": str(out), **written._asdict()}))


def _config(
    architectures: list[str],
    features: int | None,
    k: int | None,
    lr: str | None,
    seeds: int | None,
    shared: dict[str, Any],
) -> "SaeConfig":
    """The runs of every architecture and seed; a field that an architecture has not, such as k, is left out of it."""
    from narrative_dag.sae.config import SaeConfig
    from narrative_dag.sae.registry import ARCHITECTURES, architecture_class

    runs = []
    for name in sorted(ARCHITECTURES) if ALL in architectures else dict.fromkeys(architectures):
        known = architecture_class(name).config_type.model_fields
        options = {"k_features": features, "k": k}
        own = {field: value for field, value in options.items() if value is not None and field in known}
        run: dict[str, Any] = {"architecture": {"architecture": name, **own}}
        if lr is not None:
            run["lr"] = lr
        runs += [{**run, "seed": seed} for seed in range(3 if seeds is None else seeds)]
    return _checked(
        SaeConfig, {"runs": runs, **{name: value for name, value in shared.items() if value is not None}}, "sae train"
    )


def read_config(path: Path) -> "SaeConfig":
    """A whole `SaeConfig` from a TOML or a JSON file.

    Raises:
        NarrativeError: it cannot be read, or something in it is wrong.
    """
    from narrative_dag.sae.config import SaeConfig

    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise NarrativeError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise NarrativeError(f"is no {kind}: {error}", where=str(path)) from error
    return _checked(SaeConfig, document, str(path))


def _checked(model: type[ModelT], document: Any, where: str) -> ModelT:
    """A model of values that a person gave. Raises NarrativeError for wrong ones."""
    from pydantic import ValidationError

    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {first['msg'].removeprefix('Value error, ')}" if place else first["msg"]
        raise NarrativeError(message, where=where, hint="narrative-dag sae train --help") from error


def read_texts(path: Path) -> tuple[list[str], list[str] | None]:
    """Texts, and a name of each where the file gives one (`storyworld_id`).

    Raises:
        NarrativeError: the file cannot be read, has no texts, or a row without one or, where rows have ids, without id.
    """
    import polars as pl

    try:
        match path.suffix:
            case ".parquet":
                frame = pl.read_parquet(path)
            case ".jsonl":
                frame = pl.read_ndjson(path)
            case _:
                lines = path.read_text(encoding="utf-8").splitlines()
                frame = pl.DataFrame({"text": [line for line in lines if line.strip()]}, schema={"text": pl.String})
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise NarrativeError(f"cannot be read: {error}", where=str(path)) from error
    if "text" not in frame.columns or frame["text"].dtype != pl.String or frame["text"].count() == 0:
        raise NarrativeError("has no texts", where=str(path), hint="a column `text` of strings")
    names = [name for name in ("text", "storyworld_id") if name in frame.columns]
    if missing := [name for name in names if frame[name].null_count()]:
        raise NarrativeError(f"has rows without {missing[0]}", where=str(path))
    ids = frame["storyworld_id"] if "storyworld_id" in names else None
    if ids is not None and not (ids.dtype == pl.String or ids.dtype.is_integer()):
        raise NarrativeError(f"a storyworld_id is a text or a whole number, not {ids.dtype}", where=str(path))
    return frame["text"].to_list(), None if ids is None else ids.cast(pl.String).to_list()


def _tell(names: list[str], figures: "Figures", facts: dict[str, Any], started: float, as_json: bool) -> None:
    """A table of the held-out figures, and the line of JSON."""
    if not as_json:
        from rich.console import Console
        from rich.table import Table

        table = Table("autoencoder", "FVU", "PCA", "L0", "dead", title="Held-out states")
        for column in table.columns[1:]:
            column.justify = "right"
        for name, one in zip(names, figures.metrics, strict=True):
            table.add_row(name, f"{one.fvu:.4f}", f"{one.fvu_pca:.4f}", f"{one.l0:.2f}", f"{one.dead_share:.3f}")
        Console().print(table)
    runs = [{"name": name, **one.model_dump()} for name, one in zip(names, figures.metrics, strict=True)]
    line = {**facts, "runs": runs, "mcc": figures.mcc, "oracles": figures.oracles}
    print(json.dumps({**line, "cpu_seconds": round(time.process_time() - started, 3)}), flush=True)
