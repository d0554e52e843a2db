from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from narrative_dag.config import CycleConfig
from narrative_dag.reward.bundle import MANIFEST, RewardBundle
from narrative_dag.reward.quality import calibrate, load_calibrations
from narrative_dag.reward.verifiers import VERIFIER_VERSION, RewardError, StoryWorldVerifiers
from narrative_dag.sae.experiment import load_saes
from narrative_dag.sae.rollouts import state_matrix
from narrative_dag.stages.autoencode import sample_playthroughs, train_saes
from narrative_dag.stages.couple import couple
from narrative_dag.stages.features import tabulate
from narrative_dag.stages.play import play_storyworlds
from narrative_dag.stages.report import report
from narrative_dag.stages.reward import build_reward
from narrative_dag.stages.seeds import write_seeds
from narrative_dag.states.mixture import authored_mixture
from narrative_dag.storyworld.authors import AuthorConfig
from narrative_dag.tables import TABLES

CYCLE = "cycle-0000"


@pytest.fixture(scope="module")
def config() -> CycleConfig:
    changes = {"seeds": 24, "playthroughs": 60, "max_steps": 12, "sae_states": 1500, "mixture_states": 300}
    document = CycleConfig(author=AuthorConfig(broken_json=0.1)).model_dump() | changes
    document["sae"]["epochs"] = 8
    document["coupling"] |= {"permutations": 100, "bootstrap": 50}
    return CycleConfig.model_validate(document)


@pytest.fixture(scope="module")
def storyworlds(config: CycleConfig) -> pa.Table:
    return write_seeds(config)


@pytest.fixture(scope="module")
def rollouts(config: CycleConfig, storyworlds: pa.Table) -> pa.Table:
    return play_storyworlds(config, CYCLE, storyworlds, storyworlds.slice(0, 0), Path())[0]


@pytest.fixture(scope="module")
def saes(config: CycleConfig, rollouts: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("saes")
    result = train_saes(config, CYCLE, rollouts, out, tmp_path_factory.mktemp("work"))
    assert 0 < result.metrics["fvu"] < 1
    assert result.log.schema == TABLES["training_log"].schema
    return out


def test_what_is_typical_is_that_of_the_cycle_and_the_mixture(
    config: CycleConfig, rollouts: pa.Table, saes: Path
) -> None:
    states = state_matrix(sample_playthroughs(rollouts, config.sae_states, config.seed_of(CYCLE, "sae")))
    known = np.concatenate([states, authored_mixture(config.mixture_states, config.seed)])
    assert load_calibrations(saes) == tuple(calibrate(sae, known) for sae in load_saes(saes))


def test_only_playable_storyworlds_are_played_and_each_the_same_number_of_times(
    config: CycleConfig, storyworlds: pa.Table, rollouts: pa.Table
) -> None:
    playable = {row["storyworld_id"] for row in storyworlds.to_pylist() if row["valid"]}
    assert set(rollouts["storyworld_id"].to_pylist()) == playable
    assert set(rollouts["playthrough"].to_pylist()) == set(range(config.playthroughs))
    again, figures = play_storyworlds(config, CYCLE, storyworlds, storyworlds.slice(0, 0), Path())
    assert again.equals(rollouts)
    assert figures == {"pages": rollouts.num_rows, "storyworlds": len(playable), "collisions": 0}
    assert not play_storyworlds(config, "cycle-0001", storyworlds, storyworlds.slice(0, 0), Path())[0].equals(rollouts)


def test_a_sample_of_playthroughs_is_whole_ordered_and_within_its_size(rollouts: pa.Table) -> None:
    sample = sample_playthroughs(rollouts, 700, seed=1)
    assert 600 < len(sample) <= 700
    whole = sample_playthroughs(rollouts, 10**9, seed=1)
    keys = ["storyworld_id", "playthrough"]
    assert len(sample.join(whole, on=keys, how="inner").select(*keys, "step").unique()) == len(sample)
    chosen = whole.join(sample.select(keys).unique(), on=keys, how="semi", maintain_order="left")
    assert chosen.equals(sample)


def test_the_feature_tables_and_the_coupling_fit_their_schemas(
    config: CycleConfig, rollouts: pa.Table, saes: Path
) -> None:
    features, catalog, figures = tabulate(config, CYCLE, rollouts, saes)
    assert features.schema.equals(TABLES["features"].schema)
    assert catalog.num_rows == sum(run.architecture.k_features for run in config.sae.runs)
    assert figures["live_features"] > 0
    table, metrics = couple(config, CYCLE, rollouts, saes)
    assert table.schema.equals(TABLES["affordance_coupling"].schema)
    assert metrics["decidable"] > 0
    assert table.num_rows > 0
    assert {"u_s", "u_s_low", "u_s_high", "u_s_random", "u_s_raw", "u_s_pca"} <= set(metrics)


def test_the_reward_is_frozen_and_scores_a_text_the_same_after_loading(
    config: CycleConfig, storyworlds: pa.Table, rollouts: pa.Table, saes: Path, tmp_path: Path
) -> None:
    verdicts, result = build_reward(config, CYCLE, storyworlds, rollouts, saes, tmp_path / "reward")
    components = len(StoryWorldVerifiers.weights)
    assert verdicts.num_rows == storyworlds.num_rows * (components + 1)
    bundle = RewardBundle.load(tmp_path / "reward")
    rows = verdicts.to_pylist()
    for row in storyworlds.to_pylist():
        verdict = bundle.score(row["text"])
        stored = {r["component"]: r["score"] for r in rows if r["position"] == row["position"]}
        assert stored.pop("reward") == verdict.reward
        assert stored == {name: component.score for name, component in verdict.components.items()}
    assert result.metrics["reward"] == pytest.approx(
        sum(row["score"] for row in rows if row["component"] == "reward") / storyworlds.num_rows
    )
    bundle.save(tmp_path / "again")
    first = {p.relative_to(tmp_path / "reward"): p.read_bytes() for p in (tmp_path / "reward").rglob("*.*")}
    second = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*.*")}
    assert first == second
    manifest = tmp_path / "again" / MANIFEST
    current = f'"verifier_version": "{VERIFIER_VERSION}"'
    manifest.write_text(manifest.read_text().replace(current, '"verifier_version": "0"'))
    with pytest.raises(RewardError, match="version 0"):
        RewardBundle.load(tmp_path / "again")
    with pytest.raises(RewardError, match="no reward bundle"):
        RewardBundle.load(tmp_path)


def test_the_report_names_what_was_measured_and_leaves_out_what_was_not(config: CycleConfig) -> None:
    figures = {"sae_checkpoint": {"l0": 20.0, "fvu": 0.25}, "policy_checkpoint": {"evaluation_reward": 0.5}}
    found, page = report(config, CYCLE, figures)
    assert found == {"l0": 20.0, "fvu": 0.25, "reward": 0.5}
    assert page.startswith("# cycle-0000\n")
    assert "| fvu | 0.25 |" in page
