import numpy as np

from narrative_dag.sae.registry import build
from narrative_dag.sae.synthetic import recovered, synthetic_states
from narrative_dag.sae.topk import TopKConfig


def test_states_are_sparse_nonnegative_codes_through_a_unit_dictionary():
    truth = synthetic_states(200, 16, 30, 4, seed=1)
    np.testing.assert_allclose(np.linalg.norm(truth.dictionary, axis=1), 1, atol=1e-6)
    assert ((truth.codes > 0).sum(axis=1) == 4).all()
    np.testing.assert_allclose(truth.codes @ truth.dictionary, truth.states, atol=1e-5)


def test_the_same_integer_seed_does_not_give_the_trainer_the_truth():
    for seed in range(5):
        truth = synthetic_states(10, 32, 64, 4, seed=seed)
        start = build(TopKConfig(k_features=64, k=4)).initial(32, seed)["W_dec"].numpy()
        assert recovered(start, truth.dictionary) == 0


def test_recovery_counts_matched_atoms():
    dictionary = np.eye(4, dtype=np.float32)
    assert recovered(2 * dictionary[:3], dictionary) == 0.75
    assert recovered(-dictionary, dictionary) == 0
    assert recovered(np.zeros((2, 4)), dictionary) == 0
