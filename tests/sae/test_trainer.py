import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError

from narrative_dag.sae.config import RunConfig, SaeConfig, SweepConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.feed import normalization
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.metrics import unexplained
from narrative_dag.sae.parquet_states import ParquetStates
from narrative_dag.sae.registry import ARCHITECTURES
from narrative_dag.sae.schedule import Schedule
from narrative_dag.sae.sources import InMemory
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.synthetic import recovered, synthetic_states
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import FOLDED, Trainer, train
from narrative_dag.sae.trainer_state import STATE_FILE

torch.set_num_threads(1)

DRAFTED = {"l1": 0.01, "target_l0": 4.0, "k": 4, "k_features": 24}


def small(name):
    """A small configuration of an architecture, its penalty controlled where it can be."""
    config_type = ARCHITECTURES[name].config_type
    return config_type(**{field: value for field, value in DRAFTED.items() if field in config_type.model_fields})


RUNS = tuple(
    RunConfig(architecture=small(name), lr=3e-3 if i % 2 else 1e-2, seed=i)
    for i, name in enumerate(sorted(ARCHITECTURES))
)
ONE = (RunConfig(architecture=TopKConfig(k_features=24, k=4), lr=1e-2),)
SMALL = SaeConfig(
    runs=RUNS, epochs=6, batch_size=50, checkpoint_every=0.09, dead_window=0.1, resample=(0.3, 0.6), device="cpu"
)
LABELS = np.random.default_rng(7).choice([0.0, 1.0, np.nan], (370, 3))


