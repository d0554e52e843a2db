"""What a stage gives back beside its tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class StageResult:
    """Headline figures by name, and the rows of table `training_log`."""

    metrics: Mapping[str, float]
    log: pa.Table
