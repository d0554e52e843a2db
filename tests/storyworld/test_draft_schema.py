"""The published JSON Schema says what the reader accepts."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from draft_strategies import canonical_documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from narrative_dag.storyworld.draft import DraftError, json_schema, read_draft

PUBLISHED = Path(__file__).parents[2] / "docs" / "draft.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def test_the_published_schema_is_the_models() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema()


def test_it_is_a_schema_of_draft_2020_12() -> None:
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(json_schema())


@few
@given(canonical_documents())
def test_valid_drafts_are_valid_by_the_schema(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found = [(value, key) for key in keys]
    return found + [place for key in keys for place in places(value[key])]


@few
@given(canonical_documents(), st.data())
def test_reader_and_schema_agree_on_damaged_drafts(document: dict[str, Any], data: Any) -> None:
    document = copy.deepcopy(document)
    container, key = data.draw(st.sampled_from(places(document)))
    damage = data.draw(
        st.sampled_from(["drop", "add", None, True, 0, 2.5, "x", "a b", [], {}, ["x"], {"x": 0}, {"x y": 0}])
    )
    if damage == "drop":
        del container[key]
    elif damage == "add" and isinstance(container, dict):
        container["an extra key"] = 0
    else:
        container[key] = damage
    text = json.dumps(document)
    if VALIDATOR.is_valid(document):
        read_draft(text)
    else:
        with pytest.raises(DraftError) as refusal:
            read_draft(text)
        assert {problem.stage for problem in refusal.value.problems} == {"schema"}
