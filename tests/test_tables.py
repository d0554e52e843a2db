from pathlib import Path

import pyarrow as pa
import pytest

from narrative_dag import tables


def test_the_page_of_documentation_is_the_code_s_own() -> None:
    page = Path(__file__).parents[1] / "docs" / "tables.md"
    assert page.read_text() == tables.markdown()


@pytest.mark.parametrize("table", tables.TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_described_once_and_none_shadows_the_partition(table: tables.Table) -> None:
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert "cycle" not in names
    assert all(column.description for column in table.columns)
    assert all((field.metadata or {}).get(b"description") for field in table.schema)


def test_the_state_has_the_length_that_the_rollouts_store() -> None:
    state = tables.TABLES["rollouts"].schema.field("state").type
    assert pa.types.is_fixed_size_list(state)
    assert state.list_size == tables.STATE_DIMENSIONS
