"""Artefacts: a folder for each (asset, cycle), published whole, and checkpoints of unfinished work."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from narrative_dag import durable
from narrative_dag.errors import NarrativeError
from resources.hashing import hash_folder
from resources.locks import hold

_FINGERPRINT = "fingerprint"


class ArtifactError(NarrativeError):
    """An artefact that does not exist."""


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Finished artefacts in `folder`, unfinished work in `work`."""

    folder: Path
    work: Path

    def has(self, asset: str, cycle: str) -> bool:
        """Whether that artefact is published."""
        return (self.folder / asset / cycle).is_dir()

    def path(self, asset: str, cycle: str) -> Path:
        """The folder of an artefact.

        Raises:
            ArtifactError: it is not published.
        """
        if not self.has(asset, cycle):
            raise ArtifactError("no such artefact", where=f"{asset}, {cycle}", hint="materialize it first")
        return self.folder / asset / cycle

    def content_hash(self, asset: str, cycle: str) -> str:
        """sha256 over relative paths and bytes.

        Raises:
            ArtifactError: it is not published.
        """
        return hash_folder(self.path(asset, cycle))

    def size(self, asset: str, cycle: str) -> int:
        """Bytes of all its files.

        Raises:
            ArtifactError: it is not published.
        """
        return sum(file.stat().st_size for file in self.path(asset, cycle).rglob("*") if file.is_file())

    @contextmanager
    def claim(self, asset: str, cycle: str, holder: str) -> Iterator[None]:
        """Be the only writer of an artefact and its checkpoints; what a killed writer left is removed.

        Args:
            asset: the asset.
            cycle: the partition's key.
            holder: what other writers are told.

        Raises:
            HeldError: another writer, in any process, has the claim.
        """
        with hold(self.work / asset / f"{cycle}.lock", holder):
            for left in (self.folder / asset).glob(f".{cycle}.*"):
                shutil.rmtree(left)
            yield

    @contextmanager
    def publish(self, asset: str, cycle: str) -> Iterator[Path]:
        """A new folder to fill; at the end it takes its place, flushed and renamed.

        The caller has the claim. An exception leaves the published artefact as it was. A reader never sees half a
        folder; where an artefact is replaced, a kill between two renames leaves none, and the stage is then unfinished.
        """
        with durable.folder(self.folder / asset / cycle) as passing:
            yield passing

    def working_folder(self, asset: str, cycle: str, fingerprint: str) -> Path:
        """Where a stage keeps its checkpoints; what other inputs left there is removed first.

        Args:
            asset: the asset.
            cycle: the partition's key.
            fingerprint: hash of everything that the stage is made from.
        """
        place = self.work / asset / cycle
        mark = place / _FINGERPRINT
        if not mark.is_file() or mark.read_text() != fingerprint:
            shutil.rmtree(place, ignore_errors=True)
            (place / "checkpoints").mkdir(parents=True)
            durable.write(mark, fingerprint.encode())
        return place / "checkpoints"

    def discard_work(self, asset: str, cycle: str) -> None:
        """Remove the checkpoints of a finished stage."""
        shutil.rmtree(self.work / asset / cycle, ignore_errors=True)
