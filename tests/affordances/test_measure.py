import numpy as np
import pyarrow as pa
import pytest

from narrative_dag.affordances.catalog import feature_tables, label
from narrative_dag.affordances.correlation import open_options_correlation, pearson
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.measure import CouplingConfig, measure_coupling
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.rollouts import state_matrix
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.tables import TABLES

CONFIG = CouplingConfig(permutations=2000, bootstrap=200)


def as_stored(frame, table):
    """The table as the warehouse stores it; raises when a column, type or null does not fit."""
    schema = TABLES[table].schema
    assert frame.columns == schema.names
    stored = frame.to_arrow().cast(schema)
    for column in schema:
        assert column.nullable or stored[column.name].null_count == 0
    assert isinstance(stored, pa.Table)
    return stored


def codes_of(table, noise=30):
    """Feature i < 16 is the positive part of coordinate i; then noise, the last feature dead."""
    states = state_matrix(table)
    junk = np.maximum(np.random.default_rng(7).normal(size=(len(states), noise)) - 1, 0)
    junk[:, -1] = 0
    return np.concatenate([np.maximum(states, 0), junk], axis=1).astype(np.float32)


def test_planted_pairs_are_the_significant_ones(gated):
    result = measure_coupling(gated, codes_of(gated), 3, CONFIG, sae=2)
    as_stored(result.table, "affordance_coupling")
    summary = result.summary
    assert (summary.affordances, summary.constant, summary.decidable) == (18, 12, 6)
    assert summary.live_features == 45
    assert summary.pairs == len(result.table) == 6 * 45
    assert set(result.table["sae"]) == {2}
    significant = result.table.filter(result.table["q"] <= 0.05)
    planted = significant.filter(significant["encounter"] == "e" + significant["feature"].cast(str))
    assert len(planted) == 6
    assert planted["u"].min() > 0.9
    assert planted["bits"].min() > 0.85
    assert planted["correlation"].min() > 0.5
    assert summary.max_bits == planted["bits"].max()
    assert summary.features_above_04 == 3
    assert 6 <= summary.significant_pairs <= 9
    assert summary.u_s.value > 0.5
    assert summary.u_s.low < summary.u_s.value < summary.u_s.high
    assert summary.u_s.value > summary.controls["random"].value
    assert summary.margins["random"].low > 0


def test_coins_give_no_significant_pairs_and_no_share(ungated):
    summary = measure_coupling(ungated, codes_of(ungated), 3, CONFIG).summary
    assert summary.significant_pairs <= 2
    assert summary.u_s.value < 0.02
    assert summary.max_bits < 0.1


def test_one_seed_gives_one_result(gated):
    first, second = (measure_coupling(gated, codes_of(gated), 3, CONFIG) for _ in range(2))
    assert first.table.equals(second.table)
    assert first.summary == second.summary


def test_nothing_decidable_gives_an_empty_table_and_no_share(gated):
    few = gated.head(30)
    result = measure_coupling(few, codes_of(few), 0, CONFIG)
    as_stored(result.table, "affordance_coupling")
    assert len(result.table) == 0
    assert result.summary.u_s is None
    assert result.summary.too_few_pages == result.summary.affordances > 0
    dead = measure_coupling(gated, np.zeros((len(gated), 4), np.float32), 0, CONFIG)
    assert (dead.summary.pairs, dead.summary.live_features) == (0, 0)
    assert dead.summary.u_s.value == pytest.approx(0, abs=1e-9)


def test_codes_of_other_pages_are_refused(gated):
    with pytest.raises(AffordanceError, match="do not belong"):
        measure_coupling(gated, codes_of(gated)[:-1], 0)
    with pytest.raises(AffordanceError, match="not negative"):
        measure_coupling(gated, -codes_of(gated), 0)


def test_pearson_is_numpys_and_undefined_for_constants():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.random((50, 2)) < 0.5
    expected = np.corrcoef(x.T, y.T)[:3, 3:]
    np.testing.assert_allclose(pearson(x, y), expected)
    x[:, 1] = 0.1
    assert np.isnan(pearson(x, y)[1]).all()
    assert np.isfinite(pearson(x, y)[[0, 2]]).all()


def test_open_options_correlation_is_1_for_a_feature_that_counts_them():
    options = np.array([0.0, 1, 2, 3])
    result = open_options_correlation(np.stack([2 * options, 3 - options, np.ones(4)], axis=1), options)
    np.testing.assert_allclose(result[:2], [1, -1])
    assert np.isnan(result[2])


def coordinate_sae(d, order, scale=1.0):
    """ReLU of the listed coordinates; the last feature is dead."""
    decoder = np.zeros((len(order) + 1, d), np.float32)
    decoder[np.arange(len(order)), order] = scale
    encoder = decoder.T.copy() / scale**2
    bias = np.zeros(len(order) + 1, np.float32)
    bias[-1] = -1
    return FoldedSae(StandardConfig(k_features=len(order) + 1), encoder, decoder, bias, np.zeros(d, np.float32))


def test_feature_tables_hold_every_activation_and_what_is_known_of_each_feature(gated):
    names = [f"value{i}" for i in range(16)]
    saes = [coordinate_sae(16, [0, 1, 2]), coordinate_sae(16, [2, 5], scale=-1.0)]
    features, catalog = feature_tables(gated, saes, names)
    as_stored(features, "features")
    as_stored(catalog, "feature_catalog")
    states = state_matrix(gated)
    for index, sae in enumerate(saes):
        codes = sae.encode(states)
        mine = features.filter(features["sae"] == index)
        assert len(mine) == (codes > 0).sum()
        assert mine["activation"].sum() == pytest.approx(codes.sum(), rel=1e-5)
    first = catalog.row(0, named=True)
    fires = states[:, 0] > 0
    assert first["density"] == pytest.approx(fires.mean())
    assert first["mean_activation"] == pytest.approx(states[fires, 0].mean(), rel=1e-5)
    assert first["label"] == "+value0"
    top = gated.row(int(states[:, 0].argmax()), named=True)
    assert (first["top_storyworld"], first["top_playthrough"], first["top_step"]) == (
        top["storyworld_id"],
        top["playthrough"],
        top["step"],
    )
    third = catalog.row(2, named=True)
    # the other autoencoder has the opposite direction: not the same feature
    assert third["stability"] == 0
    dead = catalog.row(3, named=True)
    assert dead["density"] == dead["mean_activation"] == 0
    assert dead["top_storyworld"] is dead["open_options_correlation"] is None
    assert catalog.row(4, named=True)["label"] == "-value2"
    with pytest.raises(AffordanceError, match="dimensions"):
        feature_tables(gated, saes, names[:-1])


def test_labels_name_the_strongest_dimensions_with_their_signs():
    names = ["slot0.Trust", "turn", "slot1.Fear", "seen"]
    assert label(np.array([1.0, -0.8, 0.1, 0.5]), names) == "+slot0.Trust -turn +seen"
    assert label(np.zeros(4), names) == ""
