import numpy as np
import pytest

from narrative_dag.affordances.levels import positive_levels, quantile_levels


def partition(levels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(levels == level).tolist()) for level in np.unique(levels)}


@pytest.mark.parametrize("share", [0.05, 0.24, 0.5, 0.76, 0.95])
def test_a_binary_column_and_its_complement_are_split_alike(share: float) -> None:
    column = (np.arange(100) < 100 * share).astype(float)[:, None]
    assert partition(quantile_levels(column)) == partition(quantile_levels(1 - column))
    assert len(partition(quantile_levels(column))) == 2


def test_a_continuous_column_is_split_into_equal_parts_in_order() -> None:
    values = np.random.default_rng(0).permutation(100).astype(float)[:, None]
    levels = quantile_levels(values)[:, 0]
    assert np.bincount(levels).tolist() == [25, 25, 25, 25]
    assert all(values[levels == i].max() < values[levels == i + 1].min() for i in range(3))


def test_a_constant_column_has_one_level() -> None:
    assert partition(quantile_levels(np.ones((10, 1)))) == {frozenset(range(10))}


def test_positive_levels_keep_zero_apart_and_split_the_rest_into_tertiles() -> None:
    column = np.array([0.0, 0.0, -1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])[:, None]
    assert positive_levels(column)[:, 0].tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert positive_levels(column, 1)[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
