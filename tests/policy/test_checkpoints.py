import os
import shutil
from pathlib import Path

import pytest
import torch

from narrative_dag.policy.checkpoints import TrainingState, load_state, save_state
from narrative_dag.policy.errors import PolicyError


def _state(step: int) -> TrainingState:
    return TrainingState({"w": torch.full((3,), float(step))}, {"identity": "run", "step": step, "loss": 0.1})


def _step(workdir: Path) -> int:
    state = load_state(workdir, "run")
    assert state is not None
    assert state.tensors["w"].tolist() == [state.values["step"]] * 3
    return int(state.values["step"])


class PowerCutError(BaseException):
    """The process ends here."""


def test_the_newest_state_is_loaded_and_the_only_one_kept(tmp_path: Path) -> None:
    assert load_state(tmp_path / "none", "run") is None
    assert load_state(tmp_path, "run") is None
    for step in range(1, 12):
        save_state(tmp_path, _state(step))
        assert _step(tmp_path) == step
        assert [path.name for path in tmp_path.iterdir()] == [f"state-{step}"]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_crash_while_saving_leaves_a_whole_state(
    replaced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state(tmp_path, _state(1))
    rename = Path.rename

    def cut(path: Path, target: Path) -> Path:
        if replaced:
            rename(path, target)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        # nothing is cleaned up after a power cut
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(PowerCutError):
            save_state(tmp_path, _state(2))
    assert len(list(tmp_path.iterdir())) == 2
    assert _step(tmp_path) == (2 if replaced else 1)
    save_state(tmp_path, _state(3))
    assert _step(tmp_path) == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_a_crash_while_removing_older_states_leaves_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path, _state(1))

    def cut(path: Path, **_: object) -> None:
        if path == tmp_path / "state-1":
            os.remove(path / "values.json")
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", cut)
        with pytest.raises(PowerCutError):
            save_state(tmp_path, _state(2))
    assert (tmp_path / "state-1").is_dir()
    assert _step(tmp_path) == 2


def test_damaged_and_foreign_states_are_refused(tmp_path: Path) -> None:
    save_state(tmp_path, _state(1))
    with pytest.raises(PolicyError, match="other inputs"):
        load_state(tmp_path, "another run")
    (tmp_path / "state-1" / "values.json").write_text("{")
    with pytest.raises(PolicyError, match="damaged"):
        load_state(tmp_path, "run")
