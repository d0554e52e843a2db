"""The trainer's resumable state: one safetensors file, its JSON in the header, never a pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_tensors

from narrative_dag import durable
from narrative_dag.sae.errors import SaeError

STATE_FILE = "trainer.safetensors"


class LogRow(NamedTuple):
    """A row for the table `training_log`: optimiser step, the run's name, metric, value."""

    step: int
    run: str
    metric: str
    value: float


@dataclass(frozen=True)
class TrainerState:
    """Everything that the rest of a training depends on after `step` steps.

    `fingerprint` identifies configuration and data; tensors are parameters, Adam's moments, firing marks and sums;
    `falls_from` is the schedule's, `best` has each run's lowest loss and the step of it.
    """

    step: int
    fingerprint: str
    log: list[LogRow]
    tensors: Mapping[str, npt.NDArray[Any]]
    falls_from: int
    best: list[tuple[float, int]]

    def save(self, folder: Path) -> None:
        """Replaces the folder's state atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        header = {"step": self.step, "fingerprint": self.fingerprint, "log": self.log}
        header |= {"falls_from": self.falls_from, "best": self.best}
        # one metadata key only: safetensors writes several in no fixed order
        content = save_tensors(
            {name: np.ascontiguousarray(value) for name, value in self.tensors.items()},
            metadata={"trainer": json.dumps(header, sort_keys=True)},
        )
        durable.write(folder / STATE_FILE, content)

    @classmethod
    def load(cls, folder: Path, fingerprint: str) -> "TrainerState | None":
        """The folder's state; None when there is none yet.

        Raises:
            SaeError: the file is damaged, or belongs to another configuration or other data.
        """
        path = folder / STATE_FILE
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {})["trainer"])
                # an open file is no mapping: it has keys, but cannot be iterated
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - see above
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise SaeError(
                f"damaged trainer state: {error}", where=str(path), hint="delete it to start over"
            ) from error
        if header["fingerprint"] != fingerprint:
            raise SaeError(
                "the trainer state belongs to another configuration or other states",
                where=str(path),
                hint="use another checkpoint folder, or delete it to start over",
            )
        log = [LogRow(*row) for row in header["log"]]
        best = [(float(loss), int(step)) for loss, step in header["best"]]
        return cls(header["step"], fingerprint, log, tensors, header["falls_from"], best)
