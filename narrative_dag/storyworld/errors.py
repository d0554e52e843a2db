"""The storyworld room's exception."""

from narrative_dag.errors import NarrativeError


class StoryworldError(NarrativeError):
    """A document that is no storyworld in the mode asked for; `where` is file and path inside the document."""
