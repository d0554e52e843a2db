"""What a loader did to a file: notices with a place, refusals with a place."""

import enum
from dataclasses import dataclass
from typing import NoReturn

from narrative_dag.storyworld.errors import StoryworldError


class NoticeKind(enum.StrEnum):
    """What happened at a place of the document."""

    DROPPED = "dropped"
    """The thing is not in the storyworld at all."""
    DEFAULTED = "defaulted"
    """A default stands where the document has nothing readable."""
    PADDED = "padded"
    """An operator was filled up with constants to its least operand count."""
    MISREAD = "misread"
    """It was read, but as something else than it says."""
    IGNORED = "ignored"
    """It was read and has no effect on play."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One place of a document that play does not follow as written; `path` is the place inside the document."""

    path: str
    kind: NoticeKind
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.kind.value}: {self.message}"


class Report:
    """Collects the notices of one load and raises its refusals.

    Args:
        where: the file's name, which every refusal starts with.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.notices: list[Notice] = []

    def refuse(self, path: str, message: str, hint: str | None = None) -> NoReturn:
        """Give the file up.

        Raises:
            StoryworldError: always, naming file, place and reason.
        """
        raise StoryworldError(message, where=f"{self.where}: {path}" if path else self.where, hint=hint)

    def dropped(self, path: str, message: str) -> None:
        """Note something that is not in the storyworld."""
        self.notices.append(Notice(path, NoticeKind.DROPPED, message))

    def defaulted(self, path: str, message: str) -> None:
        """Note a default."""
        self.notices.append(Notice(path, NoticeKind.DEFAULTED, message))

    def padded(self, path: str, message: str) -> None:
        """Note constants added to an operator."""
        self.notices.append(Notice(path, NoticeKind.PADDED, message))

    def misread(self, path: str, message: str) -> None:
        """Note something that was read differently from what it says."""
        self.notices.append(Notice(path, NoticeKind.MISREAD, message))

    def ignored(self, path: str, message: str) -> None:
        """Note something that has no effect on play."""
        self.notices.append(Notice(path, NoticeKind.IGNORED, message))
