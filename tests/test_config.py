from pathlib import Path

import pytest

from narrative_dag.config import CycleConfig
from narrative_dag.errors import NarrativeError


def write(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text)
    return file


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    changed = CycleConfig.from_file(write(tmp_path, "seed = 11\n[rl]\nlr = 2e-5\n[rl.sampling]\nmax_tokens = 99\n"))
    default = CycleConfig()
    assert (changed.seed, changed.rl.lr, changed.rl.sampling.max_tokens) == (11, 2e-5, 99)
    assert changed.rl.epochs == default.rl.epochs
    assert changed.sae == default.sae


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("seed = ", "TOML"),
        ("sede = 3", "sede"),
        ("[rl]\nlr = -1", "rl.lr"),
        ("[policy]\nheads = 5", "policy"),
        ("[[sae.runs]]\nlr = 'fast'", "sae.runs"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_place(tmp_path: Path, text: str, named: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(NarrativeError, match=named) as caught:
        CycleConfig.from_file(file)
    assert caught.value.where == str(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NarrativeError, match="cannot be read"):
        CycleConfig.from_file(tmp_path / "none.toml")


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARRATIVE_CONFIG", str(write(tmp_path, "rollouts = 12")))
    assert CycleConfig.from_environment().rollouts == 12
    monkeypatch.delenv("NARRATIVE_CONFIG")
    assert CycleConfig.from_environment() == CycleConfig()


def test_the_fingerprint_follows_every_setting() -> None:
    default = CycleConfig()
    assert default.fingerprint() == CycleConfig().fingerprint()
    assert default.fingerprint() != CycleConfig(seed=8).fingerprint()
    other = default.model_copy(update={"rl": default.rl.model_copy(update={"beta": 0.01})})
    assert default.fingerprint() != other.fingerprint()


def test_seeds_differ_by_cycle_purpose_and_root_and_repeat() -> None:
    config = CycleConfig()
    pairs = [(f"cycle-{n:04d}", purpose) for n in range(50) for purpose in ("write", "play", "sae", "improve")]
    seeds = {config.seed_of(*pair) for pair in pairs}
    assert len(seeds) == len(pairs)
    assert config.seed_of("cycle-0001", "play") == CycleConfig().seed_of("cycle-0001", "play")
    assert config.seed_of("cycle-0001", "play") != CycleConfig(seed=8).seed_of("cycle-0001", "play")
    assert all(0 <= seed < 2**31 for seed in seeds)
