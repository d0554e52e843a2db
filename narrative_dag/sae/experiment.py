"""The folder of a training: autoencoders, their log, held-out figures, and what they were trained on.

    sae-0/, sae-1/, ...     one checkpoint a run, in the order of the configuration
    training_log.parquet    (stage, run, step, metric, value), as the warehouse's table
    metrics.json            held-out figures of each run, MCC of every pair, other methods at equal budget
    config.json             the whole configuration, the states and their split; written last
    work/                   checkpoints of a training that is not finished

Every file is there whole or not at all, and a folder with `config.json` is finished.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from narrative_dag import durable
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.metrics import SaeMetrics
from narrative_dag.sae.splits import Split
from narrative_dag.sae.trainer_state import LogRow
from narrative_dag.tables import training_log

MANIFEST_FILE = "config.json"
METRICS_FILE = "metrics.json"
LOG_FILE = "training_log.parquet"
PAGE_FILE = "comparison.html"
PICTURE_FILE = "comparison.svg"
WORK_FOLDER = "work"
STAGE = "sae"
"""What the log's rows are called."""


class Manifest(BaseModel):
    """What a training is made from: equal manifests give equal autoencoders on the same machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: SaeConfig = Field(description="runs and schedule")
    seed: int = Field(ge=0, description="seed of the order of the states")
    split: Split = Field(description="what is held out")
    states: str = Field(description="where the states were read")
    digest: str = Field(description="sha256 of the training states and their order")
    train_rows: int = Field(description="states trained on")
    test_rows: int = Field(description="states held out")
    dimensions: int = Field(description="length of a state")
    streamed: bool = Field(description="whether the states were streamed from the file, or held in memory")
    labels: int = Field(description="labels of a state; 0: none")


class Figures(BaseModel):
    """What was measured on held-out states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: tuple[SaeMetrics, ...] = Field(description="of each run, in the order of the configuration")
    mcc: tuple[tuple[float, ...], ...] = Field(description="MCC of every pair, all features, scaled units")
    oracles: Mapping[str, tuple[tuple[float, float], ...]] = Field(description="(active, FVU) of other methods")


@dataclass(frozen=True)
class Experiment:
    """A finished training."""

    manifest: Manifest
    figures: Figures
    saes: Sequence[FoldedSae]
    log: Sequence[LogRow]

    @property
    def runs(self) -> list[RunConfig]:
        """The runs as they were trained, in order."""
        return trained_runs(self.manifest.config.runs, self.saes)

    def write(self, folder: Path, pages: Mapping[str, str]) -> None:
        """Fill a folder, `config.json` last; `pages` are texts by file name that belong to it."""
        folder.mkdir(parents=True, exist_ok=True)
        save_saes(self.saes, folder)
        table = training_log(STAGE, ((row.run, row.step, row.metric, row.value) for row in self.log))
        with durable.file(folder / LOG_FILE) as passing:
            pq.write_table(table, passing, compression="zstd")
        for name, text in pages.items():
            durable.write(folder / name, text.encode())
        durable.write(folder / METRICS_FILE, _json(self.figures))
        durable.write(folder / MANIFEST_FILE, _json(self.manifest))

    @classmethod
    def read(cls, folder: Path) -> "Experiment":
        """The experiment of a folder.

        Raises:
            SaeError: there is none, it is not finished, or a file is damaged.
        """
        manifest = read_manifest(folder)
        if manifest is None:
            raise SaeError("no finished training here", where=str(folder), hint="narrative-dag sae train --out FOLDER")
        try:
            figures = Figures.model_validate_json((folder / METRICS_FILE).read_bytes())
            rows = pq.ParquetFile(folder / LOG_FILE).read().to_pylist()
            log = [LogRow(row["step"], row["run"], row["metric"], row["value"]) for row in rows]
        except (OSError, ValueError, KeyError) as error:
            raise SaeError(f"the training's folder is damaged: {_told(error)}", where=str(folder)) from error
        saes, runs = load_saes(folder), len(manifest.config.runs)
        if not len(saes) == len(figures.metrics) == runs:
            found = f"{len(saes)} autoencoders and figures of {len(figures.metrics)} for {runs} runs"
            raise SaeError(f"the training's folder is damaged: {found}", where=str(folder))
        return cls(manifest, figures, saes, log)


def trained_runs(runs: Sequence[RunConfig], saes: Sequence[FoldedSae]) -> list[RunConfig]:
    """Runs with the learning rates that their autoencoders were trained with, where the configuration says `auto`."""
    return [run.model_copy(update={"lr": sae.metadata["lr"]}) for run, sae in zip(runs, saes, strict=True)]


def read_manifest(folder: Path) -> Manifest | None:
    """What a finished training was made from; None where there is none.

    Raises:
        SaeError: the file is damaged, or belongs to something else.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SaeError(f"not of a training: {_told(error)}", where=str(path)) from error


def save_saes(saes: Sequence[FoldedSae], folder: Path) -> None:
    """Write autoencoders as `sae-0`, `sae-1`, ... of a folder, and remove what an earlier training left after them."""
    for i, sae in enumerate(saes):
        sae.save(folder / f"sae-{i}")
    after = len(saes)
    while (place := folder / f"sae-{after}").is_dir():
        shutil.rmtree(place)
        after += 1


def load_saes(folder: Path) -> Sequence[FoldedSae]:
    """The autoencoders `sae-0`, `sae-1`, ... of a folder, in order.

    Raises:
        SaeError: there are none.
    """
    found: list[FoldedSae] = []
    while (place := folder / f"sae-{len(found)}").is_dir():
        found.append(FoldedSae.load(place))
    if not found:
        raise SaeError("no autoencoders here", where=str(folder), hint="materialize sae_checkpoint first")
    return found


def refuse_unwritable(out: Path) -> None:
    """Before long work: whether `out` can be made, with the folders above it that are missing.

    Raises:
        SaeError: what there is above it is a file, or a folder that may not be written to.
    """
    there = next(place for place in out.absolute().parents if place.exists())
    if not there.is_dir():
        raise SaeError("is no folder", where=str(there), hint="name another one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise SaeError("cannot be written to", where=str(there), hint="name another folder")


def _told(error: Exception) -> str:
    """In one line; of what pydantic found the first."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


def _json(model: BaseModel) -> bytes:
    return (json.dumps(model.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode()
