"""Progress of stages as lines: in Dagster's log, or wherever a command prints them."""

import time
from collections.abc import Callable

import dagster as dg

SECONDS_BETWEEN_LINES = 10.0


def subject(what: str) -> str:
    """What a progress is about, without the figures that follow a comma."""
    return what.partition(",")[0]


class ProgressLines:
    """Progress as lines: the first of each subject, one every ten seconds, the last."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Write `what: done of total`, or nothing when a line is too recent."""
        now = time.monotonic()
        key = subject(what)
        if done < total and now - self._last.get(key, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        self._last[key] = now if done < total else now - SECONDS_BETWEEN_LINES
        self._write(f"{what}: {done} of {total}")


def log_progress() -> ProgressLines:
    """Progress in the log of the Dagster step."""
    return ProgressLines(lambda line: dg.get_dagster_logger().info(line))
