import json
import random
from collections import Counter

import pytest

from narrative_dag.policy.tokenizer import split_document, train_tokenizer
from narrative_dag.storyworld.authors import AuthorConfig, Seed, author, prompts
from narrative_dag.storyworld.draft import DraftError, compile_text
from narrative_dag.storyworld.engine import Engine


def write(count: int, seed: int = 3, **settings: float) -> list[Seed]:
    return list(author(count, AuthorConfig(**settings), seed))


def prompt_of(text: str) -> str:
    return next(prompt for prompt in prompts() if text.startswith(prompt))


def test_the_same_seed_writes_the_same_drafts_and_each_depends_on_its_place_alone() -> None:
    assert write(20) == write(40)[:20]
    assert write(20) != write(20, seed=4)


def test_without_flaws_every_draft_compiles() -> None:
    for seed in write(300, quality_low=0.0, quality_high=1.0):
        compile_text(seed.text)


def test_flaws_are_as_frequent_as_asked_and_are_flaws() -> None:
    seeds = write(1000, broken_json=0.2, dangling=0.1)
    found = Counter(seed.flaw for seed in seeds)
    assert found["broken JSON"] == pytest.approx(200, abs=40)
    assert found["dangling reference"] == pytest.approx(100, abs=30)
    for seed in seeds[:300]:
        if seed.flaw == "broken JSON":
            with pytest.raises(json.JSONDecodeError):
                json.loads(seed.text)
        elif seed.flaw:
            json.loads(seed.text)
            with pytest.raises(DraftError):
                compile_text(seed.text)


def test_drafts_are_150_to_400_tokens_long() -> None:
    seeds = write(1500, quality_low=0.0, quality_high=1.0)
    documents = [split_document(seed.text, prompt_of(seed.text)) for seed in seeds]
    tokenizer = train_tokenizer(documents, vocabulary=1000, positions=512)
    lengths = [len(tokenizer.encode_prompt(d.prompt)) + len(tokenizer.encode(d.completion)) for d in documents]
    assert min(lengths) >= 150
    assert max(lengths) <= 400


def test_drafts_hardly_repeat() -> None:
    texts = [seed.text for seed in write(2000)]
    assert len(set(texts)) == len(texts)
    structures = {compile_text(text).structural_hash for text in texts}
    assert len(structures) > 0.95 * len(texts)


def test_richer_drafts_have_more_gates_more_endings_and_more_kinds_of_effects() -> None:
    def means(quality: float) -> tuple[float, float, float]:
        drafts = [json.loads(s.text) for s in write(200, quality_low=quality, quality_high=quality)]
        endings = sum("options" not in e for d in drafts for e in d["encounters"])
        options = [[o for e in d["encounters"] for o in e.get("options", [])] for d in drafts]
        gates = sum("if" in o for found in options for o in found)
        operators = sum(
            len({x.split()[0] for o in found for r in o["reactions"] for x in r["do"]}) for found in options
        )
        return gates / 200, endings / 200, operators / 200

    poor, rich = means(0.05), means(0.95)
    assert all(high > 1.5 * low for low, high in zip(poor, rich, strict=True))


def sentences(text: str) -> list[str]:
    pages = json.loads(text)["encounters"]
    options = [option for page in pages for option in page.get("options", [])]
    reactions = [reaction for option in options for reaction in option["reactions"]]
    return [part["text"] for part in (*pages, *options, *reactions)]


@pytest.mark.parametrize("quality", [0.0, 0.5, 1.0])
def test_no_sentence_occurs_twice_in_a_sketch(quality: float) -> None:
    for seed in write(200, quality_low=quality, quality_high=quality):
        assert Counter(sentences(seed.text)).most_common(1)[0][1] == 1


def flawed(seed: Seed) -> bool:
    """A play of some hundred meets a dead end or never ends, or no play chooses an option or meets a page."""
    world = compile_text(seed.text).world
    engine, chance = Engine(world), random.Random(0)
    pages, chosen = set(), set()
    for _ in range(120):
        play = engine.start()
        for _ in range(30):
            assert play.page is not None
            pages.add(play.page.encounter)
            if play.ending is not None:
                break
            option = chance.choice(play.page.performable)
            chosen.add((play.page.encounter, option))
            play.choose(option)
        if play.ending is None or play.page is None or world.encounters[play.page.encounter].options:
            return True
    endings = [e for e in pages if not world.encounters[e].options]
    return len(endings) < 2 or len(pages) < len(world.encounters) or len(chosen) < sum(1 for _ in world.options())


def test_at_quality_1_a_sketch_has_no_flaw() -> None:
    assert not any(flawed(seed) for seed in write(60, quality_low=1.0, quality_high=1.0))
    assert sum(flawed(seed) for seed in write(60, quality_low=0.5, quality_high=0.5)) > 20
