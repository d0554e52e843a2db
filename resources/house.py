"""The house: the stores under one home, and the frame that every stage runs in."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from narrative_dag import __version__
from narrative_dag.config import CycleConfig
from narrative_dag.home import Home, worlds_folder
from narrative_dag.partitions import bootstrap_key, parents_of
from narrative_dag.progress import Progress
from resources.artifacts import Artifacts
from resources.catalog import Catalog, CatalogError
from resources.compute import Compute
from resources.hashing import hash_folder, hash_json
from resources.lineage import Entry, Lineage, Parent
from resources.locks import HeldError
from resources.sae_model import describe_saes
from resources.stage import Stage
from resources.tracking import Run, Tracking
from resources.warehouse import Warehouse

MODELS: Mapping[str, str] = {
    "sae_checkpoint": "narrative-sae",
    "reward_model": "narrative-reward",
    "policy_checkpoint": "narrative-policy",
}
"""Registered model of each asset that makes one."""

DESCRIBED: Mapping[str, Callable[[Path, Path], None]] = {"sae_checkpoint": describe_saes}
"""What writes the files that make a registered model loadable by MLflow, for the assets that have it."""

SCORED_BY = "comparable_reward"
"""Metric that the champion is chosen by."""

COPIED: Mapping[str, str] = {"base_policy": "model", "cycle_report": "report"}
"""Assets, beside the registered models, whose artefact MLflow keeps a copy of, and what it is called there."""


class House(dg.ConfigurableResource[None]):
    """Where tables, models and runs are kept, and where stages run."""

    home: str = Field(default="", description="folder of the stores; empty: NARRATIVE_HOME, else .narrative")
    mlflow_uri: str = Field(
        default="", description="MLflow server; empty: MLFLOW_TRACKING_URI, else a SQLite store in the home"
    )
    compute: Compute = Field(description="where heavy stages run")

    @property
    def place(self) -> Home:
        """The folders."""
        return Home.at(self.home or None)

    @property
    def warehouse(self) -> Warehouse:
        """The tables."""
        return Warehouse(self.place.warehouse)

    @property
    def catalog(self) -> Catalog:
        """The DuckDB views."""
        return Catalog(self.place.warehouse, self.place.catalog)

    @property
    def artifacts(self) -> Artifacts:
        """The models."""
        return Artifacts(self.place.artifacts, self.place.work)

    @property
    def lineage(self) -> Lineage:
        """What is finished, and what it was made from."""
        return Lineage(self.warehouse)

    @property
    def tracking(self) -> Tracking:
        """MLflow."""
        return Tracking(self.place.mlflow, self.mlflow_uri or os.environ.get("MLFLOW_TRACKING_URI", ""))

    def missing_parents(self, asset: str, cycle: str) -> list[str]:
        """What has to be materialized before: asset and key in words."""
        return [f"{a} of {c}" for a, c in parents_of(asset, cycle) if self.lineage.find(a, c) is None]

    def fingerprint(self, asset: str, cycle: str, config: CycleConfig) -> str:
        """Hash of everything that a materialization is made from; parents that are missing count as such."""
        entries = [(a, c, self.lineage.find(a, c)) for a, c in parents_of(asset, cycle)]
        inputs: dict[str, Any] = {
            "asset": asset,
            "cycle": cycle,
            "code": __version__,
            "config": config.model_dump(mode="json"),
            "parents": [[a, c, entry.content_hash if entry else None] for a, c, entry in entries],
        }
        if asset == "imported_storyworlds":
            folder = worlds_folder()
            inputs["folder"] = None if folder is None else hash_folder(folder)
        return hash_json(inputs)

    def finished(self, asset: str, cycle: str, config: CycleConfig) -> bool:
        """Whether it is materialized from exactly these inputs."""
        entry = self.lineage.find(asset, cycle)
        return entry is not None and entry.fingerprint == self.fingerprint(asset, cycle, config)

    @contextmanager
    def stage(self, context: dg.AssetExecutionContext, progress: Progress) -> Iterator[Stage]:
        """The frame of one materialization: parents are checked before, everything is stored after.

        What the body hands over is stored when it ends, the lineage row last; an exception leaves the materialization
        that was there before. A kill at any moment leaves either that, the new one, or an unfinished one.

        Raises:
            dagster.Failure: a parent is missing, or another run is at the same materialization.
        """
        asset = context.asset_key.path[-1]
        cycle = context.partition_key if context.has_partition_key else bootstrap_key(asset)
        if missing := self.missing_parents(asset, cycle):
            raise dg.Failure(
                f"{asset} of {cycle} needs {' and '.join(missing)}: materialize that first", allow_retries=False
            )
        with self._claimed(asset, cycle, context.run_id):
            what = f"{asset} of {cycle}"
            progress(what, 0, 1)
            config = CycleConfig.from_environment()
            started = time.monotonic()
            parents = self._parents(asset, cycle)
            fingerprint = self.fingerprint(asset, cycle, config)
            tags = {"dagster_run": context.run_id, "asset": asset, "partition": cycle, "fingerprint": fingerprint}
            with self.tracking.run(asset, cycle, tags) as run:
                with ExitStack() as publishing:
                    stage = Stage(
                        warehouse=self.warehouse,
                        artifacts=self.artifacts,
                        lineage=self.lineage,
                        asset=asset,
                        cycle=cycle,
                        config=config,
                        fingerprint=fingerprint,
                        parents=parents,
                        progress=progress,
                        publishing=publishing,
                    )
                    yield stage
                    self.lineage.forget(asset, cycle)
                rows, size, content_hash = stage.store()
                self._track(run, stage, content_hash)
                stage.entry = Entry(
                    asset=asset,
                    cycle=cycle,
                    content_hash=content_hash,
                    fingerprint=fingerprint,
                    parents=parents,
                    code_version=__version__,
                    dagster_run=context.run_id,
                    mlflow_run=run.run_id,
                    rows=rows,
                    bytes=size,
                    seconds=time.monotonic() - started,
                    metrics=stage.metrics,
                )
                self.lineage.record(stage.entry)
            self.artifacts.discard_work(asset, cycle)
            try:
                self.catalog.rebuild()
            except CatalogError as error:
                context.log.warning(f"the catalog file is not renewed: {error}")
            progress(what, 1, 1)

    @contextmanager
    def _claimed(self, asset: str, cycle: str, run: str) -> Iterator[None]:
        with ExitStack() as held:
            try:
                held.enter_context(self.artifacts.claim(asset, cycle, f"run {run}"))
            except HeldError as error:
                raise dg.Failure(
                    f"{asset} of {cycle} is {error.message}: wait until that has ended", allow_retries=False
                ) from error
            yield

    def _parents(self, asset: str, cycle: str) -> tuple[Parent, ...]:
        entries = [self.lineage.find(a, c) for a, c in parents_of(asset, cycle)]
        return tuple(Parent(e.asset, e.cycle, e.content_hash) for e in entries if e is not None)

    def _track(self, run: Run, stage: Stage, content_hash: str) -> None:
        run.log_params({"config": stage.config.model_dump(mode="json")})
        run.log_metrics({name: value for name, value in stage.metrics.items() if math.isfinite(value)})
        run.log_history(stage.history())
        if stage.asset in MODELS:
            folder = self.artifacts.path(stage.asset, stage.cycle)
            describe = DESCRIBED.get(stage.asset)
            run.register(MODELS[stage.asset], folder, content_hash, stage.metrics.get(SCORED_BY), describe)
        elif stage.asset in COPIED:
            run.log_folder(self.artifacts.path(stage.asset, stage.cycle), COPIED[stage.asset])
