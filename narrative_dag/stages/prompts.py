"""The prompts that a batch of storyworlds is written from."""

from narrative_dag.storyworld.authors import prompts


def prompt_batch(count: int) -> list[str]:
    """`count` prompts, every theme in turn."""
    known = prompts()
    return [known[i % len(known)] for i in range(count)]


def prompt_of(text: str) -> str:
    """The prompt that a text starts with, or "{" for a text of no known theme."""
    return next((prompt for prompt in prompts() if text.startswith(prompt)), "{")
