import numpy as np
import pytest
import torch

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.registry import build
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.synthetic import recovered, synthetic_states
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import _Trainer, learning_rate_factor, normalization, train
from narrative_dag.sae.trainer_state import STATE_FILE

torch.set_num_threads(1)

RUNS = (
    RunConfig(architecture=TopKConfig(k_features=24, k=4), lr=1e-2, seed=0),
    RunConfig(architecture=StandardConfig(k_features=16, l1=0.01), lr=3e-3, seed=1),
)
SMALL = SaeConfig(runs=RUNS, epochs=6, batch_size=50, checkpoint_every=0.09, dead_window=0.1, device="cpu")


@pytest.fixture(scope="module")
def states():
    rng = np.random.default_rng(5)
    synthetic = synthetic_states(370, 12, 20, 3, seed=1, noise=0.05, offset=1.0).states
    return (synthetic * rng.uniform(0.1, 10, 12)).astype(np.float32)


def arrays(training):
    return [(sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec) for sae in training.saes]


def assert_same(first, second):
    for one, other in zip(arrays(first), arrays(second), strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.tobytes() == b.tobytes()
    assert first.log == second.log


def test_one_seed_gives_one_result_and_another_seed_another(states):
    first = train(states, SMALL, seed=3)
    assert_same(first, train(states, SMALL, seed=3))
    assert not np.array_equal(first.saes[0].W_enc, train(states, SMALL, seed=4).saes[0].W_enc)


def test_runs_trained_together_are_what_they_are_alone(states):
    together = train(states, SMALL, seed=3)
    for i, run in enumerate(RUNS):
        alone = train(states, SMALL.model_copy(update={"runs": (run,)}), seed=3)
        np.testing.assert_array_equal(alone.saes[0].W_dec, together.saes[i].W_dec)


# 7 batches an epoch, 42 steps: inside the first epoch, at an epoch's end, inside the decay
@pytest.mark.parametrize("killed_at", [3, 5, 21, 40])
def test_a_killed_training_resumes_to_the_same_bits(states, tmp_path, killed_at):
    class KilledError(Exception):
        pass

    def kill(done, total):
        assert total == 42
        if done == killed_at:
            raise KilledError

    reference = train(states, SMALL, seed=3)
    with pytest.raises(KilledError):
        train(states, SMALL, seed=3, checkpoint_dir=tmp_path, progress=kill)
    seen = []
    resumed = train(states, SMALL, seed=3, checkpoint_dir=tmp_path, progress=lambda done, total: seen.append(done))
    assert_same(reference, resumed)
    # checkpoints come every 4 steps: the work before the last one is not done again
    assert seen[0] == killed_at // 4 * 4 + 1
    assert_same(reference, train(states, SMALL, seed=3, checkpoint_dir=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


def test_a_saved_state_of_something_else_is_refused(states, tmp_path):
    train(states, SMALL, seed=3, checkpoint_dir=tmp_path)
    with pytest.raises(SaeError, match="another configuration"):
        train(states, SMALL, seed=4, checkpoint_dir=tmp_path)
    with pytest.raises(SaeError, match="another configuration"):
        train(states + 1, SMALL, seed=3, checkpoint_dir=tmp_path)
    content = (tmp_path / STATE_FILE).read_bytes()
    (tmp_path / STATE_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(SaeError, match="damaged"):
        train(states, SMALL, seed=3, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("index", [0, 1])
def test_folding_changes_nothing_but_the_input(states, index):
    """Raw states through the folded weights = normalised states through the trained ones, unscaled again."""
    trainer = _Trainer(states, SMALL, seed=3)
    with torch.no_grad():
        while trainer.step < trainer.steps:
            trainer.advance()
    run, sae = trainer.runs[index], trainer.folded()[index]
    weights = {name: value.numpy().astype(np.float64) for name, value in run.parameters.items()}
    mean, scale = normalization(states, SMALL.scale_floor)
    pre = (states - mean) / scale @ weights["W_enc"] + weights["b_enc"]
    codes = build(run.config.architecture).infer(pre, {})
    # where the k-th and the next pre-activation all but tie, float32 may choose the other
    order = np.sort(pre, axis=1)
    clear = order[:, -4] - order[:, -5] > 1e-4
    assert clear.mean() > 0.98
    np.testing.assert_allclose(sae.encode(states)[clear], codes[clear], atol=2e-5)
    unfolded = (codes @ weights["W_dec"] + weights["b_dec"]) * scale + mean
    np.testing.assert_allclose(sae.decode(sae.encode(states))[clear], unfolded[clear], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(sae.W_dec / scale, axis=1), 1, atol=1e-5)


def test_constant_dimensions_are_reconstructed_exactly(states):
    constant = np.concatenate([states, np.full((len(states), 2), 7.0, dtype=np.float32)], axis=1)
    sae = train(constant, SMALL, seed=0).saes[0]
    np.testing.assert_allclose(sae.decode(sae.encode(constant))[:, -2:], 7.0, atol=0.05)


def test_normalization_does_not_blow_up_an_almost_constant_dimension():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(1000, 4)) * [1, 1, 1, 1e-6] + [0, 5, 0, 2]
    mean, scale = normalization(states, 0.02)
    np.testing.assert_allclose(mean, [0, 5, 0, 2], atol=0.1)
    np.testing.assert_allclose(scale, [1, 1, 1, 0.02 * np.sqrt(0.75)], rtol=0.1)
    np.testing.assert_array_equal(normalization(np.ones((5, 3)), 0.02).scale, 1)


def test_learning_rate_rises_stays_and_falls():
    factors = [learning_rate_factor(step, 100, 0.05, 0.2) for step in range(100)]
    np.testing.assert_allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(factors[5:80]) == {1.0}
    np.testing.assert_allclose(factors[80:], np.arange(20, 0, -1) / 20)


@pytest.mark.parametrize(
    ("architecture", "bias"),
    [(TopKConfig(k_features=64, k=3), -2.5), (StandardConfig(k_features=64, l1=0.02), -6.0)],
)
def test_auxiliary_loss_revives_dead_features(architecture, bias):
    data = synthetic_states(4000, 32, 64, 3, seed=2).states

    def silent(aux_weight):
        config = SaeConfig(
            runs=(RunConfig(architecture=architecture, lr=1e-2),),
            epochs=8,
            batch_size=100,
            aux_weight=aux_weight,
            dead_window=0.05,
            device="cpu",
        )
        trainer = _Trainer(data, config, seed=0)
        # half of the dictionary starts out dead
        trainer.runs[0].parameters["b_enc"][:32] = bias
        with torch.no_grad():
            while trainer.step < trainer.steps:
                trainer.advance()
        return int(trainer.runs[0].silent.sum())

    without, revived = silent(0.0), silent(1 / 32)
    assert without >= 16
    assert revived <= without / 2


def test_topk_recovers_a_planted_dictionary_from_chance():
    truth = synthetic_states(6000, 32, 48, 3, seed=0)
    config = SaeConfig(
        runs=(RunConfig(architecture=TopKConfig(k_features=64, k=4), lr=1e-2, seed=0),),
        epochs=20,
        batch_size=128,
        device="cpu",
    )
    before = _Trainer(truth.states, config, seed=0).folded()[0]
    chance = np.random.default_rng(99).normal(size=(64, 32))
    assert recovered(before.W_dec, truth.dictionary) == recovered(chance, truth.dictionary) == 0
    after = train(truth.states, config, seed=0).saes[0]
    assert recovered(after.W_dec, truth.dictionary) > 0.8


def test_unusable_states_are_refused():
    with pytest.raises(SaeError, match="n >= 2"):
        train(np.zeros((1, 4), np.float32), SMALL, seed=0)
    broken = np.zeros((5, 4), np.float32)
    broken[3, 1] = np.nan
    with pytest.raises(SaeError, match="row 3"):
        train(broken, SMALL, seed=0)


def test_configuration_round_trips_through_json_and_knows_its_architectures():
    assert SaeConfig.model_validate_json(SMALL.model_dump_json()) == SMALL
    with pytest.raises(SaeError, match="unknown architecture"):
        RunConfig.model_validate({"architecture": {"architecture": "unheard"}})
    with pytest.raises(SaeError, match="above k_features"):
        RunConfig.model_validate({"architecture": {"architecture": "topk", "k_features": 4, "k": 5}})
