"""Trainings on Parquet files of states: one into a folder, evaluation of finished ones, several side by side."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from narrative_dag.progress import Progress, silent
from narrative_dag.report.sae_comparison import (
    ComparedRun,
    Comparison,
    compared_runs,
    pca_points,
    settings_of,
    shared_settings,
)
from narrative_dag.report.sae_page import comparison_page
from narrative_dag.sae.architecture import Array
from narrative_dag.sae.config import SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.experiment import (
    PAGE_FILE,
    WORK_FOLDER,
    Experiment,
    Figures,
    Manifest,
    read_manifest,
    refuse_unwritable,
)
from narrative_dag.sae.folded import CONFIG_FILE, FoldedSae
from narrative_dag.sae.labels import OptionSlots
from narrative_dag.sae.metrics import SaeMetrics, evaluate_blocks
from narrative_dag.sae.oracles import KMEANS_ROWS, kmeans_unexplained
from narrative_dag.sae.parquet_states import ParquetStates
from narrative_dag.sae.sources import InMemory, StateSource
from narrative_dag.sae.splits import Split
from narrative_dag.sae.stability import mcc_matrix

MEMORY_BYTES = 1 << 29
"""States that take up to so much are held in memory, unless told otherwise."""

KMEANS = "k-means"
"""Its name among the other methods."""

_KMEANS_POINTS = 3


class Candidate(NamedTuple):
    """A trained autoencoder: its name, the split it was trained with where that is known, and its weights."""

    name: str
    split: Split | None
    sae: FoldedSae


def train_folder(
    states: Path,
    out: Path,
    config: SaeConfig,
    split: Split,
    seed: int,
    *,
    streamed: bool | None = None,
    labels: bool = False,
    kmeans: bool = False,
    progress: Progress = silent,
) -> Experiment:
    """Train every run in one pass over the training part of a file's states, and fill a folder with the result.

    A training that was cut off goes on from its last checkpoint; one that is finished is read back.

    Args:
        states: as for `ParquetRows`: a file, a folder, a pattern.
        out: the folder, see `narrative_dag.sae.experiment`.
        config: runs and schedule.
        split: what is held out.
        seed: of the order of states.
        streamed: read the file in every epoch, in bounded memory; None: when it exceeds `MEMORY_BYTES`.
        labels: train architectures with a head on the options that can be chosen, as `narrative_dag.sae.labels` says.
        kmeans: also measure residual k-means at the runs' budgets.
        progress: called as the work goes on.

    Raises:
        SaeError: the folder holds something else, or the states do not fit.
    """
    _refuse_other(out)
    read = ParquetStates(
        states,
        split=split,
        labels=OptionSlots() if labels else None,
        progress=lambda done, total: progress("read states", done, total),
    )
    rest = read.held_out()
    if not read.moments().deviation.any():
        raise SaeError("the states do not vary: there is nothing to explain", where=str(states))
    if streamed is None:
        streamed = read.rows * read.d * 4 > MEMORY_BYTES
    source: StateSource = read if streamed else InMemory(*read.probe(read.rows, seed))
    manifest = Manifest(
        config=config,
        seed=seed,
        split=split,
        states=str(states),
        digest=source.digest(),
        train_rows=read.rows,
        test_rows=rest.rows,
        dimensions=read.d,
        streamed=streamed,
        labels=read.label_width,
    )
    if (finished := read_manifest(out)) is not None:
        if finished != manifest.model_copy(update={"states": finished.states}):
            raise SaeError(f"{_difference(finished, manifest)} is not the same", where=str(out), hint="another --out")
        shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)
        experiment = Experiment.read(out)
        if kmeans and KMEANS not in experiment.figures.oracles:
            hint = "narrative-dag sae evaluate --kmeans measures it"
            raise SaeError("the training was finished without k-means", where=str(out), hint=hint)
        return experiment
    experiment = _trained(source, read, rest, manifest, out / WORK_FOLDER, kmeans, progress)
    experiment.write(out, {PAGE_FILE: comparison_page(comparison_of(experiment))})
    shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)
    return experiment


def comparison_of(experiment: Experiment) -> Comparison:
    """What the page of one training shows."""
    manifest, figures = experiment.manifest, experiment.figures
    facts = {
        "states": manifest.states,
        "dimensions": manifest.dimensions,
        "training states": manifest.train_rows,
        "held-out states": manifest.test_rows,
        "held out": _told(manifest.split),
        "seed": manifest.seed,
        **shared_settings(manifest.config),
    }
    runs = compared_runs(experiment.runs, figures.metrics, experiment.log)
    return Comparison("Autoencoders of states", facts, runs, figures.mcc, figures.oracles)


def candidates(folder: Path) -> list[Candidate]:
    """The autoencoders of a training's folder, or the one of a checkpoint's.

    Raises:
        SaeError: the folder is neither.
    """
    if (folder / CONFIG_FILE).is_file():
        manifest = read_manifest(folder.parent)
        return [Candidate(folder.name, manifest.split if manifest else None, FoldedSae.load(folder))]
    return _candidates(Experiment.read(folder))


def evaluate_on(
    states: Path, compared: Sequence[Candidate], every: bool, kmeans: bool = False, progress: Progress = silent
) -> Figures:
    """Figures of autoencoders on the rows of a file that all of them were kept from; with `every` on all rows.

    Raises:
        SaeError: they were trained with different splits, or with one that is not known, and `every` is not set; or
            they do not read states of the file's length.
    """
    split = None if every else compared[0].split
    if not every:
        for one in compared:
            if one.split is None or one.split != split:
                what = "its split is not known" if one.split is None else f"its split is not {compared[0].name}'s"
                raise SaeError(what, where=one.name, hint="--all evaluates on all rows")
    read = ParquetStates(states, split=split, progress=lambda done, total: progress("read states", done, total))
    for one in compared:
        if one.sae.d != read.d:
            raise SaeError(f"the states have length {read.d}, {one.name} reads {one.sae.d}", where=str(states))
    rest = read if split is None else read.held_out()
    return _figures([one.sae for one in compared], read, rest, kmeans, progress)


def compare_folders(
    folders: Sequence[Path], states: Path, every: bool, kmeans: bool = False, progress: Progress = silent
) -> tuple[Comparison, Figures]:
    """Finished trainings side by side, measured anew on the same rows.

    Raises:
        SaeError: a folder is no finished training, or given twice; see `evaluate_on`.
    """
    prefixes = _prefixes(folders)
    experiments = [Experiment.read(folder) for folder in folders]
    found = [
        one._replace(name=prefix + one.name)
        for prefix, experiment in zip(prefixes, experiments, strict=True)
        for one in _candidates(experiment)
    ]
    figures = evaluate_on(states, found, every, kmeans, progress)
    metrics = iter(figures.metrics)
    runs: list[ComparedRun] = []
    for prefix, experiment in zip(prefixes, experiments, strict=True):
        configs = experiment.runs
        own = compared_runs(configs, [next(metrics) for _ in configs], experiment.log)
        shared = shared_settings(experiment.manifest.config)
        runs += [
            run._replace(name=prefix + run.name, settings={**settings_of(config), **shared})
            for run, config in zip(own, configs, strict=True)
        ]
    facts = {
        "states": str(states),
        "evaluated on": "all rows" if every else f"held out: {_told(experiments[0].manifest.split)}",
        "rows": figures.metrics[0].rows,
    }
    return Comparison("Autoencoders of states", facts, runs, figures.mcc, figures.oracles), figures


def _candidates(experiment: Experiment) -> list[Candidate]:
    split = experiment.manifest.split
    return [Candidate(run.name, split, sae) for run, sae in zip(experiment.runs, experiment.saes, strict=True)]


def _prefixes(folders: Sequence[Path]) -> list[str]:
    """What tells trainings apart before their runs' names: the folder's name, the path as given where two share one."""
    places = [folder.resolve() for folder in folders]
    if len(set(places)) < len(places):
        raise SaeError("given twice", where=next(str(one) for i, one in enumerate(folders) if places[i] in places[:i]))
    if len(folders) == 1:
        return [""]
    names = [place.name for place in places]
    return [f"{name}/" for name in (names if len(set(names)) == len(names) else folders)]


def _trained(
    source: StateSource,
    read: ParquetStates,
    rest: ParquetStates,
    manifest: Manifest,
    work: Path,
    kmeans: bool,
    progress: Progress,
) -> Experiment:
    from narrative_dag.sae.trainer import train

    what = f"train {len(manifest.config.runs)} autoencoders"
    training = train(
        source,
        manifest.config,
        manifest.seed,
        checkpoint_dir=work,
        progress=lambda done, total: progress(what, done, total),
    )
    figures = _figures(training.saes, read, rest, kmeans, progress)
    return Experiment(manifest, figures, training.saes, training.log)


def _figures(
    saes: Sequence[FoldedSae], read: ParquetStates, rest: ParquetStates, kmeans: bool, progress: Progress
) -> Figures:
    total = read.rows + rest.rows
    evaluations = evaluate_blocks(
        saes, _told_blocks(read, 0, total, progress), _told_blocks(rest, read.rows, total, progress)
    )
    metrics = [evaluation.metrics for evaluation in evaluations]
    mcc = mcc_matrix(saes, read.moments().units)
    oracles = {"PCA": tuple(pca_points(metrics))}
    if kmeans:
        oracles[KMEANS] = tuple(_kmeans_points(saes, metrics, read, rest))
    return Figures(metrics=tuple(metrics), mcc=tuple(tuple(row) for row in mcc.tolist()), oracles=oracles)


def _told_blocks(source: ParquetStates, before: int, total: int, progress: Progress) -> Iterator[Array]:
    done = before
    for block in source.epoch(0, 0):
        yield block.states
        done += len(block.states)
        progress("evaluate", done, total)


def _kmeans_points(
    saes: Sequence[FoldedSae], metrics: Sequence[SaeMetrics], read: ParquetStates, rest: ParquetStates
) -> list[tuple[float, float]]:
    """Residual k-means at the smallest, the middle and the largest L0, with as many centroids as there are features.

    An L0 for which a stage would have more centroids than there are training states is left out.
    """
    features = max(sae.k for sae in saes)
    train, test = (source.probe(KMEANS_ROWS, 0).states for source in (read, rest))
    wanted = {max(1, round(one.l0)) for one in metrics}
    budgets = sorted(budget for budget in wanted if -(-features // budget) <= len(train))
    places = np.linspace(0, len(budgets) - 1, min(_KMEANS_POINTS, len(budgets))).round().astype(int)
    return [(float(budgets[i]), kmeans_unexplained(train, test, features, budgets[i], seed=0)) for i in places.tolist()]


def _refuse_other(out: Path) -> None:
    refuse_unwritable(out)
    if out.exists() and not out.is_dir():
        raise SaeError("is no folder", where=str(out), hint="name a new folder")
    ours = read_manifest(out) is not None or (out / WORK_FOLDER).is_dir()
    if out.is_dir() and not ours and any(out.iterdir()):
        raise SaeError("holds something else than a training", where=str(out), hint="name a new folder")


def _difference(one: Manifest, other: Manifest) -> str:
    first, second = one.model_dump(), other.model_dump()
    return f"the finished training's {next(name for name in first if first[name] != second[name] and name != 'states')}"


def _told(split: Split) -> str:
    return f"{split.share:.6g} of the {'rows' if split.by == 'row' else split.by + 's'}, seed {split.seed}"
