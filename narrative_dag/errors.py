"""The base of every error that names bad input: what is wrong, where it is, and what to do about it."""


class NarrativeError(Exception):
    """Wrong input or an unusable artefact; the command line prints it and exits with status 1.

    Args:
        message: what is wrong, one sentence.
        where: the place: a file, a path inside a document, a table, a partition.
        hint: what to do about it.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text
