"""Where heavy stages run."""

from collections.abc import Callable
from typing import Literal, TypeVar

import dagster as dg
from pydantic import Field

T = TypeVar("T")


class Compute(dg.ConfigurableResource[None]):
    """The place of training and generation; the stages do not know it. Device and threads are the configuration's."""

    mode: Literal["in_process"] = Field(
        default="in_process", description="in_process: in the process of the Dagster step, one step at a time"
    )

    def run(self, stage: Callable[[], T]) -> T:
        """Run a training stage where `mode` says; its result, or its exception."""
        return stage()
