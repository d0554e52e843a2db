import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.tokenizer import (
    EOS,
    PAD,
    Document,
    DraftTokenizer,
    load_tokenizer,
    split_document,
    train_tokenizer,
)

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(text=TEXTS)
@example(text=" ")
@example(text="\n\t  ")
@example(text=f"a{EOS}b{PAD}")
@example(text="👩‍👩‍👧 ﷽ \u0000 é")
@example(text='"}]}]},{"id":"e2" , "text":" Mara.Trust>-0.5')
def test_any_text_survives(tokenizer: DraftTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.eos not in ids
    assert tokenizer.pad not in ids


@given(text=TEXTS)
def test_ends_count_the_characters_written_so_far(tokenizer: DraftTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    ends = tokenizer.ends(ids)
    assert ends == sorted(ends)
    assert not ids or ends[-1] == len(text)
    for position, end in enumerate(ends):
        assert text[:end] == tokenizer.decode(ids[: position + 1]).removesuffix("�")[:end]


def test_structure_and_known_keys_are_single_tokens(tokenizer: DraftTokenizer) -> None:
    ids = tokenizer.encode('"title":"The pier","do":["nudge Mara.Trust 0.2"],"to":"e1"}')
    pieces = [tokenizer.decode([i]) for i in ids]
    assert '","do":["nudge ' in pieces
    assert '"],"to":"' in pieces
    assert " 0.2" in pieces


def test_a_name_is_the_same_token_wherever_it_stands(tokenizer: DraftTokenizer) -> None:
    (name,), (trait,) = tokenizer.encode("Mara"), tokenizer.encode("Trust")
    for text in (
        '{"Mara":{"Trust":0.2}}',
        '"do":["nudge Mara.Trust 0.2"]',
        "0.1 and Mara.Trust > 0.3",
        "0 < Mara.Trust",
    ):
        assert tokenizer.encode(text).count(name) == 1
        assert tokenizer.encode(text).count(trait) == 1


def test_special_tokens_have_ids_of_their_own(tokenizer: DraftTokenizer) -> None:
    assert (tokenizer.pad, tokenizer.eos) == (0, 1)
    assert tokenizer.decode([tokenizer.eos]) == EOS
    assert tokenizer.ends([tokenizer.eos]) == [len(EOS)]


def test_training_is_deterministic_and_files_round_trip(
    documents: list[Document], tokenizer: DraftTokenizer, tmp_path: Path
) -> None:
    again = train_tokenizer(documents, 360, 64)
    tokenizer.save(tmp_path / "a")
    again.save(tmp_path / "b")
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names)
    loaded = load_tokenizer(tmp_path / "a")
    text = f'{{"theme":"harbor","title":"{EOS} é'
    assert loaded.encode(text) == tokenizer.encode(text)
    assert (loaded.eos, loaded.pad, len(loaded)) == (tokenizer.eos, tokenizer.pad, len(tokenizer))
    assert json.loads((tmp_path / "a" / "tokenizer_config.json").read_text())["eos_token"] == EOS


def test_vocabulary_is_bounded(documents: list[Document]) -> None:
    assert len(train_tokenizer(documents, 300, 64)) == 300


def test_no_texts_and_no_prompt_are_refused(tokenizer: DraftTokenizer) -> None:
    with pytest.raises(PolicyError, match="no texts"):
        train_tokenizer([], 300, 64)
    with pytest.raises(PolicyError, match="empty prompt"):
        tokenizer.encode_prompt("")


def test_a_document_starts_with_its_prompt() -> None:
    assert split_document('{"a":1}', '{"a"') == Document('{"a"', ":1}")
    with pytest.raises(PolicyError, match="does not start"):
        split_document('{"a":1}', "[")