@pytest.fixture(scope="module")
def states():
    rng = np.random.default_rng(5)
    synthetic = synthetic_states(370, 12, 20, 3, seed=1, noise=0.05, offset=1.0).states
    return (synthetic * rng.uniform(0.1, 10, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def source(states):
    return InMemory(states, LABELS)


def finished(states, config, seed):
    trainer = Trainer(states, config, seed)
    with torch.no_grad():
        trainer.finish()
    return trainer


def arrays(training):
    return [(sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec, *sae.extras.values()) for sae in training.saes]


def assert_same(first, second):
    for one, other in zip(arrays(first), arrays(second), strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.tobytes() == b.tobytes()
    assert first.log == second.log


def test_one_seed_gives_one_result_and_another_seed_another(source):
    first = train(source, SMALL, seed=3)
    assert_same(first, train(source, SMALL, seed=3))
    assert not np.array_equal(first.saes[0].W_enc, train(source, SMALL, seed=4).saes[0].W_enc)


def test_runs_trained_together_are_what_they_are_alone(source):
    together = train(source, SMALL, seed=3)
    for i, run in enumerate(RUNS):
        alone = train(source, SMALL.model_copy(update={"runs": (run,)}), seed=3)
        np.testing.assert_array_equal(alone.saes[0].W_dec, together.saes[i].W_dec)


# 7 batches an epoch, 42 steps: inside the first epoch, at an epoch's end, inside the decay
@pytest.mark.parametrize("killed_at", [3, 5, 21, 40])
def test_a_killed_training_resumes_to_the_same_bits(source, tmp_path, killed_at):
    class KilledError(Exception):
        pass

    def kill(done, total):
        assert total == 42
        if done == killed_at:
            raise KilledError

    reference = train(source, SMALL, seed=3)
    with pytest.raises(KilledError):
        train(source, SMALL, seed=3, checkpoint_dir=tmp_path, progress=kill)
    seen = []
    resumed = train(source, SMALL, seed=3, checkpoint_dir=tmp_path, progress=lambda done, total: seen.append(done))
    assert_same(reference, resumed)
    # checkpoints come every 4 steps: the work before the last one is not done again
    assert seen[0] == killed_at // 4 * 4 + 1
    assert_same(reference, train(source, SMALL, seed=3, checkpoint_dir=tmp_path))


def test_a_training_on_a_stream_resumes_inside_an_epoch(states, tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 13:
            raise KilledError

    rows = pa.array(states.tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"state": rows}), tmp_path / "states.parquet", row_group_size=40)
    stream = ParquetStates(tmp_path / "states.parquet", buffer_bytes=4 * 100 * 4 * states.shape[1])
    assert len(stream.block_sizes()) > 2
    config = SMALL.model_copy(update={"runs": ONE})
    reference = train(stream, config, seed=3)
    with pytest.raises(KilledError):
        train(stream, config, seed=3, checkpoint_dir=tmp_path / "work", progress=kill)
    assert_same(reference, train(stream, config, seed=3, checkpoint_dir=tmp_path / "work"))
    sae = reference.saes[0]
    assert unexplained(states, sae.decode(sae.encode(states)), states.mean(axis=0)) < 0.8


def test_every_save_has_the_autoencoders_of_raw_states(source, states, tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 8:
            raise KilledError

    with pytest.raises(KilledError):
        train(source, SMALL, seed=3, checkpoint_dir=tmp_path, progress=kill)
    trainer = Trainer(source, SMALL, seed=3)
    batches = trainer.feed.batches(0)
    with torch.no_grad():
        for _ in range(8):
            trainer.advance(*next(batches))
    for i, expected in enumerate(trainer.folded()):
        saved = FoldedSae.load(tmp_path / FOLDED / f"sae-{i}")
        np.testing.assert_array_equal(saved.encode(states), expected.encode(states))
        assert saved.metadata["steps"] == 8


def test_a_saved_state_of_something_else_is_refused(source, states, tmp_path):
    train(source, SMALL, seed=3, checkpoint_dir=tmp_path)
    with pytest.raises(SaeError, match="another configuration"):
        train(source, SMALL, seed=4, checkpoint_dir=tmp_path)
    with pytest.raises(SaeError, match="another configuration"):
        train(InMemory(states + 1, LABELS), SMALL, seed=3, checkpoint_dir=tmp_path)
    content = (tmp_path / STATE_FILE).read_bytes()
    (tmp_path / STATE_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(SaeError, match="damaged"):
        train(source, SMALL, seed=3, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.architecture.architecture)
def test_folding_changes_nothing_but_the_input(source, states, run):
    """Raw states through the folded weights = normalised states through the trained ones, unscaled again."""
    trainer = finished(source, SMALL.model_copy(update={"runs": (run,)}), seed=3)
    (trained,), (sae,) = trainer.runs, trainer.folded()
    weights = trained.weights()
    mean, scale = trainer.normalization
    normalised = (states - mean) / scale
    codes = trained.architecture.infer((normalised @ weights["W_enc"] + weights["b_enc"]).astype(np.float32), weights)
    # where two pre-activations all but tie, or one lies at a threshold, float32 may choose the other
    clear = ((codes > 0) == (sae.encode(states) > 0)).all(axis=1)
    assert clear.mean() > 0.97
    np.testing.assert_allclose(sae.encode(states)[clear], codes[clear], atol=1e-4)
    unfolded = (codes @ weights["W_dec"] + weights["b_dec"]) * scale + mean
    np.testing.assert_allclose(sae.decode(sae.encode(states))[clear], unfolded[clear], rtol=1e-4, atol=3e-3)
    np.testing.assert_allclose(np.linalg.norm(sae.W_dec / scale, axis=1), 1, atol=1e-5)


def test_a_stopped_learning_rate_falls_as_long_as_planned_and_then_ends(states):
    config = SaeConfig(
        runs=ONE,
        epochs=150,
        batch_size=50,
        patience=0.1,
        min_improvement=0.05,
        device="cpu",
    )
    steps = []
    stopped = train(states, config, 0, progress=lambda done, total: steps.append((done, total)))
    planned, made = 150 * 7, steps[-1][0]
    assert steps[0][1] == planned
    assert steps[-1][1] == made < planned
    whole = train(states, config.model_copy(update={"patience": 0}), 0)
    last = [[row.value for row in each.log if row.metric == "fvu"][-1] for each in (stopped, whole)]
    assert last[0] < 1.3 * last[1]


def test_an_early_end_is_not_forgotten_by_a_resumed_training(states, tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, total):
        if total < 150 * 7 and done > total - 10:
            raise KilledError

    config = SaeConfig(runs=ONE, epochs=150, batch_size=50, patience=0.1, min_improvement=0.05, device="cpu")
    # the last save before the end lies inside the fall
    config = config.model_copy(update={"checkpoint_every": 0.02})
    reference = train(states, config, 0)
    with pytest.raises(KilledError):
        train(states, config, 0, checkpoint_dir=tmp_path, progress=kill)
    seen = []
    resumed = train(states, config, 0, checkpoint_dir=tmp_path, progress=lambda *counts: seen.append(counts))
    assert_same(reference, resumed)
    assert seen[0][1] < 150 * 7


def test_an_automatic_learning_rate_is_the_best_of_those_tried(states, tmp_path):
    automatic = RunConfig(architecture=TopKConfig(k_features=24, k=4), lr="auto")
    fixed = RunConfig(architecture=TopKConfig(k_features=24, k=4), lr=2e-3, seed=4)
    config = SaeConfig(runs=(automatic, fixed), epochs=40, batch_size=50, device="cpu")
    config = config.model_copy(update={"sweep": SweepConfig(rates=(1e-6, 1e-2, 1e4), share=0.25)})
    trained = train(states, config, 0, checkpoint_dir=tmp_path)
    assert [sae.metadata["lr"] for sae in trained.saes] == [1e-2, 2e-3]
    tried = {row.run for row in trained.log if row.run.startswith("sweep/")}
    assert len(tried) == 3
    assert_same(trained, train(states, config, 0, checkpoint_dir=tmp_path))


def test_a_learning_rate_that_diverges_is_not_taken(states, tmp_path):
    run = RunConfig(architecture=TopKConfig(k_features=24, k=4), lr="auto")
    config = SaeConfig(runs=(run,), epochs=20, batch_size=50, resample=(0.5,), dead_window=0.2, device="cpu")
    config = config.model_copy(update={"sweep": SweepConfig(rates=(1e38, 1e-2), share=0.25)})
    trained = train(states, config, 0, checkpoint_dir=tmp_path)
    assert trained.saes[0].metadata["lr"] == 1e-2
    hopeless = config.model_copy(update={"sweep": SweepConfig(rates=(1e38,), share=0.1)})
    with pytest.raises(SaeError, match="every learning rate of the sweep diverged"):
        train(states, hopeless, 0)


HALF_DEAD = pytest.mark.parametrize(
    ("architecture", "bias"),
    [(TopKConfig(k_features=64, k=3, tied=False), -2.5), (StandardConfig(k_features=64, l1=0.02), -6.0)],
)


def left_silent(architecture, bias, **settings):
    """Silent features at the end of a training in which half of the dictionary starts out dead."""
    config = SaeConfig(
        runs=(RunConfig(architecture=architecture, lr=1e-2),),
        epochs=8,
        batch_size=100,
        dead_window=0.05,
        device="cpu",
        **settings,
    )
    trainer = Trainer(InMemory(synthetic_states(4000, 32, 64, 3, seed=2).states), config, seed=0)
    trainer.runs[0].parameters["b_enc"][:32] = bias
    with torch.no_grad():
        trainer.finish()
    return int(trainer.runs[0].silent.sum())


@HALF_DEAD
def test_resampled_features_come_back(architecture, bias):
    without, resampled = (left_silent(architecture, bias, aux_weight=0, resample=r) for r in ((), (0.3, 0.5)))
    assert without >= 16
    assert resampled <= without / 2


@HALF_DEAD
def test_auxiliary_loss_revives_dead_features(architecture, bias):
    without, revived = (left_silent(architecture, bias, aux_weight=weight) for weight in (0.0, 1 / 32))
    assert without >= 16
    assert revived <= without / 2


def test_validation_states_are_what_the_log_measures(states):
    config = SMALL.model_copy(update={"runs": ONE})
    trained = train(states[:300], config, 0, validation=states[300:])
    fvu = [row.value for row in trained.log if row.metric == "fvu"][-1]
    mean, scale = normalization(*InMemory(states[:300]).moments(), config.scale_floor)
    sae = trained.saes[0]
    error = (sae.decode(sae.encode(states[300:])) - states[300:]) / scale
    assert fvu == pytest.approx((error**2).sum() / (((states[300:] - mean) / scale) ** 2).sum(), rel=1e-3)


def test_a_grid_has_every_combination_and_names_tell_them_apart():
    runs = SaeConfig.grid(
        [TopKConfig(k=8), TopKConfig(k=16), StandardConfig(target_l0=20)], rates=(1e-3, "auto"), seeds=(0, 1)
    )
    assert len(runs) == len({run.name for run in runs}) == 12
    assert runs[0].name == "topk-256-k8-lr0.001-seed0"
    with pytest.raises(ValidationError, match="given twice"):
        SaeConfig(runs=(runs[0], runs[0]))
    with pytest.raises(ValidationError, match="above 0"):
        RunConfig(lr=0.0)


def test_constant_dimensions_are_reconstructed_exactly(states):
    constant = np.concatenate([states, np.full((len(states), 2), 7.0, dtype=np.float32)], axis=1)
    sae = train(
        constant,
        SMALL.model_copy(update={"runs": ONE}),
        seed=0,
    ).saes[0]
    np.testing.assert_allclose(sae.decode(sae.encode(constant))[:, -2:], 7.0, rtol=1e-6)


def test_saves_change_nothing(states, tmp_path):
    constant = np.concatenate([states, np.full((len(states), 2), 7.0, dtype=np.float32)], axis=1)
    source = InMemory(constant, LABELS)
    assert_same(train(source, SMALL, seed=3), train(source, SMALL, seed=3, checkpoint_dir=tmp_path))


def test_a_feature_that_starts_anew_leaves_what_is_no_feature_s_alone(states):
    square = TopKConfig(k_features=states.shape[1], k=4)
    config = SaeConfig(runs=(RunConfig(architecture=square, lr=1e-2),), epochs=2, batch_size=50, device="cpu")
    trainer = finished(InMemory(states), config, 0)
    run = trainer.runs[0]
    before = {name: moment.clone() for name, moment in run.adam.second.items()}
    run.silent[:] = torch.arange(len(run.silent)) == 3
    run.find_dead()
    run.resample(trainer.normalization.apply(states.copy()), np.random.default_rng(0))
    assert torch.equal(run.adam.second["b_dec"], before["b_dec"])
    assert before["W_dec"][3].any()
    assert not run.adam.second["W_dec"][3].any()
    assert float(run.adam.second["b_enc"][3]) == 0


def test_normalization_does_not_blow_up_an_almost_constant_dimension():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(1000, 4)) * [1, 1, 1, 1e-6] + [0, 5, 0, 2]
    mean, scale = normalization(states.mean(axis=0), states.std(axis=0), 0.02)
    np.testing.assert_allclose(mean, [0, 5, 0, 2], atol=0.1)
    np.testing.assert_allclose(scale, [1, 1, 1, 0.02 * np.sqrt(0.75)], rtol=0.1)
    np.testing.assert_array_equal(normalization(np.ones(3), np.zeros(3), 0.02).scale, 1)


def test_learning_rate_rises_stays_and_falls():
    schedule = Schedule(100, 0.05, 0.2)
    factors = [schedule.factor(step) for step in range(100)]
    np.testing.assert_allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(factors[5:80]) == {1.0}
    np.testing.assert_allclose(factors[80:], np.arange(20, 0, -1) / 20)
    schedule.leave_plateau(30)
    assert schedule.end == 50
    np.testing.assert_allclose([schedule.factor(step) for step in range(29, 50)], [1, *np.arange(20, 0, -1) / 20])
    schedule.leave_plateau(40)
    assert schedule.end == 50


def test_topk_recovers_a_planted_dictionary_from_chance():
    truth = synthetic_states(6000, 32, 48, 3, seed=0)
    config = SaeConfig(
        runs=(RunConfig(architecture=TopKConfig(k_features=64, k=4), lr=1e-2, seed=0),),
        epochs=20,
        batch_size=128,
        device="cpu",
    )
    before = Trainer(InMemory(truth.states), config, seed=0).folded()[0]
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
