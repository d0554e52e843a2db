"""Files: gzip, byte order marks, every kind of broken file, and garbage that must be refused politely."""

import gzip
import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweepweave_documents import (
    compare,
    constant,
    effect,
    encounter,
    event,
    option,
    project,
    reaction,
    spool_effect,
    variable,
)

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Mode
from narrative_dag.storyworld.replay import replay
from narrative_dag.storyworld.sweepweave import Loaded, load, loads

RICH = project(
    encounter(
        "a",
        option(
            "x",
            reaction("r", effect(variable("Ann", "Trust", "Bob"), constant(0.1)), spool_effect("main", True), to="b"),
            visible=compare("GT", variable("Ann", "Calm"), constant(0)),
            performable=event("a"),
        ),
    ),
    encounter("b", option("y", reaction("s"))),
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["world.json", "world"])
def test_plain_and_gzip_with_and_without_mark(tmp_path, pack, mark, name):
    path = tmp_path / name
    path.write_bytes(pack(mark + json.dumps(RICH).encode()))
    assert load(path, Mode.OFFICIAL) == loads(RICH, Mode.OFFICIAL)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.json", b"", "is not JSON"),
        ("w.json", b'{"a": 1,\n  oops}', "line 2 column 3"),
        ("w.json", b"[1]", "the top level is no object"),
        ("w.json", b"\xff\xfe{", "is not UTF-8"),
        ("w.json", b'{"a": NaN}', "NaN is no JSON number"),
        ("w.json", b'{"a": 1e999}', "beyond the range"),
        ("w.json", b'{"a": ' + b"9" * 5000 + b"}", "beyond the range"),
        ("w.json", b'{"a": "\\ud800"}', "surrogate"),
        ("w.json", b"[" * 100_000, "nested too deeply"),
        ("w.json.gz", b"{}", "is not gzip"),
        ("w.json.gz", gzip.compress(b"{}" * 99)[:-9], "broken gzip"),
        ("w.json.gz", b"\x1f\x8b nonsense", "broken gzip"),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StoryworldError, match=message) as refused:
        load(path, Mode.EXTENDED)
    assert str(path) in str(refused.value)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(StoryworldError, match="no such file"):
        load(tmp_path / "none.json", Mode.OFFICIAL)
    with pytest.raises(StoryworldError, match="cannot be read"):
        load(tmp_path, Mode.OFFICIAL)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(
        ["Ann", "Calm", "a", "x", "r", "main", "wild", "Nudge", "If Then", "Equals", "Pointer", "Operator"]
    ),
)
keys = st.sampled_from(
    ["id", "operands", "pointer_type", "operator_type", "operator_subtype", "value", "keyring", "Set", "to", "depth"]
)
garbage = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=3), inner, max_size=4)
)


def places(value, path=()):
    """Every place inside a document."""
    found = [path] if path else []
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in below:
        found.extend(places(inner, (*path, key)))
    return found


PLACES = places(RICH)


def replaced(value, path, new):
    """A copy of the document with another value at a place; without the place when that is `...`."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


def loads_or_refuses(document, mode):
    try:
        loaded = loads(document, mode)
    except StoryworldError:
        return
    assert isinstance(loaded, Loaded)
    play = Playthrough(loaded.world)
    for _ in range(5):
        if play.page is not None and play.page.performable:
            play.choose(play.page.performable[-1])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(garbage, st.sampled_from(Mode))
def test_garbage_documents_are_refused_or_played(document, mode):
    loads_or_refuses(document, mode)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), garbage | st.just(...), st.sampled_from(Mode))
def test_garbage_at_any_place_of_a_good_document_is_refused_or_played(path, new, mode):
    loads_or_refuses(replaced(RICH, path, new), mode)


@pytest.fixture
def trace(tmp_path):
    """A world of one choice and its hand-written trace."""
    raw = json.dumps(RICH).encode()
    (tmp_path / "world.json").write_bytes(raw)
    step = {"t": 1, "e": "a", "v": ["x"], "p": ["x"], "o": "x", "oi": 0, "r": "r", "ri": 0}
    return {
        "format": "swtrace-1",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "mode": "official",
        "max_steps": 1,
        "vars": [["Ann", ["Calm"]], ["Ann", ["Trust", "Bob"]]],
        "init": [0.5, 0.25],
        "spools": ["main"],
        "plays": [
            {
                "start": "a",
                "steps": [step | {"s": [0.5, 0.1], "a": ["main"], "n": "b"}],
                "end": {"kind": "max_steps", "turn": 2, "e": "b"},
            }
        ],
    }


def replayed(trace, tmp_path):
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    return replay(tmp_path / "world.json", tmp_path / "trace.json")


def test_hand_written_trace_agrees(trace, tmp_path):
    result = replayed(trace, tmp_path)
    assert (result.plays, result.steps, result.mismatches) == (1, 1, ())


@pytest.mark.parametrize(
    ("path", "wrong", "place"),
    [
        (("sha256",), "0" * 64, "sha256"),
        (("spools",), [], "spools"),
        (("init", 0), 0.4, "init: Ann ['Calm']"),
        (("plays", 0, "start"), None, "plays[0].start"),
        (("plays", 0, "steps", 0, "t"), 0, "plays[0].steps[0].t"),
        (("plays", 0, "steps", 0, "e"), "b", "plays[0].steps[0].e"),
        (("plays", 0, "steps", 0, "v"), [], "plays[0].steps[0].v"),
        (("plays", 0, "steps", 0, "p"), [], "plays[0].steps[0].p"),
        (("plays", 0, "steps", 0, "o"), "y", "plays[0].steps[0].o"),
        (("plays", 0, "steps", 0, "oi"), 1, "plays[0].steps[0].oi"),
        (("plays", 0, "steps", 0, "r"), "s", "plays[0].steps[0].r"),
        (("plays", 0, "steps", 0, "ri"), 1, "plays[0].steps[0].ri"),
        (("plays", 0, "steps", 0, "s", 1), 0.1 + 1e-11, "plays[0].steps[0].s: Ann ['Trust', 'Bob']"),
        (("plays", 0, "steps", 0, "s", 1), None, "plays[0].steps[0].s: Ann ['Trust', 'Bob']"),
        (("plays", 0, "steps", 0, "a"), [], "plays[0].steps[0].a"),
        (("plays", 0, "steps", 0, "n"), "END", "plays[0].steps[0].n"),
        (("plays", 0, "end", "kind"), "the_end", "plays[0].end.kind"),
        (("plays", 0, "end", "turn"), 1, "plays[0].end.turn"),
        (("plays", 0, "end", "e"), "a", "plays[0].end.e"),
    ],
)
def test_every_recorded_thing_is_compared(trace, tmp_path, path, wrong, place):
    result = replayed(replaced(trace, path, wrong), tmp_path)
    assert [mismatch.place for mismatch in result.mismatches] == [place]


def test_something_else_than_a_trace_is_refused(trace, tmp_path):
    with pytest.raises(StoryworldError, match="mode"):
        replayed(trace | {"mode": "loose"}, tmp_path)
    with pytest.raises(StoryworldError, match="plays"):
        replayed(replaced(trace, ("plays",), ...), tmp_path)
