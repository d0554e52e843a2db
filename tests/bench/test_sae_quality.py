"""The aims of the synthetic suite, each on one autoencoder; `narrative-dag bench sae` measures three."""

import torch

from narrative_dag.bench.sae_quality import easy, hard

torch.set_num_threads(1)


def test_easy_data_are_reconstructed_sparsely_and_their_atoms_found():
    figures = easy(seed=3, seeds=1)
    assert figures["fvu"] < 0.1
    assert 15 <= figures["l0"] <= 30
    assert figures["recovery"] >= 0.97
    assert figures["chance_recovery"] < 0.35
    assert figures["dead_share"] < 0.05
    # better than the same budget spent otherwise, worse than a search with the truth in hand
    assert figures["oracle_fvu"] < figures["fvu"] < min(figures["pca_fvu"], figures["kmeans_fvu"])


def test_hard_data_keep_their_atoms_findable():
    figures = hard(seed=3, seeds=1)
    assert figures["recovered"] >= 0.95
    assert figures["matched_recovered"] >= 0.95
    assert figures["fvu"] < 0.2
    # the loss is the linear encoder's: a search on the decoder that was learnt leaves far less
    assert figures["oracle_fvu"] < figures["decoder_fvu"] < figures["fvu"] / 2
