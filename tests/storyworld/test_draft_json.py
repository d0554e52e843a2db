"""Strict JSON with the span of every value."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.storyworld.draft import DraftError, parse_json
from narrative_dag.storyworld.draft.json_text import DEEPEST, LONGEST_PATH, MOST_CHARACTERS

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner),
    max_leaves=12,
)  # fmt: skip


def reference(text: str) -> Any:
    """The value by the standard library, made as strict as this reader is; ValueError where it is none."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("repeated key")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


@given(values, st.sampled_from([None, 2]), st.booleans())
def test_reads_what_json_writes_and_every_span_holds_its_value(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = parse_json(text)
    assert document.value == value

    def check(part: Any, path: str) -> None:
        start, end = document.spans[path]
        assert json.loads(text[start:end]) == part
        if isinstance(part, list):
            for i, item in enumerate(part):
                check(item, f"{path}[{i}]")

    check(value, "")
    for start, end in document.keys.values():
        assert isinstance(json.loads(text[start:end]), str)


@settings(max_examples=400)
@given(values, st.data())
def test_accepts_exactly_the_texts_that_are_json(value: Any, data: Any) -> None:
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=data.draw(st.booleans()))
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    text = text[:at] + data.draw(st.text('{}[],:"0123456789.eE+-\\u \ntfnNaI', max_size=3)) + text[at + cut :]
    try:
        wanted = reference(text)
    except (ValueError, UnicodeEncodeError):
        with pytest.raises(DraftError) as refusal:
            parse_json(text)
        [problem] = refusal.value.problems
        assert problem.stage == "json"
        assert problem.start is not None
        assert problem.end is not None
        assert 0 <= problem.start < problem.end <= len(text) or problem.start == problem.end == len(text)
    else:
        assert parse_json(text).value == wanted


def test_spans_and_paths() -> None:
    text = '{"a": [1, {"b c": "x"}], "d": null}'
    document = parse_json(text)
    found = {path: text[start:end] for path, (start, end) in document.spans.items()}
    assert found == {
        "": text,
        "a": '[1, {"b c": "x"}]',
        "a[0]": "1",
        "a[1]": '{"b c": "x"}',
        'a[1]["b c"]': '"x"',
        "d": "null",
    }
    assert {path: text[start:end] for path, (start, end) in document.keys.items()} == {
        "a": '"a"',
        'a[1]["b c"]': '"b c"',
        "d": '"d"',
    }


def test_columns_of_a_string_are_found_behind_escapes() -> None:
    text = '{"a": "x\\"\\u00e9\\ud83d\\ude00z"}'
    document = parse_json(text)
    assert document.value["a"] == 'x"é😀z'
    assert [text[document.offset("a", column) :][:2] for column in range(5)] == ["x\\", '\\"', "\\u", "\\u", 'z"']
    assert document.offset("a", 4) == text.index('z"')
    assert document.offset("a", 5) == document.offset("a", 99) == text.index('z"') + 1


@pytest.mark.parametrize(
    ("text", "start", "message"),
    [
        ("", 0, "the text ends where a value should follow"),
        ('{"a": 1', 7, '"," or "}" should follow'),
        ('{"a": [1, 2', 11, '"," or "]" should follow'),
        ('{"a": "unfinished', 17, "the text ends inside a string"),
        ('{"a": "\\u00e', 12, "the text ends inside a string"),
        ('{"a": "\\', 8, "the text ends inside a string"),
        ('{"a": tru', 9, "the text ends inside a value"),
        ('{"a": -', 7, "the text ends inside a value"),
        ('{"a": 1.', 8, "the text ends inside a value"),
        ('{"a": 01', 6, "expected a value, found '01'"),
        ('{"a": "\\u00x', 8, "in a string"),
        ('{"a" 1}', 5, "expected \":\", found '1'"),
        ('{"a": 1 "b": 2}', 8, 'expected "," or "}"'),
        ('{"a": 1,}', 8, "expected a key in double quotes, found '}'"),
        ("{a: 1}", 1, 'expected a key in double quotes or "}"'),
        ("[1,]", 3, "expected a value, found ']'"),
        ("[1 2]", 3, 'expected "," or "]"'),
        ('{"a": 1, "a": 2}', 9, "the key 'a' is given twice"),
        ('{"a": NaN}', 6, "expected a value, found 'NaN'"),
        ('{"a": Infinity}', 6, "expected a value, found 'Infinity'"),
        ('{"a": 01}', 6, "expected a value, found '01'"),
        ('{"a": +1}', 6, "expected a value"),
        ('{"a": .5}', 6, "expected a value"),
        ('{"a": 1e999}', 6, "too large"),
        ('{"a": True}', 6, "expected a value, found 'True'"),
        ("{} {}", 3, "text after the end of the document"),
        ('{"a": "\\x"}', 7, "in a string: invalid \\escape"),
        ('{"a": "\n"}', 7, "in a string: invalid control character"),
        ('{"a": "\\ud800"}', 6, "half of a surrogate pair"),
        ("\ufeff{}", 0, "expected a value"),
    ],
)
def test_errors_say_where_and_what_was_expected(text: str, start: int, message: str) -> None:
    with pytest.raises(DraftError) as refusal:
        parse_json(text)
    [problem] = refusal.value.problems
    assert message in problem.message
    assert problem.start == start


def test_every_beginning_of_a_text_has_an_empty_span_at_its_end() -> None:
    text = '{"a": ["x\\n\\u00e9", -1.5e+3, 20, true], "b": {"c": null}}'
    for length in range(len(text)):
        with pytest.raises(DraftError) as refusal:
            parse_json(text[:length])
        assert [(p.start, p.end) for p in refusal.value.problems] == [(length, length)]


def test_only_the_first_character_after_the_document_is_wrong() -> None:
    with pytest.raises(DraftError) as refusal:
        parse_json('{"a": 1}}, and so on')
    assert [(p.start, p.end) for p in refusal.value.problems] == [(8, 9)]


def test_depth_and_length_are_bounded() -> None:
    assert parse_json("[" * DEEPEST + "]" * DEEPEST).value
    for text in ("[" * 100_000, "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), '{"a":' * 5000):
        with pytest.raises(DraftError, match="nested deeper than"):
            parse_json(text)
    with pytest.raises(DraftError, match="the key is too long"):
        parse_json(json.dumps({"a": {"k" * LONGEST_PATH: 1}}))
    assert parse_json(json.dumps({"k" * LONGEST_PATH: [1]})).value
    with pytest.raises(DraftError, match="at most"):
        parse_json(" " * MOST_CHARACTERS + "1")
