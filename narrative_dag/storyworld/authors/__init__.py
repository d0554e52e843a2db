"""Authors: seeded generators of storyworld drafts, one combinatorial grammar in several styles."""

from narrative_dag.storyworld.authors.config import STYLES, AuthorConfig, Style, curriculum
from narrative_dag.storyworld.authors.planted import MotifPlace, MotifReader, MotifStage, PlantedMotif, motif_stages
from narrative_dag.storyworld.authors.writing import Seed, author, prompts, write

__all__ = [
    "STYLES",
    "AuthorConfig",
    "MotifPlace",
    "MotifReader",
    "MotifStage",
    "PlantedMotif",
    "Seed",
    "Style",
    "author",
    "curriculum",
    "motif_stages",
    "prompts",
    "write",
]
