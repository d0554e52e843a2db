"""The exception of the autoencoder room."""

from narrative_dag.errors import NarrativeError


class SaeError(NarrativeError):
    """States, configuration or a checkpoint that an autoencoder cannot use."""
