"""Authors: seeded generators of storyworld drafts."""

from narrative_dag.storyworld.authors.combinatorial import AuthorConfig, Seed, author, prompts

__all__ = ["AuthorConfig", "Seed", "author", "prompts"]
