import hashlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.hashing import combine, hash_folder, hash_json, hash_table

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("count", pa.int32()),
        ("flag", pa.bool_()),
        ("names", pa.list_(pa.string())),
        ("vector", pa.list_(pa.float32(), 2)),
        ("pair", pa.list_(pa.struct([("a", pa.string()), ("b", pa.float64())]))),
    ]
)
VALUE = {
    "text": st.none() | st.text(max_size=4),
    "count": st.none() | st.integers(-3, 3),
    "flag": st.none() | st.booleans(),
    "names": st.none() | st.lists(st.none() | st.text(max_size=2), max_size=3),
    "vector": st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5])).map(list),
    "pair": st.lists(st.fixed_dictionaries({"a": st.text(max_size=2), "b": st.floats(0, 1)}), max_size=2),
}
ROWS = st.lists(st.fixed_dictionaries(VALUE), max_size=6)


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS)
def test_hashes_are_equal_exactly_when_the_rows_are(one, two):
    assert (hash_table(table(one)) == hash_table(table(two))) == (one == two)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 6))
def test_chunks_and_slices_do_not_count(rows, cut):
    whole = table(rows)
    cut = min(cut, len(rows))
    assert hash_table(pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])) == hash_table(whole)
    assert hash_table(whole.slice(cut)) == hash_table(table(rows[cut:]))


def test_the_order_of_rows_counts():
    data = pa.table({"x": [1, 2]})
    assert hash_table(data) != hash_table(pa.table({"x": [2, 1]}))


def test_names_and_types_count():
    assert hash_table(pa.table({"x": [1, 2]})) != hash_table(pa.table({"y": [1, 2]}))
    assert hash_table(pa.table({"x": pa.array([1], pa.int32())})) != hash_table(
        pa.table({"x": pa.array([1], pa.int64())})
    )


def test_neighbouring_strings_do_not_run_together():
    assert hash_table(pa.table({"x": ["ab", "c"]})) != hash_table(pa.table({"x": ["a", "bc"]}))


def test_schema_metadata_does_not_count():
    data = pa.table({"x": [1]})
    assert hash_table(data.replace_schema_metadata({"written by": "version 7"})) == hash_table(data)


def test_a_folder_is_its_paths_and_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "w.safetensors").write_bytes(b"abc")
        (tmp_path / name / "config.json").write_text("{}")
    assert hash_folder(tmp_path / "one") == hash_folder(tmp_path / "two")
    (tmp_path / "two" / "config.json").rename(tmp_path / "two" / "settings.json")
    assert hash_folder(tmp_path / "one") != hash_folder(tmp_path / "two")


def test_moving_bytes_between_files_changes_the_hash(tmp_path):
    for name, (a, b) in {"one": (b"ab", b"c"), "two": (b"a", b"bc")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(a)
        (tmp_path / name / "b").write_bytes(b)
    assert hash_folder(tmp_path / "one") != hash_folder(tmp_path / "two")


def test_json_is_hashed_with_sorted_keys():
    assert hash_json({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_combined_contents_do_not_depend_on_order(order):
    hashes = {"a": "1", "b": "2"}
    assert combine({name: hashes[name] for name in order}) == combine(hashes)
    assert combine({"a": "1"}) == "1"
