"""The vocabulary that generated storyworlds share: property names with state dimensions of their own."""

SHARED_PROPERTIES: tuple[str, ...] = ("Trust", "Fear", "Loyalty", "Anger", "Courage", "Guilt", "Hope", "Resolve")
"""Names of properties; other names are hashed into reserved dimensions."""
