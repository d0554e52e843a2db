import numpy as np
import pytest
import torch
from gradient_checks import arrays_of, differences, gradients_of, parameters_and_batch, trained
from threshold_checks import (
    assert_folding_changes_nothing_but_the_input,
    assert_sparse_kernels_give_what_dense_products_give,
    assert_the_scale_of_raw_states_changes_nothing,
)

from narrative_dag.sae.batchtopk import BatchTopKConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.matryoshka import MatryoshkaConfig
from narrative_dag.sae.metrics import evaluate, unexplained
from narrative_dag.sae.registry import build, parse_architecture
from narrative_dag.sae.stability import unit_rows
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig

CONFIGS = [MatryoshkaConfig(k_features=20, k=3, shares=(0.1, 0.3, 1), tied=tied) for tied in (True, False)]
tied_or_not = pytest.mark.parametrize("config", CONFIGS, ids=["tied", "untied"])
# a quarter of the atoms are parents, the others fire only beside theirs
TREE = GroundTruth.create(SyntheticConfig(d=32, atoms=64, active=4, children=3), seed=0)


def codes_of(config, parameters, x):
    pre = x @ parameters.get("W_enc", parameters["W_dec"]).T + parameters["b_enc"]
    least = np.sort(pre, axis=None)[-config.k * len(x)]
    return pre * ((pre >= least) & (pre > 0))


def loss_of(config, parameters, x):
    codes = codes_of(config, parameters, x)
    errors = [codes[:, :m] @ parameters["W_dec"][:m] + parameters["b_dec"] - x for m in (2, 6, 20)]
    return np.mean([np.mean(error**2) for error in errors])


@tied_or_not
def test_gradients_are_those_of_the_mean_over_prefixes(config):
    assert config.prefixes == (2, 6, 20)
    parameters, buffers, batch = parameters_and_batch(config)
    gradients, step = gradients_of(config, parameters, buffers, batch)
    arrays, x = arrays_of(parameters), batch.x.numpy()
    codes = codes_of(config, arrays, x)
    # every prefix has active features of its own
    assert all((codes[:, part] > 0).any() for part in (slice(0, 2), slice(2, 6), slice(6, 20)))
    assert float(step.loss) == pytest.approx(loss_of(config, arrays, x), rel=1e-10)
    for name, gradient in differences(lambda p: loss_of(config, p, x), arrays).items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)
    np.testing.assert_array_equal(step.fired.numpy(), (codes > 0).any(axis=0))


@tied_or_not
def test_sparse_kernels_give_what_dense_products_give(config):
    assert_sparse_kernels_give_what_dense_products_give(config)


@tied_or_not
def test_one_prefix_is_batchtopk(config):
    whole = MatryoshkaConfig(k_features=20, k=3, shares=(1,), tied=config.tied)
    parameters, buffers, batch = parameters_and_batch(whole)
    plain = BatchTopKConfig(k_features=20, k=3, tied=config.tied)
    # features silent for a window, and the loss that revives them
    batch = batch._replace(dead=torch.tensor([1, 7]), aux_weight=0.5)
    expected, step = gradients_of(plain, parameters, dict(buffers), batch)
    gradients, same = gradients_of(whole, parameters, dict(buffers), batch)
    assert float(same.loss) == pytest.approx(float(step.loss), rel=1e-12)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=1e-12, err_msg=name)


@tied_or_not
def test_folding_changes_nothing_but_the_input(config, tmp_path):
    assert_folding_changes_nothing_but_the_input(config, tmp_path)


def test_the_scale_of_raw_states_changes_nothing():
    assert_the_scale_of_raw_states_changes_nothing(CONFIGS[0])


@pytest.fixture(scope="module")
def trees():
    """Matryoshka and BatchTopK of the same hierarchical states at the same L0."""
    states = TREE.draw(5000).states
    config = MatryoshkaConfig(k_features=64, k=4)
    plain = BatchTopKConfig(k_features=64, k=4)
    return {c.architecture: trained(c, states, epochs=25)[1] for c in (config, plain)}


def test_every_prefix_reconstructs_and_a_longer_one_better(trees):
    sae = trees["matryoshka"]
    states, fresh = TREE.draw(5000), TREE.draw(2000, part=1)
    codes = sae.encode(fresh.states)
    mean = states.states.mean(axis=0)
    left = [
        unexplained(fresh.states, codes[:, :m] @ sae.W_dec[:m] + sae.b_dec, mean)
        for m in build(sae.config).config.prefixes
    ]
    assert left == sorted(left, reverse=True)
    assert left[0] < 0.95
    # the parents alone hold half of the variance, a quarter of the features about as much
    assert left[2] < 0.6
    metrics = evaluate(sae, states.states, fresh.states)
    assert metrics.fvu < metrics.fvu_pca / 2
    assert abs(metrics.l0 / 4 - 1) < 0.05


def test_children_s_features_absorb_less_of_their_parents_than_batchtopk_s(trees):
    """The mean cosine of a child's best feature with the parent's atom: about 0 where nothing is absorbed."""
    atoms, parents = unit_rows(TREE.dictionary), TREE.config.parents

    def absorbed(sae):
        cosines = atoms @ unit_rows(sae.W_dec).T
        children = np.arange(parents, len(atoms))
        return cosines[children % parents, cosines[children].argmax(axis=1)].mean()

    assert absorbed(trees["matryoshka"]) < 0.7 * absorbed(trees["batchtopk"])


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.25, 1), (0.0, 1), (0.5, 0.5, 1), (0.5, 1, 2)])
def test_shares_that_are_not_nested_are_refused(shares):
    with pytest.raises(SaeError, match="shares rise"):
        parse_architecture({"architecture": "matryoshka", "shares": shares})


def test_shares_of_the_same_size_are_one_prefix():
    assert MatryoshkaConfig(k_features=20, k=3).prefixes == (1, 2, 5, 10, 20)
    assert MatryoshkaConfig(k_features=4, k=3).prefixes == (1, 2, 4)
