"""What the policy room raises."""

from narrative_dag.errors import NarrativeError


class PolicyError(NarrativeError):
    """A model, tokenizer, checkpoint, prompt or training input that cannot be used."""
