"""MLflow: one run for each (stage, cycle), registered models, and the champion.

Nothing that is stored elsewhere depends on what MLflow holds.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXPERIMENT = "narrative-dag"
CHAMPION = "champion"
SCORE = "score"
"""Tag of a model version: what the champion is chosen by, larger is better."""

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric's history."""

    metric: str
    value: float
    step: int


@dataclass(frozen=True, slots=True)
class Run:
    """An open MLflow run."""

    client: Any
    run_id: str
    stage: str
    cycle: str

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log final figures."""
        self.log_history([Point(name, value, 0) for name, value in metrics.items()])

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log the configuration, flat: nested mappings become dotted names."""
        from mlflow.entities import Param

        flat = [Param(name, str(value)[:6000]) for name, value in _flatten(params)]
        for start in range(0, len(flat), 100):
            self.client.log_batch(self.run_id, params=flat[start : start + 100])

    def log_history(self, points: list[Point]) -> None:
        """Log metric histories."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_metric_name(p.metric), p.value, now, p.step) for p in points]
        for start in range(0, len(metrics), _BATCH):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + _BATCH])

    def log_folder(self, folder: Path, name: str) -> None:
        """Copy a folder into the run's artefacts."""
        self.client.log_artifacts(self.run_id, os.fspath(folder), name)

    def register(
        self,
        model: str,
        folder: Path,
        content_hash: str,
        score: float | None = None,
        describe: Callable[[Path, Path], None] | None = None,
    ) -> str:
        """Register a folder of safetensors as the cycle's version of a model.

        The same content for the same cycle keeps the version that it has.

        Args:
            model: name of the registered model.
            folder: the artefact.
            content_hash: its content.
            score: what the champion is chosen by.
            describe: writes, for the first folder, the files that MLflow's loaders need into the second, a new one;
                they are stored beside the artefact's and are no part of its content.

        Returns:
            The version.
        """
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if (known := _version_of(self.client, model, self.cycle, content_hash)) is not None:
            return str(known.version)
        self.log_folder(folder, "model")
        if describe is not None:
            with tempfile.TemporaryDirectory() as place:
                describe(folder, Path(place) / "model")
                self.log_folder(Path(place) / "model", "model")
        tags = {"cycle": self.cycle, "content_hash": content_hash}
        if score is not None:
            tags[SCORE] = repr(score)
        made = self.client.create_model_version(
            model,
            f"runs:/{self.run_id}/model",
            run_id=self.run_id,
            tags=tags,
            description=f"{self.stage}, {self.cycle}",
        )
        return str(made.version)


def _version_of(client: Any, model: str, cycle: str, content_hash: str) -> Any | None:
    for version in client.search_model_versions(f"name = '{model}'"):
        if version.tags.get("cycle") == cycle and version.tags.get("content_hash") == content_hash:
            return version
    return None


def _flatten(params: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _metric_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)


@dataclass(frozen=True, slots=True)
class Tracking:
    """An MLflow store: SQLite and artefacts in `folder`, or the server at `uri` when that is not empty."""

    folder: Path
    uri: str = ""

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry URI."""
        return self.uri or f"sqlite:///{self.folder / 'mlflow.db'}"

    def client(self) -> Any:
        """An MLflow client on this store."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        for noisy in ("alembic", "mlflow"):
            logging.getLogger(noisy).setLevel(logging.WARNING)

        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.uri:
            self._make_store()
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def _make_store(self) -> None:
        """Make the SQLite store aside and link it: MLflow cannot use one whose making was interrupted."""
        from mlflow import MlflowClient

        store = self.folder / "mlflow.db"
        if store.exists():
            return
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".making.") as folder:
            passing = Path(folder) / store.name
            uri = f"sqlite:///{passing}"
            MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments()
            with suppress(FileExistsError):
                os.link(passing, store)

    def _experiment(self, client: Any) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = None if self.uri else (self.folder / "artifacts").as_uri()
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(client.get_experiment_by_name(EXPERIMENT).experiment_id)

    @contextmanager
    def run(self, stage: str, cycle: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """The run of a stage: FINISHED at the end, FAILED on an exception, KILLED on an interrupt.

        Runs of the same (stage, cycle) that a killed process left open are marked KILLED first.
        """
        client = self.client()
        experiment = self._experiment(client)
        unfinished = client.search_runs(
            [experiment],
            f"tags.stage = '{stage}' and tags.cycle = '{cycle}' and attributes.status = 'RUNNING'",
        )
        for left in unfinished:
            client.set_terminated(left.info.run_id, status="KILLED")
        made = client.create_run(experiment, run_name=f"{stage} {cycle}", tags={"stage": stage, "cycle": cycle, **tags})
        run = Run(client, made.info.run_id, stage, cycle)
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            client.set_terminated(run.run_id, status=status)

    def version_of(self, model: str, cycle: str, content_hash: str) -> Any | None:
        """The registered version of a model with that content for that cycle, or None."""
        return _version_of(self.client(), model, cycle, content_hash)

    def champion(self, model: str) -> Any | None:
        """The version that carries the alias `champion`, or None."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client().get_model_version_by_alias(model, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def crown(self, model: str, version: str) -> None:
        """Give a version the alias `champion`."""
        self.client().set_registered_model_alias(model, CHAMPION, version)
