"""Training states: tensors in safetensors, the rest in JSON, in a folder that appears whole or not at all."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from narrative_dag import durable
from narrative_dag.policy.errors import PolicyError

_STATE = re.compile(r"state-(\d+)")


class LogRow(NamedTuple):
    """One metric at one step."""

    step: int
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Everything that a training needs to go on: named tensors, and values that JSON holds exactly."""

    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]


def save_state(workdir: Path, state: TrainingState) -> None:
    """Replace the state in a work folder.

    The state goes to `state-<n>` with the next free number and older ones are removed after it is there: at no moment
    is the folder without a whole state. One process writes at a time.
    """
    folders = _states(workdir)
    number = max(folders, default=0) + 1
    with durable.folder(workdir / f"state-{number}") as temporary:
        tensors = {name: t.detach().cpu().contiguous() for name, t in sorted(state.tensors.items())}
        save_file(tensors, str(temporary / "tensors.safetensors"))
        (temporary / "values.json").write_text(json.dumps(state.values, sort_keys=True), encoding="utf-8")
    for folder in (*folders.values(), *workdir.glob(".state-*")):
        shutil.rmtree(folder, ignore_errors=True)


def load_state(workdir: Path, identity: str) -> TrainingState | None:
    """The newest state in a work folder, None when there is none.

    Args:
        workdir: the work folder.
        identity: what the training is (inputs, configuration, seed); `values["identity"]` must equal it.

    Raises:
        PolicyError: the state is damaged, or belongs to another training.
    """
    folders = _states(workdir)
    if not folders:
        return None
    folder = folders[max(folders)]
    try:
        values = json.loads((folder / "values.json").read_text(encoding="utf-8"))
        tensors = load_file(str(folder / "tensors.safetensors"))
    except (OSError, ValueError, SafetensorError) as error:
        raise PolicyError(f"damaged checkpoint: {error}", where=str(folder), hint="delete the folder") from error
    if values.get("identity") != identity:
        raise PolicyError(
            "the checkpoint belongs to a training with other inputs, configuration or seed",
            where=str(folder),
            hint="delete the folder or use another work folder",
        )
    return TrainingState(tensors, values)


def prefixed(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors under `prefix/`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors that were stored under `prefix/`."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The tensors of an optimizer's state, by parameter position and name; hyperparameters are the caller's."""
    return {
        f"{position}/{name}": tensor
        for position, parameter in enumerate(_parameters(optimizer))
        for name, tensor in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` gave, for an optimizer over the same parameters."""
    parameters = _parameters(optimizer)
    optimizer.state.clear()
    for key, tensor in tensors.items():
        position, name = key.split("/", 1)
        parameter = parameters[int(position)]
        # AdamW keeps its step counters on the CPU
        device = torch.device("cpu") if name == "step" else parameter.device
        optimizer.state[parameter][name] = tensor.clone().to(device)


def _states(workdir: Path) -> dict[int, Path]:
    """The states in a work folder by number; their names appear when they are whole."""
    if not workdir.is_dir():
        return {}
    named = ((_STATE.fullmatch(path.name), path) for path in workdir.iterdir() if path.is_dir())
    return {int(match[1]): path for match, path in named if match}


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
