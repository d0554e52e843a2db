import multiprocessing
import time

import duckdb
import pytest
from feature_rows import features

from narrative_dag.tables import TABLES
from resources.catalog import Catalog, CatalogError, QueryError
from resources.warehouse import Warehouse


@pytest.fixture
def catalog(warehouse, tmp_path) -> Catalog:
    return Catalog(warehouse.folder, tmp_path / "catalog.duckdb")


def described(catalog: Catalog, table: str) -> list[tuple[str, str]]:
    return catalog.query(f"SELECT column_name, column_type FROM (DESCRIBE {table})").rows()


@pytest.mark.parametrize("table", list(TABLES))
def test_an_empty_table_has_the_columns_of_a_full_one(catalog, warehouse, table):
    before = described(catalog, table)
    assert catalog.query(f"SELECT count(*) FROM {table}").item() == 0
    warehouse.write(table, "cycle-0000", TABLES[table].schema.empty_table())
    assert described(catalog, table) == before
    assert [name for name, _ in before] == [*(c.name for c in TABLES[table].columns), "cycle"]


def test_the_cycle_is_a_column(catalog, warehouse):
    for n in range(3):
        warehouse.write("features", f"cycle-000{n}", features(n + 1))
    rows = catalog.query("SELECT cycle, count(*) FROM features GROUP BY cycle ORDER BY cycle").rows()
    assert rows == [("cycle-0000", 1), ("cycle-0001", 2), ("cycle-0002", 3)]


def test_tables_join(catalog, warehouse):
    warehouse.write("features", "cycle-0000", features(4))
    sql = "SELECT count(*) FROM features f LEFT JOIN storyworlds s USING (cycle, storyworld_id) WHERE s.title IS NULL"
    assert catalog.query(sql).item() == 4


@pytest.mark.parametrize(
    ("sql", "said"),
    [("SELECT nonsense FROM features", "nonsense"), ("SELEC 1", "syntax")],
)
def test_bad_sql_is_an_error_with_its_reason(catalog, sql, said):
    with pytest.raises(QueryError, match=said):
        catalog.query(sql)


def test_querying_changes_nothing_for_the_next_query(catalog):
    catalog.query("CREATE TABLE mine (x INT)")
    with pytest.raises(QueryError, match="mine"):
        catalog.query("SELECT * FROM mine")


def test_the_file_serves_other_programs(catalog, warehouse):
    warehouse.write("features", "cycle-0000", features(4))
    file = catalog.rebuild()
    with duckdb.connect(str(file), read_only=True) as other:
        assert other.execute("SELECT count(*) FROM features").fetchone() == (4,)
        comments = other.execute("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'features'")
        assert dict(comments.fetchall())["activation"] == "activation, above 0"
        warehouse.write("features", "cycle-0001", features(2))
        assert other.execute("SELECT count(*) FROM features").fetchone() == (6,)


@pytest.mark.parametrize("name", ["a[1]", "a*b", "a?b", "it's", "{x,y}", "x=y"])
def test_any_name_of_a_home_is_taken_literally(tmp_path, name):
    for home in (name, "a1", "axb"):
        Warehouse(tmp_path / home / "warehouse").write("features", "cycle-0000", features(3))
    catalog = Catalog(tmp_path / name / "warehouse", tmp_path / name / "catalog.duckdb")
    assert catalog.query("SELECT cycle, count(*) FROM features GROUP BY cycle").rows() == [("cycle-0000", 3)]
    if "?" not in name:  # DuckDB itself opens no database file in such a folder
        with duckdb.connect(str(catalog.rebuild()), read_only=True) as other:
            assert other.execute("SELECT count(*) FROM features").fetchone() == (3,)


def test_a_catalog_that_cannot_be_written_is_an_error_of_its_own(catalog):
    catalog.file.mkdir()
    with pytest.raises(CatalogError, match=r"catalog\.duckdb"):
        catalog.rebuild()


def test_rebuilding_does_not_wait_for_who_holds_the_file(catalog, warehouse):
    catalog.rebuild()
    with duckdb.connect(str(catalog.file)) as holder:
        warehouse.write("features", "cycle-0000", features(4))
        catalog.rebuild()
        assert holder.execute("SELECT count(*) FROM features").fetchone() == (0,)
    with duckdb.connect(str(catalog.file), read_only=True) as fresh:
        assert fresh.execute("SELECT count(*) FROM features").fetchone() == (4,)


def write_forever(folder, started, stop) -> None:
    warehouse = Warehouse(folder)
    n = 0
    while not stop.is_set():
        n += 1
        warehouse.write("features", "cycle-0000", features(500 + n % 3, activation=float(n)))
        started.set()


def hold_catalog(file, started, stop) -> None:
    with duckdb.connect(str(file)):
        started.set()
        stop.wait()


def test_queries_see_whole_partitions_while_another_process_replaces_them(catalog):
    catalog.rebuild()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    written, held = context.Event(), context.Event()
    processes = [
        context.Process(target=write_forever, args=(catalog.folder, written, stop)),
        context.Process(target=hold_catalog, args=(catalog.file, held, stop)),
    ]
    for process in processes:
        process.start()
    try:
        assert written.wait(30)
        assert held.wait(30)
        seen = set()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            count, low, high = catalog.query("SELECT count(*), min(activation), max(activation) FROM features").row(0)
            assert low == high
            assert count == 500 + int(low) % 3
            seen.add(low)
        assert len(seen) > 3
    finally:
        stop.set()
        for process in processes:
            process.join(10)
    assert [process.exitcode for process in processes] == [0, 0]
