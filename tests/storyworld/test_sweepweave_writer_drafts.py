"""Draft, project, draft: the same canonical text, byte for byte."""

from typing import Any

from draft_strategies import canonical_documents
from hypothesis import HealthCheck, given, settings

from narrative_dag.storyworld.authors import AuthorConfig, author
from narrative_dag.storyworld.draft import Draft, canonical, compile_draft, compile_text, decompile
from narrative_dag.storyworld.model import Mode
from narrative_dag.storyworld.sweepweave import convert, loads
from narrative_dag.storyworld.sweepweave.files import parse
from narrative_dag.storyworld.sweepweave.writer import encode


def through_a_project(draft: Draft) -> Draft:
    """The draft of the project of a draft."""
    document = parse(encode(convert(compile_draft(draft)).document), "written")
    loaded = loads(document, Mode.OFFICIAL)
    assert loaded.report == ()
    return decompile(loaded.world)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(canonical_documents())
def test_drawn_drafts_come_back(document: dict[str, Any]) -> None:
    draft = Draft.model_validate(document)
    assert canonical(through_a_project(draft)).encode() == canonical(draft).encode()


def test_authored_drafts_come_back_with_readable_ids() -> None:
    seeds = author(40, AuthorConfig(), 7)
    for seed in seeds:
        compiled = compile_text(seed.text)
        assert canonical(through_a_project(compiled.draft)) == compiled.canonical
        document = convert(compiled.world).document
        assert [e["id"] for e in document["encounters"]] == [e.id for e in compiled.draft.encounters]
        assert [c["id"] for c in document["characters"]] == list(compiled.draft.characters)
