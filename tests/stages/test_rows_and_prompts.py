import json

import pytest

from narrative_dag.stages.prompts import prompt_batch, prompt_of
from narrative_dag.stages.rows import draft_row
from narrative_dag.storyworld.authors import AuthorConfig, author, prompts

DRAFT = next(author(1, AuthorConfig(), 0)).text


def test_every_theme_has_its_turn() -> None:
    known = prompts()
    batch = prompt_batch(3 * len(known) + 1)
    assert set(batch) == set(known)
    assert max(batch.count(prompt) for prompt in known) - min(batch.count(prompt) for prompt in known) == 1


def test_a_text_belongs_to_the_prompt_that_it_starts_with() -> None:
    assert DRAFT.startswith(prompt_of(DRAFT))
    assert prompt_of(DRAFT) in prompts()
    assert prompt_of('{"title":1}') == "{"


def test_a_draft_is_identified_by_what_it_says_not_how_it_is_written() -> None:
    pretty = json.dumps(json.loads(DRAFT), indent=2)
    one, other = draft_row(0, "policy", "{", DRAFT), draft_row(1, "policy", "{", pretty)
    assert one["valid"]
    assert one["valid_json"]
    assert one["storyworld_id"] == other["storyworld_id"]
    assert one["draft"] == other["draft"]
    assert one["title"] == json.loads(DRAFT)["title"]


@pytest.mark.parametrize(
    ("text", "valid_json", "reason"),
    [
        (DRAFT[:-1], False, ""),
        (DRAFT.replace('"to":"e2"', '"to":"e77"', 1), True, "e77"),
        ('{"title":"T"}', True, "characters"),
        ("\ud800", False, ""),
    ],
)
def test_what_is_no_storyworld_is_kept_with_the_reason(text: str, valid_json: bool, reason: str) -> None:
    row = draft_row(0, "policy", "{", text)
    assert not row["valid"]
    assert row["valid_json"] is valid_json
    assert reason in row["error"]
    assert len(row["storyworld_id"]) == 64
