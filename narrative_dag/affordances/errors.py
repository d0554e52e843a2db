"""The exception of the affordance room."""

from narrative_dag.errors import NarrativeError


class AffordanceError(NarrativeError):
    """Codes, rollouts or settings on which nothing can be estimated."""
