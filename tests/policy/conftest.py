from collections.abc import Iterator, Sequence
from itertools import product

import pytest
import torch

from narrative_dag.policy.config import PolicyConfig
from narrative_dag.policy.model import Policy, new_policy
from narrative_dag.policy.scoring import Score, Scored
from narrative_dag.policy.tokenizer import Document, DraftTokenizer, train_tokenizer

PROMPTS = ('{"theme":"harbor",', '{"theme":"court of the old king",')
SMALL = PolicyConfig(layers=2, width=32, heads=2, positions=64, dtype="float32", device="cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    names, places, numbers = ("Mara", "Oren", "Ines"), ("pier", "hall", "dune"), ("0.2", "-0.45", "0.9")
    return [
        Document(
            prompt,
            f'"title":"The {place}","do":["nudge {name}.Trust {number}","set {name}.Fear {number}"],"to":"e{i % 4}"}}',
        )
        for i, (prompt, name, place, number) in enumerate(product(PROMPTS, names, places, numbers))
    ]


@pytest.fixture(scope="session")
def tokenizer(documents: list[Document]) -> DraftTokenizer:
    return train_tokenizer(documents, 360, SMALL.positions)


@pytest.fixture
def policy(tokenizer: DraftTokenizer) -> Policy:
    return new_policy(SMALL, tokenizer, seed=0)


@pytest.fixture
def prompts() -> tuple[str, ...]:
    return PROMPTS


@pytest.fixture
def score() -> Score:
    return score_letters


def score_letters(texts: Sequence[str], truncated: Sequence[bool]) -> list[Scored]:
    """Rewards the share of the letter e in what follows the prompt, and blames every quotation mark locally."""
    verdicts = []
    for text, cut in zip(texts, truncated, strict=True):
        written = text.split(",", 1)[-1]
        share = written.count("e") / max(1, len(written))
        verdicts.append(
            Scored(
                reward=0.5 * share + 0.5 * (not cut),
                components={"letters": share, "whole": float(not cut)},
                weights={"letters": 0.5, "whole": 0.5},
                credit=[(i, i + 1, -0.5) for i, c in enumerate(text) if c == '"'],
                valid=not cut,
            )
        )
    return verdicts
