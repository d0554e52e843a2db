"""Where everything is kept: one folder with the warehouse, the artefacts, MLflow's and Dagster's stores."""

import os
from dataclasses import dataclass
from pathlib import Path

from narrative_dag import durable
from narrative_dag.errors import NarrativeError

HOME_VARIABLE = "NARRATIVE_HOME"
WORLDS_VARIABLE = "NARRATIVE_WORLDS"
INSTANCE_CONFIG = Path(__file__).parents[1] / "dagster.yaml"
"""The repository's Dagster instance configuration."""

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
"""Where a webserver finds the code location."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of the stores; `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, folder: str | Path | None = None) -> "Home":
        """The given folder, else `NARRATIVE_HOME`, else `.narrative` in the working directory.

        Raises:
            NarrativeError: the place is a file.
        """
        root = Path(folder or os.environ.get(HOME_VARIABLE) or ".narrative").expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise NarrativeError("not a folder", where=str(root), hint=f"set {HOME_VARIABLE} to a folder")
        return cls(root)

    @property
    def warehouse(self) -> Path:
        """Parquet: `<table>/cycle=<key>/part-*.parquet`."""
        return self.root / "warehouse"

    @property
    def catalog(self) -> Path:
        """DuckDB file of views over the warehouse."""
        return self.root / "catalog.duckdb"

    @property
    def artifacts(self) -> Path:
        """Models: `<asset>/<cycle>/`."""
        return self.root / "artifacts"

    @property
    def work(self) -> Path:
        """Checkpoints of unfinished stages: `<asset>/<cycle>/`."""
        return self.root / "work"

    @property
    def mlflow(self) -> Path:
        """MLflow's SQLite store and artefacts."""
        return self.root / "mlflow"

    @property
    def dagster(self) -> Path:
        """`DAGSTER_HOME`."""
        return self.root / "dagster"

    def prepare_dagster(self) -> Path:
        """Make `DAGSTER_HOME` with the repository's `dagster.yaml` in it, replacing an older copy.

        Raises:
            NarrativeError: the package was installed without its repository.
        """
        if not INSTANCE_CONFIG.is_file():
            raise NarrativeError(
                "Dagster's instance configuration is missing",
                where=str(INSTANCE_CONFIG),
                hint="install from a checkout: pip install -e .",
            )
        self.dagster.mkdir(parents=True, exist_ok=True)
        target = self.dagster / "dagster.yaml"
        if not target.is_file() or target.read_bytes() != INSTANCE_CONFIG.read_bytes():
            durable.write(target, INSTANCE_CONFIG.read_bytes())
        return self.dagster


def worlds_folder() -> Path | None:
    """The folder of SweepWeave files to import, from `NARRATIVE_WORLDS`; None when unset.

    Raises:
        NarrativeError: it is set to something that is no folder.
    """
    named = os.environ.get(WORLDS_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().absolute()
    if not folder.is_dir():
        raise NarrativeError("no such folder", where=f"{WORLDS_VARIABLE}={named}", hint="unset it, or name a folder")
    return folder
