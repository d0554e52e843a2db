import folding_checks
import gradient_checks as checks
import numpy as np
import pytest
from safetensors.numpy import load_file

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.head import head_log_loss, head_logits
from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.multitask import MultiTaskConfig
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig, recovery
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import train

K, ACTIVE, WIDTH, WEIGHT = 12, 4, 3, 0.7


def labels_of(codes, width=4):
    """1 where the label's two atoms are both silent; every third row lacks the last label."""
    labels = (codes[:, :width] + codes[:, width : 2 * width] == 0).astype(np.float32)
    labels[::3, -1] = np.nan
    return labels


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_are_those_of_the_documented_loss(tied):
    config = MultiTaskConfig(k_features=K, k=ACTIVE, label_weight=WEIGHT, tied=tied)
    parameters, buffers, batch = checks.parameters_and_batch(config, label_width=WIDTH)
    gradients, step = checks.gradients_of(config, parameters, buffers, batch)
    x, labels, arrays = batch.x.numpy(), batch.labels.numpy(), checks.arrays_of(parameters)
    assert np.isnan(labels).any()

    def loss(p):
        pre = x @ p.get("W_enc", p["W_dec"]).T + p["b_enc"]
        codes = pre * ((pre > 0) & (pre >= np.sort(pre, axis=1)[:, -ACTIVE][:, None]))
        odds = 1 / (1 + np.exp(-(codes @ p["W_head"] + p["b_head"])))
        entropy = -np.where(labels == 1, np.log(odds), np.log(1 - odds))
        return np.mean((codes @ p["W_dec"] + p["b_dec"] - x) ** 2) + WEIGHT * entropy[~np.isnan(labels)].mean()

    assert float(step.loss) == pytest.approx(loss(arrays), rel=1e-10)
    expected = checks.differences(loss, arrays)
    assert set(gradients) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)


def test_a_batch_without_any_label_is_topk():
    config = MultiTaskConfig(k_features=K, k=ACTIVE)
    parameters, buffers, batch = checks.parameters_and_batch(config, label_width=WIDTH)
    batch = batch._replace(labels=batch.labels * np.nan)
    gradients, step = checks.gradients_of(config, parameters, buffers, batch)
    shared = {name: parameters[name] for name in ("W_dec", "b_enc", "b_dec")}
    plain, reference = checks.gradients_of(TopKConfig(k_features=K, k=ACTIVE, tied=True), shared, {}, batch)
    assert float(step.loss) == float(reference.loss)
    for name, gradient in plain.items():
        np.testing.assert_array_equal(gradients[name], gradient)
    assert not gradients["W_head"].any()


@pytest.mark.parametrize("tied", [True, False])
def test_sparse_kernels_and_dense_products_agree(tied, monkeypatch):
    config = MultiTaskConfig(k_features=24, k=5, tied=tied)
    folding_checks.assert_sparse_is_dense(config, bias=0.0, label_width=WIDTH, monkeypatch=monkeypatch)


def test_it_cannot_be_trained_without_labels():
    config = SaeConfig(runs=(RunConfig(architecture=MultiTaskConfig(k_features=K, k=ACTIVE)),), epochs=1)
    with pytest.raises(SaeError, match="--labels"):
        train(folding_checks.uneven_states(), config, 0)


def test_folding_files_and_scale_change_nothing(tmp_path):
    states = folding_checks.uneven_states()
    labels = (states[:, :2] > np.median(states[:, :2], axis=0)).astype(np.float32)
    config = MultiTaskConfig(k_features=24, k=4)
    trainer, sae = checks.trained(config, states, epochs=10, labels=labels)
    folding_checks.assert_folding_changes_nothing(trainer, sae, states)
    folding_checks.assert_saved_and_loaded(sae, states, tmp_path)
    folding_checks.assert_scale_changes_nothing(config, states, labels)
    # other tools read a plain TopK; the head lies beside it
    assert set(load_file(tmp_path / "a" / "sae_weights.safetensors")) == {"W_enc", "W_dec", "b_enc", "b_dec"}
    assert set(load_file(tmp_path / "a" / "extras.safetensors")) == {"W_head", "b_head"}
    codes = sae.encode(states)
    np.testing.assert_array_equal(
        head_logits(FoldedSae.load(tmp_path / "a"), codes), codes @ sae.extras["W_head"] + sae.extras["b_head"]
    )


def test_a_plain_checkpoint_written_over_one_with_a_head_has_none(tmp_path):
    states = folding_checks.uneven_states()
    labels = (states[:, :2] > 0).astype(np.float32)
    _, headed = checks.trained(MultiTaskConfig(k_features=K, k=ACTIVE), states, epochs=1, labels=labels)
    _, plain = checks.trained(TopKConfig(k_features=K, k=ACTIVE), states, epochs=1)
    headed.save(tmp_path)
    plain.save(tmp_path)
    assert not FoldedSae.load(tmp_path).extras
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cfg.json", "sae_weights.safetensors"]


@pytest.fixture(scope="module")
def learnt():
    truth = GroundTruth.create(SyntheticConfig(d=32, atoms=48, active=3), 0)
    drawn, fresh = truth.draw(5000), truth.draw(1000, part=1)
    config = MultiTaskConfig(k_features=64, k=6)
    _, sae = checks.trained(config, drawn.states, lr=1e-2, epochs=20, labels=labels_of(drawn.codes))
    return truth, drawn, fresh, sae


def test_atoms_are_found_and_held_out_labels_predicted(learnt):
    truth, drawn, fresh, sae = learnt
    metrics = evaluate(sae, drawn.states, fresh.states)
    assert metrics.l0 == pytest.approx(6, rel=0.02)
    assert metrics.fvu < metrics.fvu_pca / 3
    assert recovery(sae.W_dec, truth.dictionary).recovered > 0.8
    loss = head_log_loss(sae, fresh.states, labels_of(fresh.codes), labels_of(drawn.codes))
    assert loss.labels == 4 * 1000 - 334
    assert loss.head < loss.base_rate / 2


def test_log_loss_is_in_bits_and_known_for_known_odds(learnt):
    _, drawn, _, sae = learnt
    states = drawn.states[:4]
    zero = FoldedSae(
        sae.config,
        sae.W_enc,
        sae.W_dec,
        sae.b_enc,
        sae.b_dec,
        extras={"W_head": np.zeros((64, 1), np.float32), "b_head": np.array([np.log(3)], np.float32)},
    )
    # odds of 3: 0.415 bits for a 1, 2 bits for a 0; training had one 1 of two labels: 1 bit either way
    labels = np.array([[1.0], [np.nan], [0.0], [1.0]])
    loss = head_log_loss(zero, states, labels, np.array([[1.0], [0.0], [np.nan]]))
    assert loss.head == pytest.approx((2 * np.log2(4 / 3) + 2) / 3)
    assert loss.base_rate == pytest.approx(1)
    assert loss.labels == 3


def test_a_head_that_is_missing_or_labels_that_do_not_fit_are_named(learnt):
    _, drawn, _, sae = learnt
    states = drawn.states[:4]
    with pytest.raises(SaeError, match="no head"):
        head_logits(FoldedSae(sae.config, sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec), sae.encode(states))
    with pytest.raises(SaeError, match="labels of shapes"):
        head_log_loss(sae, states, np.zeros((4, 3)), np.zeros((4, 4)))
    with pytest.raises(SaeError, match="no label applies"):
        head_log_loss(sae, states, np.full((4, 4), np.nan), np.zeros((4, 4)))
